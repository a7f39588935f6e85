"""Windows cut from rows, and what is told of them: scale, mean level, stillness, clipping."""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.copying import copy_into
from biosig_kernels.gaps import all_finite
from biosig_kernels.jit import REDUCTION, kernel

NEAR = 1024  # samples copied next to each other at a time
NO_VARIATION = 1e-6  # of the mean: rounding leaves a constant of 1e6 with a standard deviation of about 1e-10 of it


@kernel(fastmath=REDUCTION)
def _complete_moments(row):
    """Mean and standard deviation of a row without missing samples."""
    n = row.size
    total = 0.0
    for i in range(n):
        total += row[i]
    mean = total / n
    squares = 0.0
    for i in range(n):
        squares += (row[i] - mean) * (row[i] - mean)
    return mean, math.sqrt(squares / n)


@kernel
def standard_row(source, target):
    """Write the z-scores of a row into `target` (which may be `source`); what is not finite becomes NaN.

    A row that does not vary (by more than rounding) becomes all zeros.
    """
    n = source.size
    complete = all_finite(source)
    if complete and n:
        mean, deviation = _complete_moments(source)
    else:
        count, total, squares = 0, 0.0, 0.0
        for i in range(n):
            if np.isfinite(source[i]):
                count += 1
                total += source[i]
        mean = total / max(count, 1)
        for i in range(n):
            if np.isfinite(source[i]):
                squares += (source[i] - mean) ** 2
        deviation = math.sqrt(squares / max(count, 1))
    scale = 1.0 / deviation if deviation > NO_VARIATION * abs(mean) else 0.0
    for i in range(n):
        target[i] = (source[i] - mean) * scale
    if not complete:
        for i in range(n):
            if not np.isfinite(source[i]):
                target[i] = np.nan


@kernel
def standard_rows(x, out, start, stop):
    """Write the z-scores of rows ``start:stop`` of `x` (n_rows, n) into `out`, see `standard_row`."""
    for r in range(start, stop):
        standard_row(x[r], out[r])


@kernel
def cut_rows(rows, starts, standard, out, start, stop):
    """Cut the windows ``start:stop``.

    Parameters
    ----------
    rows : ndarray of float32 or float64, shape (n_rows, n)
    starts : ndarray of int64, shape (n_windows,)
        First sample of each window.
    standard : bool
        Whether each row of each window is brought to mean 0 and standard deviation 1, see `standard_row`.
    out : ndarray of rows.dtype, shape (n_windows, n_rows, n_samples)
    """
    n_rows, n = out.shape[1], out.shape[2]
    for w in range(start, stop):
        for r in range(n_rows):
            source = rows[r, starts[w] : starts[w] + n]
            if standard:
                standard_row(source, out[w, r])
            else:
                copy_into(out[w, r], source)


@kernel(fastmath=REDUCTION)
def _sum(row):
    total = 0.0
    for i in range(row.size):
        total += row[i]
    return total


@kernel
def window_means(rows, starts, n_samples, out, start, stop):
    """Mean of the finite samples of rows (n_rows, n) in the windows ``start:stop``, into `out` (n_windows, n_rows)."""
    for w in range(start, stop):
        for r in range(rows.shape[0]):
            window = rows[r, starts[w] : starts[w] + n_samples]
            if all_finite(window):
                out[w, r] = _sum(window) / n_samples
                continue
            count, total = 0, 0.0
            for i in range(n_samples):
                if np.isfinite(window[i]):
                    count += 1
                    total += window[i]
            out[w, r] = total / count if count else np.nan


@kernel
def complete_windows(rows, starts, n_samples, out, start, stop):
    """Tell of the windows ``start:stop`` of rows (n_rows, n) whether every sample is finite, in `out` (n_windows,)."""
    for w in range(start, stop):
        out[w] = True
        for r in range(rows.shape[0]):
            out[w] &= all_finite(rows[r, starts[w] : starts[w] + n_samples])


@kernel(fastmath=REDUCTION)
def _moments_about(part, first):
    """Sum and sum of squares of the distances of finite samples from `first`."""
    total, squares = 0.0, 0.0
    for i in range(part.size):
        away = part[i] - first
        total += away
        squares += away * away
    return total, squares


@kernel
def _extremes(part, low, high):
    """Lower `low` and raise `high`, place by place, to finite samples; all as long as `part` or longer."""
    for i in range(part.size):
        low[i] = part[i] if part[i] < low[i] else low[i]
        high[i] = part[i] if part[i] > high[i] else high[i]


@kernel
def span_moments(x, edges, out, start, stop):
    """Moments and extremes of spans of samples.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n, n_axes)
        Not finite means missing.
    edges : ndarray of int64, shape (n_spans + 1,)
        Span `i` holds the samples ``edges[i]:edges[i + 1]``.
    out : ndarray of float64, shape (n_spans, n_axes, 5)
        Receives for ``start:stop`` the number of finite samples, their mean, the sum of their squared deviations from
        it, the least and the greatest of them (NaN without samples).
    """
    part, low, high = np.empty(NEAR, x.dtype), np.empty(NEAR, x.dtype), np.empty(NEAR, x.dtype)
    for s in range(start, stop):
        for a in range(x.shape[1]):
            count, first, total, squares = 0, 0.0, 0.0, 0.0
            span = x[edges[s] : edges[s + 1], a]
            longest = min(NEAR, span.size)
            low[:longest] = np.inf
            high[:longest] = -np.inf
            for begin in range(0, span.size, NEAR):
                size = min(NEAR, span.size - begin)
                copy_into(part, span[begin : begin + size])
                if not all_finite(part[:size]):
                    n_finite = 0
                    for i in range(size):
                        if np.isfinite(part[i]):
                            part[n_finite] = part[i]
                            n_finite += 1
                    size = n_finite
                if size == 0:
                    continue
                if count == 0:
                    first = np.float64(part[0])
                added, power = _moments_about(part[:size], first)
                _extremes(part[:size], low, high)
                count += size
                total += added
                squares += power
            shift = total / count if count else np.nan
            out[s, a, 0] = count
            out[s, a, 1] = first + shift
            out[s, a, 2] = max(squares - shift * total, 0.0) if count else 0.0
            least, greatest = np.inf, -np.inf
            for i in range(longest):
                least = min(least, np.float64(low[i]))
                greatest = max(greatest, np.float64(high[i]))
            out[s, a, 3] = least if count else np.nan
            out[s, a, 4] = greatest if count else np.nan


@kernel
def count_clipped(x, low, high, shortest, out, edges, start, stop):
    """Count the samples at the limits of the sensor in spans of samples.

    Parameters
    ----------
    x : ndarray, shape (n, n_axes)
    low, high : ndarray of float64, shape (n_axes,)
        Samples at or beyond one of them are clipped,
    shortest : int
        where so many stand in a row (runs are not followed across the edges of a span).
    out : ndarray of int64, shape (n_spans,)
        Receives for ``start:stop`` the number of clipped samples of the axis that has most of them.
    edges : ndarray of int64, shape (n_spans, 2)
        Span `i` holds the samples ``edges[i, 0]:edges[i, 1]``.
    """
    for s in range(start, stop):
        out[s] = 0
        for a in range(x.shape[1]):
            total, run = 0, 0
            for i in range(edges[s, 0], edges[s, 1]):
                if x[i, a] <= low[a] or x[i, a] >= high[a]:
                    run += 1
                    if run == shortest:
                        total += run
                    elif run > shortest:
                        total += 1
                else:
                    run = 0
            out[s] = max(out[s], total)
