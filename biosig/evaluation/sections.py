"""The sections of the report: figures first, tables after, and what has to be known to read them.

Each section is built from what the run has and is left out where it has nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from biosig.evaluation import curves, figures
from biosig.evaluation.drawing import Plate
from biosig.evaluation.formats import Table
from biosig.evaluation.measure import STILLEST
from biosig.evaluation.parts import gate_tables, part_tables, visible_people_table, visible_shares
from biosig.evaluation.results import Results
from biosig.evaluation.tables import (
    comparison_tables,
    conformal_tables,
    label_tables,
    participant_tables,
    people_tables,
    retrieval_tables,
    top1_tables,
)
from biosig.evaluation.visible_beat import HIDDEN, VISIBLE


class Section(NamedTuple):
    """A part of the page: `name` (its anchor), `title`, `words` above, `plates`, `tables`, and folded-away `more`."""

    name: str
    title: str
    words: str
    plates: list[Plate]
    tables: list[Table]
    more: tuple[str, list[Table]] = ("", [])


def _made(*plates: Plate | None) -> list[Plate]:
    return [plate for plate in plates if plate is not None]


def _errors(results: Results, found: dict[str, pd.DataFrame]) -> Section | None:
    comparison = results.comparison
    if comparison is None:
        return None
    words = (
        "Frozen embeddings are read by the same ridge regression. Covered: share of the test windows offered that "
        "have a prediction and a true value; the others did not pass the gate or have no usable PPG. r: correlation "
        "over windows; r within: after removing each person's mean. Reference's error: that of "
        f"{comparison.reference} relative to the row's, on the windows both have; negative means that its error is "
        "lower, and an interval with zero in it shows no difference. The oracle knows each person's true median: what "
        "beats it follows changes within a person."
    )
    plates = _made(figures.error_bars(comparison), figures.predicted_against_true(comparison))
    return Section("errors", "Errors on people not seen in training", words, plates, comparison_tables(comparison))


def _families(results: Results, found: dict[str, pd.DataFrame]) -> Section | None:
    if (families := found.get("families")) is None or families.empty:
        return None
    names = {family: family for family in families["family"].unique()}
    words = (
        "Reference's error: that of the distilled student of the same family, so that nothing differs but what was "
        "trained for. All students have the same teacher."
    )
    tables = part_tables(families, "family", names, _units(results), str(families["reference"].iloc[0]))
    return Section("families", "The same recipe in each family of encoder", words, [], tables)


def _participants(results: Results, found: dict[str, pd.DataFrame]) -> Section | None:
    comparison = results.comparison
    if comparison is None:
        return None
    table = found["by_participant"]
    plate = figures.participant_errors(table, comparison.reference, comparison.units)
    tables = participant_tables(table, comparison.reference, comparison.units)
    if plate is None:
        return None
    words = "Means over people hide those for whom a method fails. Bias: mean of predicted minus true."
    return Section("participants", "Person by person", words, [plate], [], ("Errors of each participant", tables))


def _motion(results: Results, found: dict[str, pd.DataFrame]) -> Section | None:
    comparison = results.comparison
    if comparison is None or not np.isfinite(comparison.predictions["motion"].astype(float)).any():
        return None
    plates = _made(figures.motion_errors(found["by_motion"], comparison))
    tables = []
    if (gates := found.get("gates")) is not None and gates["gate"].nunique() > 1:
        tables = gate_tables(gates, comparison.units, comparison.reference)
    words = (
        "The beat moves the wrist by a few thousandths of g: everyday movement is many times larger. All encoders and "
        "probes were trained once, at the widest gate; the tables tell their errors on the test windows below each."
    )
    return Section("motion", "Errors and motion", words, plates, tables) if plates else None


def _visible(results: Results, found: dict[str, pd.DataFrame]) -> Section | None:
    people, errors = found.get("visible_beat"), found.get("visible_errors")
    if people is None or people.empty:
        return None
    words = (
        "Told from the signals, before any encoder: a minute stands out where the envelope of the acceleration keeps a "
        "shape around the beats of the PPG that beats of other minutes of the same person, shifted, do not give it. "
        "A person with more such minutes than chance explains (one in twenty, binomial p of 0.05 or less) is counted "
        "as having a visible beat; of twenty people without one, one is expected to be counted so too."
    )
    tables = []
    if errors is not None and not errors.empty:
        names = {group: group for group in (VISIBLE, HIDDEN) if group in set(errors["group"])}
        tables = part_tables(errors, "group", names, _units(results), _reference(results))
    title = "People with and without a visible beat"
    more = ("Minutes of each participant", [visible_people_table(people)])
    return Section("visible", title, words, _made(visible_shares(people)), tables, more)


def _people(results: Results, found: dict[str, pd.DataFrame]) -> Section | None:
    if (people := found.get("people")) is None or people.empty:
        return None
    words = (
        "One row a person: the mean of its windows' embeddings, read by ridge regression (numbers) or logistic "
        "regression (classes). An area under the ROC curve of 0.5 is guessing; an interval with it shows nothing."
    )
    plates = _made(figures.people_bars(people, _reference(results), _units(results)))
    return Section(
        "people",
        "What it tells of a person",
        words,
        plates,
        people_tables(people, _units(results), _reference(results)),
    )


def _confidence(results: Results, found: dict[str, pd.DataFrame]) -> Section | None:
    curve = curves.Curve(
        "error_against_coverage",
        "kept",
        "windows kept, the most certain first",
        "Error on the windows that remain when the least certain are left out; bands: 95 % over participants.",
    )
    plates, tables = [], []
    if (confidence := found.get("confidence")) is not None and not confidence.empty:
        plates += _made(curves.error_curves(confidence, curve, _reference(results), _units(results)))
    if (conformal := found.get("conformal")) is not None and not conformal.empty:
        plates += _made(figures.coverage_bars(conformal, _reference(results), _units(results)))
        tables = conformal_tables(conformal, _units(results), _reference(results))
    words = (
        "A useful confidence makes the error fall as uncertain windows are left out. Intervals are calibrated on some "
        "of the test participants and checked on the others; worst person: the smallest share anybody got."
    )
    return Section("confidence", "How far an estimate can be trusted", words, plates, tables) if plates else None


def _labels(results: Results, found: dict[str, pd.DataFrame]) -> Section | None:
    if (labels := found.get("label_efficiency")) is None or labels.empty:
        return None
    curve = curves.Curve(
        "label_efficiency",
        "share",
        "participants with labels",
        "Error against the share of the training participants whose labels were used; bands: 95 % over participants.",
        log=True,
    )
    plates = _made(curves.error_curves(labels, curve, _reference(results), _units(results)))
    words = "Encoders saw no labels; the probe, or the supervised network, saw those of the share of people shown."
    return Section(
        "labels", "How many labels it takes", words, plates, label_tables(labels, _units(results), _reference(results))
    )


def _retrieval(results: Results, found: dict[str, pd.DataFrame]) -> Section | None:
    plates: list[Plate] = []
    tables, more = [], []
    for name, direction in (("retrieval", "PPG"), ("retrieval_back", "acceleration")):
        pools = getattr(results, name, {})
        if not pools:
            continue
        reference = _reference(results) or next(iter(pools))
        plates += _made(curves.retrieval_curves(pools, reference, name, direction))
        tables += top1_tables(pools, reference, direction)
        more += retrieval_tables(pools, direction)
    words = (
        "A pool holds the partner of a window, recorded at the same time, and others that share no sample with it, "
        "compared by cosine. Figures are expectations over all possible pools. Movement disturbs both sensors, so an "
        "encoder has to stand clear of its control, on the same windows and draws of people, by an interval without "
        "zero: pooled embeddings of the motion level alone, those in time of the encoder that sees nothing above 1 Hz, "
        "because movements fall on moments too. In time: compared stretch by stretch, by when the beats fall; "
        "otherwise by the pooled embedding, which knows what a minute is like."
    )
    title = "Does acceleration find its own PPG?"
    return Section("retrieval", title, words, plates, tables, ("Intervals, top-5 and ranks", more)) if plates else None


def _still(results: Results, found: dict[str, pd.DataFrame]) -> Section | None:
    pools = results.retrieval_still
    reference = _reference(results) or next(iter(pools), "")
    plates = _made(curves.retrieval_curves(pools, reference, "retrieval_still") if pools else None)
    words = (
        f"The same among windows of at most {1000 * STILLEST:g} mg, in which there is hardly a movement that could "
        "disturb both sensors: what stands above the control of the motion level here is more likely to be the heart."
    )
    tables, more = top1_tables(pools, reference), retrieval_tables(pools)
    title = "Does it find its own PPG in the stillest windows?"
    return Section("still", title, words, plates, tables, ("Intervals, top-5 and ranks", more)) if plates else None


def _example(results: Results, found: dict[str, pd.DataFrame]) -> Section | None:
    if results.example is None:
        return None
    title = str(results.example.get("title", "One window"))
    return Section("example", "One window", title, [curves.example_window(results.example)], [])


def _training(results: Results, found: dict[str, pd.DataFrame]) -> Section | None:
    plates = _made(curves.training_curves(results.training))
    return Section("training", "Training", "", plates, []) if plates else None


def _reference(results: Results) -> str:
    return results.comparison.reference if results.comparison is not None else ""


def _units(results: Results) -> dict[str, str]:
    return results.comparison.units if results.comparison is not None else {}


_ALL: tuple[Callable[[Results, dict[str, pd.DataFrame]], Section | None], ...] = (
    _errors,
    _families,
    _participants,
    _motion,
    _visible,
    _people,
    _confidence,
    _labels,
    _retrieval,
    _still,
    _example,
    _training,
)


def sections(results: Results, found: dict[str, pd.DataFrame]) -> list[Section]:
    """All sections that a run has something for, in the order of the page.

    Parameters
    ----------
    results : Results
    found : dict of str to pandas.DataFrame
        Its tidy tables, by the names of ``results.json``.

    Returns
    -------
    list of Section
    """
    return [section for make in _ALL if (section := make(results, found)) is not None]
