"""Where the errors are: by motion level and by participant."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from biosig.evaluation.bootstrap import bootstrap_mean, one_seed


def per_window(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row an encoder, target and window: `absolute` and `signed` error, averaged over the runs of an encoder."""
    signed = predictions["predicted"] - predictions["true"]
    frame = predictions.assign(signed=signed, absolute=signed.abs())
    if "run" not in frame or frame["run"].nunique() < 2:
        return frame
    about = {name: (name, "first") for name in ("participant", "motion", "true")}
    about |= {name: (name, "mean") for name in ("predicted", "signed", "absolute", "expected_error") if name in frame}
    return frame.groupby(["encoder", "target", "window"], sort=False).agg(**about).reset_index()


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
    known = per_window(predictions[predictions["motion"].notna()])
    rows = []
    for (encoder, target), part in known.groupby(["encoder", "target"], sort=False):
        error = part["absolute"].to_numpy()
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
    grouped = per_window(predictions).groupby(["encoder", "target", "participant"], sort=False)
    table = grouped.agg(
        mae=("absolute", "mean"), bias=("signed", "mean"), true_median=("true", "median"), n_windows=("signed", "count")
    )
    return table.reset_index()
