"""Distillation in all its variants: the same losses as in torch, and what the variants do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from biosig.nets.encoders import build_encoder
from biosig.nets.parameters import named_parameters
from biosig.training import TrainingOptions, make_config, random_encoder, train_distilled
from biosig.training.lesson import TIMED_TEMPERATURE
from biosig.training.objectives import interpolation
from tests.training import torch_twin

RATE, LENGTH = 16.0, 64
HEAD = ["in_weight", "in_bias", "out_weight", "out_bias"]


def config(modality, architecture="conv"):
    return make_config(
        modality=modality, n_channels=3 if modality == "accel" else 1, n_samples=LENGTH, sampling_rate=RATE,
        architecture=architecture, **torch_twin.FAMILIES[architecture],
    )  # fmt: skip


def paired(n=48, seed=0):
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * rng.uniform(0.6, 2.4, (n, 1)) * np.arange(LENGTH) / RATE + rng.uniform(0, 2 * np.pi, (n, 1))
    ppg = np.sin(angle)[:, None] + 0.1 * rng.standard_normal((n, 1, LENGTH))
    accel = rng.standard_normal((n, 3, 1)) * np.cos(angle)[:, None] + 0.2 * rng.standard_normal((n, 3, LENGTH))
    return accel.astype(np.float32), ppg.astype(np.float32), np.arange(n) // 8, 3.0 * (np.arange(n) % 8)


def options(**changed):
    plain = {"steps": 50, "batch_size": 16, "learning_rate": 2e-3, "n_jobs": 1, "progress": False}
    return TrainingOptions(**plain | changed)


VARIANTS = [
    ("efficientnet", "efficientnet", {"objective": "infonce", "temperature": 0.1, "time_weight": 0.0}),
    ("transformer", "conv", {"objective": "infonce", "temperature": 0.2, "balance": 0.3, "queue_size": 24}),
    (
        "conv",
        "transformer",
        {"objective": "infonce", "temperature": 0.1, "learn_temperature": True, "token_weight": 0.5},
    ),
    ("conv", "conv", {"objective": "infonce", "temperature": 0.1, "joint": True}),
    ("efficientnet", "conv", {"objective": "l2", "time_weight": 0.5}),
    ("conv", "conv", {"objective": "l2"}),
    ("conv", "conv", {"objective": "cosine", "token_weight": 1.0}),
]


@pytest.mark.parametrize(("student", "teacher", "settings"), VARIANTS)
def test_losses_agree_with_torch_over_fifty_steps(monkeypatch, student, teacher, settings):
    torch = pytest.importorskip("torch", reason="torch comes with the extra 'torch'")
    f = torch.nn.functional
    seen = torch_twin.record_training(monkeypatch)
    accel, ppg, groups, starts = paired()
    frozen = random_encoder(config("ppg", teacher), 3)
    made, plan = config("accel", student), torch_twin.comparable(options(), student, teacher)
    fitted = train_distilled(
        accel, ppg, made, frozen, options=plan, groups=groups, starts=starts, **settings
    )  # fmt: skip

    values, contrast = iter(seen["weights"]), settings["objective"] == "infonce"
    time_weight = settings.get("time_weight", 1.0 if contrast else 0.0)
    net = torch_twin.encoder(named_parameters(build_encoder(made["encoder"])), values, made["encoder"])
    head = torch_twin.Weights(torch, HEAD, values)
    key_head = torch_twin.Weights(torch, HEAD if contrast else [], values)
    warmth = torch_twin.Weights(torch, ["w"] if "learn_temperature" in settings else [], values)
    token_head = torch_twin.Weights(torch, ["weight", "bias"] if "token_weight" in settings else [], values)
    guide = torch_twin.encoder(
        frozen.weights,
        values if "joint" in settings else iter(frozen.weights.values()),
        frozen.config["encoder"],
        "joint" in settings,
    )
    timed = [torch_twin.Weights(torch, HEAD if time_weight else [], values) for _ in ("student", "teacher")]
    mean, scale = (torch.tensor(fitted.heads["teacher"][name]) for name in ("mean", "scale"))
    past = torch.zeros(0, len(mean), dtype=torch.float64)

    def temperature():
        if "learn_temperature" not in settings:
            return settings["temperature"]
        return 0.01 * 100 ** torch.sigmoid(warmth.weights["w"])

    def loss(step, windows, heard, excluded):
        nonlocal past
        told = guide.tokens(heard)
        target = (guide.pool(told) - mean) / scale
        past = torch.cat([target, past.detach()])[: 16 + settings.get("queue_size", 0)]
        assert excluded[:, len(past) :].all()  # the places of the queue that are still empty
        said = net.tokens(windows)
        answer = head.head(net.pool(said))
        allowed = excluded[:, : len(windows)]
        if contrast:
            excluded = excluded[:, : len(past)]
            key, balance = key_head.head(past), settings.get("balance", 0.5)
            found = torch_twin.info_nce(torch, answer, key, excluded, temperature(), balance)
        elif settings["objective"] == "l2":
            found = f.mse_loss(answer, target)
        else:
            found = 1 - f.cosine_similarity(answer, target).mean()
        if "token_weight" in settings:
            matrix = torch.tensor(interpolation(said.shape[1], told.shape[1]), dtype=torch.float64)
            moved = torch.einsum("nsd,st->ntd", token_head.linear(said, ""), matrix)
            found = found + settings["token_weight"] * f.mse_loss(moved, f.layer_norm(told, told.shape[-1:]))
        if time_weight:
            n = math.gcd(said.shape[1], told.shape[1])
            rows = [
                side.head(torch.cat([stretch.flatten(1) for stretch in tokens.chunk(n, dim=1)]))
                .reshape(n, len(windows), -1).transpose(0, 1).flatten(1)
                for side, tokens in zip(timed, (said, told), strict=True)
            ]  # fmt: skip
            found = found + time_weight * torch_twin.info_nce(
                torch, *rows, allowed, TIMED_TEMPERATURE, settings.get("balance", 0.5)
            )
        return found

    modules = [net, head, key_head, warmth, token_head, *timed, *([guide] if "joint" in settings else [])]
    expected = torch_twin.losses(torch, loss, modules, seen["batches"], plan)
    np.testing.assert_allclose(seen["losses"], expected, atol=1e-4)
    if "learn_temperature" in settings:
        value = fitted.heads["temperature"]["value"].item()
        assert value == pytest.approx(temperature().item(), rel=1e-3) and abs(value - 0.1) > 1e-3
    else:
        assert "temperature" not in fitted.heads


def test_overlapping_and_repeated_windows_of_the_queue_are_no_negatives(monkeypatch):
    seen = torch_twin.record_training(monkeypatch)
    accel, ppg, groups, starts = paired(24)
    teacher = random_encoder(config("ppg"), 3)
    train_distilled(
        accel, ppg, config("accel"), teacher, options=options(steps=5), groups=groups, starts=starts, queue_size=20
    )
    masks, losses = [batch[2] for batch in seen["batches"]], seen["losses"]
    assert all(mask.shape == (16, 36) and (np.diag(mask) == 0).all() for mask in masks)
    filled = [int((mask == 0).any(axis=0).sum()) for mask in masks]
    assert filled[:3] == [16, 32, 36] and 0 < masks[4][:, 16:].mean() < 1
    # 24 windows and 36 places: some window stands there twice, and its own second appearance is marked
    alone = train_distilled(
        accel, ppg, config("accel"), teacher, options=options(steps=5), groups=groups, queue_size=20
    )
    assert alone.history["loss"] != losses  # without starts, overlapping neighbours are negatives


def test_validation_leaves_the_queue_as_it_was():
    accel, ppg, groups, starts = paired()
    teacher = random_encoder(config("ppg"), 3)

    def losses(**changed):
        held = options(steps=6, validation_fraction=0.3, **changed)
        fitted = train_distilled(
            accel, ppg, config("accel"), teacher, options=held, groups=groups, starts=starts, queue_size=24
        )
        return fitted.history["loss"], fitted.history["validation_loss"]

    often, seldom = losses(validate_every=1), losses(validate_every=6)
    assert often[0] == seldom[0] and often[1][-1] == seldom[1][-1]
    assert len(often[1]) == 6 and len(seldom[1]) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"balance": 1.5}, {"queue_size": -1}, {"token_weight": -0.1}, {"temperature": 2.0, "learn_temperature": True}],
)
def test_impossible_settings_are_refused(wrong):
    accel, ppg, _, _ = paired(8)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        train_distilled(accel, ppg, config("accel"), random_encoder(config("ppg"), 0), options=options(), **wrong)


def test_a_joint_teacher_learns_too_and_a_frozen_one_does_not():
    accel, ppg, groups, starts = paired()
    given = random_encoder(config("ppg"), 3)
    before = {name: weights.copy() for name, weights in given.weights.items()}
    plan = {"options": options(steps=30), "groups": groups, "starts": starts, "temperature": 0.1}
    frozen = train_distilled(accel, ppg, config("accel"), given, **plan)
    joint = train_distilled(accel, ppg, config("accel"), given, joint=True, **plan)
    for name, weights in before.items():
        np.testing.assert_array_equal(given.weights[name], weights)
    assert "joint_teacher" not in frozen.heads
    learnt = joint.heads["joint_teacher"]
    assert learnt.keys() == before.keys() and any(np.abs(learnt[name] - before[name]).max() > 1e-3 for name in before)
    assert joint.history["loss"][0] == frozen.history["loss"][0] and joint.history["loss"] != frozen.history["loss"]
    again = train_distilled(accel, ppg, config("accel"), given, joint=True, **plan)
    assert again.history["loss"] == joint.history["loss"]


@pytest.mark.parametrize("wrong", [{"objective": "l2"}, {"queue_size": 8}, {"token_weight": 0.5}])
def test_a_joint_teacher_needs_infonce_alone(wrong):
    accel, ppg, *_ = paired(16)
    with pytest.raises(ValueError, match="freeze it"):
        train_distilled(
            accel, ppg, config("accel"), random_encoder(config("ppg"), 3), options=options(), joint=True, **wrong
        )
