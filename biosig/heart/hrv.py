"""The usual measures of heart rate variability, by their usual names, each only where there is enough to measure."""

from __future__ import annotations

import numpy as np
import pandas as pd
from biosig_kernels.intervals import mark_rows
from biosig_kernels.threads import over_rows
from biosig_kernels.variability import MEASURES, MOST_COMPARED, band_rows, measure_rows

from biosig.heart._checks import check_beat_rows, check_positive
from biosig.heart.correction import GAP, correct_beats

BANDS = {"VLF": (0.0033, 0.04), "LF": (0.04, 0.15), "HF": (0.15, 0.4), "VHF": (0.4, 0.5)}  # Hz
OVERSAMPLING = 4.0
CLEANINGS = ("reject", "correct", "none")
# What each group needs: share of the window that good intervals cover, number of intervals, seconds.
_NEEDS = {
    "rate": (0.5, 4, 0.0),
    "spread": (0.8, 10, 0.0),
    "differences": (0.8, 10, 0.0),
    "HF": (0.8, 20, 50.0),
    "LF": (0.8, 20, 100.0),
    "VLF": (0.8, 20, 250.0),
    "entropy": (0.9, 50, 0.0),
}
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


def hrv(beats, *, cleaning="reject", duration=None, n_jobs=None) -> pd.DataFrame:
    """Heart rate variability from beat times: time domain, frequency domain, Poincare plot and sample entropy.

    Parameters
    ----------
    beats : array_like, shape (n_beats,) or (n_windows, most_beats)
        Seconds, increasing; rows padded with NaN, as `detect_beats` and `ecg_beats` return them.
    cleaning : {"reject", "correct", "none"}, default "reject"
        ``"reject"``: intervals that `heart_rate` does not call good are left out, and no difference spans them.
        ``"correct"``: wrong and ectopic beats are put right first (`correct_beats`), then the same. ``"none"``: every
        interval counts but gaps of more than 3 s, as NeuroKit2 does without its correction.
    duration : float, optional
        Seconds that the beats were looked for in, of which good intervals must cover enough; by default from the first
        beat to the last.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    pandas.DataFrame
        One row a window. The columns ``HRV_...`` have the names and definitions of ``neurokit2.hrv``, in ms, ms^2,
        per cent (pNN) or bare numbers:

        MeanNN, MedianNN
            need good intervals over at least half of the window, 4 of them.
        SDNN, CVNN, MadNN, MCVNN, IQRNN, Prc20NN, Prc80NN, MinNN, MaxNN, HTI; RMSSD, SDSD, CVSD, SDRMSSD, pNN50, pNN20;
        SD1, SD2, SD1SD2, S, CSI, CVI, CSI_Modified
            need 80 % and 10 intervals.
        HF, LnHF, VHF; LF, LFHF; VLF, TP, LFn, HFn
            need 80 %, 20 intervals and 50, 100 and 250 s from the first to the last (about windows of one, two and
            five minutes).
        SampEn
            needs 90 % and 50 intervals, and at most 5000: it takes a time that grows with their square.

        Then ``n_intervals`` (good ones), ``valid`` (share of the window they cover, 0 to 1) and ``reason``: which
        groups are NaN for want of what, empty when none.

    Raises
    ------
    ValueError
        For beat times that do not increase or another shape of them, for an unknown cleaning or duration.

    Notes
    -----
    pNN50 counts differences around one threshold, so the timing noise of a wrist PPG (some 10 to 20 ms) can more than
    double it: take it from electrocardiograms only. RMSSD and SD1 (the same measure) suffer less, SDNN least.

    The spectrum is a Lomb-Scargle periodogram of the intervals at the times at which they end, from which their mean is
    taken, scaled to a one-sided density: bands are in ms^2 and add up to the variance. Lists of ten minutes or more are
    cut into equal parts of at least five, whose bands are averaged. NeuroKit2 by default resamples, takes Welch's
    method and divides by the largest power, so its bands compare as ratios only (LFHF, LFn, HFn).

    Task Force of the ESC and NASPE, Circulation 93(5), 1996 (definitions, least durations); F. Shaffer and
    J. P. Ginsberg, Front. Public Health 5:258, 2017; M. Brennan et al., IEEE Trans. Biomed. Eng. 48(11), 2001
    (SD1, SD2); M. Toichi et al., J. Auton. Nerv. Syst. 62, 1997 (CSI, CVI); J. S. Richman and J. R. Moorman, Am. J.
    Physiol. 278(6), 2000 (sample entropy, with 2 values and 0.2 SDNN); D. Makowski et al., Behav. Res. Methods 53,
    2021.
    """
    rows, _ = check_beat_rows(beats)
    if cleaning not in CLEANINGS:
        raise ValueError(f"cleaning is {cleaning!r}; expected one of {', '.join(map(repr, CLEANINGS))}")
    if duration is not None:
        duration = check_positive(duration, "duration", "s")
    if cleaning == "correct":
        rows = correct_beats(rows, n_jobs=n_jobs).beats
    times, intervals, joined, counts, span = good_intervals(rows, cleaning == "none", n_jobs)
    measures = np.empty((len(rows), len(MEASURES)))
    bands = np.empty((len(rows), len(BANDS)))
    edges = np.array([low for low, _ in BANDS.values()] + [BANDS["VHF"][1]])

    def work(start: int, stop: int) -> None:
        measure_rows(intervals, joined, counts, measures, start, stop)
        band_rows(times, intervals, counts, edges, OVERSAMPLING, bands, start, stop)

    over_rows(work, len(rows), n_jobs)
    table = _derive(dict(zip(MEASURES, measures.T, strict=True)), dict(zip(BANDS, bands.T, strict=True)))
    whole = span if duration is None else np.maximum(duration - 1e-3 * np.nan_to_num(table["MeanNN"]), 0.0)
    covered = 1e-3 * np.where(np.arange(intervals.shape[1]) < counts[:, None], intervals, 0.0).sum(axis=1)
    valid = np.clip(np.divide(covered, whole, out=np.zeros(len(rows)), where=whole > 0), 0.0, 1.0)
    reasons = np.full(len(rows), "", dtype=object)
    for group, (share, least, seconds) in _NEEDS.items():
        many = (counts > MOST_COMPARED) & (group == "entropy")
        thin, few, short = valid < share - 1e-9, counts < least, span < seconds
        refused = thin | few | short | many
        for row in np.flatnonzero(refused):
            because = (
                f"{counts[row]} good intervals"
                if few[row] or many[row]
                else f"{valid[row]:.0%} good intervals"
                if thin[row]
                else f"{span[row]:.0f} s"
            )
            reasons[row] += f"{'; ' if reasons[row] else ''}no {group}: {because}"
        for name in _GROUPS[group]:
            table[name] = np.where(refused, np.nan, table[name])
    columns = {f"HRV_{name}": table[name] for names in _GROUPS.values() for name in names}
    return pd.DataFrame(columns | {"n_intervals": counts, "valid": valid, "reason": reasons})


def good_intervals(rows, every=False, n_jobs=None):
    """Good intervals of rows of beats (or `every` one but gaps), packed to the left.

    Returns their ends (s), the intervals (ms), whether each joins the one before it, their numbers, and the seconds
    from the first beat to the last of each row.
    """
    n_rows, n_most = rows.shape
    if n_most < 2:
        empty = np.zeros((n_rows, 1))
        return empty, empty.copy(), np.zeros((n_rows, 1), np.bool_), np.zeros(n_rows, np.int64), np.zeros(n_rows)
    intervals = np.diff(rows, axis=1)
    if every:
        with np.errstate(invalid="ignore"):
            good = intervals <= GAP
    else:
        good = np.zeros(intervals.shape, np.bool_)
        over_rows(lambda a, b: mark_rows(rows, good, a, b), n_rows, n_jobs)
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
        m["LFHF"], m["LFn"], m["HFn"] = m["LF"] / m["HF"], m["LF"] / m["TP"], m["HF"] / m["TP"]
        m["LnHF"] = np.log(m["HF"])
    return m
