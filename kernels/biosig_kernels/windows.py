"""Windows cut from rows, and what is told of them: scale, mean level, stillness, clipping."""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.gaps import all_finite
from biosig_kernels.jit import REDUCTION, kernel

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
                out[w, r, :] = source


@kernel
def window_means(rows, starts, n_samples, out, start, stop):
    """Mean of the finite samples of rows (n_rows, n) in the windows ``start:stop``, into `out` (n_windows, n_rows)."""
    for w in range(start, stop):
        for r in range(rows.shape[0]):
            count, total = 0, 0.0
            for i in range(starts[w], starts[w] + n_samples):
                if np.isfinite(rows[r, i]):
                    count += 1
                    total += rows[r, i]
            out[w, r] = total / count if count else np.nan


@kernel
def span_moments(x, edges, out, start, stop):
    """Moments and extremes of spans of samples.

    Parameters
    ----------
    x : ndarray, shape (n, n_axes)
        Not finite means missing.
    edges : ndarray of int64, shape (n_spans + 1,)
        Span `i` holds the samples ``edges[i]:edges[i + 1]``.
    out : ndarray of float64, shape (n_spans, n_axes, 5)
        Receives for ``start:stop`` the number of finite samples, their mean, the sum of their squared deviations from
        it, the least and the greatest of them (NaN without samples).
    """
    n_axes = x.shape[1]
    first = np.empty(n_axes)
    totals = np.empty((n_axes, 5))  # count, sum and sum of squares about the first sample, least, greatest
    for s in range(start, stop):
        first[:] = np.nan
        totals[:, :3] = 0.0
        totals[:, 3] = np.inf
        totals[:, 4] = -np.inf
        for i in range(edges[s], edges[s + 1]):
            for a in range(n_axes):
                value = np.float64(x[i, a])
                if not np.isfinite(value):
                    continue
                if totals[a, 0] == 0.0:
                    first[a] = value
                away = value - first[a]
                totals[a, 0] += 1.0
                totals[a, 1] += away
                totals[a, 2] += away * away
                totals[a, 3] = min(totals[a, 3], value)
                totals[a, 4] = max(totals[a, 4], value)
        for a in range(n_axes):
            count = totals[a, 0]
            shift = totals[a, 1] / count if count > 0.0 else np.nan
            out[s, a, 0] = count
            out[s, a, 1] = first[a] + shift
            out[s, a, 2] = max(totals[a, 2] - shift * totals[a, 1], 0.0) if count > 0.0 else 0.0
            out[s, a, 3] = totals[a, 3] if count > 0.0 else np.nan
            out[s, a, 4] = totals[a, 4] if count > 0.0 else np.nan


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
