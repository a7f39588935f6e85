"""Which intervals between beats count, for the heart rate and for its variability."""

from __future__ import annotations

import numpy as np
from biosig_kernels.correction import correct_rows, reject_rows
from biosig_kernels.intervals import GAP, mark_rows
from biosig_kernels.threads import over_rows

CLEANINGS = ("reject", "correct", "none")


def check_cleaning(cleaning) -> str:
    """Return `cleaning`, or raise ValueError unless it is one of `CLEANINGS`."""
    if not isinstance(cleaning, str) or cleaning not in CLEANINGS:
        raise ValueError(f"cleaning is {cleaning!r}; expected one of {', '.join(map(repr, CLEANINGS))}")
    return cleaning


def mark_good(rows: np.ndarray, n_jobs=None) -> np.ndarray:
    """Good intervals of rows of beats (n_rows, n_most): plausible, and near their neighbours."""
    good = np.zeros((len(rows), max(rows.shape[1] - 1, 0)), np.bool_)
    if good.size:
        over_rows(lambda a, b: mark_rows(rows, good, a, b), len(rows), n_jobs)
    return good


def clean(rows: np.ndarray, cleaning: str, n_jobs=None) -> tuple[np.ndarray, np.ndarray]:
    """Clean rows of beats before their variability is measured.

    Parameters
    ----------
    rows : ndarray of float64, shape (n_rows, n_most)
        Seconds, increasing, NaN after the last.
    cleaning : {"reject", "correct", "none"}
        See `biosig.heart.hrv`.
    n_jobs : int, optional
        Threads.

    Returns
    -------
    rows : ndarray of float64
        The beats; others than were given for ``"correct"`` only.
    good : ndarray of bool, shape (n_rows, n_most - 1)
        Intervals that count.
    """
    if cleaning == "none":
        with np.errstate(invalid="ignore", over="ignore"):
            return rows, np.diff(rows, axis=1) <= GAP
    if cleaning == "correct":
        rows = corrected(rows, n_jobs)[0]
    good = mark_good(rows, n_jobs)
    if cleaning == "reject" and good.size:
        over_rows(lambda a, b: reject_rows(rows, GAP, good, a, b), len(rows), n_jobs)
    return rows, good


def corrected(rows: np.ndarray, n_jobs=None) -> tuple[np.ndarray, np.ndarray]:
    """Beats put right (n_rows, most_beats), and the number of intervals (n_rows, 5) of each class."""
    beats = np.empty((len(rows), 2 * rows.shape[1]))
    numbers = np.zeros((len(rows), 5), np.int64)
    over_rows(lambda a, b: correct_rows(rows, GAP, beats, numbers, a, b), len(rows), n_jobs)
    most = int(np.isfinite(beats).sum(axis=1).max(initial=0))
    return np.ascontiguousarray(beats[:, :most]), numbers
