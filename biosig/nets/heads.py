"""What stands on an embedding while it is trained."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from tinygrad import Tensor

from biosig.nets import ops, parameters


class ProjectionHead:
    """Two linear layers with a GELU between them, thrown away after contrastive training (Chen et al. 2020)."""

    def __init__(
        self, n_in: int, n_hidden: int, n_out: int, random_state: int | np.random.Generator | None = None
    ) -> None:
        rng = np.random.default_rng(random_state)
        self.in_weight, self.in_bias = parameters.matrix(rng, n_in, n_hidden), parameters.zeros(n_hidden)
        self.out_weight, self.out_bias = parameters.matrix(rng, n_hidden, n_out), parameters.zeros(n_out)

    def __call__(self, x: Tensor) -> Tensor:
        """(n_batch, n_in) to (n_batch, n_out)."""
        return ops.mlp(x, self.in_weight, self.in_bias, self.out_weight, self.out_bias)


class TimedHead(ProjectionHead):
    """A projection head that reads the stretches of a window one by one, all alike, and leaves them in their order.

    Parameters
    ----------
    n_stretches : int
        Equal stretches into which a window is cut; divides the number of its tokens.
    n_in : int
        Values per stretch: those of all its tokens.
    n_hidden, n_out : int
        Width of the layer between, and values per stretch that come out.
    random_state : int, Generator or None
    """

    def __init__(
        self,
        n_stretches: int,
        n_in: int,
        n_hidden: int,
        n_out: int,
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        super().__init__(n_in, n_hidden, n_out, random_state)
        self.n_stretches, self._n_in, self.n_features = n_stretches, n_in, n_stretches * n_out

    def __call__(self, tokens: Tensor) -> Tensor:
        """(n_batch, n_tokens, token_width) to (n_batch, n_stretches * n_out)."""
        n_batch = int(tokens.shape[0])
        said = super().__call__(tokens.reshape(n_batch, self.n_stretches, self._n_in))
        return said.reshape(n_batch, self.n_features)


class InTime:
    """An encoder with a timed head on its tokens, as one net that takes windows.

    Attributes
    ----------
    n_tokens, token_width, n_features : int
        Tokens per window, values per token, values per window that come out.
    """

    def __init__(self, encoder: Any, head: TimedHead) -> None:
        self.encoder, self.head = encoder, head
        self.n_tokens, self.token_width, self.n_features = encoder.n_tokens, encoder.token_width, head.n_features

    def __call__(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_samples) to (n_batch, n_features)."""
        return self.head(self.encoder.tokens(x))


class LinearHead:
    """One linear layer, from an embedding to targets or classes, or from tokens to those of a teacher."""

    def __init__(self, n_in: int, n_out: int, random_state: int | np.random.Generator | None = None) -> None:
        rng = np.random.default_rng(random_state)
        self.weight, self.bias = parameters.matrix(rng, n_in, n_out), parameters.zeros(n_out)

    def __call__(self, x: Tensor) -> Tensor:
        """(..., n_in) to (..., n_out)."""
        return ops.linear(x, self.weight, self.bias)


class LearnedTemperature:
    r"""A temperature of InfoNCE that is trained, bounded: :math:`\tau = a (b / a)^{\sigma(w)}` between a and b.

    Radford et al. (2021), arXiv 2103.00020, section 2.4, learn its logarithm and clip it; the smooth bounds used here
    leave it a gradient everywhere.

    Parameters
    ----------
    start : float
        Temperature before training.
    lowest, highest : float
        a and b.

    Raises
    ------
    ValueError
        When `start` does not lie between the bounds.
    """

    def __init__(self, start: float, lowest: float = 0.01, highest: float = 1.0) -> None:
        if not lowest < start < highest:
            raise ValueError(f"temperature is {start!r}; one that is learned starts between {lowest} and {highest}")
        share = math.log(start / lowest) / math.log(highest / lowest)
        self._lowest, self._range = lowest, math.log(highest / lowest)
        self.weight = parameters.parameter(np.array([math.log(share / (1 - share))]))

    def __call__(self) -> Tensor:
        """Return the temperature, (1,)."""
        return self._lowest * (self._range * self.weight.sigmoid()).exp()
