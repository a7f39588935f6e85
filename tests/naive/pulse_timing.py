"""Slow, obvious twin of the timing of pulses by their mean, with whole matrices and least squares by the library."""

from __future__ import annotations

import numpy as np

BEFORE, AFTER, ROUNDS, TAPS = 0.25, 0.45, 3, 8


def between(row, at):
    """Value of the row between samples, by the polynomial through the eight around; ends are repeated."""
    whole = int(np.floor(at))
    places = whole + np.arange(-3, 5)
    values = np.asarray(row, float)[np.clip(places, 0, len(row) - 1)]
    x = at - places  # Lagrange's formula, basis polynomial by basis polynomial
    basis = [np.prod([x[m] / (places[j] - places[m]) for m in range(TAPS) if m != j]) for j in range(TAPS)]
    return values @ np.array(basis)


def mean_pulse(pieces, likeness):
    lines = np.polynomial.polynomial.polyvander(np.linspace(-1, 1, pieces.shape[1]), 1)
    flat = pieces - (lines @ np.linalg.lstsq(lines, pieces.T, rcond=None)[0]).T
    mean = (likeness[:, None] ** 2 * flat / np.linalg.norm(flat, axis=1, keepdims=True)).sum(axis=0)
    return mean / np.linalg.norm(mean), flat


def slope(p):
    d = np.gradient(p)
    d[2:-2] = (8 * (p[3:-1] - p[1:-3]) - (p[4:] - p[:-4])) / 12
    return d


def design(p):
    return np.stack([p, slope(p), np.ones(len(p)), np.linspace(-1, 1, len(p))], axis=1)


def coefficient_variance(x, shapes, rests):
    """Variance of the coefficient of the slope, from what the fits left over: amounts of the two noises, by moments."""
    n = len(x)
    leave = np.eye(n) - x @ np.linalg.pinv(x)
    differ = np.diff(np.eye(n), axis=0)
    lags = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    moments, effects = [], []
    for shape in shapes:
        left = leave @ shape[lags] @ leave.T
        moments.append([np.trace(left), np.trace(differ @ left @ differ.T)])
        effects.append((np.linalg.pinv(x) @ shape[lags] @ np.linalg.pinv(x).T)[1, 1])
    measured = np.array([(rests**2).sum(), ((rests @ differ.T) ** 2).sum()]) / max(len(rests) - 2, 1)
    amounts = np.linalg.solve(np.array(moments).T, measured)
    if (amounts < 0).any():
        whites = np.array(moments)[0]
        only = 0 if measured[1] / measured[0] > whites[1] / whites[0] else 1
        amounts = np.zeros(2)
        amounts[only] = measured[0] / moments[only][0]
    return float(amounts @ effects)


def time_pulses(row, rate, shapes, rises):
    """Times and standard errors of pulses that are all whole and alike; `rises` in s."""
    interval = np.median(np.diff(rises))
    first = -int(min(BEFORE, 0.42 * interval) * rate)
    last = int(min(AFTER, 0.53 * interval) * rate)
    lags = np.arange(first, last + 1)
    at, likeness = rises * rate, np.ones(len(rises))
    for turn in range(ROUNDS + 1):
        pieces = np.array([[between(row, place + lag) for lag in lags] for place in at])
        p, flat = mean_pulse(pieces, likeness)
        x = design(p)
        fits = np.linalg.lstsq(x, flat.T, rcond=None)[0]
        likeness = np.clip(flat @ p, 0, None) / np.linalg.norm(flat, axis=1)
        if turn < ROUNDS:
            at = at + np.clip(-fits[1] / fits[0], -0.03 * rate, 0.03 * rate)
    rests = flat - (x @ fits).T
    power = (rests**2).sum(axis=1)
    kept = power <= 4 * np.median(power)
    change = np.clip(np.diff(rises, prepend=rises[0] - interval) / interval - 1, -0.2, 0.2)
    u = change[kept] - change[kept].mean()
    followed = rests[kept] - np.outer(u, u @ rests[kept] / (u @ u))
    variance = coefficient_variance(x, shapes, followed)
    typical = (followed**2).sum() / max(kept.sum() - 2, 1)
    errors = np.sqrt(variance * np.maximum(power / (2 * typical), 1)) / fits[0] / rate
    moves = at / rate - rises
    moves -= np.median(moves)
    spread = (1.4826 * np.median(np.abs(moves))) ** 2
    unusual = errors > 2 * np.median(errors)
    moves[unusual] *= spread / (spread + errors[unusual] ** 2)
    return rises + moves, errors


def timed_summary(beats, errors, good):
    """What `timed_rows` writes for one row, pair by pair."""
    intervals = [(i, beats[i + 1] - beats[i]) for i in range(len(beats) - 1) if good[i]]
    values = np.array([value for _, value in intervals])
    numbers = {i for i, _ in intervals}
    pairs = [i for i in numbers if i - 1 in numbers]
    noise = [errors[i] ** 2 + errors[i + 1] ** 2 for i in numbers]
    change = [(beats[i + 1] - 2 * beats[i] + beats[i - 1]) ** 2 for i in pairs]
    change_noise = [errors[i + 1] ** 2 + 4 * errors[i] ** 2 + errors[i - 1] ** 2 for i in pairs]
    mean = lambda some: np.mean(some) if len(some) else np.nan
    return np.array(
        [
            values.var(ddof=1) if len(values) > 1 else np.nan,
            mean(noise) if len(values) > 1 else np.nan,
            mean(change),
            mean(change_noise),
            len(values),
            values.sum(),
            np.sqrt(mean(noise) / 2),
        ]
    )
