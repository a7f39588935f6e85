"""Intervals between beats: which of them are good, and the rate and variability of those."""

from __future__ import annotations

import numpy as np

from biosig_kernels.few import median_of_few
from biosig_kernels.jit import kernel

SHORTEST, LONGEST = 0.25, 2.5  # s, 240 to 24 beats/min
NEIGHBOURS = 5  # intervals on each side that make the local median
LEAST, MOST = 0.12, 0.30  # tolerated distance from the local median, as a fraction of it
ROBUST_SDS = 5.0
MOST_CHANGE = 0.40  # tolerated change from one interval to the next, as a fraction of the shorter one
MOST_USUAL = 0.25  # usual change, as a fraction of an interval, beyond which intervals follow no rhythm
GAP = 3.0  # s; more than one missed beat of a slow heart: no beats were looked for, or none were seen


@kernel
def _mark_near(intervals, n, good):
    """Mark the intervals that are plausible for a heart and near the median of their plausible neighbours.

    The tolerance is five robust standard deviations of the neighbourhood, kept between 12 % and 30 % of the median: a
    missed beat (+100 %), a false beat (-50 %) and most ectopic beats fall outside, respiratory arrhythmia inside.
    """
    near = np.empty(2 * NEIGHBOURS + 2)
    for i in range(n):
        good[i] = False
        if not SHORTEST <= intervals[i] <= LONGEST:
            continue
        first = max(0, min(i - NEIGHBOURS, n - 2 * NEIGHBOURS - 1))
        count = 0
        low = LONGEST
        high = SHORTEST
        for k in range(first, min(first + 2 * NEIGHBOURS + 1, n)):
            value = intervals[k]
            near[count] = value
            plausible = SHORTEST <= value <= LONGEST
            count += plausible
            low = min(low, value) if plausible else low
            high = max(high, value) if plausible else high
        # The median lies between `low` and `high`; most hearts at rest need no sorting to know enough.
        if max(intervals[i] - low, high - intervals[i]) <= LEAST * low:
            good[i] = True
            continue
        middle = median_of_few(near, count)
        distance = abs(intervals[i] - middle)
        if distance <= LEAST * middle or distance > MOST * middle:
            good[i] = distance <= LEAST * middle
            continue
        for k in range(count):
            near[k] = abs(near[k] - middle)
        good[i] = distance <= ROBUST_SDS * 1.4826 * median_of_few(near, count)


@kernel
def _usual_change(intervals, n, i):
    """Median change between neighbouring plausible intervals around interval i; 0 where there are none."""
    changes = np.empty(2 * NEIGHBOURS)
    first = max(0, min(i - NEIGHBOURS, n - 2 * NEIGHBOURS - 1))
    count = 0
    for k in range(first, min(first + 2 * NEIGHBOURS, n - 1)):
        if SHORTEST <= intervals[k] <= LONGEST and SHORTEST <= intervals[k + 1] <= LONGEST:
            changes[count] = abs(intervals[k + 1] - intervals[k])
            count += 1
    return median_of_few(changes, count) if count > 0 else 0.0


@kernel
def _joins(intervals, n, i, beside):
    """Whether interval i changes from the good one beside it by no more than changes usually do around here."""
    if not SHORTEST <= intervals[i] <= LONGEST:
        return False
    change = abs(intervals[i] - intervals[beside])
    if change > MOST_CHANGE * min(intervals[i], intervals[beside]):
        return False
    usual = _usual_change(intervals, n, i)
    return change <= ROBUST_SDS * 1.4826 * usual and usual <= MOST_USUAL * intervals[beside]


@kernel
def _mark_good(intervals, n, good):
    """Mark the good intervals: near the local median, or reached from such a one by changes that are usual here.

    Slow, deep breathing swings the intervals by more than 30 % of their median, and the long ones more than the short:
    left out, they would bias the mean. But each is near the one before it, which no wrong beat is.
    """
    _mark_near(intervals, n, good)
    for i in range(1, n):
        if not good[i] and good[i - 1]:
            good[i] = _joins(intervals, n, i, i - 1)
    for i in range(n - 2, -1, -1):
        if not good[i] and good[i + 1]:
            good[i] = _joins(intervals, n, i, i + 1)


@kernel
def _row_intervals(row, intervals):
    """Write the intervals of a row of beats up to its first NaN; return how many there are."""
    n = 0
    while n + 1 < row.size and np.isfinite(row[n + 1]) and np.isfinite(row[n]):
        intervals[n] = row[n + 1] - row[n]
        n += 1
    return n


@kernel
def mark_rows(beats, good, start, stop):
    """Mark the good intervals of rows ``start:stop``.

    Parameters
    ----------
    beats : ndarray of float64, shape (n_rows, n_most)
        Beat times in seconds, increasing; the first NaN ends a row.
    good : ndarray of bool, shape (n_rows, n_most - 1)
        Receives whether interval i, from beat i to beat i + 1, is good; False behind the last.
    """
    intervals = np.empty(beats.shape[1])
    for r in range(start, stop):
        good[r, :] = False
        n = _row_intervals(beats[r], intervals)
        _mark_good(intervals, n, good[r])


@kernel
def summary_rows(beats, good, summary, start, stop):
    """Summarise the intervals of rows ``start:stop``.

    Parameters
    ----------
    beats : ndarray of float64, shape (n_rows, n_most)
        Beat times in seconds, increasing; the first NaN ends a row.
    good : ndarray of bool, shape (n_rows, n_most - 1)
        Which intervals count, such as `mark_rows` marks.
    summary : ndarray of float64, shape (n_rows, 8)
        Receives mean, standard deviation (ddof 1) and root mean square of successive differences of the good
        intervals (all in s, NaN where undefined), the number of good intervals, their sum (s), the number of all
        intervals, their sum (s) and the mean (s) of those from `SHORTEST` to `GAP`. A difference counts only between
        two good intervals that share a beat.
    """
    n_most = beats.shape[1]
    intervals = np.empty(max(n_most, 1))
    for r in range(start, stop):
        n = _row_intervals(beats[r], intervals)
        n_good = 0
        total = 0.0
        squares = 0.0
        n_pairs = 0
        n_possible = 0
        possible = 0.0
        span = 0.0
        for i in range(n):
            span += intervals[i]
            if SHORTEST <= intervals[i] <= GAP:
                n_possible += 1
                possible += intervals[i]
            if good[r, i]:
                n_good += 1
                total += intervals[i]
                if i > 0 and good[r, i - 1]:
                    n_pairs += 1
                    squares += (intervals[i] - intervals[i - 1]) ** 2
        mean = total / n_good if n_good > 0 else np.nan
        spread = 0.0
        for i in range(n):
            if good[r, i]:
                spread += (intervals[i] - mean) ** 2
        summary[r, 0] = mean
        summary[r, 1] = np.sqrt(spread / (n_good - 1)) if n_good > 1 else np.nan
        summary[r, 2] = np.sqrt(squares / n_pairs) if n_pairs > 0 else np.nan
        summary[r, 3] = n_good
        summary[r, 4] = total
        summary[r, 5] = n
        summary[r, 6] = span
        summary[r, 7] = possible / n_possible if n_possible > 0 else np.nan
