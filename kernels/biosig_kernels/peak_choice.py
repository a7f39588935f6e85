"""Which peaks of a pulse wave are beats: feet and strengths of peaks, and those that belong to no beat of their own.

Between two beats of a slow heart there are other maxima: the dicrotic wave, noise, and what the band-pass filter makes
of a long, flat diastole. A detector of peaks takes them for beats and doubles the rate. They are weaker than the beats
around them (they rise less and less steeply), and what remains without them is a regular rhythm.
"""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.copying import copy_into
from biosig_kernels.few import median_of_few, sort_few
from biosig_kernels.jit import kernel

LONGEST_RISE = 0.6  # s from the foot of a pulse to its peak
AROUND = 10  # peaks on each side
HARDLY, FAINT = 0.2, 0.4  # of the strong peaks around: no beat at all; no beat where the rhythm agrees
STRONG = 0.8  # quantile of the strengths around that the strong peaks have
REFLECTED_WITHIN = 0.5  # s from a systolic peak to the wave reflected after it
REFLECTED_STRENGTH = 0.6  # of the weaker neighbour
REFLECTED_NEARER = 0.9  # distance to the peak before, over that to the peak after
REFLECTED_OFTEN = 0.2  # fraction of the peaks around


@kernel
def find_feet(row, rate, peaks, n_peaks, feet):
    """Write the foot of each pulse: the lowest sample between the peak before it, or `LONGEST_RISE`, and its peak."""
    longest_rise = max(round(LONGEST_RISE * rate), 2)
    previous = 0
    for p in range(n_peaks):
        peak = peaks[p]
        foot = peak
        for i in range(peak - 1, max(previous, peak - longest_rise) - 1, -1):
            if row[i] < row[foot]:
                foot = i
        feet[p] = foot
        previous = peak


@kernel
def _find_strengths(row, peaks, n_peaks, feet, strengths):
    """Write how strongly each pulse rises: geometric mean of its height and its steepest step."""
    for p in range(n_peaks):
        steepest = 0.0
        for i in range(feet[p], peaks[p]):
            steepest = max(steepest, np.float64(row[i + 1]) - row[i])
        strengths[p] = math.sqrt((np.float64(row[peaks[p]]) - row[feet[p]]) * steepest)


@kernel
def _irregularity(peaks, first, last, left_out):
    """Median change from one interval to the next over the median interval, of the peaks that are not left out.

    Infinite for fewer than four of them.
    """
    intervals = np.empty(last - first)
    n = 0
    previous = -1
    for p in range(first, last):
        if left_out[p]:
            continue
        if previous >= 0:
            intervals[n] = peaks[p] - peaks[previous]
            n += 1
        previous = p
    if n < 3:
        return np.inf
    changes = np.empty(n - 1)
    for i in range(n - 1):
        changes[i] = abs(intervals[i + 1] - intervals[i])
    return median_of_few(changes, n - 1) / median_of_few(intervals, n)


@kernel
def _keep(peaks, n_peaks, drop):
    """Close the ranks of the peaks that are not to be dropped; return how many there are."""
    kept = 0
    for p in range(n_peaks):
        if not drop[p]:
            peaks[kept] = peaks[p]
            kept += 1
    return kept


@kernel
def _drop_faint(rate, peaks, n_peaks, strengths):
    """Take away peaks far weaker than the strong ones around, and weaker ones where the rhythm is as regular without.

    The rhythm without them is that without waves that look reflected, too: those are looked at after the faint peaks.
    """
    least, most = np.inf, 0.0
    for p in range(n_peaks):
        least = min(least, strengths[p])
        most = max(most, strengths[p])
    if n_peaks < 4 or least >= FAINT * most:
        return n_peaks
    faint = np.zeros(n_peaks, np.bool_)
    drop = np.zeros(n_peaks, np.bool_)
    around = np.empty(2 * AROUND + 1)
    for p in range(n_peaks):
        first, last = max(p - AROUND, 0), min(p + AROUND + 1, n_peaks)
        copy_into(around, strengths[first:last])
        sort_few(around, last - first)
        strong = around[min(int(STRONG * (last - first)), last - first - 1)]
        faint[p] = strengths[p] < FAINT * strong
        drop[p] = strengths[p] < HARDLY * strong
    nothing = np.zeros(n_peaks, np.bool_)
    aside = faint.copy()
    for p in range(1, n_peaks):
        soon = peaks[p] - peaks[p - 1] < REFLECTED_WITHIN * rate
        aside[p] |= soon and strengths[p] < REFLECTED_STRENGTH * strengths[p - 1]
    for p in range(n_peaks):
        if faint[p] and not drop[p]:
            first, last = max(p - AROUND, 0), min(p + AROUND + 1, n_peaks)
            drop[p] = _irregularity(peaks, first, last, aside) <= _irregularity(peaks, first, last, nothing)
    return _keep(peaks, n_peaks, drop)


@kernel
def _drop_reflected(rate, peaks, n_peaks, strengths):
    """Take away peaks of waves reflected within a pulse (dicrotic waves).

    Such a peak follows the one before by less than `REFLECTED_WITHIN`, is nearer to it than to the next and weaker than
    both; and a heart with one has more of them: at least `REFLECTED_OFTEN` of the peaks around. Without company it is
    taken for a weak, premature beat and kept.
    """
    minor = np.zeros(n_peaks, np.bool_)
    for p in range(1, n_peaks):
        before, after = strengths[p - 1], np.inf
        nearer = True
        if p + 1 < n_peaks:
            after = strengths[p + 1]
            nearer = peaks[p] - peaks[p - 1] < REFLECTED_NEARER * (peaks[p + 1] - peaks[p])
        soon = peaks[p] - peaks[p - 1] < REFLECTED_WITHIN * rate
        minor[p] = soon and nearer and strengths[p] < REFLECTED_STRENGTH * min(before, after)
    if not minor.any():
        return n_peaks
    drop = np.zeros(n_peaks, np.bool_)
    for p in range(n_peaks):
        first, last = max(p - AROUND, 0), min(p + AROUND + 1, n_peaks)
        drop[p] = minor[p] and minor[first:last].sum() >= REFLECTED_OFTEN * (last - first)
    return _keep(peaks, n_peaks, drop)


@kernel
def choose_peaks(row, rate, peaks, n_peaks, feet, strengths):
    """Take away the peaks that are no beats; return how many remain.

    Parameters
    ----------
    row : ndarray of float32, shape (n_samples,)
        Band-passed to the pulse, finite.
    rate : float
        Hz.
    peaks : ndarray of int64
        Sample numbers, increasing; those that remain are moved to the front.
    n_peaks : int
    feet : ndarray of int64
        Receives the foot of each peak that remains.
    strengths : ndarray of float64
        Room for a value per peak.
    """
    find_feet(row, rate, peaks, n_peaks, feet)
    _find_strengths(row, peaks, n_peaks, feet, strengths)
    kept = _drop_faint(rate, peaks, n_peaks, strengths)
    if kept < n_peaks:
        n_peaks = kept
        find_feet(row, rate, peaks, n_peaks, feet)
        _find_strengths(row, peaks, n_peaks, feet, strengths)
    kept = _drop_reflected(rate, peaks, n_peaks, strengths)
    if kept < n_peaks:
        find_feet(row, rate, peaks, kept, feet)
    return kept
