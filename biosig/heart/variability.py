"""Heart rate and its variability from beat times."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
from biosig_kernels.intervals import summary_rows
from biosig_kernels.threads import over_rows

from biosig.heart._checks import check_beat_rows, check_fraction
from biosig.heart.cleaning import check_cleaning, clean, mark_good
from biosig.heart.needs import MIN_COVERAGE, NEEDS, missing, rate_missing


class Intervals(NamedTuple):
    """Summary of the good intervals of each row of beats."""

    mean: np.ndarray  # s
    sdnn: np.ndarray  # s
    rmssd: np.ndarray  # s
    n_good: np.ndarray
    covered: np.ndarray  # s, their sum
    n_all: np.ndarray
    span: np.ndarray  # s, the sum of all
    mean_possible: np.ndarray  # s, of the intervals that a heart can have, one missed beat included

    @property
    def coverage(self) -> np.ndarray:
        """Fraction of the time from the first beat to the last that good intervals cover; 0 without intervals."""
        return np.divide(self.covered, self.span, out=np.zeros(len(self.span)), where=self.span > 0)


def summarise_intervals(beats, n_jobs=None, cleaning: str | None = None) -> Intervals:
    """Summarise intervals; `beats` (n_rows, n_most) in s, NaN padded, increasing.

    Without `cleaning` the good intervals count as for the heart rate, with one as for its variability.
    """
    beats = np.ascontiguousarray(beats, dtype=np.float64)
    if cleaning is None:
        return summarise_good(beats, mark_good(beats, n_jobs), n_jobs)
    return summarise_good(*clean(beats, cleaning, n_jobs), n_jobs)


def summarise_good(beats, good, n_jobs=None) -> Intervals:
    """Summarise the `good` intervals (n_rows, n_most - 1) of rows of beats."""
    summary = np.empty((len(beats), 8))
    over_rows(lambda a, b: summary_rows(beats, good, summary, a, b), len(beats), n_jobs)
    return Intervals(*summary.T)


def heart_rate(beats, *, min_coverage=MIN_COVERAGE, full_output=False):
    """Mean heart rate from beat times.

    Parameters
    ----------
    beats : array_like, shape (n_beats,) or (n_windows, most_beats)
        Seconds, increasing; rows padded with NaN, as `detect_beats` returns them.
    min_coverage : float, default 0.7
        Fraction (0 to 1) of the time from the first beat to the last that good intervals must cover.
    full_output : bool, default False
        Return the coverage and the reasons too.

    Returns
    -------
    float or ndarray, shape (n_windows,)
        Beats per minute: 60 over the mean of the good intervals. NaN, with a warning that says why, for fewer than four
        good intervals, for too small a coverage, and where good intervals cover less than 90 % and their mean is more
        than 10 % away from that of all intervals of up to 3 s: in a bigeminy, or where every third beat was missed,
        the intervals left out are not fewer than the good ones and not as long.
    pandas.DataFrame
        With `full_output`, one row a window: ``heart_rate``; ``coverage`` (0 to 1); ``n_good``, the number of good
        intervals; ``reason``, empty where there is a rate. No warning then.

    Raises
    ------
    ValueError
        For another number of dimensions, for beat times that do not increase, and for times in milliseconds or sample
        numbers.

    Warns
    -----
    UserWarning
        Where windows with at least two beats have no rate.

    Notes
    -----
    Intervals are good when they last 0.25 to 2.5 s (24 to 240 beats/min) and differ from the median of the eleven
    around them by at most five robust standard deviations, this limit being kept between 12 % and 30 % of the median;
    or when they differ from a good one beside them by at most 40 % and five times the usual change from one interval to
    the next, as in slow, deep breathing.

    See Also
    --------
    hrv : measures of variability, and the same rules for windows of known length.
    """
    rows, one = check_beat_rows(beats)
    min_coverage = check_fraction(min_coverage, "min_coverage")
    found = summarise_intervals(rows)
    reason = rate_missing(found.n_good, found.coverage, found.mean, found.mean_possible, min_coverage)
    rate = np.where(reason == "", 60.0 / found.mean, np.nan)
    if full_output:
        n_good = found.n_good.astype(np.int64)
        return pd.DataFrame({"heart_rate": rate, "coverage": found.coverage, "n_good": n_good, "reason": reason})
    without = np.flatnonzero((reason != "") & (found.n_all > 0))
    if without.size:
        where = "" if one else f" in {without.size} of {len(rows)} windows (window {without[0]}"
        what = f"heart_rate is NaN{where}: {reason[without[0]]}{'' if one else ')'}"
        warnings.warn(f"{what}; full_output=True returns coverage and reason", stacklevel=2)
    return float(rate[0]) if one else rate


def heart_rate_variability(beats, *, cleaning="reject", min_coverage=NEEDS["spread"].coverage):
    """Variability of the heart rate from beat times.

    Parameters
    ----------
    beats : array_like, shape (n_beats,) or (n_windows, most_beats)
        Seconds, increasing; rows padded with NaN, as `detect_beats` returns them.
    cleaning : {"reject", "correct", "none"}, default "reject"
        What is done about wrong and ectopic beats, see `hrv`.
    min_coverage : float, default 0.8
        Fraction (0 to 1) of the time from the first beat to the last that good intervals must cover.

    Returns
    -------
    dict of float, or of ndarray, shape (n_windows,)
        ``sdnn``: standard deviation (ddof 1) of the good intervals, ms. ``rmssd``: root mean square of the differences
        between neighbouring good intervals, ms; no difference spans an interval that was left out. ``n_good``: number
        of good intervals. ``coverage``: fraction of the time that they cover, 0 to 1. ``reason`` (str): why `sdnn` and
        `rmssd` are NaN, empty where they are not; they need ten good intervals and the coverage.

    Raises
    ------
    ValueError
        As `heart_rate`, and for an unknown cleaning.

    Notes
    -----
    Task Force of the ESC and NASPE, "Heart rate variability: standards of measurement", Circulation 93(5), 1996.
    """
    rows, one = check_beat_rows(beats)
    min_coverage = check_fraction(min_coverage, "min_coverage")
    found = summarise_intervals(rows, cleaning=check_cleaning(cleaning))
    reason = missing("spread", found.n_good, found.coverage, need=NEEDS["spread"]._replace(coverage=min_coverage))
    enough = reason == ""
    measures = {
        "sdnn": np.where(enough, 1000 * found.sdnn, np.nan),
        "rmssd": np.where(enough, 1000 * found.rmssd, np.nan),
        "n_good": found.n_good,
        "coverage": found.coverage,
    }
    if one:
        return {name: float(value[0]) for name, value in measures.items()} | {"reason": reason[0]}
    return measures | {"reason": reason}
