"""The hot loops of the simulator: templates at events, lines between knots, normal numbers, a device's steps."""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.jit import kernel


@kernel
def add_templates(
    times, amplitudes, stretches, template, origin, template_rate, first, sampling_rate, out, start, stop
):
    """Add a stretched copy of ``template[row]`` at each event to ``out[row]``, for rows `start` to `stop`.

    The copy of event ``b`` is ``amplitudes[row, b] * template[row]((t - times[b]) / stretches[b] + origin)``, linear
    between the points of the template and zero outside.

    Parameters
    ----------
    times : (n_events,) float64
        Event times in s, finite.
    amplitudes : (n_rows, n_events) float64
    stretches : (n_events,) float64
        Factors of time, positive.
    template : (n_rows, n_points) float64
        Sampled at `template_rate` (Hz); `origin` (s) is the place in it that falls on the event.
    first, sampling_rate : float
        Time of ``out[:, 0]`` in s and the rate of `out` in Hz.
    out : (n_rows, n_samples) float64
        Added to in place.
    """
    n_samples = out.shape[1]
    last = template.shape[1] - 1
    for row in range(start, stop):
        for event in range(times.shape[0]):
            stretch = stretches[event]
            begin = times[event] - origin * stretch
            end = begin + last / template_rate * stretch
            low = max(0, math.ceil((begin - first) * sampling_rate))
            high = min(n_samples - 1, math.floor((end - first) * sampling_rate))
            amplitude = amplitudes[row, event]
            scale = template_rate / stretch
            for sample in range(low, high + 1):
                position = (first + sample / sampling_rate - begin) * scale
                left = min(max(int(position), 0), last - 1)
                share = position - left
                value = template[row, left] + share * (template[row, left + 1] - template[row, left])
                out[row, sample] += amplitude * value


@kernel
def interpolate(x, knots, values, out):
    """Lines between knots, bit for bit `numpy.interp`, but quick where `x` hardly goes back.

    Parameters
    ----------
    x : (n,) float64
        Finite.
    knots, values : (n_knots,) float64
        `knots` increase; beyond them the first and the last value stay.
    out : (n,) float64
    """
    last = knots.shape[0] - 1
    left, sloped, slope = 0, -1, 0.0
    for i in range(x.shape[0]):
        at = x[i]
        if at < knots[0]:
            out[i] = values[0]
            continue
        if at >= knots[last]:
            out[i] = values[last]
            continue
        while knots[left] > at:
            left -= 1
        while knots[left + 1] <= at:
            left += 1
        if knots[left] == at:
            out[i] = values[left]
        else:
            if sloped != left:
                sloped, slope = left, (values[left + 1] - values[left]) / (knots[left + 1] - knots[left])
            out[i] = slope * (at - knots[left]) + values[left]


@kernel
def filter_pair(rows, sections, skipped, divisor, out):
    """Filter rows through two second-order sections, to the bits of `scipy.signal.sosfilt`, and divide.

    Parameters
    ----------
    rows : (n_rows, n) float32
    sections : (2, 6) float64
        As SciPy has them: three coefficients of the numerator, 1 and two of the denominator.
    skipped : int
        First samples that are filtered, but not put out.
    divisor : float
    out : (n_rows, n - skipped) float64
    """
    a0, a1, a2, _, a4, a5 = sections[0]
    b0, b1, b2, _, b4, b5 = sections[1]
    for row in range(rows.shape[0]):
        z0 = z1 = y0 = y1 = 0.0
        for i in range(rows.shape[1]):
            x = np.float64(rows[row, i])
            middle = a0 * x + z0
            z0 = a1 * x - a4 * middle + z1
            z1 = a2 * x - a5 * middle
            result = b0 * middle + y0
            y0 = b1 * middle - b4 * result + y1
            y1 = b2 * middle - b5 * result
            if i >= skipped:
                out[row, i - skipped] = result / divisor


@kernel
def normals32(generator, n):
    """``generator.standard_normal(n, float32)``, the same numbers in less than half the time."""
    return generator.standard_normal(n, dtype=np.float32)


@kernel
def normals64(generator, n):
    """``generator.standard_normal(n)``, the same numbers in less than half the time."""
    return generator.standard_normal(n)


@kernel
def read_out(signal, limit, step, out):
    """What a device of that range and step (0 for none) reports of a signal.

    Parameters
    ----------
    signal : (n_rows, n) float64
        Finite.
    limit, step : float
    out : (n, n_rows) float32
    """
    for row in range(signal.shape[0]):
        for i in range(signal.shape[1]):
            value = min(max(signal[row, i], -limit), limit)
            if step > 0:
                value = np.rint(value / step) * step
            out[i, row] = value
