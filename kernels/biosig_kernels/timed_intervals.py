"""Variability of intervals between beats whose times have known errors."""

from __future__ import annotations

import numpy as np

from biosig_kernels.few import median_of_few
from biosig_kernels.jit import kernel

LARGEST_ERROR = 0.015  # s; a beat with a larger standard error is not timed well enough for variability
UNUSUAL_TIMES, UNUSUAL_ABOVE = 3.0, 0.004  # so many times the median error of the row, if that is more than so many s


@kernel
def sure_rows(errors, sure, start, stop):
    """Mark the beats of rows ``start:stop`` whose times are sure enough for variability.

    Parameters
    ----------
    errors : ndarray of float64, shape (n_rows, n_most)
        Standard error of each time (s); NaN where it is not known.
    sure : ndarray of bool, shape (n_rows, n_most)
        Receives whether the error is known, at most `LARGEST_ERROR` and usual for its row.
    """
    known = np.empty(errors.shape[1])
    for r in range(start, stop):
        sure[r, :] = False
        n = 0
        for b in range(errors.shape[1]):
            if np.isfinite(errors[r, b]):
                known[n] = errors[r, b]
                n += 1
        if n == 0:
            continue
        limit = min(max(UNUSUAL_TIMES * median_of_few(known, n), UNUSUAL_ABOVE), LARGEST_ERROR)
        for b in range(errors.shape[1]):
            sure[r, b] = errors[r, b] <= limit


@kernel
def timed_rows(beats, errors, good, summary, start, stop):
    """Summarise the good intervals of rows ``start:stop``, with what the errors of the beats add to their variability.

    Parameters
    ----------
    beats, errors : ndarray of float64, shape (n_rows, n_most)
        Times and their standard errors, in s.
    good : ndarray of bool, shape (n_rows, n_most - 1)
        Which intervals count; errors of their beats are finite.
    summary : ndarray of float64, shape (n_rows, 7)
        Receives the variance of the intervals (ddof 1), what errors are expected to add to it, the mean square of
        successive differences (between two good intervals that share a beat), what errors are expected to add to it
        (all in s^2, NaN where undefined), the number of good intervals, their sum (s), and the root mean square error
        of their beats (s). Errors of different beats are taken for independent: an interval has those of two beats, a
        difference those of its outer beats and twice that of the middle one.
    """
    n_most = beats.shape[1]
    squared = np.empty(n_most)
    for r in range(start, stop):
        row, marks = beats[r], good[r]
        for b in range(n_most):
            squared[b] = errors[r, b] * errors[r, b]
        n, total, noise = 0, 0.0, 0.0
        n_pairs, differences, difference_noise = 0, 0.0, 0.0
        for i in range(n_most - 1):
            if not marks[i]:
                continue
            n += 1
            total += row[i + 1] - row[i]
            noise += squared[i] + squared[i + 1]
            if i > 0 and marks[i - 1]:
                n_pairs += 1
                differences += (row[i + 1] - 2.0 * row[i] + row[i - 1]) ** 2
                difference_noise += squared[i + 1] + 4.0 * squared[i] + squared[i - 1]
        mean = total / n if n > 0 else np.nan
        spread = 0.0
        for i in range(n_most - 1):
            if marks[i]:
                spread += (row[i + 1] - row[i] - mean) ** 2
        summary[r, 0] = spread / (n - 1) if n > 1 else np.nan
        summary[r, 1] = noise / n if n > 1 else np.nan
        summary[r, 2] = differences / n_pairs if n_pairs > 0 else np.nan
        summary[r, 3] = difference_noise / n_pairs if n_pairs > 0 else np.nan
        summary[r, 4] = n
        summary[r, 5] = total
        summary[r, 6] = np.sqrt(0.5 * noise / n) if n > 0 else np.nan
