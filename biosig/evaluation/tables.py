"""The same tables for the terminal, for Markdown and for the page."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from biosig.evaluation.compare import Comparison
from biosig.evaluation.headline import headline_paragraphs, quantity
from biosig.evaluation.results import Results

_TERMINAL = 100
_SCOPES = {"across": "among windows of all participants", "within": "among windows of the same person"}


class Table(NamedTuple):
    """A table of text: the first column is left-aligned, the others right-aligned; `bold` are rows to stand out."""

    caption: str
    headers: list[str]
    rows: list[list[str]]
    bold: tuple[int, ...] = ()


def _number(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}" if np.isfinite(value) else "-"  # + 0.0: no "-0.00"


def _interval(low: float, high: float, decimals: int) -> str:
    return f"{low:.{decimals}f} to {high:.{decimals}f}" if np.isfinite(low) and np.isfinite(high) else "-"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if np.isfinite(value) else "-"


def _decimals(values: Iterable[float]) -> int:
    largest = np.nanmax([*values, 0.0])
    return 2 if largest < 10 else 1 if largest < 1000 else 0


def comparison_tables(comparison: Comparison) -> list[Table]:
    """One table a target: error, interval, correlation, coverage, and the reference's error against each row's."""
    tables = []
    relative = comparison.differences.set_index(["encoder", "target"])
    for target, part in comparison.table.groupby("target", sort=False):
        name, unit = quantity(str(target), comparison.units)
        digits = _decimals(part["mae"])
        headers = ["encoder", "MAE", "95 % interval", "r", "r within", "windows", "people", "covered"]
        headers.append("reference's error")
        rows, bold = [], []
        for i, (_, row) in enumerate(part.iterrows()):
            cells = [str(row["encoder"]), _number(row["mae"], digits)]
            cells += [_interval(row["ci95_low"], row["ci95_high"], digits)]
            cells += [_number(row["r"], 2), _number(row["r_within"], 2)]
            cells += [str(row["n_windows"]), str(row["n_participants"]), _percent(row["coverage"])]
            against = "-"
            if row["encoder"] == comparison.reference:
                bold.append(i)
            elif (row["encoder"], target) in relative.index:
                found = relative.loc[(row["encoder"], target)]
                if np.isfinite(found["relative"]):
                    against = f"{100 * found['relative']:+.0f} %"
                    if np.isfinite(found["relative_low"]):
                        against += f" ({100 * found['relative_low']:+.0f} to {100 * found['relative_high']:+.0f})"
            cells.append(f"{against} [{row['reason']}]".removeprefix("- ") if row["reason"] else against)
            rows.append(cells)
        caption = f"{name[:1].upper()}{name[1:]}: mean absolute error" + (f" in {unit}" if unit else "")
        caption += f" (reference: {comparison.reference})"
        tables.append(Table(caption, headers, rows, tuple(bold)))
    return tables


def top1_tables(retrieval: dict[str, pd.DataFrame], reference: str = "") -> list[Table]:
    """One table a scope: top-1 of each encoder in its row, a column a pool size, chance below."""
    tables = []
    for scope, words in _SCOPES.items():
        parts = {name: table[table["scope"] == scope].set_index("pool") for name, table in retrieval.items()}
        parts = {name: part for name, part in parts.items() if len(part)}
        pools = sorted({pool for part in parts.values() for pool in part.index})
        rows = [
            [name, *(f"{100 * part.loc[pool, 'top1']:.1f}" if pool in part.index else "-" for pool in pools)]
            for name, part in parts.items()
        ]
        if rows:
            rows.append(["chance", *(f"{100 / pool:.1f}" for pool in pools)])
            bold = tuple(i for i, name in enumerate(parts) if name == reference)
            caption = f"The simultaneous PPG is found first {words}, in % of cases by pool size"
            tables.append(Table(caption, ["encoder", *(str(pool) for pool in pools)], rows, bold))
    return tables


def retrieval_tables(retrieval: dict[str, pd.DataFrame]) -> list[Table]:
    """One table a scope: top-1, top-5 and mean rank of each encoder at each pool size, beside chance."""
    tables = []
    for scope, words in _SCOPES.items():
        rows = []
        for name, table in retrieval.items():
            for _, row in table[table["scope"] == scope].iterrows():
                cells = [name, str(row["pool"]), f"{100 * row['top1']:.1f} %"]
                ends = [100 * row["top1_low"], 100 * row["top1_high"]]
                cells += [
                    _interval(ends[0], ends[1], 1),
                    f"{100 * row['chance_top1']:.1f} %",
                    f"{100 * row['top5']:.0f} %",
                ]
                cells += [f"{row['mean_rank']:.1f}", f"{row['chance_rank']:.1f}", str(row["n_participants"])]
                rows.append(cells)
        headers = ["encoder", "pool", "top-1", "95 % interval", "chance", "top-5", "mean rank", "chance rank", "people"]
        if rows:
            tables.append(Table(f"Finding the simultaneous PPG {words}", headers, rows))
    return tables


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def as_text(table: Table) -> str:
    """Plain ASCII with aligned columns, for a terminal."""
    lines = [table.headers, *table.rows]
    lines = [[_ascii(cell) for cell in line] for line in lines]
    widths = [max(len(line[j]) for line in lines) for j in range(len(table.headers))]
    out = [_ascii(table.caption)]
    for i, line in enumerate(lines):
        cells = [
            cell.rjust(width) if j else cell.ljust(width)
            for j, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        out.append("  ".join(cells).rstrip())
        if i == 0:
            out.append("  ".join("-" * width for width in widths))
    return "\n".join(out)


def _without(table: Table, *headers: str) -> Table:
    """The table without some columns: a terminal is narrow."""
    keep = [j for j, header in enumerate(table.headers) if header not in headers]
    rows = [[row[j] for j in keep] for row in table.rows]
    return table._replace(headers=[table.headers[j] for j in keep], rows=rows)


def _markdown_cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def as_markdown(table: Table) -> str:
    """A Markdown table with its caption above; bold rows in bold."""

    def line(cells: Sequence[str], bold: bool = False) -> str:
        marked = [f"**{_markdown_cell(cell)}**" if bold else _markdown_cell(cell) for cell in cells]
        return "| " + " | ".join(marked) + " |"

    rule = "|" + "|".join(":---" if j == 0 else "---:" for j in range(len(table.headers))) + "|"
    rows = [line(row, i in table.bold) for i, row in enumerate(table.rows)]
    return "\n".join([f"{_markdown_cell(table.caption)}", "", line(table.headers), rule, *rows])


def as_html(table: Table) -> str:
    """An HTML table with caption; everything in it is escaped."""
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in table.headers)
    rows = []
    for i, row in enumerate(table.rows):
        cells = f'<th scope="row">{html.escape(row[0])}</th>'
        cells += "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        rows.append(f"<tr{' class=own' if i in table.bold else ''}>{cells}</tr>")
    body = "\n".join(rows)
    caption = f"<caption><span>{html.escape(table.caption)}</span></caption>"
    return f"<div class=wide><table>{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"


def comparison_markdown(comparison: Comparison) -> str:
    """The comparison as Markdown tables, one a target: so that tables in documents are printed, not typed.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    str
    """
    return "\n\n".join(as_markdown(table) for table in comparison_tables(comparison)) + "\n"


def results_text(results: Results) -> str:
    """Headline and tables in plain ASCII, for the terminal.

    Parameters
    ----------
    results : Results

    Returns
    -------
    str
    """
    parts = [
        textwrap.fill(_ascii(paragraph), _TERMINAL, break_long_words=False, break_on_hyphens=False)
        for paragraph in headline_paragraphs(results)
    ]
    if results.comparison is not None:
        parts += [as_text(_without(table, "r within", "people")) for table in comparison_tables(results.comparison)]
    parts += [as_text(table) for table in top1_tables(results.retrieval)]
    return "\n\n".join(parts) + "\n"
