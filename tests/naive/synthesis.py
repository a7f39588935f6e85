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
