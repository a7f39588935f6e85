"""Which count of a device's clock each time stamp belongs to, where samples were lost and stamps jitter."""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.jit import kernel

BAND = 128  # lost samples that are followed at a time
BIG = 32  # samples; a longer step of the stamps is looked at as a whole: lost samples, or stamps that were held up
CHUNK = 256  # stamps between two looks at the clock's rate
AHEAD = 96  # stamps after a chunk that help to decide in it
PART, WITHIN = 16, 256  # after a long step: the least of the medians of so many stamps, within so many
COHERENT = 0.35  # phases of stamps that agree so well tell where the ticks of the clock lie
FURTHEST = 3.0  # times the noise; from there on the cost of a stamp grows in proportion
MOST_SLOPE = 0.003  # relative, that a clock's rate may differ from the first idea
MORE = 0.05  # price of each further sample lost at the same place
DRIFT = 5e-7  # relative change of rate in one sample, as a random walk: 0.02 % in a quarter of an hour at 200 Hz


@kernel
def best_levels(position, noise, price, cost, level):
    """Find the samples lost before each stamp, which can only grow, by dynamic programming.

    Parameters
    ----------
    position : ndarray of float64, shape (n,)
        How many samples each stamp comes late.
    noise : float
        Samples; its spread about a whole number.
    price : float
        What a place with lost samples costs, beside the squared distances in units of `noise`.
    cost : ndarray of float64, shape (BAND,)
        What it costs to begin at each level.
    level : ndarray of int64, shape (n,)
        Receives the number of lost samples.

    Returns
    -------
    float
        Cost of the best path.
    """
    n = position.size
    band = cost.size
    back = np.empty((n, band), np.int16)
    now, then = cost.copy(), np.empty(band)
    for i in range(n):
        cheapest, origin = np.inf, 0
        for j in range(band):
            if cheapest < now[j]:
                before = cheapest
                back[i, j] = origin
            else:
                before = now[j]
                back[i, j] = j
            if now[j] + price < cheapest:
                cheapest, origin = now[j] + price, j
            cheapest += MORE
            away = abs(position[i] - j) / noise
            then[j] = before + (away * away if away < FURTHEST else FURTHEST * (2 * away - FURTHEST))
        now, then = then, now
    best = int(np.argmin(now))
    total = now[best]
    for i in range(n - 1, -1, -1):
        level[i] = best
        best = int(back[i, best])
    return total


@kernel
def _lowest(late):
    """Least of the medians of parts: how late stamps are where nothing held them up."""
    lowest = np.inf
    for begin in range(0, min(late.size, WITHIN), PART):
        part = late[begin : begin + PART]
        if part.size >= PART // 2 or begin == 0:
            lowest = min(lowest, np.median(part))
    return lowest


@kernel
def _phase(late):
    """Fraction of a sample by which stamps are late, and how well they agree on it (0 to 1)."""
    c, s = 0.0, 0.0
    for i in range(late.size):
        c += math.cos(2 * math.pi * late[i])
        s += math.sin(2 * math.pi * late[i])
    return math.atan2(s, c) / (2 * math.pi), math.hypot(c, s) / late.size


@kernel
def _settle(late, noise):
    """Shift stamps so that whole numbers mean lost samples; returns the shift, whole samples included."""
    base = _lowest(late)
    fraction, agree = _phase(late)
    if agree > COHERENT:
        return math.floor(base - fraction + 0.5) + fraction
    return base


@kernel
def _line(index, level, position, noise, begin, end):
    """Mean count, mean residual and its slope, of stamps ``begin:end``, without those far from the line."""
    n, k, r, kk, kr = 0, 0.0, 0.0, 0.0, 0.0
    origin = index[begin]
    for i in range(begin, end):
        residual = position[i] - level[i]
        if abs(residual) > 4 * noise:
            continue
        count = index[i] - origin + level[i]
        n += 1
        k += count
        r += residual
        kk += count * count
        kr += count * residual
    if n < 3:
        return 0, 0.0, 0.0, 0.0
    spread = kk - k * k / n
    slope = (kr - k * r / n) / spread if spread > 0 else 0.0
    return n, origin + k / n, r / n, slope


@kernel
def score_periods(index, times, begins, size, periods, noise, price, rounds, cost, fitted):
    """Cost of each period for pieces of a recording, and the period of each piece that fits best beside it.

    Parameters
    ----------
    index : ndarray of int64, shape (n,)
        Number of each sample.
    times : ndarray of float64, shape (n,)
        Seconds, sorted.
    begins : ndarray of int64, shape (n_pieces,)
        First stamp of each piece.
    size : int
        Stamps of a piece.
    periods : ndarray of float64, shape (n_periods,)
        Seconds.
    noise : float
        Samples.
    price : float
    rounds : int
        How often the period of a piece is fitted and its stamps are counted anew.
    cost, fitted : ndarray of float64, shape (n_pieces, n_periods)
    """
    late, position = np.empty(size), np.empty(size)
    level = np.empty(size, np.int64)
    for p in range(begins.size):
        a = begins[p]
        idx = index[a : a + size] - index[a]
        for j in range(periods.size):
            period = periods[j]
            slope = 0.0
            total = np.inf
            for _ in range(rounds):
                for i in range(size):
                    late[i] = (times[a + i] - times[a]) / period - idx[i] * (1 + slope)
                shift = _settle(late, noise) - 4.0
                for i in range(size):
                    position[i] = late[i] - shift
                entry = np.zeros(BAND)
                best = best_levels(position, noise, price, entry, level)
                _, _, _, more = _line(idx, level, position, noise, 0, size)
                if best < total:
                    total = best
                    cost[p, j] = best
                    fitted[p, j] = period * (1 + slope)
                slope = min(max(slope + more, -MOST_SLOPE), MOST_SLOPE)


@kernel
def count_lost(index, times, period, noise, price, lost):
    """Samples lost before each stamp, followed through a recording whose clock may drift.

    The clock (when a tick comes and how long it lasts) is followed by a Kalman filter from chunk to chunk.

    Parameters
    ----------
    index : ndarray of int64, shape (n,)
        Number of each sample among those received.
    times : ndarray of float64, shape (n,)
        Seconds.
    period : float
        Seconds from tick to tick, right within some hundredths of a percent.
    noise : float
        Samples, of the stamps.
    price : float
        See `best_levels`.
    lost : ndarray of int64, shape (n,)
        Receives the number of samples lost before each stamp, from the first one on; it never falls.
    """
    n = times.size
    position = np.empty(CHUNK + AHEAD)
    level = np.empty(CHUNK + AHEAD, np.int64)
    base = 0
    at, tick, step = float(index[0]), times[0], period  # a tick: its count, its time, the period there
    v_tick, v_cross, v_step = 1e6, 0.0, (3e-4 * period) ** 2
    begin, fresh = 0, True
    while begin < n:
        stop, end = min(begin + CHUNK, n), min(begin + CHUNK + AHEAD, n)
        for i in range(begin + 1, end):
            if times[i] - times[i - 1] > (BIG + index[i] - index[i - 1]) * step:
                stop, end = min(stop, i), i
                break
        size = end - begin
        entry = np.full(BAND, np.inf)
        low = 0
        if fresh:
            late = np.empty(min(WITHIN, n - begin))
            for i in range(late.size):
                late[i] = (times[begin + i] - tick) / step + at - index[begin + i] - base
            if v_tick >= 1e6:  # nothing is known of the clock yet
                tick += _settle(late, noise) * step
                low = -4
            else:
                fraction, agree = _phase(late)  # the clock may have been set anew
                if agree <= COHERENT:
                    fraction = 0.0
                tick += fraction * step
                low = max(math.floor(_lowest(late) - fraction + 0.5) - 4, 0)
            entry[:] = 0.0
        else:
            entry[0] = 0.0
        base += low
        for i in range(size):
            position[i] = (times[begin + i] - tick) / step + at - index[begin + i] - base
        best_levels(position[:size], noise, price, entry, level)
        done = stop - begin
        for i in range(done):
            lost[begin + i] = base + level[i]
        count, middle, residual, _ = _line(index[begin:stop], level[:done], position[:done], noise, 0, done)
        if count:
            ahead = middle + base - at
            tick += ahead * step
            at = middle + base
            v_tick += 2 * ahead * v_cross + ahead * ahead * v_step
            v_cross += ahead * v_step
            v_step += (DRIFT * period) ** 2 * max(ahead, 0.0)
            variance = (noise * step) ** 2 * (4.0 / count + 1e-4)
            gain_tick, gain_step = v_tick / (v_tick + variance), v_cross / (v_tick + variance)
            tick += gain_tick * residual * step
            step += gain_step * residual * step
            step = min(max(step, period * (1 - MOST_SLOPE)), period * (1 + MOST_SLOPE))
            v_step -= gain_step * v_cross
            v_cross -= gain_tick * v_cross
            v_tick -= gain_tick * v_tick
        base += level[done - 1]
        begin = stop
        fresh = stop == end and stop < n
    first = lost[0]
    for i in range(n):
        lost[i] -= first
