"""Layers as functions: BLAS and Numba on a CPU, plain tinygrad operations on every other device.

Both roads agree in value and gradient to float32 rounding. Tensors are float32, channels (features) last. The layers
also take NumPy arrays, C-contiguous, in place of tensors: the host kernels then run at once, see
`biosig.nets.inference`.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np
from tinygrad import Tensor

from biosig.nets import _host_ops, _plain_ops
from biosig.nets.backend import in_training_mode, uses_host_kernels


def _road(x: Tensor) -> ModuleType:
    return _host_ops if uses_host_kernels() or isinstance(x, np.ndarray) else _plain_ops


def _added(layer: str, x: Tensor, weights: tuple, add_to: Tensor | None, rate: float) -> Tensor:
    """Run a layer and add what it says to `add_to`, in the same pass where nothing is dropped in between."""
    road, dropped = _road(x), rate and in_training_mode()
    if road is _host_ops and add_to is not None and not dropped:
        return getattr(road, layer)(x, *weights, add_to)
    y = dropout(getattr(road, layer)(x, *weights), rate)
    return y if add_to is None else add_to + y


def linear(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, add_to: Tensor | None = None, rate: float = 0.0
) -> Tensor:
    """Return ``add_to + dropout(x @ weight + bias)``.

    Parameters
    ----------
    x : Tensor, shape (..., n_in)
    weight : Tensor, shape (n_in, n_out)
    bias : Tensor, shape (n_out,), optional
        Needed for `add_to`.
    add_to : Tensor, shape (..., n_out), optional
        What the layer is added to; with a first axis of length 1, the same for all windows.
    rate : float
        Share dropped while training, see `dropout`.

    Returns
    -------
    Tensor, shape (..., n_out)
    """
    return _added("linear", x, (weight, bias), add_to, rate)


def gelu(x: Tensor) -> Tensor:
    """Return the Gaussian error linear unit in its tanh form (Hendrycks and Gimpel 2016, section 2), any shape."""
    return _road(x).gelu(x)


def swish(x: Tensor) -> Tensor:
    """Return ``x * sigmoid(x)`` (Ramachandran, Zoph and Le 2017), any shape."""
    return _road(x).swish(x)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Normalise the last axis to mean 0 and variance 1, then scale and shift (Ba, Kiros and Hinton 2016).

    Parameters
    ----------
    x : Tensor, shape (..., n_features)
    weight, bias : Tensor, shape (n_features,)
    eps : float
        Added to the variance.
    """
    return _road(x).layer_norm(x, weight, bias, eps)


def mlp(
    x: Tensor,
    weight_in: Tensor,
    bias_in: Tensor,
    weight_out: Tensor,
    bias_out: Tensor,
    *,
    add_to: Tensor | None = None,
    rate: float = 0.0,
) -> Tensor:
    """Return ``add_to + dropout(linear(gelu(linear(x))))``; the wide layer never leaves the cache on a CPU.

    Parameters
    ----------
    x : Tensor, shape (..., n_in)
    weight_in : Tensor, shape (n_in, n_hidden)
    bias_in : Tensor, shape (n_hidden,)
    weight_out : Tensor, shape (n_hidden, n_out)
    bias_out : Tensor, shape (n_out,)
    add_to, rate
        As for `linear`.

    Returns
    -------
    Tensor, shape (..., n_out)
    """
    return _added("mlp", x, (weight_in, bias_in, weight_out, bias_out), add_to, rate)


def attention(qkv: Tensor, n_heads: int) -> Tensor:
    """Scaled dot-product self-attention (Vaswani et al. 2017, eq. 1) of all tokens to all tokens.

    Parameters
    ----------
    qkv : Tensor, shape (n_batch, n_tokens, 3 * n_features)
        Queries, keys and values side by side, each split into `n_heads` equal heads.

    Returns
    -------
    Tensor, shape (n_batch, n_tokens, n_features)
    """
    return _road(qkv).attention(qkv, n_heads)


def depthwise_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Filter every channel along time with taps of its own, zeros beyond the ends, the same length out.

    Parameters
    ----------
    x : Tensor, shape (n_batch, length, n_channels)
    weight : Tensor, shape (n_taps, n_channels)
        An odd number of taps; a correlation, as in every deep learning library.
    bias : Tensor, shape (n_channels,)

    Returns
    -------
    Tensor, shape (n_batch, length, n_channels)
    """
    return _road(x).depthwise_conv(x, weight, bias)


def inverted_residual(x: Tensor, weights: Sequence[Tensor], stride: int = 1) -> Tensor:
    """Expand, filter along time, gate, contract (Sandler et al. 2018), with squeeze-and-excitation (Hu et al. 2018).

    With the weights in the order of the parameters below, swish after the first two steps and a sigmoid for the gates:
    ``h = swish(depthwise(swish(layer_norm(x) @ expand)))``, ``gates = sigmoid(swish(mean(h) @ squeeze) @ excite)`` and
    ``y = (h * gates) @ project``; `x` is added where the shapes allow.

    Parameters
    ----------
    x : Tensor, shape (n_batch, length, n_in)
    weights : sequence of 12 Tensors
        Gain and shift of the layer norm (n_in,), then weight and bias of the expansion (n_in, n_wide), of the filter
        (n_taps, n_wide), of the squeeze (n_wide, n_narrow), of the excitation (n_narrow, n_wide) and of the projection
        (n_wide, n_out). The number of taps is odd.
    stride : int
        Every so many frames the filter is applied.

    Returns
    -------
    Tensor, shape (n_batch, ceil(length / stride), n_out)
    """
    return _road(x).inverted_residual(x, weights, stride)


def frames(x: Tensor, length: int, stride: int, before: int = 0, samples_first: bool = False) -> Tensor:
    """Cut windows into frames of `length` samples of every channel, one every `stride` samples.

    Parameters
    ----------
    x : Tensor, shape (n_batch, n_channels, n_samples)
        Data, not something that depends on weights: no gradient goes through.
    length, stride : int
    before : int
        Samples by which the first frame begins before the window; beyond the ends are zeros.
    samples_first : bool
        Whether a frame lists all channels sample by sample, instead of all samples channel by channel.

    Returns
    -------
    Tensor, shape (n_batch, n_samples // stride, n_channels * length)
    """
    return _road(x).frames(x, length, stride, before, samples_first)


def means(x: Tensor) -> Tensor:
    """Return the mean over time: (n_batch, n_tokens, n_features) to (n_batch, n_features)."""
    return _road(x).means(x)


def statistics(x: Tensor, eps: float = 1e-5) -> Tensor:
    """Return mean and standard deviation over time (Snyder et al. 2017, section 2.1).

    Parameters
    ----------
    x : Tensor, shape (n_batch, n_tokens, n_features)
    eps : float
        Added to the variance.

    Returns
    -------
    Tensor, shape (n_batch, 2 * n_features)
        All means, then all deviations.
    """
    return _road(x).statistics(x, eps)


def gather_tokens(x: Tensor, index: Tensor) -> Tensor:
    """Pick tokens by position.

    Parameters
    ----------
    x : Tensor, shape (n_batch, n_tokens, n_features) or (1, n_tokens, n_features)
        A single row serves every row of `index`.
    index : Tensor of int32, shape (n_batch, n_chosen)
        Positions within each row.

    Returns
    -------
    Tensor, shape (n_batch, n_chosen, n_features)
    """
    return _road(x).gather_tokens(x, index)


def dropout(x: Tensor, rate: float) -> Tensor:
    """In training mode, set a share `rate` of all values to zero and scale the others by ``1 / (1 - rate)``."""
    return _road(x).dropout(x, rate) if rate and in_training_mode() else x
