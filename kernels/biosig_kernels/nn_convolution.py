"""Depthwise convolution along time, channels last, in float32: every channel has filter taps of its own.

The gradient at the input is the same convolution of the upstream gradient with the taps reversed.
"""

from __future__ import annotations

from biosig_kernels.jit import ELEMENTWISE, kernel


@kernel(fastmath=ELEMENTWISE)
def depthwise(x, weight, bias, out, start, stop):
    """Write ``out[b, t] = bias + sum_j weight[j] * x[b, t + j - n_taps // 2]`` for batch rows `start` to `stop`.

    `x` and `out` have shape (n_batch, length, n_channels), `weight` (n_taps, n_channels); beyond the ends are zeros.
    """
    length, n_channels = x.shape[1], x.shape[2]
    n_taps = weight.shape[0]
    half = n_taps // 2
    for b in range(start, stop):
        for t in range(length):
            for c in range(n_channels):
                out[b, t, c] = bias[c]
            j = max(0, half - t)
            last = min(n_taps, length + half - t)
            i = t + j - half
            while j + 4 <= last:  # four taps per pass over the output
                for c in range(n_channels):
                    out[b, t, c] += (x[b, i, c] * weight[j, c] + x[b, i + 1, c] * weight[j + 1, c]) + (
                        x[b, i + 2, c] * weight[j + 2, c] + x[b, i + 3, c] * weight[j + 3, c]
                    )
                j += 4
                i += 4
            while j < last:
                for c in range(n_channels):
                    out[b, t, c] += x[b, i, c] * weight[j, c]
                j += 1
                i += 1


@kernel(fastmath=ELEMENTWISE)
def add_depthwise_gradients(x, upstream, dweight, dbias, start, stop):
    """Add the gradients of batch rows `start` to `stop` to `dweight` (n_taps, n_channels) and `dbias` (n_channels,)."""
    length, n_channels = x.shape[1], x.shape[2]
    n_taps = dweight.shape[0]
    half = n_taps // 2
    for b in range(start, stop):
        for j in range(n_taps):
            shift = j - half
            t = max(0, -shift)
            last = min(length, length - shift)
            while t + 4 <= last:  # four frames per pass over the sums
                for c in range(n_channels):
                    dweight[j, c] += (
                        upstream[b, t, c] * x[b, t + shift, c] + upstream[b, t + 1, c] * x[b, t + 1 + shift, c]
                    ) + (
                        upstream[b, t + 2, c] * x[b, t + 2 + shift, c] + upstream[b, t + 3, c] * x[b, t + 3 + shift, c]
                    )
                t += 4
            while t < last:
                for c in range(n_channels):
                    dweight[j, c] += upstream[b, t, c] * x[b, t + shift, c]
                t += 1
        for t in range(length):
            for c in range(n_channels):
                dbias[c] += upstream[b, t, c]


@kernel
def gather(x, index, out, start, stop):
    """Write ``out[b, k] = x[b, index[b, k]]`` for batch rows `start` to `stop`; one row of `x` serves all.

    `x` has shape (n_batch or 1, n_tokens, n), `index` (n_batch, n_chosen), `out` (n_batch, n_chosen, n).
    """
    shared = x.shape[0] == 1
    for b in range(start, stop):
        row = x[0] if shared else x[b]
        for k in range(index.shape[1]):
            i = index[b, k]
            if i < 0 or i >= x.shape[1]:
                raise ValueError("a token index lies outside the window; expected 0 to n_tokens - 1")
            for c in range(x.shape[2]):
                out[b, k, c] = row[i, c]


@kernel
def add_scattered(upstream, index, dx, start, stop):
    """Add ``upstream[b, k]`` to ``dx[b, index[b, k]]``, the gradient of `gather`, which checked the index."""
    shared = dx.shape[0] == 1
    for b in range(start, stop):
        row = dx[0] if shared else dx[b]
        for k in range(index.shape[1]):
            i = index[b, k]
            for c in range(dx.shape[2]):
                row[i, c] += upstream[b, k, c]
