"""Everything a run found, in one place: for the page, for the terminal and for ``results.json``."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import math
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from biosig.evaluation.breakdown import error_by_motion, error_by_participant
from biosig.evaluation.compare import Comparison

_PACKAGES = ("biosig-wear", "numpy", "scipy", "numba", "scikit-learn", "xarray", "pandas", "tinygrad", "neurokit2")


@dataclass
class Results:
    """What a run found; parts that it did not do are left empty and left out of the report.

    Parameters
    ----------
    comparison : Comparison, optional
        Errors per encoder and target, from `compare`.
    retrieval : dict of str to pandas.DataFrame
        Tables of `retrieval` per encoder, from acceleration to PPG; controls such as motion only stand beside the
        encoders.
    retrieval_back : dict of str to pandas.DataFrame
        The same from PPG to acceleration.
    people : pandas.DataFrame, optional
        Targets of persons, from `probe_people`: age, sex and the like.
    confidence : pandas.DataFrame, optional
        Error against coverage, from `error_against_coverage`.
    conformal : pandas.DataFrame, optional
        Intervals and whether they hold on unseen people, from `conformal_coverage`.
    label_efficiency : pandas.DataFrame, optional
        Error against the share of labelled participants, from `label_table`.
    gates : pandas.DataFrame, optional
        Errors and coverage below each motion gate, from `errors_by_gate`.
    families : pandas.DataFrame, optional
        Errors within each family of encoders, from `errors_by_family`.
    retrieval_still : dict of str to pandas.DataFrame
        As `retrieval`, among the stillest windows alone.
    visible_beat : pandas.DataFrame, optional
        In whose acceleration the beat can be seen, from `visible_people`.
    visible_errors : pandas.DataFrame, optional
        Errors on people with and without a visible beat, from `errors_on`.
    training : dict of str to dict
        Loss curves per model: ``{"step": [...], "loss": [...]}``; further keys that end in "loss" are drawn too.
    example : dict, optional
        One window to look at: `time` (n,) s, `ppg` (n,), `accel` (3, n) g, `beats` (s, on the axis of `time`),
        `sampling_rate` (Hz), optionally `title`.
    provenance : dict
        How the numbers came to be, see `collect_provenance`.
    notes : list of str
        Remarks for the reader.
    skipped : list of str
        Files that could not be used, with the reason.
    title : str
        Title of the report.
    """

    comparison: Comparison | None = None
    retrieval: dict[str, pd.DataFrame] = field(default_factory=dict)
    retrieval_back: dict[str, pd.DataFrame] = field(default_factory=dict)
    people: pd.DataFrame | None = None
    confidence: pd.DataFrame | None = None
    conformal: pd.DataFrame | None = None
    label_efficiency: pd.DataFrame | None = None
    gates: pd.DataFrame | None = None
    families: pd.DataFrame | None = None
    retrieval_still: dict[str, pd.DataFrame] = field(default_factory=dict)
    visible_beat: pd.DataFrame | None = None
    visible_errors: pd.DataFrame | None = None
    training: dict[str, dict[str, Any]] = field(default_factory=dict)
    example: dict[str, Any] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    title: str = "Heart signals from wrist acceleration"


def hash_arrays(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 over types, shapes and contents of arrays: says whether two runs had the same data.

    Parameters
    ----------
    arrays : iterable of array
        In a fixed order; text arrays are allowed.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for array in arrays:
        array = np.asarray(array)
        if array.dtype.kind not in "biufcSU":  # objects, and what else holds pointers: these would be hashed otherwise
            array = array.astype(object).astype(str)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def collect_provenance(**facts: Any) -> dict[str, Any]:
    """Date, machine and versions of the packages, with the facts of the run beside them.

    Parameters
    ----------
    **facts
        Facts of the run, such as ``seed=0``, ``command="biosig demo"``, ``data_hash=hash_arrays(...)``,
        ``gate={"max_motion": 0.05}``.

    Returns
    -------
    dict
    """
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"date": date, "machine": f"{platform.system()} {platform.machine()}", "versions": versions, **facts}


def plain(value: Any) -> Any:
    """Turn a value into what strict JSON can hold: NaN and infinities become None, unknown things their text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, pd.DataFrame):
        return [plain(row) for row in value.to_dict("records")]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return str(value)


def _paired(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Records of a table in which ends of an interval become one pair: ``ci95``, or ``<stem>_ci95``."""
    records = plain(frame)
    pairs = {column.removesuffix("_low"): column for column in frame.columns if column.endswith("_low")}
    for record in records:
        for stem, column in pairs.items():
            # The bare name belongs to the first estimate of a row; "motion" are the edges of a band.
            if stem != "motion":
                record[_PAIRS.get(stem, f"{stem}_ci95")] = [record.pop(column), record.pop(f"{stem}_high")]
    return records


_PAIRS = {"ci95": "ci95", "top1": "ci95", "difference": "ci95"}


def as_tables(results: Results) -> dict[str, pd.DataFrame]:
    """Everything found as tidy tables, one row an estimate: what the CSV files hold.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to pandas.DataFrame
        ``comparison``, ``differences``, ``by_motion``, ``by_participant`` (all encoders), ``people``, ``confidence``,
        ``conformal``, ``label_efficiency``, ``gates``, ``families``, ``visible_beat``, ``visible_errors``, and
        ``retrieval``, ``retrieval_back`` and ``retrieval_still`` (with the column ``encoder``) as far as the run has
        them; and ``missing``, the cells without an estimate and why.
    """
    tables: dict[str, pd.DataFrame] = {}
    comparison = results.comparison
    if comparison is not None:
        tables["comparison"], tables["differences"] = comparison.table, comparison.differences
        seed = int(comparison.table["seed"].iloc[0])
        tables["by_motion"] = error_by_motion(comparison.predictions, random_state=seed)
        tables["by_participant"] = error_by_participant(comparison.predictions)
    for name in _WHOLE:
        if (table := getattr(results, name)) is not None:
            tables[name] = table
    for name in ("retrieval", "retrieval_back", "retrieval_still"):
        parts = [table.assign(encoder=encoder) for encoder, table in getattr(results, name).items()]
        if parts:
            table = pd.concat(parts, ignore_index=True)
            tables[name] = table[["encoder", *(column for column in table.columns if column != "encoder")]]
    missing = []
    for name in ("comparison", "people", "conformal"):
        if name in tables:
            found = tables[name]
            missing.append(found.loc[found["reason"] != "", ["encoder", "target", "reason"]].assign(table=name))
    if missing:
        tables["missing"] = pd.concat(missing, ignore_index=True)
    return tables


def as_json(results: Results) -> dict[str, Any]:
    """The contents of ``results.json``: strict JSON, NaN as null, intervals as ``[low, high]``.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict
        Lists of records, empty where the run has none: `comparison`, `differences`, `by_motion`, `by_participant` (the
        reference encoder's), `people`, `confidence`, `conformal`, `label_efficiency`, `gates`, `families`,
        `visible_beat`, `visible_errors`, `retrieval` (acceleration to PPG), `retrieval_back`, `retrieval_still`,
        `missing`, see `as_tables`; and `reference`, `training`, `provenance`, `notes`, `skipped`.
    """
    tables = as_tables(results)
    content: dict[str, Any] = {name: [] for name in _LISTS}
    content |= {name: _paired(table) for name, table in tables.items()}
    comparison = results.comparison
    if comparison is not None:
        content["reference"] = comparison.reference
        own = tables["by_participant"]
        content["by_participant"] = plain(own[own["encoder"] == comparison.reference])
    for name in ("training", "provenance", "notes", "skipped"):
        content[name] = plain(getattr(results, name))
    return content


_WHOLE = ["people", "confidence", "conformal", "label_efficiency", "gates", "families"]
_WHOLE += ["visible_beat", "visible_errors"]
_LISTS = ["comparison", "differences", "by_motion", "by_participant", *_WHOLE]
_LISTS += ["retrieval", "retrieval_back", "retrieval_still", "missing"]
