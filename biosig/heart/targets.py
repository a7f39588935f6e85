"""What a window of photoplethysmogram says about the heart, with the reasons where it says nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
from biosig_kernels.filtering import LANES
from biosig_kernels.threads import over_rows

from biosig._checks import centred, check_sampling_rate, filled
from biosig.heart.beats import LEAST_SECONDS, blocks, check_beat_options, empty_beats, find_beats
from biosig.heart.cleaning import check_cleaning, clean
from biosig.heart.needs import NEEDS, missing
from biosig.heart.pulse_quality import polarity_votes
from biosig.heart.timing import errors_of, timed_variability
from biosig.heart.variability import summarise_good, summarise_intervals
from biosig.signals.quality import pulse_spectrum

MOST_MISSING = 0.05  # fraction of a window
LEAST_GOOD = 0.8  # fraction of the window that good intervals cover
MOST_APART = 5.0  # beats/min between beats and spectrum
LEAST_CONCENTRATION = 0.4
POLARITIES = ("auto", "upright", "inverted")
CLEARLY_INVERTED = -0.5  # mean vote on the polarity of a wavelength; upright ones have 0.8 and more, noise about 0
MAX_VOTING = 256  # windows of a batch that decide on it


def ppg_targets(ppg, sampling_rate, *, cleaning="reject", polarity="auto", n_jobs=None) -> pd.DataFrame:
    """Heart rate and variability of windows of photoplethysmogram, with quality control.

    Parameters
    ----------
    ppg : array_like, shape (n_windows, n_wavelengths, n_samples) or (n_windows, n_samples)
        Blood volume up = value up; NaN, or masked, means missing. With several wavelengths the best of each window is
        used.
    sampling_rate : float
        Hz, at least 10.
    cleaning : {"reject", "correct", "none"}, default "reject"
        What is done about wrong and ectopic beats before `sdnn` and `rmssd`, see `biosig.heart.hrv`.
    polarity : {"auto", "upright", "inverted"} or array_like of shape (n_wavelengths,), default "auto"
        ``"auto"``: a wavelength that is clearly inverted over the whole batch (`biosig.heart.polarity`) is turned
        before beats are looked for and the best wavelength is chosen. The others state what is known, of all; numbers,
        1 (upright) or -1, of each wavelength.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    pandas.DataFrame
        One row a window:

        heart_rate
            Beats/min, from the good intervals.
        sdnn, rmssd
            ms, of the good intervals between well-timed beats, with timing noise taken out, see `timing_noise`; with
            the cleaning ``"none"``, of every interval as it is.
        n_beats
            Beats found, good or not.
        timing_noise
            ms: standard error of the times of the beats (root mean square), estimated from the pulses of the window,
            see `biosig.heart.pulse_times`. Noise s adds 2 s^2 to the square of SDNN and 6 s^2 to that of RMSSD. Beats
            of more than 15 ms, or of an error that is unusual for the window, are left out.
        quality
            0 to 1: the fraction of the window that good intervals cover, times the agreement of beats and spectrum,
            which is one minus their difference over 10 beats/min, never below zero. 0 without a pulse.
        reason
            Empty for a window that passes quality control: at most 5 % missing, at least 4 good intervals, these
            covering more than 80 % of the window, beat rate and spectral rate within 5 beats/min, spectral
            concentration above 0.4. Otherwise a short text, and heart_rate, sdnn and rmssd are NaN.
        variability_reason
            Why sdnn or rmssd is NaN: the `reason`, or in a window with a heart rate what its variability lacks, by
            the rules of `biosig.heart.hrv` (10 good intervals, over 80 % of the window after cleaning).
            Or its timing noise is too large: fewer than half or 10 of the good intervals are timed well, or the
            variance is less than 1.2 times what timing noise alone would give.
        polarity
            1.0, or -1.0 where the wavelength used was turned.

    Raises
    ------
    ValueError
        For ppg of another shape, for a sampling rate below 10 Hz, for an unknown cleaning or polarity. No content of a
        window raises.
    """
    rate = check_sampling_rate(sampling_rate)
    check_cleaning(cleaning)
    rows, n_windows, n_wavelengths = _rows(ppg)
    check_beat_options(rate)
    signs = _signs(polarity, rows, n_wavelengths, rate, n_jobs)
    if (signs < 0).any():
        rows = rows * np.tile(signs, n_windows)[:, np.newaxis]
    table = _judge(rows, rate, cleaning, n_jobs)
    table["polarity"] = np.tile(signs.astype(np.float64), n_windows)
    if n_wavelengths > 1:
        passed = (table["reason"] == "").to_numpy() + table["quality"].to_numpy() / 2
        best = passed.reshape(n_windows, n_wavelengths).argmax(axis=1) + n_wavelengths * np.arange(n_windows)
        table = table.iloc[best].reset_index(drop=True)
    return table


def wavelength_polarity(ppg, sampling_rate, *, n_jobs=None) -> np.ndarray:
    """Settle the polarity of each wavelength of windows, by what ``ppg_targets(polarity="auto")`` goes by.

    Parameters
    ----------
    ppg, sampling_rate, n_jobs
        As of `ppg_targets`.

    Returns
    -------
    ndarray of float32, shape (n_wavelengths,)
        -1 for wavelengths that are clearly inverted, else 1.

    Raises
    ------
    ValueError
        As `ppg_targets`.
    """
    rate = check_sampling_rate(sampling_rate)
    rows, _, n_wavelengths = _rows(ppg)
    check_beat_options(rate)
    return _signs("auto", rows, n_wavelengths, rate, n_jobs)


def _rows(ppg) -> tuple[np.ndarray, int, int]:
    """Rows of all wavelengths of all windows in float32, and the numbers of windows and wavelengths."""
    array = np.asarray(filled(ppg))
    if array.ndim not in (2, 3) or array.dtype.kind not in "fiub" or array.shape[-1] == 0:
        raise ValueError(
            f"ppg has shape {array.shape} and holds {array.dtype}; expected numbers of shape "
            "(n_windows, n_wavelengths, n_samples) or (n_windows, n_samples): for one window write ppg[np.newaxis]"
        )
    if array.ndim == 3 and array.shape[2] <= 4 < array.shape[1]:
        raise ValueError(
            f"ppg has shape {array.shape}, which looks like wavelengths last; write ppg.transpose(0, 2, 1)"
        )
    n_windows, n_samples = len(array), array.shape[-1]
    n_wavelengths = array.shape[1] if array.ndim == 3 else 1
    with np.errstate(over="ignore"):  # what float32 cannot hold counts as missing
        rows = np.ascontiguousarray(centred(array)[0], dtype=np.float32).reshape(n_windows * n_wavelengths, n_samples)
    return rows, n_windows, n_wavelengths


def _signs(polarity, rows, n_wavelengths: int, rate: float, n_jobs) -> np.ndarray:
    """1 or -1 (float32) for each wavelength: by what to multiply it so that blood volume up is value up."""
    if not isinstance(polarity, str):
        given = np.asarray(polarity)
        if given.shape != (n_wavelengths,) or given.dtype.kind not in "fiu" or not (np.abs(given) == 1).all():
            raise ValueError(
                f"polarity is {polarity!r}; expected 1 or -1 for each of {n_wavelengths} wavelengths, or one of "
                f"{', '.join(map(repr, POLARITIES))}"
            )
        return given.astype(np.float32)
    if polarity not in POLARITIES:
        raise ValueError(f"polarity is {polarity!r}; expected one of {', '.join(map(repr, POLARITIES))}")
    if polarity != "auto":
        return np.full(n_wavelengths, -1.0 if polarity == "inverted" else 1.0, np.float32)
    n_windows = len(rows) // n_wavelengths
    some = np.unique(np.linspace(0, n_windows - 1, min(n_windows, MAX_VOTING)).astype(np.int64))
    voting = rows.reshape(n_windows, n_wavelengths, rows.shape[1])[some].reshape(-1, rows.shape[1])
    votes = polarity_votes(voting, rate, n_jobs).reshape(len(some), n_wavelengths)
    weights = np.abs(votes).sum(axis=0)
    mean = np.divide((votes * np.abs(votes)).sum(axis=0), weights, out=np.zeros(n_wavelengths), where=weights > 0)
    return np.where(mean < CLEARLY_INVERTED, -1.0, 1.0).astype(np.float32)


def _judge(rows, rate: float, cleaning: str, n_jobs) -> pd.DataFrame:
    n_rows, n_samples = rows.shape
    duration = n_samples / rate
    beats, counts = empty_beats(n_rows, n_samples, rate)
    errors = np.full(beats.shape, np.nan)
    levels = np.empty((n_rows, 2))
    concentration = np.empty(n_rows)
    spectral = np.empty(n_rows)

    def work(start: int, stop: int) -> None:
        for block in blocks(start, stop, n_samples):
            filled, levels[block] = find_beats(rows[block], rate, beats[block], counts[block], errors=errors[block])
            concentration[block], spectral[block] = pulse_spectrum(filled, rate, n_jobs=1)

    over_rows(work, n_rows, n_jobs, grain=LANES)
    found = summarise_intervals(beats, n_jobs)
    lost, flat = levels[:, 0], levels[:, 1] > 0
    heart_rate = 60.0 / found.mean
    # The window is cut anywhere in the rhythm, so good intervals can cover all of it but about one interval.
    inner = np.maximum(duration - found.mean, 1e-9)
    share = np.clip(np.nan_to_num(found.covered / inner), 0.0, 1.0)
    apart = np.abs(heart_rate - 60.0 * spectral)
    quality = share * np.clip(1.0 - np.nan_to_num(apart, nan=np.inf) / 10.0, 0.0, 1.0)
    reason = np.full(n_rows, "", dtype=object)
    for row in range(n_rows):
        if duration < LEAST_SECONDS:
            reason[row] = f"too short: {duration:.1f} s"
        elif lost[row] > MOST_MISSING:
            reason[row] = f"missing samples: {lost[row]:.0%}"
        elif flat[row]:
            reason[row] = "flat"
        elif counts[row] == 0 or not concentration[row] > LEAST_CONCENTRATION:
            reason[row] = "no pulse found"
        elif found.n_good[row] < NEEDS["rate"].intervals:
            reason[row] = f"too few beats: {found.n_good[row]:.0f} good intervals"
        elif share[row] <= LEAST_GOOD:
            reason[row] = f"irregular: only {share[row]:.0%} good intervals"
        elif not apart[row] <= MOST_APART:
            reason[row] = f"beats and spectrum differ by {apart[row]:.0f} beats/min"
    cleaned, good = clean(beats, cleaning, n_jobs)
    spread = summarise_good(cleaned, good, n_jobs)
    known = errors_of(cleaned, beats, errors) if cleaning == "correct" else errors
    timed = timed_variability(cleaned, known, good, n_jobs)
    covered = np.clip(np.nan_to_num(spread.covered / inner), 0.0, 1.0)
    lacking = np.where(reason == "", missing("spread", spread.n_good, covered), reason)
    hide = lambda values, why: np.where(why == "", values, np.nan)
    measured = spread if cleaning == "none" else timed
    sdnn, rmssd = hide(1000 * measured.sdnn, lacking), hide(1000 * measured.rmssd, lacking)
    if cleaning != "none":
        lacking = np.where(lacking == "", timed.reasons, lacking)
    return pd.DataFrame(
        {
            "heart_rate": hide(heart_rate, reason),
            "sdnn": sdnn,
            "rmssd": rmssd,
            "n_beats": counts,
            "timing_noise": hide(1000 * timed.timing_noise, reason),
            "quality": quality,
            "reason": reason,
            "variability_reason": lacking,
        }
    )
