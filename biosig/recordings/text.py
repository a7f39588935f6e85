"""Columns of numbers from text, by pandas' C parser, with the line named when something is not a number."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

_MISSING = ("", "nan", "NaN", "NAN", "NA", "<NA>", "null")
MAX_LINE = 1 << 16
"""Bytes of the longest first line; a file without line breaks is no table."""


def read_numbers(
    content: bytes,
    *,
    name: str,
    skip: int,
    columns: Sequence[int],
    separator: str = ",",
    decimal: str = ".",
    n_fields: int | None = None,
) -> np.ndarray:
    """Read columns of numbers; empty fields and "nan" are NaN.

    Parameters
    ----------
    content : bytes
        The whole file, UTF-8.
    name : str
        The file's name, for messages.
    skip : int
        Lines before the numbers.
    columns : sequence of int
        Columns wanted, from 0.
    separator, decimal : str
    n_fields : int, optional
        Fields of a line, when there are more than `columns` asks for; lines may then be shorter or longer.

    Returns
    -------
    numpy.ndarray of shape (n_lines, len(columns)), float64
        Without the empty lines at the end of the file.

    Raises
    ------
    ValueError
        With the number of the first line that holds something else.
    """
    content = content.rstrip(b"\r\n \t") if separator != "\t" else content.rstrip(b"\r\n ")
    # With names pandas drops surplus fields without a word; where their number is fixed, it must count them itself.
    shape: dict[str, Any] = (
        {} if n_fields is None else {"names": list(range(n_fields)), "usecols": list(columns), "index_col": False}
    )
    if not content or content.count(b"\n") < skip:
        return np.empty((0, len(columns)))
    try:
        table = pd.read_csv(
            _below(content, skip),
            sep=separator,
            decimal=decimal,
            header=None,
            dtype=np.float64,
            keep_default_na=False,
            na_values=list(_MISSING),
            skip_blank_lines=False,
            skipinitialspace=True,
            encoding="utf-8",
            encoding_errors="replace",
            on_bad_lines="error",
            **shape,
        )
    except (ValueError, OverflowError) as error:
        said = _bad_line(content, name, skip, columns, separator, decimal, fixed=n_fields is None)
        raise ValueError(said or f"{name}: {error}") from None
    if n_fields is None and table.shape[1] != max(columns) + 1:
        raise ValueError(f"{name}, line {skip + 1}: {table.shape[1]} fields; expected {max(columns) + 1}")
    return table[list(columns)].to_numpy(np.float64)


def read_texts(content: bytes, *, name: str, skip: int, column: int, separator: str, n_fields: int) -> pd.Series:
    """Read one column as text, missing values as missing.

    Raises
    ------
    ValueError
        When the lines cannot be split into fields.
    """
    content = content.rstrip(b"\r\n \t") if separator != "\t" else content.rstrip(b"\r\n ")
    try:
        table = pd.read_csv(
            _below(content, skip),
            sep=separator,
            header=None,
            names=list(range(n_fields)),
            usecols=[column],
            index_col=False,
            dtype=str,
            keep_default_na=False,
            na_values=list(_MISSING),
            skip_blank_lines=False,
            skipinitialspace=True,
            encoding="utf-8",
            encoding_errors="replace",
        )
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name}: {error}") from None
    return table[column].str.strip()


def as_utf8(content: bytes, name: str) -> bytes:
    """Content of a text file as UTF-8 without byte-order mark; UTF-16 with one and Windows' 8-bit text are turned.

    Raises
    ------
    ValueError
        For a file without line breaks in its first 64 KiB, for binary files, and for broken UTF-16.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            content = content.decode("utf-16").encode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{name} begins as UTF-16 text but is not ({error})") from None
    content = content.removeprefix(b"\xef\xbb\xbf")
    head = content[:MAX_LINE]
    if b"\x00" in head:
        raise ValueError(f"{name} is a binary file; expected a line of column names, then rows of numbers")
    if len(content) > MAX_LINE and b"\n" not in head and b"\r" not in head:
        raise ValueError(f"{name}: line 1 is longer than {MAX_LINE} bytes; expected column names, then rows of numbers")
    if b"\n" not in head and b"\r" in head:  # the line ends of old Macintosh programs
        content = content.replace(b"\r", b"\n")
    try:
        (content if len(content) <= MAX_LINE else content[:MAX_LINE].rpartition(b"\n")[0]).decode("utf-8")
    except UnicodeDecodeError:
        content = content.decode("cp1252", "replace").encode("utf-8")
    return content


def lines_of(content: bytes, n: int) -> list[str]:
    """First `n` lines of a text file (fewer when it ends) without byte-order mark; what is not UTF-8 becomes U+FFFD."""
    text = content[:MAX_LINE].removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")][: n if text else 0]


def is_number(field: str, decimal: str = ".") -> bool:
    """Whether a field is a number with the given decimal sign."""
    try:
        float(field.replace(decimal, ".") if decimal not in (".", "") and "." not in field else field)
    except ValueError:
        return False
    return "_" not in field


def _below(content: bytes, skip: int) -> io.BytesIO:
    """The file below its first `skip` lines; a parser that skips them itself stumbles over single quotes in them."""
    file = io.BytesIO(content)
    for _ in range(skip):
        file.readline()
    return file


def _bad_line(
    content: bytes, name: str, skip: int, columns: Sequence[int], separator: str, decimal: str, *, fixed: bool
) -> str | None:
    """Message about the first line that is not numbers; the slow way, taken only once the fast one has failed."""
    for number, raw in enumerate(io.BytesIO(content), start=1):
        if number <= skip:
            continue
        fields = raw.decode("utf-8", "replace").strip("\r\n").split(separator)
        for column in columns:
            field = fields[column].strip().strip('"') if column < len(fields) else ""
            if field not in _MISSING and not is_number(field, decimal):
                comma = decimal == "." and is_number(field, ",")
                fix = ": for a decimal comma state decimal=','" if comma else ""
                return f"{name}, line {number}: {field[:40]!r} where a number was expected{fix}"
        if fixed and len(fields) > max(columns) + 1:
            return f"{name}, line {number}: {len(fields)} fields; expected {max(columns) + 1}"
    return None
