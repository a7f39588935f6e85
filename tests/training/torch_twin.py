"""Encoders, heads and steps of the optimiser in torch, over the same named weights: a twin to compare losses with.

In double precision: a step of Adam divides small gradients by their own size, so that two trainings in single precision
drift apart faster than either does from the exact one. In an EfficientNet the layer norm of frames cut out, which are
all but constant, enlarges any rounding some hundred times a block, and small steps too end far apart: it is compared on
windows that are not augmented, with a low learning rate.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from biosig.nets.backend import to_numpy
from biosig.nets.efficientnet import strides, widths
from biosig.nets.transformer import sinusoids
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

    def norm(self, x, name):
        return self.f.layer_norm(x, x.shape[-1:], self.by_name[f"{name}weight"], self.by_name[f"{name}bias"])

    def mlp(self, x, first, second):
        return self.linear(self.f.gelu(self.linear(x, first), approximate="tanh"), second)

    def head(self, x):
        return self.mlp(x, "in_", "out_")


class Encoder(Weights):
    """All families, for a config of `encoder_config`; without dropout."""

    def __init__(self, torch, config, names, values, trained=True):
        super().__init__(torch, names, values, trained)
        self.config = config

    def copy(self):
        values = iter([w.detach().numpy().copy() for w in self.by_name.values()])
        return Encoder(self.torch, self.config, self.by_name, values, False)

    def tokens(self, x):
        return getattr(self, f"_{self.config['architecture']}")(x)

    def pool(self, tokens):
        mean = tokens.mean(1)
        if self.config["architecture"] != "conv":
            return mean
        return self.torch.cat([mean, (tokens.var(1, unbiased=False) + 1e-5).sqrt()], dim=1)

    def __call__(self, x):
        return self.pool(self.tokens(x))

    def _filtered(self, y, name, stride=1):
        kernel, bias = self.by_name[f"{name}filter_weight"].T[:, None], self.by_name[f"{name}filter_bias"]
        padding = kernel.shape[-1] // 2
        z = self.f.conv1d(y.transpose(1, 2), kernel, bias, stride, padding, groups=len(kernel))
        return z.transpose(1, 2)

    def _efficientnet(self, x):
        plan, steps = widths(self.config["width"]), strides(self.config["stride"])
        kernel = self.by_name["stem_weight"].reshape(3, x.shape[1], plan[0]).permute(2, 1, 0)
        y = self.f.silu(self.f.conv1d(x, kernel, self.by_name["stem_bias"], steps[0], 1)).transpose(1, 2)
        firsts = np.cumsum([0, *self.config["depths"][:-1]]).tolist()
        for i in range(sum(self.config["depths"])):
            name, stride = f"blocks.{i}.", steps[1 + firsts.index(i)] if i in firsts else 1
            z = self.f.silu(self.linear(self.norm(y, f"{name}norm_"), f"{name}expand_"))
            z = self.f.silu(self._filtered(z, name, stride))
            gates = self.linear(self.f.silu(self.linear(z.mean(1), f"{name}squeeze_")), f"{name}excite_").sigmoid()
            z = self.linear(z * gates[:, None], f"{name}project_")
            y = y + z if y.shape == z.shape else z
        return self.f.silu(self.linear(self.norm(y, "norm_"), "head_"))

    def _conv(self, x):
        n, channels, samples = x.shape
        stride = self.config["stride"]
        padded = self.f.pad(x, (stride // 2, stride - stride // 2))
        frames = padded.unfold(2, 2 * stride, stride)[:, :, : samples // stride].reshape(n, channels, -1, 2, stride)
        frames = frames.permute(0, 2, 1, 3, 4)
        y = self.norm(self.linear(frames.reshape(n, samples // stride, -1), "stem_"), "stem_norm_")
        for i in range(sum(self.config["depths"]) + len(self.config["widths"]) - 1):
            name = f"layers.{i}."
            if f"{name}filter_weight" in self.by_name:
                z = self.norm(self._filtered(y, name), f"{name}norm_")
                y = y + self.mlp(z, f"{name}mlp_in_", f"{name}mlp_out_")
            else:
                y = self.linear(self.norm(y, f"{name}norm_").reshape(n, y.shape[1] // 2, -1), name)
        return self.norm(y, "norm_")

    def _transformer(self, x):
        n, channels, samples = x.shape
        patch, heads = self.config["patch"], self.config["n_heads"]
        y = x.reshape(n, channels, samples // patch, patch).permute(0, 2, 1, 3).reshape(n, samples // patch, -1)
        y = self.linear(y, "embed_")
        y = y + self.torch.tensor(sinusoids(y.shape[1], y.shape[2]), dtype=y.dtype)
        for i in range(self.config["depth"]):
            name = f"blocks.{i}."
            qkv = self.linear(self.norm(y, f"{name}norm1_"), f"{name}qkv_")
            q, k, v = qkv.reshape(n, y.shape[1], 3, heads, -1).permute(2, 0, 3, 1, 4)
            mixed = self.f.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(y.shape)
            y = y + self.linear(mixed, f"{name}out_")
            y = y + self.mlp(self.norm(y, f"{name}norm2_"), f"{name}mlp_in_", f"{name}mlp_out_")
        return self.norm(y, "norm_")


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
