"""Depthwise convolution along time, channels last, in float32: every channel has filter taps of its own.

With a stride of one the gradient at the input is the same convolution of the upstream gradient with the taps reversed.
"""

from __future__ import annotations

from biosig_kernels.jit import ELEMENTWISE, kernel


@kernel(fastmath=ELEMENTWISE)
def depthwise(x, weight, bias, stride, out, start, stop):
    """Write ``out[b, t] = bias + sum_j weight[j] * x[b, stride * t + j - n_taps // 2]`` for rows `start` to `stop`.

    `x` has shape (n_batch, length, n_channels), `out` (n_batch, ceil(length / stride), n_channels), `weight`
    (n_taps, n_channels); beyond the ends are zeros.
    """
    length, n_channels = x.shape[1], x.shape[2]
    n_taps = weight.shape[0]
    for b in range(start, stop):
        for t in range(out.shape[1]):
            i = stride * t - n_taps // 2
            inside = i >= 0 and i + n_taps <= length
            if inside and n_taps == 3:  # the usual lengths in one pass over the output
                for c in range(n_channels):
                    out[b, t, c] = bias[c] + (
                        x[b, i, c] * weight[0, c] + x[b, i + 1, c] * weight[1, c] + x[b, i + 2, c] * weight[2, c]
                    )
            elif inside and n_taps == 5:
                for c in range(n_channels):
                    out[b, t, c] = (
                        bias[c]
                        + (x[b, i, c] * weight[0, c] + x[b, i + 1, c] * weight[1, c] + x[b, i + 2, c] * weight[2, c])
                        + (x[b, i + 3, c] * weight[3, c] + x[b, i + 4, c] * weight[4, c])
                    )
            elif inside and n_taps == 7:
                for c in range(n_channels):
                    out[b, t, c] = (
                        bias[c]
                        + (x[b, i, c] * weight[0, c] + x[b, i + 1, c] * weight[1, c] + x[b, i + 2, c] * weight[2, c])
                        + (x[b, i + 3, c] * weight[3, c] + x[b, i + 4, c] * weight[4, c])
                        + (x[b, i + 5, c] * weight[5, c] + x[b, i + 6, c] * weight[6, c])
                    )
            else:
                for c in range(n_channels):
                    out[b, t, c] = bias[c]
                for j in range(max(0, -i), min(n_taps, length - i)):
                    for c in range(n_channels):
                        out[b, t, c] += x[b, i + j, c] * weight[j, c]


@kernel(fastmath=ELEMENTWISE)
def depthwise_transposed(upstream, weight, stride, dx, start, stop):
    """Write the gradient of `depthwise` at its input for batch rows `start` to `stop`, for any stride."""
    n_channels, n_taps = dx.shape[2], weight.shape[0]
    for b in range(start, stop):
        for i in range(dx.shape[1]):
            for c in range(n_channels):
                dx[b, i, c] = 0
            for j in range((i + n_taps // 2) % stride, n_taps, stride):
                t = (i + n_taps // 2 - j) // stride
                if 0 <= t < upstream.shape[1]:
                    for c in range(n_channels):
                        dx[b, i, c] += upstream[b, t, c] * weight[j, c]


@kernel(fastmath=ELEMENTWISE)
def add_depthwise_gradients(x, upstream, stride, dweight, dbias, start, stop):
    """Add the gradients of batch rows `start` to `stop` to `dweight` (n_taps, n_channels) and `dbias` (n_channels,)."""
    length, n_channels = x.shape[1], x.shape[2]
    n_taps, n_out = dweight.shape[0], upstream.shape[1]
    half = n_taps // 2
    for b in range(start, stop):
        t = 0
        while t < n_out:
            i = stride * t - half
            if i >= 0 and t + 4 <= n_out and i + 3 * stride + n_taps <= length:  # four frames per pass over the sums
                for j in range(n_taps):
                    k = i + j
                    for c in range(n_channels):
                        dweight[j, c] += (
                            upstream[b, t, c] * x[b, k, c] + upstream[b, t + 1, c] * x[b, k + stride, c]
                        ) + (
                            upstream[b, t + 2, c] * x[b, k + 2 * stride, c]
                            + upstream[b, t + 3, c] * x[b, k + 3 * stride, c]
                        )
                for c in range(n_channels):
                    dbias[c] += (upstream[b, t, c] + upstream[b, t + 1, c]) + (
                        upstream[b, t + 2, c] + upstream[b, t + 3, c]
                    )
                t += 4
            else:
                for j in range(max(0, -i), min(n_taps, length - i)):
                    for c in range(n_channels):
                        dweight[j, c] += upstream[b, t, c] * x[b, i + j, c]
                for c in range(n_channels):
                    dbias[c] += upstream[b, t, c]
                t += 1


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
