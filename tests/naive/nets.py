"""Slow, obvious twins of the kernels for the nets: float64, one value at a time or one formula."""

from __future__ import annotations

import math

import numpy as np


def gelu(x):
    x = np.asarray(x, np.float64)
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(np.asarray(x, np.float64), -700, 700)))


def swish(x):
    return np.asarray(x, np.float64) * sigmoid(x)


def slope(function, x, step=1e-5):
    """Derivative of an elementwise function by central differences."""
    x = np.asarray(x, np.float64)
    return (function(x + step) - function(x - step)) / (2 * step)


def keeps(place, seed, rate):
    """Whether dropout keeps a place: the bits of place + seed, scrambled by "lowbias32", as a share of all."""
    h = (place + seed) % 2**32
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        h = (h ^ (h >> shift)) * factor % 2**32
    return (h ^ (h >> 16)) >= int(rate * 2**32)


def gradient(function, x, upstream, step=1e-5):
    """Gradient of ``sum(upstream * function(x))`` by central differences, one value of `x` at a time."""
    x = np.array(x, np.float64)
    result = np.empty_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        x[i] = kept + step
        above = np.sum(upstream * function(x))
        x[i] = kept - step
        result[i] = (above - np.sum(upstream * function(x))) / (2 * step)
        x[i] = kept
    return result


def layer_norm(x, weight, bias, eps):
    x = np.asarray(x, np.float64)
    rows = []
    for row in x:
        rows.append((row - row.mean()) / math.sqrt(row.var() + eps) * weight + bias)
    return np.array(rows)


def softmax(x, scale):
    x = np.asarray(x, np.float64) * scale
    rows = []
    for row in x:
        powers = np.exp(row - row.max())
        rows.append(powers / powers.sum())
    return np.array(rows)


def depthwise(x, weight, bias, stride=1):
    n_batch, length, n_channels = x.shape
    n_taps = len(weight)
    out = np.empty((n_batch, -(-length // stride), n_channels))
    for b in range(n_batch):
        for t in range(out.shape[1]):
            for c in range(n_channels):
                total = float(bias[c])
                for j in range(n_taps):
                    i = stride * t + j - n_taps // 2
                    if 0 <= i < length:
                        total += float(weight[j, c]) * float(x[b, i, c])
                out[b, t, c] = total
    return out


def inverted_residual(x, weights, stride):
    norm, shift, expand, expand_bias, taps, taps_bias, squeeze, squeeze_bias, excite, excite_bias, project, bias = (
        weights
    )
    out = []
    for window in np.asarray(x, np.float64):
        wide = swish(layer_norm(window, norm, shift, 1e-5) @ expand + expand_bias)
        wide = swish(depthwise(wide[None], taps, taps_bias, stride)[0])
        gates = sigmoid(swish(wide.mean(0) @ squeeze + squeeze_bias) @ excite + excite_bias)
        told = (wide * gates) @ project + bias
        out.append(window + told if window.shape == told.shape else told)
    return np.array(out)


def frames(x, length, stride, before):
    n_batch, n_channels, n_samples = x.shape
    out = np.zeros((n_batch, n_samples // stride, n_channels, length), x.dtype)
    for b, t, c, j in np.ndindex(*out.shape):
        i = stride * t + j - before
        if 0 <= i < n_samples:
            out[b, t, c, j] = x[b, c, i]
    return out


def statistics(x, eps):
    return np.concatenate([x.mean(1), np.sqrt(x.var(1) + eps)], axis=1)


def gather(x, index):
    return np.array([[x[0 if len(x) == 1 else b][i] for i in row] for b, row in enumerate(index)])


def scatter(upstream, index, shape):
    dx = np.zeros(shape)
    for b, row in enumerate(index):
        for k, i in enumerate(row):
            dx[0 if shape[0] == 1 else b, i] += upstream[b, k]
    return dx


def adamw(weight, gradients, lr, b1, b2, eps, decay, clip_norm=None):
    """Weights (list of arrays) after one step for each item (list of arrays) of `gradients`."""
    weight = [np.array(w, np.float64) for w in weight]
    m, v = [np.zeros_like(w) for w in weight], [np.zeros_like(w) for w in weight]
    for step, grads in enumerate(gradients, start=1):
        norm = math.sqrt(sum(float(np.sum(np.asarray(g, np.float64) ** 2)) for g in grads))
        scale = 1.0 if clip_norm is None else min(1.0, clip_norm / (norm + 1e-6))
        for i, g in enumerate(grads):
            g = np.asarray(g, np.float64) * scale
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g * g
            update = m[i] / (1 - b1**step) / (np.sqrt(v[i] / (1 - b2**step)) + eps)
            weight[i] = weight[i] - lr * (update + (decay if weight[i].ndim > 1 else 0.0) * weight[i])
    return weight


def attention(qkv, n_heads):
    n_batch, n_tokens, width = qkv.shape
    size = width // 3 // n_heads
    out = np.empty((n_batch, n_tokens, width // 3))
    for b in range(n_batch):
        for h in range(n_heads):
            q, k, v = (qkv[b, :, (part * n_heads + h) * size :][:, :size].astype(np.float64) for part in range(3))
            out[b, :, h * size : (h + 1) * size] = softmax(q @ k.T, 1 / math.sqrt(size)) @ v
    return out
