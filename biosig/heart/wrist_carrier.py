"""How strongly the wrist vibrates over time in the band of the beat: the recipes of the published estimators."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from biosig_kernels.filtering import LANES
from biosig_kernels.gaps import bridge_gaps
from biosig_kernels.threads import over_rows
from biosig_kernels.wrist import EACH, JERK, NORM, carrier_groups, spread_rows

from biosig.signals.filters import filter_values

CARRIER_RATE = 12.0  # Hz, at least: twice the fastest rate and its neighbours stay below half of it
CARRIER_BAND = 5.2  # Hz, kept by the low-pass filter
PIECE_SECONDS = 40.0  # of a recording that goes through the filters at once, margins apart
ATTENUATION = 60.0  # dB, of the low-pass filter and of the Hilbert transformer's ripple


@dataclass(frozen=True)
class Recipe:
    """One published estimator up to the spectrum; frequencies in Hz, times in s."""

    kind: int
    band: tuple[float, float]  # of the vibration
    pulse: tuple[float, float]  # of its strength over time
    rates: tuple[float, float]  # in which the peak is looked for
    average: float = 0.0  # length of the moving average taken away first
    limit: float = 0.0  # of the carrier, in medians of its distance from zero
    traced: bool = False


ORDER = 2
RATES = (40 / 60, 150 / 60)  # Hz
RECIPES = {
    "spectral": Recipe(NORM, (4.0, 11.0), (0.66, 2.5), RATES, average=1 / 7),
    "jerk": Recipe(JERK, (4.0, 14.0), (0.5, 3.5), RATES),
    "pwr": Recipe(EACH, (5.0, 14.0), (0.5, 2.0), (RATES[0], 2.0)),
    "nightbeat": Recipe(NORM, (5.0, 14.0), (0.5, 3.5), RATES, limit=3.0, traced=True),
}
LOWEST_RATE = 20.0  # Hz, of sampling: leaves at least 5 to 9 Hz of the band


@dataclass(frozen=True)
class Design:
    """The filters of a recipe at one sampling rate."""

    sos: np.ndarray
    states: np.ndarray
    hilbert: np.ndarray
    lowpass: np.ndarray
    average: int  # samples on each side
    step: int
    margin: int
    per_piece: int


@lru_cache(maxsize=32)
def design(recipe: Recipe, rate: float) -> Design:
    """Filters of `recipe` for acceleration sampled at `rate` Hz."""
    from scipy.signal import butter, firwin, kaiserord, sos2zpk, sosfilt_zi

    low, high = recipe.band[0], min(recipe.band[1], 0.45 * rate)
    sos = butter(ORDER, (low, high), "bandpass", fs=rate, output="sos")
    slowest = float(np.abs(sos2zpk(sos)[1]).max())
    settled = math.ceil(math.log(1e-7) / math.log(slowest))
    step = max(1, int(rate // CARRIER_RATE))
    lowpass = np.ones(1)
    if step > 1:
        n_taps, beta = kaiserord(ATTENUATION, (rate / step - 2 * CARRIER_BAND) / (rate / 2))
        n_taps |= 1
        lowpass = firwin(n_taps, 0.5 * rate / step, window=("kaiser", beta), fs=rate)[n_taps // 2 :]
    # The transformer must be flat over the band, and falls to nothing at 0 and at half the sampling rate.
    n_taps, beta = kaiserord(ATTENUATION, min(low, rate / 2 - high) / (rate / 2))
    # Their number is even, as the kernel wants it.
    odd = np.arange(1, 4 * -(-n_taps // 8), 2)
    hilbert = 2.0 / (np.pi * odd) * np.kaiser(2 * odd[-1] + 3, beta)[odd[-1] + 1 + odd]
    average = round((recipe.average * rate - 1) / 2) if recipe.average else 0
    margin = settled + average + int(odd[-1]) + len(lowpass)
    return Design(
        np.ascontiguousarray(sos, dtype=np.float32),
        np.ascontiguousarray(sosfilt_zi(sos), dtype=np.float32),
        np.ascontiguousarray(hilbert, dtype=np.float32),
        np.ascontiguousarray(lowpass, dtype=np.float32),
        max(average, 1) if recipe.average else 0,
        step,
        margin,
        max(1, round(PIECE_SECONDS * rate / step)),
    )


def bridged_axes(x: np.ndarray, n_jobs=None) -> np.ndarray:
    """Acceleration (n_records, 3, n) with gaps bridged by straight lines, in an array of its own."""
    rows = x.reshape(-1, x.shape[-1])
    filled = np.empty_like(rows)

    def fill(start: int, stop: int) -> None:
        missing = np.empty(x.shape[-1], np.bool_)
        for r in range(start, stop):
            bridge_gaps(rows[r], 0.0, filled[r], missing)

    over_rows(fill, len(rows), n_jobs)
    return filled.reshape(x.shape)


def pulse_carrier(x: np.ndarray, rate: float, recipe: Recipe, n_jobs=None) -> tuple[np.ndarray, np.ndarray, float]:
    """Strength of the vibration over time.

    Parameters
    ----------
    x : ndarray of float32, shape (n_records, 3, n_samples)
        Finite, in g.
    rate : float
        Hz, at least `LOWEST_RATE`.
    recipe : Recipe
    n_jobs : int, optional
        Threads.

    Returns
    -------
    carrier : ndarray of float64, shape (n_records, n_rows, n)
        Filtered to the band of the pulse; `n_rows` is 3 where the recipe keeps the axes apart, else 1.
    scale : ndarray of float64, shape (n_records, n_rows)
        Largest value before that filter.
    carrier_rate : float
        Hz.
    """
    d = design(recipe, rate)
    n_records, _, n = x.shape
    raw = np.empty((n_records, 3 if recipe.kind == EACH else 1, (n - 1) // d.step + 1))
    per_piece = min(d.per_piece, raw.shape[2])
    pieces = n_records * -(-raw.shape[2] // per_piece)
    over_rows(
        lambda a, b: carrier_groups(
            x, per_piece, d.margin, d.average, d.sos, d.states, d.hilbert, d.lowpass, d.step, recipe.kind, raw, a, b
        ),
        -(-pieces // LANES),
        n_jobs,
    )
    rows = raw.reshape(-1, raw.shape[2])
    pulse = filter_values(rows, "bandpass", recipe.pulse, ORDER, rate / d.step, n_jobs)
    return pulse.reshape(raw.shape), np.abs(raw).max(axis=2, initial=0.0), rate / d.step


def spreads(x: np.ndarray, rate: float, n_jobs=None) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviation (g) and measured share of every second of records (n_records, 3, n_samples).

    Returns
    -------
    table : ndarray of float64, shape (n_records, n_seconds, 2)
    edges : ndarray of int64, shape (n_seconds + 1,)
        First sample of each second; a rest below half a second belongs to the second before it.
    """
    n = x.shape[2]
    seconds = max(1, math.floor(n / rate + 0.5))
    edges = np.minimum(np.floor(np.arange(seconds + 1) * rate + 0.5), n).astype(np.int64)
    edges[-1] = n
    table = np.empty((len(x), seconds, 2))
    over_rows(lambda a, b: spread_rows(x, edges, table, a, b), len(x) * seconds, n_jobs, grain=64)
    return table, edges
