"""Beats in band-passed photoplethysmograms: multiscale peaks, then fiducial points between samples.

Written from the descriptions in S. M. Bishop and A. Ercole, "Multi-scale peak and trough detection optimised for
periodic and quasi-periodic neuroscience data", Acta Neurochir. Suppl. 126, 2018 (after F. Scholkmann et al.,
"An efficient algorithm for automatic peak detection in noisy periodic and quasi-periodic signals", Algorithms 5(4),
2012), and P. H. Charlton et al., "The MSPTDfast photoplethysmography beat detection algorithm", Physiol. Meas. 46(3),
2025: signals of about 20 Hz, windows of 6 s that overlap by a fifth, no scales of rates below 24 beats/min (there 30).
The foot of a pulse is the lowest sample before its peak, so troughs need no scales of their own.
"""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.jit import kernel
from biosig_kernels.peak_choice import choose_peaks, find_feet

DETECTION_RATE = 20.0  # Hz
SPAN = 6.0  # s, window in which one largest scale holds
OVERLAP = 0.2
SLOWEST = 0.4  # Hz, 24 beats/min
PEAK, ONSET, UPSLOPE, MIDDLE = 0, 1, 2, 3


@kernel
def _mark_tops(z, tops):
    """Fill ``tops[k - 1, i]`` with 1 where sample i tops both samples k away, else 0.

    A neighbour outside of the signal is no hindrance, except that the first and the last sample top nothing.
    """
    n = z.size
    for k in range(1, tops.shape[0] + 1):
        line = tops[k - 1]
        left = min(k, n)
        right = max(n - k, 0)
        for i in range(min(left, right)):
            line[i] = z[i] > z[i + k]
        for i in range(right, left):
            line[i] = 1
        centre = z[left:]
        before = z[: n - left]
        after = z[min(left + k, n) :]
        body = line[left:]
        for i in range(right - left):
            body[i] = (centre[i] > before[i]) & (centre[i] > after[i])
        for i in range(max(left, right), n):
            line[i] = z[i] > z[i - k]
        line[0] = 0
        line[n - 1] = 0


@kernel
def _coarse_peaks(z, rate, tops, peaks):
    """Write the sample numbers of the peaks of `z` (about 20 Hz); return how many there are.

    Each window decides on its best scale, the one on which most of its samples top both neighbours; samples nearer to
    its ends than the scale do not count, which keeps multiples of the beat period from winning. The peaks of the
    window's core are the samples that top their neighbours on all scales up to the best one.
    """
    n = z.size
    span = min(max(round(SPAN * rate), 3), n)
    margin = round(0.5 * OVERLAP * SPAN * rate)
    core = max(span - 2 * margin, 1)
    _mark_tops(z, tops)
    largest = max(min(tops.shape[0], span // 2 - 1), 1)
    on_all = np.empty(core, np.uint8)
    count = 0
    for from_ in range(0, n, core):
        end = min(max(from_ - margin, 0) + span, n)
        begin = end - span
        best = 1
        most = np.int32(-1)
        for k in range(1, largest + 1):
            line = tops[k - 1, begin + k : end - k]
            number = np.int32(0)
            for i in range(line.size):
                number += np.int32(line[i])
            if number > most:
                most = number
                best = k
        width = min(core, n - from_)
        on_all[:] = 1
        for k in range(best):
            line = tops[k, from_ : from_ + width]
            for i in range(width):
                on_all[i] &= line[i]
        for i in range(width):
            if on_all[i]:
                peaks[count] = from_ + i
                count += 1
    return count


@kernel
def _vertex(before, at, after):
    """Offset (-0.5 to 0.5 samples) of the vertex of the parabola through three neighbouring values."""
    bend = before - 2.0 * at + after
    if bend == 0.0:
        return 0.0
    return min(max(0.5 * (before - after) / bend, -0.5), 0.5)


@kernel
def _fiducial(y, onset, peak, kind):
    """Position of a fiducial point of the pulse that rises from sample `onset` to sample `peak`; NaN if it has none."""
    n = y.size
    if kind == PEAK:
        return peak + _vertex(y[peak - 1], y[peak], y[peak + 1])
    if onset < 1:
        return np.nan
    if kind == ONSET:
        return onset + _vertex(y[onset - 1], y[onset], y[onset + 1])
    if kind == MIDDLE:
        level = 0.5 * (np.float64(y[onset]) + y[peak])
        i = peak
        while i > onset and y[i - 1] >= level:
            i -= 1
        if i == onset:
            return np.nan
        return i - 1 + (level - y[i - 1]) / (np.float64(y[i]) - y[i - 1])
    steepest = -1
    best = 0.0
    for i in range(onset + 1, peak):
        slope = np.float64(y[i + 1]) - y[i - 1]
        if slope > best:
            best = slope
            steepest = i
    if steepest < 2 or steepest > n - 3:
        return np.nan
    return steepest + _vertex(
        np.float64(y[steepest]) - y[steepest - 2], best, np.float64(y[steepest + 2]) - y[steepest]
    )


@kernel
def place_beats(row, missing, rate, kind, peaks, n_peaks, feet, beats):
    """Write the times (s) of the fiducial points that belong to the peaks; return how many there are."""
    n = row.size
    count = 0
    for p in range(n_peaks):
        peak = peaks[p]
        if peak < 1 or peak > n - 2 or missing[peak] or feet[p] == peak:
            continue
        at = _fiducial(row, feet[p], peak, kind) / rate
        if np.isfinite(at) and count < beats.size and (count == 0 or at > beats[count - 1]):
            beats[count] = at
            count += 1
    return count


@kernel
def beat_rows(y, missing, rate, kind, beats, counts, start, stop):
    """Find the beats in rows ``start:stop``.

    Parameters
    ----------
    y : ndarray of float32, shape (n_rows, n_samples)
        Photoplethysmograms, blood volume up = value up, band-passed to the pulse (about 0.5 to 8 Hz), finite.
    missing : ndarray of bool, shape (n_rows, n_samples)
        Samples that were not measured; a beat whose peak lies on one is dropped.
    rate : float
        Hz.
    kind : int
        PEAK, ONSET, UPSLOPE (steepest rise) or MIDDLE (half way up from onset to peak).
    beats : ndarray of float64, shape (n_rows, n_most)
        Receives the times in seconds from the first sample, increasing, then NaN; beats beyond n_most are lost.
    counts : ndarray of int64, shape (n_rows,)
        Receives the number of beats.
    """
    n = y.shape[1]
    factor = max(math.floor(rate / DETECTION_RATE), 1)
    n_coarse = (n + factor - 1) // factor
    z = np.empty(n_coarse, np.float32)
    peaks = np.empty(n_coarse, np.int64)
    feet = np.empty(n_coarse, np.int64)
    strengths = np.empty(n_coarse)
    # The largest scale is half the period of the slowest heart.
    tops = np.empty((max(int(rate / factor / (2.0 * SLOWEST)), 1), n_coarse), np.uint8)
    for r in range(start, stop):
        row = y[r]
        beats[r, :] = np.nan
        for i in range(n_coarse):
            z[i] = row[i * factor]
        n_peaks = _coarse_peaks(z, rate / factor, tops, peaks)
        for p in range(n_peaks):
            near = peaks[p] * factor
            best = near
            for i in range(max(near - factor, 0), min(near + factor + 1, n)):
                if row[i] > row[best]:
                    best = i
            peaks[p] = best
        n_peaks = choose_peaks(row, rate, peaks, n_peaks, feet, strengths)
        counts[r] = place_beats(row, missing[r], rate, kind, peaks, n_peaks, feet, beats[r])


@kernel
def fiducial_rows(y, missing, rate, kind, peaks, beats, counts, start, stop):
    """Place beats, as `beat_rows` does, at peaks that another detector found.

    Parameters
    ----------
    peaks : ndarray of int64, shape (n_rows, n_most)
        Sample numbers, increasing; a negative one ends a row.
    """
    feet = np.empty(peaks.shape[1], np.int64)
    for r in range(start, stop):
        n_peaks = 0
        while n_peaks < peaks.shape[1] and peaks[r, n_peaks] >= 0:
            n_peaks += 1
        beats[r, :] = np.nan
        find_feet(y[r], rate, peaks[r], n_peaks, feet)
        counts[r] = place_beats(y[r], missing[r], rate, kind, peaks[r], n_peaks, feet, beats[r])
