"""What stands on an embedding while it is trained."""

from __future__ import annotations

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


class RegressionHead:
    """One linear layer from an embedding to targets."""

    def __init__(self, n_in: int, n_out: int, random_state: int | np.random.Generator | None = None) -> None:
        rng = np.random.default_rng(random_state)
        self.weight, self.bias = parameters.matrix(rng, n_in, n_out), parameters.zeros(n_out)

    def __call__(self, x: Tensor) -> Tensor:
        """(n_batch, n_in) to (n_batch, n_out)."""
        return ops.linear(x, self.weight, self.bias)
