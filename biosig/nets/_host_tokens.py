"""From samples to frames, choosing tokens and pooling them, on a CPU: one pass over memory each."""

from __future__ import annotations

import numpy as np
from biosig_kernels import nn_convolution, nn_tokens
from tinygrad import Tensor

from biosig.nets._threads import over_slices
from biosig.nets.backend import host_call


def _frames(y, x, stride, before, samples_first):
    if samples_first:
        y = y.transpose(0, 1, 3, 2)
    over_slices(lambda _, start, stop: nn_tokens.frames(x, stride, before, y, start, stop), len(x))


def frames(x: Tensor, length: int, stride: int, before: int, samples_first: bool) -> Tensor:
    n_batch, n_channels, n_samples = (int(s) for s in x.shape)
    n_frames = n_samples // stride

    def gradient(_, inputs):
        return [None] * len(inputs)  # windows are data

    inner = (length, n_channels) if samples_first else (n_channels, length)
    y = host_call(
        _frames, [(n_batch, n_frames, *inner)], [x], options=(stride, before, samples_first), gradient=gradient
    )[0]
    return y.reshape(n_batch, n_frames, n_channels * length)


def _means(y, x):
    over_slices(lambda _, start, stop: nn_tokens.means(x, y, start, stop), len(x))


def _means_backward(dx, g):
    share = np.float32(1 / dx.shape[1])

    def windows(_, start, stop):
        dx[start:stop] = share * g[start:stop, np.newaxis]

    over_slices(windows, len(dx))


def means(x: Tensor) -> Tensor:
    n_batch, n_tokens, n = (int(s) for s in x.shape)

    def gradient(g, _):
        return host_call(_means_backward, [(n_batch, n_tokens, n)], [g])

    return host_call(_means, [(n_batch, n)], [x], gradient=gradient)[0]


def _statistics(y, x, eps):
    over_slices(lambda _, start, stop: nn_tokens.statistics(x, np.float32(eps), y, start, stop), len(x))


def _statistics_backward(dx, g, x, eps):
    def windows(_, start, stop):
        pooled = np.empty_like(g)
        nn_tokens.statistics(x, np.float32(eps), pooled, start, stop)
        nn_tokens.statistics_backward(x, pooled, g, dx, start, stop)

    over_slices(windows, len(x))


def statistics(x: Tensor, eps: float) -> Tensor:
    n_batch, n_tokens, n = (int(s) for s in x.shape)

    def gradient(g, inputs):
        return host_call(_statistics_backward, [(n_batch, n_tokens, n)], [g, *inputs], options=(eps,))

    return host_call(_statistics, [(n_batch, 2 * n)], [x], options=(eps,), gradient=gradient)[0]


def _gather(y, x, index):
    over_slices(lambda _, start, stop: nn_convolution.gather(x, index, y, start, stop), len(index))


def _gather_backward(dx, g, index):
    dx[...] = 0
    if len(dx) == 1:  # all rows add to the same place: one after another
        nn_convolution.add_scattered(g, index, dx, 0, len(index))
    else:
        over_slices(lambda _, start, stop: nn_convolution.add_scattered(g, index, dx, start, stop), len(index))


def gather_tokens(x: Tensor, index: Tensor) -> Tensor:
    shape = tuple(int(s) for s in x.shape)
    n_batch, n_chosen = (int(s) for s in index.shape)

    def gradient(g, inputs):
        return *host_call(_gather_backward, [shape], [g, inputs[1]]), None

    return host_call(_gather, [(n_batch, n_chosen, shape[2])], [x, index], gradient=gradient)[0]
