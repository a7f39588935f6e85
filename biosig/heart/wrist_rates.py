"""Rates in the spectra of a carrier: the highest peak of each window, or a path through all of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from biosig_kernels.threads import over_rows
from biosig_kernels.wrist_rates import (
    evidence_rows,
    path_rows,
    peak_rows,
    power_rows,
    taper_windows,
    trace_path,
)

LOWEST = 0.5  # Hz, from there on power counts as pulse or noise
SPREAD = 0.1  # Hz on each side of a rate that belong to it, at least
LOBE = 2.0  # the main lobe of a Hann window reaches so many times 1 / length to each side
PADDING = 2  # transforms are so many times longer than windows: the parabola does the rest
FASTEST_CHANGE = 1 / 60  # Hz a second, of the rate along a path
CHANGE_COST = 200.0  # evidence that a change of the rate of 1 Hz within 10 s costs, times the change


class Bins(NamedTuple):
    """Where things are in a spectrum, in bins of `width` Hz."""

    size: int
    width: float
    begin: int
    low: int
    high: int
    near: int
    n_bins: int
    slowest: float  # Hz, as `fastest`: no rate lies beyond
    fastest: float


def find_bins(n: int, carrier_rate: float, rates: tuple[float, float]) -> Bins:
    """Bins for windows of `n` samples, whose rates all lie between two `rates` (Hz)."""
    size = PADDING * n
    width = carrier_rate / size
    near = max(1, round(max(SPREAD, LOBE * carrier_rate / n) / width))
    low = max(1, math.ceil(rates[0] / width - 1e-9))
    high = max(low, math.floor(rates[1] / width + 1e-9))
    return Bins(
        size, width, math.ceil(LOWEST / width - 1e-9), low, high, near, min(2 * (high + near), size // 2) + 1, *rates
    )


def window_powers(carrier, scale, rows, firsts, n: int, bins: Bins, limit: float, n_jobs=None) -> np.ndarray:
    """Power spectra (n_windows, n_bins) float32 of windows of `n` samples, each with sum one or zero."""
    import scipy.fft

    taper = np.hanning(n + 2)[1:-1].astype(np.float32)
    power = np.empty((len(rows), bins.n_bins), np.float32)
    block = max(1, (1 << 15) // bins.size)  # spectra are read while still in the cache

    def work(start: int, stop: int) -> None:
        tapered = np.empty((min(block, stop - start), n), np.float32)
        for begin in range(start, stop, block):
            end = min(begin + block, stop)
            taper_windows(carrier, scale, rows, firsts, taper, limit, tapered, begin, end)
            power_rows(scipy.fft.rfft(tapered[: end - begin], bins.size), power, begin)

    over_rows(work, len(rows), n_jobs, grain=8)
    return power


def peaks(power: np.ndarray, bins: Bins, n_jobs=None) -> tuple[np.ndarray, np.ndarray]:
    """Rate (Hz) and confidence of the highest local peak of each spectrum; NaN where there is none."""
    rates, confidence = np.empty(len(power)), np.empty(len(power))
    slowest, fastest = bins.slowest / bins.width, bins.fastest / bins.width
    over_rows(
        lambda a, b: peak_rows(power, bins.begin, slowest, fastest, bins.near, rates, confidence, a, b),
        len(power),
        n_jobs,
        grain=256,
    )
    return np.clip(rates * bins.width, bins.slowest, bins.fastest), confidence  # of rounding errors only


def trace(power: np.ndarray, usable: np.ndarray, bins: Bins, stride: float, n_jobs=None):
    """Rate (Hz) and confidence along the best path through the spectra (n_windows, n_bins) of one recording.

    Parameters
    ----------
    power : ndarray of float32
    usable : ndarray of bool, shape (n_windows,)
        Windows that are not give no evidence: the path passes through them as it costs least.
    bins : Bins
    stride : float
        Seconds from one window to the next.
    """
    evidence = np.zeros((len(power), bins.high - bins.low + 1), np.float32)
    over_rows(
        lambda a, b: evidence_rows(power, bins.begin, bins.low, bins.near, evidence, a, b),
        len(power),
        n_jobs,
        grain=256,
    )
    evidence[~usable] = 0.0
    widest = min(max(1, round(FASTEST_CHANGE * stride / bins.width)), evidence.shape[1] - 1)
    path = np.empty(len(power), np.int64)
    trace_path(evidence, widest, CHANGE_COST * 10.0 / stride * bins.width**2, path)
    rates, confidence = np.empty(len(power)), np.empty(len(power))
    slowest, fastest = bins.slowest / bins.width, bins.fastest / bins.width
    over_rows(
        lambda a, b: path_rows(power, bins.begin, bins.low, slowest, fastest, bins.near, path, rates, confidence, a, b),
        len(power),
        n_jobs,
        grain=256,
    )
    return np.clip(rates * bins.width, bins.slowest, bins.fastest), confidence  # of rounding errors only
