"""Time stamps put on the device's own clock: by regression on the sample count, stretch by stretch."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from biosig_kernels.timestamps import regular_spacing

from biosig.recordings.sample_counts import (
    HIDING,
    Counts,
    count_samples,
    hides_lost_samples,
    plain_spacing,
    spacing,
)

PART = 1 << 16  # samples of a long recording, of which a few tell its rate
FEW = 32  # samples; fewer tell too little of a clock
BLOCK = 256  # samples, whose mean spacing shows a change of rate
CHANGE = 0.08  # relative; rates that differ more are two rates, not one that drifts
MOST_CHANGES = 1 / 4000  # per sample; a clock that changes its rate oftener is none
SPLIT = 30.0  # s; what lies further apart is fitted for itself
LEVEL = 60.0  # s; drift is followed from one such block to the next
BENT = 0.25  # samples by which a clock may leave a straight line and still count as steady
UNNOTICED = 0.004  # s, the same where lost samples could not be seen otherwise
LATENCY = 0.02  # s, by which stamps may come late together for a while, beside their jitter
WANDER = 1e-4  # relative; more than that, stamps too noisy to show single samples hide lost ones
FEW_HIDDEN = 0.004  # of the samples; where so many lost ones are seen through much jitter, many more are not
MANY_LOST = 0.02  # of the samples
TOGETHER = 0.2  # correlation of neighbours, which jitter does not have and stamps that stray do
PRIOR = 2e-4  # relative; stretches too short to know their rate so well take the rate of the recording


class Stretch(NamedTuple):
    """Samples ``begin:end`` on a clock of one rate."""

    begin: int
    end: int
    rate: float  # Hz
    counts: np.ndarray | None  # ticks since the first one; None where stamps stay as they are
    first: float  # s, of tick 0
    steady: bool  # whether tick `k` lies at ``first + k / rate``


class DeviceClock(NamedTuple):
    """What the stamps of a sensor tell of its clock."""

    times: np.ndarray  # s, on the clock; as given where no clock was found
    stretches: list[Stretch]
    rate: float  # Hz, of most samples
    record: dict[str, Any]


def device_clock(times: np.ndarray) -> DeviceClock:
    """Find the clock behind sorted time stamps (s, finite, two or more distinct).

    Stamps are numbered (packets and lost samples found), and a straight line, or one bent every minute where the
    clock drifts, is fitted to them. Where the rate changes, each part has its own. Stamps that stay near no clock, so
    that samples were taken at uneven times or too many are lost without a trace, are left as they are.
    """
    even = times.copy()
    stretches: list[Stretch] = []
    regimes = _regimes(times)
    for begin, end in regimes:
        stretches += _of_one_rate(times, begin, end, even)
    kept = sum(s.end - s.begin for s in stretches if s.counts is None)
    rates = np.array([s.rate for s in stretches])
    weights = np.array([s.end - s.begin for s in stretches])
    order = np.argsort(rates)
    rate = float(rates[order][np.searchsorted(np.cumsum(weights[order]), 0.5 * weights.sum())])
    lost, gaps = 0, len(stretches) - 1
    for s in stretches:
        if s.counts is not None:
            jumps = np.diff(s.counts) - 1
            lost += int(jumps[jumps > 0].sum())
            gaps += int((jumps > 0).sum())
    record = {
        "clock": "stamps" if kept == times.size else "device",
        "sampling_rate": rate,
        "jitter_ms": 1e3 * float(np.std(times - even)) if kept < times.size else math.nan,
        "n_lost": lost,
        "n_gaps": gaps,
        "n_stretches": len(stretches),
        "n_left_alone": int(kept),
    }
    return DeviceClock(even, stretches, rate, record)


def rate_of(times: np.ndarray) -> tuple[float, bool]:
    """Sampling rate in Hz of sorted times (s), and whether the stamps follow a clock (or are too few to tell).

    Of a long recording whose stamps are no plain clock's, five parts are looked at. NaN without two distinct times.
    """
    n = times.size
    if n < 2 or times[-1] <= times[0]:
        return math.nan, True
    if n < FEW:
        steps = np.diff(times)
        steps = steps[steps > 0]
        return 1 / float(steps[steps <= 1.8 * np.median(steps)].mean()), True
    plain = plain_spacing(times)
    if plain is not None:
        total, count = regular_spacing(times, 0.5 * plain, 1.5 * plain)
        return count / total, True
    starts = np.linspace(0, n - PART, 5).astype(int) if n > 8 * PART else [0]
    size = PART if len(starts) > 1 else n
    clocks = [device_clock(times[a : a + size]) for a in starts if times[a + size - 1] > times[a]]
    rate = float(np.median([clock.rate for clock in clocks]))
    return rate, np.mean([clock.record["clock"] == "device" for clock in clocks]) >= 0.5


def _of_one_rate(times: np.ndarray, begin: int, end: int, even: np.ndarray) -> list[Stretch]:
    """Fit the samples ``begin:end``, write their times to `even` and return their stretches."""
    part = times[begin:end]
    if part.size < FEW or part[-1] <= part[0]:
        return [_as_stamped(times, begin, end)]
    hidden = hides_lost_samples(part)
    for single in (False, True) if hidden else (True,):
        counts = count_samples(part, single=single)
        stretches, fits = _fit(part, counts, begin, even, LATENCY if single else UNNOTICED)
        if fits and (not hidden or _few_lost(counts.number)):
            return stretches
    even[begin:end] = part
    return [_as_stamped(times, begin, end)]


def _few_lost(number: np.ndarray) -> bool:
    """Whether few samples were lost singly, where jitter hides most of those that were."""
    jumps = np.diff(number) - 1
    return int(((jumps > 0) & (jumps < 8)).sum()) <= FEW_HIDDEN * number.size


def _as_stamped(times, begin: int, end: int) -> Stretch:
    part = times[begin:end]
    rate = 1 / spacing(part) if part.size > 1 and part[-1] > part[0] else math.nan
    return Stretch(begin, end, rate, None, float(part[0]), False)


def _fit(
    times: np.ndarray, counts: Counts, offset: int, even: np.ndarray, latency: float
) -> tuple[list[Stretch], bool]:
    """Stretches of one rate, and whether the stamps follow their clocks."""
    breaks = np.flatnonzero(np.diff(counts.number) * counts.period > SPLIT) + 1
    edges = [0, *breaks.tolist(), times.size]
    longest = int(np.argmax(np.diff(edges)))
    stretches, follows, total = [], 0, 0
    period = counts.period
    for which in (longest, *(i for i in range(len(edges) - 1) if i != longest)):
        a, b = edges[which], edges[which + 1]
        number = counts.number[a:b] - counts.number[a]
        first, step, curve, fits = _line(times[a:b], number, period, counts, latency)
        if which == longest:
            period = step
        at = first + number * step if curve is None else curve
        even[offset + a : offset + b] = at
        stretches.append(Stretch(offset + a, offset + b, 1 / step, number, float(at[0]), curve is None))
        follows += (b - a) * fits
        total += b - a
    return sorted(stretches), follows >= 0.5 * total


def _line(times: np.ndarray, number: np.ndarray, period: float, counts: Counts, latency: float):
    """Time of tick 0 (s), period (s), the times of all ticks where no straight line will do, whether stamps follow."""
    origin = float(times[0])
    late = times - origin - number * period
    spread = counts.noise * period
    independent = times.size / counts.packet
    slope_error = spread / period * math.sqrt(12 / max(independent, 1)) / max(int(number[-1]), 1)
    level, slope = _robust_line(number, late, slope_error < PRIOR)
    late = late - level - slope * number
    first, step = origin + level, period + slope
    blocks = (number * period // LEVEL).astype(np.int64)
    fits = _stays_near(number * period, late, spread, latency) and not _strays(number, late / period, counts.packet)
    if blocks[-1] < 3:
        return first, step, None, fits
    starts = np.flatnonzero(np.concatenate(([True], np.diff(blocks) > 0)))
    sizes = np.diff(np.append(starts, times.size))
    middle = np.add.reduceat(number, starts) / sizes
    height = np.array([_mean_of_most(late[a : a + n]) for a, n in zip(starts, sizes, strict=True)])
    error = spread * np.sqrt(counts.packet / sizes)
    whole = sizes * period > 0.25 * LEVEL
    bent = np.abs(height) > BENT * period + 4 * error
    if not (bent & whole).any():
        return first, step, None, fits
    if whole.sum() >= 3 and counts.noise >= HIDING and counts.packet == 1:
        away = 1.4826 * float(np.median(np.abs(height[whole])))
        if away > 2 * spread + LATENCY + WANDER * number[-1] * period:
            return first, step, None, False
    middle, height = middle[whole], height[whole]
    ends = (number[0], number[-1])
    near = min(3, middle.size - 1)
    slopes = [np.diff(height[[i, j]])[0] / np.diff(middle[[i, j]])[0] for i, j in ((0, near), (-1 - near, -1))]
    x = np.concatenate(([ends[0]], middle, [ends[1]]))
    y = np.concatenate(
        (
            [height[0] + slopes[0] * (ends[0] - middle[0])],
            height,
            [height[-1] + slopes[1] * (ends[1] - middle[-1])],
        )
    )
    bend = np.interp(number, x, y)
    fits = fits or (
        _stays_near(number * period, late - bend, spread, latency)
        and not _strays(number, (late - bend) / period, counts.packet)
    )
    return first, step, first + number * step + bend, fits


def _stays_near(seconds: np.ndarray, late: np.ndarray, spread: float, latency: float) -> bool:
    """Whether stamps, averaged over eight seconds, stay near the clock."""
    blocks = seconds // 8.0
    starts = np.flatnonzero(np.concatenate(([True], np.diff(blocks) > 0)))
    means = np.add.reduceat(late, starts) / np.diff(np.append(starts, late.size))
    return 1.4826 * float(np.median(np.abs(means - np.median(means)))) <= 0.5 * spread + latency


def _strays(number: np.ndarray, late: np.ndarray, packet: int) -> bool:
    """Whether lost samples were only seen because stamps stray from any clock: then neighbours are late together."""
    n_lost = number[-1] + 1 - number.size
    if packet > 1 or n_lost < MANY_LOST * number.size or np.std(late) < 0.1:
        return False
    a, b = np.clip(late[:-1], -2, 2), np.clip(late[1:], -2, 2)
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).mean()) > TOGETHER * math.sqrt(float((a * a).mean() * (b * b).mean()))


def _robust_line(number: np.ndarray, late: np.ndarray, with_slope: bool) -> tuple[float, float]:
    """Level and slope of a straight line, twice without what lies furthest from it."""
    level, slope = float(np.median(late)), 0.0
    if with_slope and number[-1] > 0:
        half = number.size // 2
        apart = float(np.median(number[half:]) - np.median(number[:half]))
        if apart > 0:
            slope = float(np.median(late[half:]) - np.median(late[:half])) / apart
        level = float(np.median(late - slope * number))
    for _ in range(2):
        away = np.abs(late - level - slope * number)
        near = away <= max(4 * 1.4826 * float(np.median(away)), 1e-9 * max(abs(level), 1e-3))
        x, y = number[near].astype(np.float64), late[near]
        if not with_slope or x.size < 3 or x[-1] <= x[0]:
            level = float(y.mean()) if y.size else level
            continue
        middle = x.mean()
        slope = float(((x - middle) * (y - y.mean())).sum() / ((x - middle) ** 2).sum())
        level = float(y.mean() - slope * middle)
    return level, slope


def _mean_of_most(late: np.ndarray) -> float:
    middle = np.median(late)
    away = np.abs(late - middle)
    return float(late[away <= 4 * 1.4826 * np.median(away) + 1e-12].mean())


def _regimes(times: np.ndarray) -> list[tuple[int, int]]:
    """Parts of a recording whose rates differ clearly."""
    n = times.size
    n_blocks = n // BLOCK
    if n_blocks < 8:
        return [(0, n)]
    edges = np.arange(n_blocks + 1) * BLOCK
    edges[-1] = n - 1
    each = np.diff(times[edges]) / np.diff(edges)
    usual = np.median(np.lib.stride_tricks.sliding_window_view(each, 4), axis=1)
    before, after = usual[: n_blocks - 7], usual[4:]
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.nan_to_num(np.abs(np.log(after / before)), nan=0.0, posinf=0.0)
    cuts: list[int] = []
    while change.size and change.max() > CHANGE and len(cuts) <= MOST_CHANGES * n:
        at = int(np.argmax(change))
        cuts.append(_where(times, int(edges[at + 4]), float(before[at]), float(after[at])))
        change[max(0, at - 4) : at + 5] = 0.0
    if len(cuts) > max(1, MOST_CHANGES * n):
        return [(0, n)]
    marks = [0, *sorted(cuts), n]
    return [(a, b) for a, b in pairwise(marks) if b > a]


def _where(times: np.ndarray, near: int, before: float, after: float) -> int:
    """Sample at which the mean spacing changes."""
    low, high = max(near - 3 * BLOCK, 0), min(near + 3 * BLOCK, times.size - 1)
    steps = np.minimum(np.diff(times[low : high + 1]), 3 * max(before, after))
    gain = np.cumsum((steps - 0.5 * (before + after)) * np.sign(after - before))
    return low + 1 + int(np.argmin(gain))
