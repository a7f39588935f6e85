"""A run with everything in it that can go wrong on a page: hostile names, missing cells, gaps."""

from __future__ import annotations

import numpy as np
import pandas as pd

from biosig.evaluation import Prediction, Results, collect_provenance, compare, retrieval
from biosig.evaluation.subsets import errors_by_family, errors_by_gate, errors_on
from biosig.evaluation.visible_beat import HIDDEN, VISIBLE, visible_people

EVIL = "<script src=http://evil.example/x.js>$\\alpha|é"


def _cells(target: str, names: str, rows: list[tuple]) -> pd.DataFrame:
    """A tidy table of two encoders; the targets of persons are told apart by their measure."""
    table = pd.DataFrame(rows, columns=names.split())
    table = pd.concat([table.assign(encoder=name) for name in ("distilled", EVIL)], ignore_index=True)
    table["target"] = target if "measure" not in table else target + table["measure"]
    number = table.drop(columns=["encoder", "target", "measure"], errors="ignore").iloc[:, -1]
    missing = np.where(number.isna(), f"one class only: {EVIL}", "")
    return table.assign(ci95_low=0.9 * number, ci95_high=1.1 * number, n_participants=12, reason=missing)


def hostile_results() -> Results:
    rng = np.random.default_rng(0)
    groups = np.repeat([EVIL, *(f"p{i}" for i in range(11))], 16)
    n = len(groups)
    rate = 60 + 5 * rng.normal(size=12)[np.repeat(np.arange(12), 16)] + 4 * rng.normal(size=n)
    targets = pd.DataFrame({"heart_rate": rate, "sdnn": 50.0 + rng.normal(size=n), "rmssd": np.nan})
    features = {
        "distilled": np.stack([rate, rng.normal(size=n)], axis=1) + rng.normal(size=(n, 2)),
        EVIL: Prediction({"heart_rate": rate + 6 * rng.normal(size=n)}),
    }
    motion = np.exp(rng.normal(-4.5, 0.7, n))
    compared = compare(features, targets, groups, folds=3, motion=motion, random_state=0, n_boot=200)
    minutes = pd.DataFrame(
        {"window": np.arange(n), "participant": groups, "p_value": np.where(groups < "p3", 0.01, 0.5)}
    )
    visible = {group: np.flatnonzero((groups < "p3") == (group == VISIBLE)) for group in (VISIBLE, HIDDEN)}
    gallery = rng.normal(size=(n, 4))
    control = (rng.normal(size=(n, 4)), gallery)
    time = np.arange(0, 30, 1 / 64)
    return Results(
        comparison=compared,
        gates=errors_by_gate(compared, motion, 2 * n, [0.01, 0.05], n_boot=100),
        families=errors_by_family(compared, {"conv": {"distilled": "distilled"}, EVIL: {EVIL: EVIL}}, n_boot=100),
        visible_beat=visible_people(minutes),
        visible_errors=errors_on(compared, visible, "group", n_boot=100),
        retrieval_still={"distilled": retrieval(gallery + 0.5, gallery, groups=groups, random_state=0)},
        retrieval={
            "distilled": retrieval(gallery + 0.5, gallery, groups=groups, control=control, random_state=0),
            EVIL: retrieval(rng.normal(size=(n, 4)), gallery, groups=groups, random_state=0),
        },
        retrieval_back={"distilled": retrieval(gallery, gallery + 0.5, groups=groups, random_state=0)},
        people=_cells(EVIL, "measure value", [("mae", 8.1), ("auc", 0.7), ("auc", np.nan)]),
        confidence=_cells("heart_rate", "kept mae", [(0.1, 2.0), (1.0, 4.0)]),
        conformal=_cells("sdnn", "level coverage worst_participant half_width", [(0.9, 0.88, 0.4, 12.0)]),
        label_efficiency=_cells("rmssd", "share n_labelled mae", [(0.001, 1, 9.0), (1.0, 12, 6.0)]).assign(
            relative=-0.1, relative_low=-0.2, relative_high=np.nan
        ),
        training={EVIL: {"step": np.arange(60), "loss": rng.normal(size=60), "validation_loss": rng.normal(size=60)}},
        example={
            "time": time,
            "ppg": np.where(time < 1, np.nan, np.sin(7 * time)),
            "accel": 1e-3 * rng.normal(size=(3, len(time))),
            "beats": np.arange(0.5, 30, 0.9),
            "sampling_rate": 64.0,
            "title": EVIL,
        },
        provenance=collect_provenance(seed=0, command=EVIL, gate={"max_motion": 0.05, "missing": np.nan}),
        notes=[EVIL],
        skipped=[EVIL],
        title=EVIL,
    )
