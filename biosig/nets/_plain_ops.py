"""Layers as plain tinygrad operations: any device runs them, and they are the reference for the host kernels."""

from __future__ import annotations

import math

from tinygrad import Tensor


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    y = x @ weight
    return y if bias is None else y + bias


def gelu(x: Tensor) -> Tensor:
    return x * (1 + (0.7978845608028654 * (x + 0.044715 * x * x * x)).tanh()) * 0.5


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred * ((centred * centred).mean(-1, keepdim=True) + eps).rsqrt() * weight + bias


def mlp(x: Tensor, weight_in: Tensor, bias_in: Tensor, weight_out: Tensor, bias_out: Tensor) -> Tensor:
    return linear(gelu(linear(x, weight_in, bias_in)), weight_out, bias_out)


def attention(qkv: Tensor, n_heads: int) -> Tensor:
    n_batch, n_tokens, width = qkv.shape
    size = width // 3 // n_heads
    q, k, v = qkv.reshape(n_batch, n_tokens, 3, n_heads, size).permute(2, 0, 3, 1, 4).chunk(3, dim=0)
    scores = (q.squeeze(0) * (1 / math.sqrt(size))) @ k.squeeze(0).transpose(-1, -2)
    mixed = scores.softmax(-1) @ v.squeeze(0)
    return mixed.transpose(1, 2).reshape(n_batch, n_tokens, n_heads * size)


def depthwise_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    n_taps, length = weight.shape[0], x.shape[1]
    padded = x.pad((None, (n_taps // 2, n_taps // 2), None))
    y = bias
    for j in range(n_taps):
        y = y + padded[:, j : j + length] * weight[j]
    return y


def gather_tokens(x: Tensor, index: Tensor) -> Tensor:
    n_batch, n_chosen = index.shape
    x = x.expand(n_batch, x.shape[1], x.shape[2])
    return x.gather(1, index.reshape(n_batch, n_chosen, 1).expand(n_batch, n_chosen, x.shape[2]))
