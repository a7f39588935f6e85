"""Scaling of each channel of each window by its own mean and standard deviation."""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.jit import kernel


@kernel
def standardise(x, out, n_finite, start, stop):
    """Write z-scores of the windows ``x[start:stop]`` into `out`; samples that are not finite become 0.

    A channel without variance, or without any finite sample, becomes all zeros. `out` may be `x`.

    Parameters
    ----------
    x, out : (n_windows, n_channels, n_samples) float32
    n_finite : (n_windows,) int64
        Receives the number of finite samples of each window, all channels together.
    """
    n_channels, n_samples = x.shape[1], x.shape[2]
    for i in range(start, stop):
        n_finite[i] = 0
        for c in range(n_channels):
            count, total = 0, 0.0
            for t in range(n_samples):
                if np.isfinite(x[i, c, t]):
                    count += 1
                    total += float(x[i, c, t])
            n_finite[i] += count
            mean, squares = total / max(count, 1), 0.0
            for t in range(n_samples):
                if np.isfinite(x[i, c, t]):
                    squares += (float(x[i, c, t]) - mean) ** 2
            deviation = math.sqrt(squares / max(count, 1))
            scale = 1.0 / deviation if deviation > 0.0 else 0.0
            for t in range(n_samples):
                out[i, c, t] = (float(x[i, c, t]) - mean) * scale if np.isfinite(x[i, c, t]) else 0.0


@kernel
def fill_missing(x, out, n_finite, start, stop):
    """Copy the windows ``x[start:stop]`` into `out`, samples that are not finite as 0; arguments as `standardise`."""
    n_channels, n_samples = x.shape[1], x.shape[2]
    for i in range(start, stop):
        n_finite[i] = 0
        for c in range(n_channels):
            for t in range(n_samples):
                finite = np.isfinite(x[i, c, t])
                n_finite[i] += finite
                out[i, c, t] = x[i, c, t] if finite else 0.0


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
