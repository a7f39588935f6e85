"""What is shown of parts of the test windows: below each motion gate, of people with and without a visible beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from biosig.evaluation.drawing import ACCENT, GREY, INK, SHEET, Key, Panel, Plate
from biosig.evaluation.formats import Table, decimals, interval, number, percent
from biosig.evaluation.headline import titled
from biosig.evaluation.visible_beat import HIDDEN, VISIBLE


def _against(row: pd.Series) -> str:
    """The reference's error relative to a row's, with its interval."""
    if not np.isfinite(row["relative"]):
        return "-"
    ends = f" ({100 * row['relative_low']:+.0f} to {100 * row['relative_high']:+.0f})"
    return f"{100 * row['relative']:+.0f} %" + (ends if np.isfinite(row["relative_low"]) else "")


def part_tables(
    table: pd.DataFrame, column: str, names: Mapping[Any, str], units: dict[str, str], reference: str
) -> list[Table]:
    """One table a target: an encoder a row; error, and the reference's against it, for each part of the windows.

    Parameters
    ----------
    table : pandas.DataFrame
        As `biosig.evaluation.subsets.errors_on` returns it.
    column : str
        The one that holds the part.
    names : dict
        Words for each part, in the order of the columns.
    units : dict of str to str
    reference : str

    Returns
    -------
    list of Table
        The last row counts windows and people of each part.
    """
    tables = []
    for target, found in table.groupby("target", sort=False):
        rows, digits = found.set_index(["encoder", column]), decimals(found["mae"])
        encoders = list(dict.fromkeys(found["encoder"]))
        cells = []
        for encoder in encoders:
            row = [str(encoder)]
            for part in names:
                here = rows.loc[(encoder, part)] if (encoder, part) in rows.index else None
                row.append("-" if here is None else number(here["mae"], digits))
                row.append("-" if here is None else interval(here["ci95_low"], here["ci95_high"], digits))
                row.append("-" if here is None else _against(here))
            cells.append(row)
        most = found.groupby(column)[["n_windows", "n_participants"]].max().reindex(list(names)).fillna(0).astype(int)
        counts = [[str(count), f"of {people} people", ""] for count, people in most.to_numpy()]
        cells.append(["windows", *(cell for count in counts for cell in count)])
        headers = ["encoder"]
        for words in names.values():
            headers += [f"MAE, {words}", f"95 % interval, {words}", f"reference's error, {words}"]
        bold = tuple(i for i, name in enumerate(encoders) if name == reference)
        caption = titled(str(target), units, "mean absolute error") + f" (reference: {reference})"
        tables.append(Table(caption, headers, cells, bold, data=found))
    return tables


def gate_tables(gates: pd.DataFrame, units: dict[str, str], reference: str) -> list[Table]:
    """The tables of `part_tables` for motion gates, and one on how much of the day each gate leaves."""
    names = {gate: f"{1000 * gate:g} mg" for gate in sorted(gates["gate"].unique())}
    shares = gates.pivot_table(index="encoder", columns="gate", values="coverage", aggfunc="max", sort=False)
    rows = [[str(name), *(percent(value) for value in row)] for name, row in shares.iterrows()]
    bold = tuple(i for i, row in enumerate(rows) if row[0] == reference)
    caption = "Share of all test windows with an estimate and a true value, by motion gate"
    covered = Table(caption, ["encoder", *names.values()], rows, bold, data=gates[["encoder", "gate", "coverage"]])
    return [*part_tables(gates, "gate", names, units, reference), covered]


def visible_people_table(people: pd.DataFrame) -> Table:
    """One row a person: how many minutes stand out, against chance."""
    rows = [
        [
            str(row["participant"]),
            str(row["n_minutes"]),
            percent(row["share"]),
            f"{row['p_value']:.3f}",
            str(row["group"]),
        ]
        for _, row in people.sort_values("share", ascending=False, kind="stable").iterrows()
    ]
    headers = ["participant", "still minutes", "beat stands out", "p", "counted as"]
    chance = percent(people["chance"].iloc[0])
    return Table(
        f"Minutes in which the beat shows in the acceleration ({chance} by chance)", headers, rows, data=people
    )


def visible_shares(people: pd.DataFrame) -> Plate:
    """Share of each person's minutes in which the beat shows in the acceleration, beside chance.

    Parameters
    ----------
    people : pandas.DataFrame
        As `biosig.evaluation.visible_beat.visible_people` returns it.

    Returns
    -------
    Plate
    """
    ordered = people.sort_values("share", kind="stable")
    visible = (ordered["group"] == VISIBLE).to_numpy()
    chance = float(people["chance"].iloc[0])
    keys = [Key(VISIBLE, ACCENT, "dot"), Key(HIDDEN, GREY, "hollow"), Key("chance", INK, "dashed")]

    def draw(ax, alone: bool) -> None:
        x, share = np.arange(len(ordered)), 100 * ordered["share"].to_numpy(float)
        ax.plot(x[visible], share[visible], "o", color=ACCENT, ms=5)
        ax.plot(x[~visible], share[~visible], "o", color=GREY, mfc=SHEET, mew=1.5, ms=5)
        ax.axhline(100 * chance, color=INK, lw=1, ls=(0, (4, 3)), zorder=0)
        ax.set_ylim(0, max(20.0, 1.08 * share.max()))
        ax.set_xticks([])
        ax.grid(axis="x", visible=False)
        ax.set(xlabel="participants, in the order of their shares", ylabel="minutes in which the beat shows (%)")

    median = percent(people["share"].median())
    words = f"{visible.sum()} of {len(ordered)} people have a visible beat; median share of minutes {median}."
    caption = "Share of a person's still minutes in which the acceleration follows the beats of the PPG."
    return Plate("visible_beat", caption, [Panel(draw, (4.6, 2.8), words)], keys)
