"""Text tables: CSV and TSV, with preambles and decimal commas."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from biosig.recordings import preambles
from biosig.recordings.safe_files import read_bytes
from biosig.recordings.text import as_utf8, is_number, lines_of, read_numbers, read_texts
from biosig.recordings.time_stamps import RawClock, parse_stamps


class TextTable:
    """Columns of a text table, read when they are wanted."""

    def __init__(self, path: Path, *, max_bytes: int, decimal: str = ".", skip_rows: int | None = None):
        if decimal not in (".", ","):
            raise ValueError(f"decimal is {decimal!r}; expected '.' or ','")
        self.name, self.decimal = str(path), decimal
        self._content = as_utf8(read_bytes(path, max_bytes), self.name)
        lines = lines_of(self._content, preambles.N_LINES + 2)
        self.preamble = preambles.find_header(lines, self.name, decimal=decimal, skip_rows=skip_rows)
        self.header = self.preamble.header
        below = lines[self.preamble.skip :]
        self._first = preambles.fields_of(below[0], self.preamble.separator) if below else []

    def numbers(self, places: list[int]) -> np.ndarray:
        """Columns as numbers, shape (n_rows, len(places)).

        Raises
        ------
        ValueError
            With the line of the first field that is no number.
        """
        return read_numbers(
            self._content,
            name=self.name,
            skip=self.preamble.skip,
            columns=places,
            separator=self.preamble.separator,
            decimal=self.decimal,
            n_fields=len(self.header),
        )

    def is_time(self, place: int) -> bool:
        """Never: text has no types."""
        return False

    def clock(self, place: int) -> RawClock:
        """Time column: numbers when its first field is one, else time stamps.

        Raises
        ------
        ValueError
            For columns that are neither.
        """
        first = self._first[place] if place < len(self._first) else ""
        if not first or any(is_number(first, sign) for sign in ".,"):  # a wrong decimal sign is named by `numbers`
            return RawClock("number", self.numbers([place])[:, 0])
        text = read_texts(
            self._content,
            name=self.name,
            skip=self.preamble.skip,
            column=place,
            separator=self.preamble.separator,
            n_fields=len(self.header),
        )
        where = f"{self.name}, column {self.header[place]!r}"
        return parse_stamps(text, where, date_format=self.preamble.date_format)
