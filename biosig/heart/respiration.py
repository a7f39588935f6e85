"""Breathing seen in the pulse: it moves the baseline, the height and the rhythm of the beats."""

from __future__ import annotations

import numpy as np
import pandas as pd
from biosig_kernels.threads import over_rows
from biosig_kernels.variability import peak_rows

from biosig.heart._checks import check_beat_rows
from biosig.heart.beats import detect_beats
from biosig.heart.hrv import good_intervals
from biosig.signals._layout import as_rows
from biosig.signals.quality import bridged

SLOWEST, FASTEST = 0.1, 0.6  # Hz, 6 to 36 breaths/min
STEP = 0.002  # Hz
LEAST_SECONDS = 25.0
SLOWEST_RHYTHM = 0.15  # Hz, for intervals: slower is blood pressure's rhythm (LF), often stronger than breathing
MOST_APART = 4.0  # breaths/min, standard deviation of the three estimates, or distance of two


def respiration_rate(ppg=None, sampling_rate=None, *, beats=None, n_jobs=None) -> pd.DataFrame:
    """Breathing rate from photoplethysmograms, or from the intervals between beats alone.

    Parameters
    ----------
    ppg : array_like, shape (n_samples,) or (n_windows, n_samples), or xarray.DataArray, optional
        Blood volume up = value up, raw. Without it, `beats` alone are used.
    sampling_rate : float, optional
        Hz, at least 10; may be omitted for a DataArray with the attribute ``sampling_rate``.
    beats : array_like, shape (n_beats,) or (n_windows, most_beats), optional
        Beat times in s, such as R peaks; only without `ppg`.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    pandas.DataFrame
        One row a window. ``respiration_rate`` (breaths/min, 6 to 36): the mean of what the three modulations say, where
        they agree; NaN where they do not, with a ``reason``. ``from_intervals``, ``from_amplitude``, ``from_baseline``:
        each by itself (the last two NaN without `ppg`; intervals from 9 breaths/min on, below which the rhythm of the
        blood pressure is often stronger). ``confidence``: 0 to 1, mean share of the power that lies near
        each rate.

    Raises
    ------
    ValueError
        Without or with both of `ppg` and `beats`; as `detect_beats` and `heart_rate`.

    Notes
    -----
    W. Karlen et al., "Multiparameter respiratory rate estimation from the photoplethysmogram", IEEE Trans. Biomed. Eng.
    60(7), 2013: three modulations, believed where their standard deviation is at most 4 breaths/min. Here two suffice
    that lie as near to each other, where the third is away from both; and the rate of each is the highest peak of the
    Lomb-Scargle periodogram over the beats. Windows must hold 25 s of beats.
    """
    if (ppg is None) == (beats is None):
        raise ValueError("give either ppg with its sampling_rate, or beats")
    series = {}
    if ppg is None:
        rows, _ = check_beat_rows(beats)
    else:
        peaks, _ = check_beat_rows(detect_beats(ppg, sampling_rate, fiducial="peak", n_jobs=n_jobs))
        feet, _ = check_beat_rows(detect_beats(ppg, sampling_rate, fiducial="onset", n_jobs=n_jobs))
        rows, _ = check_beat_rows(detect_beats(ppg, sampling_rate, n_jobs=n_jobs))
        signal = as_rows(ppg, sampling_rate, name="ppg")
        filled, _, _ = bridged(signal.values, n_jobs)
        series["amplitude"], series["baseline"] = _heights(filled, signal.sampling_rate, peaks, feet)
    times, intervals, _, counts, _ = good_intervals(rows, n_jobs=n_jobs)
    series = {"intervals": (times, intervals, counts)} | series
    rates = {name: np.full(len(rows), np.nan) for name in ("intervals", "amplitude", "baseline")}
    shares = np.full((len(rows), len(series)), np.nan)
    for k, (name, (at, values, numbers)) in enumerate(series.items()):
        rates[name], shares[:, k] = _rhythm(
            at, values, numbers, SLOWEST_RHYTHM if name == "intervals" else SLOWEST, n_jobs
        )
    return _agreed(rates, shares, len(series))


def _heights(filled, rate, peaks, feet):
    """Amplitude and middle of each pulse from its foot to its peak, at the time of the peak, packed to the left."""
    n_rows, n_most = peaks.shape
    times = np.zeros((n_rows, max(n_most, 1)))
    height, middle = np.zeros_like(times), np.zeros_like(times)
    counts = np.zeros(n_rows, np.int64)
    clock = np.arange(filled.shape[1]) / rate
    for r in range(n_rows):
        top, foot = peaks[r][np.isfinite(peaks[r])], feet[r][np.isfinite(feet[r])]
        before = np.searchsorted(foot, top) - 1
        paired = before >= 0
        top, foot = top[paired], foot[before[paired]]
        near = top - foot < 1.0
        top, foot = top[near], foot[near]
        high, low = np.interp(top, clock, filled[r]), np.interp(foot, clock, filled[r])
        n = counts[r] = top.size
        times[r, :n], height[r, :n], middle[r, :n] = top, high - low, 0.5 * (high + low)
    return (times, height, counts), (times, middle, counts)


def _rhythm(times, values, counts, low, n_jobs):
    """Breaths/min and share of the power near that rate; NaN for series too short or slower than two a breath."""
    n_rows = len(counts)
    rates, shares = np.full(n_rows, np.nan), np.full(n_rows, np.nan)
    last = np.take_along_axis(times, np.maximum(counts - 1, 0)[:, None], axis=1)[:, 0]
    long = (counts >= 8) & (last - times[:, 0] >= LEAST_SECONDS)
    enough = np.where(long, counts, 0)
    over_rows(lambda a, b: peak_rows(times, values, enough, low, FASTEST, STEP, rates, shares, a, b), n_rows, n_jobs)
    with np.errstate(divide="ignore", invalid="ignore"):
        nyquist = 0.5 * (counts - 1) / (last - times[:, 0])
    seen = rates < nyquist  # a breath needs two beats
    return np.where(seen, 60.0 * rates, np.nan), np.where(seen, shares, np.nan)


def _agreed(rates, shares, n_series) -> pd.DataFrame:
    all_rates = np.stack(list(rates.values()), axis=1)
    mean, spread, known = _mean_and_spread(all_rates)
    for left_out in range(all_rates.shape[1]) if n_series > 2 else ():
        pair = np.delete(all_rates, left_out, axis=1)
        pair_mean, _, pair_known = _mean_and_spread(pair)
        apart = np.abs(pair[:, 0] - pair[:, 1])
        better = (pair_known == 2) & (spread > MOST_APART) & (apart <= MOST_APART)
        mean, spread = np.where(better, pair_mean, mean), np.where(better, apart / 2, spread)
    reason = np.full(len(known), "", dtype=object)
    reason[known < min(2, n_series)] = "too few beats or no rhythm"
    reason[(reason == "") & (spread > MOST_APART)] = "the modulations disagree"
    counted = np.isfinite(shares).sum(axis=1)
    confidence = np.nansum(shares, axis=1) / np.maximum(counted, 1)
    return pd.DataFrame(
        {"respiration_rate": np.where(reason == "", mean, np.nan)}
        | {f"from_{name}": rate for name, rate in rates.items()}
        | {"confidence": confidence, "reason": reason}
    )


def _mean_and_spread(rates):
    """Mean and standard deviation (ddof 1; 0 for one) of the known rates of each row, and their number."""
    known = np.isfinite(rates).sum(axis=1)
    mean = np.divide(np.nansum(rates, axis=1), known, out=np.full(len(known), np.nan), where=known > 0)
    off = np.where(np.isfinite(rates), rates - np.nan_to_num(mean)[:, None], 0.0)
    return mean, np.sqrt((off**2).sum(axis=1) / np.maximum(known - 1, 1)), known
