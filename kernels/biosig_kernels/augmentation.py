"""Random changes of a batch of windows in one pass a window; every random number is drawn by the caller.

Because nothing is drawn here, the result of a row depends only on the parameters of that row, never on the number of
threads. NaN marks missing samples: it moves with the signal, and stretches taken away become NaN.
"""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.jit import kernel

SLOWEST = 0.1  # least speed of the warped clock, as a share of the true one, so that time never runs backwards


@kernel
def spline(knots, position):
    """Catmull-Rom curve through equally spaced `knots`, at `position` between 0 (first knot) and 1 (last knot).

    Catmull & Rom (1974), "A class of local interpolating splines"; at the ends the tangent is the one-sided difference.
    """
    n = len(knots)
    at = position * (n - 1)
    i = min(int(at), n - 2)
    f = at - i
    left = knots[i + 1] - knots[i] if i == 0 else 0.5 * (knots[i + 1] - knots[i - 1])
    right = knots[i + 1] - knots[i] if i == n - 2 else 0.5 * (knots[i + 2] - knots[i])
    step = knots[i + 1] - knots[i]
    return knots[i] + f * (left + f * (3.0 * step - 2.0 * left - right + f * (left + right - 2.0 * step)))


@kernel
def source_positions(speed, shift, position):
    """Write into `position` where, in samples, each output sample is read: a warped clock, then a shift.

    The clock runs at the speed given by the curve through `speed` and is scaled to cover the window exactly once, so
    the mean rate of anything periodic is kept.
    """
    n = len(position)
    warped = False
    for k in range(len(speed)):
        warped = warped or speed[k] != 1.0
    if not warped or n < 2:
        for t in range(n):
            position[t] = t + shift
        return
    total = 0.0
    for t in range(n):
        position[t] = total
        total += max(spline(speed, t / (n - 1)), SLOWEST)
    scale = (n - 1) / position[n - 1]
    for t in range(n - 1):
        position[t] = position[t] * scale + shift
    position[n - 1] = n - 1.0 + shift  # exactly, whatever rounding says: no sample beyond the last is needed


@kernel
def augment(x, rows, shift, circular, speed, mix, gain, noise_level, noise_row, noise, cut, out, start, stop):
    """Write augmented copies of the windows ``x[rows[start:stop]]`` into ``out[start:stop]``.

    In this order: time shift and time warp (linear interpolation), mixing of the channels (permutation, rotation and
    amplitude are all one matrix), magnitude warp about each channel's mean, noise in units of each channel's standard
    deviation, cut-out.

    Parameters
    ----------
    x : (n_windows, n_channels, n_samples) float32
    rows : (n,) int64
        Which windows to take.
    shift : (n,) int64
        Samples by which the window moves ahead.
    circular : bool
        What leaves at one end comes in at the other; if not, what comes in is NaN.
    speed : (n, knots) float64
        Relative speed of the clock at equally spaced knots; all ones for no time warp.
    mix : (n, n_channels, n_channels) float32
        Output channel c is the sum over d of ``mix[c, d]`` times input channel d.
    gain : (n, n_channels, knots) float64
        Knots of the magnitude curve; all ones for none.
    noise_level : (n,) float32
        Noise in standard deviations of the channel.
    noise_row : (n,) int64
        Which row of `noise` to add; -1 for none.
    noise : (n_noisy, n_channels, n_samples) float32
        Standard normal numbers.
    cut : (n, 2) int64
        First sample of the stretch to take away and the first after it.
    out : (n, n_channels, n_samples) float32
    """
    n_channels, n_samples = x.shape[1], x.shape[2]
    position = np.empty(n_samples, dtype=np.float64)
    moved = np.empty(n_channels, dtype=np.float64)
    for i in range(start, stop):
        row = rows[i]
        source_positions(speed[i], shift[i], position)
        for t in range(n_samples):
            at = math.floor(position[t])
            f = position[t] - at
            first = int(at)
            second = first + 1 if f > 0.0 else first
            outside = first < 0 or second >= n_samples
            if outside and circular:
                first, second = first % n_samples, second % n_samples
            for d in range(n_channels):
                if outside and not circular:
                    moved[d] = np.nan
                elif f > 0.0:
                    moved[d] = (1.0 - f) * x[row, d, first] + f * x[row, d, second]
                else:
                    moved[d] = x[row, d, first]
            for c in range(n_channels):
                total = 0.0
                for d in range(n_channels):
                    if mix[i, c, d] != 0.0:  # a channel that is not used must not pass on its NaN
                        total += mix[i, c, d] * moved[d]
                out[i, c, t] = total
        for c in range(n_channels):
            _change_channel(out[i, c], gain[i, c], noise_level[i], noise, noise_row[i], c)
            for t in range(cut[i, 0], cut[i, 1]):
                out[i, c, t] = np.nan


@kernel
def _change_channel(channel, gain, level, noise, noise_row, c):
    """Warp the magnitude of `channel` about its mean and add noise in units of its standard deviation, in place."""
    warped = False
    for k in range(len(gain)):
        warped = warped or gain[k] != 1.0
    if not warped and noise_row < 0:
        return
    n_samples = len(channel)
    count, total = 0, 0.0
    for t in range(n_samples):
        if np.isfinite(channel[t]):
            count += 1
            total += float(channel[t])
    if count == 0:
        return
    mean, squares = total / count, 0.0
    for t in range(n_samples):
        if np.isfinite(channel[t]):
            squares += (float(channel[t]) - mean) ** 2
    size = level * math.sqrt(squares / count)
    for t in range(n_samples):
        value = float(channel[t]) - mean
        if warped:
            value *= spline(gain, t / max(n_samples - 1, 1))
        if noise_row >= 0:
            value += size * noise[noise_row, c, t]
        channel[t] = mean + value
