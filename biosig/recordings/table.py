"""Recordings in tables: CSV, TSV and Parquet, one row a sample."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from biosig.recordings.contract import UNKNOWN_START, iso_time, make_recording
from biosig.recordings.table_columns import Layout, recognise, to_seconds
from biosig.recordings.text import lines_of, read_numbers
from biosig.recordings.units import to_g

MAX_BYTES = 2**31
MAX_CELLS = 2**30
_MAX_REPEATED = 0.01


def read_table(
    path: str | os.PathLike,
    *,
    columns: Mapping[str, Any] | None = None,
    units: str | None = None,
    time_unit: str | None = None,
    sampling_rate: float | None = None,
    invert_ppg: bool = False,
    start_time: str | None = None,
    participant: str | None = None,
    session: str | None = None,
    device: str = "table",
) -> xr.Dataset:
    """Read a table with named columns, one row a sample.

    Nothing is guessed silently: where neither names nor options tell, an error says what to state.

    Parameters
    ----------
    path : path
        ``.csv`` or ``.tsv`` (comma, semicolon or tab, told from the header line) or ``.parquet`` (extra ``parquet``).
    columns : mapping, optional
        Which columns to take: "time" and "ecg" a name, "accel" and "gyro" (deg/s) three names, "ppg" a name, several,
        or ``{wavelength: name}``. Without it, time, x/y/z, acc_x ..., ppg, bvp, green ... are recognised.
    units : {"g", "mg", "m/s2"}, optional
        Of the acceleration. Without it: the unit in the column name ("X [mg]"), else inferred when the median magnitude
        is that of gravity in one of them; the attribute ``accel_units_from`` tells.
    time_unit : {"s", "ms", "us", "ns"}, optional
        Without it: the unit in the column name ("time_ms", "Time [s]"), else told by the size of Unix times, else an
        error. Times as ISO 8601 text need none.
    sampling_rate : float, optional
        Hz; takes the place of a time column.
    invert_ppg : bool
        For light counts, which fall when blood volume rises.
    start_time : str, optional
        ISO 8601 in UTC; without it, from Unix or ISO times, else 1970-01-01.
    participant, session : str, optional
        The file name without suffix when absent.
    device : str

    Returns
    -------
    xarray.Dataset
        A Recording. Single rows that repeat the time of the row before are dropped; ``n_repeated_times`` counts them.

    Raises
    ------
    ValueError
        For unknown columns or units, text where numbers belong (with the line), times that run backwards or repeat in
        more than 1 % of the rows, and files above 2 GiB.
    """
    path = Path(path)
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size} bytes; expected at most {MAX_BYTES}: split it")
    if path.suffix.lower() in (".parquet", ".pq"):
        layout, header, values, clock = _from_parquet(path, columns, use_time=sampling_rate is None)
    else:
        layout, header, values, clock = _from_text(path, columns, use_time=sampling_rate is None)
    if not len(values):
        raise ValueError(f"{path} has no rows below its header")
    attrs: dict[str, Any] = {}
    timing: dict[str, Any] = {"sampling_rate": sampling_rate}
    epoch = None
    if clock is not None:
        keep, times, epoch = _times(clock, time_unit or layout.time_unit, str(path), header[layout.time or 0])
        if not keep.all():
            attrs["n_repeated_times"] = int((~keep).sum())
            values, times = values[keep], times[keep]
        timing = {"time": times}
    elif sampling_rate is None:
        raise ValueError(
            f"{path} has no time column among {header}; state sampling_rate=... (Hz) or columns={{'time': ...}}"
        )
    taken = sorted({position for positions in layout.sensors.values() for position in positions})
    arrays: dict[str, Any] = {
        sensor: values[:, [taken.index(place) for place in places]] for sensor, places in layout.sensors.items()
    }
    if "accel" in arrays:
        arrays["accel"], noted = to_g(arrays["accel"], units or layout.accel_unit, str(path))
        attrs |= noted
    if "ecg" in arrays:
        arrays["ecg"] = arrays["ecg"][:, 0]
    if "ppg" in arrays and invert_ppg:
        arrays["ppg"] = -arrays["ppg"]
    return make_recording(
        **arrays,
        **timing,
        wavelengths=layout.wavelengths or ([header[p] for p in layout.sensors["ppg"]] if "ppg" in arrays else None),
        start_time=start_time or (UNKNOWN_START if epoch is None else iso_time(epoch)),
        participant=path.stem if participant is None else participant,
        session=path.stem if session is None else session,
        device=device,
        source=path.name,
        attrs=attrs,
    )


def _from_text(path: Path, columns, *, use_time: bool) -> tuple[Layout, list[str], np.ndarray, np.ndarray | None]:
    content = path.read_bytes()
    head = lines_of(content, 2)
    if not head or not head[0].strip():
        raise ValueError(f"{path} is empty; expected a line of column names, then rows of numbers")
    separator = max("\t;,", key=head[0].count)
    header = [field.strip() for field in next(csv.reader([head[0]], delimiter=separator))]
    if all(_is_number(field) for field in header):
        raise ValueError(f"{path}, line 1: {head[0][:60]!r} are numbers; expected column names (add a header line)")
    layout = recognise(header, columns, str(path))
    taken = sorted({position for positions in layout.sensors.values() for position in positions})
    options: dict[str, Any] = {"skip": 1, "separator": separator, "n_fields": len(header)}
    clock = None
    if use_time and layout.time is not None:
        first = next(csv.reader(head[1:], delimiter=separator), [])
        if layout.time < len(first) and not _is_number(first[layout.time]):
            clock = _text_times(content, path, layout.time, separator)
        else:
            clock = read_numbers(content, name=str(path), columns=[layout.time], **options)[:, 0]
    return layout, header, read_numbers(content, name=str(path), columns=taken, **options), clock


def _text_times(content: bytes, path: Path, column: int, separator: str) -> np.ndarray:
    try:
        text = pd.read_csv(io.BytesIO(content), sep=separator, usecols=[column], dtype=str, skip_blank_lines=False)
        moments = pd.to_datetime(text.iloc[:, 0], utc=True, format="ISO8601")
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{path}: times are neither numbers nor ISO 8601 text ({error})") from None
    return moments.to_numpy("datetime64[ns]")


def _from_parquet(path: Path, columns, *, use_time: bool) -> tuple[Layout, list[str], np.ndarray, np.ndarray | None]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ValueError(
            "reading Parquet needs the package pyarrow, which is not installed: pip install 'biosig-wear[parquet]'"
        ) from None
    try:
        with pq.ParquetFile(path) as file:
            header = list(file.schema_arrow.names)
            layout = recognise(header, columns, str(path))
            taken = sorted({position for positions in layout.sensors.values() for position in positions})
            if file.metadata.num_rows * (len(taken) + 1) > MAX_CELLS:
                raise ValueError(f"{path} promises {file.metadata.num_rows} rows; expected {MAX_CELLS} cells at most")
            wanted = taken + ([layout.time] if use_time and layout.time is not None else [])
            table = file.read(columns=[header[position] for position in wanted]).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} cannot be read as a Parquet table: {error}") from None
    try:
        columns_taken = [table[header[position]].to_numpy(np.float64, na_value=np.nan) for position in taken]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} holds something else than numbers: {error}") from None
    values = np.stack(columns_taken, axis=1)
    if not use_time or layout.time is None:
        return layout, header, values, None
    clock = table[header[layout.time]]
    if pd.api.types.is_datetime64_any_dtype(clock) or clock.dtype == object:
        moments = pd.to_datetime(clock, utc=True)
        return layout, header, values, moments.to_numpy("datetime64[ns]")
    return layout, header, values, clock.to_numpy(np.float64, na_value=np.nan)


def _times(clock: np.ndarray, unit: str | None, name: str, column: str) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Rows to keep, times of all rows in s since the first, and the Unix time (s) of the first row if known."""
    if clock.dtype.kind == "M":
        clock, unit = np.where(np.isnat(clock), np.nan, clock.astype(np.int64).astype(np.float64)), "ns"
    missing = np.flatnonzero(~np.isfinite(clock))
    if len(missing):
        raise ValueError(f"{name}: row {missing[0] + 1} of column {column!r} has no time ({len(missing)} such rows)")
    times, epoch = to_seconds(clock, unit, name, column)
    steps = np.diff(times)
    back = np.flatnonzero(steps < 0)
    if len(back):
        raise ValueError(
            f"{name}: time runs backwards at row {back[0] + 2} ({len(back)} such rows); expected sorted times: sort "
            "the table, or split it where recordings were joined"
        )
    keep = np.concatenate([[True], steps > 0])
    if (~keep).sum() > max(1, _MAX_REPEATED * len(keep)):
        raise ValueError(
            f"{name}: {int((~keep).sum())} of {len(keep)} rows repeat the time of the row before, so column {column!r} "
            "is too coarse to be a clock; state sampling_rate=... (Hz) instead"
        )
    return keep, times, epoch


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
