"""Tables of intervals between beats (RR, NN, PP, IBI), one row a beat."""

from __future__ import annotations

import numpy as np

BEAT_RATES = (0.2, 5.0)
"""Plausible beats per second."""
_SECONDS = (0.2, 5.0)
_MIN_ROWS = 8
_MAX_S = 60.0  # a longer "interval" is no interval between beats


def interval_seconds(values: np.ndarray, unit: str | None, file: str) -> tuple[np.ndarray, str]:
    """Intervals in s, and whether the unit was stated in the column name or follows from the size of the intervals.

    Intervals that are not positive are missing (NaN): devices write 0 where they found no beat.

    Parameters
    ----------
    values : numpy.ndarray of shape (n,)
    unit : {"s", "ms", "us", "ns"} or None
        From the column name.
    file : str
        For messages.

    Raises
    ------
    ValueError
        When neither s nor ms makes the median an interval between beats, or intervals last longer than a minute.
    """
    known = values[np.isfinite(values) & (values > 0)]
    median = float(np.median(known)) if len(known) else float("nan")
    per = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
    fits = [name for name in ("s", "ms") if _SECONDS[0] <= median / per[name] <= _SECONDS[1]]
    if (unit is None and not fits) or (unit is not None and not _SECONDS[0] <= median / per[unit] <= _SECONDS[1]):
        said = f" {unit} by the column name" if unit else ""
        raise ValueError(
            f"{file}: the median interval is {median:g}{said}; expected intervals between beats of 0.2 to 5 s "
            "(in s or ms: name the column 'ibi [s]' or 'ibi [ms]', without mistaking beats for intervals)"
        )
    evidence = "column name" if unit else f"median interval {median:.4g}"
    with np.errstate(over="ignore"):
        seconds = values / per[unit or fits[0]]
    long = np.flatnonzero(seconds > _MAX_S)
    if len(long):
        raise ValueError(
            f"{file}: the interval of row {long[0] + 1} is {seconds[long[0]]:.6g} s long ({len(long)} such rows); "
            f"expected at most {_MAX_S:g} s: give the times of the rows and leave the interval empty"
        )
    return np.where(seconds > 0, seconds, np.nan), evidence


def interval_ends(intervals: np.ndarray, times: np.ndarray | None, file: str) -> tuple[np.ndarray, str]:
    """Ends of the intervals in s, and how they were found.

    Parameters
    ----------
    intervals : numpy.ndarray of shape (n,)
        s.
    times : numpy.ndarray of shape (n,) or None
        Of the rows in s. They are ends of the intervals, unless their steps equal the interval of the row before the
        step, as when each row has the beat that begins its interval. None adds up the intervals.

    Raises
    ------
    ValueError
        When there are no times and an interval is missing.
    """
    if times is None:
        missing = np.flatnonzero(np.isnan(intervals))
        if len(missing):
            raise ValueError(
                f"{file}: row {missing[0] + 1} has no interval and there is no time column, so the time of the later "
                "beats is not known; give a time column, or split the table there"
            )
        return np.cumsum(intervals), "intervals added up"
    steps = np.diff(times)
    both = np.isfinite(intervals[1:]) & np.isfinite(intervals[:-1])
    if both.sum() >= _MIN_ROWS:
        ends = float(np.median(np.abs(steps - intervals[1:])[both]))
        begins = float(np.median(np.abs(steps - intervals[:-1])[both]))
        if begins < 0.5 * ends and begins < 0.02:
            whole = np.isfinite(intervals)
            return times + np.where(whole, intervals, 0.0), "rows begin the intervals"
    return times, "rows end the intervals"
