"""Swish (sigmoid-weighted linear unit) and the gates of squeeze-and-excitation, in float32.

Swish is ``x * sigmoid(x)`` (Ramachandran, Zoph and Le 2017); a gate scales a channel of one window by one number
(Hu, Shen and Sun 2018). Frames have shape (n_batch, length, n_channels). ``reassoc`` is not given, see `exp32`.
"""

from __future__ import annotations

import numpy as np

from biosig_kernels.jit import ELEMENTWISE, kernel
from biosig_kernels.nn_elementwise import exp32

_ONE = np.float32(1)


@kernel(fastmath=ELEMENTWISE, inline="always")
def _slope(x):
    """Derivative of swish at x."""
    s = _ONE / (_ONE + exp32(-x))
    return s * (_ONE + x * (_ONE - s))


@kernel(fastmath=ELEMENTWISE)
def swish(x, out, start, stop):
    """Write the swish of ``x[start:stop]``, 1-D, into `out`."""
    for i in range(start, stop):
        out[i] = x[i] / (_ONE + exp32(-x[i]))


@kernel(fastmath=ELEMENTWISE)
def swish_backward(x, upstream, out, start, stop):
    """Write ``upstream`` times the derivative of swish at `x` into `out`, all 1-D."""
    for i in range(start, stop):
        out[i] = upstream[i] * _slope(x[i])


@kernel(fastmath=ELEMENTWISE)
def bias_swish(x, bias, out, start, stop):
    """Add `bias` (n,) to rows of `x` (n_rows, n), and write the swish of that into `out`."""
    for r in range(start, stop):
        for j in range(x.shape[1]):
            v = x[r, j] + bias[j]
            x[r, j] = v
            out[r, j] = v / (_ONE + exp32(-v))


@kernel(fastmath=ELEMENTWISE)
def bias_swish_backward(x, upstream, sums, start, stop):
    """Multiply rows of `upstream` by the derivative of swish at `x`, and add them to `sums` (n,)."""
    for r in range(start, stop):
        for j in range(x.shape[1]):
            d = upstream[r, j] * _slope(x[r, j])
            upstream[r, j] = d
            sums[j] += d


@kernel(fastmath=ELEMENTWISE)
def swish_means(x, out, means, start, stop):
    """Write the swish of batch rows of frames into `out` and its mean over time into `means` (n_batch, n_channels)."""
    share = _ONE / np.float32(x.shape[1])
    for b in range(start, stop):
        for c in range(x.shape[2]):
            means[b, c] = 0
        for t in range(x.shape[1]):
            for c in range(x.shape[2]):
                v = x[b, t, c] / (_ONE + exp32(-x[b, t, c]))
                out[b, t, c] = v
                means[b, c] += v
        for c in range(x.shape[2]):
            means[b, c] *= share


@kernel(fastmath=ELEMENTWISE)
def gate(x, gates, start, stop):
    """Multiply batch rows of frames by their `gates` (n_batch, n_channels), in place."""
    for b in range(start, stop):
        for t in range(x.shape[1]):
            for c in range(x.shape[2]):
                x[b, t, c] *= gates[b, c]


@kernel(fastmath=ELEMENTWISE)
def gate_gradients(x, upstream, dgates, start, stop):
    """Write the sums over time of ``x * upstream`` for batch rows of frames into `dgates` (n_batch, n_channels)."""
    for b in range(start, stop):
        for c in range(x.shape[2]):
            dgates[b, c] = 0
        for t in range(x.shape[1]):
            for c in range(x.shape[2]):
                dgates[b, c] += x[b, t, c] * upstream[b, t, c]


@kernel(fastmath=ELEMENTWISE)
def gated_swish_backward(x, gates, dmeans, upstream, start, stop):
    """Replace batch rows of `upstream`, the gradient behind the gates, by the gradient at `x`, before the swish.

    `dmeans` (n_batch, n_channels) is the gradient at the means over time, from which the gates were calculated.
    """
    share = _ONE / np.float32(x.shape[1])
    for b in range(start, stop):
        for t in range(x.shape[1]):
            for c in range(x.shape[2]):
                upstream[b, t, c] = (upstream[b, t, c] * gates[b, c] + dmeans[b, c] * share) * _slope(x[b, t, c])
