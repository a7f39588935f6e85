"""Slow, obvious twins of the augmentation and normalisation kernels."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicHermiteSpline


def curve(knots, n_samples):
    """Catmull-Rom curve through equally spaced knots at `n_samples` equally spaced points, ends included."""
    spline = CubicHermiteSpline(np.arange(len(knots)), knots, np.gradient(knots))
    return spline(np.linspace(0.0, len(knots) - 1.0, n_samples))


def source_positions(speed, shift, n_samples):
    if np.all(speed == 1.0) or n_samples == 1:
        return np.arange(n_samples) + float(shift)
    pace = np.maximum(curve(speed, n_samples), 0.1)
    clock = np.concatenate([[0.0], np.cumsum(pace)[:-1]])
    clock = clock * ((n_samples - 1) / clock[-1])
    clock[-1] = n_samples - 1
    return clock + shift


def read_at(channel, positions, circular):
    n = len(channel)
    values = []
    for position in positions:
        first = int(np.floor(position))
        f = position - first
        second = first + 1 if f > 0 else first
        if not circular and (first < 0 or second >= n):
            values.append(np.nan)
        elif f == 0:
            values.append(float(channel[first % n]))
        else:
            values.append((1 - f) * float(channel[first % n]) + f * float(channel[second % n]))
    return np.array(values)


def augment(x, rows, shift, circular, speed, mix, gain, noise_level, noise_row, noise, cut):
    n_channels, n_samples = x.shape[1:]
    out = np.empty((len(rows), n_channels, n_samples))
    for i, row in enumerate(rows):
        positions = source_positions(speed[i], shift[i], n_samples)
        moved = [read_at(x[row, d], positions, circular) for d in range(n_channels)]
        for c in range(n_channels):
            value = sum(
                (float(mix[i, c, d]) * moved[d] for d in range(n_channels) if mix[i, c, d] != 0), np.zeros(n_samples)
            )
            finite = value[np.isfinite(value)]
            if len(finite):
                mean, deviation = finite.mean(), finite.std()
                value = mean + (value - mean) * curve(gain[i, c], n_samples)
                if noise_row[i] >= 0:
                    value = value + noise_level[i] * deviation * noise[noise_row[i], c]
            value[cut[i, 0] : cut[i, 1]] = np.nan
            out[i, c] = value
    return out


def standardise(x):
    out = np.zeros(x.shape)
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            finite = np.isfinite(x[i, c])
            values = x[i, c, finite].astype(np.float64)
            if len(values) and values.max() > values.min():
                out[i, c, finite] = (values - values.mean()) / values.std()
    return out
