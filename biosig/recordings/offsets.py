"""Offsets that single precision cannot hold, such as light counts of 1.9e9 with a pulse of 300."""

from __future__ import annotations

import numpy as np

_EXACT = 2.0**24  # the largest magnitude up to which float32 holds every integer


def remove_offset(values: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Take from each column beyond float32's exact integers its median, rounded to an integer.

    Parameters
    ----------
    values : numpy.ndarray of shape (n_samples, n_columns), float64

    Returns
    -------
    values : numpy.ndarray of shape (n_samples, n_columns)
        A copy where something was taken away.
    offsets : list of float
        What was taken from each column; 0 where nothing was, as when the values spread as far as they are large.
    """
    offsets = [_offset(column) for column in values.T]
    return (values - np.array(offsets) if any(offsets) else values), offsets


def _offset(column: np.ndarray) -> float:
    known = column[np.isfinite(column)]
    if not len(known) or np.abs(known).max() <= _EXACT:
        return 0.0
    median = float(np.round(np.median(known)))
    with np.errstate(over="ignore"):
        spread = float(np.percentile(np.abs(known - median), 90))  # glitches beyond may lose their last digits
    return median if spread < 0.5 * abs(median) else 0.0
