"""Tables as CSV that a spreadsheet may open: names come from files of strangers and may be formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")  # wide ones too: some spreadsheets read them


def as_csv(table: pd.DataFrame) -> str:
    """A tidy table as CSV with a header; missing values are empty, numbers in full.

    Parameters
    ----------
    table : pandas.DataFrame

    Returns
    -------
    str
        Text that a spreadsheet would take for a formula stands behind an apostrophe, whatever type its column is of.
    """
    import pandas as pd

    safe = table.rename(columns=_cell)
    texts = [not pd.api.types.is_numeric_dtype(kind) for kind in safe.dtypes]  # by position: names may occur twice
    columns = [safe.iloc[:, i].astype(object).map(_cell) if text else safe.iloc[:, i] for i, text in enumerate(texts)]
    if any(texts):
        safe = pd.concat(columns, axis=1)
    return safe.to_csv(index=False, lineterminator="\n")


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    # Python before 3.13 writes a carriage return without quotes, which would begin a row, and so perhaps a formula.
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{value}" if value.startswith(_FORMULA) else value
