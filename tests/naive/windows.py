"""Slow, obvious twins of the kernels for medians, windows and orientation."""

from __future__ import annotations

import numpy as np


def robust_spread(window):
    """1.4826 times the median absolute deviation about each row's own median, all rows pooled, in float32."""
    deviations = []
    for row in window:
        row = row[np.isfinite(row)]
        if row.size:
            deviations.append(np.abs(row - np.median(row)))
    return 1.4826 * float(np.median(np.concatenate(deviations))) if deviations else np.nan


def standard(row):
    """Z-scores of the finite samples; zeros where they do not vary."""
    row = np.asarray(row, np.float64)
    finite = np.isfinite(row)
    out = np.full(row.shape, np.nan)
    if finite.any():
        deviation = row[finite].std()
        varies = deviation > 1e-6 * abs(row[finite].mean())
        out[finite] = (row[finite] - row[finite].mean()) / deviation if varies else 0.0
    return out


def moments(span):
    """Count, mean, sum of squared deviations, least and greatest of the finite samples of one axis."""
    values = [float(v) for v in span if np.isfinite(v)]
    if not values:
        return [0, np.nan, 0, np.nan, np.nan]
    mean = sum(values) / len(values)
    return [len(values), mean, sum((v - mean) ** 2 for v in values), min(values), max(values)]


def clipped(span, low, high, shortest):
    """Number of samples at the limits that stand in runs of at least `shortest`."""
    marks = "".join("x" if v <= low or v >= high else " " for v in span)
    return sum(len(run) for run in marks.split() if len(run) >= shortest)


def along_and_across(vector, gravity):
    """Movement along the direction of gravity and the length of the rest."""
    movement = np.subtract(vector, gravity, dtype=float)
    up = np.asarray(gravity, float) / np.linalg.norm(gravity)
    along = movement @ up
    return along, np.linalg.norm(movement - along * up)
