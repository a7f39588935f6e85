"""How far an estimate can be trusted: error against coverage, and intervals that hold on people never seen.

Windows of one person are alike, so the usual conformal quantile over windows promises too much for the next person.
Here persons are exchangeable, windows only within a person: the score of every calibration person carries the same
mass, and so does the person to come (Lee, Barber and Willett, *Distribution-free inference with hierarchical data*,
2023; Dunn, Wasserman and Ramdas, *Distribution-free prediction sets for two-layer hierarchical models*, 2022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from biosig._checks import check_groups
from biosig.evaluation._arrays import check_vector
from biosig.evaluation.bootstrap import bootstrap_mean, one_seed
from biosig.evaluation.breakdown import per_window

SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
_COLUMNS = ["encoder", "target", "level", "coverage", "ci95_low", "ci95_high", "worst_participant", "half_width"]
_COLUMNS += ["scaled", "n_calibration", "n_windows", "n_participants", "reason"]


def conformal_radius(scores, groups, level: float = 0.9) -> float:
    """Score that the next window of a new person stays below with probability `level`.

    Parameters
    ----------
    scores : array of shape (n_windows,)
        Of calibration windows, such as absolute errors, or these over their expected errors. NaN is left out.
    groups : array of shape (n_windows,)
        Participant of each window; none of them seen by the model in training.
    level : float

    Returns
    -------
    float
        The `level` quantile of the scores where each of K participants has mass 1 / (K + 1) in all; infinite where
        there are too few participants (``level > K / (K + 1)``), for 0.9 fewer than nine.

    Raises
    ------
    ValueError
        For a level outside 0 to 1, or labels that do not belong to the scores.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}; expected a probability between 0 and 1, such as 0.9")
    scores = np.asarray(scores, dtype=np.float64)
    groups = check_groups(groups, len(scores))
    scores = check_vector(scores, len(groups), "scores")
    known = ~np.isnan(scores)
    scores = scores[known]
    people, index, sizes = np.unique(groups[known], return_inverse=True, return_counts=True)
    mass = 1.0 / ((len(people) + 1) * sizes[index]) if len(people) else np.zeros(0)
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(mass[order]) >= level - 1e-12
    return float(scores[order][np.argmax(reached)]) if reached.any() else math.inf


def conformal_coverage(
    predictions: pd.DataFrame, *, level: float = 0.9, n_splits: int = 50, n_boot: int = 1000, random_state=None
) -> pd.DataFrame:
    """Calibrate intervals on one half of the test participants, and check on the other half how often they hold.

    An interval is ``predicted +- radius * expected_error`` where the expected error is known, else
    ``predicted +- radius``. The halves are drawn again and again; a participant's coverage is the share of its windows
    inside the interval, averaged over the draws in which it was not used to calibrate.

    Parameters
    ----------
    predictions : pandas.DataFrame
        As in `Comparison.predictions`: of participants that neither the encoder nor the probe has seen.
    level : float
        Coverage asked for.
    n_splits : int
        Draws of the halves.
    n_boot, random_state
        Draws of participants for the interval of the coverage, and the seed of all draws.

    Returns
    -------
    pandas.DataFrame
        One row an encoder and target: `level`, `coverage` (mean over participants, as each new person counts once)
        with `ci95_low`, `ci95_high`, `worst_participant` (least coverage of one), `half_width` (median over windows,
        in the unit of the target), `scaled` (whether by the expected error), `n_calibration` (participants),
        `n_windows`, `n_participants`, `reason` where no interval can be made.
    """
    seed = one_seed(random_state)
    rows = []
    frame = predictions.assign(error=(predictions["predicted"] - predictions["true"]).abs())
    for (encoder, target), part in frame.groupby(["encoder", "target"], sort=False):
        part = part[part["error"].notna()]
        people, index = np.unique(part["participant"].to_numpy().astype(str), return_inverse=True)
        scale, scaled = part["expected_error"].to_numpy(), True
        if not (np.isfinite(scale) & (scale > 0)).all() or not len(part):
            scale, scaled = np.ones(len(part)), False
        n_calibration = len(people) // 2
        needed = math.ceil(level / (1 - level) - 1e-9)
        sizes = [part["window"].nunique(), len(people)]
        if n_calibration < needed:
            reason = f"{len(people)} participants; {2 * needed} needed to calibrate on half of them at {level:g}"
            rows.append([encoder, target, level, *[np.nan] * 5, scaled, n_calibration, *sizes, reason])
            continue
        error = part["error"].to_numpy()
        score, rng = error / scale, np.random.default_rng(seed)
        held, asked, widths = np.zeros(len(part)), np.zeros(len(part)), []
        for _ in range(n_splits):
            calibrating = np.isin(index, rng.permutation(len(people))[:n_calibration])
            radius = conformal_radius(score[calibrating], index[calibrating], level)
            held += ~calibrating & (score <= radius)
            asked += ~calibrating
            widths.append(radius * np.median(scale[~calibrating]))
        by_window = np.divide(held, asked, out=np.full(len(part), np.nan), where=asked > 0)
        by_person = pd.Series(by_window).groupby(index).mean().to_numpy()
        found = bootstrap_mean(by_person, np.arange(len(by_person)), n_boot=n_boot, random_state=seed)
        facts = [float(np.nanmin(by_person)), float(np.median(widths)), scaled, n_calibration]
        rows.append([encoder, target, level, *found[:3], *facts, *sizes, ""])
    return pd.DataFrame(rows, columns=_COLUMNS)


def error_against_coverage(
    predictions: pd.DataFrame, *, shares: Sequence[float] = SHARES, n_boot: int = 500, random_state=None
) -> pd.DataFrame:
    """Error on the windows that remain when the least certain ones are left out.

    Parameters
    ----------
    predictions : pandas.DataFrame
        As in `Comparison.predictions`, with `expected_error`. Only the order of the expected errors counts; the true
        values have no part in what is kept.
    shares : sequence of float
        Shares of the predicted windows to keep, 0 to 1.
    n_boot, random_state
        Draws of participants for the intervals, and their seed.

    Returns
    -------
    pandas.DataFrame
        One row an encoder, target and share: `kept`, `mae`, `ci95_low`, `ci95_high`, `most_error_expected` (the
        threshold), `n_windows`, `n_participants` (of those kept: easy people stay longest). Encoders without expected
        errors, or the same for all windows, are left out.
    """
    seed = one_seed(random_state)
    rows = []
    known = per_window(predictions[predictions["expected_error"].notna() & predictions["true"].notna()])
    for (encoder, target), part in known.groupby(["encoder", "target"], sort=False):
        part = part[part["absolute"].notna()]
        expected, error = part["expected_error"].to_numpy(), part["absolute"].to_numpy()
        if not len(part) or np.ptp(expected) == 0:
            continue
        order, people = np.argsort(expected, kind="stable"), part["participant"].to_numpy()
        for share in shares:
            kept = order[: max(1, round(share * len(order)))]
            mae = bootstrap_mean(error[kept], people[kept], n_boot=n_boot, random_state=seed)
            rows.append([encoder, target, share, *mae[:3], expected[kept[-1]], *mae[3:]])
    columns = ["encoder", "target", "kept", "mae", "ci95_low", "ci95_high", "most_error_expected"]
    return pd.DataFrame(rows, columns=[*columns, "n_windows", "n_participants"])
