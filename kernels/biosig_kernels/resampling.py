"""Band-limited interpolation of rows of samples, and irregular samples put onto a grid.

The interpolation follows the classical windowed-sinc scheme: J. O. Smith and P. Gossett, "A flexible sampling-rate
conversion method", ICASSP 1984, with the window of J. F. Kaiser, "Nonrecursive digital filter design using the
I0-sinh window function", ISCAS 1974.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from biosig_kernels.copying import copy_into
from biosig_kernels.gaps import all_finite, bridge_stretch
from biosig_kernels.jit import REDUCTION, kernel


class Clock(NamedTuple):
    """Where output sample ``j`` lies among the input samples.

    For a rational ratio (``up > 0``), with ``q, r = divmod(j * down, up)``: between the samples ``whole + q +
    carry[r]`` and the next, nearest to ``whole + q + near[r]``, weighed by row `r` of the table. Otherwise
    (``up == 0``) at ``first + j * step``, weighed by the two rows of the table on either side.
    """

    whole: int
    up: int
    down: int
    carry: np.ndarray
    near: np.ndarray
    first: float
    step: float


@kernel
def nearest_sample(clock, j):
    """Index of the input sample nearest to output sample `j`."""
    if clock.up > 0:
        q = j * clock.down
        whole = q // clock.up
        return clock.whole + whole + clock.near[q - whole * clock.up]
    return math.floor(clock.first + j * clock.step + 0.5)


@kernel(fastmath=REDUCTION)
def _by_phase(padded, shift, clock, table, j0, begin, end, target):
    """Outputs ``begin:end`` of a rational ratio, those that share a row of weights four at a time.

    Every output goes through the same sums in the same order, however a signal is cut into pieces: where fewer than
    four are left, the first is computed again in place of the missing ones.
    """
    up, down = clock.up, clock.down
    taps = table.shape[1]
    for phase in range(min(up, end - begin)):
        j = begin + phase
        q = (j0 + j) * down
        whole = q // up
        r = q - whole * up
        at = clock.whole + whole + clock.carry[r] + 1 - shift
        weights = table[r]
        while j < end:
            k1, k2, k3 = j + up, j + 2 * up, j + 3 * up
            a1 = at + down if k1 < end else at
            a2 = at + 2 * down if k2 < end else at
            a3 = at + 3 * down if k3 < end else at
            x0, x1 = padded[at : at + taps], padded[a1 : a1 + taps]
            x2, x3 = padded[a2 : a2 + taps], padded[a3 : a3 + taps]
            s0 = s1 = s2 = s3 = padded.dtype.type(0)
            for t in range(taps):
                s0 += weights[t] * x0[t]
                s1 += weights[t] * x1[t]
                s2 += weights[t] * x2[t]
                s3 += weights[t] * x3[t]
            target[j] = s0
            if k1 < end:
                target[k1] = s1
            if k2 < end:
                target[k2] = s2
            if k3 < end:
                target[k3] = s3
            j += 4 * up
            at += 4 * down


@kernel(fastmath=REDUCTION)
def _between_phases(padded, shift, clock, table, j0, begin, end, target):
    """Outputs ``begin:end`` of any other ratio, each mixed from the two nearest rows of weights."""
    n_phases = table.shape[0] - 1
    taps = table.shape[1]
    for j in range(begin, end):
        position = clock.first + (j0 + j) * clock.step
        base = math.floor(position)
        phase = (position - base) * n_phases
        row = min(int(phase), n_phases - 1)
        mix = padded.dtype.type(phase - row)
        left, right = table[row], table[row + 1]
        at = int(base) + 1 - shift
        segment = padded[at : at + taps]
        at_left = at_right = padded.dtype.type(0)
        for t in range(taps):
            at_left += left[t] * segment[t]
            at_right += right[t] * segment[t]
        target[j] = at_left + mix * (at_right - at_left)


@kernel
def resample_rows(x, origin, clock, table, max_gap, j0, out, start, stop):
    """Compute output samples ``j0, j0 + 1, ...`` of rows ``start:stop`` of `x`.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n_rows, n)
        Input samples ``origin ... origin + n - 1``; not finite means missing. Every output must lie less than one
        sample before the first and after the last of them.
    origin : int
    clock : Clock
    table : ndarray of x.dtype, shape (at least up, 2 * half) or (n_phases + 1, 2 * half)
        A row weighs the samples ``base - half + 1 ... base + half`` about a position between ``base`` and the next.
        Of a rational clock, row `r` serves its remainder `r`; otherwise row `p` the fraction ``p / n_phases``.
    max_gap : float
        Gaps of up to so many samples are bridged by straight lines. Longer ones part the row into stretches that know
        nothing of each other.
    j0 : int
        Zero or more.
    out : ndarray of x.dtype, shape (n_rows, n_out)
        Receives the result; NaN where the nearest input sample is missing for good. Beyond the ends of a stretch the
        signal is continued by point reflection about the end sample, which keeps level and slope.
    """
    n = x.shape[1]
    n_out = out.shape[1]
    half = table.shape[1] // 2
    padded = np.empty(n + 2 * half, x.dtype)
    for r in range(start, stop):
        row, target = x[r], out[r]
        complete = all_finite(row)
        begin = 0
        done = 0
        while begin < n and done < n_out:
            if complete:
                end = n
                copy_into(padded[half:], row)
            else:
                while begin < n and not np.isfinite(row[begin]):
                    begin += 1
                if begin == n:
                    break
                end = begin + bridge_stretch(row[begin:], max_gap, padded[half:])
            size = end - begin
            low, high = padded[half], padded[half + size - 1]
            for k in range(1, half + 1):
                inner = min(k, size - 1)
                padded[half - k] = 2 * low - padded[half + inner]
            for k in range(1, half + 1):
                inner = min(k, size - 1)
                padded[half + size - 1 + k] = 2 * high - padded[half + size - 1 - inner]
            while begin > 0 and done < n_out and nearest_sample(clock, j0 + done) - origin < begin:
                target[done] = np.nan
                done += 1
            last = n_out
            if end < n:
                last = done
                while last < n_out and nearest_sample(clock, j0 + last) - origin < end:
                    last += 1
            if clock.up > 0:
                _by_phase(padded, origin + begin, clock, table, j0, done, last, target)
            else:
                _between_phases(padded, origin + begin, clock, table, j0, done, last, target)
            done = last
            begin = end
        target[done:] = np.nan


@kernel
def mark_measured(x, origin, clock, j0, measured):
    """Tell for the outputs ``j0, j0 + 1, ...`` whether the nearest input sample was measured on every row.

    Parameters
    ----------
    x : ndarray, shape (n_rows, n)
        Input samples ``origin ... origin + n - 1``.
    origin : int
    clock : Clock
    j0 : int
    measured : ndarray of bool, shape (n_out,)
        Receives False also where there is no such sample.
    """
    n = x.shape[1]
    complete = True
    for r in range(x.shape[0]):
        complete = complete and all_finite(x[r])
    if complete:
        begin, end = 0, measured.size
        while begin < end and not 0 <= nearest_sample(clock, j0 + begin) - origin < n:
            begin += 1
        while end > begin and not 0 <= nearest_sample(clock, j0 + end - 1) - origin < n:
            end -= 1
        measured[:begin] = False
        measured[begin:end] = True
        measured[end:] = False
        return
    finite = np.ones(n, np.bool_)
    for r in range(x.shape[0]):
        for i in range(n):
            finite[i] &= np.isfinite(x[r, i])
    for j in range(measured.size):
        at = nearest_sample(clock, j0 + j) - origin
        measured[j] = 0 <= at < n and finite[at]


@kernel
def grid_rows(times, x, first, step, line_above, max_gap, j0, out, start, stop):
    """Read irregular samples at the times ``first + j * step`` for ``j = j0, j0 + 1, ...``.

    Neighbours up to `line_above` apart are joined by a cubic Hermite piece whose slopes come from the parabola through
    three samples (none of them further than `max_gap` away), neighbours further apart (up to `max_gap`) by a straight
    line; in longer gaps and outside the samples the result is NaN except within half a step of a sample, which is then
    held. Missing samples are skipped, row by row.

    Parameters
    ----------
    times : ndarray of float64, shape (n_in,)
        Seconds, strictly increasing.
    x : ndarray of float32 or float64, shape (n_rows, n_in)
    first, step, line_above, max_gap : float
        Seconds.
    j0 : int
    out : ndarray of x.dtype, shape (n_rows, n_out)
        Arithmetic is in float64.
    """
    n_in = x.shape[1]
    n_out = out.shape[1]
    t = np.empty(n_in)
    v = np.empty(n_in)
    for r in range(start, stop):
        n = 0
        for i in range(n_in):
            if np.isfinite(x[r, i]):
                t[n] = times[i]
                v[n] = x[r, i]
                n += 1
        right = 0  # first sample after the wanted time
        for j in range(n_out):
            wanted = first + (j0 + j) * step
            while right < n and t[right] <= wanted:
                right += 1
            left = right - 1
            inside = left >= 0 and right < n
            if inside and t[right] - t[left] <= max_gap:
                width = t[right] - t[left]
                u = (wanted - t[left]) / width
                rise = v[right] - v[left]
                value = v[left] + u * rise
                if width <= line_above:
                    slope = rise / width
                    at_left = slope
                    at_right = slope
                    if left > 0 and t[left] - t[left - 1] <= max_gap:
                        before = t[left] - t[left - 1]
                        at_left = (before * slope + width * (v[left] - v[left - 1]) / before) / (before + width)
                    if right < n - 1 and t[right + 1] - t[right] <= max_gap:
                        after = t[right + 1] - t[right]
                        at_right = (after * slope + width * (v[right + 1] - v[right]) / after) / (after + width)
                    value += u * (1 - u) * width * ((1 - u) * (at_left - slope) - u * (at_right - slope))
                out[r, j] = value
            elif left >= 0 and wanted - t[left] <= 0.5 * step:
                out[r, j] = v[left]
            elif right < n and t[right] - wanted <= 0.5 * step:
                out[r, j] = v[right]
            else:
                out[r, j] = np.nan
