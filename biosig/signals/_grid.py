"""Samples with time stamps of their own, read on an even grid in pieces of any size."""

from __future__ import annotations

import math

import numpy as np
from biosig_kernels.resampling import grid_rows, mark_measured, resample_rows
from biosig_kernels.threads import over_rows
from biosig_kernels.timestamps import is_even, regular_spacing

from biosig.signals._clock import PIECE, interpolator

CLOCK_JITTER = 0.5  # samples; devices sample evenly, and time stamps that differ by less tell of their transport
STAMP_JITTER = 0.02  # samples; where the caller says that the time stamps are uneven, they are believed
BARELY = (
    0.02  # samples; a plain number of Hz whose clock fits the time stamps this well beside the measured one is right
)
NEARLY = 1e-4  # relative; where samples are read between their time stamps, any rate so near the measured one will do
REPEATED = 0.2  # of the usual spacing; samples closer than that are one sample
GAUGES = 20_000  # spacings that tell the usual one


def measured_rate(times) -> float:
    """Sampling rate in Hz from sorted time stamps in seconds.

    The median spacing (of up to 20,000 evenly spread over the recording) gives a first idea; gaps (more than 1.5 times
    as long) and repeats are left out of the mean that is returned, so that neither rounding of the time stamps nor
    dropouts bend it.
    """
    chosen = np.arange(0, times.size - 1, max(1, (times.size - 1) // GAUGES))
    gauge = times[chosen + 1] - times[chosen]
    if not (gauge > 0).any():
        gauge = np.diff(np.unique(times))
    middle = float(np.median(gauge[gauge > 0]))
    total, count = regular_spacing(times, 0.5 * middle, 1.5 * middle)
    return count / total if count else 1 / middle


def steady_clock(times, jitter: float) -> tuple[float, bool]:
    """Sampling rate in Hz, and whether all sorted time stamps lie within `jitter` samples of a clock of that rate.

    Time stamps that jitter leave the last digits of the measured rate to chance. A rate of two decimals or fewer is
    returned in its place where its clock fits them as well: then the ratio to another rate is exact, for which
    resampling is fastest.
    """
    rate = measured_rate(times)
    chosen = np.arange(0, times.size, max(1, times.size // GAUGES))
    elapsed = times[chosen] - times[0]
    furthest = lambda hertz: float(np.abs(elapsed * hertz - chosen).max())
    within = furthest(rate) + BARELY
    candidates = [round(rate, digits) for digits in range(3)]
    for hertz in (*candidates, rate):
        if furthest(hertz) <= within and is_even(times, hertz, jitter):
            return hertz, True
    near = [hertz for hertz in candidates if abs(hertz - rate) < NEARLY * rate]
    return (near or [rate])[0], False


class GridReader:
    """Rows of samples with sorted time stamps, as values of the grid ``start + j / target_rate``.

    A piece of the grid reads only the samples about it, and does not depend on how the grid is cut into pieces. Time
    stamps near an even clock are replaced by that clock; others are merged where they repeat and
    read at their measured rate first (cubic Hermite pieces, straight lines across short gaps).

    Parameters
    ----------
    times : ndarray of float64, shape (n_in,)
        Seconds, sorted, at least two distinct.
    values : ndarray, shape (n_rows, n_in)
        Any strides and any kind of real number.
    target_rate, start, max_gap : float
        Hz, s, s.
    clock : (float, bool)
        What `steady_clock` tells of the time stamps.
    dtype : dtype
        float32 or float64, of the values that are returned.
    counts : ndarray of int64, shape (n_in,), optional
        Which tick of an even clock each sample belongs to, from 0 on; ticks without a sample are missing. All in a row
        by default.
    """

    def __init__(self, times, values, target_rate, start, max_gap, clock, *, dtype=np.float32, counts=None):
        self.times, self.values, self.dtype = times, values, np.dtype(dtype)
        self.rate, self.even = clock
        self.first_time = float(times[0])
        self.max_gap = max_gap
        self.counts = counts if counts is not None and counts[-1] != times.size - 1 else None
        n_ticks = times.size if self.counts is None else int(counts[-1]) + 1
        self.n_in = n_ticks if self.even else max(1, math.floor((times[-1] - times[0]) * self.rate + 0.5) + 1)
        self.most = max_gap * self.rate + 1e-6 if self.even else 0.0  # of uneven stamps, gaps were bridged before
        self.how = interpolator(self.rate, target_rate, (start - self.first_time) * self.rate, self.dtype)
        step, first = self.how.clock.step, self.how.clock.first
        # Only positions next to the samples can be read; the rest of the grid is missing.
        self.begin = max(0, math.ceil((-0.5 - first) / step - 1e-9))
        self.end = math.floor((self.n_in - 0.5 - first) / step - 1e-9) + 1

    def read(self, j0: int, j1: int) -> tuple[np.ndarray, np.ndarray]:
        """Values (n_rows, j1 - j0), NaN where missing, and whether the samples nearest to them were measured."""
        out = np.empty((len(self.values), j1 - j0), self.dtype)
        measured = np.zeros(j1 - j0, np.bool_)
        begin, end = max(j0, self.begin), min(j1, self.end)
        if (begin, end) != (j0, j1):
            out[:] = np.nan
        if end <= begin:
            return out, measured
        lo, hi = self.how.reach(begin, end, self.n_in, self.most)
        part = out if (begin, end) == (j0, j1) else np.empty((len(out), end - begin), self.dtype)
        inner = measured[begin - j0 : end - j0]
        if self.even:
            piece = self._ticks(lo, hi)
            mark_measured(piece, lo, self.how.clock, begin, inner)
        else:
            piece, times, finite = self._even_out(lo, hi)
            clock = self.how.clock
            wanted = self.first_time + (clock.first + np.arange(begin, end) * clock.step) / self.rate
            right = np.clip(np.searchsorted(times, wanted), 1, times.size - 1) if times.size > 1 else np.zeros(0, int)
            if right.size:
                nearest = right - (wanted - times[right - 1] < times[right] - wanted)
                inner[:] = finite[nearest] & (np.abs(times[nearest] - wanted) <= 1.0 / self.rate)
        resample_rows(piece, lo, self.how.clock, self.how.table, self.most, begin, part, 0, len(part))
        if part is not out:
            out[:, begin - j0 : end - j0] = part
        return out, measured

    def read_all(self, n_samples: int, n_jobs=None) -> np.ndarray:
        """Values (n_rows, n_samples) from the start of the grid, computed piece by piece in threads."""
        out = np.empty((len(self.values), n_samples), self.dtype)
        n_pieces = -(-n_samples // PIECE)

        def work(start: int, stop: int) -> None:
            for piece in range(start, stop):
                j0, j1 = piece * PIECE, min((piece + 1) * PIECE, n_samples)
                out[:, j0:j1] = self.read(j0, j1)[0]

        over_rows(work, n_pieces, n_jobs)
        return out

    def samples(self, j0: int, j1: int) -> tuple[int, int]:
        """Raw samples ``lo:hi`` that fall into the time of the grid points ``j0:j1``."""
        clock = self.how.clock
        lo, hi = clock.first + j0 * clock.step - 0.5, clock.first + j1 * clock.step - 0.5
        if self.even:
            ticks = min(max(math.ceil(lo), 0), self.n_in), min(max(math.ceil(hi), 0), self.n_in)
            if self.counts is None:
                return ticks
            a, b = np.searchsorted(self.counts, ticks)
            return int(a), int(b)
        edges = self.first_time + np.array([lo, hi]) / self.rate
        a, b = np.searchsorted(self.times, edges)
        return int(a), int(b)

    def _raw(self, lo: int, hi: int) -> np.ndarray:
        with np.errstate(over="ignore"):  # beyond float32 is infinite, so missing
            return np.ascontiguousarray(self.values[:, lo:hi], dtype=self.dtype)

    def _ticks(self, lo: int, hi: int) -> np.ndarray:
        """Samples of the ticks ``lo:hi``, NaN where one is lost."""
        if self.counts is None:
            return self._raw(lo, hi)
        a, b = np.searchsorted(self.counts, [lo, hi])
        ticks = np.full((len(self.values), hi - lo), np.nan, self.dtype)
        ticks[:, self.counts[a:b] - lo] = self._raw(int(a), int(b))
        return ticks

    def _even_out(self, lo: int, hi: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Samples ``lo:hi`` of the even clock, the time stamps about them, and which of these were measured."""
        step = 1 / self.rate
        # A gap is measured between its two ends, so one lost sample makes two spacings.
        max_gap = self.max_gap + step
        margin = 2 * max_gap + 8 * step
        a = int(np.searchsorted(self.times, self.first_time + lo * step - margin))
        b = int(np.searchsorted(self.times, self.first_time + hi * step + margin, side="right"))
        times = self.times[a:b]
        values = self._raw(a, b)
        even = np.empty((len(values), hi - lo), self.dtype)
        fresh = np.concatenate((np.ones(min(1, times.size), bool), np.diff(times) > REPEATED * step))
        if not fresh.all():
            group = np.cumsum(fresh) - 1
            times = np.bincount(group, times) / np.bincount(group)
            seen = np.isfinite(values)
            count = np.stack([np.bincount(group, row) for row in seen])
            total = np.stack([np.bincount(group, row) for row in np.where(seen, values, 0.0)])
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                values = (total / count).astype(self.dtype)
        grid_rows(times, values, self.first_time, step, 1.5 * step, max_gap, lo, even, 0, len(values))
        return even, times, np.isfinite(values).all(axis=0)
