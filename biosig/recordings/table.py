"""Recordings in tables: CSV, TSV (also with gzip) and Parquet, one row a sample or a beat."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from biosig._checks import check_sampling_rate
from biosig.recordings.contract import UNKNOWN_START, make_recording, measured_rate, parse_start
from biosig.recordings.intervals import BEAT_RATES, interval_ends, interval_seconds
from biosig.recordings.offsets import remove_offset
from biosig.recordings.table_clock import Clock, TimeColumn, iso_start, table_clock
from biosig.recordings.table_columns import Layout, listed, recognise
from biosig.recordings.table_order import order_rows
from biosig.recordings.table_parquet import ParquetTable
from biosig.recordings.table_text import TextTable
from biosig.recordings.time_stamps import local_to_utc
from biosig.recordings.time_units import SAMPLE_RATES
from biosig.recordings.units import to_g

MAX_BYTES = 2**31
_UNKNOWN = "not known"


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
        ``.csv`` or ``.tsv`` (comma, semicolon or tab, told from the header line; also ``.gz``) or ``.parquet`` (extra
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
        A Recording. Up to 1 % of the rows may repeat the time of the row before, or stand alone more than a day off
        neighbours that agree; they are dropped (``n_repeated_times``, ``n_stray_times``). PPG and ECG on an offset that
        float32 cannot hold lose it (attribute ``offset_removed_...``; value in the file = value + offset).

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
    table: ParquetTable | TextTable
    if path.suffix.lower() in (".parquet", ".pq"):
        table = ParquetTable(path, max_bytes=MAX_BYTES)
        typed = [place for place in range(len(table.header)) if table.is_time(place)]
    else:
        table, typed = TextTable(path, max_bytes=MAX_BYTES, decimal=decimal, skip_rows=skip_rows), []
    layout = recognise(table.header, columns, name, typed_times=typed)
    places = sorted({place for positions in layout.sensors.values() for place in positions})
    values = table.numbers(places)
    if not len(values):
        raise ValueError(f"{path} has no rows below its header")
    by_sensor = {s: values[:, [places.index(place) for place in at]] for s, at in layout.sensors.items()}
    only_beats = set(layout.sensors) == {"ibi"}
    attrs: dict[str, Any] = {}
    if "ibi" in by_sensor:
        beats, attrs["ibi_units_from"] = interval_seconds(by_sensor.pop("ibi")[:, 0], layout.ibi_unit, name)
    rate = _rate(sampling_rate, table, has_clock=bool(layout.times), only_beats=only_beats, name=name)
    clock = None
    stamps = [TimeColumn(table.header[t.place], t.word, t.unit, lambda t=t: table.clock(t.place)) for t in layout.times]
    if stamps:
        options: dict[str, Any] = {"time_unit": time_unit, "timezone": timezone, "wraps_at": wraps_at}
        options["rates"] = BEAT_RATES if only_beats else SAMPLE_RATES
        options["step"] = float(np.nanmedian(beats)) if only_beats else None
        clock = _clock(stamps, name, options, date_only=rate is not None)
    elif rate is None and not only_beats:
        raise ValueError(
            f"{path} has no time column among {listed(table.header)}; state sampling_rate=... (Hz) or "
            "columns={'time': ...}"
        )
    times, epoch = None, None
    rows = np.arange(len(values))
    if clock is not None and rate is None:
        order = order_rows(
            clock.times,
            values,
            f"{name}, column {clock.attrs['time_column']!r}",
            sort=sort,
            drop_copies=drop_copies,
            hint=clock.hint,
            strictly=not only_beats,
        )
        rows, times = order.rows, clock.times[order.rows]
        attrs |= clock.attrs | order.attrs
        epoch = None if clock.epoch is None else clock.epoch + times[0]
        times = times - times[0]
    elif clock is not None:
        epoch = clock.epoch
        attrs |= {key: text for key, text in clock.attrs.items() if key == "start_time_from"}
    start, attrs["start_time_from"] = _start(start_time, epoch, attrs.get("start_time_from"), table, timezone, name)
    arrays = {sensor: samples[rows] for sensor, samples in by_sensor.items()}
    time = {} if times is None else dict.fromkeys(arrays, times)
    if "accel" in arrays:
        measured = rate if times is None else measured_rate(times)
        arrays["accel"], noted = to_g(
            arrays["accel"], units, name, header=layout.accel_unit, sampling_rate=measured
        )
        attrs |= noted
    _convert(arrays, layout, table.header, attrs, invert_ppg=invert_ppg)
    if "ibi" in layout.sensors:
        whole = np.arange(len(rows)) if only_beats else np.flatnonzero(np.isfinite(beats[rows]))
        arrays["ibi"] = beats[rows][whole]
        row_times = times if times is not None or only_beats else np.arange(len(rows)) / rate
        ends, attrs["ibi_times_from"] = interval_ends(
            arrays["ibi"], None if row_times is None else row_times[whole], name
        )
        time["ibi"] = ends
    return make_recording(
        **arrays,
        time=time,
        sampling_rate=rate,
        wavelengths=layout.wavelengths or ([table.header[p] for p in layout.sensors["ppg"]] if "ppg" in arrays else None),
        start_time=start,
        participant=_stem(path) if participant is None else participant,
        session=_stem(path) if session is None else session,
        device=device,
        source=path.name,
        attrs=attrs,
    )


def _rate(stated: float | None, table, *, has_clock: bool, only_beats: bool, name: str) -> float | None:
    """Rate that takes the place of a time column: the stated one, else ActiLife's where there is no such column."""
    preamble = table.preamble.sampling_rate if table.preamble else None
    if stated is not None:
        rate = check_sampling_rate(stated)
        if only_beats:
            raise ValueError(f"{name} holds intervals between beats, which have no sampling rate; leave sampling_rate out")
        if preamble and abs(rate / preamble - 1.0) > 0.02:
            warnings.warn(f"{name}: sampling_rate={rate:g} Hz, but its preamble says {preamble:g} Hz", stacklevel=3)
        return rate
    return None if has_clock or preamble is None else check_sampling_rate(preamble, f"{name}: the preamble's rate")


def _clock(stamps: list[TimeColumn], name: str, options: dict[str, Any], *, date_only: bool) -> Clock | None:
    if not date_only:
        return table_clock(stamps, name, **options)
    try:
        return table_clock(stamps, name, **options)
    except ValueError:
        return None  # the stated rate is the clock; without a date the start stays unknown


def _start(stated, epoch, evidence, table, timezone: str | None, name: str) -> tuple[str, str]:
    """`start_time` and what it rests on."""
    if stated is not None:
        parse_start(stated)
        return stated, "stated"
    if epoch is not None:
        return iso_start(float(epoch), name), evidence or _UNKNOWN
    local = table.preamble.start_time if table.preamble else None
    if local is None:
        return UNKNOWN_START, _UNKNOWN
    moment = np.array([np.datetime64(local, "ns").astype(np.int64)])
    utc = moment if timezone is None else local_to_utc(moment, timezone, f"{name}, Start Time")
    zone = "taken for UTC" if timezone is None else f"in {timezone}"
    return iso_start(float(utc[0]) / 1e9, name), f"preamble, {zone}"


def _convert(arrays: dict[str, Any], layout: Layout, header: list[str], attrs: dict[str, Any], *, invert_ppg: bool) -> None:
    """Turn sensors other than acceleration into the contract's units, in place."""
    if "gyro" in arrays and "rad" in layout.gyro_unit.lower():
        arrays["gyro"] = np.rad2deg(arrays["gyro"])
    if "ecg" in arrays:
        arrays["ecg"], offsets = remove_offset(arrays["ecg"])
        arrays["ecg"] = arrays["ecg"][:, 0]
        attrs |= {"offset_removed_ecg": offsets[0]} if offsets[0] else {}
    if "ppg" in arrays:
        signed = -arrays["ppg"] if invert_ppg else arrays["ppg"]
        arrays["ppg"], offsets = remove_offset(signed)
        names = layout.wavelengths or [header[place] for place in layout.sensors["ppg"]]
        attrs |= {f"offset_removed_ppg_{n}": o for n, o in zip(names, offsets, strict=True) if o}


def _stem(path: Path) -> str:
    return Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem
