"""Encoders, heads and steps of the optimiser in torch, over the same named weights: a twin to compare losses with.

In double precision: a step of Adam divides small gradients by their own size, so that two trainings in single precision
drift apart faster than either does from the exact one. In an EfficientNet the layer norm of frames cut out, which are
all but constant, enlarges any rounding some hundred times a block, and small steps too end far apart: it is compared on
windows that are not augmented, with a low learning rate.
"""

from __future__ import annotations

import copy
import dataclasses

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

    def __init__(self, torch, names, values, trained=True):
        self.torch, self.f = torch, torch.nn.functional
        self.by_name = {n: torch.tensor(next(values), dtype=torch.float64, requires_grad=trained) for n in names}

    def copy(self):
        return Weights(
            self.torch, self.by_name, iter([w.detach().numpy().copy() for w in self.by_name.values()]), False
        )

    def linear(self, x, name):
        return x @ self.by_name[f"{name}weight"] + self.by_name[f"{name}bias"]

    def head(self, x):
        return self.linear(self.f.gelu(self.linear(x, "in_"), approximate="tanh"), "out_")


class Encoder:
    """The twin of an encoder that the benchmarks use, in double precision and without dropout."""

    def __init__(self, torch, config, names, values, trained=True):
        from examples.benchmarks.torch_twins import TorchEncoder

        self.torch, self.config = torch, config
        self._twin = TorchEncoder(config, {name: next(values) for name in names})
        self._hold(self._twin.weights, trained)

    def _hold(self, weights, trained):
        self.by_name = {n: w.detach().clone().double().requires_grad_(trained) for n, w in weights.items()}
        self._twin.weights = self.by_name

    def copy(self):
        other = copy.copy(self)
        other._twin = copy.copy(self._twin)
        other._hold(self.by_name, False)
        return other

    def tokens(self, x):
        return self._twin.tokens(x)

    def pool(self, tokens):
        mean = tokens.mean(1)
        if self.config["architecture"] != "conv":
            return mean
        return self.torch.cat([mean, (tokens.var(1, unbiased=False) + 1e-5).sqrt()], dim=1)

    def __call__(self, x):
        return self.pool(self.tokens(x))


def comparable(options, *architectures):
    """Return the options with which trainings of these encoders can be compared over fifty steps."""
    if "efficientnet" not in architectures:
        return options
    return dataclasses.replace(options, augment=False, learning_rate=1e-4)


def losses(torch, loss, modules, batches, options):
    """Take AdamW's steps on ``loss(step, *batch)`` as the loop does, and return the losses before each."""
    torch.set_num_threads(1)
    weights = [w for module in modules for w in module.by_name.values()]
    groups = [
        {"params": [w for w in weights if w.ndim > 1], "weight_decay": options.weight_decay},
        {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=options.learning_rate)
    found = []
    for step, arrays in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, options.steps, options.learning_rate, options.warmup)
        optimiser.zero_grad()
        value = loss(step, *[torch.from_numpy(np.asarray(a, dtype=np.float64)) for a in arrays])
        value.backward()
        torch.nn.utils.clip_grad_norm_([w for w in weights if w.grad is not None], options.clip_norm)
        optimiser.step()
        found.append(value.item())
    return found


def info_nce(torch, query, key, excluded, temperature, balance):
    """InfoNCE by torch's own cross-entropy."""
    f, n = torch.nn.functional, len(query)
    logits = (f.normalize(query) @ f.normalize(key).T / temperature).masked_fill(excluded.bool(), -torch.inf)
    own = torch.arange(n)
    return balance * f.cross_entropy(logits, own) + (1 - balance) * f.cross_entropy(logits[:, :n].T, own)


def koleo(torch, x):
    unit = torch.nn.functional.normalize(x)
    return -(torch.cdist(unit, unit) + 9 * torch.eye(len(x))).min(dim=1).values.log().mean()
