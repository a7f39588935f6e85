"""Contrastive training: the same losses as in torch, what it learns, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from biosig.nets.encoders import build_encoder
from biosig.nets.parameters import named_parameters
from biosig.training import TrainingOptions, contrastive, embed, make_config, random_encoder, train_contrastive
from tests.training import torch_twin

RATE, LENGTH = 16.0, 64


def people(n_people=6, windows_each=8, seed=0):
    """Windows of people who differ in the shape of their pulse; the rate changes from window to window."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_people), windows_each)
    shape = np.linspace(0, 1.5, n_people)[groups, None]
    angle = 2 * np.pi * rng.uniform(0.8, 1.6, (len(groups), 1)) * np.arange(LENGTH) / RATE
    angle = angle + rng.uniform(0, 2 * np.pi, (len(groups), 1))
    x = np.sin(angle) + shape * np.sin(2 * angle + shape) + 0.05 * rng.standard_normal(angle.shape)
    return x[:, None].astype(np.float32), groups


def config(architecture="conv"):
    return make_config(
        modality="ppg", n_channels=1, n_samples=LENGTH, sampling_rate=RATE, architecture=architecture,
        **torch_twin.FAMILIES[architecture],
    )  # fmt: skip


def options(**changed):
    plain = {"steps": 50, "batch_size": 16, "learning_rate": 2e-3, "n_jobs": 1, "progress": False}
    return TrainingOptions(**plain | changed)


@pytest.mark.parametrize(("architecture", "queue_size"), [("efficientnet", 0), ("transformer", 24)])
def test_losses_agree_with_torch_over_fifty_steps(monkeypatch, architecture, queue_size):
    torch = pytest.importorskip("torch", reason="torch comes with the extra 'torch'")
    made = config(architecture)
    seen = torch_twin.record_training(monkeypatch)
    x, groups = people()
    settings = {"temperature": 0.1, "koleo": 0.1, "momentum": 0.8, "queue_size": queue_size}
    plan = torch_twin.comparable(options(), architecture)
    train_contrastive(x, made, options=plan, groups=groups, **settings)

    values = iter(seen["weights"])
    names = list(named_parameters(build_encoder(made["encoder"], 0)))
    net = torch_twin.encoder(names, values, made["encoder"])
    head = torch_twin.Weights(torch, ["in_weight", "in_bias", "out_weight", "out_bias"], values)
    slow_net, slow_head = torch_twin.frozen(net), torch_twin.frozen(head)
    past = torch.zeros(0, contrastive.PROJECTED, dtype=torch.float64)

    def loss(step, windows, excluded):
        nonlocal past
        with torch.no_grad():
            for slow, fast in ((slow_net, net), (slow_head, head)):
                for name, weight in slow.weights.items():
                    weight.mul_(0.8).add_(fast.weights[name], alpha=0.2)
            key = slow_head.head(slow_net.embed(windows)).reshape(-1, 2, contrastive.PROJECTED).flip(1).reshape(16, -1)
            past = torch.cat([key, past])[: 16 + queue_size]
        assert excluded[:, len(past) :].all()  # the places of the queue that are still empty
        query = head.head(net.embed(windows))
        found = torch_twin.info_nce(torch, query, past, excluded[:, : len(past)], 0.1, 1.0)
        return found + 0.05 * (torch_twin.koleo(torch, query[0::2]) + torch_twin.koleo(torch, query[1::2]))

    expected = torch_twin.losses(torch, loss, [net, head], seen["batches"], plan)
    np.testing.assert_allclose(seen["losses"], expected, atol=1e-4)


def neighbours_of_the_same_person(fitted):
    """Share of new windows whose nearest neighbour is of the same person; one in six by chance."""
    x, groups = people(6, 16, seed=5)
    z = embed(x, fitted.config, fitted.weights)
    z = (z - z.mean(0)) / z.std(0)
    distance = np.linalg.norm(z[:, None] - z[None], axis=2) + 1e9 * np.eye(len(z))
    return np.mean(groups[distance.argmin(axis=1)] == groups)


def test_windows_of_one_person_come_together():
    x, groups = people(6, 16)
    settings = options(steps=80, batch_size=32, augment=False, learning_rate=5e-3)
    fitted = train_contrastive(x, config(), options=settings, groups=groups, temperature=0.1)
    assert np.mean(fitted.history["loss"][-5:]) < 0.7 * np.mean(fitted.history["loss"][:5])
    assert neighbours_of_the_same_person(fitted) > neighbours_of_the_same_person(random_encoder(config(), 0)) + 0.1


def test_held_out_people_are_looked_at_and_leave_copy_and_queue_as_they_were():
    x, groups = people(9, 6)

    def curves(**changed):
        held = options(**{"steps": 6, "validation_fraction": 0.4} | changed)
        history = train_contrastive(x, config(), options=held, groups=groups, queue_size=8).history
        return history["loss"], history["validation_loss"]

    often, seldom = curves(validate_every=1), curves(validate_every=6)
    assert often[0] == seldom[0] and often[1][-1] == seldom[1][-1] and len(often[1]) == 6
    with pytest.raises(ValueError, match=r"held out \(validation_fraction 0\.1\), groups names 1 participants"):
        curves(validate_every=1, validation_fraction=0.1)


def test_hopeless_and_lone_windows_are_left_out():
    x, groups = people(4, 3)
    x[0], x[4:6] = np.nan, np.nan  # leaves two windows of person 0 and one of person 1
    fitted = train_contrastive(x, config(), options=options(steps=3), groups=groups)
    assert fitted.history["batch_size"] == 6 and np.isfinite(fitted.history["loss"]).all()


def test_same_seed_same_weights_whatever_the_threads_that_make_batches():
    x, groups = people()
    one, two, other = (
        train_contrastive(x, config(), options=options(steps=4, random_state=seed), groups=groups, queue_size=8).weights
        for seed in (1, 1, 2)
    )
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
    assert any((one[name] != other[name]).any() for name in one)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"groups": np.zeros(48)}, "1 participants"),
        ({"groups": np.arange(48)}, "48 participants, 0 of them"),
        ({"groups": np.zeros(7)}, "one participant label per window"),
        ({"options": options(batch_size=3)}, "batch_size is 3"),
        ({"temperature": 0.0}, "temperature"),
        ({"koleo": -1.0}, "koleo"),
        ({"momentum": 1.0}, "momentum"),
        ({"queue_size": -1}, "queue_size"),
    ],
)
def test_impossible_settings_are_refused(changed, says):
    x, groups = people()
    with pytest.raises(ValueError, match=says):
        train_contrastive(x, config(), **{"options": options(steps=1), "groups": groups} | changed)
