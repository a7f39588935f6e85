"""One table for all encoders: error on unseen people, its interval, and how much of the day it covers.

Every encoder is probed in the same way, on the same participants, and is compared window by window with a reference
(the distilled student). Two trivial predictors that any method has to beat stand in every table: the mean of the
training targets, and each participant's own median, which knows the answers (an oracle) but nothing of the signal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from tqdm import tqdm

from biosig._checks import check_groups
from biosig.evaluation._arrays import check_features, check_selection, check_vector
from biosig.evaluation.bootstrap import bootstrap_difference, bootstrap_mean, one_seed
from biosig.evaluation.probe import ALPHAS, participant_folds, probe

TRAINING_MEAN = "training mean"
OWN_MEDIAN = "participant's own median (oracle)"
TRIVIAL = (TRAINING_MEAN, OWN_MEDIAN)

_TABLE = ["encoder", "target", "mae", "ci95_low", "ci95_high", "r", "r_within", "n_windows", "n_participants"]
_TABLE += ["coverage", "gate_coverage", "seed", "reason"]
_DIFFERENCES = ["encoder", "target", "reference", "difference", "difference_low", "difference_high"]
_DIFFERENCES += ["relative", "relative_low", "relative_high", "n_windows", "n_participants"]


@dataclass(frozen=True)
class Prediction:
    """Ready predictions that need no probe: of a supervised network, or of a classical estimator.

    Parameters
    ----------
    values : mapping of str to array of shape (n_windows,)
        Predictions per target, NaN where there is none. Targets not named are not compared. The windows are those
        given to `compare`; the training ones are not looked at. Whoever made them must not have seen the test
        participants.
    """

    values: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    table : pandas.DataFrame
        One row an encoder and target: `mae` in the target's unit over `n_windows` test windows of `n_participants`
        people, `ci95_low` and `ci95_high` over participants, Pearson `r` over windows (of each fold, averaged) and
        `r_within` after removing each participant's means, `coverage` (share of the test windows offered that have
        both prediction and target), `gate_coverage` (share that passed the gate), `seed`, and `reason` where
        something is NaN.
    differences : pandas.DataFrame
        One row an encoder and target: `difference` is the reference's MAE minus the encoder's on the windows both
        have, `relative` the same over the encoder's MAE; negative means that the reference is better.
    predictions : pandas.DataFrame
        One row an encoder, target and test window past the gate: `window` (its number), `participant`, `motion` (g),
        `encoder`, `target`, `true`, `predicted`.
    reference : str
        The encoder that the others are compared with.
    units : dict of str to str
        Units of the targets.
    rivals : tuple of str
        Encoders that the headline sets the reference against; the best one where empty.
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    predictions: pd.DataFrame
    reference: str
    units: dict[str, str] = field(default_factory=dict)
    rivals: tuple[str, ...] = ()


def _splits(groups, n, train, test, folds) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of masks (training windows, test windows), without a shared participant."""
    if folds is not None:
        if train is not None or test is not None:
            raise ValueError("folds were given together with train or test; give folds alone, or train and test")
        if np.ndim(folds) == 0:
            number = participant_folds(groups, int(folds))
        else:
            number = np.asarray(folds)
            if number.shape != (n,):
                raise ValueError(f"folds has shape {number.shape}; expected a number of folds, or a fold per window")
        pairs = [(number != one, number == one) for one in np.unique(number)]
    else:
        if train is None or test is None:
            raise ValueError("give both train and test (masks or window numbers), or folds (a number, such as 5)")
        pairs = [(check_selection(train, n, "train"), check_selection(test, n, "test"))]
    for train_mask, test_mask in pairs:
        shared = np.intersect1d(groups[train_mask], groups[test_mask])
        if len(shared):
            names = ", ".join(str(name) for name in shared[:8]) + (", ..." if len(shared) > 8 else "")
            raise ValueError(
                f"{len(shared)} participant(s) are in training and test at once: {names}; "
                "split by participant, for instance with folds=5"
            )
    return pairs


def _own_median(y: np.ndarray, groups: np.ndarray, scored: np.ndarray) -> np.ndarray:
    predicted = np.full(len(y), np.nan)
    medians = pd.Series(y[scored]).groupby(groups[scored]).transform("median")
    predicted[scored] = medians.to_numpy()
    return predicted


def _correlation_per_fold(predicted, y, both, splits) -> float:
    """Correlation over the windows of each fold, averaged by their number.

    Pooling the folds would punish them for their means: the mean of the others is low exactly where a fold is high.
    """
    folds = [both & test for _, test in splits]
    found = np.array([_correlation(predicted[fold], y[fold]) if fold.any() else np.nan for fold in folds])
    weights = np.array([fold.sum() for fold in folds]) * np.isfinite(found)
    return float(np.nansum(found * weights) / weights.sum()) if weights.any() else np.nan


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt(np.sum(a * a) * np.sum(b * b))
    # A constant's deviations are rounding errors, not zeros.
    if len(a) < 3 or scale <= 1e-12 * len(a) or not np.isfinite(scale):
        return np.nan
    return float(np.clip(np.sum(a * b) / scale, -1, 1))


def _centred(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    return values - pd.Series(values).groupby(groups).transform("mean").to_numpy()


def _predict(entry, y, groups, splits, gate, alphas) -> tuple[np.ndarray, bool]:
    """Test predictions of a probe, or of the training mean when `entry` is None; and whether anything was learnt."""
    predicted, trained = np.full(len(y), np.nan), False
    for train, test in splits:
        fit, ask = train & gate, test & gate
        if np.isfinite(y[fit]).any():
            trained = True
            if entry is None:
                predicted[ask] = np.nanmean(y[fit])
            else:
                predicted[ask] = probe(entry[fit], y[fit], groups[fit], entry[ask], alphas=alphas)
    return predicted, trained


def _reason(y, both, trained: bool, scored, groups) -> str:
    """Why a cell has no error or no interval; empty when it has both."""
    if not scored.any():
        return "no test window passed the gate"
    if not np.isfinite(y[scored]).any():
        return "no test window has this target"
    if not trained:
        return "no training window has this target"
    if not both.any():
        return "no prediction for any test window with this target"
    if len(np.unique(groups[both])) == 1:
        return "one participant: no interval"
    return ""


def compare(
    features: Mapping[str, np.ndarray | Prediction],
    targets: pd.DataFrame,
    groups,
    *,
    train=None,
    test=None,
    folds=None,
    passed=None,
    motion=None,
    reference: str | None = None,
    random_state=None,
    n_boot: int = 2000,
    alphas: Sequence[float] = ALPHAS,
    units: Mapping[str, str] | None = None,
    rivals: Sequence[str] = (),
) -> Comparison:
    """Probe each encoder's frozen embeddings for each target on unseen participants, and compare the errors.

    Parameters
    ----------
    features : mapping of str to array of shape (n_windows, n_features), or Prediction
        Embeddings per encoder, to be probed with ridge regression, or ready predictions. Add the motion level as an
        encoder of one feature: what it can predict is not the heart. Rows with NaN are predicted as NaN.
    targets : pandas.DataFrame
        One row a window, one column a target (only numeric columns are compared, so leave out quality and counts);
        NaN where unknown.
    groups : array of shape (n_windows,)
        Participant of each window.
    train, test : mask or window numbers, optional
        Windows of the training and of the test participants.
    folds : int or array of shape (n_windows,), optional
        Instead of `train` and `test`: number of participant-wise folds, or the fold in which each window is tested.
    passed : mask, optional
        Windows that passed the gate. The others are neither trained on nor scored, but count in the coverage.
    motion : array of shape (n_windows,), optional
        Motion level in g, kept beside the predictions for `error_by_motion`.
    reference : str, optional
        Encoder that the others are compared with; the first by default.
    random_state, n_boot
        Seed and number of the draws of participants behind the intervals.
    alphas : sequence of float
        Ridge penalties to choose from, see `choose_alpha`.
    units : mapping of str to str, optional
        Units of targets, for the report; those of heart rate, SDNN and RMSSD are known.
    rivals : sequence of str
        Encoders that the headline should set the reference against; by default the best of the others.

    Returns
    -------
    Comparison
        A cell that cannot be computed (no target, no prediction, one participant) is NaN with a reason; the rest of
        the table is made all the same.

    Raises
    ------
    ValueError
        When training and test share a participant (they are named), or arrays do not belong together.
    """
    n = len(targets)
    groups = check_groups(groups, n)
    numeric = targets.select_dtypes("number")
    if not features or not len(numeric.columns):
        raise ValueError(
            f"{len(features)} encoder(s) and {len(numeric.columns)} numeric target(s); expected one of each at least"
        )
    entries: dict[str, np.ndarray | Prediction] = {}
    for name, entry in features.items():
        if name in TRIVIAL:
            raise ValueError(f"the encoder name {name!r} is taken by a trivial predictor; choose another")
        if isinstance(entry, Prediction):
            entries[name] = Prediction({key: check_vector(v, n, f"{name}: {key}") for key, v in entry.values.items()})
        else:
            entries[name] = check_features(entry, f"features[{name!r}]")
            if len(entries[name]) != n:  # type: ignore[arg-type]
                raise ValueError(f"features[{name!r}] has shape {np.shape(entry)}; the targets have {n} windows")
    reference = next(iter(entries)) if reference is None else reference
    if reference not in entries:
        raise ValueError(f"reference is {reference!r}; expected one of {list(entries)}")
    if not set(rivals) <= set(entries):
        raise ValueError(f"rivals are {list(rivals)}; expected some of {list(entries)}")
    gate = np.ones(n, dtype=bool) if passed is None else check_selection(passed, n, "passed")
    motion = np.full(n, np.nan) if motion is None else check_vector(motion, n, "motion")
    splits = _splits(groups, n, train, test, folds)
    offered = np.any([pair[1] for pair in splits], axis=0)
    scored = offered & gate
    seed = one_seed(random_state)

    rows, errors, predictions = [], {}, []
    cells = [
        (name, target)
        for target in numeric.columns
        for name in (*entries, *TRIVIAL)
        if not isinstance(ready := entries.get(name), Prediction) or target in ready.values
    ]
    for name, target in tqdm(cells, desc="probes", unit="probe", delay=2, leave=False):
        y = numeric[target].to_numpy(dtype=np.float64)
        y = np.where(np.isfinite(y), y, np.nan)
        contender = entries.get(name)
        if isinstance(contender, Prediction):
            predicted, trained = contender.values[target], True
        elif name == OWN_MEDIAN:
            predicted, trained = _own_median(y, groups, scored), True
        else:
            predicted, trained = _predict(contender, y, groups, splits, gate, alphas)
        error = np.where(scored, np.abs(predicted - y), np.nan)
        error[~np.isfinite(error)] = np.nan
        errors[name, target] = error
        mae = bootstrap_mean(error, groups, n_boot=n_boot, random_state=seed)
        both = np.isfinite(error)
        r = r_within = np.nan
        if both.any():
            r = _correlation_per_fold(predicted, y, both, splits)
            r_within = _correlation(_centred(predicted[both], groups[both]), _centred(y[both], groups[both]))
        shares = (both.sum() / offered.sum(), scored.sum() / offered.sum()) if offered.any() else (np.nan, np.nan)
        reason = _reason(y, both, trained, scored, groups)
        rows.append([name, target, *mae[:3], r, r_within, mae.n_windows, mae.n_participants, *shares, seed, reason])
        where = np.flatnonzero(scored)
        frame = {"window": where, "participant": groups[where], "motion": motion[where]}
        frame |= {"encoder": name, "target": target, "true": y[where], "predicted": predicted[where]}
        predictions.append(pd.DataFrame(frame))

    differences = []
    for (name, target), error in errors.items():
        if name == reference or (reference, target) not in errors:
            continue
        found = bootstrap_difference(errors[reference, target], error, groups, n_boot=n_boot, random_state=seed)
        row = [name, target, reference, *found.absolute[:3], *found.relative[:3]]
        differences.append([*row, found.absolute.n_windows, found.absolute.n_participants])
    return Comparison(
        table=pd.DataFrame(rows, columns=_TABLE),
        differences=pd.DataFrame(differences, columns=_DIFFERENCES),
        predictions=pd.concat(predictions, ignore_index=True),
        reference=reference,
        units=dict(units or {}),
        rivals=tuple(rivals),
    )
