"""Readers of sensors whose stamps were put on the device's clock, and which parts of a grid hold samples at all."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from biosig_kernels.timestamps import is_sorted

from biosig.recordings.device_clock import DeviceClock, Stretch, device_clock, rate_of
from biosig.signals._grid import BARELY, CLOCK_JITTER, STAMP_JITTER, GridReader, steady_clock

KEPT = ("clock", "jitter_ms", "n_lost", "n_gaps")  # of a clock's record, in the attributes of what was made with it


class SensorClock(NamedTuple):
    """How the stamps of one sensor are read."""

    times: np.ndarray  # s, of the samples, sorted
    rate: float  # Hz
    even: bool  # whether all samples lie next to one clock of that rate
    device: DeviceClock | None  # where they had to be put on a clock first
    record: dict[str, Any]  # what was done; empty where nothing had to be


def find_clock(times: np.ndarray, evenly: bool) -> SensorClock:
    """Choose how sorted time stamps (s) are read: as a steady clock, put on the device's clock, or as they are."""
    rate, even = steady_clock(times, CLOCK_JITTER if evenly else STAMP_JITTER)
    if even:
        return SensorClock(times, rate, True, None, {})
    if not evenly:
        return SensorClock(times, rate_of(times)[0], False, None, {"clock": "stamps"})
    device = device_clock(times)
    record = {name: device.record[name] for name in KEPT}
    if record["clock"] == "stamps":
        return SensorClock(times, rate_of(times)[0], False, None, {"clock": "stamps"})
    own = device.times if is_sorted(device.times) else np.maximum.accumulate(device.times)
    return SensorClock(own, device.rate, False, device, record)


def make_reader(clock: SensorClock, values, target_rate, start, max_gap, dtype=np.float32):
    """`GridReader` or `StretchReader` of samples (n_rows, n_in) with the given clock."""
    if clock.device is None:
        return GridReader(clock.times, values, target_rate, start, max_gap, (clock.rate, clock.even), dtype=dtype)
    return StretchReader(clock, values, target_rate, start, max_gap, dtype)


class StretchReader:
    """Reads several stretches, each on its own clock, as values of one grid; the same methods as `GridReader`.

    No gap between stretches is bridged: they are 30 s apart, or their rates differ.
    """

    def __init__(self, clock: SensorClock, values, target_rate, start, max_gap, dtype):
        assert clock.device is not None
        self.times, self.values, self.dtype = clock.times, values, np.dtype(dtype)
        self.start, self.target_rate = start, target_rate
        self.parts: list[GridReader] = []
        for stretch in clock.device.stretches:
            some = slice(stretch.begin, stretch.end)
            rate, counts = _lattice(stretch, clock.rate)
            self.parts.append(
                GridReader(
                    clock.device.times[some],
                    values[:, some],
                    target_rate,
                    start,
                    max_gap,
                    (rate, counts is not None),
                    dtype=dtype,
                    counts=counts,
                )
            )
        self._begins = np.minimum.accumulate(np.array([part.begin for part in self.parts])[::-1])[::-1]
        self._ends = np.maximum.accumulate(np.array([part.end for part in self.parts]))

    def read(self, j0: int, j1: int) -> tuple[np.ndarray, np.ndarray]:
        """Values (n_rows, j1 - j0), NaN where missing, and whether the samples nearest to them were measured."""
        out = np.full((len(self.values), j1 - j0), np.nan, self.dtype)
        measured = np.zeros(j1 - j0, np.bool_)
        first, last = np.searchsorted(self._ends, j0, side="right"), np.searchsorted(self._begins, j1, side="left")
        for part in self.parts[first:last]:
            a, b = max(j0, part.begin), min(j1, part.end)
            if b > a:
                inner = slice(a - j0, b - j0)
                out[:, inner], measured[inner] = part.read(a, b)
        return out, measured

    def samples(self, j0: int, j1: int) -> tuple[int, int]:
        """Raw samples ``lo:hi`` that fall into the time of the grid points ``j0:j1``."""
        edges = self.start + (np.array([j0, j1]) - 0.5) / self.target_rate
        a, b = np.searchsorted(self.times, edges)
        return int(a), int(b)


def _lattice(stretch: Stretch, usual_rate: float) -> tuple[float, np.ndarray | None]:
    """Rate of a stretch (Hz) and the ticks of its samples, None where they lie on no straight line."""
    n = stretch.end - stretch.begin
    if n == 1 or not np.isfinite(stretch.rate):
        return usual_rate, np.zeros(n, np.int64)
    if not stretch.steady or stretch.counts is None:
        return stretch.rate, None
    for digits in range(3):
        plain = round(stretch.rate, digits)
        if plain > 0 and abs(plain / stretch.rate - 1) * stretch.counts[-1] < BARELY:
            return plain, stretch.counts
    return stretch.rate, stretch.counts


def parts_with_samples(times: np.ndarray, hole: float) -> list[tuple[float, float]]:
    """First and last time of the parts of sorted `times` (s) that lie more than `hole` apart."""
    breaks = np.flatnonzero(np.diff(times) > hole)
    firsts, lasts = np.append(0, breaks + 1), np.append(breaks, times.size - 1)
    return [(float(times[a]), float(times[b])) for a, b in zip(firsts, lasts, strict=True)]


def joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Whole-number ranges ``first:stop``, in order and without overlap."""
    out: list[tuple[int, int]] = []
    for first, stop in sorted(ranges):
        if out and first <= out[-1][1]:
            out[-1] = (out[-1][0], max(stop, out[-1][1]))
        elif stop > first:
            out.append((first, stop))
    return out


def windows_with_samples(all_times, begin: float, rate: float, n_samples: int, n_stride: int, n_windows: int):
    """Numbers of the windows in which at least one sensor has a sample; work follows the samples, not the span."""
    ranges = []
    for times in all_times:
        for first, last in parts_with_samples(times, n_samples / rate):
            a = int(np.ceil(((first - begin) * rate - n_samples + 0.5) / n_stride))
            b = int(np.floor(((last - begin) * rate + 0.5) / n_stride)) + 1
            ranges.append((max(a, 0), min(b, n_windows)))
    parts = [np.arange(a, b) for a, b in joined(ranges)]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
