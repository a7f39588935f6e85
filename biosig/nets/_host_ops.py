"""Layers on a CPU: BLAS for the products, Numba for the rest, one `host_call` forward and one or two backward.

Rows are split over threads, and each thread goes through its rows in blocks small enough that what lies between two
products stays in the cache. Where something is cheap to calculate again (means, wide hidden layers, attention
weights), the backward pass does so instead of reading it from memory. Gradients of weights are summed per thread and
then in the order of the threads: the same seed and number of threads give the same bits.
"""

from __future__ import annotations

import math

import numpy as np
from biosig_kernels import nn_convolution, nn_elementwise, nn_rows, nn_swish
from tinygrad import Tensor, dtypes

from biosig.nets._host_blocks import GRAIN, blocks, partials, rows_and_width
from biosig.nets._host_residual import inverted_residual
from biosig.nets._host_tokens import frames, gather_tokens, means, statistics
from biosig.nets._threads import over_slices
from biosig.nets.backend import host_call

__all__ = [
    "attention",
    "depthwise_conv",
    "dropout",
    "frames",
    "gather_tokens",
    "gelu",
    "inverted_residual",
    "layer_norm",
    "linear",
    "means",
    "mlp",
    "statistics",
    "swish",
]

# linear


def _add_bias(y, bias, earlier, low, high):
    """Add the bias to rows and, where there is one, what came before the layer."""
    if earlier:
        nn_elementwise.add_bias_and_rows(y, bias, earlier[0], low, high)
    else:
        nn_elementwise.add_bias(y, bias, low, high)


def _as_rows(add_to):
    return [] if add_to is None else [add_to.reshape(rows_and_width(add_to.shape))]


def _row_gradients(g, earlier):
    """Of what was added to all rows, or to those of each window alike."""
    return [g if t.shape == g.shape else g.reshape(-1, *t.shape).sum(0) for t in earlier]


def _linear(y, x, w, *added):
    def rows(_, start, stop):
        for low, high in blocks(start, stop, w.shape[1]):
            np.matmul(x[low:high], w, out=y[low:high])
            if added:
                _add_bias(y, added[0], added[1:], low, high)

    over_slices(rows, len(x), GRAIN)


def _linear_dx(dx, g, w):
    over_slices(lambda _, start, stop: np.matmul(g[start:stop], w.T, out=dx[start:stop]), len(g), GRAIN)


def _linear_dw(dw, *rest):
    *db, g, x = rest
    parts, sums = partials(dw.shape, (g.shape[1],))

    def rows(slot, start, stop):
        np.matmul(x[start:stop].T, g[start:stop], out=parts[slot])
        if db:
            nn_elementwise.add_column_sums(g, sums[slot], start, stop)

    over_slices(rows, len(g), GRAIN)
    np.sum(parts, axis=0, out=dw)
    if db:
        np.sum(sums, axis=0, out=db[0])


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, add_to: Tensor | None = None) -> Tensor:
    n_rows, n_in = rows_and_width(x.shape)
    n_out = int(weight.shape[1])

    def gradient(g, inputs):
        flat, w = inputs[:2]
        (dx,) = host_call(_linear_dx, [(n_rows, n_in)], [g, w])
        sums = host_call(_linear_dw, [(n_in, n_out), *([(n_out,)] if len(inputs) > 2 else [])], [g, flat])
        return dx, *sums, *_row_gradients(g, inputs[3:])

    inputs = [x.reshape(n_rows, n_in), weight] + ([] if bias is None else [bias, *_as_rows(add_to)])
    return host_call(_linear, [(n_rows, n_out)], inputs, gradient=gradient)[0].reshape(*x.shape[:-1], n_out)


# two linear layers with a GELU between them


def _mlp(y, x, w1, b1, w2, b2, *earlier):
    def rows(_, start, stop):
        for low, high in blocks(start, stop, w1.shape[1]):
            h = x[low:high] @ w1
            nn_elementwise.bias_gelu(h, b1, 0, high - low)
            np.matmul(h, w2, out=y[low:high])
            _add_bias(y, b2, earlier, low, high)

    over_slices(rows, len(x), GRAIN)


def _mlp_backward(dx, dw1, db1, dw2, db2, g, x, w1, b1, w2):
    part1, sum1, part2, sum2 = partials(w1.shape, b1.shape, w2.shape, db2.shape)

    def rows(slot, start, stop):
        for low, high in blocks(start, stop, w1.shape[1]):
            h = x[low:high] @ w1
            dh = g[low:high] @ w2.T
            nn_elementwise.bias_gelu_backward(h, b1, dh, 0, high - low)
            part2[slot] += h.T @ g[low:high]
            part1[slot] += x[low:high].T @ dh
            nn_elementwise.add_column_sums(dh, sum1[slot], 0, high - low)
            nn_elementwise.add_column_sums(g, sum2[slot], low, high)
            np.matmul(dh, w1.T, out=dx[low:high])

    over_slices(rows, len(x), GRAIN)
    for part, out in ((part1, dw1), (sum1, db1), (part2, dw2), (sum2, db2)):
        np.sum(part, axis=0, out=out)


def mlp(
    x: Tensor, weight_in: Tensor, bias_in: Tensor, weight_out: Tensor, bias_out: Tensor, add_to: Tensor | None = None
) -> Tensor:
    n_rows, n_in = rows_and_width(x.shape)
    n_hidden, n_out = (int(s) for s in weight_out.shape)

    def gradient(g, inputs):
        shapes = [(n_rows, n_in), (n_in, n_hidden), (n_hidden,), (n_hidden, n_out), (n_out,)]
        return *host_call(_mlp_backward, shapes, [g, *inputs[:4]]), *_row_gradients(g, inputs[5:])

    inputs = [x.reshape(n_rows, n_in), weight_in, bias_in, weight_out, bias_out, *_as_rows(add_to)]
    return host_call(_mlp, [(n_rows, n_out)], inputs, gradient=gradient)[0].reshape(*x.shape[:-1], n_out)


# elementwise and row by row


def _elementwise(forward, backward):
    """Return the layer of a function of single values and of its derivative, both kernels over a flat array."""

    def values(y, x):
        over_slices(lambda _, start, stop: forward(x, y, start, stop), len(x), 4096)

    def slopes(dx, g, x):
        over_slices(lambda _, start, stop: backward(x, g, dx, start, stop), len(x), 4096)

    def layer(x: Tensor) -> Tensor:
        shape = (math.prod(int(s) for s in x.shape),)
        gradient = lambda g, inputs: host_call(slopes, [shape], [g, *inputs])
        return host_call(values, [shape], [x.reshape(shape)], gradient=gradient)[0].reshape(*x.shape)

    return layer


gelu = _elementwise(nn_elementwise.gelu, nn_elementwise.gelu_backward)
swish = _elementwise(nn_swish.swish, nn_swish.swish_backward)


def _dropout(y, x, seed, rate):
    bits, threshold, scale = np.uint32(seed[0]), np.uint32(rate * 2**32), np.float32(1 / (1 - rate))
    over_slices(lambda _, a, b: nn_elementwise.dropout(x, bits, threshold, scale, y, a, b), len(x), 4096)


def dropout(x: Tensor, rate: float) -> Tensor:
    shape = (math.prod(int(s) for s in x.shape),)

    def gradient(g, inputs):
        return host_call(_dropout, [shape], [g, inputs[1]], options=(rate,))[0], None

    seed = Tensor.randint(1, low=0, high=2**31 - 1, dtype=dtypes.int32)
    return host_call(_dropout, [shape], [x.reshape(shape), seed], options=(rate,), gradient=gradient)[0].reshape(
        *x.shape
    )


def _layer_norm(y, x, w, b, eps):
    over_slices(lambda _, start, stop: nn_rows.layer_norm(x, w, b, np.float32(eps), y, start, stop), len(x), GRAIN)


def _layer_norm_backward(dx, dw, db, g, x, w, eps):
    part_w, part_b = partials(w.shape, w.shape)

    def rows(slot, start, stop):
        nn_rows.layer_norm_backward(x, w, np.float32(eps), g, dx, part_w[slot], part_b[slot], start, stop)

    over_slices(rows, len(x), GRAIN)
    np.sum(part_w, axis=0, out=dw)
    np.sum(part_b, axis=0, out=db)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    n_rows, n = rows_and_width(x.shape)

    def gradient(g, inputs):
        return host_call(_layer_norm_backward, [(n_rows, n), (n,), (n,)], [g, *inputs[:2]], options=(eps,))

    inputs = [x.reshape(n_rows, n), weight, bias]
    return host_call(_layer_norm, [(n_rows, n)], inputs, options=(eps,), gradient=gradient)[0].reshape(*x.shape)


# attention


def _heads(qkv, b, n_heads):
    """Queries, keys, values of one window as views (n_heads, n_tokens, size): BLAS takes rows that lie apart."""
    n_tokens, width = qkv.shape[1:]
    return qkv[b].reshape(n_tokens, 3, n_heads, width // 3 // n_heads).transpose(1, 2, 0, 3)


def _attention(y, qkv, n_heads):
    n_batch, n_tokens, width = y.shape
    scale = np.float32(1 / math.sqrt(width // n_heads))

    def windows(_, start, stop):
        scores = np.empty((n_heads, n_tokens, n_tokens), np.float32)
        flat = scores.reshape(-1, n_tokens)
        for b in range(start, stop):
            q, k, v = _heads(qkv, b, n_heads)
            np.matmul(q, k.swapaxes(1, 2), out=scores)
            nn_rows.softmax(flat, scale, 0, len(flat))
            np.matmul(scores, v, out=y[b].reshape(n_tokens, n_heads, -1).transpose(1, 0, 2))

    over_slices(windows, n_batch)


def _attention_backward(dqkv, g, qkv, n_heads):
    n_batch, n_tokens, width = g.shape
    scale = np.float32(1 / math.sqrt(width // n_heads))

    def windows(_, start, stop):
        scores = np.empty((n_heads, n_tokens, n_tokens), np.float32)
        dscores = np.empty_like(scores)
        flat, dflat = scores.reshape(-1, n_tokens), dscores.reshape(-1, n_tokens)
        for b in range(start, stop):
            q, k, v = _heads(qkv, b, n_heads)
            dq, dk, dv = _heads(dqkv, b, n_heads)
            upstream = g[b].reshape(n_tokens, n_heads, -1).transpose(1, 0, 2)
            np.matmul(q, k.swapaxes(1, 2), out=scores)
            nn_rows.softmax(flat, scale, 0, len(flat))
            np.matmul(scores.swapaxes(1, 2), upstream, out=dv)
            np.matmul(upstream, v.swapaxes(1, 2), out=dscores)
            nn_rows.softmax_backward(flat, scale, dflat, 0, len(flat))
            np.matmul(dscores, k, out=dq)
            np.matmul(dscores.swapaxes(1, 2), q, out=dk)

    over_slices(windows, n_batch)


def attention(qkv: Tensor, n_heads: int) -> Tensor:
    n_batch, n_tokens, width = (int(s) for s in qkv.shape)

    def gradient(g, inputs):
        return host_call(_attention_backward, [(n_batch, n_tokens, width)], [g, *inputs], options=(n_heads,))

    shape = (n_batch, n_tokens, width // 3)
    return host_call(_attention, [shape], [qkv], options=(n_heads,), gradient=gradient)[0]


# along time


def _depthwise(y, x, w, b):
    over_slices(lambda _, start, stop: nn_convolution.depthwise(x, w, b, 1, y, start, stop), len(x))


def _depthwise_dx(dx, g, w):
    flipped, nothing = np.ascontiguousarray(w[::-1]), np.zeros(w.shape[1], np.float32)
    over_slices(lambda _, start, stop: nn_convolution.depthwise(g, flipped, nothing, 1, dx, start, stop), len(g))


def _depthwise_dw(dw, db, g, x):
    part_w, part_b = partials(dw.shape, db.shape)

    def windows(slot, start, stop):
        nn_convolution.add_depthwise_gradients(x, g, 1, part_w[slot], part_b[slot], start, stop)

    over_slices(windows, len(g))
    np.sum(part_w, axis=0, out=dw)
    np.sum(part_b, axis=0, out=db)


def depthwise_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    shape = tuple(int(s) for s in x.shape)

    def gradient(g, inputs):
        flat, w, b = inputs
        (dx,) = host_call(_depthwise_dx, [shape], [g, w])
        return dx, *host_call(_depthwise_dw, [tuple(w.shape), tuple(b.shape)], [g, flat])

    return host_call(_depthwise, [shape], [x, weight, bias], gradient=gradient)[0]
