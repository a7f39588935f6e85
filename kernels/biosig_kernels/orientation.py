"""Acceleration seen in ways that do not depend on how the sensor lies."""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.jit import ELEMENTWISE, kernel


@kernel(fastmath=ELEMENTWISE)
def magnitude_rows(x, level, out, start, stop):
    """Length of the vectors ``start:stop`` of `x` (n, 3, n_samples), less `level`, into `out` (n, n_samples).

    Arithmetic is in float64 (`float` would leave a float32 what it is); NaN where an axis is missing (or infinite).
    """
    for r in range(start, stop):
        for i in range(x.shape[2]):
            a, b, c = np.float64(x[r, 0, i]), np.float64(x[r, 1, i]), np.float64(x[r, 2, i])
            value = math.sqrt(a * a + b * b + c * c) - level
            out[r, i] = value if value < math.inf else math.nan


@kernel(fastmath=ELEMENTWISE)
def aligned_rows(x, gravity, out, start, stop):
    """Movement along gravity and across it.

    Parameters
    ----------
    x, gravity : ndarray, shape (n, 3, n_samples)
        Acceleration, and gravity in the same axes.
    out : ndarray, shape (n, 2, n_samples)
        Receives for ``start:stop`` the movement ``x - gravity`` along the direction of gravity (up is positive, for a
        sensor at rest reads +1 g upwards), and the length of the rest of it. NaN where either is missing or gravity has
        no direction.
    """
    for r in range(start, stop):
        for i in range(x.shape[2]):
            g0, g1, g2 = np.float64(gravity[r, 0, i]), np.float64(gravity[r, 1, i]), np.float64(gravity[r, 2, i])
            m0, m1, m2 = np.float64(x[r, 0, i]) - g0, np.float64(x[r, 1, i]) - g1, np.float64(x[r, 2, i]) - g2
            size = math.sqrt(g0 * g0 + g1 * g1 + g2 * g2)
            if not 0.0 < size < math.inf:
                out[r, 0, i] = math.nan
                out[r, 1, i] = math.nan
                continue
            along = (m0 * g0 + m1 * g1 + m2 * g2) / size
            rest = m0 * m0 + m1 * m1 + m2 * m2 - along * along
            out[r, 0, i] = along
            out[r, 1, i] = math.nan if math.isnan(rest) else math.sqrt(max(rest, 0.0))
