"""How far a photoplethysmogram can be trusted, beat by beat and window by window, and which way up it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
from biosig_kernels.filtering import LANES
from biosig_kernels.pulses import template_rows
from biosig_kernels.threads import over_rows

from biosig._checks import centred
from biosig.heart._checks import check_beat_rows
from biosig.heart.beats import (
    LEAST_SECONDS,
    PULSE_BAND,
    PULSE_ORDER,
    blocks,
    check_beat_options,
    detect_beats,
)
from biosig.signals._layout import as_rows
from biosig.signals.filters import filter_values
from biosig.signals.quality import MOST_MISSING, bridged, pulse_spectrum

ALIKE = 0.86  # correlation with the mean pulse from which on a pulse is a good one
STRETCH = 5.0  # s, each says once which way up the signal is
MOST_STEEP = 5.0  # robust standard deviations; steeper is no pulse
_COLUMNS = ("template", "good_beats", "skewness", "concentration", "perfusion", "reason")


def beat_quality(ppg, sampling_rate=None, *, beats=None, n_jobs=None) -> np.ndarray:
    """Likeness of each pulse to the mean pulse of its window.

    Parameters
    ----------
    ppg : array_like, shape (n_samples,) or (n_windows, n_samples), or xarray.DataArray
        Blood volume up = value up.
    sampling_rate : float, optional
        Hz, at least 10; may be omitted for a DataArray with the attribute ``sampling_rate``.
    beats : array_like, shape (n_beats,) or (n_windows, most_beats), optional
        Beat times in s from the first sample, as `detect_beats` returns them; by default, those it finds.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    ndarray of float64, shape of `beats`
        Correlation, -1 to 1; above 0.86 is a good pulse. NaN for pulses that an end of the window or a missing sample
        cuts, and in windows with fewer than three pulses.

    Raises
    ------
    ValueError
        As `detect_beats`, and for beats that do not fit the windows.

    Notes
    -----
    After C. Orphanidou et al., IEEE J. Biomed. Health Inform. 19(3), 2015, whose pulses last the median interval and
    whose threshold is 0.86; the mean pulse is taken again over the half of the pulses that resemble it most.
    """
    rows = _rows(ppg, sampling_rate)
    if beats is None:
        beats = detect_beats(ppg, sampling_rate, n_jobs=n_jobs)
    found, one = check_beat_rows(beats)
    if len(found) != len(rows.values):
        raise ValueError(f"beats of {len(found)} windows were given, but ppg has {len(rows.values)}")
    alike = np.full(found.shape, np.nan)

    def work(start: int, stop: int) -> None:
        for block in blocks(start, stop, rows.values.shape[1]):
            alike[block] = _judge(rows.values[block], rows.sampling_rate, found[block])[0]

    over_rows(work, len(found), n_jobs, grain=LANES)
    return alike[0] if one else alike


def pulse_quality(ppg, sampling_rate=None, *, beats=None, n_jobs=None) -> pd.DataFrame:
    """Indices of the quality of photoplethysmograms, one row a window.

    Parameters
    ----------
    ppg, sampling_rate, beats, n_jobs
        As of `beat_quality`.

    Returns
    -------
    pandas.DataFrame
        template
            Median correlation of the pulses with their mean, -1 to 1.
        good_beats
            Share of the pulses whose correlation is above 0.86.
        skewness
            Of the pulse band (0.5 to 8 Hz): positive where pulses are peaked and upright.
        concentration
            Share of the power near the pulse rate and its double, see `biosig.signals.spectral_quality`.
        perfusion
            Per cent: distance of the 5th and 95th percentile of the pulse band over the mean of the raw signal. NaN
            where that mean is not positive, as in signals whose steady part was taken away.
        reason
            Empty, or why there is NaN: flat, missing samples (more than a fifth), too short, too few beats.

    Raises
    ------
    ValueError
        As `beat_quality`.

    Notes
    -----
    M. Elgendi, "Optimal signal quality index for photoplethysmogram signals", Bioengineering 3(4), 2016.
    """
    rows = _rows(ppg, sampling_rate)
    found, _ = check_beat_rows(detect_beats(ppg, sampling_rate, n_jobs=n_jobs) if beats is None else beats)
    if len(found) != len(rows.values):
        raise ValueError(f"beats of {len(found)} windows were given, but ppg has {len(rows.values)}")
    n = rows.values.shape[1]
    values = np.full((len(found), len(_COLUMNS) - 1), np.nan)
    reason = np.full(len(found), "", dtype=object)
    short = n < LEAST_SECONDS * rows.sampling_rate

    def work(start: int, stop: int) -> None:
        for block in blocks(start, stop, n):
            alike, pulse, filled, levels, offset = _judge(rows.values[block], rows.sampling_rate, found[block])
            n_pulses = np.isfinite(alike).sum(axis=1)
            reason[block][n_pulses == 0] = "too few beats"
            reason[block][levels[:, 1] > 0] = "flat"
            reason[block][levels[:, 0] > MOST_MISSING] = "missing samples"
            hopeless = (levels[:, 0] > MOST_MISSING) | (levels[:, 1] > 0)
            columns = _indices(alike, n_pulses, pulse, filled, offset, rows.sampling_rate, (n_pulses > 0) & ~hopeless)
            values[block] = np.where(hopeless[:, np.newaxis], np.nan, columns)

    if short:
        reason[:] = f"too short: {n / rows.sampling_rate:.1f} s"
    else:
        over_rows(work, len(found), n_jobs, grain=LANES)
    return pd.DataFrame(dict(zip(_COLUMNS, [*values.T, reason], strict=True)))


def _indices(alike, n_pulses, pulse, filled, offset, rate: float, some) -> np.ndarray:
    """The columns of `pulse_quality` (n_rows, 5); those of the pulses for `some` rows only."""
    template = np.full(len(pulse), np.nan)
    template[some] = np.nanmedian(alike[some], axis=1) if some.any() else np.nan
    good = np.divide((alike > ALIKE).sum(axis=1), n_pulses, out=np.full(len(pulse), np.nan), where=some)
    concentration, _ = pulse_spectrum(filled, rate, n_jobs=1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        low, high = np.percentile(pulse, [5, 95], axis=1)
        steady = filled.mean(axis=1, dtype=np.float64) + offset
        perfusion = np.where(steady > 0, 100.0 * (high - low) / steady, np.nan)
    return np.stack([template, good, _skewness(pulse), concentration, perfusion], axis=1)


def polarity(ppg, sampling_rate=None, *, n_jobs=None) -> pd.DataFrame:
    """Say whether photoplethysmograms are upright (blood volume up = value up) or upside down.

    Parameters
    ----------
    ppg : array_like, shape (n_samples,) or (n_windows, n_samples), or xarray.DataArray
    sampling_rate : float, optional
        Hz, at least 10; may be omitted for a DataArray with the attribute ``sampling_rate``.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    pandas.DataFrame
        One row a window. ``polarity``: 1.0 upright, -1.0 upside down, NaN where nothing can be said. ``confidence``: 0
        to 1, share of the 5 s stretches that say so less the share that say the contrary. Multiply the signal by the
        polarity of the whole recording, not window by window: a device does not turn over.

    Raises
    ------
    ValueError
        As `detect_beats`.

    Notes
    -----
    The blood rushes in and seeps out: an upright pulse rises faster than it falls, so the differences between
    neighbouring samples of the pulse band are skewed to the positive side, whatever the shape of the crest.
    """
    rows = _rows(ppg, sampling_rate)
    mean = polarity_votes(rows.values, rows.sampling_rate, n_jobs)
    return pd.DataFrame({"polarity": np.where(mean == 0, np.nan, np.sign(mean)), "confidence": np.abs(mean)})


def polarity_votes(values, rate: float, n_jobs=None) -> np.ndarray:
    """Mean vote of each row (n_rows, n_samples), -1 (upside down) to 1 (upright); 0 where nothing can be said."""
    mean = np.zeros(len(values))

    def work(start: int, stop: int) -> None:
        for block in blocks(start, stop, values.shape[1]):
            mean[block] = _votes(values[block], rate).mean(axis=1)

    if values.shape[1] >= LEAST_SECONDS * rate:
        over_rows(work, len(values), n_jobs, grain=LANES)
    return mean


def _votes(values, rate: float) -> np.ndarray:
    """What each stretch of each row says: 1 upright, -1 upside down, 0 nothing."""
    filled, missing, levels = bridged(values, n_jobs=1)
    pulse = _pulse(filled, rate)
    size = min(round(STRETCH * rate), values.shape[1])
    votes = np.zeros((len(values), values.shape[1] // size))
    for k in range(votes.shape[1]):
        part = slice(k * size, (k + 1) * size)
        slopes = np.diff(pulse[:, part].astype(np.float64), axis=1)
        limit = MOST_STEEP * 1.4826 * np.median(np.abs(slopes), axis=1, keepdims=True)
        votes[:, k] = np.nan_to_num(np.sign(_skewness(np.clip(slopes, -limit, limit))))
        votes[missing[:, part].mean(axis=1) > MOST_MISSING, k] = 0.0
    votes[levels[:, 1] > 0] = 0.0
    return votes


def _rows(ppg, sampling_rate):
    if len(np.shape(ppg)) > 2:
        raise ValueError(f"ppg has shape {np.shape(ppg)}; expected (n_samples,) or (n_windows, n_samples)")
    rows = as_rows(ppg, sampling_rate, name="ppg")
    check_beat_options(rows.sampling_rate)
    return rows


def _pulse(filled, rate: float):
    return filter_values(filled, "bandpass", (PULSE_BAND[0], min(PULSE_BAND[1], 0.45 * rate)), PULSE_ORDER, rate, 1)


def _judge(values, rate: float, beats):
    """Correlations of the pulses, the pulse band, the rows with their gaps bridged, their levels and offsets."""
    values, offset = centred(values)
    filled, missing, levels = bridged(values, n_jobs=1)
    alike = np.full(beats.shape, np.nan)
    if values.shape[1] < LEAST_SECONDS * rate:
        return alike, np.zeros_like(filled), filled, levels, offset
    pulse = _pulse(filled, rate)
    template_rows(pulse, rate, beats, alike, 0, len(pulse))
    at = np.clip(np.nan_to_num(np.round(beats * rate)), 0, values.shape[1] - 1).astype(np.int64)
    alike[np.take_along_axis(missing, at, axis=1) if at.size else np.zeros(at.shape, bool)] = np.nan
    alike[levels[:, 1] > 0] = np.nan
    return alike, pulse, filled, levels, offset


def _skewness(values) -> np.ndarray:
    """Skewness of rows; NaN for constant ones."""
    values = np.asarray(values, dtype=np.float64)
    with np.errstate(all="ignore"):
        values = values - values.mean(axis=1, keepdims=True)
        values = values / np.abs(values).max(axis=1, keepdims=True)
        return (values**3).mean(axis=1) / (values**2).mean(axis=1) ** 1.5
