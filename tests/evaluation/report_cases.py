"""A run with everything in it that can go wrong on a page: hostile names, missing cells, gaps."""

from __future__ import annotations

import numpy as np
import pandas as pd

from biosig.evaluation import Prediction, Results, collect_provenance, compare, retrieval

EVIL = "<script src=http://evil.example/x.js>$\\alpha|é"


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
    gallery = rng.normal(size=(n, 4))
    time = np.arange(0, 30, 1 / 64)
    return Results(
        comparison=compare(features, targets, groups, folds=3, motion=motion, random_state=0, n_boot=200),
        retrieval={
            "distilled": retrieval(gallery + 0.5, gallery, groups=groups, random_state=0),
            EVIL: retrieval(rng.normal(size=(n, 4)), gallery, groups=groups, random_state=0),
        },
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
