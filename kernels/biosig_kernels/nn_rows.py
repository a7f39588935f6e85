"""Layer normalisation and softmax over rows, in float32, forward and backward."""

from __future__ import annotations

import numpy as np

from biosig_kernels.jit import ELEMENTWISE, REDUCTION, kernel
from biosig_kernels.nn_elementwise import exp32


@kernel(fastmath=REDUCTION)
def layer_norm(x, weight, bias, eps, out, start, stop):
    """Write rows of `x` (n_rows, n), brought to mean 0 and variance 1, times `weight` plus `bias`, into `out`."""
    n = x.shape[1]
    for r in range(start, stop):
        total = np.float32(0)
        for j in range(n):
            total += x[r, j]
        mean = total / np.float32(n)
        power = np.float32(0)
        for j in range(n):
            d = x[r, j] - mean
            power += d * d
        scale = np.float32(1) / np.sqrt(power / np.float32(n) + eps)
        for j in range(n):
            out[r, j] = (x[r, j] - mean) * scale * weight[j] + bias[j]


@kernel(fastmath=REDUCTION)
def layer_norm_backward(x, weight, eps, upstream, dx, dweight, dbias, start, stop):
    """Write the gradient of rows into `dx`; add those of weight and bias (n,) to `dweight` and `dbias`.

    Ba, Kiros and Hinton (2016), differentiated; mean and variance are calculated again rather than stored.
    """
    n = x.shape[1]
    for r in range(start, stop):
        total = np.float32(0)
        for j in range(n):
            total += x[r, j]
        mean = total / np.float32(n)
        power = np.float32(0)
        for j in range(n):
            d = x[r, j] - mean
            power += d * d
        scale = np.float32(1) / np.sqrt(power / np.float32(n) + eps)
        a = np.float32(0)
        b = np.float32(0)
        for j in range(n):
            hat = (x[r, j] - mean) * scale
            g = upstream[r, j]
            dweight[j] += g * hat
            dbias[j] += g
            a += g * weight[j]
            b += g * weight[j] * hat
        a /= np.float32(n)
        b /= np.float32(n)
        for j in range(n):
            hat = (x[r, j] - mean) * scale
            dx[r, j] = scale * (upstream[r, j] * weight[j] - a - hat * b)


@kernel(fastmath=REDUCTION)
def _largest(x):
    largest = x[0]
    for j in range(x.shape[0]):
        largest = max(largest, x[j])
    return largest


@kernel(fastmath=REDUCTION)
def _total(x):
    total = np.float32(0)
    for j in range(x.shape[0]):
        total += x[j]
    return total


@kernel(fastmath=ELEMENTWISE)  # apart from the sums, because exp32 must not be regrouped
def softmax(x, scale, start, stop):
    """Replace rows of `x` (n_rows, n) by the softmax of ``scale * x``; `scale` is positive."""
    for r in range(start, stop):
        row = x[r]
        largest = _largest(row)
        for j in range(row.shape[0]):
            row[j] = exp32((row[j] - largest) * scale)
        share = np.float32(1) / _total(row)
        for j in range(row.shape[0]):
            row[j] *= share


@kernel(fastmath=REDUCTION)
def softmax_backward(probabilities, scale, upstream, start, stop):
    """Replace rows of `upstream` by the gradient at `x`, given what `softmax` wrote."""
    for r in range(start, stop):
        inner = np.float32(0)
        for j in range(upstream.shape[1]):
            inner += probabilities[r, j] * upstream[r, j]
        for j in range(upstream.shape[1]):
            upstream[r, j] = probabilities[r, j] * (upstream[r, j] - inner) * scale
