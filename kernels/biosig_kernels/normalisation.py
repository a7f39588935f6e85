"""Scaling of each channel of each window by its own mean and standard deviation."""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.gaps import bridge_gaps
from biosig_kernels.jit import kernel


@kernel
def standardise(x, out, max_gap, start, stop):
    """Write z-scores of the windows ``x[start:stop]`` into `out`; what is missing becomes 0, but for short gaps.

    A channel without variance, or without any finite sample, becomes all zeros. `out` may be `x`.

    Parameters
    ----------
    x, out : (n_windows, n_channels, n_samples) float32
    max_gap : float
        Longest gap between two finite samples, in samples, that is bridged by a straight line before anything else, and
        then counts as measured; 0 for none. See `biosig_kernels.gaps.bridge_gaps`.
    """
    n_channels, n_samples = x.shape[1], x.shape[2]
    row = np.empty(n_samples, x.dtype)
    missing = np.empty(n_samples, np.bool_)
    for i in range(start, stop):
        for c in range(n_channels):
            bridge_gaps(x[i, c], max_gap, row, missing)
            count, total = 0, 0.0
            for t in range(n_samples):
                if not missing[t]:
                    count += 1
                    total += float(row[t])
            mean, squares = total / max(count, 1), 0.0
            for t in range(n_samples):
                if not missing[t]:
                    squares += (float(row[t]) - mean) ** 2
            deviation = math.sqrt(squares / max(count, 1))
            scale = 1.0 / deviation if deviation > 0.0 else 0.0
            for t in range(n_samples):
                out[i, c, t] = 0.0 if missing[t] else (float(row[t]) - mean) * scale


@kernel
def fill_missing(x, out, max_gap, start, stop):
    """Copy the windows ``x[start:stop]`` into `out`, what is missing as 0; arguments as `standardise`."""
    n_channels, n_samples = x.shape[1], x.shape[2]
    row = np.empty(n_samples, x.dtype)
    missing = np.empty(n_samples, np.bool_)
    for i in range(start, stop):
        for c in range(n_channels):
            bridge_gaps(x[i, c], max_gap, row, missing)
            for t in range(n_samples):
                out[i, c, t] = 0.0 if missing[t] else row[t]


@kernel
def any_finite(x, found, start, stop):
    """Write into ``found[start:stop]`` whether each window ``x[start:stop]`` has a finite sample at all.

    Parameters
    ----------
    x : (n_windows, n_channels, n_samples) float32
    found : (n_windows,) bool
    """
    for i in range(start, stop):
        found[i] = False
        for c in range(x.shape[1]):
            for t in range(x.shape[2]):
                if np.isfinite(x[i, c, t]):
                    found[i] = True
                    break
            if found[i]:
                break
