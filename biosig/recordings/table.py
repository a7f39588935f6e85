"""Recordings in tables: CSV, TSV (also with gzip) and Parquet, one row a sample or a beat."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from biosig._checks import check_sampling_rate
from biosig.recordings.contract import UNKNOWN_START, make_recording, measured_rate, parse_start
from biosig.recordings.intervals import BEAT_RATES, interval_ends, interval_seconds
from biosig.recordings.table_clock import TimeColumn, iso_start, table_clock
from biosig.recordings.table_columns import Layout, listed, recognise
from biosig.recordings.table_order import order_rows, without_repeats
from biosig.recordings.table_parquet import ParquetTable
from biosig.recordings.table_text import TextTable
from biosig.recordings.time_stamps import local_to_utc
from biosig.recordings.units import to_g

MAX_BYTES = 2**31


def read_table(
    path: str | os.PathLike,
    *,
    columns: Mapping[str, Any] | None = None,
    units: str | float | None = None,
    time_unit: str | None = None,
    timezone: str | None = None,
    wraps_at: float | None = None,
    sort: bool = False,
    drop_copies: bool = False,
    sampling_rate: float | None = None,
    invert_ppg: bool = False,
    start_time: str | None = None,
    decimal: str = ".",
    skip_rows: int | None = None,
    participant: str | None = None,
    session: str | None = None,
    device: str = "table",
) -> xr.Dataset:
    """Read a table with named columns, one row a sample (or one row a beat, for intervals).

    Nothing is guessed silently: where neither names nor options tell, an error says what to state, and the attributes
    hold what each decision rests on (``accel_units_from``, ``time_unit_from``, ``start_time_from`` ...).

    Parameters
    ----------
    path : path
        ``.csv`` or ``.tsv`` (comma, semicolon or tab, read off the header line; also ``.gz``) or ``.parquet`` (extra
        ``parquet``). Lines above the column names are passed over; ActiLife's give rate and start.
    columns : mapping, optional
        Which columns to take: "time", "ecg" and "ibi" a name, "accel" and "gyro" (deg/s) three names, "ppg" a name,
        several, or ``{wavelength: name}``. Without it, time, x/y/z, acc_x ..., ppg, bvp, green ... are recognised, and
        where there are none of these, intervals between beats (ibi, rr, nn, PP-interval; s or ms).
    units : {"g", "mg", "m/s2"} or float, optional
        Of the acceleration; a number is counts per g. Without it: the unit in the column name ("X [mg]"), else inferred
        where the length of still segments is that of gravity; see `biosig.recordings.units.to_g`.
    time_unit : {"s", "ms", "us", "ns"}, optional
        Without it: the unit in the column name ("time_ms", "Time [s]"), else that of Unix times, where one unit implies
        both a date from 2000 to 2100 and 0.5 to 10,000 samples per second, else an error. Times as ISO 8601 text, time
        stamps and durations need none.
    timezone : str, optional
        Of local times without a zone, such as "Europe/London" or "+01:00"; UTC when absent. Hours that the clocks
        repeat or skip keep their order and rate.
    wraps_at : float, optional
        For counters that begin again: the count, in the column's unit, such as ``2**32`` or ``2**16``; 86400 for times
        of day.
    sort : bool
        Sort rows that are out of order by time, instead of an error.
    drop_copies : bool
        Drop rows that are exact copies of earlier ones, their time included, instead of an error.
    sampling_rate : float, optional
        Hz; takes the place of a time column, which then gives the start alone.
    invert_ppg : bool
        For light counts, which fall when blood volume rises.
    start_time : str, optional
        ISO 8601 in UTC, of the first row; without it, from Unix or ISO times, from another column with dates (the
        phone's beside a sensor's clock), from ActiLife's preamble, else 1970-01-01.
    decimal : {".", ","}
    skip_rows : int, optional
        Lines above the column names, where they are not found.
    participant, session : str, optional
        The file name without suffix when absent.
    device : str

    Returns
    -------
    xarray.Dataset
        A Recording. Up to 1 % of the rows may be exact copies of others, or stand alone more than a day off neighbours
        that agree; they are dropped (``n_copies_dropped``, ``n_stray_times``). Rows that share a time with other values
        came together and stay (``n_shared_times``). PPG and ECG on an offset that
        float32 cannot hold lose it (attribute ``offset_removed``; value in the file = value + offset).

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        For unknown columns or units, text where numbers belong (with the line), rows out of order or repeated, clocks
        in no plausible unit, anything but a regular file, and files above 2 GiB.
    """
    path = Path(path)
    name = str(path)
    table = _open(path, decimal=decimal, skip_rows=skip_rows)
    typed = [place for place in range(len(table.header)) if table.is_time(place)]
    layout = recognise(table.header, columns, name, typed_times=typed)
    places = sorted({place for positions in layout.sensors.values() for place in positions})
    values = table.numbers(places)
    if not len(values):
        raise ValueError(f"{path} has no rows below its header")
    arrays = {s: values[:, [places.index(place) for place in at]] for s, at in layout.sensors.items()}
    attrs: dict[str, Any] = {}
    beats = arrays.pop("ibi", None)
    if beats is not None:
        beats, attrs["ibi_units_from"] = interval_seconds(beats[:, 0], layout.ibi_unit, name)
    stated: dict[str, Any] = {"time_unit": time_unit, "timezone": timezone, "wraps_at": wraps_at}
    if beats is not None and not arrays:
        stated |= {"rates": BEAT_RATES, "step": float(np.nanmedian(beats))}
    rate = _rate(sampling_rate, table, has_clock=bool(layout.times), only_beats=not arrays, name=name)
    timing = _timing(
        table, layout, values, stated, rate=rate, sort=sort, drop_copies=drop_copies, only_beats=not arrays
    )
    start, evidence = _start(start_time, timing, table, timezone, name)
    attrs |= timing.attrs | {"start_time_from": evidence}
    arrays = {sensor: samples[timing.rows] for sensor, samples in arrays.items()}
    times: dict[str, np.ndarray] = {}
    if timing.times is not None:
        for sensor, samples in arrays.items():
            kept = without_repeats(timing.times, samples)
            arrays[sensor], times[sensor] = samples[kept], timing.times[kept]
    if "accel" in arrays:
        measured = rate if timing.times is None else measured_rate(timing.times)
        options: dict[str, Any] = {"header": layout.accel_unit, "sampling_rate": measured}
        arrays["accel"], noted = to_g(arrays["accel"], units, name, **options)
        attrs |= noted
    _convert(arrays, layout, invert_ppg=invert_ppg)
    if beats is not None:
        row_times = timing.times if rate is None else np.arange(len(timing.rows)) / rate
        arrays["ibi"], times["ibi"], attrs["ibi_times_from"] = _intervals(beats[timing.rows], row_times, arrays, name)
    contents: dict[str, Any] = dict(arrays)
    if "ppg" in arrays:
        contents["wavelengths"] = layout.wavelengths or [table.header[place] for place in layout.sensors["ppg"]]
    return make_recording(
        **contents,
        time=times,
        sampling_rate=rate,
        start_time=start,
        participant=_stem(path) if participant is None else participant,
        session=_stem(path) if session is None else session,
        device=device,
        source=path.name,
        attrs=attrs,
    )


class _Timing(NamedTuple):
    """Rows to keep in their order, and when they were."""

    rows: np.ndarray
    times: np.ndarray | None
    """s since the first of them; None where a rate is the clock, or nothing is."""
    epoch: float | None
    """Unix time of the first of them in s."""
    attrs: dict[str, Any]


def _open(path: Path, *, decimal: str, skip_rows: int | None) -> ParquetTable | TextTable:
    if path.suffix.lower() in (".parquet", ".pq"):
        return ParquetTable(path, max_bytes=MAX_BYTES)
    return TextTable(path, max_bytes=MAX_BYTES, decimal=decimal, skip_rows=skip_rows)


def _timing(
    table,
    layout: Layout,
    values: np.ndarray,
    stated: dict[str, Any],
    *,
    rate,
    sort: bool,
    drop_copies: bool,
    only_beats,
) -> _Timing:
    """Order and times of the rows, from the time columns or from the stated rate."""
    rows = np.arange(len(values))
    stamps = [TimeColumn(table.header[t.place], t.word, t.unit, partial(table.clock, t.place)) for t in layout.times]
    if rate is not None:
        return _Timing(rows, None, *_date(stamps, table.name, stated))
    if not stamps and only_beats:
        return _Timing(rows, None, None, {})
    if not stamps:
        raise ValueError(
            f"{table.name} has no time column among {listed(table.header)}; state sampling_rate=... (Hz) or "
            "columns={'time': ...}"
        )
    clock = table_clock(stamps, table.name, **stated)
    where = f"{table.name}, column {clock.attrs['time_column']!r}"
    order = order_rows(clock.times, values, where, sort=sort, drop_copies=drop_copies, hint=clock.hint)
    times = clock.times[order.rows]
    epoch = None if clock.epoch is None else clock.epoch + float(times[0])
    return _Timing(order.rows, times - times[0], epoch, clock.attrs | order.attrs)


def _date(stamps: list[TimeColumn], name: str, stated: dict[str, Any]) -> tuple[float | None, dict[str, str]]:
    """Unix time of the first row where a stated rate is the clock; without a usable column it stays unknown."""
    try:
        clock = table_clock(stamps, name, **stated) if stamps else None
    except ValueError:
        clock = None
    if clock is None or clock.epoch is None:
        return None, {}
    return clock.epoch, {"start_time_from": clock.attrs["start_time_from"]}


def _intervals(beats, row_times, arrays, name: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Intervals, their ends in s, and what these rest on; beside sensors only rows with an interval count."""
    whole = np.flatnonzero(np.isfinite(beats)) if arrays else np.arange(len(beats))
    ends, evidence = interval_ends(beats[whole], None if row_times is None else row_times[whole], name)
    return beats[whole], ends, evidence


def _rate(stated: float | None, table, *, has_clock: bool, only_beats: bool, name: str) -> float | None:
    """Rate that takes the place of a time column: the stated one, else ActiLife's where there is no such column."""
    preamble = table.preamble.sampling_rate if table.preamble else None
    if stated is not None:
        rate = check_sampling_rate(stated)
        if only_beats:
            raise ValueError(
                f"{name} holds intervals between beats, which have no sampling rate; leave sampling_rate out"
            )
        if preamble and abs(rate / preamble - 1.0) > 0.02:
            warnings.warn(f"{name}: sampling_rate={rate:g} Hz, but its preamble says {preamble:g} Hz", stacklevel=3)
        return rate
    return None if has_clock or preamble is None else check_sampling_rate(preamble, f"{name}: the preamble's rate")


def _start(stated: str | None, timing: _Timing, table, timezone: str | None, name: str) -> tuple[str, str]:
    """`start_time` and what it rests on."""
    if stated is not None:
        parse_start(stated)
        return stated, "stated"
    if timing.epoch is not None:
        return iso_start(timing.epoch, name), timing.attrs["start_time_from"]
    local = table.preamble.start_time if table.preamble else None
    if local is None:
        return UNKNOWN_START, "not known"
    moment = np.array([np.datetime64(local, "ns").astype(np.int64)])
    utc = moment if timezone is None else local_to_utc(moment, timezone, f"{name}, Start Time")
    zone = "taken for UTC" if timezone is None else f"in {timezone}"
    return iso_start(float(utc[0]) / 1e9, name), f"preamble, {zone}"


def _convert(arrays: dict[str, Any], layout: Layout, *, invert_ppg: bool) -> None:
    """Turn sensors other than acceleration into the contract's units, in place."""
    if "gyro" in arrays and "rad" in layout.gyro_unit.lower():
        arrays["gyro"] = np.rad2deg(arrays["gyro"])
    if "ecg" in arrays:
        arrays["ecg"] = arrays["ecg"][:, 0]
    if "ppg" in arrays and invert_ppg:
        arrays["ppg"] = -arrays["ppg"]


def _stem(path: Path) -> str:
    return Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem
