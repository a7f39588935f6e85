"""One page that explains itself: nothing from the network, light or dark as the reader likes, files for a paper."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from tqdm import tqdm

from biosig._files import atomic_path, write_json, write_text
from biosig.evaluation.drawing import Key, Plate, css_variables, panel_svg, plate_files
from biosig.evaluation.formats import Table, as_csv, as_html
from biosig.evaluation.headline import headline_paragraphs
from biosig.evaluation.results import Results, as_json, as_tables, plain
from biosig.evaluation.sections import Section, sections

# Tidy tables that are written beside the page, by their names among those of the results.
_CSV = {"by_participant": "per_participant"}


@cache
def _asset(name: str) -> str:
    return files("biosig.evaluation").joinpath(name).read_text(encoding="utf-8")


def _head(title: str) -> str:
    """The head of the page. The browser itself is told to load nothing and to run the page's own script alone."""
    script = _asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
    dark = f"@media (prefers-color-scheme:dark){{:root{{{css_variables(dark=True)}}}}}"
    style = f"{_asset('report.css')}:root{{{css_variables(dark=False)}}}{dark}"
    return (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{html.escape(title)}</title><style>{style}</style>"
    )


def _text(text: str) -> str:
    """Escaped, with numbers kept on one line with their per cent signs."""
    return html.escape(text).replace(" %", "&nbsp;%")


def _paragraph(text: str, kind: str = "") -> str:
    if not text:
        return ""
    return f'<p class="{kind}">{_text(text)}</p>' if kind else f"<p>{_text(text)}</p>"


def _items(lines: Sequence[str]) -> str:
    return '<ul class="notes">' + "".join(f"<li>{_text(str(line))}</li>" for line in lines) + "</ul>"


def _legend(keys: Sequence[Key]) -> str:
    items = [
        f'<li><i class="{key.mark}" style="color:var(--c{key.colour[1:]})"></i>{html.escape(key.label)}</li>'
        for key in keys
    ]
    return f'<ul class="legend">{"".join(items)}</ul>' if items else ""


def _figure(plate: Plate) -> str:
    panels = [panel_svg(panel, f"{plate.name}-{i}") for i, panel in enumerate(plate.panels)]
    body = "\n".join(panels)
    caption = f"<figcaption>{_text(plate.caption)}</figcaption>"
    return f'<figure><div class="sheet"><div class="panels">{body}</div>{_legend(plate.legend)}</div>{caption}</figure>'


def _tables(tables: Sequence[Table], name: str) -> list[str]:
    return [as_html(table, f"{name}_{i + 1}") for i, table in enumerate(tables)]


def _section(section: Section) -> str:
    parts = [f'<section aria-labelledby="{section.name}"><h2 id="{section.name}">{html.escape(section.title)}</h2>']
    parts += [*(_figure(plate) for plate in section.plates), _paragraph(section.words, "words")]
    parts += _tables(section.tables, section.name)
    summary, more = section.more
    if more:
        folded = "".join(_tables(more, f"{section.name}_more"))
        parts.append(f"<details><summary>{html.escape(summary)}</summary>{folded}</details>")
    return "\n".join([*parts, "</section>"])


def _fact(key: str, value: Any) -> str:
    if isinstance(value, dict):
        items = (f"{name} {item if isinstance(item, str) else json.dumps(item)}" for name, item in value.items())
        text = html.escape(", ".join(items))
    else:
        text = html.escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    if key in ("command", "data_hash"):
        text = f"<code>{text}</code>"
    return f"<dt>{html.escape(key.replace('_', ' '))}</dt><dd>{text}</dd>"


def _facts(facts: Mapping[str, Any]) -> str:
    return "<dl>" + "".join(_fact(key, value) for key, value in plain(facts).items()) + "</dl>"


def _closing(results: Results) -> list[str]:
    parts = []
    if results.skipped:
        parts += ['<section><h2 id="skipped">Files that were not used</h2>', _items(results.skipped), "</section>"]
    if results.provenance:
        title = '<section><h2 id="provenance">How these numbers came to be</h2>'
        parts += [title, _facts(results.provenance), "</section>"]
    words = (
        "All numbers of this page are in results.json and the CSV files beside it, the figures in the folder figures "
        "as SVG and PDF. Research software, not a medical device."
    )
    return [*parts, f"<footer>{_paragraph(words, 'soft')}</footer>"]


def _document(results: Results, shown: Sequence[Section]) -> str:
    anchors = [(section.name, section.title) for section in shown]
    anchors += [("provenance", "How these numbers came to be")] if results.provenance else []
    links = "".join(f'<li><a href="#{name}">{html.escape(title)}</a></li>' for name, title in anchors)
    parts = [f"<h1>{html.escape(results.title)}</h1>", '<div class="lead">']
    parts += [*(_paragraph(text) for text in headline_paragraphs(results)), "</div>"]
    parts += [_items(results.notes)] if results.notes else []
    parts += [f'<nav aria-label="Sections"><ul>{links}</ul></nav>'] if links else []
    body = "\n".join([*parts, *(_section(section) for section in shown), *_closing(results)])
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{_head(results.title)}</head>\n<body><main>\n{body}\n</main>\n'
        f"<script>{_asset('report.js')}</script></body></html>\n"
    )


def page(results: Results) -> str:
    """The report as one HTML page.

    Parameters
    ----------
    results : Results

    Returns
    -------
    str
        Needs no other file; whatever came from outside (names of participants, files, encoders) is escaped.
    """
    return _document(results, sections(results, as_tables(results)))


def write_report(out_dir: str | os.PathLike, results: Results) -> Path:
    """Write ``report.html``, ``results.json``, tidy CSV files and ``figures/`` into a folder.

    Everything is made before anything is written; each file appears whole or not at all, the page last.

    Parameters
    ----------
    out_dir : path
        Folder, made when it does not exist; files of an earlier report are replaced.
    results : Results

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    OSError
        When the folder cannot be written.
    """
    folder = Path(out_dir)
    found = as_tables(results)
    shown = sections(results, found)
    text, content = _document(results, shown), as_json(results)
    sheets = {f"{_CSV.get(name, name)}.csv": as_csv(table) for name, table in found.items()}
    drawn: dict[str, bytes] = {}
    plates = [plate for section in shown for plate in section.plates]
    for plate in tqdm(plates, desc="figures", leave=False):
        drawn |= plate_files(plate)
    write_json(folder / "results.json", content)
    for name, sheet in sheets.items():
        write_text(folder / name, sheet)
    for name, data in drawn.items():
        with atomic_path(folder / "figures" / name) as path:
            path.write_bytes(data)
    write_text(folder / "report.html", text)
    return folder / "report.html"
