"""Transformer over patches: a stretch of all channels becomes one token (Dosovitskiy et al. 2021, in one dimension).

=======  ==========  =====  =====  =====
size     parameters  width  depth  heads
=======  ==========  =====  =====  =====
tiny        449,568     96      4      4
small     2,673,600    192      6      6
paper     6,323,968    256      8      8
student   1,192,576    128      6      4
=======  ==========  =====  =====  =====

Parameters are counted for one input channel and patches of 20 samples, with sinusoidal positions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from tinygrad import Tensor

from biosig.nets import ops, parameters
from biosig.nets.backend import from_numpy

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"width": 96, "depth": 4, "n_heads": 4},
    "small": {"width": 192, "depth": 6, "n_heads": 6},
    "paper": {"width": 256, "depth": 8, "n_heads": 8},
    "student": {"width": 128, "depth": 6, "n_heads": 4},
}

MAX_TOKENS = 8192


def configure(size: str, n_channels: int, n_samples: int, sampling_rate: float) -> dict[str, Any]:
    """Complete settings of one size; what depends on the signal is chosen from it."""
    return {**SIZES[size], "patch": 20, "expansion": 4, "positions": "sinusoidal", "dropout": 0.0}


def n_features(config: dict[str, Any]) -> int:
    """Values per embedding: the mean over all tokens."""
    return config["width"]


def check(config: dict[str, Any]) -> None:
    """Raise ValueError where the settings do not fit together."""
    patch, n_samples, width, n_heads = (config[k] for k in ("patch", "n_samples", "width", "n_heads"))
    if n_samples % patch or n_samples < patch:
        below = max(1, n_samples // patch) * patch
        raise ValueError(
            f"n_samples is {n_samples}, which patches of {patch} samples do not fill; "
            f"windows of {below} or {below + patch} samples do (multiples of {patch}), or give another patch"
        )
    if n_samples // patch > MAX_TOKENS:
        raise ValueError(
            f"windows of {n_samples} samples are {n_samples // patch} patches of {patch}; every patch attends to all, "
            f"so at most {MAX_TOKENS} can be taken: give shorter windows or a longer patch"
        )
    if width % n_heads or width % 2:
        raise ValueError(f"width is {width}; expected an even multiple of n_heads ({n_heads})")
    if not 0 <= config["dropout"] < 1:
        raise ValueError(f"dropout is {config['dropout']}; expected a share from 0 to less than 1")
    if config["positions"] not in ("sinusoidal", "learned"):
        raise ValueError(f"positions is {config['positions']!r}; expected 'sinusoidal' or 'learned'")


def shapes(config: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the weights, one after the other: nothing is built."""
    width = config["width"]
    hidden = config["expansion"] * width
    yield "embed_weight", (config["n_channels"] * config["patch"], width)
    yield "embed_bias", (width,)
    if config["positions"] == "learned":
        yield "positions", (config["n_samples"] // config["patch"], width)
    layers = {"qkv": (width, 3 * width), "out": (width, width), "mlp_in": (width, hidden), "mlp_out": (hidden, width)}
    for number in range(config["depth"]):
        for name, shape in layers.items():
            yield f"blocks.{number}.{name}_weight", shape
            yield f"blocks.{number}.{name}_bias", shape[1:]
        for name in ("norm1_weight", "norm1_bias", "norm2_weight", "norm2_bias"):
            yield f"blocks.{number}.{name}", (width,)
    yield "norm_weight", (width,)
    yield "norm_bias", (width,)


def sinusoids(n_tokens: int, width: int) -> np.ndarray:
    """Fixed positions (n_tokens, width): sines, then cosines (Vaswani et al. 2017, section 3.5)."""
    rates = np.exp(-math.log(10000.0) * np.arange(width // 2) / max(1, width // 2))
    angles = np.arange(n_tokens)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


class Block:
    """Attention and two linear layers, each added to what comes in, normalised before (Xiong et al. 2020).

    While training, a share `dropout` of what either adds is dropped, which keeps a small cohort from being memorised.
    """

    def __init__(
        self, width: int, n_heads: int, expansion: int, depth: int, rng: np.random.Generator, dropout: float = 0.0
    ):
        self._n_heads, self._dropout = n_heads, dropout
        calm = 1 / math.sqrt(2 * depth)  # the sum over all blocks keeps the variance of one
        self.norm1_weight, self.norm1_bias = parameters.ones(width), parameters.zeros(width)
        self.qkv_weight, self.qkv_bias = parameters.matrix(rng, width, 3 * width), parameters.zeros(3 * width)
        self.out_weight, self.out_bias = parameters.matrix(rng, width, width, calm), parameters.zeros(width)
        self.norm2_weight, self.norm2_bias = parameters.ones(width), parameters.zeros(width)
        hidden = expansion * width
        self.mlp_in_weight, self.mlp_in_bias = parameters.matrix(rng, width, hidden), parameters.zeros(hidden)
        self.mlp_out_weight, self.mlp_out_bias = parameters.matrix(rng, hidden, width, calm), parameters.zeros(width)

    def __call__(self, x: Tensor) -> Tensor:
        """(n_batch, n_tokens, width) in and out."""
        y = ops.layer_norm(x, self.norm1_weight, self.norm1_bias)
        y = ops.attention(ops.linear(y, self.qkv_weight, self.qkv_bias), self._n_heads)
        x = ops.linear(y, self.out_weight, self.out_bias, add_to=x, rate=self._dropout)
        y = ops.layer_norm(x, self.norm2_weight, self.norm2_bias)
        weights = self.mlp_in_weight, self.mlp_in_bias, self.mlp_out_weight, self.mlp_out_bias
        return ops.mlp(y, *weights, add_to=x, rate=self._dropout)


class TransformerEncoder:
    """Windows to tokens and to one embedding, the mean of the tokens.

    Attributes
    ----------
    config : dict
    stretch : int
        Samples of the input that one token stands for.
    n_tokens, token_width, n_features : int
        Tokens per window, values per token, values per embedding.
    """

    def __init__(self, config: dict[str, Any], rng: np.random.Generator):
        width, depth = config["width"], config["depth"]
        self.config = config
        self.stretch = config["patch"]
        self.n_tokens = config["n_samples"] // self.stretch
        self.token_width = self.n_features = width
        self.embed_weight = parameters.matrix(rng, config["n_channels"] * self.stretch, width)
        self.embed_bias = parameters.zeros(width)
        if config["positions"] == "learned":
            self.positions = parameters.parameter(0.02 * rng.standard_normal((self.n_tokens, width)))
        else:
            self.positions = from_numpy(sinusoids(self.n_tokens, width)).is_param_(False)
        self.blocks = [
            Block(width, config["n_heads"], config["expansion"], depth, rng, config["dropout"]) for _ in range(depth)
        ]
        self.norm_weight, self.norm_bias = parameters.ones(width), parameters.zeros(width)

    def tokens(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """Encode all patches, or only the `visible` ones, which then see nothing of the others.

        Parameters
        ----------
        x : Tensor, shape (n_batch, n_channels, n_samples)
        visible : Tensor of int32, shape (n_batch, n_visible), optional
            Positions of the patches to encode.

        Returns
        -------
        Tensor, shape (n_batch, n_tokens or n_visible, token_width)
        """
        cut = ops.frames(x, self.stretch, self.stretch)
        where = self.positions.reshape(1, self.n_tokens, self.token_width)
        if visible is not None:
            cut, where = ops.gather_tokens(cut, visible), ops.gather_tokens(where, visible)
        y = ops.linear(cut, self.embed_weight, self.embed_bias, add_to=where)
        for block in self.blocks:
            y = block(y)
        return ops.layer_norm(y, self.norm_weight, self.norm_bias)

    def pool(self, tokens: Tensor) -> Tensor:
        """(n_batch, n_tokens, token_width) to (n_batch, n_features)."""
        return ops.means(tokens)

    def __call__(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_samples) to (n_batch, n_features)."""
        return self.pool(self.tokens(x))
