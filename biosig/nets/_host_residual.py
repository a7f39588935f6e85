"""The inverted residual block on a CPU: one call forward, one backward, a few windows at a time.

The expanded layer is several times as wide as what comes in and goes out. It is kept for a few windows only, as many
as fit the cache, and calculated again in the backward pass: nothing of its width is ever stored for a whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from biosig_kernels import nn_convolution, nn_rows, nn_swish
from tinygrad import Tensor

from biosig.nets._host_blocks import blocks, partials
from biosig.nets._threads import over_slices
from biosig.nets.backend import host_call

_EPS = np.float32(1e-5)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


class _Group:
    """The layers of a few windows, in memory that serves one group after another."""

    def __init__(self, x: np.ndarray, n_out: int, weights: Sequence[np.ndarray], stride: int, most: int):
        (self.norm, self.shift, self.expand, self.expand_bias, self.filter, self.filter_bias) = weights[:6]
        (self.squeeze, self.squeeze_bias, self.excite, self.excite_bias) = weights[6:10]
        self.x, self.stride = x, stride
        length, width = x.shape[1], self.expand.shape[1]
        self._memory = [np.empty((most, *shape), np.float32) for shape in self._shapes(length, n_out, width)]

    def _shapes(self, length: int, n_out: int, width: int) -> list[tuple[int, ...]]:
        return [(length, self.x.shape[2]), (length, width), (length, width), (n_out, width), (n_out, width), (width,)]

    def forward(self, low: int, high: int) -> None:
        """Calculate everything up to the gates for windows `low` to `high`."""
        n, (_, length, n_in), width = high - low, self.x.shape, self.expand.shape[1]
        normed, wide, active, filtered, swished, means = (m[:n] for m in self._memory[:6])
        rows = n * length
        self.normed, self.wide = normed.reshape(rows, n_in), wide.reshape(rows, width)
        nn_rows.layer_norm(self.x[low:high].reshape(rows, n_in), self.norm, self.shift, _EPS, self.normed, 0, rows)
        np.matmul(self.normed, self.expand, out=self.wide)
        nn_swish.bias_swish(self.wide, self.expand_bias, active.reshape(rows, width), 0, rows)
        nn_convolution.depthwise(active, self.filter, self.filter_bias, self.stride, filtered, 0, n)
        nn_swish.swish_means(filtered, swished, means, 0, n)
        self.active, self.filtered, self.swished, self.means = active, filtered, swished, means
        self.squeezed = means @ self.squeeze + self.squeeze_bias
        self.squeezed_active = self.squeezed * _sigmoid(self.squeezed)
        self.gates = _sigmoid(self.squeezed_active @ self.excite + self.excite_bias)


class _GroupBackward(_Group):
    def _shapes(self, length, n_out, width):
        return [*super()._shapes(length, n_out, width), (length, width), (n_out, width), (width,)]

    def backward(self, low, high, g, project, dx, sums):
        """Write the gradient at the input of windows `low` to `high` and add those of the weights to `sums`."""
        dnorm, dshift, dexpand, dexpand_bias, dfilter, dfilter_bias = sums[:6]
        dsqueeze, dsqueeze_bias, dexcite, dexcite_bias, dproject, dproject_bias = sums[6:]
        n, (_, length, n_in), width = high - low, self.x.shape, self.expand.shape[1]
        dactive, dfiltered, dgates = (m[:n] for m in self._memory[6:])
        rows = n * length
        upstream = g[low:high].reshape(-1, g.shape[2])

        # behind the gates
        np.matmul(upstream, project.T, out=dfiltered.reshape(-1, width))
        nn_swish.gate_gradients(self.swished, dfiltered, dgates, 0, n)
        nn_swish.gate(self.swished, self.gates, 0, n)
        dproject += self.swished.reshape(-1, width).T @ upstream
        dproject_bias += upstream.sum(0)

        # through the gates to the means
        dexcited = dgates * self.gates * (1 - self.gates)
        dexcite += self.squeezed_active.T @ dexcited
        dexcite_bias += dexcited.sum(0)
        s = _sigmoid(self.squeezed)
        dsqueezed = (dexcited @ self.excite.T) * s * (1 + self.squeezed * (1 - s))
        dsqueeze += self.means.T @ dsqueezed
        dsqueeze_bias += dsqueezed.sum(0)
        nn_swish.gated_swish_backward(self.filtered, self.gates, dsqueezed @ self.squeeze.T, dfiltered, 0, n)

        # through the filter
        nn_convolution.add_depthwise_gradients(self.active, dfiltered, self.stride, dfilter, dfilter_bias, 0, n)
        nn_convolution.depthwise_transposed(dfiltered, self.filter, self.stride, dactive, 0, n)
        dwide = dactive.reshape(rows, width)
        nn_swish.bias_swish_backward(self.wide, dwide, dexpand_bias, 0, rows)
        dexpand += self.normed.T @ dwide
        dnormed = np.matmul(dwide, self.expand.T, out=self.normed)
        x, dx = self.x[low:high].reshape(rows, n_in), dx[low:high].reshape(rows, n_in)
        nn_rows.layer_norm_backward(x, self.norm, _EPS, dnormed, dx, dnorm, dshift, 0, rows)


def _forward(y, x, *rest):
    *weights, project, bias, stride = rest
    size = x.shape[1] * weights[2].shape[1]

    def windows(_, start, stop):
        cut = list(blocks(start, stop, size, 1))
        group = _Group(x, y.shape[1], weights, stride, cut[0][1] - cut[0][0])
        for low, high in cut:
            group.forward(low, high)
            nn_swish.gate(group.swished, group.gates, 0, high - low)
            out = y[low:high].reshape(-1, y.shape[2])
            np.matmul(group.swished.reshape(len(out), -1), project, out=out)
            out += bias
            if x.shape == y.shape:
                y[low:high] += x[low:high]

    over_slices(windows, len(x))


def _backward(dx, *rest):
    *sums, g, x = rest[:14]
    *weights, project, stride = rest[14:]
    parts = partials(*(s.shape for s in sums))
    size = x.shape[1] * weights[2].shape[1]

    def windows(slot, start, stop):
        cut = list(blocks(start, stop, size, 1))
        group = _GroupBackward(x, g.shape[1], weights, stride, cut[0][1] - cut[0][0])
        for low, high in cut:
            group.forward(low, high)
            group.backward(low, high, g, project, dx, [part[slot] for part in parts])
            if x.shape == g.shape:
                dx[low:high] += g[low:high]

    over_slices(windows, len(x))
    for part, total in zip(parts, sums, strict=True):
        np.sum(part, axis=0, out=total)


def inverted_residual(x: Tensor, weights: Sequence[Tensor], stride: int) -> Tensor:
    """See `biosig.nets.ops.inverted_residual`."""
    n_batch, length, n_in = (int(s) for s in x.shape)
    shapes = [tuple(int(s) for s in w.shape) for w in weights]

    def gradient(g, inputs):
        return host_call(_backward, [(n_batch, length, n_in), *shapes], [g, *inputs[:-1]], options=(stride,))

    shape = (n_batch, -(-length // stride), shapes[-2][1])
    return host_call(_forward, [shape], [x, *weights], options=(stride,), gradient=gradient)[0]
