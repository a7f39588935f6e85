"""How much each measure of the heart needs: one table for every function, and the words for what is missing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Need(NamedTuple):
    """What a group of measures needs."""

    coverage: float  # fraction of the time that good intervals cover
    intervals: int  # good ones
    seconds: float = 0.0  # from the first beat to the last


MIN_COVERAGE = 0.7  # of a rate
NEEDS = {
    "rate": Need(MIN_COVERAGE, 4),
    "spread": Need(0.8, 10),
    "differences": Need(0.8, 10),
    "HF": Need(0.8, 20, 50.0),
    "LF": Need(0.8, 20, 100.0),
    "VLF": Need(0.8, 20, 250.0),
    "entropy": Need(0.9, 50),
}
MAX_DISAGREEMENT = 0.1  # of the rates by good intervals and by all, where the good ones do not cover nearly everything
FULL_COVERAGE = 0.9


def missing(group: str, counts, coverage, span=None, need: Need | None = None) -> np.ndarray:
    """Say of each row what its good intervals lack for a group of measures: an empty text for nothing.

    Parameters
    ----------
    group : str
        A key of `NEEDS`.
    counts, coverage : ndarray, shape (n_rows,)
        Good intervals, and the fraction of the time that they cover.
    span : ndarray, shape (n_rows,), optional
        Seconds from the first beat to the last, where the group needs some.
    need : Need, optional
        Another one than that of `NEEDS`.

    Returns
    -------
    ndarray of object, shape (n_rows,)
        Texts such as ``"no spread: 7 good intervals"``.
    """
    need = NEEDS[group] if need is None else need
    few, thin = counts < need.intervals, ~(coverage >= need.coverage - 1e-9)
    short = np.zeros(len(counts), bool) if span is None else span < need.seconds
    texts = np.full(len(counts), "", dtype=object)
    for row in np.flatnonzero(few | thin | short):
        if few[row]:
            texts[row] = f"no {group}: {counts[row]:.0f} good intervals"
        elif thin[row]:
            texts[row] = f"no {group}: {coverage[row]:.0%} good intervals"
        else:
            texts[row] = f"no {group}: {span[row]:.0f} s"
    return texts


def rate_missing(counts, coverage, mean, mean_possible, min_coverage: float = MIN_COVERAGE) -> np.ndarray:
    """Say why rows have no heart rate: an empty text where they have one.

    Beside what `missing` says: where many intervals were left out, those must not have been shorter or longer beats of
    an irregular heart, so the rate by the good intervals and that by all of them (up to 3 s) must agree.

    Parameters
    ----------
    counts, coverage : ndarray, shape (n_rows,)
    mean, mean_possible : ndarray, shape (n_rows,)
        Mean interval (s) of the good and of all possible intervals.
    min_coverage : float
    """
    texts = missing("rate", counts, coverage, need=NEEDS["rate"]._replace(coverage=min_coverage))
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = (coverage < FULL_COVERAGE) & ~(np.abs(mean_possible / mean - 1.0) <= MAX_DISAGREEMENT)
    for row in np.flatnonzero(apart & (texts == "")):
        texts[row] = (
            f"no rate: {coverage[row]:.0%} good intervals give {60 / mean[row]:.0f}, "
            f"all intervals {60 / mean_possible[row]:.0f} beats/min"
        )
    return texts
