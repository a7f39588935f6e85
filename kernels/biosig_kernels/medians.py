"""Medians of float32 samples by narrowing the range of their bit patterns, without sorting.

The bit patterns of floats of one sign are in the order of their values, so a search over integers finds the middle
value exactly; each step counts the samples below a pivot, which is one vectorised pass. Also quantiles of values that
are in order already.
"""

from __future__ import annotations

import numpy as np

from biosig_kernels.copying import copy_into
from biosig_kernels.few import sort_few
from biosig_kernels.gaps import all_finite
from biosig_kernels.jit import kernel

FEW = 48  # so many candidates are sorted by hand
LARGEST = np.int32(2147483647)
PART = 32  # keys looked at together
ASIDE = 16  # ranks between a guess and the middle, so that two guesses hold it between them


@kernel
def _to_keys(bits):
    """Turn bit patterns (n,) int32 of floats into integers in the order of the floats, in place; its own inverse."""
    for i in range(bits.size):
        bits[i] = bits[i] ^ ((bits[i] >> np.int32(31)) & np.int32(0x7FFFFFFF))


@kernel
def _count_up_to(keys, limit):
    total = np.int32(0)
    for i in range(keys.size):
        total = np.int32(total + np.int32(keys[i] <= limit))  # as wide as the keys, so that vectors stay whole
    return np.int64(total)


@kernel
def _gather(keys, low, high, few):
    """Copy the keys in (low, high] into `few` and return their number; most parts of `keys` have none."""
    n = 0
    for begin in range(0, keys.size, PART):
        part = keys[begin : begin + PART]
        inside = np.int32(0)
        for i in range(part.size):
            inside = np.int32(inside + (np.int32(part[i] > low) & np.int32(part[i] <= high)))
        if inside:
            for i in range(part.size):
                if low < part[i] <= high:
                    few[n] = part[i]
                    n += 1
    return n


@kernel
def _pick(keys, k):
    """Value of rank `k` (from 0) among integers `keys` (n,)."""
    least, greatest = keys[0], keys[0]
    for i in range(keys.size):
        least = min(least, keys[i])
        greatest = max(greatest, keys[i])
    low, high = np.int64(least) - 1, np.int64(greatest)  # the value of rank k lies in (low, high]
    below, up_to = 0, keys.size
    few = np.empty(FEW, np.int32)
    turn, aside = 0, ASIDE
    while high - low > 1:
        if up_to - below <= FEW:
            n = _gather(keys, np.int32(low), np.int32(high), few)
            sort_few(few, n)
            return np.int64(few[k - below])
        pivot = (low + high) // 2
        if turn > 2 and turn % 3:  # on a straight line between the ends, a little to the one side, then to the other
            share = (k - below + aside) / (up_to - below)
            pivot = min(max(low + np.int64((high - low) * min(max(share, 0.02), 0.98)), low + 1), high - 1)
            aside = -aside
        turn += 1
        count = _count_up_to(keys, np.int32(pivot))
        if count > k:
            high, up_to = pivot, count
        else:
            low, below = pivot, count
    return high


@kernel
def _least_above(keys, limit):
    """Least of the keys that are greater than `limit`; the greatest number where there is none."""
    least = LARGEST
    for i in range(keys.size):
        key = keys[i] if keys[i] > limit else LARGEST
        least = min(least, key)
    return least


@kernel
def median_of(values):
    """Median of finite float32 `values` (n,), n > 0; `values` are used up.

    Returns
    -------
    float
        As ``numpy.median`` gives it: of an even number, the mean of the two in the middle, in float32.
    """
    keys = values.view(np.int32)
    _to_keys(keys)
    n = keys.size
    middle = _pick(keys, (n - 1) // 2)
    upper = middle
    if n % 2 == 0 and _count_up_to(keys, np.int32(middle)) <= n // 2:
        upper = np.int64(_least_above(keys, np.int32(middle)))
    keys[0] = np.int32(middle)
    keys[n - 1] = np.int32(upper)
    if n == 1:
        _to_keys(keys)
        return np.float64(values[0])
    _to_keys(keys)
    # Halved first: the sum of two huge values would overflow.
    return np.float64(values[0] * np.float32(0.5) + values[n - 1] * np.float32(0.5))


@kernel
def robust_spread(x, scratch, out, start, stop):
    """Robust standard deviation of windows ``start:stop``, all rows of a window pooled.

    Parameters
    ----------
    x : ndarray of float32, shape (n_windows, n_rows, n_samples)
        Not finite means missing.
    scratch : ndarray of float32, shape (2, n_rows * n_samples)
        Overwritten.
    out : ndarray of float64, shape (n_windows,)
        Receives 1.4826 times the median absolute deviation of the samples about the median of their own row; NaN
        without samples.
    """
    n_rows, n = x.shape[1], x.shape[2]
    deviations, row = scratch[0], scratch[1]
    for w in range(start, stop):
        total = 0
        for r in range(n_rows):
            source = x[w, r]
            target = deviations[total : total + n]
            count = n
            if all_finite(source):
                copy_into(target, source)
            else:
                count = 0
                for i in range(n):
                    if np.isfinite(source[i]):
                        target[count] = source[i]
                        count += 1
            if count == 0:
                continue
            copy_into(row, target[:count])
            middle = np.float32(median_of(row[:count]))
            for i in range(count):
                target[i] = abs(target[i] - middle)
            total += count
        out[w] = 1.4826 * median_of(deviations[:total]) if total else np.nan


@kernel
def quantile(ordered, n, q):
    """Quantile of the first `n` values, which increase, linear between them."""
    at = q * (n - 1)
    low = int(at)
    high = min(low + 1, n - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])
