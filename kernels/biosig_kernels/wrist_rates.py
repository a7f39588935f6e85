"""From windows of a carrier to the rate of the beat: what goes into a Fourier transform, peaks, a path over time."""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.copying import copy_into
from biosig_kernels.jit import ELEMENTWISE, REDUCTION, kernel
from biosig_kernels.medians import median_of

FLAT = 1e-9  # of the largest carrier: less than that is rounding


@kernel(fastmath=REDUCTION)
def _mean_and_range(row):
    """Mean, and the greatest distance from it."""
    total = 0.0
    low, high = row[0], row[0]
    for i in range(row.size):
        total += row[i]
        low = min(low, row[i])
        high = max(high, row[i])
    mean = total / row.size
    return mean, max(high - mean, mean - low)


@kernel
def taper_windows(carrier, scale, rows, firsts, taper, limit, out, start, stop):
    """Cut windows ``start:stop``, take their mean away, limit and taper them, and bring them to unit size.

    Parameters
    ----------
    carrier : ndarray of float64, shape (n_rows, n)
        Finite.
    scale : ndarray of float64, shape (n_rows,)
        Largest carrier before its band-pass filter; a window with less than `FLAT` of that becomes zeros.
    rows, firsts : ndarray of int64, shape (n_windows,)
        Row and first sample of each window.
    taper : ndarray of float32, shape (n_samples,)
    limit : float
        Samples further from zero than `limit` times the median distance are put there; 0 for no limit.
    out : ndarray of float32, shape (stop - start, n_samples)
    """
    n = taper.size
    distances = np.empty(n, np.float32)
    for w in range(start, stop):
        source = carrier[rows[w], firsts[w] : firsts[w] + n]
        target = out[w - start]
        mean, largest = _mean_and_range(source)
        if not (largest > FLAT * scale[rows[w]] and math.isfinite(largest)):
            target[:] = 0.0
            continue
        unit = 1.0 / largest
        for i in range(n):
            target[i] = (source[i] - mean) * unit
        bound = np.float32(1.0)
        if limit > 0.0:
            for i in range(n):
                distances[i] = abs(target[i])
            bound = np.float32(limit * median_of(distances))
            if bound == 0.0:
                bound = np.float32(1.0)
        for i in range(n):
            target[i] = min(max(target[i], -bound), bound) * taper[i]


@kernel(fastmath=REDUCTION)
def power_rows(spectrum, out, start):
    """Power of the first bins of spectra (n, n_bins) complex64, as shares of their sum, in rows ``start ...`` of `out`.

    Zeros stay zeros. `out` is float32, shape (n_rows, at most n_bins).
    """
    n_bins = out.shape[1]
    for r in range(spectrum.shape[0]):
        line, target = spectrum[r], out[start + r]
        total = 0.0
        for i in range(n_bins):
            power = line[i].real * line[i].real + line[i].imag * line[i].imag
            target[i] = power
            total += power
        scale = np.float32(1.0 / total if total > 0.0 else 0.0)
        for i in range(n_bins):
            target[i] *= scale


@kernel(fastmath=REDUCTION)
def _sum(line, begin, end):
    total = np.float64(0.0)
    for i in range(begin, end):
        total += line[i]
    return total


@kernel
def _share(line, begin, at, near):
    """Share of the power from `begin` on within `near` bins of `at` and within so many of twice `at`; 0 without."""
    edge = min(at + near + 1, line.size)
    inside = _sum(line, max(at - near, begin), edge)
    inside += _sum(line, max(2 * at - near, edge), min(2 * at + near + 1, line.size))
    total = _sum(line, begin, line.size)
    return min(inside / total, 1.0) if total > 0.0 else 0.0


@kernel
def _refine(line, at):
    """Place of the top of a parabola through the logarithms of three bins; `at` itself where it is no local peak."""
    before, middle, after = line[at - 1], line[at], line[at + 1]
    if not (before > 0.0 and after > 0.0 and middle >= before and middle >= after and middle > min(before, after)):
        return float(at)
    left, centre, right = math.log(before), math.log(middle), math.log(after)
    return at + 0.5 * (left - right) / (left - 2.0 * centre + right)


@kernel
def _highest_peak(line, first, last, slowest, fastest):
    """Bin of the highest local peak from bin `first` to `last`, -1 for none, and its place between bins.

    A peak whose refined place lies outside of ``slowest ... fastest`` (bins) is none.
    """
    best, place, most = -1, np.nan, 0.0
    for i in range(max(first, 1), min(last, line.size - 2) + 1):
        if line[i] > most and line[i] > line[i - 1] and line[i] >= line[i + 1]:
            refined = _refine(line, i)
            if slowest <= refined <= fastest:
                best, place, most = i, refined, line[i]
    return best, place


@kernel
def peak_rows(power, begin, slowest, fastest, near, rates, confidence, start, stop):
    """The highest local peak of each spectrum.

    Parameters
    ----------
    power : ndarray of float32, shape (n_rows, n_bins)
        As `power_rows` gives it.
    begin : int
        First bin of which power counts in the confidence.
    slowest, fastest : float
        The peak is looked for between these places, in bins, and never lies beyond.
    near : int
        Bins on each side of the peak, and of its double, that belong to it.
    rates, confidence : ndarray of float64, shape (n_rows,)
        Receive for ``start:stop`` the place of the peak in bins and its share of the power from `begin` on; NaN
        without a local peak.
    """
    first, last = math.floor(slowest), math.ceil(fastest)
    for r in range(start, stop):
        line = power[r]
        best, place = _highest_peak(line, first, last, slowest, fastest)
        rates[r] = place
        confidence[r] = _share(line, begin, best, near) if best >= 0 else np.nan


@kernel
def _flank_weight(at, begin, near, n_bins):
    """Bins of ``at - near ... at + near`` over those of both flanks of `near` bins each."""
    lower, upper = max(at - near, begin), min(at + near + 1, n_bins)
    left, right = max(lower - near, begin), min(upper + near, n_bins)
    return max(upper - lower, 0) / max(right - upper + lower - left, 1)


@kernel(fastmath=ELEMENTWISE)
def _add_contrast(sums, first, stride, near, weights, factor, target):
    """Add `factor` times what stands out at the bins ``first, first + stride, ...``; `sums` begins at ``-2 * near``."""
    low, high, left, right = first + near, first + 3 * near + 1, first, first + 4 * near + 1
    for c in range(target.size):
        k = c * stride
        middle = sums[high + k] - sums[low + k]
        flanks = sums[right + k] - sums[left + k] - middle
        target[c] += factor * (middle - weights[c] * flanks)


@kernel
def evidence_rows(power, begin, low, near, out, start, stop):
    """How far the power near each rate and its double stands out, for rows ``start:stop``.

    Parameters
    ----------
    power : ndarray of float32, shape (n_rows, n_bins)
    begin, low, near : int
        First bin that counts, bin of the first rate, bins on each side of a rate that belong to it.
    out : ndarray of float32, shape (n_rows, n_rates)
        Receives the power near the rate, less what it would be by the mean of the flanks of `near` bins on both sides,
        plus half of the same at its double. (At full weight for the double, half the true rate could win; without the
        flanks, a spectrum that falls would pull towards its low end.)
    """
    n_bins, n_rates = power.shape[1], out.shape[1]
    weights = np.empty((2, n_rates))
    for c in range(n_rates):
        for k in range(2):
            weights[k, c] = _flank_weight((k + 1) * (low + c), begin, near, n_bins)
    # Sums of the bins before each, which stay what they are below the first and above the last: no edge to look after.
    sums = np.zeros(max(n_bins, 2 * (low + n_rates)) + 4 * near + 2)
    for r in range(start, stop):
        line = power[r]
        total, offset = np.float64(0.0), 2 * near
        for i in range(begin, n_bins):
            total += line[i]
            sums[offset + i + 1] = total
        sums[offset + n_bins + 1 :] = total
        target = out[r]
        target[:] = 0.0
        _add_contrast(sums, low, 1, near, weights[0], 1.0, target)
        _add_contrast(sums, 2 * low, 2, near, weights[1], 0.5, target)


@kernel(fastmath=ELEMENTWISE)
def _try_move(before, shift, toll, move, now, moves):
    """Take what `before` holds, `shift` places on, less the toll where that is more than `now`; note the move."""
    for c in range(np.uint64(now.size)):
        gathered = before[shift + c] - toll
        better = gathered > now[c]
        moves[c] = move if better else moves[c]
        now[c] = gathered if better else now[c]


@kernel(fastmath=ELEMENTWISE)
def trace_path(evidence, widest, cost, path):
    """The path over time that gathers most evidence, less the cost of its changes (dynamic programming).

    Parameters
    ----------
    evidence : ndarray of float32, shape (n_times, n_rates)
    widest : int
        Most places that the path may move from one time to the next.
    cost : float
        A move of `k` places costs ``cost * k**2``.
    path : ndarray of int64, shape (n_times,)
        Receives a place for each time.
    """
    n_times, n_rates = evidence.shape
    moves = np.zeros((n_times, n_rates), np.int32)
    now = np.empty(n_rates, np.float32)
    around = np.full(n_rates + 2 * widest, np.float32(-np.inf))  # no path comes from beyond the slowest or the fastest
    before = around[widest : widest + n_rates]
    copy_into(before, evidence[0])
    for t in range(1, n_times):
        now[:] = -np.inf
        for move in range(-widest, widest + 1):
            _try_move(around, np.uint64(widest + move), np.float32(cost * move * move), np.int32(move), now, moves[t])
        highest = now.max()
        for c in range(n_rates):  # kept small: only differences matter
            before[c] = now[c] - highest + evidence[t, c]
    at = np.argmax(before)
    for t in range(n_times - 1, -1, -1):
        path[t] = at
        if t > 0:
            at += moves[t, at]


@kernel
def path_rows(power, begin, low, slowest, fastest, near, path, rates, confidence, start, stop):
    """Rate (in bins) and confidence of rows ``start:stop`` on a path of places from bin `low` on.

    The rate is the highest local peak within `near` bins of the path and between `slowest` and `fastest` (bins),
    refined, or else the path itself, which lies between them. Rows without power get NaN.
    """
    for r in range(start, stop):
        line = power[r]
        at = low + path[r]
        best, place = _highest_peak(line, at - near, at + near, slowest, fastest)
        if best < 0:
            best, place = at, min(max(np.float64(at), slowest), fastest)
        confidence[r] = _share(line, begin, best, near)
        rates[r] = place if confidence[r] > 0.0 else np.nan
