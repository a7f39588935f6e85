"""Slow, obvious twins of `biosig_kernels.synthesis`."""

from __future__ import annotations

import numpy as np


def add_templates(times, amplitudes, stretches, template, origin, template_rate, first, sampling_rate, n_samples):
    """Sum of one interpolated template per event, evaluated at every sample."""
    n_rows, n_points = template.shape
    t = first + np.arange(n_samples) / sampling_rate
    grid = np.arange(n_points) / template_rate
    out = np.zeros((n_rows, n_samples))
    for row in range(n_rows):
        for event, time in enumerate(times):
            place = (t - time) / stretches[event] + origin
            out[row] += amplitudes[row, event] * np.interp(place, grid, template[row], left=0.0, right=0.0)
    return out


def interpolate(x, knots, values):
    """For every point the weighted mean of the knots on either side."""
    out = []
    for at in x:
        right = int(np.searchsorted(knots, at))
        if right in (0, len(knots)):
            out.append(values[min(right, len(knots) - 1)])
            continue
        weight = (at - knots[right - 1]) / (knots[right] - knots[right - 1])
        out.append((1 - weight) * values[right - 1] + weight * values[right])
    return np.array(out)


def read_out(signal, limit, step):
    """Clipped, rounded to whole steps, samples first."""
    reading = np.clip(signal, -limit, limit)
    if step > 0:
        reading = np.round(reading / step) * step
    return np.ascontiguousarray(reading.T, dtype=np.float32)


def filter_pair(rows, sections):
    """Every section as its difference equation, one after the other."""
    x = np.asarray(rows, dtype=np.float64)
    for b0, b1, b2, _, a1, a2 in sections:
        y = np.zeros_like(x)
        for i in range(x.shape[1]):
            for k, b in enumerate((b0, b1, b2)):
                y[:, i] += b * x[:, i - k] if i >= k else 0.0
            for k, a in ((1, a1), (2, a2)):
                y[:, i] -= a * y[:, i - k] if i >= k else 0.0
        x = y
    return x
