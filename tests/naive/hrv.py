"""Slow, obvious twins of the kernels that put beats right and measure their variability."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def thresholds(x):
    limits = []
    for i in range(len(x)):
        around = np.abs(x[max(i - 45, 0) : i + 46])
        low, high = np.quantile(around, [0.25, 0.75])
        limits.append(max(5.2 * (high - low) / 2, 2.5 * np.median(around), 0.005))
    return np.array(limits)


def classes(rr):
    """Class of each interval, as a word."""
    rr = np.asarray(rr, dtype=float)
    n = len(rr)
    found = ["normal"] * n
    if n < 4:
        return found
    d = np.append(np.diff(rr).mean(), np.diff(rr))
    d = d / thresholds(d)
    medians = np.array([np.median(rr[max(i - 5, 0) : i + 6]) for i in range(n)])
    m = np.where(rr < medians, 2, 1) * (rr - medians)
    limits = thresholds(m)
    m = m / limits
    i = 0
    while i < n - 2:
        sign = np.sign(d[i])
        if abs(d[i]) <= 1:
            i += 1
            continue
        neighbours = [sign * d[k] for k in (i - 1, i + 1) if k >= 0] + ([0.0] if i == 0 else [])
        if max(neighbours) < -0.13 * abs(d[i]) - 0.17:
            found[max(i - 1, 0)] = "ectopic"
            i += 1
            continue
        candidates = [i, i + 1] if i + 3 < n and abs(d[i + 1]) < abs(d[i + 2]) else [i]
        for j in candidates:
            long = d[j] > 1 and min(d[j + 1 : j + 3]) < -1
            short = d[j] < -1 and max(d[j + 1 : j + 3]) > 1
            if short and abs(rr[j] + rr[j + 1] - medians[j]) < limits[j]:
                found[j] = "extra"
            elif long and abs(rr[j] / 2 - medians[j]) < limits[j]:
                found[j] = "missed"
            elif long or short or abs(m[j]) > 3:
                found[j] = "long_short"
        i = candidates[-1] + 1
    return found


def rejected(beats):
    """Which intervals of one stretch lie beside a wrong beat, or miss one."""
    kinds = classes(np.diff(beats))
    out = np.zeros(len(kinds), bool)
    for i, kind in enumerate(kinds):
        out[i] |= kind != "normal"
        out[i + 1 : i + 2] |= kind not in ("normal", "missed")
    return out


def correct(beats):
    """Beats of one stretch put right, step by step."""
    kinds = ["normal", *classes(np.diff(beats))]
    new, move = [], []
    for b, kind in enumerate(kinds):
        last = b == len(kinds) - 1
        if kind == "extra" and not last:
            continue
        if kind == "missed":
            new.append((beats[b - 1] + beats[b]) / 2)
            move.append(False)
        new.append(beats[b])
        move.append(kind in ("ectopic", "long_short") and not last)
    for b in range(1, len(new) - 1):
        if move[b]:
            new[b] = (new[b - 1] + new[b + 1]) / 2
    return np.array(new)


def sample_entropy(x, joined, tolerance):
    starts = [i for i in range(len(x) - 2) if joined[i + 1] and joined[i + 2]]
    if len(starts) < 2:
        return np.nan
    pairs = [(i, j) for k, i in enumerate(starts) for j in starts[k + 1 :]]
    two = [p for p in pairs if max(abs(x[p[0] + s] - x[p[1] + s]) for s in (0, 1)) <= tolerance]
    three = [p for p in two if abs(x[p[0] + 2] - x[p[1] + 2]) <= tolerance]
    return np.log(len(two) / len(three)) if two and three else np.inf


def measures(x, joined):
    """Measures by name of good intervals in ms."""
    pairs = np.array([(x[i - 1], x[i]) for i in range(1, len(x)) if joined[i]]).reshape(-1, 2)
    d = pairs[:, 1] - pairs[:, 0]
    sd = lambda values: np.std(values, ddof=1) if len(values) > 1 else np.nan
    return {
        "MeanNN": np.mean(x),
        "SDNN": sd(x),
        "RMSSD": np.sqrt(np.mean(d**2)) if len(d) else np.nan,
        "SDSD": sd(d),
        "MedianNN": np.median(x),
        "MadNN": 1.4826 * np.median(np.abs(x - np.median(x))),
        "IQRNN": np.subtract(*np.quantile(x, [0.75, 0.25])),
        "Prc20NN": np.quantile(x, 0.2),
        "Prc80NN": np.quantile(x, 0.8),
        "pNN50": 100 * (np.abs(d) > 50.000001).sum() / (len(d) + 1) if len(d) else np.nan,
        "pNN20": 100 * (np.abs(d) > 20.000001).sum() / (len(d) + 1) if len(d) else np.nan,
        "MinNN": np.min(x),
        "MaxNN": np.max(x),
        "HTI": len(x) / np.bincount((x / (1000 / 128)).astype(int)).max(),
        "SD2": sd(pairs.sum(axis=1) / np.sqrt(2)),
        "SampEn": sample_entropy(x, joined, 0.2 * sd(x)) if len(x) > 1 else np.nan,
    }


def bands(t, x, edges, oversampling):
    """Integral of the one-sided density between neighbouring edges, by SciPy's periodogram and the trapezium rule."""
    from scipy.integrate import trapezoid
    from scipy.signal import lombscargle

    span = t[-1] - t[0]
    powers = []
    for low, high in pairwise(np.minimum(edges, 500 / np.mean(x))):
        if high <= low:
            powers.append(0.0)
            continue
        f = np.linspace(low, high, max(int(np.ceil((high - low) * span * oversampling)), 1) + 1)
        density = 2 * lombscargle(t, x - np.mean(x), 2 * np.pi * f) * span / (len(x) - 1)
        powers.append(trapezoid(density, f))
    return np.array(powers)
