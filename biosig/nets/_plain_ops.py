"""Layers as plain tinygrad operations: any device runs them, and they are the reference for the host kernels."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinygrad import Tensor, dtypes

from biosig.nets.backend import product_type


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices, factors in the type of `biosig.nets.backend.products_in`, sums and result in float32."""
    kind = product_type()
    return a @ b if kind == dtypes.float32 else a.cast(kind).dot(b.cast(kind), dtype=dtypes.float32)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    y = _product(x, weight)
    return y if bias is None else y + bias


def gelu(x: Tensor) -> Tensor:
    return x * (1 + (0.7978845608028654 * (x + 0.044715 * x * x * x)).tanh()) * 0.5


def swish(x: Tensor) -> Tensor:
    return x * x.sigmoid()


def dropout(x: Tensor, rate: float) -> Tensor:
    return x.dropout(rate)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred * ((centred * centred).mean(-1, keepdim=True) + eps).rsqrt() * weight + bias


def mlp(x: Tensor, weight_in: Tensor, bias_in: Tensor, weight_out: Tensor, bias_out: Tensor) -> Tensor:
    return linear(gelu(linear(x, weight_in, bias_in)), weight_out, bias_out)


def attention(qkv: Tensor, n_heads: int) -> Tensor:
    n_batch, n_tokens, width = qkv.shape
    size = width // 3 // n_heads
    q, k, v = qkv.reshape(n_batch, n_tokens, 3, n_heads, size).permute(2, 0, 3, 1, 4).chunk(3, dim=0)
    scores = _product(q.squeeze(0) * (1 / math.sqrt(size)), k.squeeze(0).transpose(-1, -2))
    mixed = _product(scores.softmax(-1), v.squeeze(0))
    return mixed.transpose(1, 2).reshape(n_batch, n_tokens, n_heads * size)


def depthwise_conv(x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
    n_taps, length = int(weight.shape[0]), int(x.shape[1])
    n_out = -(-length // stride)
    beyond = (n_out - 1) * stride + n_taps - n_taps // 2 - length  # what the last filter reaches beyond the end
    padded = x.pad((None, (n_taps // 2, max(0, beyond)), None))
    y = bias
    for j in range(n_taps):
        y = y + padded[:, j : j + (n_out - 1) * stride + 1 : stride] * weight[j]
    return y


def inverted_residual(x: Tensor, weights: Sequence[Tensor], stride: int) -> Tensor:
    norm, shift, expand, expand_bias, taps, taps_bias, *gating, project, project_bias = weights
    squeeze, squeeze_bias, excite, excite_bias = gating
    y = swish(linear(layer_norm(x, norm, shift, 1e-5), expand, expand_bias))
    y = swish(depthwise_conv(y, taps, taps_bias, stride))
    gates = linear(swish(linear(y.mean(1), squeeze, squeeze_bias)), excite, excite_bias).sigmoid()
    y = linear(y * gates.unsqueeze(1), project, project_bias)
    return x + y if x.shape == y.shape else y


def gather_tokens(x: Tensor, index: Tensor) -> Tensor:
    n_batch, n_chosen = index.shape
    x = x.expand(n_batch, x.shape[1], x.shape[2])
    return x.gather(1, index.reshape(n_batch, n_chosen, 1).expand(n_batch, n_chosen, x.shape[2]))


def frames(x: Tensor, length: int, stride: int, before: int, samples_first: bool) -> Tensor:
    n_batch, n_channels, n_samples = (int(s) for s in x.shape)
    n_frames, starts = n_samples // stride, range(0, length, stride)
    padded = x.pad((None, None, (before, starts[-1])))
    pieces = [
        padded[:, :, start : start + n_samples].reshape(n_batch, n_channels, n_frames, stride) for start in starts
    ]
    cut = pieces[0].cat(*pieces[1:], dim=3)[..., :length]
    return cut.permute(*((0, 2, 3, 1) if samples_first else (0, 2, 1, 3))).reshape(
        n_batch, n_frames, n_channels * length
    )


def means(x: Tensor) -> Tensor:
    return x.mean(1)


def statistics(x: Tensor, eps: float) -> Tensor:
    mean = x.mean(1)
    centred = x - mean.unsqueeze(1)
    return mean.cat(((centred * centred).mean(1) + eps).sqrt(), dim=1)
