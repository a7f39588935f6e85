"""The figures that are curves: retrieval, label efficiency, error against coverage, training; and one window."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from biosig.evaluation.drawing import ACCENT, COLOURS, INK, Key, Panel, Plate, dashes, series_keys
from biosig.evaluation.figures import target_title

_SCOPES = {"across": "Among windows of all participants", "within": "Among windows of the same person"}
_AXES = (("x", COLOURS[0]), ("y", COLOURS[1]), ("z", ACCENT))
_SHOWN_SECONDS = 20.0
_SHARES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_CHANCE = Key("chance", INK, "dashed")


def _line(ax, x, y, low, high, key: Key, strong: bool) -> None:
    style = {"lw": 2.2, "ms": 5, "zorder": 3} if strong else {"lw": 1.4, "ms": 3.5}
    ax.plot(x, y, "o", ls=dashes(key), color=key.colour, **style)
    ax.fill_between(x, low, high, color=key.colour, alpha=0.13, lw=0)


def retrieval_curves(
    retrieval: dict[str, pd.DataFrame], reference: str, name: str = "retrieval", sought: str = "PPG"
) -> Plate | None:
    """Top-1 against pool size for each encoder, with intervals and chance, one panel a scope; None without pools.

    Parameters
    ----------
    retrieval : dict of str to pandas.DataFrame
        Tables of `retrieval` per encoder.
    reference : str
        The encoder drawn in the accent.
    name : str
        Name of the figure's files.
    sought : str
        What is sought, for the caption.

    Returns
    -------
    Plate or None
    """
    from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

    keys = series_keys(list(retrieval), reference)
    floor = 0.8 / max((table["pool"].max() for table in retrieval.values() if len(table)), default=1)

    def panel(scope: str) -> Panel:
        parts = {name: table[table["scope"] == scope].sort_values("pool") for name, table in retrieval.items()}

        def draw(ax, alone: bool) -> None:
            chance: dict[int, float] = {}
            for name, part in parts.items():
                _line(
                    ax, part["pool"], part["top1"], part["top1_low"], part["top1_high"], keys[name], name == reference
                )
                chance |= dict(zip(part["pool"], part["chance_top1"], strict=True))
            pools = sorted(chance)
            ax.plot(pools, [chance[pool] for pool in pools], color=INK, lw=1.2, ls=dashes(_CHANCE))
            ax.set_xscale("log", base=2)
            ax.set_yscale("log")
            ax.set_xticks(pools, [str(pool) for pool in pools], rotation=0 if len(pools) < 7 else 45)
            ax.xaxis.set_minor_locator(NullLocator())
            ax.set_ylim(floor, 1.15)
            ax.set_yticks([tick for tick in _SHARES if tick >= floor])
            ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
            ax.yaxis.set_minor_formatter(NullFormatter())
            ax.yaxis.set_minor_locator(NullLocator())
            ax.set_title(_SCOPES[scope])
            ax.set_xlabel("windows in the pool")
            ax.set_ylabel("right window found first (top-1)")

        ends = [
            f"{name} {100 * part['top1'].iloc[-1]:.1f} % of {part['pool'].iloc[-1]}"
            for name, part in parts.items()
            if len(part)
        ]
        return Panel(draw, (4.2, 3.3), f"{_SCOPES[scope]}, share found first in the largest pool: {', '.join(ends)}.")

    scopes = [scope for scope in _SCOPES if any((table["scope"] == scope).any() for table in retrieval.values())]
    caption = f"Share of windows whose {sought} is found first, by size of the pool; bands: 95 % over participants."
    return Plate(name, caption, [panel(scope) for scope in scopes], [*keys.values(), _CHANCE]) if scopes else None


class Curve(NamedTuple):
    """How a tidy table is drawn as curves: its column `x`, the words on that axis, whether the axis is a logarithm."""

    name: str
    x: str
    words: str
    caption: str
    log: bool = False


def error_curves(table: pd.DataFrame, curve: Curve, reference: str, units: dict[str, str]) -> Plate | None:
    """Mean absolute error along a column of shares, one line an encoder, one panel a target.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `encoder`, `target`, `mae`, the one of the curve and, where known, `ci95_low` and `ci95_high`.
    curve : Curve
    reference : str
        The encoder drawn in the accent.
    units : dict of str to str

    Returns
    -------
    Plate or None
        None where nothing has an error.
    """
    from matplotlib.ticker import FuncFormatter, NullFormatter

    known = table[table["mae"].notna() & table[curve.x].notna()]
    keys = series_keys([str(name) for name in known["encoder"].unique()], reference)

    def panel(target: str) -> Panel:
        here = known[known["target"] == target]
        title, unit = target_title(target, units)

        def draw(ax, alone: bool) -> None:
            for name, key in keys.items():
                part = here[here["encoder"] == name].sort_values(curve.x)
                low, high = (part[end] if end in part else part["mae"] for end in ("ci95_low", "ci95_high"))
                _line(ax, part[curve.x], part["mae"], low, high, key, name == reference)
            if curve.log:
                ax.set_xscale("log")
                low, high = here[curve.x].min(), here[curve.x].max()
                ax.set_xticks([share for share in _SHARES if 0.99 * low <= share <= 1.01 * high])
                ax.xaxis.set_minor_formatter(NullFormatter())
            ax.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
            ax.set_ylim(bottom=0)
            ax.set_title(title)
            ax.set_xlabel(curve.words)
            ax.set_ylabel(f"mean absolute error ({unit})" if unit else "mean absolute error")

        own = here[here["encoder"] == reference].sort_values(curve.x)
        found = [f"{row['mae']:.3g} at {100 * row[curve.x]:.3g} %" for _, row in own.iterrows()]
        return Panel(draw, (3.7, 3.1), f"{title}, error of {reference} {unit}: {', '.join(found)}.")

    panels = [panel(str(target)) for target in known["target"].unique()]
    return Plate(curve.name, curve.caption, panels, list(keys.values())) if panels else None


def training_curves(training: Mapping[str, Mapping[str, Any]]) -> Plate | None:
    """Loss against step for each model, one panel each as their losses are not comparable; None without a history."""
    shown = {name: history for name, history in training.items() if len(history.get("step", ()))}
    losses = list(dict.fromkeys(key for history in shown.values() for key in history if key.endswith("loss")))
    keys = {loss: Key(loss.replace("_", " "), colour) for loss, colour in zip(losses, (ACCENT, *COLOURS), strict=False)}

    def panel(name: str) -> Panel:
        history = shown[name]

        def draw(ax, alone: bool) -> None:
            for loss, key in keys.items():
                if loss not in history:
                    continue
                step, value = np.asarray(history["step"], dtype=float), np.asarray(history[loss], dtype=float)
                width = len(value) // 25
                if width > 1:  # noisy steps in pale, their running mean on top
                    ax.plot(step, value, color=key.colour, lw=0.7, alpha=0.3)
                    kernel = np.ones(width) / width
                    step, value = np.convolve(step, kernel, "valid"), np.convolve(value, kernel, "valid")
                ax.plot(step, value, color=key.colour, lw=1.7)
            ax.set_title("\n".join(textwrap.wrap(name, 34)))
            ax.set(xlabel="step", ylabel="loss")
            ax.locator_params(axis="x", nbins=5)

        return Panel(draw, (3.4, 2.4), f"{name}: loss over {len(history['step'])} steps.")

    caption = "Loss during training; thick: running mean. Losses of different methods are not comparable."
    return Plate("training", caption, [panel(name) for name in shown], list(keys.values())) if shown else None


def example_window(example: Mapping[str, Any]) -> Plate:
    """The first seconds of a window: PPG with the beats found in it, and the acceleration at the same time."""
    time, ppg = np.asarray(example["time"], dtype=float), np.asarray(example["ppg"], dtype=float)
    accel = 1000 * np.atleast_2d(np.asarray(example["accel"], dtype=float))
    beats = np.asarray(example["beats"], dtype=float)
    ppg = ppg[0] if ppg.ndim == 2 else ppg
    shown = time <= time[0] + _SHOWN_SECONDS
    time, ppg, accel = time[shown], ppg[shown], accel[:, shown]
    beats = beats[np.isfinite(beats) & (beats >= time[0]) & (beats <= time[-1])]

    def frame(ax) -> None:
        for beat in beats:
            ax.axvline(beat, color=COLOURS[0], lw=0.7, alpha=0.4, zorder=0)
        ax.grid(axis="x", visible=False)
        ax.set(xlabel="time (s)", xlim=(time[0], time[-1]))

    def draw_ppg(ax, alone: bool) -> None:
        frame(ax)
        ax.plot(time, ppg, color=INK, lw=1.1)
        known = np.isfinite(ppg)
        if known.any() and len(beats):
            ax.plot(beats, np.interp(beats, time[known], ppg[known]), "o", color=COLOURS[0], ms=4.5)
        ax.set_title("PPG")
        ax.set_ylabel("blood volume (a.u.)")

    def draw_accel(ax, alone: bool) -> None:
        frame(ax)
        # Side by side rather than on top of each other: each axis is moved by the same step.
        spread = np.nanpercentile(np.abs(accel - np.nanmedian(accel, axis=1, keepdims=True)), 99.5)
        step = 2.0 * (spread if np.isfinite(spread) and spread > 0 else 1.0)
        for j, (row, (name, colour)) in enumerate(zip(accel, _AXES, strict=False)):
            ax.plot(time, row - np.nanmedian(row) - j * step, color=colour, lw=0.8)
            where = {"xytext": (5, 0), "textcoords": "offset points", "va": "center"}
            ends = ("axes fraction", "data")
            ax.annotate(name, (1, -j * step), xycoords=ends, color=INK, **where)
        ax.set_ylim(-(min(3, len(accel)) - 0.3) * step, 0.7 * step)
        ax.set_title("Acceleration without gravity (axes moved apart)")
        ax.set_ylabel("acceleration (mg)")

    panels = [
        Panel(draw_ppg, (4.6, 2.4), f"PPG over {time[-1] - time[0]:.0f} s with {len(beats)} detected beats."),
        Panel(draw_accel, (4.6, 2.4), "Acceleration of the wrist over the same time, axis by axis."),
    ]
    caption = "PPG with its detected beats, and the acceleration at the same time: the first seconds of a window."
    return Plate("example_window", caption, panels, [Key("detected beat", COLOURS[0], "dot"), Key("PPG", INK)])
