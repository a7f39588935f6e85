"""Times of pulses by the window's own mean pulse, and the standard error of each of these times.

A pulse is taken for the mean pulse of its window, larger or smaller, earlier or later, on a straight line:
``y(k) = a p(k) + b p'(k) + c + d k``. The least-squares ``-b / a`` is what its time is wrong by (Gauss and Newton's
step; with white noise the maximum of the likelihood). Its standard error follows from the noise, which is taken for a
mixture of two: white, and falling with the square of frequency, both band-passed as the signal was. How much there is
of each is read from what the fits leave over, allowing for what they took with them.
"""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.copying import copy_into
from biosig_kernels.few import median_of_few
from biosig_kernels.jit import REDUCTION, kernel
from biosig_kernels.pulse_noise import LARGEST_CHANGE, dot, left_over, lost_variance, mixed_variance

BEFORE, AFTER = 0.25, 0.45  # s around the steepest rise that a pulse is compared over
BEFORE_FRACTION, AFTER_FRACTION = 0.42, 0.53  # of the median interval, where that is less
ROUNDS = 3
FARTHEST, FARTHEST_FRACTION = 0.1, 0.25  # s, and fraction of the median interval, that a time may move
LARGEST_STEP = 0.03  # s in one round
MIN_PULSES = 5  # whole pulses, below which nothing is timed
MIN_SEEN = 0.6  # fraction of the energy of the mean pulse's slope within the samples that a cut pulse has
MIN_LIKENESS = 0.3  # correlation with the mean pulse
MIN_WIDTH = 7  # samples that a pulse is compared over
TOGETHER = 128  # pulses that share a mean pulse at most: shapes change within minutes
UNUSUAL = 2.0  # times the median error, from where on the steepest rise of a pulse counts as well
USUAL = 2.0  # times the mean power left over, up to which the noise of a pulse is taken for that of all
TAPS = 8
PULSE, SLOPE, LEVEL, TREND = 0, 1, 2, 3
CUT, WHOLE = 1, 2


@kernel
def _fill_taps(fraction, taps):
    """Weights of Lagrange's polynomial through eight samples, `fraction` behind the fourth."""
    for j in range(TAPS):
        weight = 1.0
        for m in range(TAPS):
            if m != j:
                weight *= (fraction - (m - 3)) / (j - m)
        taps[j] = weight


@kernel(fastmath=REDUCTION)
def _cut(row, whole, taps, first, width, out):
    """Write `width` values of `row` from `first` samples before or after the place of the pulse."""
    start = whole + first - 3
    a, b, c, d, e, f, g, h = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5], taps[6], taps[7]
    part = row[start : start + width + TAPS - 1]
    for k in range(width):
        out[k] = (
            (a * part[k] + b * part[k + 1])
            + (c * part[k + 2] + d * part[k + 3])
            + (e * part[k + 4] + f * part[k + 5])
            + (g * part[k + 6] + h * part[k + 7])
        )


@kernel
def _solve(basis, seen, width, fit):
    """Write into `fit` the weights that give the least-squares coefficients of `basis` over the samples seen.

    Returns False where they are not determined.
    """
    grid = np.empty((4, 8))
    for i in range(4):
        for k in range(width):
            fit[i, k] = basis[i, k] * seen[k]
        for j in range(4):
            grid[i, j] = dot(fit[i], basis[j], width)
            grid[i, 4 + j] = 1.0 if i == j else 0.0
    for i in range(4):
        if not grid[i, i] > 1e-9:
            return False
        pivot = grid[i, i]
        for j in range(8):
            grid[i, j] /= pivot
        for m in range(4):
            if m != i:
                factor = grid[m, i]
                for j in range(8):
                    grid[m, j] -= factor * grid[i, j]
    for k in range(width):
        a, b, c, d = fit[0, k], fit[1, k], fit[2, k], fit[3, k]
        for i in range(4):
            fit[i, k] = grid[i, 4] * a + grid[i, 5] * b + grid[i, 6] * c + grid[i, 7] * d
    return True


@kernel
def _fill_slope(basis, width):
    """Write the slope of the mean pulse by differences over five samples, fewer at its ends."""
    p = basis[PULSE]
    slope = basis[SLOPE]
    for k in range(2, width - 2):
        slope[k] = (8.0 * (p[k + 1] - p[k - 1]) - (p[k + 2] - p[k - 2])) / 12.0
    slope[0], slope[width - 1] = p[1] - p[0], p[width - 1] - p[width - 2]
    slope[1], slope[width - 2] = 0.5 * (p[2] - p[0]), 0.5 * (p[width - 1] - p[width - 3])


@kernel
def _see(row, lost, at, first, width, taps, piece, seen):
    """Write the samples around a place that lie within the row and were measured, and which those are."""
    n = row.size
    whole = math.floor(at)
    _fill_taps(at - whole, taps)
    for k in range(width):
        i = whole + first + k
        seen[k] = 1.0 if i >= 0 and i + 1 < n and not lost[i] and not lost[i + 1] else 0.0
        total = 0.0
        if seen[k] > 0.0:
            for j in range(TAPS):
                total += taps[j] * row[min(max(i + j - 3, 0), n - 1)]
        piece[k] = total


@kernel
def _place_pulses(row, lost, first, width, farthest, places, state):
    """Sort the pulses into whole ones (WHOLE) and those cut by an end or a gap (CUT); return how many are whole."""
    n_whole = 0
    for b in range(places.size):
        begin = int(places[b]) + first
        state[b] = CUT
        if begin - farthest - TAPS >= 0 and begin + width + farthest + TAPS < row.size:
            gaps = 0
            for k in range(begin, begin + width):
                gaps += lost[k]
            state[b] = WHOLE if gaps == 0 else CUT
        n_whole += state[b] == WHOLE
    return n_whole


@kernel(fastmath=REDUCTION)
def _cut_out(row, first, width, places, state, taps, basis, pieces, energy):
    """Cut out the whole pulses, and write the energy of each beside its straight line."""
    trend = basis[TREND]
    line = dot(trend, trend, width)
    for b in range(places.size):
        if state[b] < WHOLE:
            continue
        piece = pieces[b]
        at = math.floor(places[b])
        _fill_taps(places[b] - at, taps)
        _cut(row, int(at), taps, first, width, piece)
        level, tilt = dot(piece, basis[LEVEL], width) / width, dot(piece, trend, width) / line
        for k in range(width):
            piece[k] -= level + tilt * trend[k]
        energy[b] = dot(piece, piece, width)


@kernel(fastmath=REDUCTION)
def _average(width, state, likeness, pieces, energy, basis):
    """Write the mean pulse and its slope; each pulse is scaled to unit size and weighted by its likeness squared.

    Returns False where there is nothing to average.
    """
    mean_pulse = basis[PULSE]
    mean_pulse[:width] = 0.0
    for b in range(state.size):
        if state[b] == WHOLE and energy[b] > 0.0:
            weight = likeness[b] * likeness[b] / math.sqrt(energy[b])
            piece = pieces[b]
            for k in range(width):
                mean_pulse[k] += weight * piece[k]
    size = math.sqrt(dot(mean_pulse, mean_pulse, width))
    if not size > 0.0:
        return False
    for k in range(width):
        mean_pulse[k] /= size
    _fill_slope(basis, width)
    return True


@kernel(fastmath=REDUCTION)
def _leave(basis, weights, width, piece, seen):
    """Take the fit off a piece; returns the energy beside the straight line, before and after, per sample seen."""
    gain, step = dot(weights[PULSE], piece, width), dot(weights[SLOPE], piece, width)
    level, tilt = dot(weights[LEVEL], piece, width), dot(weights[TREND], piece, width)
    before, after, n_seen = 0.0, 0.0, 0.0
    for k in range(width):
        piece[k] -= level + tilt * basis[TREND, k]
        before += seen[k] * piece[k] * piece[k]
        piece[k] -= gain * basis[PULSE, k] + step * basis[SLOPE, k]
        after += seen[k] * piece[k] * piece[k]
        n_seen += seen[k]
    return before, after * width / max(n_seen, 1.0)


@kernel
def _time_cut(row, lost, first, width, farthest, largest, basis, fit, taps, piece, place, found):
    """Time a pulse that an end or a gap cuts, on the samples that remain.

    Writes its place, its gain, its likeness, the power left over and by how much its variance is larger than that of a
    whole pulse. Returns False where too little of it is seen.
    """
    seen, own = np.empty(width), np.empty((4, width))
    at = place
    for turn in range(ROUNDS + 1):
        _see(row, lost, at, first, width, taps, piece, seen)
        energy = 0.0
        for k in range(width):
            energy += seen[k] * basis[SLOPE, k] ** 2
        if energy < MIN_SEEN * dot(basis[SLOPE], basis[SLOPE], width) or not _solve(basis, seen, width, own):
            return False
        gain = dot(own[PULSE], piece, width)
        if not gain > 0.0 or not abs(at - place) <= 1.5 * farthest:
            return False
        if turn < ROUNDS:
            at += min(max(-dot(own[SLOPE], piece, width) / gain, -largest), largest)
    before, after = _leave(basis, own, width, piece, seen)
    found[0], found[1], found[3] = at, gain, after
    found[2] = math.sqrt(max(1.0 - after / before, 0.0)) if before > 0.0 else 0.0
    found[4] = dot(own[SLOPE], own[SLOPE], width) / dot(fit[SLOPE], fit[SLOPE], width)
    return True


@kernel
def _settle(rate, farthest, beats, places, state, errors):
    """Write the places into `beats`, less the median of the moves; what would go too far stays and has no error.

    A pulse that the mean pulse fits unusually badly is moved by less: its steepest rise counts as well, with the
    variance that the steepest rises of the row have.
    """
    count = beats.size
    moves, sizes, usual = np.empty(count), np.empty(count), np.empty(count)
    n = 0
    for b in range(count):
        if state[b] == WHOLE:
            moves[n], usual[n] = places[b] / rate - beats[b], errors[b]
            n += 1
    if n == 0:
        errors[:] = np.nan
        return
    centre, error = median_of_few(moves, n), median_of_few(usual, n)
    for i in range(n):
        sizes[i] = abs(moves[i] - centre)
    variance = (1.4826 * median_of_few(sizes, n)) ** 2
    for b in range(count):
        move = places[b] / rate - beats[b] - centre
        if state[b] == 0 or not abs(move) <= farthest / rate or beats[b] + move < 0.0:
            errors[b] = np.nan
            continue
        if errors[b] > UNUSUAL * error:
            move *= variance / (variance + errors[b] * errors[b])
        beats[b] += move


@kernel
def _keep_order(beats, errors, before, count):
    """Put back the times that came to lie before the one ahead of them, with their neighbours, until none does."""
    again = True
    while again:
        again = False
        for b in range(1, count):
            if not beats[b] > beats[b - 1]:
                for i in (b - 1, b):
                    again = again or beats[i] != before[i]
                    beats[i], errors[i] = before[i], np.nan


@kernel
def _time_together(row, lost, rate, shapes, beats, errors):
    """Time pulses that are compared with their own mean pulse."""
    count, most = beats.size, shapes.shape[1]
    work = np.empty(count)
    for b in range(count - 1):
        work[b] = beats[b + 1] - beats[b]
    interval = median_of_few(work.copy(), count - 1)
    first = -int(min(BEFORE, BEFORE_FRACTION * interval) * rate)
    width = min(int(min(AFTER, AFTER_FRACTION * interval) * rate) - first + 1, most)
    farthest = min(FARTHEST, FARTHEST_FRACTION * interval) * rate
    places, state = beats * rate, np.empty(count, np.int64)
    if width < MIN_WIDTH or _place_pulses(row, lost, first, width, farthest, places, state) < MIN_PULSES:
        return
    likeness, energy, gain = np.ones(count), np.zeros(count), np.ones(count)
    widened, power, lengths = np.ones(count), np.zeros(count), np.zeros(count)
    for b in range(1, count):
        change = work[b - 1] / interval - 1.0
        lengths[b] = min(max(change, -LARGEST_CHANGE), LARGEST_CHANGE)
    taps, found = np.empty(TAPS), np.empty(5)
    basis, fit = np.empty((4, width)), np.empty((4, width))
    all_seen, pieces = np.ones(width), np.empty((count, width))
    for k in range(width):
        basis[LEVEL, k], basis[TREND, k] = 1.0, 2.0 * k / (width - 1) - 1.0
    largest = LARGEST_STEP * rate
    for turn in range(ROUNDS + 1):
        _cut_out(row, first, width, places, state, taps, basis, pieces, energy)
        if not _average(width, state, likeness, pieces, energy, basis) or not _solve(basis, all_seen, width, fit):
            return
        for b in range(count):
            if state[b] < WHOLE:
                continue
            gain[b] = dot(fit[PULSE], pieces[b], width)
            likeness[b] = max(dot(basis[PULSE], pieces[b], width), 0.0) / math.sqrt(max(energy[b], 1e-300))
            if turn < ROUNDS and gain[b] > 0.0:
                places[b] += min(max(-dot(fit[SLOPE], pieces[b], width) / gain[b], -largest), largest)
                if not abs(places[b] - beats[b] * rate) <= 1.5 * farthest:
                    state[b] = 0
    for b in range(count):
        if state[b] == WHOLE:
            _, power[b] = _leave(basis, fit, width, pieces[b], all_seen)
        elif state[b] == CUT and _time_cut(
            row, lost, first, width, farthest, largest, basis, fit, taps, pieces[b], places[b], found
        ):
            places[b], gain[b], likeness[b], power[b], widened[b] = found
        else:
            state[b] = 0
        if not (likeness[b] >= MIN_LIKENESS and gain[b] > 0.0):
            state[b] = 0
    sums, white, red = np.empty(2), np.empty(3), np.empty(3)
    left_over(pieces, lengths, state == WHOLE, power, width, count, sums)
    lost_variance(basis, fit, width, shapes[0], white)
    lost_variance(basis, fit, width, shapes[1], red)
    variance = mixed_variance(white, red, sums[0], sums[1])
    for b in range(count):
        if state[b] > 0:
            more = max(power[b] / (USUAL * sums[0]), 1.0) * widened[b] if sums[0] > 0.0 else 0.0
            errors[b] = math.sqrt(variance * more) / gain[b] / rate
    _settle(rate, farthest, beats, places, state, errors)


@kernel
def time_rows(y, missing, rate, shapes, beats, counts, errors, start, stop):
    """Time the pulses of rows ``start:stop`` by the mean pulse of each row.

    Parameters
    ----------
    y : ndarray of float32, shape (n_rows, n_samples)
        Photoplethysmograms, band-passed to the pulse, finite.
    missing : ndarray of bool, shape (n_rows, n_samples)
        Samples that were not measured.
    rate : float
        Hz.
    shapes : ndarray of float64, shape (2, n_lags)
        Autocorrelation, at lags of whole samples, of white noise and of noise that falls with the square of frequency,
        both after the band-pass. A pulse is compared over at most n_lags samples.
    beats : ndarray of float64, shape (n_rows, n_most)
        Times (s) of the steepest rises, increasing, then NaN; refined in place. The median of the moves is taken off,
        so the times go on meaning the steepest rise. Times that cannot be refined stay.
    counts : ndarray of int64, shape (n_rows,)
        Number of beats. Rows of more than `TOGETHER` are cut into equal parts with a mean pulse each.
    errors : ndarray of float64, shape (n_rows, n_most)
        Receives the standard error of each time (s); NaN for times that were not refined.
    """
    before = np.empty(beats.shape[1])
    for r in range(start, stop):
        errors[r, :] = np.nan
        count = counts[r]
        copy_into(before, beats[r, :count])
        n_parts = max((count + TOGETHER - 1) // TOGETHER, 1)
        for part in range(n_parts):
            low, high = count * part // n_parts, count * (part + 1) // n_parts
            if high - low > MIN_PULSES:
                _time_together(y[r], missing[r], rate, shapes, beats[r, low:high], errors[r, low:high])
        _keep_order(beats[r], errors[r], before, count)
