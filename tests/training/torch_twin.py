"""Encoders, heads and steps of the optimiser in torch, over the same named weights: a twin to compare losses with.

In double precision: a step of Adam divides small gradients by their own size, so that two trainings in single precision
drift apart faster than either does from the exact one. In an EfficientNet the layer norm of frames cut out, which are
all but constant, enlarges any rounding some hundred times a block, and small steps too end far apart: it is compared on
windows that are not augmented, with a low learning rate.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools

import numpy as np

from biosig.nets.backend import to_numpy
from biosig.training import _steps, loop
from biosig.training.schedule import learning_rate


def record_training(monkeypatch):
    """Let trainings train as they do; return a dict that will hold the first weights, the batches and the losses."""
    seen: dict = {}

    def recording(objective, parameters, make_batch, options, batch_size, **more):
        tensors = parameters.values() if isinstance(parameters, dict) else parameters
        seen["weights"] = [to_numpy(tensor) for tensor in tensors]
        seen["batches"] = [make_batch(step) for step in range(options.steps)]
        history = loop.train(objective, parameters, make_batch, options, batch_size, **more)
        seen["losses"] = history["loss"]
        return history

    monkeypatch.setattr(_steps, "train", recording)
    return seen


FAMILIES = {
    "conv": {"widths": [8, 12], "depths": [1, 1], "dropout": 0.0},
    "efficientnet": {
        "width": 36, "embedding": 24, "expansion": 2, "depths": [2, 1, 1, 1, 1, 1, 1], "taps": [3, 5, 3, 3, 3, 3, 3],
        "stride": 8, "dropout": 0.0,
    },
    "transformer": {"width": 16, "depth": 1, "n_heads": 2, "patch": 16},
}  # fmt: skip
"""Encoders small enough for fifty steps in a second, without dropout, which no twin can follow."""


class Weights:
    """Layers in torch over weights by name, taken in the order in which a training lists them."""

    def __init__(self, torch, names, values):
        self.f = torch.nn.functional
        self.weights = {n: torch.tensor(next(values), dtype=torch.float64, requires_grad=True) for n in names}

    def linear(self, x, name):
        return x @ self.weights[f"{name}weight"] + self.weights[f"{name}bias"]

    def head(self, x):
        return self.linear(self.f.gelu(self.linear(x, "in_"), approximate="tanh"), "out_")


def encoder(names, values, config, trained=True):
    """Return the twin that the benchmarks use, in double precision and without dropout."""
    import torch

    from examples.benchmarks.torch_twins import TorchEncoder

    return TorchEncoder(config, {name: next(values) for name in names}, dtype=torch.float64, trained=trained)


def frozen(twin):
    """Return a copy with weights of its own that are not trained."""
    other = copy.copy(twin)
    other.weights = {name: w.detach().clone() for name, w in twin.weights.items()}
    return other


def comparable(options, *architectures):
    """Return the options with which trainings of these encoders can be compared over fifty steps."""
    if "efficientnet" not in architectures:
        return options
    return dataclasses.replace(options, augment=False, learning_rate=1e-4)


def losses(torch, loss, modules, batches, options):
    """Take AdamW's steps on ``loss(step, *batch)`` as the loop does, and return the losses before each."""
    from examples.benchmarks.torch_twins import TorchTrainer

    torch.set_num_threads(1)
    weights, count = [w for module in modules for w in module.weights.values()], itertools.count()
    trainer = TorchTrainer(
        weights,
        lambda *batch: loss(next(count), *batch),
        options.learning_rate,
        options.weight_decay,
        options.clip_norm,
    )
    return [
        trainer.step(
            *[np.asarray(a, dtype=np.float64) for a in arrays],
            learning_rate=learning_rate(step, options.steps, options.learning_rate, options.warmup),
        )
        for step, arrays in enumerate(batches)
    ]


def info_nce(torch, query, key, excluded, temperature, balance):
    """InfoNCE by torch's own cross-entropy."""
    f, n = torch.nn.functional, len(query)
    logits = (f.normalize(query) @ f.normalize(key).T / temperature).masked_fill(excluded.bool(), -torch.inf)
    own = torch.arange(n)
    return balance * f.cross_entropy(logits, own) + (1 - balance) * f.cross_entropy(logits[:, :n].T, own)


def koleo(torch, x):
    unit = torch.nn.functional.normalize(x)
    return -(torch.cdist(unit, unit) + 9 * torch.eye(len(x))).min(dim=1).values.log().mean()
