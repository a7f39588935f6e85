"""Slow, obvious twins of the kernels for beats and intervals."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def is_top(z, i, k):
    """Whether sample i tops both samples k away; samples outside of the signal do not count."""
    neighbours = [z[j] for j in (i - k, i + k) if 0 <= j < len(z)]
    return 0 < i < len(z) - 1 and all(z[i] > v for v in neighbours)


def coarse_peaks(z, rate, span_seconds, overlap, slowest):
    """Peaks on all scales up to the best one, window by window."""
    n = len(z)
    span = min(max(round(span_seconds * rate), 3), n)
    margin = round(0.5 * overlap * span_seconds * rate)
    core = max(span - 2 * margin, 1)
    largest = max(min(int(rate / (2 * slowest)), span // 2 - 1), 1)
    peaks = []
    for first in range(0, n, core):
        end = min(max(first - margin, 0) + span, n)
        begin = end - span
        numbers = [sum(is_top(z, i, k) for i in range(begin + k, end - k)) for k in range(1, largest + 1)]
        best = 1 + int(np.argmax(numbers))
        peaks += [i for i in range(first, min(first + core, n)) if all(is_top(z, i, k) for k in range(1, best + 1))]
    return peaks


def vertex(values):
    """Offset of the vertex of the parabola through three neighbours."""
    a, b, _ = np.polyfit([-1, 0, 1], values, 2)
    return 0.0 if abs(a) < 1e-12 else float(np.clip(-b / (2 * a), -0.5, 0.5))


def fiducial(y, onset, peak, kind):
    """Position of a fiducial point on the rise from `onset` to `peak`, or NaN."""
    if kind == "peak":
        return peak + vertex(y[peak - 1 : peak + 2])
    if onset < 1:
        return np.nan
    if kind == "onset":
        return onset + vertex(y[onset - 1 : onset + 2])
    if kind == "mid_amplitude":
        level = (y[onset] + y[peak]) / 2
        i = max(k for k in range(onset, peak) if y[k] < level)
        return i + (level - y[i]) / (y[i + 1] - y[i])
    slope = np.full(len(y), -np.inf)
    slope[1:-1] = y[2:] - y[:-2]
    inner = np.arange(onset + 1, peak)
    if not inner.size or slope[inner].max() <= 0:
        return np.nan
    i = inner[np.argmax(slope[inner])]
    if i < 2 or i > len(y) - 3:
        return np.nan
    return i + vertex(slope[i - 1 : i + 2])


def feet(y, rate, peaks, longest_rise):
    """Lowest sample before each peak, not before the last peak nor longer ago than the longest rise."""
    found, previous = [], 0
    for peak in peaks:
        rise = np.arange(max(previous, peak - max(round(longest_rise * rate), 2)), peak + 1)
        found.append(rise[np.flatnonzero(y[rise] == y[rise].min())[-1]])
        previous = peak
    return found


def strengths(y, rate, peaks, longest_rise):
    """Geometric mean of the height of each rise and its steepest step."""
    found = []
    for peak, foot in zip(peaks, feet(y, rate, peaks, longest_rise), strict=True):
        steepest = max(0.0, np.diff(y[foot : peak + 1]).max(initial=0.0))
        found.append(np.sqrt((y[peak] - y[foot]) * steepest))
    return np.array(found)


def irregularity(peaks):
    """Median change of the intervals over their median."""
    intervals = np.diff(peaks)
    return np.median(np.abs(np.diff(intervals))) / np.median(intervals) if len(intervals) >= 3 else np.inf


def without_faint(y, rate, peaks, longest_rise, faint=0.4, hardly=0.2, strong=0.8, around=10):
    """Peaks but those far weaker than the strong ones around, where the rhythm is no less regular without them."""
    if len(peaks) < 4:
        return peaks
    strength = strengths(y, rate, peaks, longest_rise)
    weak, weakest = [], []
    for i in range(len(peaks)):
        near = np.sort(strength[max(i - around, 0) : i + around + 1])
        reference = near[min(int(strong * len(near)), len(near) - 1)]
        weak.append(strength[i] < faint * reference)
        weakest.append(strength[i] < hardly * reference)
    aside = list(weak)
    for i in range(1, len(peaks)):
        aside[i] |= peaks[i] - peaks[i - 1] < 0.5 * rate and strength[i] < 0.6 * strength[i - 1]
    kept = []
    for i, peak in enumerate(peaks):
        near = range(max(i - around, 0), min(i + around + 1, len(peaks)))
        without = irregularity([peaks[k] for k in near if not aside[k]])
        if not weakest[i] and not (weak[i] and without <= irregularity([peaks[k] for k in near])):
            kept.append(peak)
    return kept


def without_reflected(y, rate, peaks, longest_rise, within=0.5, share=0.6, nearer=0.9, often=0.2, around=10):
    """Peaks but those of dicrotic waves: soon after another, weaker than both neighbours, and not the only one."""
    if not peaks:
        return peaks
    strength = strengths(y, rate, peaks, longest_rise)
    gap = np.diff(peaks)
    minor = np.zeros(len(peaks), bool)
    for i in range(1, len(peaks)):
        last = i + 1 == len(peaks)
        weakest = strength[i - 1] if last else min(strength[i - 1], strength[i + 1])
        near = last or gap[i - 1] < nearer * gap[i]
        minor[i] = gap[i - 1] < within * rate and near and strength[i] < share * weakest
    return [
        p for i, p in enumerate(peaks) if not (minor[i] and minor[max(i - around, 0) : i + around + 1].mean() >= often)
    ]


def beats(y, rate, kind, span_seconds, overlap, slowest, detection_rate, longest_rise):
    """Beat times in s of a band-passed signal without gaps."""
    factor = max(int(rate // detection_rate), 1)
    peaks = []
    for near in coarse_peaks(y[::factor], rate / factor, span_seconds, overlap, slowest):
        around = np.arange(max(near * factor - factor, 0), min(near * factor + factor + 1, len(y)))
        peaks.append(int(around[np.argmax(y[around])]))
    return place(y, rate, kind, choose(y, rate, peaks, longest_rise), longest_rise)


def choose(y, rate, peaks, longest_rise):
    """The peaks that are beats."""
    return without_reflected(y, rate, without_faint(y, rate, peaks, longest_rise), longest_rise)


def place(y, rate, kind, peaks, longest_rise):
    """Times of the fiducial points of peaks."""
    found = []
    for peak, onset in zip(peaks, feet(y, rate, peaks, longest_rise), strict=True):
        if peak < 1 or peak > len(y) - 2:
            continue
        at = fiducial(y, onset, peak, kind) / rate if onset < peak else np.nan
        if np.isfinite(at) and (not found or at > found[-1]):
            found.append(at)
    return np.array(found)


def plausible(interval):
    """Whether a heart can beat with such an interval."""
    return 0.25 <= interval <= 2.5


def near_median(intervals):
    """Which intervals are plausible and near the median of the eleven around them."""
    n = len(intervals)
    good = np.zeros(n, bool)
    for i in range(n):
        if not plausible(intervals[i]):
            continue
        first = max(0, min(i - 5, n - 11))
        near = np.array([v for v in intervals[first : first + 11] if plausible(v)])
        middle = np.median(near)
        tolerance = np.clip(5 * 1.4826 * np.median(np.abs(near - middle)), 0.12 * middle, 0.30 * middle)
        good[i] = abs(intervals[i] - middle) <= tolerance
    return good


def good_intervals(intervals):
    """Which intervals are near the local median, or reached from such a one by usual changes, forward then back."""
    n = len(intervals)
    good = near_median(intervals)

    def joins(i, beside):
        first = max(0, min(i - 5, n - 11))
        around = [(a, b) for a, b in pairwise(intervals[first : first + 11]) if plausible(a) and plausible(b)]
        usual = np.median([abs(b - a) for a, b in around]) if around else 0.0
        change = abs(intervals[i] - intervals[beside])
        most = 0.40 * min(intervals[i], intervals[beside])
        return (
            plausible(intervals[i])
            and change <= most
            and change <= 5 * 1.4826 * usual
            and usual <= 0.25 * intervals[beside]
        )

    for order, step in ((range(1, n), -1), (range(n - 2, -1, -1), 1)):
        for i in order:
            good[i] = good[i] or (good[i + step] and joins(i, i + step))
    return good


def summary(times):
    """Mean, SDNN, RMSSD (s), number and sum of good intervals, number and sum of all, mean of the possible ones."""
    intervals = np.diff(times)
    good = good_intervals(intervals)
    kept = intervals[good]
    possible = [v for v in intervals if 0.25 <= v <= 3.0]
    pairs = [intervals[i] - intervals[i - 1] for i in range(1, len(intervals)) if good[i] and good[i - 1]]
    return (
        kept.mean() if kept.size else np.nan,
        kept.std(ddof=1) if kept.size > 1 else np.nan,
        np.sqrt(np.mean(np.square(pairs))) if pairs else np.nan,
        kept.size,
        kept.sum(),
        len(intervals),
        intervals.sum(),
        np.mean(possible) if possible else np.nan,
    )
