"""Wrong and ectopic beats told apart by their intervals, and put right.

Written from the description in J. A. Lipponen and M. P. Tarvainen, "A robust algorithm for heart rate variability time
series artefact correction using novel beat classification", J. Med. Eng. Technol. 43(3), 2019: differences of
neighbouring intervals (dRR) and distances from the local median (mRR) are divided by thresholds that follow their
quartiles over 91 beats, and each interval is classed by what lies before and after it.
"""

from __future__ import annotations

import numpy as np

from biosig_kernels.copying import copy_into
from biosig_kernels.few import sort_few
from biosig_kernels.jit import kernel
from biosig_kernels.medians import quantile

AROUND = 45  # differences on each side whose quartiles make a threshold
ALPHA = 5.2  # quartile deviations: 3.32 standard deviations of a normal distribution
MEDIAN_AROUND = 5  # intervals on each side of the local median
C1, C2 = 0.13, 0.17  # lines that bound ectopic beats
USUAL = 2.5  # medians, below which no change is wrong: breathing in step with the heart makes all changes alike
SMALLEST = 5e-3  # s, thresholds are no smaller: clocks tick
NORMAL, ECTOPIC, MISSED, EXTRA, LONG_SHORT = 0, 1, 2, 3, 4


@kernel
def _thresholds(values, n, limits, ordered):
    """Write `ALPHA` times half the distance of the quartiles of the absolute `values` around each, or more."""
    for i in range(n):
        first = max(i - AROUND, 0)
        last = min(i + AROUND + 1, n)
        count = last - first
        for k in range(count):
            ordered[k] = abs(values[first + k])
        sort_few(ordered, count)
        spread = quantile(ordered, count, 0.75) - quantile(ordered, count, 0.25)
        limits[i] = max(ALPHA * 0.5 * spread, USUAL * quantile(ordered, count, 0.5), SMALLEST)


@kernel
def classify_intervals(rr, n, classes, work):
    """Class each of the first `n` intervals.

    Parameters
    ----------
    rr : ndarray of float64, shape (n_most,)
        Intervals in s without holes.
    classes : ndarray of int64, shape (n_most,)
        Receives NORMAL, ECTOPIC, MISSED (a beat is missing within the interval), EXTRA (the beat at its end is none) or
        LONG_SHORT. The last two intervals have too little after them to be classed, and are NORMAL.
    work : ndarray of float64, shape (5, n_most + 4)
    """
    classes[:n] = NORMAL
    if n < 4:
        return
    d = work[0]
    m = work[1]
    medians = work[2]
    limits = work[3]
    ordered = work[4]
    total = 0.0
    for i in range(1, n):
        d[i] = rr[i] - rr[i - 1]
        total += d[i]
    d[0] = total / (n - 1)
    _thresholds(d, n, limits, ordered)
    for i in range(n):
        d[i] /= limits[i]
    for i in range(n):
        first = max(i - MEDIAN_AROUND, 0)
        last = min(i + MEDIAN_AROUND + 1, n)
        copy_into(ordered, rr[first:last])
        sort_few(ordered, last - first)
        medians[i] = quantile(ordered, last - first, 0.5)
        m[i] = rr[i] - medians[i]
        if m[i] < 0.0:
            m[i] *= 2.0
    _thresholds(m, n, limits, ordered)
    for i in range(n):
        m[i] /= limits[i]
    i = 0
    while i < n - 2:
        # A difference beyond its threshold starts every kind of artefact.
        if abs(d[i]) <= 1.0:
            i += 1
            continue
        before = d[i - 1] if i > 0 else 0.0
        if d[i] > 0.0:
            beside = max(before, d[i + 1])
            ectopic = beside < -C1 * d[i] - C2
        else:
            beside = min(before, d[i + 1])
            ectopic = beside > -C1 * d[i] + C2
        if ectopic:  # interval i and the one before it are wrong: so is the beat between them
            classes[max(i - 1, 0)] = ECTOPIC
            i += 1
            continue
        n_candidates = 2 if i + 3 < n and abs(d[i + 1]) < abs(d[i + 2]) else 1
        for j in range(i, i + n_candidates):
            after = max(d[j + 1], d[j + 2]) if d[j] < 0.0 else min(d[j + 1], d[j + 2])
            long = d[j] > 1.0 and after < -1.0
            short = d[j] < -1.0 and after > 1.0
            if not (long or short or abs(m[j]) > 3.0):
                continue
            if short and abs(rr[j] + rr[j + 1] - medians[j]) < limits[j]:
                classes[j] = EXTRA
            elif long and abs(0.5 * rr[j] - medians[j]) < limits[j]:
                classes[j] = MISSED
            else:
                classes[j] = LONG_SHORT
        i += n_candidates


@kernel
def reject_rows(beats, longest, good, start, stop):
    """Take the good marks away from the intervals of rows ``start:stop`` on both sides of each wrong or ectopic beat.

    Parameters
    ----------
    beats : ndarray of float64, shape (n_rows, n_most)
        Seconds, increasing; the first NaN ends a row.
    longest : float
        Seconds; a longer interval is a gap, and what lies before and after it is classed on its own.
    good : ndarray of bool, shape (n_rows, n_most - 1)
        Marks, as `intervals.mark_rows` makes them. Within an interval that misses a beat both its ends are right.
    """
    n_most = beats.shape[1]
    rr = np.empty(n_most + 1)
    classes = np.empty(n_most + 1, np.int64)
    work = np.empty((5, n_most + 4))
    for r in range(start, stop):
        row = beats[r]
        n = 0
        while n < n_most and np.isfinite(row[n]):
            n += 1
        first = 0
        while first < n:
            last = first
            while last + 1 < n and row[last + 1] - row[last] <= longest:
                rr[last - first] = row[last + 1] - row[last]
                last += 1
            size = last - first
            classify_intervals(rr, size, classes, work)
            for i in range(size):
                if classes[i] != NORMAL:
                    good[r, first + i] = False
                    if classes[i] != MISSED and i + 1 < size:
                        good[r, first + i + 1] = False
            first = last + 1


@kernel
def _correct_stretch(beats, n, classes, out, moved):
    """Put a stretch of `n` beats right; return how many there are then. Interval i ends at beat i + 1."""
    count = 0
    for b in range(n):
        kind = classes[b - 1] if b > 0 else NORMAL
        last = b + 1 == n
        if kind == EXTRA and not last:
            continue
        if kind == MISSED:
            out[count] = 0.5 * (beats[b - 1] + beats[b])
            moved[count] = False
            count += 1
        out[count] = beats[b]
        moved[count] = kind in (ECTOPIC, LONG_SHORT) and not last
        count += 1
    for b in range(1, count - 1):  # half way between what stands beside them by now
        if moved[b]:
            out[b] = 0.5 * (out[b - 1] + out[b + 1])
    return count


@kernel
def correct_rows(beats, longest, corrected, numbers, start, stop):
    """Put the beats of rows ``start:stop`` right.

    An extra beat is left out, a missing one is put in half way, an ectopic or misplaced one is moved half way between
    its neighbours.

    Parameters
    ----------
    beats : ndarray of float64, shape (n_rows, n_most)
        Seconds, increasing; the first NaN ends a row.
    longest : float
        Seconds; a longer interval is a gap, and what lies before and after it is put right on its own.
    corrected : ndarray of float64, shape (n_rows, 2 n_most)
        Receives the beats, then NaN.
    numbers : ndarray of int64, shape (n_rows, 5)
        Receives the number of intervals of each class.
    """
    n_most = beats.shape[1]
    rr = np.empty(n_most + 1)
    classes = np.empty(n_most + 1, np.int64)
    work = np.empty((5, n_most + 4))
    moved = np.empty(2 * n_most + 1, np.bool_)
    for r in range(start, stop):
        row = beats[r]
        corrected[r, :] = np.nan
        numbers[r, :] = 0
        n = 0
        while n < n_most and np.isfinite(row[n]):
            n += 1
        count = 0
        first = 0
        while first < n:
            last = first
            while last + 1 < n and row[last + 1] - row[last] <= longest:
                last += 1
            size = last + 1 - first
            for i in range(size - 1):
                rr[i] = row[first + i + 1] - row[first + i]
            classify_intervals(rr, size - 1, classes, work)
            for i in range(size - 1):
                numbers[r, classes[i]] += 1
            count += _correct_stretch(row[first : last + 1], size, classes, corrected[r, count:], moved)
            first = last + 1
