"""Slow, obvious twins of the kernels for heart rate from wrist motion."""

from __future__ import annotations

import numpy as np
from scipy.signal import sosfilt


def padded(row, margin):
    """A row with `margin` samples of odd padding on both sides, clamped where the row is shorter than that."""
    n = len(row)
    before = [2 * row[0] - row[min(k, n - 1)] for k in range(margin, 0, -1)]
    after = [2 * row[-1] - row[max(n - 1 - k, 0)] for k in range(1, margin + 1)]
    return np.array([*before, *row, *after], dtype=np.float64)


def both_ways(row, sos, states):
    """Forward, then backward, each from the steady state of its first value."""
    for _ in range(2):
        row = sosfilt(sos, row, zi=states * row[0])[0][::-1]
    return row


def less_average(row, reach):
    """Moving average over what there is within `reach` samples, taken away."""
    return np.array([v - np.mean(row[max(i - reach, 0) : i + reach + 1]) for i, v in enumerate(row)])


def envelope(row, hilbert):
    """Length of the signal and its Hilbert transform, the latter zero where its taps do not reach."""
    out = np.abs(row)
    reach = 2 * len(hilbert) - 1
    for i in range(reach, len(row) - reach):
        quadrature = sum(h * (row[i - 2 * k - 1] - row[i + 2 * k + 1]) for k, h in enumerate(hilbert))
        out[i] = np.hypot(row[i], quadrature)
    return out


def thinned(row, margin, step, lowpass, n_out):
    """The low-passed row at places margin, margin + step ..."""
    out = []
    for j in range(n_out):
        at = margin + j * step
        out.append(sum(t * (row[at - k] + row[at + k]) / (2 if k == 0 else 1) for k, t in enumerate(lowpass)))
    return np.array(out)


def carrier(x, margin, average, sos, states, hilbert, lowpass, step, kind, n_out):
    """Strength of the vibration of one record (3, n); kind "norm", "each" or "jerk"."""
    axes = [padded(row.astype(np.float64), margin + step) for row in x]
    if kind == "jerk":
        length = np.sqrt(sum(a**2 for a in axes))
        axes = [np.append(0.0, np.diff(length))]
    elif average:
        axes = [less_average(a, average) for a in axes]
    axes = [both_ways(a, sos, states) for a in axes]
    strengths = [np.sqrt(sum(a**2 for a in axes))] if kind == "norm" else [envelope(a, hilbert) for a in axes]
    return np.array([thinned(s, margin + step, step, lowpass, n_out) for s in strengths])


def spread(span):
    """Root mean square of the standard deviations of the axes, and the least share measured."""
    deviations, shares = [], []
    for row in span:
        found = row[np.isfinite(row)].astype(np.float64)
        shares.append(len(found) / len(row))
        deviations.append(found.var() if shares[-1] > 0.5 else np.nan)
    return np.sqrt(np.mean(deviations)), min(shares)


def level(spans):
    """Median of the known deviations of spans (n, 2), and the mean share measured."""
    known = spans[np.isfinite(spans[:, 0]), 0]
    return np.median(known) if len(known) else np.nan, spans[:, 1].mean()


def tapered(window, scale, taper, limit):
    """Mean away, limited, of unit size, tapered; zeros for rounding errors."""
    window = window - window.mean()
    size = np.abs(window).max()
    if not (np.isfinite(size) and size > 1e-9 * scale):
        return np.zeros(len(window))
    window = window / size
    bound = limit * np.median(np.abs(window)) if limit else 1.0
    return np.clip(window, -(bound or 1.0), bound or 1.0) * taper


def near(line, begin, at, reach):
    """Bins from `begin` on within `reach` of `at`."""
    return [i for i in range(at - reach, at + reach + 1) if begin <= i < len(line)]


def confidence(line, begin, at, reach):
    """Share of the power near a bin and near its double, each bin counted once."""
    bins = set(near(line, begin, at, reach)) | set(near(line, begin, 2 * at, reach))
    total = line[begin:].sum()
    return sum(line[i] for i in bins) / total if total else 0.0


def evidence(line, begin, at, reach):
    """How far the power near a bin, and half of that near its double, stands out from the flanks."""
    total = 0.0
    for place, weight in ((at, 1.0), (2 * at, 0.5)):
        inner = near(line, begin, place, reach)
        flanks = [i for i in near(line, begin, place, 2 * reach) if i not in inner]
        level = np.mean([line[i] for i in flanks]) if flanks else 0.0
        total += weight * (sum(line[i] for i in inner) - len(inner) * level)
    return total


def is_peak(line, i):
    return line[i] > line[i - 1] and line[i] >= line[i + 1]


def vertex(line, at):
    """Top of the parabola through the logarithms of three bins."""
    if not is_peak(line, at) or min(line[at - 1], line[at + 1]) <= 0:
        return float(at)
    a, b, _ = np.polyfit([-1, 0, 1], np.log(line[at - 1 : at + 2].astype(float)), 2)
    return at - b / (2 * a)


def best_path(evidence, widest, cost):
    """The best of all paths, by trying every one."""
    n_times, n_rates = evidence.shape
    paths = [((c,), evidence[0, c]) for c in range(n_rates)]
    for t in range(1, n_times):
        paths = [
            ((*path, c), gained + evidence[t, c] - cost * (c - path[-1]) ** 2)
            for path, gained in paths
            for c in range(max(0, path[-1] - widest), min(n_rates, path[-1] + widest + 1))
        ]
    return max(paths, key=lambda p: p[1])
