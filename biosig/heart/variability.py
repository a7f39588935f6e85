"""Heart rate and its variability from beat times."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from biosig_kernels.intervals import interval_rows
from biosig_kernels.threads import over_rows

from biosig.heart._checks import check_beat_rows


class Intervals(NamedTuple):
    """Summary of the good intervals of each row of beats."""

    mean: np.ndarray  # s
    sdnn: np.ndarray  # s
    rmssd: np.ndarray  # s
    n_good: np.ndarray
    covered: np.ndarray  # s, their sum
    n_all: np.ndarray


def summarise_intervals(beats, n_jobs=None) -> Intervals:
    """Clean and summarise intervals; `beats` (n_rows, n_most) in s, NaN padded, increasing."""
    beats = np.ascontiguousarray(beats, dtype=np.float64)
    summary = np.empty((len(beats), 6))
    over_rows(lambda a, b: interval_rows(beats, summary, a, b), len(beats), n_jobs)
    return Intervals(*summary.T)


def heart_rate(beats):
    """Mean heart rate from beat times.

    Parameters
    ----------
    beats : array_like, shape (n_beats,) or (n_windows, most_beats)
        Seconds, increasing; rows padded with NaN, as `detect_beats` returns them.

    Returns
    -------
    float or ndarray, shape (n_windows,)
        Beats per minute: 60 over the mean of the good intervals; NaN without any. Intervals are good when they last
        0.3 to 2 s and differ from the median of the eleven around them by at most five robust standard deviations,
        this limit being kept between 12 % and 30 % of the median.

    Raises
    ------
    ValueError
        For another number of dimensions, and for beat times that do not increase.
    """
    rows, one = check_beat_rows(beats)
    rate = 60.0 / summarise_intervals(rows).mean
    return float(rate[0]) if one else rate


def heart_rate_variability(beats):
    """Variability of the heart rate from beat times.

    Parameters
    ----------
    beats : array_like, shape (n_beats,) or (n_windows, most_beats)
        Seconds, increasing; rows padded with NaN, as `detect_beats` returns them.

    Returns
    -------
    dict of float, or of ndarray, shape (n_windows,)
        ``sdnn``: standard deviation (ddof 1) of the good intervals (as in `heart_rate`), ms. ``rmssd``: root mean
        square of the differences between neighbouring good intervals, ms; no difference spans an interval that was
        left out. ``n_good``: number of good intervals. NaN where there are too few intervals.

    Raises
    ------
    ValueError
        For another number of dimensions, and for beat times that do not increase.

    Notes
    -----
    Task Force of the ESC and NASPE, "Heart rate variability: standards of measurement", Circulation 93(5), 1996.
    """
    rows, one = check_beat_rows(beats)
    found = summarise_intervals(rows)
    measures = {"sdnn": 1000 * found.sdnn, "rmssd": 1000 * found.rmssd, "n_good": found.n_good}
    return {name: float(value[0]) if one else value for name, value in measures.items()}
