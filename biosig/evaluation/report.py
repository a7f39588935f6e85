"""One page that explains itself: no scripts, nothing from the network, light or dark as the reader likes."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from biosig._files import write_json, write_text
from biosig.evaluation import figures
from biosig.evaluation.breakdown import error_by_participant
from biosig.evaluation.compare import Comparison
from biosig.evaluation.headline import headline_paragraphs, quantity
from biosig.evaluation.results import Results, as_json, plain
from biosig.evaluation.tables import Table, as_html, comparison_tables, retrieval_tables, top1_tables

_CSS = """
:root{color-scheme:light dark;--paper:#fbfbfa;--card:#fff;--ink:#1f2430;--soft:#5d6675;--line:#dfe3e8;
  --own:#e8f1fb;--accent:#0b5fa5}
@media (prefers-color-scheme:dark){:root{--paper:#14171c;--card:#1c2027;--ink:#e6e8ec;--soft:#a2abb9;--line:#323945;
  --own:#17324d;--accent:#7dbcf5}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);overflow-wrap:break-word;
  font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:66rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0 1rem}
h2{font-size:1.2rem;margin:2.6rem 0 .5rem;padding-top:.9rem;border-top:1px solid var(--line)}
p,li{max-width:46rem}
.lead{background:var(--card);border:1px solid var(--line);border-left:4px solid var(--accent);border-radius:6px;
  padding:.1rem 1.1rem;font-size:1.03rem}
.lead p{max-width:none}
.soft,figcaption,caption{color:var(--soft);font-size:.9rem}
.wide{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums;background:var(--card);
  border:1px solid var(--line);min-width:100%}
caption{text-align:left;padding:0 0 .4rem;font-weight:600}
caption span{display:block;position:sticky;left:0;max-width:min(46rem,calc(100vw - 3rem))}
th,td{padding:.32rem .5rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th[scope=row],thead th:first-child{text-align:left}
thead th{color:var(--soft);font-weight:600;vertical-align:bottom}
tbody th{font-weight:400}
tr.own>*{background:var(--own);font-weight:600}
tbody tr:last-child>*{border-bottom:0}
figure{margin:1.2rem 0}
.card{background:#fff;border:1px solid var(--line);border-radius:6px;padding:.6rem;overflow-x:auto}
.card svg{display:block;width:100%;height:auto;min-width:36rem;max-width:56rem;margin:0 auto}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;font-size:.9rem}
dt{color:var(--soft)}
dd{margin:0;min-width:0;overflow-wrap:anywhere}
summary{cursor:pointer;color:var(--accent)}
@media (max-width:34rem){dl{grid-template-columns:1fr}dd{margin-bottom:.5rem}h1{font-size:1.4rem}}
@media print{.card,table{break-inside:avoid}}
"""

# The browser itself is told to load nothing: the page stays readable offline and tells nobody that it was opened.
_HEAD = (
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
)


def _figure(salt: str, caption: str, draw: Callable[..., Any], *args) -> str:
    """A figure with its caption; nothing when there is nothing to draw."""
    drawn = draw(*args)
    if drawn is None:
        return ""
    label = html.escape(caption, quote=True)
    svg = figures.svg_text(drawn, salt).replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return f"<figure><div class=card>{svg}</div><figcaption>{label}</figcaption></figure>"


def _text(text: str) -> str:
    """Escaped, with numbers kept on one line with their per cent signs."""
    return html.escape(text).replace(" %", "&nbsp;%")


def _paragraph(text: str, kind: str = "") -> str:
    return f"<p{f' class={kind}' if kind else ''}>{_text(text)}</p>"


def _items(lines: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{_text(str(line))}</li>" for line in lines) + "</ul>"


def _facts(facts: Mapping[str, Any]) -> str:
    parts = []
    for key, value in plain(facts).items():
        if isinstance(value, dict):
            text = ", ".join(
                f"{name} {item if isinstance(item, str) else json.dumps(item)}" for name, item in value.items()
            )
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        parts.append(f"<dt>{html.escape(key.replace('_', ' '))}</dt><dd>{html.escape(text)}</dd>")
    return "<dl>" + "".join(parts) + "</dl>"


def _participant_table(comparison: Comparison) -> str:
    """The reference's errors by participant for its first target, the worst first."""
    own = comparison.predictions[comparison.predictions["encoder"] == comparison.reference]
    table = error_by_participant(own)
    table = table[table["mae"].notna()]
    if table.empty:
        return ""
    target = table["target"].iloc[0]
    table = table[table["target"] == target].sort_values("mae", ascending=False, kind="stable")
    name, unit = quantity(str(target), comparison.units)
    rows = []
    for _, row in table.iterrows():
        numbers = [f"{row['mae']:.1f}", f"{row['bias']:+.1f}", f"{row['true_median']:.1f}", str(row["n_windows"])]
        rows.append([str(row["participant"]), *numbers])
    headers = ["participant", "MAE", "bias", "true median", "windows"]
    caption = f"{comparison.reference}: {name} by participant" + (f", in {unit}" if unit else "") + ", worst first"
    listing = as_html(Table(caption, headers, rows))
    return f"<details><summary>Errors of each participant</summary>{listing}</details>"


def _comparison_part(comparison: Comparison) -> list[str]:
    reference = comparison.reference
    parts = [
        "<h2>Errors on people not seen in training</h2>",
        _paragraph(
            "Each encoder's frozen embedding is read by the same ridge regression. Intervals are 95 % bootstrap "
            "intervals over participants. Covered: share of the test windows offered that have a prediction and a true "
            "value; the others did not pass the gate or have no usable PPG. r: correlation over windows; r within: "
            f"after removing each person's mean. Reference's error: that of {reference} relative to the row's, on the "
            "windows both have; negative means that its error is lower, and an interval with zero in it shows no "
            "difference. The oracle knows each person's true median: what beats it follows changes within a person.",
            "soft",
        ),
        *(as_html(table) for table in comparison_tables(comparison)),
    ]
    if not comparison.table["mae"].notna().any():
        return parts
    parts += [
        _figure(
            "error-bars",
            f"Mean absolute error with 95 % interval over participants; blue: {reference}, hollow: trivial.",
            figures.error_bars,
            comparison,
        ),
        _figure(
            "predicted",
            f"{reference}: predicted against true, one dot a window, one colour a participant; dashed: perfect.",
            figures.predicted_against_true,
            comparison,
        ),
        _participant_table(comparison),
    ]
    if np.isfinite(comparison.predictions["motion"]).any():
        caption = "Mean absolute error by motion level, with 95 % interval over participants; n: windows."
        drawn = _figure("motion", caption, figures.motion_errors, comparison)
        parts += ["<h2>Errors and motion</h2>", drawn] if drawn else []
    return parts


def _retrieval_part(results: Results) -> list[str]:
    reference = results.comparison.reference if results.comparison is not None else next(iter(results.retrieval))
    parts = [
        "<h2>Does acceleration find its own PPG?</h2>",
        _paragraph(
            "A pool holds the PPG of the same minute and others that share no sample with it, compared by cosine. "
            "Figures are expectations over all possible pools. Movement disturbs both sensors, so an encoder has to "
            "stand clear of the control that knows the motion level alone.",
            "soft",
        ),
        _figure(
            "retrieval",
            "Share of windows whose PPG is found first, against the size of the pool; bands: 95 % over participants.",
            figures.retrieval_curves,
            results.retrieval,
            reference,
        ),
    ]
    tables = "".join(as_html(table) for table in retrieval_tables(results.retrieval))
    parts += [as_html(table) for table in top1_tables(results.retrieval, reference)]
    return [*parts, f"<details><summary>Intervals, top-5 and ranks</summary>{tables}</details>"]


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
    parts = [f"<h1>{html.escape(results.title)}</h1>", "<div class=lead>"]
    parts += [*(_paragraph(text) for text in headline_paragraphs(results)), "</div>"]
    if results.notes:
        parts.append(_items(results.notes))
    if results.comparison is not None:
        parts += _comparison_part(results.comparison)
    if results.retrieval:
        parts += _retrieval_part(results)
    if results.example is not None:
        caption = "PPG with its detected beats (orange), and the acceleration at the same time: first 20 s of a window."
        heading = str(results.example.get("title", "One window"))
        drawn = _figure("example", caption, figures.example_window, results.example)
        parts += [f"<h2>{html.escape(heading)}</h2>", drawn]
    training = {name: history for name, history in results.training.items() if len(history.get("step", ()))}
    if training:
        caption = "Loss during training; thick line: running mean. Losses of different methods are not comparable."
        parts += ["<h2>Training</h2>", _figure("training", caption, figures.training_curves, training)]
    if results.skipped:
        parts += ["<h2>Files that were not used</h2>", _items(results.skipped)]
    if results.provenance:
        parts += ["<h2>How these numbers came to be</h2>", _facts(results.provenance)]
    parts.append(_paragraph("All numbers of this page are in results.json beside it.", "soft"))
    head = f"{_HEAD}<title>{html.escape(results.title)}</title><style>{_CSS}</style>"
    body = "\n".join(parts)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{body}\n</main></body></html>\n'


def write_report(out_dir: str | os.PathLike, results: Results) -> Path:
    """Write ``report.html`` and ``results.json`` into a folder, each whole or not at all.

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
    text = page(results)  # both are made before either is written
    content = as_json(results)
    write_json(folder / "results.json", content)
    write_text(folder / "report.html", text)
    return folder / "report.html"
