"""How output samples lie among input samples, and the weights that read them there."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from biosig_kernels.resampling import Clock, resample_rows
from biosig_kernels.threads import over_rows

ATTENUATION = 110.0  # dB, of everything that would be an alias
PASS_EDGE = 0.9  # of the lower Nyquist rate; from there the response falls to ATTENUATION at the Nyquist rate itself
MOST_PHASES = 1024  # ratios p / q up to this q are exact; straight lines between so many err by about -118 dB
SAME_RATIO = 1e-12  # relative; a week at 100 Hz drifts by less than a ten-thousandth of a sample
PIECE = 1 << 15  # output samples that are computed at a time: their input stays in the cache


class Interpolator(NamedTuple):
    """What `resample_rows` needs to know about a ratio of rates."""

    clock: Clock
    table: np.ndarray

    @property
    def half(self) -> int:
        """Input samples read on either side of a position."""
        return self.table.shape[1] // 2

    def base(self, j: int) -> int:
        """Index of the last input sample that is not after output sample `j`."""
        clock = self.clock
        if clock.up:
            whole, remainder = divmod(j * clock.down, clock.up)
            return int(clock.whole + whole + clock.carry[remainder])
        return math.floor(clock.first + j * clock.step)

    def reach(self, j0: int, j1: int, n_in: int | None, max_gap: float) -> tuple[int, int]:
        """Input samples ``lo:hi`` that decide the outputs ``j0:j1``, bridges over gaps of `max_gap` samples included.

        `n_in` is the length of the input, None where its end is not known yet.
        """
        margin = self.half + 2 + (1 << 62 if math.isinf(max_gap) else math.ceil(max_gap))
        lo, hi = self.base(j0) - margin, self.base(j1 - 1) + margin + 1
        return max(lo, 0), hi if n_in is None else max(min(hi, n_in), 0)


@lru_cache(maxsize=32)
def interpolator(rate: float, target_rate: float, first: float, dtype: np.dtype) -> Interpolator:
    """Weights and positions for outputs that begin `first` input samples after the first one."""
    step = rate / target_rate
    first = round(first, 9)
    exact = Fraction(step).limit_denominator(MOST_PHASES)
    none = np.zeros(1, np.int64)
    if abs(float(exact) - step) > SAME_RATIO * step:
        n_phases = max(64, math.ceil(MOST_PHASES * min(1.0, 1 / step)))
        return Interpolator(Clock(0, 0, 0, none, none, first, step), _phases(n_phases, 1 / step, dtype))
    up, down = exact.denominator, exact.numerator
    whole = math.floor(first)
    fractions = (first - whole) + np.arange(up) / up
    carry = np.floor(fractions + 1e-12).astype(np.int64)
    fractions = np.clip(fractions - carry, 0.0, None)
    same_grid = up == down == 1 and fractions[0] == 0  # then there is nothing to filter
    table = np.array([[1, 0]], dtype) if same_grid else _weights(fractions, 1 / step, dtype)
    near = carry + (fractions >= 0.5)
    return Interpolator(Clock(whole, up, down, carry, near, first, step), table)


@lru_cache(maxsize=32)
def _phases(n_phases: int, ratio: float, dtype: np.dtype) -> np.ndarray:
    return _weights(np.arange(n_phases + 1) / n_phases, ratio, dtype)


def _weights(fractions: np.ndarray, ratio: float, dtype: np.dtype) -> np.ndarray:
    """Rows of a Kaiser-windowed sinc for positions that lie `fractions` of a sample after a sample.

    `ratio` is the target rate over the given rate. Returns (n, 2 * half); each row sums to one, so that levels are kept
    exactly.
    """
    scale = min(1.0, ratio)  # the lower of the two rates, in given samples
    beta = 0.1102 * (ATTENUATION - 8.7)
    transition = math.pi * (1 - PASS_EDGE) * scale  # rad per sample
    half = 8 * math.ceil(((ATTENUATION - 7.95) / (2.285 * transition) + 1) / 16)  # whole vector registers
    distance = np.arange(1 - half, half + 1) - fractions[:, None]
    cutoff = 0.5 * (1 + PASS_EDGE) * scale
    window = np.i0(beta * np.sqrt(np.clip(1 - (distance / half) ** 2, 0, None)))
    table = np.sinc(cutoff * distance) * window
    table /= table.sum(axis=1, keepdims=True)
    table = np.ascontiguousarray(table, dtype=dtype)
    table.flags.writeable = False
    return table


def resample_values(values: np.ndarray, how: Interpolator, n_out: int, max_gap: float, n_jobs=None) -> np.ndarray:
    """Outputs ``0:n_out`` of rows (n_rows, n_in), all of them next to the samples; `max_gap` in samples.

    Long rows are computed piece by piece, which changes no bit of the result.
    """
    n_rows, n_in = values.shape
    out = np.empty((n_rows, n_out), values.dtype)
    n_pieces = max(1, -(-n_out // PIECE))

    def work(start: int, stop: int) -> None:
        if n_pieces == 1:
            resample_rows(values, 0, how.clock, how.table, max_gap, 0, out, start, stop)
            return
        for task in range(start, stop):
            r, piece = divmod(task, n_pieces)
            j0, j1 = piece * PIECE, min((piece + 1) * PIECE, n_out)
            lo, hi = how.reach(j0, j1, n_in, max_gap)
            part = values[r : r + 1, lo:hi]
            resample_rows(part, lo, how.clock, how.table, max_gap, j0, out[r : r + 1, j0:j1], 0, 1)

    over_rows(work, n_rows * n_pieces, n_jobs)
    return out
