"""One step of AdamW on flat float32 arrays."""

from __future__ import annotations

import numpy as np

from biosig_kernels.jit import ELEMENTWISE, REDUCTION, kernel


@kernel(fastmath=REDUCTION)
def sum_of_squares(x, start, stop):
    """Return the sum of squares of ``x[start:stop]`` in float64."""
    total = 0.0
    for i in range(start, stop):
        total += np.float64(x[i]) * np.float64(x[i])
    return total


@kernel(fastmath=ELEMENTWISE)
def adamw(weight, gradient, m, v, scale, lr, b1, b2, eps, decay, c1, c2, start, stop):
    """Update ``weight``, ``m`` and ``v`` in place between `start` and `stop` (Loshchilov and Hutter 2019, algorithm 2).

    All arrays are flat. The gradient is first multiplied by `scale`; `c1` and `c2` are ``1 / (1 - b ** step)``.
    """
    one = np.float32(1)
    for i in range(start, stop):
        g = gradient[i] * scale
        first = b1 * m[i] + (one - b1) * g
        second = b2 * v[i] + (one - b2) * g * g
        m[i] = first
        v[i] = second
        weight[i] -= lr * (first * c1 / (np.sqrt(second * c2) + eps) + decay * weight[i])
