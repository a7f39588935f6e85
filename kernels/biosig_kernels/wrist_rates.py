"""From windows of a carrier to the rate of the beat: what goes into a Fourier transform, peaks, a path over time."""

from __future__ import annotations

import math

import numpy as np

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


@kernel
def _sums(line, begin, sums):
    """Write the sum of ``line[begin:i]`` into ``sums[i]``, 0 up to `begin`; `sums` is one longer than `line`."""
    sums[: begin + 1] = 0.0
    for i in range(begin, line.size):
        sums[i + 1] = sums[i] + line[i]


@kernel
def _share(sums, at, near):
    """Share of the power within `near` bins of `at` and within so many of twice `at`; 0 without power."""
    last = sums.size - 1
    edge = min(at + near + 1, last)
    total = sums[edge] - sums[max(at - near, 0)]
    first = max(2 * at - near, edge)
    end = min(2 * at + near + 1, last)
    if end > first:
        total += sums[end] - sums[first]
    return min(total / sums[last], 1.0) if sums[last] > 0.0 else 0.0


@kernel
def _refine(line, at):
    """Place of the top of a parabola through the logarithms of three bins; `at` itself where it is no local peak."""
    before, middle, after = line[at - 1], line[at], line[at + 1]
    if not (before > 0.0 and after > 0.0 and middle >= before and middle >= after and middle > min(before, after)):
        return float(at)
    left, centre, right = math.log(before), math.log(middle), math.log(after)
    return at + 0.5 * (left - right) / (left - 2.0 * centre + right)


@kernel
def peak_rows(power, begin, low, high, near, rates, confidence, start, stop):
    """The highest local peak of each spectrum.

    Parameters
    ----------
    power : ndarray of float32, shape (n_rows, n_bins)
        As `power_rows` gives it.
    begin : int
        First bin of which power counts in the confidence.
    low, high : int
        The peak is looked for in the bins ``low`` to ``high``, 1 <= low, high <= n_bins - 2.
    near : int
        Bins on each side of the peak, and of its double, that belong to it.
    rates, confidence : ndarray of float64, shape (n_rows,)
        Receive for ``start:stop`` the place of the peak in bins and its share of the power from `begin` on; NaN
        without a local peak.
    """
    sums = np.empty(power.shape[1] + 1)
    for r in range(start, stop):
        line = power[r]
        best, most = -1, 0.0
        for i in range(low, high + 1):
            if line[i] > most and line[i] > line[i - 1] and line[i] >= line[i + 1]:
                best, most = i, line[i]
        rates[r] = np.nan
        confidence[r] = np.nan
        if best >= 0:
            rates[r] = _refine(line, best)
            _sums(line, begin, sums)
            confidence[r] = _share(sums, best, near)


@kernel
def _contrast_edges(at, begin, near, n_bins):
    """Edges of ``at - near ... at + near``, of both flanks of `near` bins each, and the weight of the flanks."""
    lower, upper = min(max(at - near, begin), n_bins), min(max(at + near + 1, begin), n_bins)
    left, right = max(lower - near, begin), min(upper + near, n_bins)
    return left, lower, upper, right, (upper - lower) / max(right - upper + lower - left, 1)


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
    sums = np.empty(n_bins + 1)
    edges = np.empty((2, 4, n_rates), np.int64)
    weights = np.empty((2, n_rates))
    for c in range(n_rates):
        for k in range(2):
            left, lower, upper, right, weight = _contrast_edges((k + 1) * (low + c), begin, near, n_bins)
            edges[k, 0, c], edges[k, 1, c], edges[k, 2, c], edges[k, 3, c] = left, lower, upper, right
            weights[k, c] = weight
    for r in range(start, stop):
        _sums(power[r], begin, sums)
        for c in range(n_rates):
            total = 0.0
            for k in range(2):
                middle = sums[edges[k, 2, c]] - sums[edges[k, 1, c]]
                flanks = sums[edges[k, 3, c]] - sums[edges[k, 0, c]] - middle
                total += (1.0 - 0.5 * k) * (middle - weights[k, c] * flanks)
            out[r, c] = total


@kernel(fastmath=ELEMENTWISE)
def _try_move(before, toll, move, now, moves):
    """Take what `before` holds less the toll where that is more than `now` holds, and note the move."""
    for c in range(now.size):
        gathered = before[c] - toll
        better = gathered > now[c]
        moves[c] = np.int32(move) if better else moves[c]
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
    before, now = np.empty(n_rates, np.float32), np.empty(n_rates, np.float32)
    before[:] = evidence[0]
    for t in range(1, n_times):
        now[:] = -np.inf
        for move in range(-widest, widest + 1):
            toll = np.float32(cost * move * move)
            begin, end = max(0, -move), min(n_rates, n_rates - move)
            _try_move(before[begin + move : end + move], toll, move, now[begin:end], moves[t, begin:end])
        highest = now.max()
        for c in range(n_rates):  # kept small: only differences matter
            before[c] = now[c] - highest + evidence[t, c]
    at = np.argmax(before)
    for t in range(n_times - 1, -1, -1):
        path[t] = at
        if t > 0:
            at += moves[t, at]


@kernel
def path_rows(power, begin, low, near, path, rates, confidence, start, stop):
    """Rate (in bins) and confidence of rows ``start:stop`` on a path of places from bin `low` on.

    The rate is the highest local peak within `near` bins of the path, refined, or else the path itself. Rows without
    power get NaN.
    """
    sums = np.empty(power.shape[1] + 1)
    for r in range(start, stop):
        line = power[r]
        at = low + path[r]
        best, most = at, 0.0
        for i in range(max(at - near, 1), min(at + near, line.size - 2) + 1):
            if line[i] > most and line[i] > line[i - 1] and line[i] >= line[i + 1]:
                best, most = i, line[i]
        _sums(line, begin, sums)
        confidence[r] = _share(sums, best, near)
        rates[r] = _refine(line, best) if confidence[r] > 0.0 else np.nan
