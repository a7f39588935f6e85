"""Where the errors are: by motion level and by participant."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from biosig.evaluation.bootstrap import bootstrap_mean, one_seed


def error_by_motion(
    predictions: pd.DataFrame,
    *,
    edges: Sequence[float] = (0.0, 0.010, 0.020, 0.050, np.inf),
    n_boot: int = 1000,
    random_state=None,
) -> pd.DataFrame:
    """Mean absolute error of each encoder and target in bands of the motion level.

    Parameters
    ----------
    predictions : pandas.DataFrame
        As in `Comparison.predictions`.
    edges : sequence of float
        Edges of the bands in g; a band holds its lower edge and not its upper one.
    n_boot, random_state
        Draws of participants for the intervals, and their seed.

    Returns
    -------
    pandas.DataFrame
        One row an encoder, target and band with windows in it: `encoder`, `target`, `motion_low`, `motion_high` (g),
        `mae`, `ci95_low`, `ci95_high`, `n_windows`, `n_participants`. Empty without motion levels.
    """
    seed = one_seed(random_state)
    known = predictions[predictions["motion"].notna()]
    rows = []
    for (encoder, target), part in known.groupby(["encoder", "target"], sort=False):
        error = (part["predicted"] - part["true"]).abs().to_numpy()
        motion, people = part["motion"].to_numpy(), part["participant"].to_numpy()
        for low, high in pairwise(edges):
            band = (motion >= low) & (motion < high)
            mae = bootstrap_mean(error[band], people[band], n_boot=n_boot, random_state=seed)
            if mae.n_windows:
                rows.append([encoder, target, low, high, *mae])
    columns = ["encoder", "target", "motion_low", "motion_high", "mae", "ci95_low", "ci95_high"]
    return pd.DataFrame(rows, columns=[*columns, "n_windows", "n_participants"])


def error_by_participant(predictions: pd.DataFrame) -> pd.DataFrame:
    """Errors of each encoder and target for each participant, the failures included.

    Parameters
    ----------
    predictions : pandas.DataFrame
        As in `Comparison.predictions`.

    Returns
    -------
    pandas.DataFrame
        One row an encoder, target and participant: `encoder`, `target`, `participant`, `mae`, `bias` (mean of
        predicted minus true), `true_median`, `n_windows` (with both prediction and target). Participants without a
        single such window are listed with NaN.
    """
    frame = predictions.assign(error=predictions["predicted"] - predictions["true"])
    frame["absolute"] = frame["error"].abs()
    grouped = frame.groupby(["encoder", "target", "participant"], sort=False)
    table = grouped.agg(
        mae=("absolute", "mean"), bias=("error", "mean"), true_median=("true", "median"), n_windows=("error", "count")
    )
    return table.reset_index()
