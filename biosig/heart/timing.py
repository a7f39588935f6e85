"""Pulses timed by the window's own mean pulse, and variability with the noise of these times taken out."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from biosig_kernels.intervals import mark_rows
from biosig_kernels.pulse_timing import AFTER, BEFORE, time_rows
from biosig_kernels.threads import over_rows
from biosig_kernels.timed_intervals import sure_rows, timed_rows

MIN_TIMED = 0.5  # fraction of the good intervals that must lie between well-timed beats
MIN_TIMED_INTERVALS = 10
MIN_EXCESS = 1.2  # times the variance that timing noise alone would give


class TimedVariability(NamedTuple):
    """Variability of each row of beats, timing noise taken out, and why it is NaN where it is."""

    sdnn: np.ndarray  # s
    rmssd: np.ndarray  # s
    timing_noise: np.ndarray  # s
    n_intervals: np.ndarray
    reasons: np.ndarray


@lru_cache(maxsize=16)
def noise_shapes(sampling_rate: float, low: float, high: float, order: int) -> np.ndarray:
    """Autocorrelation of white noise, and of noise falling with the square of frequency, after the band-pass.

    The filter is a Butterworth band-pass of `order` that runs forward and backward. Shape (2, n_lags), as many lags as
    `biosig_kernels.pulse_timing.time_rows` compares samples.
    """
    from scipy import signal

    n_lags = int((BEFORE + AFTER) * sampling_rate) + 2
    n = 1 << int(np.ceil(np.log2(max(64 * sampling_rate, 4096))))
    frequency = np.fft.rfftfreq(n, 1 / sampling_rate)
    sections = signal.butter(order, (low, high), "bandpass", fs=sampling_rate, output="sos")
    _, response = signal.sosfreqz(sections, 2 * np.pi * frequency / sampling_rate)
    passed = np.abs(response) ** 4
    rows = [np.fft.irfft(passed * np.maximum(frequency, low / 4) ** -slope)[:n_lags] for slope in (0.0, 2.0)]
    shapes = np.stack([row / row[0] for row in rows])
    shapes.setflags(write=False)
    return shapes


def time_pulses(pulse, missing, sampling_rate, band, order, beats, counts, errors) -> None:
    """Refine the times of the steepest rises in `beats` and write the standard error (s) of each.

    `pulse` (n_rows, n_samples) is float32, band-passed to `band` (Hz) forward and backward by a filter of `order`;
    `beats` and `errors` have the shape that `empty_beats` gives.
    """
    time_rows(
        pulse, missing, sampling_rate, noise_shapes(sampling_rate, *band, order), beats, counts, errors, 0, len(pulse)
    )


def sure_beats(errors, n_jobs=None) -> np.ndarray:
    """Which beats are timed well enough for variability: shape of `errors`, standard errors in s, NaN for unknown.

    The error is at most 15 ms, and at most three times the median of the row or 4 ms.
    """
    sure = np.zeros(errors.shape, np.bool_)
    over_rows(lambda a, b: sure_rows(errors, sure, a, b), len(errors), n_jobs)
    return sure


def timed_variability(beats, errors, good=None, n_jobs=None) -> TimedVariability:
    """SDNN and RMSSD of good intervals between well-timed beats, less what the errors of the times add.

    Parameters
    ----------
    beats, errors : ndarray of float64, shape (n_rows, n_most)
        Times and standard errors in s, padded with NaN.
    good : ndarray of bool, shape (n_rows, n_most - 1), optional
        Which intervals are good; by default as in `biosig.heart.heart_rate`.
    n_jobs : int, optional

    Returns
    -------
    TimedVariability
        NaN with a reason: fewer than half of the good intervals, or fewer than 10, between beats that `sure_beats`
        marks; or a variance that is less than 1.2 times what timing noise alone would give.

    Notes
    -----
    With independent errors of standard deviation s the variance of the intervals grows by 2 s^2, the mean square of
    their successive differences by 6 s^2. Near nothing the difference has no meaning: hence the factor of 1.2.
    """
    n_rows = len(beats)
    if good is None:
        good = np.zeros((n_rows, max(beats.shape[1] - 1, 0)), np.bool_)
        over_rows(lambda a, b: mark_rows(beats, good, a, b), n_rows, n_jobs)
    sure = sure_beats(errors, n_jobs)
    timed = good & sure[:, 1:] & sure[:, :-1]
    summary = np.empty((n_rows, 7))
    over_rows(lambda a, b: timed_rows(beats, errors, timed, summary, a, b), n_rows, n_jobs)
    spread, spread_noise, change, change_noise, n_timed, _, noise = summary.T
    n_good = good.sum(axis=1)
    with np.errstate(invalid="ignore"):
        few = (n_timed < MIN_TIMED * n_good) | (n_timed < MIN_TIMED_INTERVALS)
        no_sdnn, no_rmssd = ~(spread >= MIN_EXCESS * spread_noise), ~(change >= MIN_EXCESS * change_noise)
        sdnn = np.sqrt(np.where(few | no_sdnn, np.nan, spread - spread_noise))
        rmssd = np.sqrt(np.where(few | no_rmssd, np.nan, change - change_noise))
    reasons = np.full(n_rows, "", dtype=object)
    for row in np.flatnonzero(few | no_sdnn | no_rmssd):
        if few[row]:
            reasons[row] = f"no variability: {n_timed[row]:.0f} of {n_good[row]} good intervals are timed well"
        else:
            hidden = " or ".join(name for name, no in (("SDNN", no_sdnn[row]), ("RMSSD", no_rmssd[row])) if no)
            reasons[row] = f"no {hidden}: hidden by timing noise of {1000 * noise[row]:.1f} ms"
    return TimedVariability(sdnn, rmssd, noise, n_timed.astype(np.int64), reasons)


def check_errors(timing_errors, shape: tuple[int, int]) -> np.ndarray:
    """Standard errors (s) of each of the beats of rows of `shape`; ValueError for others than the beats have."""
    try:
        errors = np.asarray(timing_errors, dtype=np.float64)
        errors = np.ascontiguousarray(np.broadcast_to(errors[np.newaxis] if errors.ndim == 1 else errors, shape))
    except (TypeError, ValueError):
        raise ValueError(
            f"timing_errors has shape {np.shape(timing_errors)}, beats {shape}; expected one standard error in s, "
            "or one for each beat, as pulse_times returns them"
        ) from None
    if (errors < 0).any():
        raise ValueError(f"timing_errors holds {np.nanmin(errors):g}; expected seconds of at least 0")
    return errors


def errors_of(rows, beats, errors) -> np.ndarray:
    """Errors of `rows` of beats that came from `beats` by correction: beats put in or moved count as sure."""
    out = np.where(np.isfinite(rows), 0.0, np.nan)
    for row, (times, known) in enumerate(zip(beats, errors, strict=True)):
        n = int(np.isfinite(times).sum())
        if n:
            at = np.minimum(np.searchsorted(times[:n], rows[row]), n - 1)
            same = times[at] == rows[row]
            out[row, same] = known[at[same]]
    return out


def take_out_noise(measures: dict[str, np.ndarray], noise: np.ndarray) -> np.ndarray:
    """Take timing noise (ms, one a row) out of SDNN, RMSSD, SDSD and SD2 (ms), in place; say what it hides.

    Of independent errors of standard deviation s the squares of these hold 2, 6, 6 and 1 times s^2.
    """
    reasons = np.full(len(noise), "", dtype=object)
    with np.errstate(invalid="ignore"):
        for name, times in (("SDNN", 2.0), ("RMSSD", 6.0), ("SDSD", 6.0), ("SD2", 1.0)):
            squared, added = measures[name] ** 2, times * noise**2
            hidden = ~(squared >= MIN_EXCESS * added) & np.isfinite(squared)
            measures[name] = np.sqrt(np.where(squared >= MIN_EXCESS * added, squared - added, np.nan))
            if name in ("SDNN", "RMSSD"):
                for row in np.flatnonzero(hidden):
                    text = f"no {name}: hidden by timing noise of {noise[row]:.1f} ms"
                    reasons[row] += f"{'; ' if reasons[row] else ''}{text}"
    return reasons
