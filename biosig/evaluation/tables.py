"""The tables of a run: which rows and columns, how many digits."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd

from biosig.evaluation.compare import Comparison
from biosig.evaluation.formats import Table, as_markdown, as_text, ascii_only, decimals, interval, number, percent
from biosig.evaluation.headline import headline_paragraphs, quantity, titled
from biosig.evaluation.results import Results

_TERMINAL = 100
_SCOPES = {"across": "among windows of all participants", "within": "among windows of the same person"}


def comparison_tables(comparison: Comparison) -> list[Table]:
    """One table a target: error, interval, correlation, coverage, and the reference's error against each row's."""
    tables = []
    relative = comparison.differences.set_index(["encoder", "target"])
    trained, repeated = (comparison.table[column].notna().any() for column in ("train_mae", "run_sd"))
    for target, part in comparison.table.groupby("target", sort=False):
        name, unit = quantity(str(target), comparison.units)
        digits = decimals(part["mae"])
        more = [*(["sd of runs"] if repeated else []), *(["training MAE"] if trained else [])]
        headers = ["encoder", "MAE", "95 % interval", "reference's error", *more]
        headers += ["r", "r within", "windows", "people", "covered"]
        rows, bold, reasons = [], [], []
        for i, (_, row) in enumerate(part.iterrows()):
            cells = [str(row["encoder"]), number(row["mae"], digits)]
            cells += [interval(row["ci95_low"], row["ci95_high"], digits)]
            against = "-"
            if row["encoder"] == comparison.reference:
                bold.append(i)
            elif (row["encoder"], target) in relative.index:
                found = relative.loc[(row["encoder"], target)]
                if np.isfinite(found["relative"]):
                    against = f"{100 * found['relative']:+.0f} %"
                    if np.isfinite(found["relative_low"]):
                        against += f" ({100 * found['relative_low']:+.0f} to {100 * found['relative_high']:+.0f})"
            cells.append(against)
            cells += [number(row["run_sd"], digits)] if repeated else []
            cells += [number(row["train_mae"], digits)] if trained else []
            cells += [number(row["r"], 2), number(row["r_within"], 2)]
            cells += [str(row["n_windows"]), str(row["n_participants"]), percent(row["coverage"])]
            rows.append(cells)
            reasons.append(str(row["reason"]))
        caption = f"{name[:1].upper()}{name[1:]}: mean absolute error" + (f" in {unit}" if unit else "")
        caption += f" (reference: {comparison.reference})"
        data = part.merge(comparison.differences, on=["encoder", "target"], how="left", suffixes=("", "_difference"))
        tables.append(Table(caption, headers, rows, tuple(bold), tuple(reasons), data))
    return tables


def participant_tables(table: pd.DataFrame, reference: str, units: dict[str, str]) -> list[Table]:
    """One table a target: the reference's error on each person, the worst first.

    Parameters
    ----------
    table : pandas.DataFrame
        As `error_by_participant` returns it.
    reference : str
    units : dict of str to str

    Returns
    -------
    list of Table
    """
    tables = []
    for target, part in table[table["encoder"] == reference].groupby("target", sort=False):
        part = part.sort_values("mae", ascending=False, kind="stable", na_position="last")
        if part["mae"].isna().all():
            continue
        name, unit = quantity(str(target), units)
        rows = [
            [
                str(row["participant"]),
                number(row["mae"], 1),
                f"{row['bias']:+.1f}" if np.isfinite(row["bias"]) else "-",
                number(row["true_median"], 1),
                str(row["n_windows"]),
            ]
            for _, row in part.iterrows()
        ]
        headers = ["participant", "MAE", "bias", "true median", "windows"]
        caption = f"{reference}: {name} by participant" + (f", in {unit}" if unit else "") + ", worst first"
        reasons = tuple("" if np.isfinite(mae) else "no window with both estimate and truth" for mae in part["mae"])
        tables.append(Table(caption, headers, rows, reasons=reasons, data=part))
    return tables


def people_tables(people: pd.DataFrame, units: dict[str, str], reference: str) -> list[Table]:
    """One table a target of persons: error, or area under the ROC curve, with its interval."""
    tables = []
    for target, part in people.groupby("target", sort=False):
        auc = (part["measure"] == "auc").any()
        digits = 2 if auc else decimals(part["value"])
        rows = [
            [
                str(row["encoder"]),
                number(row["value"], digits),
                interval(row["ci95_low"], row["ci95_high"], digits),
                str(row["n_participants"]),
            ]
            for _, row in part.iterrows()
        ]
        words = "area under the ROC curve" if auc else "mean absolute error"
        headers = ["encoder", "AUC" if auc else "MAE", "95 % interval", "people"]
        bold = tuple(np.flatnonzero(part["encoder"] == reference).tolist())
        caption = titled(str(target), {**units, **({str(target): ""} if auc else {})}, words)
        tables.append(Table(caption, headers, rows, bold, tuple(part["reason"].astype(str)), part))
    return tables


def conformal_tables(conformal: pd.DataFrame, units: dict[str, str], reference: str) -> list[Table]:
    """One table a target: the share of unseen people's windows inside the intervals, and how wide these are."""
    tables = []
    for target, part in conformal.groupby("target", sort=False):
        digits = decimals(part["half_width"])
        rows = [
            [
                str(row["encoder"]),
                percent(row["coverage"]),
                interval(100 * row["ci95_low"], 100 * row["ci95_high"], 0),
                percent(row["level"]),
                percent(row["worst_participant"]),
                f"\u00b1{row['half_width']:.{digits}f}" if np.isfinite(row["half_width"]) else "-",
                str(row["n_participants"]),
            ]
            for _, row in part.iterrows()
        ]
        headers = ["encoder", "inside", "95 % interval", "promised", "worst person", "half width", "people"]
        bold = tuple(np.flatnonzero(part["encoder"] == reference).tolist())
        caption = titled(str(target), units, "windows inside their intervals, half width")
        tables.append(Table(caption, headers, rows, bold, tuple(part["reason"].astype(str)), part))
    return tables


def label_tables(labels: pd.DataFrame, units: dict[str, str], reference: str) -> list[Table]:
    """One table a target: error of each encoder in its row, a column a share of labelled participants."""
    tables = []
    for target, part in labels.groupby("target", sort=False):
        wide = part.pivot_table(index="encoder", columns="share", values="mae", sort=False, dropna=False)
        wide = wide[sorted(wide.columns)]
        digits = decimals(wide.to_numpy().ravel())
        rows = [[str(name), *(number(value, digits) for value in row)] for name, row in wide.iterrows()]
        headers = ["encoder", *(f"{100 * share:.3g} %" for share in wide.columns)]
        bold = tuple(i for i, row in enumerate(rows) if row[0] == reference)
        caption = titled(str(target), units, "mean absolute error") + ", by share of labelled participants"
        tables.append(Table(caption, headers, rows, bold, data=part))
    return tables


def top1_tables(retrieval: dict[str, pd.DataFrame], reference: str = "", sought: str = "PPG") -> list[Table]:
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
            caption = f"The simultaneous {sought} is found first {words}, in % of cases by pool size"
            data = pd.DataFrame(
                [(name, pool, part["top1"].get(pool)) for name, part in parts.items() for pool in pools]
            )
            data.columns = ["encoder", "pool", "top1"]
            tables.append(Table(caption, ["encoder", *(str(pool) for pool in pools)], rows, bold, data=data))
    return tables


def retrieval_tables(retrieval: dict[str, pd.DataFrame], sought: str = "PPG") -> list[Table]:
    """One table a scope: top-1, top-5 and mean rank at each pool size, beside chance and the control."""
    tables = []
    controlled = any("gap" in table for table in retrieval.values())
    for scope, words in _SCOPES.items():
        rows, data = [], []
        for name, table in retrieval.items():
            data.append(table[table["scope"] == scope].assign(encoder=name))
            for _, row in data[-1].iterrows():
                cells = [name, str(row["pool"]), f"{100 * row['top1']:.1f} %"]
                ends = [100 * row["top1_low"], 100 * row["top1_high"]]
                cells += [
                    interval(ends[0], ends[1], 1),
                    f"{100 * row['chance_top1']:.1f} %",
                    f"{100 * row['top5']:.0f} %",
                ]
                cells += [f"{row['mean_rank']:.1f}", f"{row['chance_rank']:.1f}"]
                cells += [_above(row)] if controlled else []
                cells += [str(row["n_participants"])]
                rows.append(cells)
        headers = ["encoder", "pool", "top-1", "95 % interval", "chance", "top-5", "mean rank", "chance rank"]
        headers += [*(["top-1 less the control's"] if controlled else []), "people"]
        if rows:
            tables.append(Table(f"Finding the simultaneous {sought} {words}", headers, rows, data=pd.concat(data)))
    return tables


def _above(row: pd.Series) -> str:
    """A top-1 less that of the control, in points of a percent, with its interval."""
    gap = row.get("gap", np.nan)
    return (
        "-"
        if not np.isfinite(gap)
        else f"{100 * gap:+.1f} ({100 * row['gap_low']:+.1f} to {100 * row['gap_high']:+.1f})"
    )


def _without(table: Table, *headers: str) -> Table:
    """The table without some columns: a terminal is narrow."""
    keep = [j for j, header in enumerate(table.headers) if header not in headers]
    rows = [[row[j] for j in keep] for row in table.rows]
    return table._replace(headers=[table.headers[j] for j in keep], rows=rows)


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
        textwrap.fill(ascii_only(paragraph), _TERMINAL, break_long_words=False, break_on_hyphens=False)
        for paragraph in headline_paragraphs(results)
    ]
    if results.comparison is not None:
        less = ("r within", "people", "training MAE", "sd of runs")
        parts += [as_text(_without(table, *less)) for table in comparison_tables(results.comparison)]
    parts += [as_text(table) for table in top1_tables(results.retrieval)]
    return "\n\n".join(parts) + "\n"
