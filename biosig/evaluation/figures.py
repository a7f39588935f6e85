"""The figures on errors: of each encoder, of each window, of each person, and by motion."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd

from biosig.evaluation.compare import OWN_MEDIAN, TRAINING_MEAN, TRIVIAL, Comparison
from biosig.evaluation.drawing import ACCENT, COLOURS, GREY, INK, PALE, SHEET, Key, Panel, Plate
from biosig.evaluation.headline import quantity, significant

_MOST_PANELS = 6


def target_title(target: str, units: dict[str, str]) -> tuple[str, str]:
    """A target's name as a heading, folded to a panel's width, and its unit, empty where it is not known."""
    name, unit = quantity(target, units)
    return textwrap.fill(f"{name[:1].upper()}{name[1:]}", 34), unit


def _shown(comparison: Comparison) -> list[str]:
    """Targets with at least one error, as many as fit on a plate."""
    known = comparison.table[comparison.table["mae"].notna()]
    return [str(target) for target in known["target"].unique()][:_MOST_PANELS]


def _measured(words: str, unit: str) -> str:
    return f"{words} ({unit})" if unit else words


def _look(name: str, reference: str) -> tuple[str, str]:
    """Colour and face of an encoder's mark: the reference in the accent, trivial predictors hollow."""
    colour = ACCENT if name == reference else PALE if name in TRIVIAL else GREY
    return colour, SHEET if name in TRIVIAL else colour


def _interval_panel(
    part: pd.DataFrame, value: str, names: list[str], reference: str, title: str, words: str, mark: float | None = None
) -> Panel:
    """One number an encoder with its interval, the encoders below each other; `mark`: where a dashed line stands."""
    rows = part.drop_duplicates("encoder").set_index("encoder")

    def draw(ax, alone: bool) -> None:
        for y, name in enumerate(names):
            own = name == reference
            colour, face = _look(name, reference)
            if alone:  # above its bar, which leaves the whole width to the numbers
                weight, ink = ("bold", ACCENT) if own else ("normal", INK)
                where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 8.5}
                where["bbox"] = {"facecolor": SHEET, "linewidth": 0, "pad": 0.6}  # lines pass behind the words
                ax.annotate(textwrap.shorten(name, 46), (0, y - 0.42), color=ink, weight=weight, **where)
            if name not in rows.index or not np.isfinite(rows.loc[name, value]):
                ax.annotate("not available", (0.01, y), xycoords=("axes fraction", "data"), va="center", color=GREY)
                continue
            row = rows.loc[name]
            ax.plot([row["ci95_low"], row["ci95_high"]], [y, y], color=colour, lw=2.4, solid_capstyle="round")
            ax.plot(row[value], y, "o", color=colour, ms=6, mfc=face, mew=1.8)
        if mark is not None:
            ax.axvline(mark, color=INK, lw=1, ls=(0, (4, 3)), zorder=0)
        ends = part[[value, "ci95_high"]].to_numpy(dtype=float)
        ax.set_xlim(0, 1.06 * np.nanmax(ends) or 1.0)
        ax.set_ylim(len(names) - 0.5, -0.8)
        ax.locator_params(axis="x", nbins=6)
        ax.grid(axis="y", visible=False)
        ax.spines["left"].set_visible(False)
        ax.set_title(title)
        ax.set_xlabel(words)
        shown = [] if alone else [textwrap.fill(name, 26) for name in names]
        ax.set_yticks(range(len(shown)), shown)
        ax.tick_params(axis="y", length=0)

    known = rows[rows[value].notna()]
    found = [f"{name} {significant(number)}" for name, number in known[value].items()]
    return Panel(draw, (3.7, 0.9 + 0.4 * len(names)), f"{title}, {words}: {', '.join(found)}.")


def error_bars(comparison: Comparison) -> Plate | None:
    """Mean absolute error of every encoder with its interval over participants; None where nothing has an error."""
    names = [str(name) for name in dict.fromkeys(comparison.table["encoder"])]
    panels = []
    for target in _shown(comparison):
        part = comparison.table[comparison.table["target"] == target]
        title, unit = target_title(target, comparison.units)
        words = _measured("mean absolute error", unit)
        panels.append(_interval_panel(part, "mae", names, comparison.reference, title, words))
    caption = (
        f"Mean absolute error with its 95 % interval over participants. Blue: {comparison.reference}; hollow: trivial "
        "predictors; grey: all others."
    )
    return Plate("errors", caption, panels) if panels else None


def people_bars(people: pd.DataFrame, reference: str, units: dict[str, str]) -> Plate | None:
    """What a person's mean embedding tells: error of numbers, area under the ROC curve of classes; None if nothing.

    Parameters
    ----------
    people : pandas.DataFrame
        As `Results.people`: `encoder`, `target`, `measure` ("mae" or "auc"), `value`, `ci95_low`, `ci95_high`.
    reference : str
    units : dict of str to str

    Returns
    -------
    Plate or None
    """
    known = people[people["value"].notna()]
    panels = []
    for target in list(dict.fromkeys(known["target"]))[:_MOST_PANELS]:
        part = people[people["target"] == target]
        title, unit = target_title(str(target), units)
        names = [str(name) for name in dict.fromkeys(part["encoder"])]
        auc = (part["measure"] == "auc").any()
        words = "area under the ROC curve" if auc else _measured("mean absolute error", unit)
        panels.append(_interval_panel(part, "value", names, reference, title, words, 0.5 if auc else None))
    caption = "What the mean embedding of a person tells of that person, with 95 % intervals; dashed: guessing a class."
    return Plate("people", caption, panels) if panels else None


def coverage_bars(conformal: pd.DataFrame, reference: str, units: dict[str, str]) -> Plate | None:
    """Share of windows of unseen people inside the conformal intervals, beside the share promised; None if nothing.

    Parameters
    ----------
    conformal : pandas.DataFrame
        As `Results.conformal`: `encoder`, `target`, `level`, `coverage`, `ci95_low`, `ci95_high`.
    reference : str
    units : dict of str to str

    Returns
    -------
    Plate or None
    """
    known = conformal[conformal["coverage"].notna()]
    panels = []
    for (target, level), part in list(known.groupby(["target", "level"], sort=False))[:_MOST_PANELS]:
        title, _ = target_title(str(target), units)
        names = [str(name) for name in dict.fromkeys(part["encoder"])]
        words = f"share inside the {100 * level:g} % interval"
        panels.append(_interval_panel(part, "coverage", names, reference, title, words, float(level)))
    caption = "Share of the windows of unseen people inside their intervals; dashed: the share that was promised."
    return Plate("conformal", caption, panels) if panels else None


def predicted_against_true(comparison: Comparison) -> Plate | None:
    """Predictions of the reference encoder against the truth, one colour a participant; None without predictions."""
    import matplotlib

    own = comparison.predictions[comparison.predictions["encoder"] == comparison.reference]
    own = own.dropna(subset=["true", "predicted"])
    _, person = np.unique(own["participant"].astype(str), return_inverse=True)
    # The ends of the map are too dark for a dark page and too pale for a light one.
    colours = matplotlib.colormaps["turbo"](0.12 + 0.76 * person / max(1, int(person.max(initial=0))))

    def panel(target: str) -> Panel:
        here = (own["target"] == target).to_numpy()
        true, predicted = own["true"].to_numpy(float)[here], own["predicted"].to_numpy(float)[here]
        title, unit = target_title(target, comparison.units)

        def draw(ax, alone: bool) -> None:
            low, high = min(true.min(), predicted.min()), max(true.max(), predicted.max())
            margin = 0.04 * (high - low) or 1.0
            # Points as an image: thousands of circles would make the page heavy.
            ax.scatter(true, predicted, s=11, c=colours[here], alpha=0.6, linewidths=0, rasterized=True)
            ax.axline((low, low), slope=1, color=INK, lw=1, ls=(0, (4, 3)))
            ax.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin), aspect="equal")
            ax.set_title(title)
            ax.set_xlabel(_measured("true", unit))
            ax.set_ylabel(_measured("predicted", unit))
            ax.locator_params(nbins=6)

        words = f"{title}: {len(true)} windows, predicted against true."
        return Panel(draw, (3.7, 3.7), words)

    panels = [panel(target) for target in _shown(comparison) if (own["target"] == target).any()]
    caption = (
        f"{comparison.reference}: predicted against true, one dot a window, one colour a participant; dashed: equal."
    )
    return Plate("predicted_against_true", caption, panels) if panels else None


def participant_errors(table: pd.DataFrame, reference: str, units: dict[str, str]) -> Plate | None:
    """The reference's error on each person beside what the training mean has there, the worst first.

    Parameters
    ----------
    table : pandas.DataFrame
        As `error_by_participant` returns it, of all encoders.
    reference : str
    units : dict of str to str

    Returns
    -------
    Plate or None
        None where the reference has no error on anybody.
    """
    known = table[table["mae"].notna()]
    own = known[known["encoder"] == reference]
    targets = [str(target) for target in own["target"].unique()][:_MOST_PANELS]

    def panel(target: str) -> Panel:
        part = own[own["target"] == target].sort_values("mae", ascending=False, kind="stable")
        mean = known[(known["encoder"] == TRAINING_MEAN) & (known["target"] == target)].set_index("participant")["mae"]
        others = mean.reindex(part["participant"]).to_numpy(float)
        title, unit = target_title(target, units)
        x, mae = np.arange(len(part)), part["mae"].to_numpy(float)

        def draw(ax, alone: bool) -> None:
            ax.vlines(x, np.fmin(mae, others), np.fmax(mae, others), color=PALE, lw=1)
            ax.plot(x, others, "o", color=PALE, mfc=SHEET, ms=4.5, mew=1.4)
            ax.plot(x, mae, "o", color=ACCENT, ms=4.5)
            ax.set_ylim(bottom=0)
            ax.set_xlim(-0.7, len(part) - 0.3)
            ax.grid(axis="x", visible=False)
            ax.set_xticks([])
            ax.set_title(title)
            ax.set_xlabel(f"{len(part)} participants, the worst on the left")
            ax.set_ylabel(_measured("mean absolute error", unit))

        worst, best = part.iloc[0], part.iloc[-1]
        words = (
            f"{title}: error of {reference} from {significant(best['mae'])} ({best['participant']}) to "
            f"{significant(worst['mae'])} {unit} ({worst['participant']})."
        )
        return Panel(draw, (3.7, 2.9), words)

    legend = [Key(reference, ACCENT, "dot"), Key(TRAINING_MEAN, PALE, "hollow")]
    caption = "Error on each person, not averaged away: where the blue dot is above the hollow one, the method lost."
    return Plate("by_participant", caption, [panel(target) for target in targets], legend) if targets else None


def motion_errors(table: pd.DataFrame, comparison: Comparison) -> Plate | None:
    """Error by motion level: the reference, the best other method and the trivial predictors.

    Parameters
    ----------
    table : pandas.DataFrame
        As `error_by_motion` returns it.
    comparison : Comparison

    Returns
    -------
    Plate or None
        None without motion levels.
    """
    reference = comparison.reference
    looks = {reference: Key(reference, ACCENT, "dot"), TRAINING_MEAN: Key(TRAINING_MEAN, PALE, "hollow")}
    looks[OWN_MEDIAN] = Key(OWN_MEDIAN, GREY, "hollow")
    words = "best rival of the target" if comparison.rivals else "best other method of the target"
    other = Key(words, COLOURS[0], "dot")

    def panel(target: str) -> Panel:
        here = table[table["target"] == target]
        best = [name] if (name := comparison.best_other(target)) else []
        names = [reference, *best, TRAINING_MEAN, OWN_MEDIAN]
        lows = sorted(here["motion_low"].unique())
        title, unit = target_title(target, comparison.units)

        def draw(ax, alone: bool) -> None:
            for k, name in enumerate(names):
                part = here[here["encoder"] == name]
                x = np.array([lows.index(low) for low in part["motion_low"]]) + 0.17 * (k - (len(names) - 1) / 2)
                mae = part["mae"].to_numpy(float)
                ends = np.nan_to_num(np.stack([mae - part["ci95_low"], part["ci95_high"] - mae]))
                key = looks.get(name, other)
                face = SHEET if key.mark == "hollow" else key.colour
                mark: dict[str, Any] = {"marker": "o", "ms": 5, "mfc": face, "mew": 1.5}
                ax.errorbar(x, mae, np.maximum(ends, 0), color=key.colour, ls="none", lw=1.7, **mark)
            ax.set_xticks(range(len(lows)), _bands(here, reference))
            ax.set_ylim(bottom=0)
            ax.grid(axis="x", visible=False)
            ax.set_title(title)
            ax.set_xlabel("motion level (mg); n: windows")
            ax.set_ylabel(_measured("mean absolute error", unit))

        own = here[here["encoder"] == reference]
        found = [f"from {1000 * row['motion_low']:g} mg {significant(row['mae'])}" for _, row in own.iterrows()]
        return Panel(draw, (3.7, 3.1), f"{title}, error of {reference} {unit}: {', '.join(found)}.")

    targets = [target for target in _shown(comparison) if (table["target"] == target).any()]
    legend = [looks[reference], other, looks[TRAINING_MEAN], looks[OWN_MEDIAN]]
    caption = "Mean absolute error by motion level, with 95 % interval over participants."
    return Plate("by_motion", caption, [panel(target) for target in targets], legend) if targets else None


def _bands(here: pd.DataFrame, reference: str) -> list[str]:
    """Labels of the bands of motion, each with the number of the reference's windows in it."""
    counts = here[here["encoder"] == reference].set_index("motion_low")["n_windows"]
    labels = []
    for low, high in sorted(set(zip(here["motion_low"], here["motion_high"], strict=True))):
        band = f"{1000 * low:g}-{1000 * high:g}" if np.isfinite(high) else f"over {1000 * low:g}"
        labels.append(f"{band}\nn={counts.get(low, 0)}")
    return labels
