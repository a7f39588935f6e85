"""Slow, obvious twins for clocks: every way of losing samples is tried, every run of equal samples is walked."""

from __future__ import annotations

from itertools import accumulate, pairwise, product

import numpy as np


def best_levels(position, noise, price, more, entry):
    """Cheapest non-decreasing sequence of lost samples: all of them are tried."""
    band = len(entry)
    best = (np.inf, None)
    for levels in product(range(band), repeat=len(position)):
        if any(b < a for a, b in pairwise(levels)):
            continue
        # The level before the first stamp may be any that can be entered.
        costs = []
        for before in range(levels[0] + 1):
            cost = entry[before]
            for a, b in pairwise((before, *levels)):
                cost += price + more * (b - a) if b > a else 0.0
            costs.append(cost)
        cost = min(costs)
        for at, level in zip(position, levels, strict=True):
            away = abs(at - level) / noise
            cost += away**2 if away < 3 else 3 * (2 * away - 3)
        if cost < best[0]:
            best = (cost, levels)
    return best


def repeated_runs(x, shortest):
    """Runs of equal samples, and the longest of the others."""
    runs, i = [], 0
    while i < len(x):
        j = i + 1
        while j < len(x) and (x[j] == x[i]).all():
            j += 1
        if np.isfinite(x[i]).all():
            runs.append((i, j - i))
        i = j
    listed = [run for run in runs if run[1] >= shortest]
    return listed, max((size for _, size in runs if size < shortest), default=0)


def clock(numbers, stamps):
    """Straight line through stamps against known sample numbers: the clock at each of them, and its rate."""
    slope, level = np.polyfit(numbers, stamps, 1)
    return level + slope * np.asarray(numbers), 1 / slope


def device(rng, rate, seconds, *, jitter=0.0, lost=0.0, packet=1, inner=0.0, drift=0.0, start=0.0):
    """Numbers of the samples that arrive from a device, and their stamps (s)."""
    n = round(rate * seconds)
    numbers = np.flatnonzero(rng.random(n) >= lost)
    true = start + numbers / rate * (1 + drift)
    if packet > 1:
        last = (numbers // packet + 1) * packet / rate * (1 + drift)
        late = rng.normal(0, jitter, n // packet + 1)[numbers // packet]
        stamps = start + last + late + (numbers % packet) * inner
    else:
        stamps = true + rng.normal(0, jitter, numbers.size)
    return numbers, np.array(list(accumulate(stamps, max)))
