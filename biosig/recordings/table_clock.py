"""The clock of a table: seconds since its first row, and when that was."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from numbers import Real
from typing import NamedTuple

import numpy as np

from biosig.recordings import time_units
from biosig.recordings.time_stamps import NO_TIME, RawClock, local_to_utc

_POLAR_EPOCH = 946684800.0  # the sensor time stamps of Polar's devices count nanoseconds from 2000-01-01
_MAX_SPAN = 1e10  # s, 317 years
_MAX_REPEATED = 0.01
_WRAPS = (2.0**16, 2.0**24, 2.0**31, 2.0**32)


class TimeColumn(NamedTuple):
    """A column that may be a clock."""

    name: str
    word: str
    """Bare lower-case name, without the unit."""
    unit: str | None
    """From the column name."""
    load: Callable[[], RawClock]


class Clock(NamedTuple):
    """Time of each row."""

    times: np.ndarray
    """s since the first row."""
    epoch: float | None
    """Unix time of the first row in s, where it is known."""
    attrs: dict[str, str]
    hint: str = ""
    """What may be the matter when the times do not increase."""


def table_clock(
    columns: Sequence[TimeColumn],
    file: str,
    *,
    time_unit: str | None,
    timezone: str | None,
    wraps_at: float | None,
    rates: tuple[float, float] = time_units.SAMPLE_RATES,
    step: float | None = None,
) -> Clock:
    """Times of the rows from the first of some time columns; the others give the date where it does not.

    A finer column takes the place of a first one that repeats itself in more than 1 % of the rows.

    Parameters
    ----------
    columns : sequence of TimeColumn, at least one
        The sensor's own clock first.
    file : str
        For messages.
    time_unit, timezone, wraps_at
        As in `read_table`.
    rates : tuple of float
        Plausible rates in Hz.
    step : float, optional
        Typical time from row to row in s, where the table itself holds it.

    Raises
    ------
    ValueError
        For columns that are no clock or whose unit nothing tells.
    """
    time_units.check_time_unit(time_unit)
    _check_wraps_at(wraps_at)

    def read(column: TimeColumn, unit: str | None) -> Clock:
        return _read_column(column, file, unit=unit, timezone=timezone, wraps_at=wraps_at, rates=rates, step=step)

    main, *others = columns
    dated = None
    try:
        clock = read(main, time_unit)
    except ValueError as error:
        dated = _first_dated(others, read)
        if dated is None:
            raise
        unit = None
        raw = main.load()
        if raw.kind == "number" and np.isfinite(raw.values).all():
            values = (
                raw.values if wraps_at is None else _unwrapped(raw.values, wraps_at, f"{file}, column {main.name!r}")
            )
            unit = time_units.unit_by_span(values, dated[1].times)
        if unit is None and time_unit is not None:
            raise
        if unit is None:
            note = {"time_column_left_out": f"{main.name}: {str(error)[:200]}"}
            clock = dated[1]._replace(attrs={**dated[1].attrs, **note})
        else:
            clock = read(main, unit)
            clock.attrs["time_unit_from"] = f"the span of column {dated[0].name!r}"
    if others and _repeats(clock.times):
        for other in others:
            finer = _quietly(read, other)
            if finer is not None and not _repeats(finer.times):
                dated = (main, clock) if clock.epoch is not None else dated
                main, clock = other, finer
                break
    if clock.epoch is None:
        dated = dated or _first_dated(others, read)
        if dated is not None:
            clock = clock._replace(epoch=_start_by(dated[1], clock.times))
            clock.attrs["start_time_from"] = f"column {dated[0].name!r}"
        elif main.word == "sensortimestamp" and clock.attrs.get("time_unit_in_file") == "ns":
            clock = _polar(main, clock)
    return clock


def _polar(column: TimeColumn, clock: Clock) -> Clock:
    """Date by the epoch of Polar's devices, whose logs name this column "sensor timestamp [ns]"."""
    epoch = float(column.load().values[0]) / 1e9 + _POLAR_EPOCH
    if not time_units.UNIX_YEARS[0] <= epoch < time_units.UNIX_YEARS[1]:
        return clock
    said = f"nanoseconds since 2000-01-01 in column {column.name!r}, as Polar's devices count"
    return clock._replace(epoch=epoch, attrs={**clock.attrs, "start_time_from": said})


def _read_column(
    column: TimeColumn, file: str, *, unit: str | None, timezone, wraps_at, rates: tuple[float, float], step
) -> Clock:
    raw = column.load()
    where = f"{file}, column {column.name!r}"
    _refuse_missing(raw, file, column.name)
    attrs: dict[str, str] = {"time_column": column.name}
    if raw.kind != "number":
        return _typed(raw, where, timezone, wraps_at, attrs)
    values = raw.values if wraps_at is None else _unwrapped(raw.values, wraps_at, where)
    if unit is not None:
        attrs["time_unit_from"] = "stated"
    elif column.unit is not None:
        unit, attrs["time_unit_from"] = column.unit, "column name"
        time_units.check_header_unit(values, unit, rates, file, column.name)
    else:
        unit = None if step is None else time_units.unit_by_step(values, step)
        attrs["time_unit_from"] = "Unix time" if unit is None else "the intervals"
        unit = unit or time_units.infer_unit(values, rates, file, column.name)
    attrs["time_unit_in_file"] = unit
    per_second = time_units.PER_SECOND[unit]
    with np.errstate(over="ignore", invalid="ignore"):
        times = (values - values[0]) / per_second
        first, middle = float(values[0]) / per_second, float(np.median(values)) / per_second
    wild = np.flatnonzero(~(np.abs(times) <= _MAX_SPAN))
    if len(wild):
        raise ValueError(
            f"{where}: the time {values[wild[0]]:.6g} {unit} at row {wild[0] + 1} lies more than 300 years from the "
            f"first row ({len(wild)} such rows); expected a clock: remove these rows"
        )
    epoch = None
    low, high = time_units.UNIX_YEARS
    if low <= middle < high and -low <= first < 2 * high:  # a clock that began in 1970 and was set later is Unix time
        epoch, attrs["start_time_from"] = first, f"Unix time in column {column.name!r}"
    return Clock(times, epoch, attrs, "" if wraps_at is not None else _wrap_hint(values))


def _typed(raw: RawClock, where: str, timezone: str | None, wraps_at: float | None, attrs: dict[str, str]) -> Clock:
    """Clock from moments, local times or durations in ns."""
    values, hint = raw.values, ""
    if raw.kind == "local":
        zone = raw.zone if timezone is None else timezone
        if zone is None:
            hint = _check_summer_time(values, where)
        else:
            values = local_to_utc(values, zone, where)
        attrs["start_time_from"] = f"{where.rpartition(', ')[2]}, {'taken for UTC' if zone is None else f'in {zone}'}"
    elif raw.kind == "moment":
        attrs["start_time_from"] = where.rpartition(", ")[2]
    elif wraps_at is None and _wrap_hint(values / 1e9, (86400.0,)):
        hint = ": times of day that pass midnight; state wraps_at=86400"
    times = (values - values[0]) / 1e9
    if raw.kind == "duration" and wraps_at is not None:
        times = _unwrapped(values / 1e9, wraps_at, where)
        times = times - times[0]
    return Clock(times, None if raw.kind == "duration" else float(values[0]) / 1e9, attrs, hint)


def _check_summer_time(values: np.ndarray, where: str) -> str:
    """Warn of an hour that the clocks seem to skip; a hint for one that they seem to repeat."""
    steps = np.diff(values) / 1e9
    usual = float(np.median(np.abs(steps))) if len(steps) else 0.0
    near = 5.0 * usual + 0.01
    for at in np.flatnonzero(np.abs(steps - 3600.0) <= near).tolist():
        after = (values[at + 1] / 1e9) % 86400
        if 3600 <= after < 3600 * 4 and after % 3600 <= near:
            warnings.warn(
                f"{where}: the local time jumps by an hour at row {at + 2}, as where clocks go forward in spring, "
                "and is read as a gap; if no sample is missing there, state timezone= (such as 'Europe/London')",
                stacklevel=2,
            )
    back = np.any((steps < 0) & (np.abs(steps + 3600.0) <= near))
    return ": if the local clock was put back in autumn, state timezone= (such as 'Europe/London')" if back else ""


def _refuse_missing(raw: RawClock, file: str, column: str) -> None:
    if not len(raw.values):
        raise ValueError(f"{file} has no rows below its header")
    missing = np.flatnonzero(~np.isfinite(raw.values) if raw.kind == "number" else raw.values == NO_TIME)
    if len(missing):
        raise ValueError(f"{file}: row {missing[0] + 1} of column {column!r} has no time ({len(missing)} such rows)")


def _check_wraps_at(wraps_at) -> None:
    if wraps_at is None:
        return
    number = isinstance(wraps_at, (Real, np.number)) and not isinstance(wraps_at, (bool, np.bool_))
    if not number or not 0 < wraps_at < float("inf"):
        raise ValueError(
            f"wraps_at is {wraps_at!r}; expected the count at which the counter begins again, such as 2**32 or 2**16"
        )


def _unwrapped(values: np.ndarray, period: float, where: str) -> np.ndarray:
    """Counter without its wraps: a step back by more than half a period is one forward."""
    low, high = float(values.min()), float(values.max())
    if high - low > period:
        raise ValueError(f"{where} runs from {low:g} to {high:g}, which does not fit wraps_at={period:g}")
    steps = np.diff(values)
    turns = np.cumsum((steps < -period / 2).astype(np.int64) - (steps > period / 2))
    return values + period * np.concatenate([[0], turns])


def _wrap_hint(values: np.ndarray, periods: Sequence[float] = _WRAPS) -> str:
    back = np.flatnonzero(np.diff(values) < 0)
    for period in periods:
        # A signed counter falls from the largest number to the smallest, an unsigned one to 0.
        for low in (0.0, -period / 2):
            inside = len(back) and values.min() >= low and values.max() <= low + period
            if inside and np.all(values[back] > low + 0.9 * period) and np.all(values[back + 1] < low + 0.1 * period):
                return f": a counter that begins again; state wraps_at={period:.0f}"
    return ""


def _repeats(times: np.ndarray) -> bool:
    return int((np.diff(times) == 0).sum()) > max(1, _MAX_REPEATED * len(times))


def _quietly(read, column: TimeColumn) -> Clock | None:
    try:
        return read(column, None)
    except ValueError:
        return None


def _first_dated(columns: Sequence[TimeColumn], read) -> tuple[TimeColumn, Clock] | None:
    for column in columns:
        clock = _quietly(read, column)
        if clock is not None and clock.epoch is not None:
            return column, clock
    return None


def _start_by(dated: Clock, times: np.ndarray) -> float:
    """Unix time of the first row by another clock of the same rows.

    The time of arrival lags by up to a packet, so the smallest difference of the first minute counts; rounding of the
    stamps to milliseconds does not. Stamps in whole seconds are cut, not late, and there the largest one counts.
    """
    assert dated.epoch is not None
    early = np.abs(times - times[0]) <= 60.0
    lag = (dated.times - times)[early]
    if dated.epoch % 1 == 0 and not np.any(dated.times[early] % 1):
        return dated.epoch + float(lag.max())
    low = float(lag.min())
    return dated.epoch + (float(lag[0]) if lag[0] - low <= 0.005 else low)


def iso_start(epoch: float, file: str) -> str:
    """ISO 8601 text of the Unix time of the first row; ValueError outside the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{file} begins at the Unix time {epoch:g} s; expected the years 1 to 9999") from None
