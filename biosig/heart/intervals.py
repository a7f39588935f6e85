"""Intervals between beats as devices and other software give them, turned into beats with the gaps between."""

from __future__ import annotations

import numpy as np

from biosig.heart.cleaning import clean, corrected, mark_good

UNITS = {"s": 1.0, "ms": 1000.0}
MAX_LATE = 0.5  # of an interval, by which a time stamp may come late before intervals are missing in between


def beats_of_intervals(intervals, times=None, unit: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Beats that bound intervals, and which of the times between them were measured.

    Parameters
    ----------
    intervals : array_like, shape (n_intervals,) or (n_windows, most_intervals), or xarray.DataArray
        Not finite or not positive: missing; rows are padded with NaN. A DataArray brings its unit (``units``) and, in a
        dimension ``time...``, its times.
    times : array_like, shape (n_intervals,), optional
        Seconds at which the intervals end.
    unit : {"s", "ms"}, optional
        Seconds by default.

    Returns
    -------
    beats : ndarray of float64, shape (n_rows, n_most)
        Seconds, increasing, NaN after the last; from 0 where no times are known.
    measured : ndarray of bool, shape (n_rows, n_most - 1)
        False where beats bound a gap.

    Raises
    ------
    ValueError
        For another shape, text, times that decrease, and intervals that are none in this unit.
    """
    values, times, unit = _take_apart(intervals, times, unit)
    if unit not in UNITS:
        raise ValueError(f"unit is {unit!r}; expected 's' or 'ms'")
    _check_unit(values, unit)
    rows = values / UNITS[unit]
    stretches = [_stretches(row, times) for row in rows]
    most = max((sum(len(s) for s in each) for each in stretches), default=0)
    beats = np.full((len(rows), max(most, 1)), np.nan)
    measured = np.zeros((len(rows), max(most - 1, 0)), np.bool_)
    for r, each in enumerate(stretches):
        at = 0
        for one in each:
            beats[r, at : at + len(one)] = one
            measured[r, at : at + len(one) - 1] = True
            at += len(one)
    return beats, measured


def clean_measured(beats: np.ndarray, measured: np.ndarray, cleaning: str, n_jobs=None):
    """As `biosig.heart.cleaning.clean`, for beats with gaps of any length where nothing was measured."""
    if cleaning != "correct" or measured.all():
        rows, good = clean(beats, cleaning, n_jobs)
        return rows, good & measured if good.shape == measured.shape else good
    out, marks = [], []
    for row, known in zip(beats, measured, strict=True):
        row = row[np.isfinite(row)]
        parts = np.split(row, np.flatnonzero(~known[: max(len(row) - 1, 0)]) + 1)
        padded = np.full((len(parts), max(map(len, parts))), np.nan)
        for k, part in enumerate(parts):
            padded[k, : len(part)] = part
        right, _ = corrected(padded, n_jobs)
        kept = [part[np.isfinite(part)] for part in right]
        out.append(np.concatenate(kept))
        marks.append(np.concatenate([np.arange(len(part)) < len(part) - 1 for part in kept])[:-1])
    most = max((len(row) for row in out), default=0)
    rows, joined = np.full((len(out), max(most, 1)), np.nan), np.zeros((len(out), max(most - 1, 0)), np.bool_)
    for r, (row, mark) in enumerate(zip(out, marks, strict=True)):
        rows[r, : len(row)], joined[r, : len(mark)] = row, mark
    return rows, mark_good(rows, n_jobs) & joined


def _take_apart(intervals, times, unit):
    """Values (n_rows, n), times (n,) or None, and the unit."""
    if hasattr(intervals, "data_vars"):
        raise ValueError("intervals is a Dataset; give the recording itself, hrv(recording), or recording['ibi']")
    if hasattr(intervals, "dims") and hasattr(intervals, "coords"):
        unit = intervals.attrs.get("units", "s") if unit is None else unit
        named = [str(d) for d in intervals.dims if str(d).startswith("time")]
        if times is None and intervals.ndim == 1 and named and named[0] in intervals.coords:
            times = intervals.coords[named[0]].values
        intervals = intervals.values
    values = _numbers(intervals, "intervals")
    if values.ndim not in (1, 2):
        raise ValueError(f"intervals has shape {values.shape}; expected (n_intervals,) or (n_windows, most_intervals)")
    if times is not None:
        times = _numbers(times, "times")
        if values.ndim != 1 or times.shape != values.shape:
            raise ValueError(
                f"times has shape {times.shape}, but intervals {values.shape}; expected one time (s) for each of one "
                "list of intervals"
            )
        if not np.isfinite(times).all() or (np.diff(times) < 0).any():
            raise ValueError(
                "times decrease or are not finite; expected the seconds at which the intervals end, sorted"
            )
    return np.atleast_2d(values), times, "s" if unit is None else unit


def _numbers(values, name: str) -> np.ndarray:
    try:
        array = np.ma.filled(np.ma.masked_invalid(np.ma.asarray(values, dtype=np.float64)), np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be read as numbers ({error}); expected seconds") from None
    return np.asarray(array)


def _check_unit(values, unit: str) -> None:
    some = values[np.isfinite(values) & (values > 0)]
    if not some.size:
        return
    middle = float(np.median(some))
    for other, scale in UNITS.items():
        if other != unit and not 0.1 <= middle / UNITS[unit] <= 10.0 and 0.1 <= middle / scale <= 10.0:
            raise ValueError(
                f"intervals have a median of {middle:.4g} {unit}; they look like {other}: give unit={other!r}"
            )
    if not 0.01 <= middle / UNITS[unit] <= 100.0:
        raise ValueError(
            f"intervals have a median of {middle:.4g} {unit}; expected those between heart beats, near 1 s"
        )


def _stretches(row, times) -> list[np.ndarray]:
    """Beats of each unbroken run of intervals."""
    known = np.isfinite(row) & (row > 0)
    if not known.any():
        return []
    usual = float(np.median(row[known]))
    resolution = 1.0 if times is not None and (times == np.round(times)).all() else 0.0
    stretches: list[list[float]] = []
    now, open_ = 0.0, False  # end of the last interval; whether the next may join it
    for i in range(int(np.flatnonzero(known)[-1]) + 1):
        if not known[i]:
            open_ = False
            now += usual if times is None else 0.0
            continue
        start = now
        if times is not None:
            stamped = times[i] - row[i]
            late = stamped - now
            open_ = open_ and late <= MAX_LATE * row[i] + resolution
            if not open_:
                start = max(stamped, now + 1e-3) if stretches else stamped
        if not open_:
            stretches.append([start])
        now = start + row[i]
        stretches[-1].append(now)
        open_ = True
    return [np.array(stretch) for stretch in stretches]
