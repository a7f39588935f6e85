"""Beats in band-passed photoplethysmograms: multiscale peaks and troughs, then fiducial points between samples.

Written from the descriptions in S. M. Bishop and A. Ercole, "Multi-scale peak and trough detection optimised for
periodic and quasi-periodic neuroscience data", Acta Neurochir. Suppl. 126, 2018 (after F. Scholkmann et al.,
"An efficient algorithm for automatic peak detection in noisy periodic and quasi-periodic signals", Algorithms 5(4),
2012), and P. H. Charlton et al., "The MSPTDfast photoplethysmography beat detection algorithm", Physiol. Meas. 46(3),
2025: signals of about 20 Hz, windows of 6 s that overlap by a fifth, no scales of rates below 30 beats/min.
"""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.jit import kernel

DETECTION_RATE = 20.0  # Hz
SPAN = 6.0  # s, window in which one largest scale holds
OVERLAP = 0.2
SLOWEST = 0.5  # Hz, 30 beats/min
PEAK, ONSET, UPSLOPE, MIDDLE = 0, 1, 2, 3


@kernel
def _extremes(z, sign, begin, end, from_, to, largest, marks):
    """Mark in ``marks[from_:to]`` the maxima (sign 1) or minima (sign -1) of `z` on all scales up to the best one.

    The best scale is the one with most local extremes among samples ``begin:end``. A neighbour outside of the signal
    is no hindrance, except that the first and the last sample are never extremes.
    """
    n = z.size
    best = 1
    most = -1
    for k in range(1, largest + 1):
        count = 0
        for i in range(max(begin, k), min(end, n - k)):
            count += (sign * (z[i] - z[i - k]) > 0.0) & (sign * (z[i] - z[i + k]) > 0.0)
        if count > most:
            most = count
            best = k
    for i in range(max(from_, 1), min(to, n - 1)):
        extreme = True
        for k in range(1, best + 1):
            if (i - k >= 0 and sign * (z[i] - z[i - k]) <= 0.0) or (i + k < n and sign * (z[i] - z[i + k]) <= 0.0):
                extreme = False
                break
        marks[i] = extreme


@kernel
def _coarse_peaks(z, rate, peaks):
    """Write the sample numbers of the peaks of `z` (about 20 Hz) that have a trough between them; return how many."""
    n = z.size
    span = max(round(SPAN * rate), 3)
    margin = round(0.5 * OVERLAP * SPAN * rate)
    core = max(span - 2 * margin, 1)
    largest = max(int(rate / (2.0 * SLOWEST)), 1)  # half the period of the slowest heart
    high = np.zeros(n, np.bool_)
    low = np.zeros(n, np.bool_)
    for from_ in range(0, n, core):
        begin = max(from_ - margin, 0)
        end = min(begin + span, n)
        begin = max(end - span, 0)
        limit = max(min(largest, (end - begin) // 2 - 1), 1)
        _extremes(z, 1.0, begin, end, from_, from_ + core, limit, high)
        _extremes(z, -1.0, begin, end, from_, from_ + core, limit, low)
    count = 0
    trough_since = True
    for i in range(n):
        if low[i]:
            trough_since = True
        elif high[i]:
            if trough_since:
                peaks[count] = i
                count += 1
                trough_since = False
            elif z[i] > z[peaks[count - 1]]:
                peaks[count - 1] = i
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
        Receives the times in seconds from the first sample, increasing, then NaN. Room for four beats a second is
        always enough.
    counts : ndarray of int64, shape (n_rows,)
        Receives the number of beats.
    """
    n = y.shape[1]
    factor = max(math.floor(rate / DETECTION_RATE), 1)
    n_coarse = (n + factor - 1) // factor
    z = np.empty(n_coarse, np.float32)
    coarse = np.empty(n_coarse, np.int64)
    longest_rise = max(round(0.6 * rate), 2)
    for r in range(start, stop):
        row = y[r]
        beats[r, :] = np.nan
        counts[r] = 0
        for i in range(n_coarse):
            z[i] = row[i * factor]
        if n_coarse < 5:
            continue
        previous = 0
        count = 0
        for c in range(_coarse_peaks(z, rate / factor, coarse)):
            near = coarse[c] * factor
            peak = near
            for i in range(max(near - factor, 0), min(near + factor + 1, n)):
                if row[i] > row[peak]:
                    peak = i
            if peak < 1 or peak > n - 2:
                continue
            onset = peak
            for i in range(peak - 1, max(previous, peak - longest_rise) - 1, -1):
                if row[i] < row[onset]:
                    onset = i
            previous = peak
            if missing[r, peak] or row[peak] <= row[onset]:
                continue
            at = _fiducial(row, onset, peak, kind)
            if at == at and count < beats.shape[1] and (count == 0 or at / rate > beats[r, count - 1]):
                beats[r, count] = at / rate
                count += 1
        counts[r] = count
