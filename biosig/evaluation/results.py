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
        Tables of `retrieval` per encoder; controls such as motion only stand beside the encoders.
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
        if array.dtype == object:  # pointers would be hashed otherwise
            array = array.astype(str)
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


def _paired(frame: pd.DataFrame, **pairs: str) -> list[dict[str, Any]]:
    """Records of a table in which ``<stem>_low`` and ``<stem>_high`` become one pair named as given."""
    records = plain(frame)
    for record in records:
        for name, stem in pairs.items():
            record[name] = [record.pop(f"{stem}_low"), record.pop(f"{stem}_high")]
    return records


def as_json(results: Results) -> dict[str, Any]:
    """The contents of ``results.json``: strict JSON, NaN as null, intervals as ``[low, high]``.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict
        `comparison`, `differences`, `by_motion`, `by_participant` (the reference encoder's), `retrieval`, `training`,
        `provenance`, `notes`, `skipped`; lists of records, see `Comparison` and `retrieval` for their names.
    """
    content: dict[str, Any] = {"comparison": [], "differences": [], "by_motion": [], "by_participant": []}
    comparison = results.comparison
    if comparison is not None:
        content["reference"] = comparison.reference
        content["comparison"] = _paired(comparison.table, ci95="ci95")
        content["differences"] = _paired(comparison.differences, ci95="difference", relative_ci95="relative")
        seed = int(comparison.table["seed"].iloc[0])
        content["by_motion"] = _paired(error_by_motion(comparison.predictions, random_state=seed), ci95="ci95")
        own = comparison.predictions[comparison.predictions["encoder"] == comparison.reference]
        content["by_participant"] = plain(error_by_participant(own))
    rows = []
    for encoder, table in results.retrieval.items():
        for record in _paired(table, ci95="top1", mean_rank_ci95="mean_rank"):
            rows.append({"encoder": encoder, **record})
    content["retrieval"] = rows
    content["training"] = plain(results.training)
    content["provenance"] = plain(results.provenance)
    content["notes"] = plain(results.notes)
    content["skipped"] = plain(results.skipped)
    return content
