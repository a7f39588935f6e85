"""The usual measures of heart rate variability, by their usual names, each only where there is enough to measure."""

from __future__ import annotations

import numpy as np
import pandas as pd
from biosig_kernels.threads import over_rows
from biosig_kernels.variability import MEASURES, MOST_COMPARED, band_rows, measure_rows

from biosig.heart._checks import check_beat_rows, check_positive
from biosig.heart.cleaning import check_cleaning, clean
from biosig.heart.intervals import beats_of_intervals, clean_measured
from biosig.heart.needs import NEEDS, missing, rate_missing
from biosig.heart.timing import check_errors, errors_of, sure_beats, take_out_noise
from biosig.heart.variability import summarise_good

BANDS = {"VLF": (0.0033, 0.04), "LF": (0.04, 0.15), "HF": (0.15, 0.4), "VHF": (0.4, 0.5)}  # Hz
OVERSAMPLING = 4.0
LEAST_HALF_RATE = 0.25  # Hz, half the mean heart rate below which breathing is not seen
_GROUPS = {
    "rate": ("MeanNN", "MedianNN"),
    "spread": ("SDNN", "CVNN", "MadNN", "MCVNN", "IQRNN", "Prc20NN", "Prc80NN", "MinNN", "MaxNN", "HTI"),
    "differences": (
        *("RMSSD", "SDSD", "CVSD", "SDRMSSD", "pNN50", "pNN20"),
        *("SD1", "SD2", "SD1SD2", "S", "CSI", "CVI", "CSI_Modified"),
    ),
    "HF": ("HF", "LnHF", "VHF"),
    "LF": ("LF", "LFHF"),
    "VLF": ("VLF", "TP", "LFn", "HFn"),
    "entropy": ("SampEn",),
}


def hrv(
    beats=None,
    *,
    intervals=None,
    times=None,
    unit=None,
    cleaning="reject",
    duration=None,
    timing_errors=None,
    n_jobs=None,
) -> pd.DataFrame:
    """Heart rate variability: time domain, frequency domain, Poincare plot and sample entropy.

    Parameters
    ----------
    beats : array_like, shape (n_beats,) or (n_windows, most_beats), optional
        Seconds, increasing; rows padded with NaN, as `detect_beats` and `ecg_beats` return them. Or a Recording with
        inter-beat intervals, or these themselves: ``hrv(recording)``, ``hrv(recording["ibi"])``.
    intervals : array_like, shape (n_intervals,) or (n_windows, most_intervals), optional
        Instead of `beats`: intervals between beats (RR, NN, IBI), such as the column of a table. Missing ones are NaN
        or 0; nothing joins what lies before and after.
    times : array_like, shape (n_intervals,), optional
        Seconds at which the `intervals` end. Where one comes more than half an interval late, intervals are missing in
        between: a gap. A DataArray brings its own.
    unit : {"s", "ms"}, optional
        Of `intervals`; by default seconds, or what a DataArray says.
    cleaning : {"reject", "correct", "none"}, default "reject"
        ``"reject"``: intervals that `heart_rate` does not call good, and those on both sides of beats that
        `correct_beats` would move or take out, are left out, and no difference spans them. ``"correct"``: wrong and
        ectopic beats are put right first (`correct_beats`), then the intervals that are not good left out. ``"none"``:
        every interval counts but gaps of more than 3 s, as NeuroKit2 does without its correction.
    duration : float, optional
        Seconds that the beats were looked for in, of which good intervals must cover enough; by default from the first
        beat to the last.
    timing_errors : float or array_like of the shape of `beats`, optional
        Standard errors of the beat times in s, as `pulse_times` returns them. Intervals whose beats are not timed well
        (more than 15 ms, or unusual for the window) are left out, and what the errors of the others add is taken out of
        SDNN, RMSSD, SDSD, SD1, SD2 and what is made of them; NaN with a reason where that is nearly everything.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    pandas.DataFrame
        One row a window. The columns ``HRV_...`` have the names and definitions of ``neurokit2.hrv``, in ms, ms^2,
        per cent (pNN) or bare numbers:

        MeanNN, MedianNN
            need good intervals over at least 70 % of the window, 4 of them, and what else `heart_rate` asks for.
        SDNN, CVNN, MadNN, MCVNN, IQRNN, Prc20NN, Prc80NN, MinNN, MaxNN, HTI; RMSSD, SDSD, CVSD, SDRMSSD, pNN50, pNN20;
        SD1, SD2, SD1SD2, S, CSI, CVI, CSI_Modified
            need 80 % and 10 intervals.
        HF, LnHF, VHF; LF, LFHF; VLF, TP, LFn, HFn
            need 80 %, 20 intervals and 50, 100 and 250 s from the first to the last (about windows of one, two and
            five minutes). HF and its ratios need a heart of 30 beats/min, VHF one of 48.
        SampEn
            needs 90 % and 50 intervals, and at most 5000: it takes a time that grows with their square.

        Then ``n_intervals`` (good ones), ``valid`` (fraction of the window they cover, 0 to 1) and ``reason``: which
        groups are NaN for want of what, empty when none. With `timing_errors` also ``timing_noise``: root mean square
        error of the well-timed beats, ms.

    Raises
    ------
    ValueError
        For beat times that do not increase, are in milliseconds or sample numbers, or have another shape; for intervals
        that are none in their unit; for a Recording without ``ibi``; for an unknown cleaning or duration.

    Notes
    -----
    The default cleaning is the one whose RMSSD and SDNN were nearest to the truth with up to 10 % of ectopic, missed or
    misplaced beats; see the page "Cleaning of wrong and ectopic beats".

    pNN50 counts differences around one threshold, so the timing noise of a wrist PPG (some 10 to 20 ms) can more than
    double it: take it from electrocardiograms only. RMSSD and SD1 (the same measure) suffer less, SDNN least.

    The spectrum is a Lomb-Scargle periodogram of the intervals at the times at which they end, from which their mean
    is taken, scaled to a one-sided density. It ends at half the mean heart rate, in slow hearts within HF: a faster
    rhythm cannot be distinguished from a slower one. Bands are in ms^2, and TP is the variance of what is faster than
    five minutes and not faster than 0.5 Hz. Lists of ten minutes or more are cut into equal parts of at least five,
    whose bands are averaged. NeuroKit2 by default resamples, takes Welch's method and divides by the largest power, so
    its bands compare as ratios only (LFHF, LFn, HFn).

    Task Force of the ESC and NASPE, Circulation 93(5), 1996 (definitions, least durations); F. Shaffer and
    J. P. Ginsberg, Front. Public Health 5:258, 2017; M. Brennan et al., IEEE Trans. Biomed. Eng. 48(11), 2001
    (SD1, SD2); M. Toichi et al., J. Auton. Nerv. Syst. 62, 1997 (CSI, CVI); J. S. Richman and J. R. Moorman, Am. J.
    Physiol. 278(6), 2000 (sample entropy, with 2 values and 0.2 SDNN); D. Makowski et al., Behav. Res. Methods 53,
    2021.
    """
    check_cleaning(cleaning)
    if duration is not None:
        duration = check_positive(duration, "duration", "s")
    rows, good = _beats_and_marks(beats, intervals, times, unit, cleaning, n_jobs)
    errors = None if timing_errors is None else _errors(timing_errors, beats, rows)
    sure = None if errors is None else sure_beats(errors, n_jobs)
    if sure is not None and sure.shape[1] > 1:
        good = good & sure[:, 1:] & sure[:, :-1]
    at, packed, joined, counts, span = _pack(rows, good)
    measures = np.empty((len(rows), len(MEASURES)))
    bands = np.empty((len(rows), len(BANDS)))
    edges = np.array([low for low, _ in BANDS.values()] + [BANDS["VHF"][1]])

    def work(start: int, stop: int) -> None:
        measure_rows(packed, joined, counts, measures, start, stop)
        band_rows(at, packed, counts, edges, OVERSAMPLING, bands, start, stop)

    over_rows(work, len(rows), n_jobs)
    measured = dict(zip(MEASURES, measures.T, strict=True))
    noise, hidden = {}, np.full(len(rows), "", dtype=object)
    if sure is not None and errors is not None:
        squares, n_sure = np.where(sure, np.square(errors), 0.0).sum(axis=1), sure.sum(axis=1)
        level = 1000 * np.sqrt(np.divide(squares, n_sure, out=np.full(len(rows), np.nan), where=n_sure > 0))
        noise, hidden = {"timing_noise": level}, take_out_noise(measured, level)
    table = _derive(measured, dict(zip(BANDS, bands.T, strict=True)))
    whole = span if duration is None else np.maximum(duration - 1e-3 * np.nan_to_num(table["MeanNN"]), 0.0)
    covered = 1e-3 * np.where(np.arange(packed.shape[1]) < counts[:, None], packed, 0.0).sum(axis=1)
    valid = np.clip(np.divide(covered, whole, out=np.zeros(len(rows)), where=whole > 0), 0.0, 1.0)
    found = summarise_good(rows, good, n_jobs)
    texts = {group: missing(group, counts, valid, span) for group in NEEDS if group != "rate"}
    texts = {"rate": rate_missing(counts, valid, found.mean, found.mean_possible)} | texts
    texts["HF"] = _or_slow(texts["HF"], table["MeanNN"])
    for row in np.flatnonzero((counts > MOST_COMPARED) & (texts["entropy"] == "")):
        texts["entropy"][row] = f"no entropy: {counts[row]} good intervals"
    for group, names in _GROUPS.items():
        for name in names:
            refused = texts[group] != "" if name not in ("LFHF", "HFn") else (texts[group] != "") | (texts["HF"] != "")
            table[name] = np.where(refused, np.nan, table[name])
    columns = {f"HRV_{name}": table[name] for names in _GROUPS.values() for name in names}
    reasons = np.array(
        ["; ".join(filter(None, each)) for each in zip(*texts.values(), hidden, strict=True)], dtype=object
    )
    return pd.DataFrame(columns | {"n_intervals": counts, "valid": valid} | noise | {"reason": reasons})


def _beats_and_marks(beats, intervals, times, unit, cleaning, n_jobs) -> tuple[np.ndarray, np.ndarray]:
    """Rows of beats, cleaned, and which of their intervals count."""
    if (beats is None) == (intervals is None):
        raise ValueError("give either beats (s), or intervals between them; a Recording with ibi counts as beats")
    if hasattr(beats, "data_vars"):
        if "ibi" not in beats:
            some = next((name for name in ("ppg", "ecg") if name in beats), None)
            detector = {"ppg": "detect_beats(recording['ppg'][:, 0])", "ecg": "ecg_beats(recording)"}.get(str(some))
            fix = f"; write hrv({detector})" if detector else ""
            raise ValueError(f"beats is a recording without ibi (it holds {', '.join(map(str, beats.data_vars))}){fix}")
        intervals = beats["ibi"]
    elif hasattr(beats, "dims") and hasattr(beats, "coords"):
        if beats.name != "ibi" and "time_ibi" not in beats.dims:
            raise ValueError(f"beats is the DataArray {beats.name!r}; expected beat times, or recording['ibi']")
        intervals = beats
    elif intervals is None:
        if times is not None or unit is not None:
            raise ValueError("beats are times in seconds: times and unit belong to intervals=...")
        return clean(check_beat_rows(beats)[0], cleaning, n_jobs)
    rows, measured = beats_of_intervals(intervals, times, unit)
    return clean_measured(rows, measured, cleaning, n_jobs)


def _errors(timing_errors, beats, rows) -> np.ndarray:
    """Standard errors (s) of rows of cleaned beats; NaN behind the last."""
    if not isinstance(beats, np.ndarray | list | tuple):
        raise ValueError("timing_errors belong to beat times, as pulse_times returns both; intervals have none")
    given, _ = check_beat_rows(beats)
    errors = check_errors(timing_errors, given.shape)
    if rows.shape != given.shape or not np.array_equal(rows, given, equal_nan=True):
        errors = errors_of(rows, given, errors)
    return np.where(np.isfinite(rows), errors, np.nan)


def _or_slow(texts, mean) -> np.ndarray:
    """The reasons why there is no HF, or that the heart (mean interval in ms) beats too slowly to see breathing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        half = 500.0 / mean
    for row in np.flatnonzero((half < LEAST_HALF_RATE - 1e-9) & (texts == "")):
        texts[row] = f"no HF: half of the heart rate is {half[row]:.2f} Hz"
    return texts


def good_intervals(rows, n_jobs=None):
    """Good intervals of rows of beats, as the heart rate takes them; what `_pack` returns."""
    return _pack(*clean(rows, "reject", n_jobs))


def _pack(rows, good):
    """Marked intervals of rows of beats, packed to the left.

    Returns their ends (s), the intervals (ms), whether each joins the one before it, their numbers, and the seconds
    from the first beat to the last of each row.
    """
    n_rows, n_most = rows.shape
    if n_most < 2:
        empty = np.zeros((n_rows, 1))
        return empty, empty.copy(), np.zeros((n_rows, 1), np.bool_), np.zeros(n_rows, np.int64), np.zeros(n_rows)
    intervals = np.diff(rows, axis=1)
    joined = np.zeros(good.shape, np.bool_)
    joined[:, 1:] = good[:, 1:] & good[:, :-1]
    order = np.argsort(~good, axis=1, kind="stable")
    counts = good.sum(axis=1)
    pack = lambda values: np.ascontiguousarray(np.take_along_axis(values, order, axis=1))
    ends = np.nanmax(rows, axis=1, initial=-np.inf, where=np.isfinite(rows))
    with np.errstate(invalid="ignore"):
        span = np.maximum(np.nan_to_num(ends - rows[:, 0], nan=0.0, neginf=0.0), 0.0)
    with np.errstate(over="ignore"):  # intervals beyond any float are refused as not physiological later
        in_ms = 1000.0 * intervals
    return pack(rows[:, 1:]), pack(in_ms), pack(joined), counts.astype(np.int64), span


def _derive(m: dict[str, np.ndarray], bands: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All measures from those the kernels give."""
    m = m | bands
    with np.errstate(divide="ignore", invalid="ignore"):
        m["CVNN"], m["CVSD"] = m["SDNN"] / m["MeanNN"], m["RMSSD"] / m["MeanNN"]
        m["MCVNN"], m["SDRMSSD"] = m["MadNN"] / m["MedianNN"], m["SDNN"] / m["RMSSD"]
        m["SD1"] = m["SDSD"] / np.sqrt(2.0)
        m["SD1SD2"], m["S"] = m["SD1"] / m["SD2"], np.pi * m["SD1"] * m["SD2"]
        m["CSI"], m["CVI"] = m["SD2"] / m["SD1"], np.log10(16.0 * m["SD1"] * m["SD2"])
        m["CSI_Modified"] = 4.0 * m["SD2"] ** 2 / m["SD1"]
        m["TP"] = m["VLF"] + m["LF"] + m["HF"] + m["VHF"]
        m["VHF"] = np.where(500.0 / m["MeanNN"] > BANDS["VHF"][0], m["VHF"], np.nan)
        m["LFHF"], m["LFn"], m["HFn"] = m["LF"] / m["HF"], m["LF"] / m["TP"], m["HF"] / m["TP"]
        m["LnHF"] = np.log(m["HF"])
    return m
