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
from biosig.evaluation._arrays import check_features, check_runs, check_selection, check_vector
from biosig.evaluation.bootstrap import bootstrap_difference, bootstrap_mean, one_seed
from biosig.evaluation.correlation import correlation_per_fold, correlation_within
from biosig.evaluation.probe import ALPHAS, probe_with_error
from biosig.evaluation.splits import check_splits

TRAINING_MEAN = "training mean"
OWN_MEDIAN = "participant's own median (oracle)"
TRIVIAL = (TRAINING_MEAN, OWN_MEDIAN)

_TABLE = ["encoder", "target", "mae", "ci95_low", "ci95_high", "r", "r_within", "n_windows", "n_participants"]
_TABLE += ["coverage", "gate_coverage", "train_mae", "n_runs", "run_sd", "seed", "reason"]
_DIFFERENCES = ["encoder", "target", "reference", "difference", "difference_low", "difference_high"]
_DIFFERENCES += ["relative", "relative_low", "relative_high", "n_windows", "n_participants"]


@dataclass(frozen=True)
class Prediction:
    """Ready predictions that need no probe: of a supervised network, or of a classical estimator.

    Parameters
    ----------
    values : mapping of str to array of shape (n_windows,) or (n_runs, n_windows)
        Predictions per target, NaN where there is none; one row a run where the same encoder was trained with several
        seeds. Targets not named are not compared. The windows are those given to `compare`; the training ones are not
        looked at. Whoever made them must not have seen the test participants.
    expected_error : mapping of str to array of the same shape, optional
        How unsure each prediction is, per target: best the absolute error to be expected, in the unit of the target;
        any number that grows with it orders the windows as well.
    training_error : mapping of str to float, optional
        Mean absolute error on the windows it was trained on, per target.
    """

    values: Mapping[str, np.ndarray]
    expected_error: Mapping[str, np.ndarray] = field(default_factory=dict)
    training_error: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    table : pandas.DataFrame
        One row an encoder and target: `mae` in the target's unit over `n_windows` test windows of `n_participants`
        people, `ci95_low` and `ci95_high` over participants, Pearson `r` over windows (of each fold, averaged) and
        `r_within` after removing each participant's means, `coverage` (share of the test windows offered that have
        both prediction and target), `gate_coverage` (share that passed the gate), `train_mae` (on the training
        windows), `n_runs` and `run_sd` (of the MAE over runs), `seed` of the intervals, and `reason` where something
        is NaN or means little. With several runs a window's error is the mean of theirs, and `r` the mean of theirs.
    differences : pandas.DataFrame
        One row an encoder and target: `difference` is the reference's MAE minus the encoder's on the windows both
        have, `relative` the same over the encoder's MAE; negative means that the reference is better.
    predictions : pandas.DataFrame
        One row an encoder, target, run and test window past the gate: `window` (its number), `participant`, `motion`
        (g), `encoder`, `target`, `run`, `true`, `predicted`, `expected_error`.
    reference : str
        The encoder that the others are compared with.
    units : dict of str to str
        Units of the targets.
    rivals : tuple of str
        Encoders that the headline sets the reference against; the best one where empty.
    ceilings : tuple of str
        Encoders that see more than the others, such as a PPG teacher: what could be reached, never a rival.
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    predictions: pd.DataFrame
    reference: str
    units: dict[str, str] = field(default_factory=dict)
    rivals: tuple[str, ...] = ()
    ceilings: tuple[str, ...] = ()

    def best_other(self, target: str) -> str | None:
        """Name of the encoder with the lowest error on a target, the reference aside; None where there is none.

        Neither trivial predictors nor ceilings count, nor a method that answers for a few easy windows only.
        """
        table = self.table[self.table["target"] == target].set_index("encoder")
        others = table.drop(index=[self.reference, *TRIVIAL, *self.ceilings], errors="ignore")
        if self.reference in table.index:
            others = others[others["n_windows"] >= table.loc[self.reference, "n_windows"] / 2]
        errors = others["mae"].dropna()
        named = errors[errors.index.isin(self.rivals)]
        errors = named if len(named) else errors
        return str(errors.idxmin()) if len(errors) else None


def _own_median(y: np.ndarray, groups: np.ndarray, scored: np.ndarray) -> np.ndarray:
    predicted = np.full(len(y), np.nan)
    medians = pd.Series(y[scored]).groupby(groups[scored]).transform("median")
    predicted[scored] = medians.to_numpy()
    return predicted


def _predict(entry, y, groups, splits, gate, alphas) -> tuple[Prediction, bool]:
    """Test predictions of a probe, or of the training mean when `entry` is None; and whether anything was learnt."""
    predicted, expected, trained = np.full(len(y), np.nan), np.full(len(y), np.nan), False
    errors = []
    for train, test in splits:
        fit, ask = train & gate, test & gate
        if np.isfinite(y[fit]).any():
            trained = True
            if entry is None:
                predicted[ask] = np.nanmean(y[fit])
                errors.append(np.abs(y[fit] - np.nanmean(y[fit])))
            else:
                found = probe_with_error(entry[fit], y[fit], groups[fit], entry[ask], alphas=alphas)
                predicted[ask], expected[ask] = found.predicted, found.expected_error
                errors.append(np.abs(y[fit] - found.fitted))
    train_mae = finite_mean(np.concatenate(errors)) if errors else np.nan
    return Prediction({"": predicted}, {"": expected}, {"": train_mae}), trained


def finite_mean(values) -> float:
    """Mean of the finite values; NaN where there is none."""
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else np.nan


def _reason(y, both, trained: bool, scored, groups) -> str:
    """Why a cell has no error or no interval, or means little; empty when it is sound."""
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
    if np.ptp(y[np.isfinite(y)]) == 0:
        return "constant target: there is nothing to tell apart"
    return ""


def check_entries(features: Mapping, n: int) -> tuple[dict[str, np.ndarray | Prediction], dict[str, str]]:
    """Return the entries that can be compared, and for the others the reason."""
    entries: dict[str, np.ndarray | Prediction] = {}
    refused: dict[str, str] = {}
    for name, entry in features.items():
        if name in TRIVIAL:
            raise ValueError(f"the encoder name {name!r} is taken by a trivial predictor; choose another")
        try:
            if isinstance(entry, Prediction):
                entries[name] = Prediction(
                    {key: check_runs(v, n, f"{name}: {key}") for key, v in entry.values.items()},
                    {key: check_runs(v, n, f"{name}: error of {key}") for key, v in entry.expected_error.items()},
                    entry.training_error,
                )
            else:
                embeddings = check_features(entry, f"features[{name!r}]")
                if len(embeddings) != n:
                    raise ValueError(f"features[{name!r}] has shape {embeddings.shape}; the targets have {n} windows")
                entries[name] = embeddings
        except ValueError as error:
            refused[name] = str(error)
    if features and not entries:
        raise ValueError("; ".join(refused.values()))
    return entries, refused


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
    ceilings: Sequence[str] = (),
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
    ceilings : sequence of str
        Encoders that see more than the others and are no rivals.

    Returns
    -------
    Comparison
        A cell that cannot be computed (no target, no prediction, embeddings of another number of windows, one
        participant) is NaN with a reason; the rest of the table is made all the same.

    Raises
    ------
    ValueError
        When training and test share a participant (they are named), when not one encoder can be compared, or arrays
        other than the encoders' do not belong together.
    """
    n = len(targets)
    groups = check_groups(groups, n)
    numeric = targets.select_dtypes("number")
    if not features or not len(numeric.columns):
        raise ValueError(
            f"{len(features)} encoder(s) and {len(numeric.columns)} numeric target(s); expected one of each at least"
        )
    entries, refused = check_entries(features, n)
    reference = next(iter(features)) if reference is None else reference
    if reference not in features:
        raise ValueError(f"reference is {reference!r}; expected one of {list(features)}")
    if not set(rivals) <= set(features):
        raise ValueError(f"rivals are {list(rivals)}; expected some of {list(features)}")
    gate = np.ones(n, dtype=bool) if passed is None else check_selection(passed, n, "passed")
    motion = np.full(n, np.nan) if motion is None else check_vector(motion, n, "motion")
    splits = check_splits(groups, n, train, test, folds)
    offered = np.any([pair[1] for pair in splits], axis=0)
    scored = offered & gate
    seed = one_seed(random_state)

    rows, errors, predictions = [], {}, []
    cells = [
        (name, target)
        for target in numeric.columns
        for name in (*features, *TRIVIAL)
        if not isinstance(ready := entries.get(name), Prediction) or target in ready.values
    ]
    for name, target in tqdm(cells, desc="probes", unit="probe", delay=2, leave=False):
        y = numeric[target].to_numpy(dtype=np.float64)
        y = np.where(np.isfinite(y), y, np.nan)
        contender, trained, key = entries.get(name), True, ""
        if isinstance(contender, Prediction):
            found, key = contender, target
        elif name in refused:
            found = Prediction({"": np.full(n, np.nan)})
        elif name == OWN_MEDIAN:
            found = Prediction({"": _own_median(y, groups, scored)})
        else:
            found, trained = _predict(contender, y, groups, splits, gate, alphas)
        predicted = np.atleast_2d(found.values[key])
        expected = np.atleast_2d(found.expected_error.get(key, np.full_like(predicted, np.nan)))
        by_run = np.where(scored, np.abs(predicted - y), np.nan)
        by_run[~np.isfinite(by_run)] = np.nan
        error = errors[name, target] = by_run.mean(axis=0)
        mae = bootstrap_mean(error, groups, n_boot=n_boot, random_state=seed)
        both = np.isfinite(error)
        r = r_within = run_sd = np.nan
        if both.any():
            r = float(np.mean([correlation_per_fold(run, y, both, splits) for run in predicted]))
            r_within = float(np.mean([correlation_within(run[both], y[both], groups[both]) for run in predicted]))
            run_sd = float(by_run[:, both].mean(axis=1).std(ddof=1)) if len(by_run) > 1 else np.nan
        shares = (both.sum() / offered.sum(), scored.sum() / offered.sum()) if offered.any() else (np.nan, np.nan)
        reason = refused.get(name) or _reason(y, both, trained, scored, groups)
        runs = (found.training_error.get(key, np.nan), len(predicted), run_sd)
        rows.append([name, target, *mae[:3], r, r_within, mae.n_windows, mae.n_participants, *shares, *runs])
        rows[-1] += [seed, reason]
        where = np.flatnonzero(scored)
        for run in range(len(predicted)):
            frame = {"window": where, "participant": groups[where], "motion": motion[where]}
            frame |= {"encoder": name, "target": target, "run": run, "true": y[where]}
            frame |= {"predicted": predicted[run, where], "expected_error": expected[run, where]}
            predictions.append(pd.DataFrame(frame))

    differences = []
    for (name, target), error in errors.items():
        if name == reference or (reference, target) not in errors:
            continue
        gap = bootstrap_difference(errors[reference, target], error, groups, n_boot=n_boot, random_state=seed)
        row = [name, target, reference, *gap.absolute[:3], *gap.relative[:3]]
        differences.append([*row, gap.absolute.n_windows, gap.absolute.n_participants])
    return Comparison(
        table=pd.DataFrame(rows, columns=_TABLE),
        differences=pd.DataFrame(differences, columns=_DIFFERENCES),
        predictions=pd.concat(predictions, ignore_index=True),
        reference=reference,
        units=dict(units or {}),
        rivals=tuple(rivals),
        ceilings=tuple(ceilings),
    )
