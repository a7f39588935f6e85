"""Measures of heart rate variability of rows of intervals: spread, differences, order, regularity, spectrum."""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.copying import copy_into
from biosig_kernels.jit import REDUCTION, kernel
from biosig_kernels.medians import quantile

MEASURES = (
    "MeanNN",
    "SDNN",
    "RMSSD",
    "SDSD",
    "MedianNN",
    "MadNN",
    "IQRNN",
    "Prc20NN",
    "Prc80NN",
    "pNN50",
    "pNN20",
    "MinNN",
    "MaxNN",
    "HTI",
    "SD2",
    "SampEn",
)
BIN = 1000.0 / 128.0  # ms, of the histogram of the triangular index
MOST_COMPARED = 5000  # intervals; the time sample entropy takes grows with their square
PART = 300.0  # s, least length of the parts that a long row's spectrum is averaged over
TICK = 1e-6  # ms; differences of 50 ms of whole milliseconds are not above 50 ms


@kernel
def _deviation(total, squares, n):
    """Standard deviation (ddof 1) from the sum and the sum of squares of values near zero."""
    return math.sqrt(max(squares - total * total / n, 0.0) / (n - 1)) if n > 1 else np.nan


@kernel
def _entropy(x, joined, n, tolerance):
    """Sample entropy of templates of two values; NaN without templates, infinite without matches of three.

    Templates are pairs of neighbouring values that have a third one after them, none across a break.
    """
    twos = 0
    threes = 0
    n_templates = 0
    for i in range(n - 2):
        if not (joined[i + 1] and joined[i + 2]):
            continue
        n_templates += 1
        for j in range(i + 1, n - 2):
            if not (joined[j + 1] and joined[j + 2]):
                continue
            if abs(x[i] - x[j]) <= tolerance and abs(x[i + 1] - x[j + 1]) <= tolerance:
                twos += 1
                if abs(x[i + 2] - x[j + 2]) <= tolerance:
                    threes += 1
    if n_templates < 2:
        return np.nan
    if twos == 0 or threes == 0:
        return np.inf
    return math.log(twos / threes)


@kernel
def measure_rows(intervals, joined, counts, measures, start, stop):
    """Measure the intervals of rows ``start:stop``.

    Parameters
    ----------
    intervals : ndarray of float64, shape (n_rows, n_most)
        The good intervals of each row in ms, one after the other.
    joined : ndarray of bool, shape (n_rows, n_most)
        Whether an interval begins with the beat at which the one before it ends; False for the first.
    counts : ndarray of int64, shape (n_rows,)
        Number of intervals of each row.
    measures : ndarray of float64, shape (n_rows, 16)
        Receives what `MEASURES` names, in ms, per cent (pNN) or bare numbers; NaN where undefined.
    """
    n_most = intervals.shape[1]
    ordered = np.empty(n_most)
    for r in range(start, stop):
        measures[r, :] = np.nan
        n = counts[r]
        if n == 0:
            continue
        x = intervals[r]
        middle = x[0]
        total = 0.0
        squares = 0.0
        for i in range(n):
            total += x[i] - middle
            squares += (x[i] - middle) ** 2
        n_pairs = 0
        change = 0.0
        changes = 0.0
        both = 0.0
        boths = 0.0
        above50 = 0
        above20 = 0
        for i in range(1, n):
            if joined[r, i]:
                difference = x[i] - x[i - 1]
                along = x[i] + x[i - 1] - 2.0 * middle
                n_pairs += 1
                change += difference
                changes += difference * difference
                both += along
                boths += along * along
                above50 += abs(difference) > 50.0 + TICK
                above20 += abs(difference) > 20.0 + TICK
        copy_into(ordered, x[:n])
        ordered[:n].sort()
        out = measures[r]
        out[0] = middle + total / n
        out[1] = _deviation(total, squares, n)
        if n_pairs > 0:
            out[2] = math.sqrt(changes / n_pairs)
            out[9] = 100.0 * above50 / (n_pairs + 1)
            out[10] = 100.0 * above20 / (n_pairs + 1)
        out[3] = _deviation(change, changes, n_pairs)
        out[4] = quantile(ordered, n, 0.5)
        out[6] = quantile(ordered, n, 0.75) - quantile(ordered, n, 0.25)
        out[7] = quantile(ordered, n, 0.2)
        out[8] = quantile(ordered, n, 0.8)
        out[11] = ordered[0]
        out[12] = ordered[n - 1]
        fullest = 0
        within = 0
        for i in range(n):  # equal bins from 0: the values of one bin stand together
            within = within + 1 if i > 0 and int(ordered[i] / BIN) == int(ordered[i - 1] / BIN) else 1
            fullest = max(fullest, within)
        out[13] = n / fullest
        out[14] = _deviation(both, boths, n_pairs) / math.sqrt(2.0)
        if 1 < n <= MOST_COMPARED:
            out[15] = _entropy(x, joined[r], n, 0.2 * out[1])
        for i in range(n):
            ordered[i] = abs(ordered[i] - out[4])
        ordered[:n].sort()
        out[5] = 1.4826 * quantile(ordered, n, 0.5)


@kernel(fastmath=REDUCTION)
def _sums(x, c, s, sums):
    """Sums of x c, x s, c c, s s and c s."""
    xc = 0.0
    xs = 0.0
    cc = 0.0
    ss = 0.0
    cs = 0.0
    for i in range(x.size):
        xc += x[i] * c[i]
        xs += x[i] * s[i]
        cc += c[i] * c[i]
        ss += s[i] * s[i]
        cs += c[i] * s[i]
    sums[0] = xc
    sums[1] = xs
    sums[2] = cc
    sums[3] = ss
    sums[4] = cs


@kernel
def lomb_scargle(t, x, low, step, power):
    """Lomb-Scargle periodogram of a series at uneven times.

    Parameters
    ----------
    t, x : ndarray of float64, shape (n,)
        Seconds and values, whose mean is zero.
    low, step : float
        Hz; lowest frequency and distance to the next.
    power : ndarray of float64, shape (n_frequencies,)
        Receives the periodogram as ``scipy.signal.lombscargle`` defines it (n / 4 times the squared amplitude of a
        sine); NaN where the times cannot tell.

    Notes
    -----
    J. D. Scargle, Astrophys. J. 263, 835, 1982, eq. 10. Sines and cosines go from one frequency to the next by
    rotation.
    """
    n = x.size
    c = np.empty(n)
    s = np.empty(n)
    turn_c = np.empty(n)
    turn_s = np.empty(n)
    sums = np.empty(5)
    origin = 0.5 * (t[0] + t[n - 1])
    for i in range(n):
        angle = 2.0 * math.pi * low * (t[i] - origin)
        turn = 2.0 * math.pi * step * (t[i] - origin)
        c[i] = math.cos(angle)
        s[i] = math.sin(angle)
        turn_c[i] = math.cos(turn)
        turn_s[i] = math.sin(turn)
    for f in range(power.size):
        _sums(x, c, s, sums)
        xc, xs, cc, ss, cs = sums[0], sums[1], sums[2], sums[3], sums[4]
        shift = 0.5 * math.atan2(2.0 * cs, cc - ss)
        a = math.cos(shift)
        b = math.sin(shift)
        along = a * a * cc + 2.0 * a * b * cs + b * b * ss
        across = a * a * ss - 2.0 * a * b * cs + b * b * cc
        first = (a * xc + b * xs) ** 2 / along if along > 1e-9 * n else np.nan
        second = (a * xs - b * xc) ** 2 / across if across > 1e-9 * n else np.nan
        power[f] = 0.5 * (first + second)
        for i in range(n):
            turned = c[i] * turn_c[i] - s[i] * turn_s[i]
            s[i] = s[i] * turn_c[i] + c[i] * turn_s[i]
            c[i] = turned


@kernel
def _add_bands(t, x, centred, edges, oversampling, bands):
    """Add the power of one stretch of intervals (ms) between neighbouring edges, up to half the mean heart rate."""
    n = x.size
    mean = x.sum() / n
    for i in range(n):
        centred[i] = x[i] - mean
    span = t[n - 1] - t[0]
    density = 2.0 * span / (n - 1)
    highest = 500.0 / mean
    for b in range(edges.size - 1):
        width = min(edges[b + 1], highest) - edges[b]
        if width <= 0.0:
            break
        n_steps = max(math.ceil(width * span * oversampling), 1)
        step = width / n_steps
        power = np.empty(n_steps + 1)
        lomb_scargle(t, centred[:n], edges[b], step, power)
        inner = power.sum() - 0.5 * (power[0] + power[n_steps])
        bands[b] += density * inner * step


@kernel
def band_rows(times, intervals, counts, edges, oversampling, bands, start, stop):
    """Power of the intervals of rows ``start:stop`` between neighbouring edges.

    Parameters
    ----------
    times, intervals : ndarray of float64, shape (n_rows, n_most)
        Ends of the intervals (s) and the intervals (ms).
    counts : ndarray of int64, shape (n_rows,)
    edges : ndarray of float64, shape (n_bands + 1,)
        Hz, increasing.
    oversampling : float
        Frequencies a band is sampled at, per 1 / duration.
    bands : ndarray of float64, shape (n_rows, n_bands)
        Receives ms^2: the integral of the one-sided power spectral density, whose integral over all frequencies is the
        variance. A rhythm has no more than one turn in two beats: faster ones look like slower ones, so the integral
        ends at half the mean heart rate, and bands beyond are 0. Rows of two `PART` or more are cut into equal parts,
        whose bands are averaged. NaN for fewer than four intervals.
    """
    centred = np.empty(intervals.shape[1])
    for r in range(start, stop):
        n = counts[r]
        bands[r, :] = np.nan
        if n < 4:
            continue
        bands[r, :] = 0.0
        begin = times[r, 0]
        span = times[r, n - 1] - begin
        n_parts = max(int(span / PART), 1)
        n_used = 0
        first = 0
        for part in range(n_parts):
            last = first
            while last < n and (part == n_parts - 1 or times[r, last] < begin + (part + 1) * span / n_parts):
                last += 1
            size = last - first
            if size >= 4:
                _add_bands(times[r, first:last], intervals[r, first:last], centred, edges, oversampling, bands[r])
                n_used += 1
            first = last
        for b in range(edges.size - 1):
            bands[r, b] = bands[r, b] / n_used if n_used > 0 else np.nan


@kernel
def peak_rows(times, values, counts, low, high, step, rates, shares, start, stop):
    """Find the strongest rhythm of rows ``start:stop`` between two frequencies.

    Parameters
    ----------
    times, values : ndarray of float64, shape (n_rows, n_most)
        Seconds and values, any unit.
    counts : ndarray of int64, shape (n_rows,)
    low, high, step : float
        Hz.
    rates, shares : ndarray of float64, shape (n_rows,)
        Receive the frequency (Hz, vertex of the parabola) of the highest peak of the periodogram, and the share of the
        power (between `low` and `high`) within 1.5 / duration of it. NaN for fewer than eight values, for constant
        ones, and where power only falls or rises.
    """
    n_steps = round((high - low) / step) + 1
    power = np.empty(n_steps)
    centred = np.empty(values.shape[1])
    for r in range(start, stop):
        n = counts[r]
        rates[r] = np.nan
        shares[r] = np.nan
        if n < 8:
            continue
        t = times[r, :n]
        middle = t.sum() / n
        mean = values[r, :n].sum() / n
        tilt = 0.0
        moment = 0.0
        for i in range(n):
            tilt += (t[i] - middle) * (values[r, i] - mean)
            moment += (t[i] - middle) ** 2
        for i in range(n):
            centred[i] = values[r, i] - mean - tilt / moment * (t[i] - middle)
        lomb_scargle(t, centred[:n], low, step, power)
        best = -1
        total = 0.0
        for f in range(n_steps):
            total += power[f]
            top = 0 < f < n_steps - 1 and power[f] >= power[f - 1] and power[f] >= power[f + 1]
            if top and (best < 0 or power[f] > power[best]):
                best = f
        if best < 0 or not total > 0.0:
            continue
        bend = power[best - 1] - 2.0 * power[best] + power[best + 1]
        offset = 0.5 * (power[best - 1] - power[best + 1]) / bend if bend < 0.0 else 0.0
        rates[r] = low + (best + offset) * step
        near = int(1.5 / (t[n - 1] - t[0]) / step)
        shares[r] = power[max(best - near, 0) : best + near + 1].sum() / total
