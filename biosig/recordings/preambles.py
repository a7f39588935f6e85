"""Where a text table begins: the lines that programs and devices write above the column names."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from biosig.recordings.text import is_number

N_LINES = 120
"""Lines searched for the column names."""
_STAMP = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?|\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?|\d+ days?,? .*|-?P.*T.*"
)
_MISSING = ("", "nan", "na", "null")


class Preamble(NamedTuple):
    """What stands above the numbers of a text table."""

    header: list[str]
    separator: str
    skip: int
    """Lines before the first row of numbers."""
    sampling_rate: float | None = None
    """Hz, where an ActiLife preamble states it."""
    start_time: str | None = None
    """ISO 8601 without a zone, where an ActiLife preamble states it."""
    date_format: str | None = None
    """Of time stamps in the table, for `datetime.strptime`."""


def find_header(lines: Sequence[str], name: str, *, decimal: str, skip_rows: int | None) -> Preamble:
    """Find the line of column names among the first lines of a table.

    It is the first line without a number whose next line has as many fields, all of them numbers, times or empty; in a
    preamble of texts there is no such pair. When there is none, it is the first line (with `skip_rows`, the first one
    after these). A line of units between names and numbers is joined to the names.

    Raises
    ------
    ValueError
        When the first line holds numbers, when `skip_rows` leaves nothing, and for ActiLife's tables of counts.
    """
    actilife = _actilife(lines, name)
    if skip_rows is not None:
        if isinstance(skip_rows, bool) or not isinstance(skip_rows, int) or not 0 <= skip_rows < N_LINES:
            raise ValueError(f"skip_rows is {skip_rows!r}; expected a number of lines from 0 to {N_LINES - 1}")
        at: int | None = skip_rows
    else:
        at = (_below_dashes(lines) if actilife else None) or _first_pair(lines, decimal)
    given = at
    at = at or 0
    if len(lines) <= at or not lines[at].strip():
        raise ValueError(f"{name} is empty; expected a line of column names, then rows of numbers")
    separator = separator_of(lines[at], decimal)
    header = fields_of(lines[at], separator)
    if all(is_number(field, decimal) for field in header):
        if actilife and len(header) == 3:
            return Preamble([f"Accelerometer {axis}" for axis in "XYZ"], separator, at, **actilife)
        raise ValueError(
            f"{name}, line {at + 1}: {lines[at][:60]!r} are numbers; expected column names (add a header line)"
        )
    if given and _are_units(header) and skip_rows is None:
        names = fields_of(lines[at - 1], separator)
        if len(names) == len(header):
            header = [f"{field} [{unit}]" if unit else field for field, unit in zip(names, header, strict=True)]
    return Preamble(header, separator, at + 1, **(actilife or {}))


def separator_of(line: str, decimal: str) -> str:
    """Tab, semicolon or comma, whichever a line has most of; never the decimal sign."""
    return max((sign for sign in "\t;," if sign != decimal), key=line.count)


def fields_of(line: str, separator: str) -> list[str]:
    """Fields of one line without the spaces around them."""
    return [field.strip() for field in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]


def _first_pair(lines: Sequence[str], decimal: str) -> int | None:
    """Names above numbers; where every row also holds other text, the widest pair whose row is half numbers."""
    widest: tuple[int, int | None] = (0, None)
    for at, (line, following) in enumerate(itertools.pairwise(lines)):
        separator = separator_of(line, decimal)
        names, row = fields_of(line, separator), fields_of(following, separator)
        if row and not row[-1] and len(row) == len(names) + 1:
            row.pop()  # some programs end each row with a separator
        if len(row) != len(names) or any(is_number(field, decimal) for field in names) or not any(names):
            continue
        data = [is_number(field, decimal) or bool(_STAMP.fullmatch(field)) for field in row]
        if any(data) and all(ok or field.lower() in _MISSING for ok, field in zip(data, row, strict=True)):
            return at
        if 2 * sum(data) >= len(row) > widest[0]:
            widest = len(row), at
    return widest[1]


def _below_dashes(lines: Sequence[str]) -> int | None:
    """Line after the one of dashes that closes ActiLife's preamble."""
    for at, line in enumerate(lines[1:], start=1):
        if re.fullmatch(r"-{4,}", line.strip(' ,;\t"')):
            return at + 1
    return None


def _are_units(fields: Sequence[str]) -> bool:
    known = r"|s|ms|us|µs|μs|ns|m?g|m/s\^?[2²]|m/\(s\^2\)|deg/s|rad/s|mv|µv|counts|lsb|a\.u\.|no_?units|unix ms|-"
    return len(fields) > 1 and any(fields) and all(re.fullmatch(known, field.lower()) for field in fields)


def _actilife(lines: Sequence[str], name: str) -> dict[str, Any] | None:
    """Rate, start and date format from ActiLife's preamble; None for other tables."""
    first = lines[0].lower() if lines else ""
    if not first.lstrip(' -"').startswith("data") or "actigraph" not in first:
        return None
    text = "\n".join(line.strip(" ,;\t") for line in lines[:12])
    rate = re.search(r" at ([\d.,]+)\s*hz", first)
    epoch = re.search(r"Epoch Period \(hh:mm:ss\) (\d+):(\d+):(\d+)", text)
    seconds = sum(int(part) * unit for part, unit in zip(epoch.groups(), (3600, 60, 1), strict=True)) if epoch else 0
    if seconds or (rate is None and "data table file" in first):
        raise ValueError(
            f"{name} holds ActiLife's counts per epoch of {seconds or 'some'} s, no acceleration; export the raw data "
            "(ActiLife: File, Import/Export, RAW to CSV) and read that"
        )
    order = re.search(r"date format ([dMy/.\-]+)", lines[0])
    date_format = re.sub("y+", "%Y", re.sub("M+", "%m", re.sub("d+", "%d", order[1]))) if order else None
    found = {"start_time": None, "date_format": f"{date_format} %H:%M:%S.%f" if date_format else None}
    time, date = re.search(r"Start Time (\d+:\d+:\d+)", text), re.search(r"Start Date ([\d/.\-]+)", text)
    if time and date and date_format:
        # ActiLife has been seen to write the date with other separators than the format that it names.
        parts = re.sub(r"[/.\-]", "/", date[1]), re.sub(r"[/.\-]", "/", date_format)
        try:
            found["start_time"] = datetime.strptime(f"{parts[0]} {time[1]}", f"{parts[1]} %H:%M:%S").isoformat()
        except ValueError:
            raise ValueError(
                f"{name}: the preamble's Start Date {date[1]!r} does not fit its format {date_format!r}; correct it, "
                "or state start_time=... and sampling_rate=... and skip_rows=..."
            ) from None
    value = float(rate[1].replace(",", ".")) if rate else None
    return {"sampling_rate": value if value else None, **found}
