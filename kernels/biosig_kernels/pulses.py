"""Pulses of photoplethysmograms beside each other: Elgendi's detector, and how alike the pulses of a window are."""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.beats import place_beats
from biosig_kernels.jit import kernel
from biosig_kernels.peak_choice import choose_peaks

PEAK_SECONDS, BEAT_SECONDS = 0.111, 0.667  # of the two moving averages
OFFSET = 0.02  # share of the mean square added to the slower average
SOONEST = 0.25  # s from one peak to the next
TEMPLATE = 32  # points of a pulse
BEFORE = 0.3  # share of the pulse before its beat


@kernel
def _average(running, i, half, n):
    """Mean over ``i - half ... i + half``, as far as there are samples, from running sums."""
    first = max(i - half, 0)
    last = min(i + half + 1, n)
    return (running[last] - running[first]) / (last - first)


@kernel
def elgendi_rows(y, missing, rate, kind, beats, counts, start, stop):
    """Find the beats in rows ``start:stop`` with two moving averages; parameters as of `beats.beat_rows`.

    M. Elgendi et al., "Systolic peak detection in acceleration photoplethysmograms measured from emergency responders
    in tropical conditions", PLoS ONE 8(10), e76585, 2013: where a short average of the squared, rectified signal
    exceeds a long one plus an offset, for at least as long as the short one, the highest sample is a peak. At the ends
    the averages are taken over the samples there are; of two peaks within 0.25 s the first counts.
    """
    n = y.shape[1]
    half_peak = max(round(PEAK_SECONDS * rate) // 2, 1)
    half_beat = max(round(BEAT_SECONDS * rate) // 2, 1)
    shortest = max(round(PEAK_SECONDS * rate), 1)
    running = np.zeros(n + 1)
    peaks = np.empty(n, np.int64)
    feet = np.empty(n, np.int64)
    strengths = np.empty(n)
    for r in range(start, stop):
        row = y[r]
        beats[r, :] = np.nan
        for i in range(n):
            value = max(np.float64(row[i]), 0.0)
            running[i + 1] = running[i] + value * value
        offset = OFFSET * running[n] / n
        n_peaks = 0
        i = 0
        while i < n:
            best = i
            begin = i
            while i < n and _average(running, i, half_peak, n) > _average(running, i, half_beat, n) + offset:
                if row[i] > row[best]:
                    best = i
                i += 1
            if i - begin >= shortest and (n_peaks == 0 or best - peaks[n_peaks - 1] > SOONEST * rate):
                peaks[n_peaks] = best
                n_peaks += 1
            i += 1
        n_peaks = choose_peaks(row, rate, peaks, n_peaks, feet, strengths)
        counts[r] = place_beats(row, missing[r], rate, kind, peaks, n_peaks, feet, beats[r])


@kernel
def _cut(row, first, step, pulse):
    """Read a pulse between samples and give it mean 0 and length 1; False where it leaves the row or is flat."""
    n = row.size
    if first < 0.0 or first + (pulse.size - 1) * step > n - 1:
        return False
    mean = 0.0
    for k in range(pulse.size):
        at = first + k * step
        low = min(int(at), n - 2)
        pulse[k] = row[low] + (at - low) * (np.float64(row[low + 1]) - row[low])
        mean += pulse[k] / pulse.size
    power = 0.0
    for k in range(pulse.size):
        pulse[k] -= mean
        power += pulse[k] * pulse[k]
    if not power > 0.0:
        return False
    for k in range(pulse.size):
        pulse[k] /= math.sqrt(power)
    return True


@kernel
def _towards(pulses, kept, n, template):
    """Write the mean of the kept pulses, with length 1."""
    template[:] = 0.0
    for b in range(n):
        if kept[b]:
            for k in range(template.size):
                template[k] += pulses[b, k]
    power = 0.0
    for k in range(template.size):
        power += template[k] * template[k]
    for k in range(template.size):
        template[k] /= math.sqrt(power) if power > 0.0 else 1.0


@kernel
def template_rows(y, rate, beats, alike, start, stop):
    """Correlate each pulse of rows ``start:stop`` with the mean pulse of its row.

    Parameters
    ----------
    y : ndarray of float32, shape (n_rows, n_samples)
        Band-passed to the pulse, finite.
    rate : float
        Hz.
    beats : ndarray of float64, shape (n_rows, n_most)
        Seconds, increasing; the first NaN ends a row.
    alike : ndarray of float64, shape (n_rows, n_most)
        Receives correlations, -1 to 1; NaN behind the last beat, for pulses cut by an end of the row, flat ones, and
        rows of fewer than three pulses. A pulse lasts the median interval, 30 % of it before the beat. The mean is
        taken twice, the second time over the half of the pulses most like the first mean.
    """
    n_most = beats.shape[1]
    pulses = np.empty((n_most, TEMPLATE))
    whole = np.empty(n_most, np.bool_)
    kept = np.empty(n_most, np.bool_)
    template = np.empty(TEMPLATE)
    intervals = np.empty(max(n_most, 1))
    for r in range(start, stop):
        alike[r, :] = np.nan
        n = 0
        while n < n_most and np.isfinite(beats[r, n]):
            n += 1
        if n < 3:
            continue
        for b in range(n - 1):
            intervals[b] = beats[r, b + 1] - beats[r, b]
        length = np.median(intervals[: n - 1]) * rate
        n_whole = 0
        for b in range(n):
            first = beats[r, b] * rate - BEFORE * length
            whole[b] = _cut(y[r], first, length / TEMPLATE, pulses[b])
            kept[b] = whole[b]
            n_whole += whole[b]
        if n_whole < 3:
            continue
        for again in range(2):
            _towards(pulses, kept, n, template)
            for b in range(n):
                if whole[b]:
                    total = 0.0
                    for k in range(TEMPLATE):
                        total += pulses[b, k] * template[k]
                    alike[r, b] = min(max(total, -1.0), 1.0)
            if again == 0:
                middle = np.nanmedian(alike[r, :n])
                for b in range(n):
                    kept[b] = whole[b] and alike[r, b] >= middle
