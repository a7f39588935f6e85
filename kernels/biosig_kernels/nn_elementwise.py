"""Exponential, GELU, biases, column sums and dropout, in float32, on ranges of rows.

The exponential is a polynomial that LLVM turns into vector instructions without any vector math library. Its kernels
must not be given ``reassoc``: regrouping the rounding trick below breaks it by several percent.
"""

from __future__ import annotations

import numpy as np

from biosig_kernels.jit import ELEMENTWISE, kernel

_ROUNDER = np.float32(12582912.0)  # 1.5 * 2^23: adding and subtracting it rounds to a whole number
_SLOPE = np.float32(1.5957691216057308)  # 2 sqrt(2 / pi): gelu(x) = x * sigmoid(_SLOPE * (x + _CUBIC x^3))
_CUBIC = np.float32(0.044715)
_THREE_CUBIC = np.float32(0.134145)
_ONE = np.float32(1)


@kernel(fastmath=frozenset({"contract"}), inline="always")
def exp32(x):
    """Return exp(x) of a float32 to 2e-7 relative, held between exp(-87) and exp(88); NaN stays NaN.

    Range reduction with a two-part logarithm of 2 and a polynomial of degree 7 (Cody and Waite 1980, chapter 6).
    """
    x = min(max(x, np.float32(-87)), np.float32(88))
    n = (x * np.float32(1.4426950408889634) + _ROUNDER) - _ROUNDER
    r = x - n * np.float32(0.693359375)
    r = r - n * np.float32(-2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + _ONE
    return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)  # times 2^n


@kernel(fastmath=ELEMENTWISE)
def gelu(x, out, start, stop):
    """Write the GELU of ``x[start:stop]``, 1-D, into `out` (Hendrycks and Gimpel 2016, the tanh form)."""
    for i in range(start, stop):
        v = x[i]
        out[i] = v / (_ONE + exp32(-_SLOPE * (v + _CUBIC * v * v * v)))


@kernel(fastmath=ELEMENTWISE)
def gelu_backward(x, upstream, out, start, stop):
    """Write ``upstream`` times the derivative of the GELU at `x` into `out`, all 1-D."""
    for i in range(start, stop):
        v = x[i]
        s = _ONE / (_ONE + exp32(-_SLOPE * (v + _CUBIC * v * v * v)))
        out[i] = upstream[i] * (s + v * s * (_ONE - s) * _SLOPE * (_ONE + _THREE_CUBIC * v * v))


@kernel(fastmath=ELEMENTWISE)
def bias_gelu(x, bias, start, stop):
    """Replace rows of `x` (n_rows, n) by ``gelu(x + bias)``."""
    for r in range(start, stop):
        for j in range(x.shape[1]):
            v = x[r, j] + bias[j]
            x[r, j] = v / (_ONE + exp32(-_SLOPE * (v + _CUBIC * v * v * v)))


@kernel(fastmath=ELEMENTWISE)
def bias_gelu_backward(x, bias, upstream, start, stop):
    """Replace rows of `upstream` by the gradient at ``x + bias``, and rows of `x` by ``gelu(x + bias)``."""
    for r in range(start, stop):
        for j in range(x.shape[1]):
            v = x[r, j] + bias[j]
            s = _ONE / (_ONE + exp32(-_SLOPE * (v + _CUBIC * v * v * v)))
            x[r, j] = v * s
            upstream[r, j] *= s + v * s * (_ONE - s) * _SLOPE * (_ONE + _THREE_CUBIC * v * v)


@kernel(fastmath=ELEMENTWISE)
def add_bias(x, bias, start, stop):
    """Add `bias` (n,) to rows of `x` (n_rows, n)."""
    for r in range(start, stop):
        for j in range(x.shape[1]):
            x[r, j] += bias[j]


@kernel(fastmath=ELEMENTWISE)
def add_bias_and_rows(x, bias, rows, start, stop):
    """Add `bias` (n,) and `rows` (n_more, n), again and again from the first, to rows of `x` (n_rows, n)."""
    for r in range(start, stop):
        more = rows[r % rows.shape[0]]
        for j in range(x.shape[1]):
            x[r, j] += bias[j] + more[j]


@kernel(fastmath=ELEMENTWISE)
def add_column_sums(x, sums, start, stop):
    """Add the rows of `x` (n_rows, n) to `sums` (n,)."""
    quad = start + (stop - start) // 4 * 4
    for r in range(start, quad, 4):  # four rows per pass over the sums
        for j in range(x.shape[1]):
            sums[j] += (x[r, j] + x[r + 1, j]) + (x[r + 2, j] + x[r + 3, j])
    for r in range(quad, stop):
        for j in range(x.shape[1]):
            sums[j] += x[r, j]


@kernel(inline="always")
def _hash(i, seed):
    """Scramble the bits of a count (the mixer "lowbias32" of C. Wellons, found by search, bias 0.17)."""
    h = np.uint32(np.uint32(i) + np.uint32(seed))
    h = np.uint32(np.uint32(h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D))
    h = np.uint32(np.uint32(h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B))
    return np.uint32(h ^ (h >> np.uint32(16)))


@kernel(fastmath=ELEMENTWISE)
def dropout(x, seed, threshold, scale, out, start, stop):
    """Write ``scale * x[start:stop]``, 1-D, into `out`, or 0 where the bits drawn for a place lie below `threshold`.

    The bits depend on the place and on `seed` alone, so the gradient is the same function of the upstream gradient.
    """
    for i in range(start, stop):
        out[i] = x[i] * scale if _hash(i, seed) >= threshold else np.float32(0)
