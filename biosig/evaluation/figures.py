"""The figures of the report: Matplotlib figures on a white card, and their SVG.

Each function returns a `matplotlib.figure.Figure` made without pyplot, so nothing global changes and no display is
needed. Matplotlib is loaded when the first figure is drawn.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import pandas as pd

from biosig.evaluation.breakdown import error_by_motion
from biosig.evaluation.compare import OWN_MEDIAN, TRAINING_MEAN, TRIVIAL, Comparison
from biosig.evaluation.headline import quantity

_BLUE, _GREY, _PALE, _INK = "#0b5fa5", "#6b7280", "#a8aeb8", "#1f2937"
# Okabe and Ito's colours, told apart by nearly everybody; blue is kept for the reference.
_COLOURS = ("#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b7280")
_AXES = (("x", "#d55e00"), ("y", "#009e73"), ("z", "#0b5fa5"))
_SHOWN_SECONDS = 20.0
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "axes.edgecolor": _PALE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8eaee",
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "svg.fonttype": "path",
    "text.parse_math": False,  # names come from outside: a dollar sign is a dollar sign
}


def _styled(draw: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(draw)
    def inside(*args, **options):
        import matplotlib

        with matplotlib.rc_context(_STYLE):
            return draw(*args, **options)

    return inside


def _figure(n_rows: int, n_columns: int, size: tuple[float, float], **options):
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False, **options)
    return figure, axes


def svg_text(figure, salt: str) -> str:
    """A figure as an inline ``<svg>`` element, the same bytes for the same figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Any figure.
    salt : str
        Name of the figure on its page: keeps the ids of two figures apart.

    Returns
    -------
    str
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": salt}):
        metadata = dict.fromkeys(["Creator", "Date", "Format", "Type"])
        figure.savefig(buffer, format="svg", metadata=metadata, dpi=150)
    text = buffer.getvalue()
    return text[text.index("<svg") :]  # without the XML declaration and the document type, which HTML does not take


def _title(comparison: Comparison, target: str) -> tuple[str, str]:
    name, unit = quantity(target, comparison.units)
    return f"{name[:1].upper()}{name[1:]}", unit


def _targets(comparison: Comparison) -> list[str]:
    """Targets with at least one error, at most six."""
    known = comparison.table[comparison.table["mae"].notna()]
    return [str(target) for target in known["target"].unique()][:6]


@_styled
def error_bars(comparison: Comparison):
    """Mean absolute error of every encoder with its interval over participants; the reference in blue."""
    targets = _targets(comparison)
    names = list(dict.fromkeys(comparison.table["encoder"]))
    labels = [textwrap.fill(name, 24) for name in names]
    height = 1.1 + 0.27 * sum(1 + label.count("\n") * 0.6 for label in labels)
    figure, axes = _figure(1, len(targets), (2.2 + 2.6 * max(2, len(targets)), height), sharey=True)
    for ax, target in zip(axes[0], targets, strict=True):
        part = comparison.table[comparison.table["target"] == target].set_index("encoder")
        for y, name in enumerate(names):
            if name not in part.index or not np.isfinite(part.loc[name, "mae"]):
                continue
            row = part.loc[name]
            colour = _BLUE if name == comparison.reference else _PALE if name in TRIVIAL else _GREY
            ax.plot([row["ci95_low"], row["ci95_high"]], [y, y], color=colour, lw=2.2, solid_capstyle="round")
            ax.plot(row["mae"], y, "o", color=colour, ms=6, mfc="white" if name in TRIVIAL else colour, mew=1.8)
        title, unit = _title(comparison, target)
        ax.set_title(title)
        ax.set_xlabel(f"mean absolute error ({unit})" if unit else "mean absolute error")
        ends = part[["mae", "ci95_high"]].to_numpy(dtype=float)
        ax.set_xlim(0, 1.06 * np.nanmax(ends) or 1.0)
        ax.locator_params(axis="x", nbins=5)
        ax.grid(axis="y", visible=False)
        ax.set_yticks(range(len(names)), labels)
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(len(names) - 0.4, -0.6)
    for label, name in zip(axes[0, 0].get_yticklabels(), names, strict=True):
        if name == comparison.reference:
            label.set(color=_BLUE, fontweight="bold")
    return figure


@_styled
def predicted_against_true(comparison: Comparison):
    """Predictions of the reference encoder against the truth, one colour a participant."""
    import matplotlib

    own = comparison.predictions[comparison.predictions["encoder"] == comparison.reference]
    own = own.dropna(subset=["true", "predicted"])
    targets = [target for target in _targets(comparison) if (own["target"] == target).any()]
    if not targets:
        return None
    figure, axes = _figure(1, len(targets), (3.1 * max(2, len(targets)), 3.5))
    _, person = np.unique(own["participant"].astype(str), return_inverse=True)
    colours = matplotlib.colormaps["turbo"](0.05 + 0.9 * person / max(1, person.max()))
    for ax, target in zip(axes[0], targets, strict=True):
        here = (own["target"] == target).to_numpy()
        true, predicted = own["true"].to_numpy()[here], own["predicted"].to_numpy()[here]
        low, high = min(true.min(), predicted.min()), max(true.max(), predicted.max())
        margin = 0.04 * (high - low) or 1.0
        # Points as an image: thousands of circles would make the page heavy.
        ax.scatter(true, predicted, s=9, c=colours[here], alpha=0.55, linewidths=0, rasterized=True)
        ax.axline((low, low), slope=1, color=_INK, lw=1, ls=(0, (4, 3)))
        ax.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin), aspect="equal")
        title, unit = _title(comparison, target)
        ax.set_title(title)
        ax.set_xlabel(f"true ({unit})" if unit else "true")
        ax.set_ylabel(f"predicted ({unit})" if unit else "predicted")
        ax.locator_params(nbins=5)
    return figure


@_styled
def retrieval_curves(retrieval: dict[str, pd.DataFrame], reference: str = ""):
    """Top-1 against pool size for each encoder, with intervals and chance, one panel a scope."""
    from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

    titles = {"across": "Among windows of all participants", "within": "Among windows of the same person"}
    scopes = [scope for scope in titles if any((table["scope"] == scope).any() for table in retrieval.values())]
    if not scopes:
        return None
    figure, axes = _figure(1, len(scopes), (7.6 if len(scopes) > 1 else 5.0, 3.6), sharey=True)
    others = [name for name in retrieval if name != reference]
    floor = 0.8 / max(table["pool"].max() for table in retrieval.values() if len(table))
    for ax, scope in zip(axes[0], scopes, strict=True):
        chance: dict[int, float] = {}
        for name, table in retrieval.items():
            part = table[table["scope"] == scope].sort_values("pool")
            colour = _BLUE if name == reference else _COLOURS[others.index(name) % len(_COLOURS)]
            strong = {"lw": 2.2, "ms": 5, "zorder": 3} if name == reference else {"lw": 1.4, "ms": 3.5}
            ax.plot(part["pool"], part["top1"], "o-", color=colour, label=name, **strong)
            ax.fill_between(part["pool"], part["top1_low"], part["top1_high"], color=colour, alpha=0.13, lw=0)
            chance |= dict(zip(part["pool"], part["chance_top1"], strict=True))
        pools = sorted(chance)
        ax.plot(pools, [chance[pool] for pool in pools], color=_INK, lw=1.2, ls=(0, (4, 3)), label="chance")
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.set_xticks(pools, [str(pool) for pool in pools], rotation=0 if len(pools) < 8 else 45)
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_ylim(floor, 1.15)
        ax.set_yticks([tick for tick in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0) if tick >= floor])
        ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.yaxis.set_minor_locator(NullLocator())
        ax.set_title(titles[scope])
        ax.set_xlabel("windows in the pool")
    axes[0, 0].set_ylabel("right window found first (top-1)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)))
    return figure


@_styled
def training_curves(training: dict[str, dict[str, Any]]):
    """Loss against step for each model, one panel each as their losses are not comparable."""
    n_columns = min(3, len(training))
    n_rows = -(-len(training) // n_columns)
    figure, axes = _figure(n_rows, n_columns, (2.6 * max(2, n_columns), 2.1 * n_rows))
    for ax in axes.flat[len(training) :]:
        ax.set_axis_off()
    for ax, (name, history) in zip(axes.flat, training.items(), strict=False):
        losses = [key for key in history if key.endswith("loss")]
        for colour, key in zip((_BLUE, *_COLOURS), losses, strict=False):
            step, loss = np.asarray(history["step"], dtype=float), np.asarray(history[key], dtype=float)
            width = len(loss) // 25
            if width > 1:  # noisy steps in pale, their running mean on top
                ax.plot(step, loss, color=colour, lw=0.7, alpha=0.3)
                kernel = np.ones(width) / width
                step, loss = np.convolve(step, kernel, "valid"), np.convolve(loss, kernel, "valid")
            ax.plot(step, loss, color=colour, lw=1.6, label=key.replace("_", " "))
        ax.set_title("\n".join(textwrap.wrap(name, 22)))
        ax.set(xlabel="step", ylabel="loss")
        ax.locator_params(axis="x", nbins=5)
        if len(losses) > 1:
            ax.legend()
    return figure


@_styled
def example_window(example: dict[str, Any]):
    """The first seconds of a window: PPG with the beats found in it, and the acceleration at the same time."""
    time, ppg = np.asarray(example["time"], dtype=float), np.asarray(example["ppg"], dtype=float)
    accel = 1000 * np.atleast_2d(np.asarray(example["accel"], dtype=float))
    beats = np.asarray(example["beats"], dtype=float)
    ppg = ppg[0] if ppg.ndim == 2 else ppg
    shown = time <= time[0] + _SHOWN_SECONDS
    time, ppg, accel = time[shown], ppg[shown], accel[:, shown]
    beats = beats[np.isfinite(beats) & (beats >= time[0]) & (beats <= time[-1])]
    figure, axes = _figure(2, 1, (7.6, 4.2), sharex=True)
    top, bottom = axes[:, 0]
    top.plot(time, ppg, color=_INK, lw=1.1)
    known = np.isfinite(ppg)
    if known.any() and len(beats):
        top.plot(beats, np.interp(beats, time[known], ppg[known]), "o", color=_COLOURS[0], ms=5, label="beat")
        top.legend(loc="upper right", bbox_to_anchor=(1, 1.16), borderaxespad=0)
    top.set_title("PPG")
    top.set_ylabel("blood volume (a.u.)")
    for ax in (top, bottom):
        for beat in beats:
            ax.axvline(beat, color=_COLOURS[0], lw=0.7, alpha=0.35, zorder=0)
        ax.grid(axis="x", visible=False)
    # Side by side rather than on top of each other: each axis is moved by the same step.
    spread = np.nanpercentile(np.abs(accel - np.nanmedian(accel, axis=1, keepdims=True)), 99.5)
    step = 2.0 * (spread if np.isfinite(spread) and spread > 0 else 1.0)
    for j, (row, (name, colour)) in enumerate(zip(accel, _AXES, strict=False)):
        bottom.plot(time, row - np.nanmedian(row) - j * step, color=colour, lw=0.8)
        bottom.annotate(
            name,
            (1, -j * step),
            xycoords=("axes fraction", "data"),
            xytext=(5, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            fontweight="bold",
        )
    bottom.set_ylim(-(min(3, len(accel)) - 0.3) * step, 0.7 * step)
    bottom.set_title("Acceleration without gravity (axes moved apart)")
    bottom.set(xlabel="time (s)", ylabel="acceleration (mg)", xlim=(time[0], time[-1]))
    return figure


@_styled
def motion_errors(comparison: Comparison):
    """Error by motion level: the reference, the best other method and the trivial predictors; None without motion."""
    table = error_by_motion(comparison.predictions, random_state=int(comparison.table["seed"].iloc[0]))
    targets = [target for target in _targets(comparison) if (table["target"] == target).any()][:3]
    if not targets:
        return None
    figure, axes = _figure(1, len(targets), (3.0 * max(2, len(targets)), 3.5))
    colours = {comparison.reference: _BLUE, TRAINING_MEAN: _PALE, OWN_MEDIAN: _GREY}
    handles: dict[str, Any] = {}
    for ax, target in zip(axes[0], targets, strict=True):
        here = table[table["target"] == target]
        errors = comparison.table[comparison.table["target"] == target].set_index("encoder")["mae"]
        rivals = errors.drop(index=list(colours), errors="ignore").dropna()
        names = [comparison.reference, *([str(rivals.idxmin())] if len(rivals) else []), TRAINING_MEAN, OWN_MEDIAN]
        lows = sorted(here["motion_low"].unique())
        for k, name in enumerate(names):
            part = here[here["encoder"] == name]
            x = np.array([lows.index(low) for low in part["motion_low"]]) + 0.16 * (k - (len(names) - 1) / 2)
            mae = part["mae"].to_numpy()
            ends = np.nan_to_num(np.stack([mae - part["ci95_low"], part["ci95_high"] - mae]))
            colour = colours.get(name, _COLOURS[0])
            mark = {"marker": "o", "ms": 5, "mfc": "white" if name in TRIVIAL else colour, "mew": 1.5}
            drawn = ax.errorbar(x, mae, np.maximum(ends, 0), color=colour, ls="none", lw=1.6, **mark)
            handles.setdefault(name if name in colours else "best other method", drawn)
        # Rows of the reference tell the bands and how many windows each holds.
        own = here[here["encoder"] == comparison.reference].set_index("motion_low")
        labels = []
        for low in lows:
            high = here.loc[here["motion_low"] == low, "motion_high"].iloc[0]
            band = f"{1000 * low:g}-{1000 * high:g}" if np.isfinite(high) else f"over {1000 * low:g}"
            count = own["n_windows"].get(low, 0)
            labels.append(f"{band}\nn={count}")
        ax.set_xticks(range(len(lows)), labels)
        ax.set_ylim(bottom=0)
        ax.grid(axis="x", visible=False)
        title, unit = _title(comparison, target)
        ax.set_title(title)
        ax.set_xlabel("motion level (mg)")
        ax.set_ylabel(f"mean absolute error ({unit})" if unit else "mean absolute error")
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2)
    return figure
