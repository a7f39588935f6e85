"""Checks of what the functions of this folder are given."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np

LEAST_INTERVALS = 3  # below which nothing is said of a unit
LEAST_STRANGE = 4.0  # s, the shortest median interval that is no heart's
MANY_BEATS = 8  # in a column, which are hardly single beats of as many windows
MANY_INTERVALS, LEAST_STRANGE_OF_FEW = 10, 30.0  # a detector may find but a few beats of a minute, seconds apart
MOST_PLAUSIBLE = 0.1  # fraction of intervals that a heart may have all the same
MILLISECONDS = (250.0, 2500.0)


def check_positive(value, name: str, unit: str) -> float:
    """Return `value` as a float, or raise ValueError unless it is a finite positive number."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, np.number)):
        raise ValueError(f"{name} is {value!r}; expected a positive number ({unit})")
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} is {value!r} {unit}; expected a positive, finite number")
    return float(value)


def check_fraction(value, name: str) -> float:
    """Return `value` as a float, or raise ValueError unless it is a number from 0 to 1."""
    number = isinstance(value, (Real, np.number)) and not isinstance(value, (bool, np.bool_))
    if not number or not 0.0 <= float(value) <= 1.0:
        raise ValueError(f"{name} is {value!r}; expected a fraction from 0 to 1")
    return float(value)


def check_beat_rows(beats) -> tuple[np.ndarray, bool]:
    """Return beats as contiguous float64 rows (n_rows, n_most) padded with NaN, and whether it was one list."""
    array = _numbers(beats, "beats")
    if array.ndim not in (1, 2):
        raise ValueError(f"beats has shape {array.shape}; expected (n_beats,) or (n_windows, most_beats)")
    if array.ndim == 2 and array.shape[1] == 1 and len(array) >= MANY_BEATS and (np.diff(array[:, 0]) > 0).all():
        raise ValueError(
            f"beats has shape {array.shape}, a column of increasing times; expected (n_beats,): write beats[:, 0]"
        )
    rows = np.ascontiguousarray(np.atleast_2d(array))
    with np.errstate(invalid="ignore"):
        backward: np.ndarray = np.any(np.diff(rows, axis=1) <= 0, axis=1)
    missing = np.isnan(rows)
    infinite: np.ndarray = np.any(np.isinf(rows), axis=1)
    wrong: np.ndarray = backward | infinite | np.any(missing[:, :-1] & ~missing[:, 1:], axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        where = "" if array.ndim == 1 else f" in window {row}"
        what = "are not finite" if infinite[row] else "do not increase" if backward[row] else "hold NaN"
        raise ValueError(
            f"beats {what}{where}; expected times in seconds, in order, with NaN after the last only; intervals are no "
            "times: give those to biosig.heart.hrv(intervals=...)"
        )
    _refuse_other_units(np.diff(rows, axis=1), "beats")
    return rows, array.ndim == 1


def check_beat_list(beats, name: str = "beats") -> np.ndarray:
    """Return one list of beat times as float64 without NaN, or raise ValueError."""
    array = _numbers(beats, name)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}; expected one list of times in seconds, (n_beats,)")
    times = array[~np.isnan(array)]
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise ValueError(f"{name} do not increase or are not finite; expected times in seconds, in order")
    _refuse_other_units(np.diff(times), name)
    return times


def _refuse_other_units(intervals, name: str) -> None:
    """Raise ValueError for beats whose intervals (NaN where there is none) no heart has in seconds, but in other units.

    A few beats with long gaps between them stay what they are: hardly an interval may be one of a heart.
    """
    some = intervals[np.isfinite(intervals)]
    if some.size < LEAST_INTERVALS:
        return
    middle = float(np.median(some))
    least = LEAST_STRANGE if some.size >= MANY_INTERVALS else LEAST_STRANGE_OF_FEW
    if middle < least or np.mean((some >= 0.2) & (some <= 3.0)) > MOST_PLAUSIBLE:
        return
    steady = np.mean(np.abs(some / middle - 1.0) < 0.5) > 0.5
    if not steady:
        return
    samples, milliseconds = f"sample numbers: write {name} / sampling_rate", f"milliseconds: write {name} / 1000"
    if middle < MILLISECONDS[0]:
        fix = f"they look like {samples}"
    elif middle <= MILLISECONDS[1]:
        fix = f"they look like {milliseconds} (or like {samples})"
    else:
        fix = f"divide {name} by the ticks per second of their clock"
    raise ValueError(f"{name} have a median interval of {middle:.4g}; expected times in seconds: {fix}")


def _numbers(values, name: str) -> np.ndarray:
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiu" and array.size:
            raise TypeError(f"they hold {array.dtype}")
        return array.astype(np.float64)  # the machine's byte order too
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be read as numbers ({error}); expected beat times in seconds") from None
