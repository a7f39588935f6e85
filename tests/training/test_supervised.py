"""Supervised training: the same losses as in torch, labels and targets of all kinds, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from biosig.nets.encoders import build_encoder
from biosig.nets.parameters import named_parameters
from biosig.training import TrainingOptions, embed, make_config, train_supervised
from tests.training import torch_twin

RATE, LENGTH = 16.0, 64


def config(architecture="conv"):
    return make_config(
        modality="ppg", n_channels=1, n_samples=LENGTH, sampling_rate=RATE, architecture=architecture,
        **torch_twin.FAMILIES[architecture],
    )  # fmt: skip


def windows(n=48, seed=0):
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(0.6, 2.4, n)
    angle = 2 * np.pi * frequency[:, None] * np.arange(LENGTH) / RATE + rng.uniform(0, 2 * np.pi, (n, 1))
    return (np.sin(angle) + 0.1 * rng.standard_normal((n, LENGTH)))[:, None].astype(np.float32), frequency


def options(**changed):
    plain = {"steps": 50, "batch_size": 16, "learning_rate": 2e-3, "n_jobs": 1, "progress": False}
    return TrainingOptions(**plain | changed)


@pytest.mark.parametrize(("architecture", "task"), [("efficientnet", "regression"), ("transformer", "classification")])
def test_losses_agree_with_torch_over_fifty_steps(monkeypatch, architecture, task):
    torch = pytest.importorskip("torch", reason="torch comes with the extra 'torch'")
    seen = torch_twin.record_training(monkeypatch)
    x, frequency = windows()
    y = frequency.copy() if task == "regression" else np.floor(frequency)
    y[::7] = np.nan
    made, settings = config(architecture), torch_twin.comparable(options(), architecture)
    train_supervised(x, y, made, options=settings, task=task)
    values = iter(seen["weights"])
    net = torch_twin.encoder(named_parameters(build_encoder(made["encoder"])), values, made["encoder"])
    head = torch_twin.Weights(torch, ["weight", "bias"], values)

    def loss(step, x, target, known=None):
        said = head.linear(net.embed(x), "")
        if known is None:
            return torch.nn.functional.cross_entropy(said, target.argmax(1))
        return torch.nn.functional.mse_loss(said[known.bool()], target[known.bool()])

    expected = torch_twin.losses(torch, loss, [net, head], seen["batches"], settings)
    np.testing.assert_allclose(seen["losses"], expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["text", "numbers", "objects"])
def test_classes_are_learnt_and_come_back_as_given(kind):
    (x, frequency), (new, expected) = windows(96), windows(64, seed=1)
    names = {"text": np.array(["slow", "fast"]), "numbers": np.array([3, 7]), "objects": np.array(["a", "b"], object)}
    y = names[kind][(frequency > 1.5).astype(int)]
    if kind == "objects":
        y[:5], x[6] = None, np.nan
    settings = options(steps=60, batch_size=32, learning_rate=5e-3, augment=False)
    fitted = train_supervised(x, y, config(), options=settings, task="classification")
    new[0] = np.nan
    probabilities, labels = fitted.probabilities(new), fitted.predict(new)
    assert probabilities.shape == (64, 2) and np.isnan(probabilities[0]).all()
    np.testing.assert_allclose(probabilities[1:].sum(axis=1), 1.0, rtol=1e-5)
    assert np.isnan(labels[0]) if kind == "numbers" else labels[0] is None
    assert np.mean(labels[1:] == names[kind][(expected[1:] > 1.5).astype(int)]) > 0.8
    np.testing.assert_array_equal(fitted.predict(new[1:]), labels[1:])
    head = fitted.heads["classification"]
    said = embed(new[1:], fitted.config, fitted.weights) @ head["weight"] + head["bias"]
    np.testing.assert_array_equal(head["classes"][said.argmax(axis=1)], labels[1:])
    assert head["classes"].tolist() == sorted(names[kind])
    with pytest.raises(ValueError, match="targets for regression"):
        type(fitted)(fitted.config, fitted.weights, {}).predict(new)


def test_classes_can_be_named_beforehand():
    x, frequency = windows(24)
    y = (frequency > 1.5).astype(int)
    short = options(steps=2)
    fitted = train_supervised(x, y, config(), options=short, task="classification", classes=[2, 1, 0])
    assert fitted.probabilities(x).shape == (24, 3) and set(fitted.predict(x)) <= {0, 1, 2}
    more = train_supervised(x, y, config(), options=short, task="classification", classes=[2, 1, 0], start=fitted.state)
    assert more.history["step"] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("y", "changed", "says"),
    [
        (np.zeros(24), {}, "1 class"),
        (np.zeros((24, 2)), {}, r"\(24, 2\) for 24 windows"),
        (np.arange(24) % 3, {"classes": [0, 1]}, r"labels \[2\]"),
        (np.full(24, np.nan), {}, "0 class"),
        (np.arange(24.0), {"task": "ranking"}, "ranking"),
        (np.arange(24.0), {"task": "regression", "classes": [0, 1]}, "classes are given"),
    ],
)
def test_impossible_labels_are_refused(y, changed, says):
    with pytest.raises(ValueError, match=says):
        train_supervised(windows(24)[0], y, config(), options=options(steps=1), **{"task": "classification"} | changed)


def test_the_last_windows_may_be_without_a_target():
    x, y = windows(n=12)
    y[-3:] = np.nan
    fitted = train_supervised(x, y, config(), options=options(steps=1, batch_size=4), groups=np.repeat([0, 1, 2], 4))
    assert np.isfinite(fitted.predict(x)).all()


@pytest.mark.parametrize("kind", [object, "str", "string", "category"])
def test_labels_that_are_not_known_in_any_type_of_text(kind):
    import pandas as pd

    from biosig.training.supervised import _to_classify

    labels = pd.Series(["sit", None, "walk", "sit"], dtype=kind)
    told = _to_classify(labels, np.ones(4, bool), None)
    np.testing.assert_array_equal(told.known, [True, False, True, True])
    assert told.kept["classes"].tolist() == ["sit", "walk"]
