"""How a figure is drawn once and shown twice: panel by panel on the page, as one plate in files for a paper.

On the page each panel is an SVG of its own, so that panels stand side by side on a desk and below each other on a
phone, and its colours are CSS variables, so that it follows the reader's light or dark. In the files the panels share
one white sheet. Nothing here goes through pyplot: no global state changes, no display is needed, and Matplotlib is
loaded when the first figure is drawn.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

ACCENT, INK, GREY, PALE, GRID, SHEET = "#0b5fa5", "#1f2937", "#6b7280", "#a8aeb8", "#e8eaee", "#ffffff"
# After Okabe and Ito's colours, told apart by nearly everybody; the accent is kept for the reference.
COLOURS = ("#d55e00", "#009e73", "#cc79a7", "#e69f00", "#7b5ea7", "#5b8c2a", "#9c6b4a")
_DARK = {
    ACCENT: "#7dbcf5",
    INK: "#e6e8ec",
    GREY: "#9aa5b4",
    PALE: "#6d7786",
    GRID: "#2b323c",
    SHEET: "#1c2027",
    **dict(
        zip(COLOURS, ("#f2915a", "#3cc79c", "#e09cc4", "#f0b429", "#b79ce0", "#9ccc65", "#cfa07c"), strict=True),
    ),
}
_DASHES = (0, (4, 3))
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelcolor": INK,
    "text.color": INK,
    "axes.edgecolor": PALE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": SHEET,
    "savefig.facecolor": SHEET,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "pdf.fonttype": 42,  # text stays text for whoever edits the figure
    "text.parse_math": False,  # names come from outside: a dollar sign is a dollar sign
}


class Key(NamedTuple):
    """One entry of a legend: its words, its colour, and its mark ("line", "dashed", "dot" or "hollow")."""

    label: str
    colour: str
    mark: str = "line"


class Panel(NamedTuple):
    """One part of a figure.

    Parameters
    ----------
    draw : callable
        Draws into an Axes: ``draw(ax, alone)``; `alone` is True on the page, where no neighbour shares the labels.
    size : (float, float)
        Width and height in inches.
    words : str
        What the panel shows, for those who do not see it.
    """

    draw: Callable[[Any, bool], None]
    size: tuple[float, float]
    words: str


class Plate(NamedTuple):
    """A figure: `name` (of its files), `caption`, `panels`, and the `legend` that they share."""

    name: str
    caption: str
    panels: Sequence[Panel]
    legend: Sequence[Key] = ()


def css_variables(dark: bool) -> str:
    """The colours of the figures as CSS declarations, for a light or a dark page."""
    return ";".join(f"--c{light[1:]}:{dim if dark else light}" for light, dim in _DARK.items())


def series_keys(names: Sequence[str], reference: str) -> dict[str, Key]:
    """A colour for each name, the accent for the reference; after the last colour the first come again, dashed."""
    others = [name for name in names if name != reference]
    keys = {}
    for i, name in enumerate(others):
        keys[name] = Key(name, COLOURS[i % len(COLOURS)], "line" if i < len(COLOURS) else "dashed")
    if reference in names:
        keys[reference] = Key(reference, ACCENT)
    return {name: keys[name] for name in names}


def dashes(key: Key) -> Any:
    """Matplotlib's line style for a key."""
    return _DASHES if key.mark == "dashed" else "-"


def _bare_svg(figure, salt: str, **options) -> str:
    import matplotlib

    buffer = io.StringIO()
    # With a salt of its own the ids of a figure are the same in each run and differ between figures.
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": salt, "svg.fonttype": options.pop("fonttype")}):
        metadata = dict.fromkeys(["Creator", "Date", "Format", "Type"])
        figure.savefig(buffer, format="svg", metadata=metadata, dpi=200, **options)
    return buffer.getvalue()


def _sheet(sizes: Sequence[tuple[float, float]]):
    from matplotlib.figure import Figure

    columns = min(len(sizes), 3)
    rows = -(-len(sizes) // columns)
    width = columns * max(size[0] for size in sizes)
    height = sum(max(size[1] for size in sizes[r * columns : (r + 1) * columns]) for r in range(rows))
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat[len(sizes) :]:
        ax.set_axis_off()
    return figure, axes.flat[: len(sizes)]


def panel_svg(panel: Panel, salt: str) -> str:
    """One panel as an inline ``<svg>`` element in CSS variables, the same bytes for the same figure.

    Parameters
    ----------
    panel : Panel
    salt : str
        Name of the panel on its page: keeps the ids of two panels apart.

    Returns
    -------
    str
        Its text stays text; everything from outside is escaped.
    """
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        figure, axes = _sheet([panel.size])
        panel.draw(axes[0], True)
        text = _bare_svg(figure, salt, transparent=True, fonttype="none")
    text = text[text.index("<svg") :]  # without the XML declaration and the document type, which HTML does not take
    # Only inside style attributes: what a name says is left alone.
    text = re.sub(r'(?<= style=")[^"]*', lambda style: _themed(style[0]), text)
    label = html.escape(panel.words, quote=True)
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _themed(style: str) -> str:
    return re.sub(r"#[0-9a-f]{6}\b", lambda hit: f"var(--c{hit[0][1:]})" if hit[0] in _DARK else hit[0], style)


def _handle(key: Key):
    from matplotlib.lines import Line2D

    if key.mark in ("dot", "hollow"):
        face = SHEET if key.mark == "hollow" else key.colour
        return Line2D([], [], ls="none", marker="o", ms=5.5, color=key.colour, mfc=face, mew=1.5)
    return Line2D([], [], color=key.colour, lw=2, ls=dashes(key))


def plate_files(plate: Plate) -> dict[str, bytes]:
    """The whole figure on one white sheet, for a paper.

    Parameters
    ----------
    plate : Plate

    Returns
    -------
    dict of str to bytes
        ``<name>.svg`` (text as outlines) and ``<name>.pdf`` (text as TrueType), the same bytes for the same figure.
    """
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        figure, axes = _sheet([panel.size for panel in plate.panels])
        for ax, panel in zip(axes, plate.panels, strict=True):
            panel.draw(ax, False)
        if plate.legend:
            handles, labels = [_handle(key) for key in plate.legend], [key.label for key in plate.legend]
            figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(labels)))
        svg = _bare_svg(figure, plate.name, fonttype="path").encode()
        figure.set_layout_engine("none")  # all is in its place: no need to look for it again
        buffer = io.BytesIO()
        figure.savefig(buffer, format="pdf", dpi=200, metadata={"CreationDate": None, "Producer": None})
    return {f"{plate.name}.svg": svg, f"{plate.name}.pdf": buffer.getvalue()}
