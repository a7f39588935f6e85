"""One-dimensional EfficientNet (after Tan and Le 2019): inverted residual blocks with squeeze-and-excitation.

The plan is that of the contrastive PPG encoder of Abbaspourazad et al. (2024, arXiv 2312.05409), with one change:
each block normalises what comes in with layer norm over channels, frame by frame, where they use batch norm behind
every convolution. Batch norm ties the windows of a batch together while training (positives and negatives of a
contrastive batch can be told apart by it), trains another net than the one that is used, and needs running statistics
beside the weights; with layer norm the embedding of a window is a function of that window alone.

=======  ==========  =========  =========  ========================================
size     parameters  embedding  expansion  channels of the stem and the seven stages
=======  ==========  =========  =========  ========================================
tiny        120,416        128          4  12, 8, 8, 16, 16, 24, 28, 36
small       822,988        256          6  24, 16, 20, 28, 36, 44, 56, 72
paper     3,270,728        256          7  44, 28, 36, 48, 64, 80, 100, 128
student     659,158        256          7  20, 12, 16, 20, 28, 36, 44, 56
=======  ==========  =========  =========  ========================================

Parameters are counted for one input channel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from tinygrad import Tensor

from biosig.nets import ops, parameters

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"width": 72, "embedding": 128, "expansion": 4},
    "small": {"width": 144, "embedding": 256, "expansion": 6},
    "paper": {"width": 256, "embedding": 256, "expansion": 7},
    "student": {"width": 112, "embedding": 256, "expansion": 7},
}
_PLAN = (6, 4, 5, 7, 9, 11, 14, 18)  # channels of the stem and of the seven stages, in 36ths of the width
_STRIDES = (2, 1, 2, 2, 2, 2, 2, 1)  # of the stem and of the first block of each stage: 64 in all
_SWISH_POWER = 0.356  # mean square of swish(z) for a standard normal z


def configure(size: str, n_channels: int, n_samples: int, sampling_rate: float) -> dict[str, Any]:
    """Complete settings of one size; the total stride leaves at least one token a second, and is 64 at most."""
    stride = min(64, 2 ** max(0, math.floor(math.log2(sampling_rate))))
    return {
        **SIZES[size],
        "depths": [1, 2, 2, 3, 3, 4, 1],
        "taps": [3, 3, 3, 3, 5, 5, 5],
        "squeeze": 0.25,
        "stride": stride,
        "dropout": 0.2,
    }


def n_features(config: dict[str, Any]) -> int:
    """Values per embedding: the mean of the tokens over time."""
    return config["embedding"]


def check(config: dict[str, Any]) -> None:
    """Raise ValueError where the settings do not fit together."""
    stride, n_samples, taps = config["stride"], config["n_samples"], config["taps"]
    for name in ("depths", "taps"):
        if len(config[name]) != len(_PLAN) - 1:
            raise ValueError(f"{name} is {config[name]}; expected {len(_PLAN) - 1} values, one per stage")
    if stride > 64 or stride & (stride - 1):
        raise ValueError(f"stride is {stride}; expected a power of two up to 64")
    if n_samples % stride or n_samples < stride:
        below = max(1, n_samples // stride) * stride
        raise ValueError(
            f"n_samples is {n_samples}, which a total stride of {stride} does not divide; "
            f"windows of {below} or {below + stride} samples do (multiples of {stride}), or give another stride"
        )
    if any(n % 2 == 0 for n in taps):
        raise ValueError(f"taps is {taps}; expected odd numbers, so that the filters are centred")
    if not 0 < config["squeeze"] <= 1:
        raise ValueError(f"squeeze is {config['squeeze']}; expected a share above 0, up to 1")
    if not 0 <= config["dropout"] < 1:
        raise ValueError(f"dropout is {config['dropout']}; expected a share from 0 to less than 1")


def widths(width: int) -> list[int]:
    """Channels of the stem and of the seven stages, to the nearest multiple of four."""
    return [max(4, 4 * round(units * width / 36 / 4)) for units in _PLAN]


def strides(total: int) -> list[int]:
    """Strides of the stem and of the seven stages; of less than 64 in all, the first stages keep full resolution."""
    spare = 6 - total.bit_length() + 1
    chosen = []
    for stride in _STRIDES:
        chosen.append(1 if stride == 2 and spare > 0 else stride)
        spare -= stride == 2
    return chosen


def shapes(config: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the weights, one after the other: nothing is built."""
    plan, n_out = widths(config["width"]), config["embedding"]
    yield "stem_weight", (3 * config["n_channels"], plan[0])
    yield "stem_bias", (plan[0],)
    number = 0
    for stage, (depth, taps) in enumerate(zip(config["depths"], config["taps"], strict=True), start=1):
        for i in range(depth):
            n_in, width = (plan[stage] if i else plan[stage - 1]), plan[stage]
            wide = config["expansion"] * n_in
            narrow = max(1, round(config["squeeze"] * wide))
            of_block = {"expand": (n_in, wide), "filter": (taps, wide), "squeeze": (wide, narrow)}
            of_block |= {"excite": (narrow, wide), "project": (wide, width)}
            for name, shape in of_block.items():
                yield f"blocks.{number}.{name}_weight", shape
                yield f"blocks.{number}.{name}_bias", shape[1:]
            yield f"blocks.{number}.norm_weight", (n_in,)
            yield f"blocks.{number}.norm_bias", (n_in,)
            number += 1
    yield "norm_weight", (plan[-1],)
    yield "norm_bias", (plan[-1],)
    yield "head_weight", (plan[-1], n_out)
    yield "head_bias", (n_out,)


class Block:
    """Inverted residual block; see `biosig.nets.ops.inverted_residual`."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        taps: int,
        stride: int,
        config: dict[str, Any],
        rng: np.random.Generator,
    ):
        self._stride = stride
        wide = config["expansion"] * n_in
        narrow = max(1, round(config["squeeze"] * wide))
        # every step keeps a variance of one: swish and gates of a half take most of it, added blocks share it
        calm = 1 / math.sqrt(sum(config["depths"])) if n_in == n_out and stride == 1 else 1.0
        bound = math.sqrt(3 / taps / _SWISH_POWER)
        self.norm_weight, self.norm_bias = parameters.ones(n_in), parameters.zeros(n_in)
        self.expand_weight, self.expand_bias = parameters.fan_in(rng, n_in, wide), parameters.zeros(wide)
        self.filter_weight = parameters.parameter(rng.uniform(-bound, bound, (taps, wide)))
        self.filter_bias = parameters.zeros(wide)
        self.squeeze_weight, self.squeeze_bias = parameters.fan_in(rng, wide, narrow), parameters.zeros(narrow)
        self.excite_weight, self.excite_bias = parameters.fan_in(rng, narrow, wide), parameters.zeros(wide)
        gain = 2 * calm / math.sqrt(_SWISH_POWER)
        self.project_weight, self.project_bias = parameters.fan_in(rng, wide, n_out, gain), parameters.zeros(n_out)

    def __call__(self, x: Tensor) -> Tensor:
        """(n_batch, length, n_in) to (n_batch, length / stride, n_out)."""
        names = ("norm", "expand", "filter", "squeeze", "excite", "project")
        weights = [getattr(self, f"{name}_{kind}") for name in names for kind in ("weight", "bias")]
        return ops.inverted_residual(x, weights, self._stride)


class EfficientNetEncoder:
    """Windows to tokens and to one embedding, the mean of the tokens.

    Attributes
    ----------
    config : dict
    stretch : int
        Samples of the input that one token stands for, the total stride.
    n_tokens, token_width, n_features : int
        Tokens per window, values per token, values per embedding.
    """

    def __init__(self, config: dict[str, Any], rng: np.random.Generator):
        self.config = config
        self.stretch = config["stride"]
        self.n_tokens = config["n_samples"] // self.stretch
        self.token_width = self.n_features = config["embedding"]
        plan, steps = widths(config["width"]), strides(config["stride"])
        self._stem_stride = steps[0]
        self.stem_weight = parameters.fan_in(rng, 3 * config["n_channels"], plan[0])
        # not zeros: where a window is masked or flat only the bias is left, and layer norm blows up what is near zero
        self.stem_bias = parameters.parameter(rng.uniform(-1, 1, plan[0]))
        self.blocks: list[Block] = []
        for stage, (depth, taps) in enumerate(zip(config["depths"], config["taps"], strict=True), start=1):
            for i in range(depth):
                n_in, stride = (plan[stage], 1) if i else (plan[stage - 1], steps[stage])
                self.blocks.append(Block(n_in, plan[stage], taps, stride, config, rng))
        self.norm_weight, self.norm_bias = parameters.ones(plan[-1]), parameters.zeros(plan[-1])
        self.head_weight = parameters.fan_in(rng, plan[-1], self.n_features)
        self.head_bias = parameters.zeros(self.n_features)

    def _frames(self, x: Tensor) -> Tensor:
        """Three samples of every channel around each frame: (n_batch, n_samples / stem stride, 3 * n_channels)."""
        return ops.frames(x, 3, self._stem_stride, 1, samples_first=True)

    def tokens(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_samples) to (n_batch, n_tokens, token_width)."""
        y = ops.swish(ops.linear(self._frames(x), self.stem_weight, self.stem_bias))
        for block in self.blocks:
            y = block(y)
        y = ops.layer_norm(y, self.norm_weight, self.norm_bias)
        return ops.swish(ops.linear(y, self.head_weight, self.head_bias))

    def pool(self, tokens: Tensor) -> Tensor:
        """(n_batch, n_tokens, token_width) to (n_batch, n_features)."""
        return ops.dropout(ops.means(tokens), self.config["dropout"])

    def __call__(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_samples) to (n_batch, n_features)."""
        return self.pool(self.tokens(x))
