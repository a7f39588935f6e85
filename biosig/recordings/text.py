"""Columns of numbers from text, by pandas' C parser, with the line named when something is not a number."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

_MISSING = ("", "nan", "NaN", "NAN", "NA", "null")


def read_numbers(
    content: bytes, *, name: str, skip: int, columns: Sequence[int], separator: str = ",", n_fields: int | None = None
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
    separator : str
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
            io.BytesIO(content),
            sep=separator,
            header=None,
            skiprows=skip,
            dtype=np.float64,
            keep_default_na=False,
            na_values=list(_MISSING),
            skip_blank_lines=False,
            skipinitialspace=True,
            encoding="utf-8",
            on_bad_lines="error",
            **shape,
        )
    except (ValueError, OverflowError) as error:
        said = _bad_line(content, name, skip, columns, separator, fixed=n_fields is None)
        raise ValueError(said or f"{name}: {error}") from None
    if n_fields is None and table.shape[1] != max(columns) + 1:
        raise ValueError(f"{name}, line {skip + 1}: {table.shape[1]} fields; expected {max(columns) + 1}")
    return table[list(columns)].to_numpy(np.float64)


def lines_of(content: bytes, n: int) -> list[str]:
    """First `n` lines of a text file (fewer when it ends) without byte-order mark; what is not UTF-8 becomes U+FFFD."""
    return content[: 1 << 16].removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").splitlines()[:n]


def _bad_line(
    content: bytes, name: str, skip: int, columns: Sequence[int], separator: str, *, fixed: bool
) -> str | None:
    """Message about the first line that is not numbers; the slow way, taken only once the fast one has failed."""
    for number, line in enumerate(content.decode("utf-8", "replace").split("\n"), start=1):
        if number <= skip:
            continue
        fields = line.strip("\r").split(separator)
        for column in columns:
            field = fields[column].strip().strip('"') if column < len(fields) else ""
            if field not in _MISSING and not _is_number(field):
                return f"{name}, line {number}: {field[:40]!r} where a number was expected"
        if fixed and len(fields) > max(columns) + 1:
            return f"{name}, line {number}: {len(fields)} fields; expected {max(columns) + 1}"
    return None


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field
