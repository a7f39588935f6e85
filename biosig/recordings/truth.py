"""What a simulated heart really did in each window."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr


def truth_targets(recording: xr.Dataset, start, length: float = 60.0) -> pd.DataFrame:
    """Heart rate and variability of a simulated recording from its true beats.

    Parameters
    ----------
    recording : xarray.Dataset
        From `simulate_cohort`: with ``true_beat`` (s) and ``true_ectopic``.
    start : array-like of shape (n_windows,)
        Start of each window in s since the start of the recording, as in ``windows["start"]``.
    length : float
        Of the windows in s.

    Returns
    -------
    pandas.DataFrame
        One row a window: ``heart_rate`` (beats/min, from the mean interval), ``sdnn`` and ``rmssd`` (ms, over normal
        intervals: those that neither begin nor end with an ectopic beat; RMSSD over pairs of neighbouring normal
        intervals), ``n_beats``. SDNN has the divisor n - 1 (Task Force 1996). NaN where fewer than two intervals count.

    Raises
    ------
    ValueError
        When the recording has no true beats, or `length` is not positive.
    """
    if "true_beat" not in recording.variables:
        raise ValueError("the recording has no variable 'true_beat'; expected one made by biosig.simulate_cohort")
    if not length > 0:
        raise ValueError(f"length is {length!r} s; expected a positive number")
    ectopic = recording["true_ectopic"].values.astype(bool)
    rows = truth_rows(recording["true_beat"].values, ectopic, start, length)
    table = pd.DataFrame(rows, columns=["heart_rate", "sdnn", "rmssd", "n_beats"])
    return table.astype({"n_beats": int})


def truth_rows(beats: np.ndarray, ectopic: np.ndarray, start, length: float) -> np.ndarray:
    """The columns of `truth_targets` as an array (n_windows, 4), from beat times (s) and which of them came early."""
    starts = np.atleast_1d(np.asarray(start, dtype=np.float64))
    rows = np.full((len(starts), 4), np.nan)
    edges = np.searchsorted(beats, np.stack([starts, starts + length]))
    for row, low, high in zip(rows, *edges, strict=True):
        row[3] = high - low
        intervals = np.diff(beats[low:high])
        if len(intervals) < 2:
            continue
        normal = ~(ectopic[low : high - 1] | ectopic[low + 1 : high])
        steps = np.diff(intervals)[normal[1:] & normal[:-1]]
        row[0] = 60.0 / intervals.mean()
        if normal.sum() > 1:
            row[1] = 1e3 * intervals[normal].std(ddof=1)
        if len(steps) > 1:
            row[2] = 1e3 * np.sqrt(np.mean(np.square(steps)))
    return rows
