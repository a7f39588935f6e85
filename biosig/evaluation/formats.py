"""One table of text, for the terminal, for Markdown, for the page and as CSV."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import pandas as pd

from biosig._csv import as_csv as as_csv


class Table(NamedTuple):
    """A table of text: the first column is left-aligned, the others right-aligned.

    `bold` are rows to stand out, `reasons` say for each row why cells are missing (empty where none is), `data` are
    the same numbers in full, for the CSV of the page.
    """

    caption: str
    headers: list[str]
    rows: list[list[str]]
    bold: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    data: pd.DataFrame | None = None


def ascii_only(text: str) -> str:
    """The text with whatever is not ASCII as escapes, for terminals that know no other."""
    return text.encode("ascii", "backslashreplace").decode()


def _with_reasons(table: Table) -> list[list[str]]:
    """The rows with the reason of what is missing in the last cell."""
    rows = []
    for i, row in enumerate(table.rows):
        reason = table.reasons[i] if table.reasons else ""
        rows.append([*row[:-1], f"{row[-1]} [{reason}]".removeprefix("- ")] if reason else row)
    return rows


def as_text(table: Table) -> str:
    """Plain ASCII with aligned columns, for a terminal."""
    lines = [table.headers, *table.rows]
    lines = [[ascii_only(cell) for cell in line] for line in lines]
    widths = [max(len(line[j]) for line in lines) for j in range(len(table.headers))]
    out = [ascii_only(table.caption)]
    for i, line in enumerate(lines):
        cells = [
            cell.rjust(width) if j else cell.ljust(width)
            for j, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        reason = table.reasons[i - 1] if i and table.reasons else ""
        out.append("  ".join([*cells, f"[{ascii_only(reason)}]" if reason else ""]).rstrip())
        if i == 0:
            out.append("  ".join("-" * width for width in widths))
    return "\n".join(out)


def _markdown_cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def as_markdown(table: Table) -> str:
    """A Markdown table with its caption above; bold rows in bold."""

    def line(cells: Sequence[str], bold: bool = False) -> str:
        marked = [f"**{_markdown_cell(cell)}**" if bold else _markdown_cell(cell) for cell in cells]
        return "| " + " | ".join(marked) + " |"

    rule = "|" + "|".join(":---" if j == 0 else "---:" for j in range(len(table.headers))) + "|"
    rows = [line(row, i in table.bold) for i, row in enumerate(_with_reasons(table))]
    return "\n".join([f"{_markdown_cell(table.caption)}", "", line(table.headers), rule, *rows])


def _row_html(row: list[str], reason: str, own: bool) -> str:
    name = f'<th scope="row">{html.escape(row[0])}</th>'
    note = html.escape(reason)
    if reason and row[1] == "-":  # without the number the rest of the row says nothing
        cells = f'<td colspan="{len(row) - 1}" class="missing">not available: {note}</td>'
    else:
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        cells = cells.removesuffix("</td>") + f'<span class="missing">{note}</span></td>' if reason else cells
    kind = ' class="own"' if own else ""
    return f"<tr{kind}>{name}{cells}</tr>"


def as_html(table: Table, name: str) -> str:
    """An HTML table that scrolls in itself, with its caption and its CSV; everything in it is escaped.

    Parameters
    ----------
    table : Table
    name : str
        Name of the CSV file that the reader downloads, without the ending.

    Returns
    -------
    str
        Rows without a number say why. The CSV holds the numbers in full and travels in the page.
    """
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in table.headers)
    reasons = table.reasons or ("",) * len(table.rows)
    rows = [_row_html(row, reasons[i], i in table.bold) for i, row in enumerate(table.rows)]
    label = html.escape(table.caption)
    data = pd.DataFrame(table.rows, columns=table.headers) if table.data is None else table.data
    link = html.escape(f"data:text/csv;charset=utf-8,{quote(as_csv(data))}")
    anchor = f'<a href="{link}" download="{html.escape(name)}.csv" aria-label="CSV of this table: {label}">CSV</a>'
    body = "\n".join(rows)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{label}"><table>'
        f"<caption><span>{label} {anchor}</span></caption>"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def number(value: float, digits: int) -> str:
    """A number with so many decimals; a dash where there is none."""
    return f"{round(value, digits) + 0.0:.{digits}f}" if np.isfinite(value) else "-"  # + 0.0: no "-0.00"


def interval(low: float, high: float, digits: int) -> str:
    """Both ends of an interval; a dash where there is none."""
    return f"{low:.{digits}f} to {high:.{digits}f}" if np.isfinite(low) and np.isfinite(high) else "-"


def percent(value: float) -> str:
    """A share as whole per cent; a dash where there is none."""
    return f"{100 * value:.0f} %" if np.isfinite(value) else "-"


def decimals(values: Iterable[float]) -> int:
    """Decimals that suit a column of numbers."""
    largest = np.nanmax([*values, 0.0])
    return 2 if largest < 10 else 1 if largest < 1000 else 0
