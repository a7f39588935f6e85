"""Uncertainty over people: participants are resampled, never windows.

Windows of one person are alike, so an interval that resamples windows is far too narrow. Here whole participants are
drawn with replacement (the cluster bootstrap; Davison and Hinkley, *Bootstrap Methods and their Application*, 1997,
section 3.8) and the percentiles of the statistic over the draws are the interval. As the statistics are ratios of sums,
each participant enters as its sums, and all draws are one matrix product.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from biosig._checks import check_groups

_BLOCK = 1 << 22  # draws x participants held at once: 32 MB


class Interval(NamedTuple):
    """An estimate with its interval; `low` and `high` are NaN with fewer than two participants."""

    estimate: float
    low: float
    high: float
    n_windows: int
    n_participants: int


class Difference(NamedTuple):
    """How much one method's mean differs from another's, on the windows that both have."""

    absolute: Interval
    relative: Interval


_NOTHING = Interval(np.nan, np.nan, np.nan, 0, 0)


def one_seed(random_state) -> int:
    """A seed for all intervals of a table: they are drawn on the same participants and differ by their data alone.

    Parameters
    ----------
    random_state : int, None or numpy.random.Generator
        An int is returned as it is.
    """
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(np.random.default_rng(random_state).integers(2**31))


def _participant_sums(columns: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Sums per participant, shape (n_participants, n_columns), of finite `columns` (n_windows, n_columns)."""
    _, index = np.unique(groups, return_inverse=True)
    sums = np.empty((index.max() + 1, columns.shape[1]))
    for j in range(columns.shape[1]):
        sums[:, j] = np.bincount(index, weights=columns[:, j])
    return sums


def _resampled_sums(sums: np.ndarray, n_boot: int, random_state) -> np.ndarray:
    """Sums over `n_boot` draws of participants with replacement, shape (n_boot, n_columns)."""
    rng = np.random.default_rng(random_state)
    n = len(sums)
    rows = max(1, _BLOCK // n)
    draws = np.empty((n_boot, sums.shape[1]))
    for start in range(0, n_boot, rows):
        stop = min(start + rows, n_boot)
        # How often each participant is drawn is multinomial; no list of drawn participants is needed.
        draws[start:stop] = rng.multinomial(n, np.full(n, 1 / n), size=stop - start) @ sums
    return draws


def _percentiles(draws: np.ndarray, level: float) -> tuple[float, float]:
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return np.nan, np.nan
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _check(n_boot: int, level: float) -> None:
    if n_boot < 1:
        raise ValueError(f"n_boot is {n_boot}; expected a positive number of draws, such as 2000")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected a probability between 0 and 1, such as 0.95")


def bootstrap_mean(values, groups, *, n_boot: int = 2000, level: float = 0.95, random_state=None) -> Interval:
    """Mean over windows, with a percentile interval over participants.

    Parameters
    ----------
    values : array of shape (n_windows,)
        One number a window, for instance absolute errors. NaN windows are left out.
    groups : array of shape (n_windows,)
        Participant of each window.
    n_boot : int
        Draws of participants.
    level : float
        Probability mass of the interval.
    random_state : int, None or numpy.random.Generator
        Seed of the draws.

    Returns
    -------
    Interval
        All NaN without a finite value; interval NaN with one participant.

    Raises
    ------
    ValueError
        When there is not one participant label per value.
    """
    _check(n_boot, level)
    values = np.asarray(values, dtype=np.float64)
    groups = check_groups(groups, len(values))
    keep = np.isfinite(values)
    if not keep.any():
        return _NOTHING
    kept = values[keep]
    sums = _participant_sums(np.column_stack([kept, np.ones(len(kept))]), groups[keep])
    low = high = np.nan
    if len(sums) > 1:
        total, count = _resampled_sums(sums, n_boot, random_state).T
        low, high = _percentiles(total / count, level)
    return Interval(float(kept.mean()), low, high, len(kept), len(sums))


def bootstrap_difference(
    values, baseline, groups, *, n_boot: int = 2000, level: float = 0.95, random_state=None
) -> Difference:
    """Paired difference of two methods' means: ``mean(values) - mean(baseline)``, and the same over ``mean(baseline)``.

    Both methods are taken on the same windows and on the same draws of participants, so that what is hard for both
    cancels. A relative difference of -0.25 says that the mean of `values` is 25 % lower.

    Parameters
    ----------
    values, baseline : array of shape (n_windows,)
        One number a window, such as absolute errors. Windows in which either is NaN are left out.
    groups : array of shape (n_windows,)
        Participant of each window.
    n_boot, level, random_state
        As in `bootstrap_mean`.

    Returns
    -------
    Difference
        The relative one is NaN where the baseline's mean is zero.

    Raises
    ------
    ValueError
        When the lengths differ.
    """
    _check(n_boot, level)
    values, baseline = np.asarray(values, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    if values.shape != baseline.shape:
        raise ValueError(f"values has shape {values.shape}, baseline {baseline.shape}; paired methods need the same")
    groups = check_groups(groups, len(values))
    keep = np.isfinite(values) & np.isfinite(baseline)
    if not keep.any():
        return Difference(_NOTHING, _NOTHING)
    a, b = values[keep], baseline[keep]
    sums = _participant_sums(np.column_stack([a, b, np.ones(len(a))]), groups[keep])
    difference = float(a.mean() - b.mean())
    relative = difference / float(b.mean()) if b.mean() else np.nan
    absolute_ends = relative_ends = (np.nan, np.nan)
    if len(sums) > 1:
        total_a, total_b, count = _resampled_sums(sums, n_boot, random_state).T
        absolute_ends = _percentiles((total_a - total_b) / count, level)
        if np.isfinite(relative):
            with np.errstate(divide="ignore", invalid="ignore"):
                relative_ends = _percentiles((total_a - total_b) / total_b, level)
    n = (len(a), len(sums))
    return Difference(Interval(difference, *absolute_ends, *n), Interval(relative, *relative_ends, *n))
