"""Band-limited interpolation of rows of samples, and irregular samples put onto a grid.

The interpolation follows the classical windowed-sinc scheme: J. O. Smith and P. Gossett, "A flexible sampling-rate
conversion method", ICASSP 1984, with the window of J. F. Kaiser, "Nonrecursive digital filter design using the
I0-sinh window function", ISCAS 1974.
"""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.gaps import bridge_gaps
from biosig_kernels.jit import REDUCTION, kernel


@kernel(fastmath=REDUCTION)
def resample_rows(x, first, step, table, max_gap, out, start, stop):
    """Interpolate rows ``start:stop`` of `x` at the sample positions ``first + j * step``.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n_rows, n_in)
        Samples; not finite means missing.
    first, step : float
        Positions in units of input samples. All positions must lie in [-1, n_in).
    table : ndarray of x.dtype, shape (n_phases + 1, 2 * half)
        Row `p` weighs the samples ``floor(position) - half + 1 ...  floor(position) + half`` for a position whose
        fraction is ``p / n_phases``. Fractions in between mix two neighbouring rows.
    max_gap : float
        Gaps of more samples than this stay missing, as do both ends.
    out : ndarray of x.dtype, shape (n_rows, n_out)
        Receives the result; NaN where the nearest input sample stays missing. Beyond the ends of a row the signal is
        continued by point reflection about the end sample, which keeps level and slope.
    """
    n_in = x.shape[1]
    n_out = out.shape[1]
    taps = table.shape[1]
    half = taps // 2
    n_phases = table.shape[0] - 1
    padded = np.empty(n_in + 2 * half, x.dtype)
    missing = np.empty(n_in, np.bool_)
    for r in range(start, stop):
        body = padded[half : half + n_in]
        n_finite = bridge_gaps(x[r], max_gap, body, missing)
        target = out[r]
        if n_finite == 0:
            target[:] = np.nan
            continue
        for k in range(1, half + 1):
            inner = min(k, n_in - 1)
            padded[half - k] = 2 * body[0] - body[inner]
            padded[half + n_in - 1 + k] = 2 * body[n_in - 1] - body[n_in - 1 - inner]
        for j in range(n_out):
            position = first + j * step
            nearest = min(max(math.floor(position + 0.5), 0), n_in - 1)
            if missing[nearest]:
                target[j] = np.nan
                continue
            base = math.floor(position)
            phase = (position - base) * n_phases
            row = int(phase)
            mix = phase - row
            if mix > 1 - 1e-6:
                row += 1
                mix = 0.0
            segment = padded[base + 1 : base + 1 + taps]
            weights = table[row]
            total = x.dtype.type(0)
            for t in range(taps):
                total += weights[t] * segment[t]
            if mix > 1e-6:
                weights = table[row + 1]
                other = x.dtype.type(0)
                for t in range(taps):
                    other += weights[t] * segment[t]
                total += x.dtype.type(mix) * (other - total)
            target[j] = total


@kernel
def grid_rows(times, x, first, step, line_above, max_gap, out, start, stop):
    """Read irregular samples at the times ``first + j * step``.

    Neighbours up to `line_above` apart are joined by a cubic Hermite piece whose slopes come from the parabola through
    three samples, neighbours further apart (up to `max_gap`) by a straight line; in longer gaps and outside the samples
    the result is NaN except within half a step of a sample, which is then held. Missing samples are skipped, row by
    row.

    Parameters
    ----------
    times : ndarray of float64, shape (n_in,)
        Seconds, strictly increasing.
    x : ndarray of float64, shape (n_rows, n_in)
    first, step, line_above, max_gap : float
        Seconds.
    out : ndarray of float64, shape (n_rows, n_out)
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
            wanted = first + j * step
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
                    if left > 0:
                        before = t[left] - t[left - 1]
                        at_left = (before * slope + width * (v[left] - v[left - 1]) / before) / (before + width)
                    if right < n - 1:
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
