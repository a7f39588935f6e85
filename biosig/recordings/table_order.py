"""Rows of a table in increasing time: which are kept, in which order, and why a table is refused."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

_MAX_DROPPED = 0.01
_FAR = 86400.0  # s
_DAY = 86400.0
_MIN_TIMES = 8
_MOST = 0.9  # of the rows that share a time are copies where a log was written twice


class Order(NamedTuple):
    """Rows to keep, in order of time."""

    rows: np.ndarray
    attrs: dict[str, int]


def order_rows(
    times: np.ndarray, values: np.ndarray, where: str, *, sort: bool, drop_copies: bool, hint: str = ""
) -> Order:
    """Choose and order the rows of a table by their times.

    Up to 1 % of the rows may be exact copies, or stand alone more than a day off two neighbours that agree; these are
    dropped and counted. Rows that share a time with other values are samples that came together, and stay.

    Parameters
    ----------
    times : numpy.ndarray of shape (n,)
        s, finite.
    values : numpy.ndarray of shape (n, k)
        What the rows hold, to tell copies from other repeats.
    where : str
        File and column, for messages.
    sort, drop_copies : bool
        As in `read_table`.
    hint : str
        Appended to messages about times that run backwards.

    Raises
    ------
    ValueError
        For rows out of order, for exact copies, and where nearly all rows share a few times, each by name and with the
        option that helps.
    """
    rows = np.arange(len(times))
    attrs: dict[str, int] = {}
    if drop_copies:
        copies = _copies(times, values)
        rows = rows[~copies]
        if copies.any():
            attrs["n_copies_dropped"] = int(copies.sum())
    stray = _stray(times[rows])
    if stray.any() and stray.sum() <= max(1, _MAX_DROPPED * len(rows)):
        attrs["n_stray_times"] = int(stray.sum())
        rows = rows[~stray]
    back = np.flatnonzero(np.diff(times[rows]) < 0)
    if len(back) and not sort:
        raise ValueError(_out_of_order(times, values, rows, back, where, drop_copies, hint))
    if len(back):
        attrs["n_rows_out_of_order"] = len(back)
        rows = rows[np.argsort(times[rows], kind="stable")]
    same = np.concatenate([[False], np.diff(times[rows]) == 0])
    if not same.any():
        return Order(rows, attrs)
    if len(rows) - same.sum() < _MIN_TIMES and same.sum() >= 0.5 * len(rows):
        raise ValueError(
            f"{where}: {len(rows)} rows share {len(rows) - same.sum()} times, so the column is too coarse to be a "
            "clock; state sampling_rate=... (Hz) instead"
        )
    copies = _copies(times[rows], values[rows])
    if copies.sum() < _MOST * same.sum():
        attrs["n_shared_times"] = int(same.sum())
        return Order(rows, attrs)
    if copies.sum() > max(1, _MAX_DROPPED * len(rows)):
        raise ValueError(
            f"{where}: {int(copies.sum())} of {len(rows)} rows are exact copies of others; state drop_copies=True to "
            "drop them"
        )
    attrs["n_copies_dropped"] = attrs.get("n_copies_dropped", 0) + int(copies.sum())
    return Order(rows[~copies], attrs)


def without_repeats(times: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Rows of one sensor to keep, where rows share times and only another sensor's values differ in them.

    The sensor's own repeats are then copies, no samples: all rows that repeat the time before have its values too.
    """
    same = np.concatenate([[False], np.diff(times) == 0])
    if not same.any() or same.sum() > 0.5 * len(times):
        return np.arange(len(times))
    at = np.flatnonzero(same)
    now, before = samples[at], samples[at - 1]
    copies = ((now == before) | (np.isnan(now) & np.isnan(before))).all(axis=1)
    return np.flatnonzero(~same) if copies.all() else np.arange(len(times))


def _copies(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Whether each row is an exact copy of an earlier one, its time included."""
    if (np.diff(times) > 0).all():
        return np.zeros(len(times), dtype=bool)
    table = pd.DataFrame(np.column_stack([times, values]))
    return table.duplicated().to_numpy()


def _stray(times: np.ndarray) -> np.ndarray:
    """Single times more than a day off their neighbours, which are less than a day apart and in order."""
    stray = np.zeros(len(times), dtype=bool)
    if len(times) > 2:
        before, here, after = times[:-2], times[1:-1], times[2:]
        agree = (after >= before) & (after - before < _FAR)
        stray[1:-1] = agree & (np.minimum(np.abs(here - before), np.abs(here - after)) > _FAR)
        steps = np.diff(times)
        near = (steps >= 0) & (steps < _FAR)
        stray[0] = near[1] and abs(steps[0]) > _FAR
        stray[-1] = near[-2] and abs(steps[-1]) > _FAR
    return stray


def _out_of_order(times, values, rows, back, where: str, drop_copies: bool, hint: str) -> str:
    row, by = int(rows[back[0] + 1]) + 1, float(times[rows[back[0]]] - times[rows[back[0] + 1]])
    amount = f"{by / _DAY:.4g} days" if by > 2 * _DAY else f"{by:.6g} s"
    said = f"{where}: time runs backwards at row {row} by {amount} ({len(back)} such rows)"
    if hint:
        return said + hint
    n_copies = 0 if drop_copies else int(_copies(times, values).sum())
    if n_copies:
        return (
            f"{said}, and {n_copies} rows are exact copies of earlier ones, as where exports overlap; state "
            "drop_copies=True to drop the copies (and sort=True to sort what is still out of order)"
        )
    if len(back) == 1:
        return (
            f"{said}: a clock that was set back, or recordings that were joined; split the table there (sort=True "
            "sorts its rows by time, which mixes the two parts where they overlap)"
        )
    return f"{said}: the rows are out of order; state sort=True to sort them by time"
