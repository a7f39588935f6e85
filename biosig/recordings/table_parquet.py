"""Parquet tables, by Arrow's own types: what other libraries wrote into the metadata is never interpreted."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pandas as pd

from biosig.recordings.safe_files import check_file, raise_if_out_of_files
from biosig.recordings.time_stamps import NO_TIME, RawClock, parse_stamps

MAX_CELLS = 2**29
_PER_BYTE = 64  # cells a byte of the file; columns that are not constant take more room
_FREE_CELLS = 2**24
_MAX_COLUMNS = 10_000
_MAX_TEXT = 100
_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


class ParquetTable:
    """Columns of a Parquet file, read when they are wanted."""

    preamble = None

    def __init__(self, path: Path, *, max_bytes: int):
        self.name, self._path = str(path), path
        self._size = check_file(path, max_bytes)
        self._pa, self._pq = _import_pyarrow()
        with self._open() as file:
            schema = file.schema_arrow
            if len(schema.names) > _MAX_COLUMNS:
                raise ValueError(f"{path} has {len(schema.names)} columns; expected at most {_MAX_COLUMNS}")
            self.n_rows = int(file.metadata.num_rows)
            self.header = [str(name) for name in schema.names]
            self._types = [field.type for field in schema]

    def numbers(self, places: list[int]) -> np.ndarray:
        """Columns as numbers, shape (n_rows, len(places)); missing values of any type are NaN.

        Raises
        ------
        ValueError
            For columns of other types, and more rows than the file can hold.
        """
        self._check_cells(len(places))
        values = np.empty((self.n_rows, len(places)))
        for at, place in enumerate(places):
            values[:, at] = self._as_float(place)
        return values

    def clock(self, place: int) -> RawClock:
        """Time column: numbers, time stamps, durations, or text that holds them.

        Raises
        ------
        ValueError
            For columns of other types.
        """
        self._check_cells(1)
        types = self._pa.types
        kind = self._types[place]
        if types.is_dictionary(kind):
            kind = kind.value_type
        if types.is_timestamp(kind):
            return RawClock("moment" if kind.tz else "local", self._as_nanoseconds(place, kind.unit))
        if types.is_duration(kind) or types.is_time(kind):
            return RawClock("duration", self._as_nanoseconds(place, kind.unit))
        if types.is_string(kind) or types.is_large_string(kind) or self._is_view(kind):
            return parse_stamps(self._as_text(place), f"{self.name}, column {self.header[place]!r}")
        return RawClock("number", self._as_float(place))

    def is_time(self, place: int) -> bool:
        """Whether a column has a type of Arrow that holds times or durations."""
        types, kind = self._pa.types, self._types[place]
        return types.is_timestamp(kind) or types.is_duration(kind)

    def _is_view(self, kind) -> bool:
        return getattr(self._pa.types, "is_string_view", lambda _: False)(kind)

    def _open(self, **options):
        try:
            return self._pq.ParquetFile(self._path, **options)
        except (self._pa.ArrowException, OSError, ValueError, TypeError) as error:
            raise self._refusal(error) from None

    def _refusal(self, error: Exception) -> ValueError:
        raise_if_out_of_files(error)
        if "too many open files" in str(error).lower():
            raise_if_out_of_files(OSError(errno.EMFILE, "", str(self._path)))
        return ValueError(f"{self.name} cannot be read as a Parquet table: {' '.join(str(error).split())[:300]}")

    def _check_cells(self, n_columns: int) -> None:
        cells = self.n_rows * n_columns
        if self.n_rows < 0 or cells > MAX_CELLS or cells > max(_FREE_CELLS, _PER_BYTE * self._size):
            raise ValueError(
                f"{self.name} promises {self.n_rows} rows in {self._size} bytes; expected at most {MAX_CELLS} values, "
                f"and {_PER_BYTE} for each byte"
            )

    def _column(self, place: int, **options):
        with self._open(**options) as file:
            try:
                column = file.read(columns=[self._leaf(file, place)], use_pandas_metadata=False).column(0)
            except (self._pa.ArrowException, OSError, ValueError, TypeError, IndexError, KeyError) as error:
                raise self._refusal(error) from None
        if len(column) != self.n_rows:
            raise ValueError(f"{self.name} promises {self.n_rows} rows, but holds {len(column)}; damaged")
        return column

    def _leaf(self, file, place: int) -> str:
        name = self.header[place]
        if self.header.count(name) > 1:
            raise ValueError(f"{self.name} has several columns named {name!r}; expected different names")
        return name

    def _as_float(self, place: int) -> np.ndarray:
        column = self._column(place)
        kind = column.type.value_type if self._pa.types.is_dictionary(column.type) else column.type
        types = self._pa.types
        try:
            if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind)):
                raise ValueError(f"column {self.header[place]!r} is of type {kind}")
            if types.is_float16(kind):
                column = column.cast(self._pa.float32())
            numbers = column.cast(self._pa.float64(), safe=False).to_numpy()
        except (self._pa.ArrowException, TypeError, ValueError) as error:
            raise ValueError(f"{self.name} holds something else than numbers: {error}") from None
        return np.asarray(numbers, dtype=np.float64)

    def _as_nanoseconds(self, place: int, unit: str) -> np.ndarray:
        column = self._column(place)
        if self._pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        missing = np.asarray(column.is_null().to_numpy(), dtype=bool)
        narrow = self._pa.types.is_time32(column.type)
        if narrow:
            column = column.cast(self._pa.int32())
        counts = np.asarray(column.cast(self._pa.int64()).fill_null(0).to_numpy(), dtype=np.int64)
        limit = (2**63 - 1) // _NS[unit]
        if len(counts) and (counts.max() > limit or counts.min() < -limit):
            raise ValueError(f"{self.name}, column {self.header[place]!r}: times outside the years 1678 to 2262")
        return np.where(missing, NO_TIME, counts * _NS[unit])

    def _as_text(self, place: int) -> pd.Series:
        """A text column, read as a dictionary so that long texts, repeated, take no room."""
        column = self._column(place, read_dictionary=[self.header[place]])
        for chunk in column.chunks:
            words = chunk.dictionary if self._pa.types.is_dictionary(chunk.type) else chunk
            if any(len(word) > _MAX_TEXT for word in words.to_pylist() if word is not None):
                raise ValueError(f"{self.name}, column {self.header[place]!r} holds long texts; expected times")
        if self._pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        return pd.Series(column.to_pylist(), dtype=object)


def _import_pyarrow():
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ValueError(
            "reading Parquet needs the package pyarrow, which is not installed: pip install 'biosig-wear[parquet]'"
        ) from None
    return pa, pq
