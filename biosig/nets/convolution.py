"""One-dimensional ConvNeXt (after Liu et al. 2022), channels last, with statistics pooling.

Layer normalisation makes training equal inference, and a window's embedding independent of its batch. The embedding
carries the mean and the standard deviation of every feature over time (Snyder et al. 2017): variability is a target.

=====  ==========  =========  ==========================
size   parameters  embedding  channels of the stages
=====  ==========  =========  ==========================
micro       9,368         48  8, 16, 24
mini       25,748         80  16, 28, 40
tiny      132,704        192  32, 64, 96
small   1,059,152        320  48, 96, 160
base    3,753,344        512  64, 128, 256
=====  ==========  =========  ==========================

Parameters are counted for one input channel at 64 Hz.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from tinygrad import Tensor

from biosig.nets import ops, parameters

SIZES: dict[str, dict[str, Any]] = {
    "micro": {"widths": [8, 16, 24], "depths": [1, 2, 2], "expansion": 2},
    "mini": {"widths": [16, 28, 40], "depths": [1, 2, 2], "expansion": 2},
    "tiny": {"widths": [32, 64, 96], "depths": [1, 2, 2], "expansion": 2},
    "small": {"widths": [48, 96, 160], "depths": [2, 2, 4], "expansion": 4},
    "base": {"widths": [64, 128, 256], "depths": [3, 3, 6], "expansion": 4},
}


def configure(size: str, n_channels: int, n_samples: int, sampling_rate: float) -> dict[str, Any]:
    """Complete settings of one size; the stem's stride leaves at least four frames a second, to see the heart."""
    stride = min(8, 2 ** max(0, math.floor(math.log2(sampling_rate / 4))))
    return {**SIZES[size], "stride": stride, "taps": 7, "dropout": 0.2}


def n_features(config: dict[str, Any]) -> int:
    """Values per embedding: mean and standard deviation over time of each value of a token."""
    return 2 * config["widths"][-1]


def check(config: dict[str, Any]) -> None:
    """Raise ValueError where the settings do not fit together."""
    widths, depths, n_samples = config["widths"], config["depths"], config["n_samples"]
    if len(widths) != len(depths) or not widths:
        raise ValueError(f"widths {widths} and depths {depths}; expected one of each per stage")
    stretch = config["stride"] * 2 ** (len(widths) - 1)
    if n_samples % stretch or n_samples < stretch:
        below = max(1, n_samples // stretch) * stretch
        raise ValueError(
            f"n_samples is {n_samples}, which a total stride of {stretch} does not divide; "
            f"windows of {below} or {below + stretch} samples do (multiples of {stretch}), or give another stride"
        )
    if config["taps"] % 2 == 0:
        raise ValueError(f"taps is {config['taps']}; expected an odd number, so that the filter is centred")
    if not 0 <= config["dropout"] < 1:
        raise ValueError(f"dropout is {config['dropout']}; expected a share from 0 to less than 1")


def shapes(config: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the weights, one after the other: nothing is built."""
    widths, taps = config["widths"], config["taps"]
    yield "stem_weight", (2 * config["stride"] * config["n_channels"], widths[0])
    for name in ("stem_bias", "stem_norm_weight", "stem_norm_bias"):
        yield name, (widths[0],)
    number = 0
    for stage, (width, depth) in enumerate(zip(widths, config["depths"], strict=True)):
        if stage:
            before = widths[stage - 1]
            of_reduction = {"norm_weight": (before,), "norm_bias": (before,), "weight": (2 * before, width)}
            yield from ((f"layers.{number}.{name}", shape) for name, shape in of_reduction.items())
            yield f"layers.{number}.bias", (width,)
            number += 1
        hidden = config["expansion"] * width
        for _ in range(depth):
            yield f"layers.{number}.filter_weight", (taps, width)
            for name in ("filter_bias", "norm_weight", "norm_bias", "mlp_out_bias"):
                yield f"layers.{number}.{name}", (width,)
            yield f"layers.{number}.mlp_in_weight", (width, hidden)
            yield f"layers.{number}.mlp_in_bias", (hidden,)
            yield f"layers.{number}.mlp_out_weight", (hidden, width)
            number += 1
    yield "norm_weight", (widths[-1],)
    yield "norm_bias", (widths[-1],)


class Block:
    """Depthwise filter, layer norm and two pointwise layers, added to what comes in."""

    def __init__(self, width: int, taps: int, expansion: int, depth: int, rng: np.random.Generator):
        bound = math.sqrt(3 / taps)
        self.filter_weight = parameters.parameter(rng.uniform(-bound, bound, (taps, width)))
        self.filter_bias = parameters.zeros(width)
        self.norm_weight, self.norm_bias = parameters.ones(width), parameters.zeros(width)
        hidden = expansion * width
        calm = 1 / math.sqrt(depth)  # the sum over all blocks keeps the variance of one
        self.mlp_in_weight, self.mlp_in_bias = parameters.matrix(rng, width, hidden), parameters.zeros(hidden)
        self.mlp_out_weight, self.mlp_out_bias = parameters.matrix(rng, hidden, width, calm), parameters.zeros(width)

    def __call__(self, x: Tensor) -> Tensor:
        """(n_batch, length, width) in and out."""
        y = ops.depthwise_conv(x, self.filter_weight, self.filter_bias)
        y = ops.layer_norm(y, self.norm_weight, self.norm_bias)
        return ops.mlp(y, self.mlp_in_weight, self.mlp_in_bias, self.mlp_out_weight, self.mlp_out_bias, add_to=x)


class Reduction:
    """Layer norm, then every two frames become one."""

    def __init__(self, n_in: int, n_out: int, rng: np.random.Generator):
        self.norm_weight, self.norm_bias = parameters.ones(n_in), parameters.zeros(n_in)
        self.weight, self.bias = parameters.matrix(rng, 2 * n_in, n_out), parameters.zeros(n_out)

    def __call__(self, x: Tensor) -> Tensor:
        """(n_batch, length, n_in) to (n_batch, length / 2, n_out)."""
        n_batch, length, width = (int(s) for s in x.shape)
        y = ops.layer_norm(x, self.norm_weight, self.norm_bias).reshape(n_batch, length // 2, 2 * width)
        return ops.linear(y, self.weight, self.bias)


class ConvEncoder:
    """Windows to tokens and to one embedding.

    Attributes
    ----------
    config : dict
    stretch : int
        Samples of the input that one token stands for, the total stride.
    n_tokens, token_width, n_features : int
        Tokens per window, values per token, values per embedding.
    """

    def __init__(self, config: dict[str, Any], rng: np.random.Generator):
        widths, depths = config["widths"], config["depths"]
        self.config = config
        self.stretch = config["stride"] * 2 ** (len(widths) - 1)
        self.n_tokens = config["n_samples"] // self.stretch
        self.token_width, self.n_features = widths[-1], n_features(config)
        self.stem_weight = parameters.matrix(rng, 2 * config["stride"] * config["n_channels"], widths[0])
        self.stem_bias = parameters.zeros(widths[0])
        self.stem_norm_weight, self.stem_norm_bias = parameters.ones(widths[0]), parameters.zeros(widths[0])
        self.layers: list[Block | Reduction] = []
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            if stage:
                self.layers.append(Reduction(widths[stage - 1], width, rng))
            self.layers += [Block(width, config["taps"], config["expansion"], sum(depths), rng) for _ in range(depth)]
        self.norm_weight, self.norm_bias = parameters.ones(widths[-1]), parameters.zeros(widths[-1])

    def _frames(self, x: Tensor) -> Tensor:
        """Overlapping frames of two strides each: (n_batch, n_samples / stride, 2 * stride * n_channels)."""
        stride = self.config["stride"]
        return ops.frames(x, 2 * stride, stride, stride // 2)

    def tokens(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_samples) to (n_batch, n_tokens, token_width)."""
        y = ops.linear(self._frames(x), self.stem_weight, self.stem_bias)
        y = ops.layer_norm(y, self.stem_norm_weight, self.stem_norm_bias)
        for layer in self.layers:
            y = layer(y)
        return ops.layer_norm(y, self.norm_weight, self.norm_bias)

    def pool(self, tokens: Tensor) -> Tensor:
        """(n_batch, n_tokens, token_width) to (n_batch, n_features)."""
        return ops.dropout(ops.statistics(tokens), self.config["dropout"])

    def __call__(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_samples) to (n_batch, n_features)."""
        return self.pool(self.tokens(x))
