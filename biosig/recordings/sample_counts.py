"""From time stamps to counts of the device's own clock: packets, jitter and lost samples understood."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from biosig_kernels.counting import count_lost, score_periods

PIECES = 16  # of a recording, that are looked at for its rate
SIZE = 256  # stamps of a piece
PRICE = 4.0, 20.0, 24.0  # of a place with lost samples: least, more with the square of the noise, most
UNHEARD = 1e6  # a price for which single samples are never lost
LEAST_NOISE = 0.03  # samples
SHORTER = 0.31  # of the time between samples received: up to so many may be lost
FINE = 0.0025  # relative, from one candidate for the period to the next
TINY = 0.25  # of the mean spacing: samples closer than that arrived together
HIDING = 0.4  # samples of noise, from which on single lost samples cannot be seen
LATTICE = 0.25  # samples; steps this near to whole numbers of samples are a plain clock's
LONG = 4.5  # samples; a gap may be of any length
MOST_COPIES = 1.3
MANY_TINY = 0.25  # of the steps


class Counts(NamedTuple):
    """Which tick of the device's clock each sample belongs to."""

    number: np.ndarray  # int64, (n,), never falls; equal only for copies
    period: float  # s
    noise: float  # samples, spread of the stamps
    packet: int  # samples of a packet, 1 where they come one by one


def spacing(times: np.ndarray) -> float:
    """Median over pieces of the mean spacing (s); lost samples lengthen it, copies shorten it."""
    n = times.size
    for size in (
        min(SIZE, max(n // 4, 16), n),
        min(64 * SIZE, n),
    ):  # the longer ones where a stamp stands for hundreds of samples
        begins = _begins(n, size)
        each = (times[begins + size - 1] - times[begins]) / max(size - 1, 1)
        if (each > 0).all():
            break
    middle = float(np.median(each))
    return middle if middle > 0 else float(times[-1] - times[0]) / max(n - 1, 1)


def plain_spacing(times: np.ndarray) -> float | None:
    """Usual spacing (s) where nearly all steps are whole numbers of it, so that stamps need no second look."""
    n = times.size
    chosen = np.arange(0, n - 1, max(1, (n - 1) // 20_000))
    steps = times[chosen + 1] - times[chosen]
    positive = steps[steps > 0]
    if positive.size < max(1, 0.5 * steps.size):
        return None
    middle = float(np.median(positive))
    ratio = middle / spacing(times)
    if not 0.5 < ratio < MOST_COPIES:
        return None
    samples = positive / middle
    near = np.abs(samples - np.round(samples)) < LATTICE
    near &= samples > 0.5
    near |= samples > LONG
    if near.mean() < 0.98 or np.std(samples[np.abs(samples - 1) < 0.5]) > 0.6 * LATTICE:
        return None
    if positive.size < 0.99 * steps.size and _all_count(times):
        return None
    return middle


def _all_count(times: np.ndarray) -> bool:
    """Whether repeated stamps are samples of their own, and not copies: then counting all of them gives a clock."""
    size = min(1024, times.size)
    spreads = []
    for begin in _begins(times.size, size, 8):
        part = times[begin : begin + size]
        line = np.polyval(np.polyfit(np.arange(size), part - part[0], 1), np.arange(size))
        spreads.append(np.std(part - part[0] - line) * size / max(part[-1] - part[0], 1e-300))
    return float(np.median(spreads)) < 0.6


def _begins(n: int, size: int, pieces: int = PIECES) -> np.ndarray:
    return np.unique(np.linspace(0, n - size, max(1, min(pieces, n // size)))).astype(np.int64)


def _look(index: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, int, float, float]:
    """Begins and size of pieces without long gaps, the mean spacing in them (s) and the noise (samples)."""
    n = times.size
    size = min(SIZE, n)
    begins = _begins(n, size)
    gained = (index[begins + size - 1] - index[begins]).astype(float)
    each = (times[begins + size - 1] - times[begins]) / np.maximum(gained, 1)
    rough = float(np.median(each[gained > 0]))
    apart = np.abs(each / rough - 1)
    begins = begins[apart <= max(0.25, float(np.median(apart)))]
    at = (begins[:, None] + np.arange(size - 1)).ravel()
    off = (times[at + 1] - times[at]) / rough - (index[at + 1] - index[at])
    if (off < TINY - 1).mean() > MANY_TINY:  # stamps that overtook each other were put in order, which hides jitter
        noise = _noise_about_lines(index, times, begins, size)
    else:
        noise = 1.4826 * float(np.median(np.abs(off - np.median(off)))) / np.sqrt(2)
        if noise < LEAST_NOISE:  # coarse stamps have few kinds of steps
            low, high = np.quantile(off, [0.2, 0.7])
            noise = float(high - low) / 1.366 / np.sqrt(2)
    return begins, size, rough, max(noise, LEAST_NOISE)


def hides_lost_samples(times: np.ndarray) -> bool:
    """Whether stamps jitter so much that single lost samples cannot be seen."""
    if plain_spacing(times) is not None or _packets(times) is not None:
        return False
    return _look(np.arange(times.size), times)[3] >= HIDING


def _clock_period(index: np.ndarray, times: np.ndarray) -> tuple[float, float]:
    """Period (s) and noise (samples) of stamps that jitter; `index` numbers the samples received."""
    begins, size, rough, noise = _look(index, times)
    periods = rough * np.arange(1.01, 1 - SHORTER, -FINE)
    price = price_of(noise)
    cost, fitted = (np.empty((begins.size, periods.size)) for _ in range(2))
    score_periods(index, times, begins, size, periods, noise, price, 1, cost, fitted)
    best = periods[np.argsort(cost.sum(axis=0))[:3]]
    cost, fitted = (np.empty((begins.size, best.size)) for _ in range(2))
    score_periods(index, times, begins, size, best, noise, price, 3, cost, fitted)
    return float(np.median(fitted[:, int(np.argmin(cost.sum(axis=0)))])), noise


def _unbroken_period(times: np.ndarray) -> float:
    """Period (s) from straight lines through long pieces, if no sample of them is lost."""
    size = min(4096, times.size)
    count = np.arange(size)
    slopes = [np.polyfit(count, times[b : b + size] - times[b], 1)[0] for b in _begins(times.size, size)]
    return float(np.median(slopes))


def price_of(noise: float) -> float:
    """Price of a place with lost samples: it takes more to see one through more noise."""
    least, more, most = PRICE
    return min(least + more * noise**2, most)


def _noise_about_lines(index, times, begins, size) -> float:
    """Spread of stamps about straight lines through 64 of them, in samples."""
    n = min(64, size)
    spreads = []
    for begin in begins:
        part, counts = times[begin : begin + n], index[begin : begin + n] - index[begin]
        slope, level = np.polyfit(counts, part - part[0], 1)
        spreads.append(np.std(part - part[0] - slope * counts - level) / slope)
    return float(np.median(spreads))


def count_samples(times: np.ndarray, *, single: bool = True) -> Counts:
    """Counts of the device's clock for sorted `times` (s, two or more distinct) of one rate throughout.

    Where `single` samples are not looked for, only long gaps count as lost: right where jitter hides single ones.
    """
    packets = _packets(times)
    if packets is not None:
        return packets
    if not single:
        index = np.arange(times.size)
        period, noise = _unbroken_period(times), _look(index, times)[3]
        lost = np.empty(times.size, np.int64)
        count_lost(index, times, period, noise, UNHEARD, lost)
        return Counts(index + lost, period, noise, 1)
    index = np.arange(times.size)
    plain = plain_spacing(times)
    if plain is not None and (np.diff(times) <= 0).any() and not _all_count(times):
        index = np.cumsum(np.concatenate(([0], (np.diff(times) > 0).astype(np.int64))))
    if plain is not None:
        kept = np.concatenate(([True], np.diff(index) > 0)) if index[-1] < times.size - 1 else slice(None)
        steps = np.diff(times[kept]) / plain
        regular = steps[np.abs(steps - 1) < 0.5]
        period, noise = plain * float(regular.mean()), max(float(regular.std()), LEAST_NOISE)
        if noise == LEAST_NOISE and index[-1] == times.size - 1:
            ticks = np.round(np.diff(times) / period)
            clear = (np.abs(np.diff(times) / period - ticks) < LATTICE) | (ticks > LONG)
            if clear.all() and ticks.min() >= 1:  # each step can be counted by itself
                return Counts(np.concatenate(([0], np.cumsum(ticks).astype(np.int64))), period, noise, 1)
    else:
        period, noise = _clock_period(index, times)
    lost = np.empty(times.size, np.int64)
    count_lost(index, times, period, noise, price_of(noise), lost)
    return Counts(index + lost, period, noise, 1)


def _packets(times: np.ndarray) -> Counts | None:
    """Counts where samples come in packets of one size, most of them whole; None where they do not."""
    steps = np.diff(times)
    together = steps < TINY * spacing(times)
    if together.mean() < 0.5:
        return None
    last = np.append(np.flatnonzero(~together), times.size - 1)
    size = np.diff(np.append(-1, last))
    if size.size < 6:
        return None
    inner = size[1:-1]
    sizes, often = np.unique(inner, return_counts=True)
    usual = sizes[np.argmax(often)]
    full = int(usual)
    if often.max() < 0.6 * inner.size:  # so many lack samples that few are whole
        full = int(sizes[(often >= max(3, 0.01 * inner.size)) & (sizes < 1.5 * usual)].max(initial=usual))
    if full < 3:
        return None
    parts = np.maximum(np.round(size / full), 1).astype(np.int64)
    short = parts * full - size
    if np.mean((short[1:-1] >= 0) & (short[1:-1] <= 0.5 * full)) < 0.8 or _sizes_set_the_pace(times[last], size, full):
        return None
    index = np.cumsum(parts)
    plain = plain_spacing(times[last])
    if plain is not None and (parts == 1).all():
        along = np.diff(times[last]) / plain
        regular = along[np.abs(along - 1) < 0.5]
        period, noise = plain * float(regular.mean()), max(float(regular.std()), LEAST_NOISE)
    else:
        period, noise = _clock_period(index, times[last])
    lost = np.empty(last.size, np.int64)
    count_lost(index, times[last], period, noise, price_of(noise), lost)
    number = _within_packets(steps, last, size, short, (index + lost) * full - 1)
    if parts[-1] == 1:  # the last one may have been cut off
        number[last[-1] + 1 - size[-1] :] = number[last[-1] + 1 - size[-1]] + np.arange(size[-1])
    return Counts(number - number[0], period / full, noise * full, full)


def _sizes_set_the_pace(times: np.ndarray, size: np.ndarray, full: int) -> bool:
    """Whether smaller packets come sooner: then they are whole, and sizes simply vary."""
    steps = np.diff(times)
    whole, less = steps[size[1:] == full], steps[size[1:] < full]
    if min(whole.size, less.size) < 10:
        return False
    usual = float(np.median(whole))
    expected = usual * (1 - float(np.median(size[1:][size[1:] < full])) / full)
    return usual - float(np.median(less)) > 0.5 * expected


def _within_packets(steps, last, size, short, number) -> np.ndarray:
    """Counts of single samples; what a packet lacks is missing in its widest step, or in its middle where none is."""
    first = last - size + 1
    packet = np.repeat(np.arange(last.size), size)
    counts = number[packet] - (last[packet] - np.arange(packet.size))
    inside = np.delete(steps, last[:-1])
    usual = float(np.median(inside)) if inside.size else 0.0
    for p in np.flatnonzero(short > 0):
        own = steps[first[p] : last[p]]
        wide = own.size and usual > 0 and own.max() > 1.6 * usual
        at = int(np.argmax(own)) + 1 if wide else size[p] // 2
        counts[first[p] : first[p] + at] -= short[p]
    return counts
