"""Missing samples (NaN) in one row: where they are, and straight lines across them."""

from __future__ import annotations

import numpy as np

from biosig_kernels.copying import copy_into
from biosig_kernels.jit import REDUCTION, kernel

FLAT = 1e-6  # some ten times the rounding of float32


@kernel(fastmath=REDUCTION)
def all_finite(row):
    """Whether no sample is NaN or infinite: zero times either is NaN."""
    total = row.dtype.type(0)
    for i in range(row.size):
        total += row[i] * row.dtype.type(0)
    return total == 0


@kernel
def bridge_gaps(row, max_gap, filled, missing):
    """Copy a row with every gap bridged by a straight line, and mark the samples that stay missing.

    Before the first and after the last finite sample the nearest finite value is held.

    Parameters
    ----------
    row : ndarray, shape (n,)
        Samples; not finite (NaN, infinite) means missing.
    max_gap : float
        Longest gap, in samples, that counts as bridged. Longer gaps and both ends are marked as missing.
    filled : ndarray, shape (n,)
        Receives the finite row (zeros when no sample is finite).
    missing : ndarray of bool, shape (n,)
        Receives the marks.

    Returns
    -------
    int
        Number of finite samples in `row`.
    """
    n = row.size
    if all_finite(row):
        copy_into(filled, row)
        missing[:] = False
        return n
    n_finite = 0
    last = -1
    for i in range(n):
        value = row[i]
        if not np.isfinite(value):
            continue
        n_finite += 1
        filled[i] = value
        missing[i] = False
        gap = i - last - 1
        if gap > 0:
            lost = last < 0 or gap > max_gap
            left = value if last < 0 else filled[last]
            slope = (np.float64(value) - left) / (gap + 1)
            for k in range(1, gap + 1):
                filled[last + k] = left + slope * k
                missing[last + k] = lost
        last = i
    held = filled[last] if last >= 0 else row.dtype.type(0)
    for i in range(last + 1, n):
        filled[i] = held
        missing[i] = True
    return n_finite


@kernel
def bridge_stretch(row, max_gap, filled):
    """Copy a row up to its first long gap, with the short gaps bridged by straight lines.

    Parameters
    ----------
    row : ndarray of float32 or float64, shape (n,)
        Its first sample is finite; others that are not finite are missing.
    max_gap : float
        Longest gap, in samples, that is bridged.
    filled : ndarray, shape (n,) or longer
        Receives the stretch.

    Returns
    -------
    int
        Length of the stretch; its last sample is finite.
    """
    last = 0
    filled[0] = row[0]
    for i in range(1, row.size):
        value = row[i]
        if not np.isfinite(value):
            if i - last > max_gap:
                break
            continue
        gap = i - last - 1
        left = filled[last]
        if gap > 0:
            slope = (np.float64(value) - left) / (gap + 1)
            for k in range(1, gap + 1):
                filled[last + k] = left + slope * k
        filled[i] = value
        last = i
    return last + 1


@kernel(fastmath=REDUCTION | {"nnan"})
def _is_flat(row):
    """Whether the range of finite values is no more than the rounding of the largest."""
    low, high = row[0], row[0]
    for i in range(row.size):
        low = min(low, row[i])
        high = max(high, row[i])
    return np.float64(high) - low <= FLAT * max(abs(low), abs(high))


@kernel
def bridge_rows(x, filled, missing, levels, start, stop):
    """Bridge all gaps of rows ``start:stop`` and tell what was measured.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n_rows, n)
    filled : ndarray of float32, shape (n_rows, n)
        Receives the finite rows, see `bridge_gaps`.
    missing : ndarray of bool, shape (n_rows, n)
        Receives the marks of the samples that are not finite.
    levels : ndarray of float64, shape (n_rows, 2)
        Receives the share of missing samples, and 1.0 where the finite ones hardly differ (their range is rounding, not
        signal), else 0.0.
    """
    n = x.shape[1]
    for r in range(start, stop):
        levels[r, 0] = 1.0 - bridge_gaps(x[r], 0.0, filled[r], missing[r]) / n
        levels[r, 1] = 1.0 if _is_flat(filled[r]) else 0.0


@kernel
def repeated_runs(x, shortest, begins, lengths):
    """Find runs of samples that repeat the one before on every axis.

    Parameters
    ----------
    x : ndarray, shape (n, n_axes)
        Missing samples (NaN) are in no run.
    shortest : int
        Samples of a run that is listed.
    begins, lengths : ndarray of int64, shape (n // shortest + 1,)
        Receive the runs listed.

    Returns
    -------
    n_runs : int
    longest : int
        Samples of the longest run that is not listed; 0 without any sample.
    """
    n, n_axes = x.shape
    n_runs, longest, begin = 0, 0, 0
    for i in range(1, n + 1):
        same = i < n
        if same:
            for a in range(n_axes):
                same &= x[i, a] == x[i - 1, a]
        if same:
            continue
        size = i - begin
        for a in range(n_axes):
            if not np.isfinite(x[begin, a]):
                size = 0
        if size >= shortest:
            begins[n_runs] = begin
            lengths[n_runs] = size
            n_runs += 1
        else:
            longest = max(longest, size)
        begin = i
    return n_runs, longest


@kernel
def mark_zeros(x, marks):
    """Mark samples of `x` (n, n_axes) that are exactly zero on every axis, in `marks` (n,); returns their number."""
    total = 0
    for i in range(x.shape[0]):
        zero = True
        for a in range(x.shape[1]):
            zero &= x[i, a] == 0
        marks[i] = zero
        total += zero
    return total
