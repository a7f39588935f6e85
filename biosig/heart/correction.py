"""Wrong and ectopic beats put right before variability is measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from biosig_kernels.correction import ECTOPIC, EXTRA, LONG_SHORT, MISSED

from biosig.heart._checks import check_beat_rows
from biosig.heart.cleaning import corrected


@dataclass(frozen=True)
class CorrectedBeats:
    """Beats put right, and how many were wrong; see `correct_beats`.

    Attributes
    ----------
    beats : ndarray of float64
        Seconds, of the shape of what was given, but with room for the beats put in; NaN after the last.
    n_ectopic, n_missed, n_extra, n_long_short : int or ndarray of int64, shape (n_windows,)
        Ectopic beats moved, missing beats put in, extra beats left out, misplaced beats moved.
    """

    beats: np.ndarray
    n_ectopic: int | np.ndarray
    n_missed: int | np.ndarray
    n_extra: int | np.ndarray
    n_long_short: int | np.ndarray


def correct_beats(beats, *, n_jobs=None) -> CorrectedBeats:
    """Put wrong beats right: extra ones out, missing ones in, ectopic and misplaced ones half way between neighbours.

    Parameters
    ----------
    beats : array_like, shape (n_beats,) or (n_windows, most_beats)
        Seconds, increasing; rows padded with NaN, as `detect_beats` returns them.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    CorrectedBeats

    Raises
    ------
    ValueError
        As `heart_rate`.

    Notes
    -----
    J. A. Lipponen and M. P. Tarvainen, J. Med. Eng. Technol. 43(3), 2019. An interval over 3 s is a gap: it stays, and
    the beats before and after it are put right on their own. The beat moved for an ectopic pattern is the one between
    the two wrong intervals. Thresholds follow the quartiles of up to 91 intervals: lists of fewer than some thirty
    beats are corrected with little certainty.
    """
    rows, one = check_beat_rows(beats)
    right, numbers = corrected(rows, n_jobs)
    counts = [int(numbers[0, k]) if one else numbers[:, k] for k in (ECTOPIC, MISSED, EXTRA, LONG_SHORT)]
    return CorrectedBeats(right[0] if one else right, *counts)
