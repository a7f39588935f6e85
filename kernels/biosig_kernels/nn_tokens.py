"""From samples to frames, and from tokens to one embedding, in float32 on ranges of windows."""

from __future__ import annotations

import numpy as np

from biosig_kernels.jit import REDUCTION, kernel


@kernel
def frames(x, stride, before, out, start, stop):
    """Write ``out[b, t, c, j] = x[b, c, stride * t + j - before]`` for windows `start` to `stop`.

    `x` has shape (n_batch, n_channels, n_samples), `out` (n_batch, n_frames, n_channels, length), which may be a view
    with its axes in another order; beyond the ends are zeros.
    """
    n_samples, length = x.shape[2], out.shape[3]
    for b in range(start, stop):
        for t in range(out.shape[1]):
            first = stride * t - before
            for c in range(x.shape[1]):
                if first >= 0 and first + length <= n_samples:
                    for j in range(length):
                        out[b, t, c, j] = x[b, c, first + j]
                else:
                    for j in range(length):
                        i = first + j
                        out[b, t, c, j] = x[b, c, i] if 0 <= i < n_samples else np.float32(0)


@kernel(fastmath=REDUCTION)
def means(x, out, start, stop):
    """Write the means over time of windows of tokens (n_batch, n_tokens, n) into `out` (n_batch, n)."""
    share = np.float32(1) / np.float32(x.shape[1])
    for b in range(start, stop):
        for c in range(x.shape[2]):
            out[b, c] = 0
        for t in range(x.shape[1]):
            for c in range(x.shape[2]):
                out[b, c] += x[b, t, c]
        for c in range(x.shape[2]):
            out[b, c] *= share


@kernel(fastmath=REDUCTION)
def statistics(x, eps, out, start, stop):
    """Write means over time, then the square roots of ``eps`` plus the variances, into `out` (n_batch, 2 * n)."""
    n = x.shape[2]
    share = np.float32(1) / np.float32(x.shape[1])
    means(x, out, start, stop)
    for b in range(start, stop):
        for c in range(n):
            out[b, n + c] = 0
        for t in range(x.shape[1]):
            for c in range(n):
                d = x[b, t, c] - out[b, c]
                out[b, n + c] += d * d
        for c in range(n):
            out[b, n + c] = np.sqrt(out[b, n + c] * share + eps)


@kernel(fastmath=REDUCTION)
def statistics_backward(x, pooled, upstream, dx, start, stop):
    """Write the gradient of `statistics` at its input, given what it wrote, for windows `start` to `stop`."""
    n = x.shape[2]
    share = np.float32(1) / np.float32(x.shape[1])
    for b in range(start, stop):
        for t in range(x.shape[1]):
            for c in range(n):
                slope = (x[b, t, c] - pooled[b, c]) / pooled[b, n + c]
                dx[b, t, c] = share * (upstream[b, c] + upstream[b, n + c] * slope)
