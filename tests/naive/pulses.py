"""Slow, obvious twins of Elgendi's detector and of the likeness of pulses."""

from __future__ import annotations

import numpy as np

from tests.naive.heart import choose, place


def centred_mean(x, width):
    half = width // 2
    half = max(half, 1)
    return np.array([x[max(i - half, 0) : i + half + 1].mean() for i in range(len(x))])


def elgendi(y, rate, kind, longest_rise):
    """Beat times in s of a band-passed signal without gaps."""
    squared = np.maximum(y, 0) ** 2
    short = centred_mean(squared, round(0.111 * rate))
    long = centred_mean(squared, round(0.667 * rate))
    inside = short > long + 0.02 * squared.mean()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]]))).reshape(-1, 2)
    peaks: list[int] = []
    for begin, end in edges:
        best = begin + int(np.argmax(y[begin:end]))
        if end - begin >= max(round(0.111 * rate), 1) and (not peaks or best - peaks[-1] > 0.25 * rate):
            peaks.append(best)
    return place(y, rate, kind, choose(y, rate, peaks, longest_rise), longest_rise)


def likeness(y, rate, beats, points, before):
    """Correlation of each pulse with the mean pulse, which is taken twice."""
    alike = np.full(len(beats), np.nan)
    if len(beats) < 3:
        return alike
    length = np.median(np.diff(beats)) * rate
    at = beats[:, None] * rate + length * (np.arange(points) / points - before)
    whole = (at[:, 0] >= 0) & (at[:, -1] <= len(y) - 1)
    pulses = np.interp(at, np.arange(len(y)), y)
    pulses -= pulses.mean(axis=1, keepdims=True)
    whole &= (pulses**2).sum(axis=1) > 0
    if whole.sum() < 3:
        return alike
    pulses[whole] /= np.linalg.norm(pulses[whole], axis=1, keepdims=True)
    kept = whole
    for _ in range(2):
        template = pulses[kept].mean(axis=0)
        alike[whole] = [np.corrcoef(p, template)[0, 1] for p in pulses[whole]]
        kept = whole & (alike >= np.nanmedian(alike) - 1e-12)
    return alike
