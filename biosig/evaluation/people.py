"""What one number or one class a person can be read off embeddings averaged over that person's windows.

Regression targets (age, BMI) get the mean absolute error; classes (sex, any yes-or-no label) the area under the ROC
curve. Under folds a score of one fold cannot be compared with one of another, so only pairs within a fold count.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from biosig.evaluation.bootstrap import bootstrap_mean, one_seed
from biosig.evaluation.probe import probe

LEAST = 5
PENALTIES = tuple(float(c) for c in np.logspace(-4, 1, 6))
TRAINING_PEOPLE = "training mean"
_COLUMNS = ["encoder", "target", "measure", "value", "ci95_low", "ci95_high", "n_participants", "n_runs", "reason"]


def kind_of(values: pd.Series) -> tuple[np.ndarray, str, str]:
    """Return one float a person, what is measured ("mae" or "auc"), and a reason where the column cannot be used.

    Numbers of more than two values are regressed; two values of any kind are classes, the later in sorted order being
    the positive one.
    """
    known = values.dropna()
    distinct = sorted(known.unique(), key=str)
    number = pd.to_numeric(values, errors="coerce")
    numeric = bool(len(known)) and number[known.index].notna().all()
    nothing = np.full(len(values), np.nan)
    if not len(known):
        return nothing, "mae", "no participant has this label"
    if len(distinct) == 1:
        measure = "mae" if numeric and float(distinct[0]) not in (0.0, 1.0) else "auc"
        reason = f"constant target: {distinct[0]}" if measure == "mae" else f"one class only: {distinct[0]}"
        return nothing, measure, reason
    if len(distinct) == 2:
        return np.where(values.notna(), (values == distinct[1]).astype(float), np.nan), "auc", ""
    if not numeric:
        return nothing, "auc", f"{len(distinct)} classes; two are expected, or numbers"
    return number.to_numpy(dtype=np.float64), "mae", ""


def person_means(features: np.ndarray, groups: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Mean embedding of each of `people` over the rows that are finite; NaN where there is none."""
    frame = pd.DataFrame(np.asarray(features, dtype=np.float64)).replace([np.inf, -np.inf], np.nan)
    whole = frame.notna().all(axis=1).to_numpy()
    return frame[whole].groupby(np.asarray(groups)[whole]).mean().reindex(people).to_numpy()


def predict_people(x: np.ndarray, y: np.ndarray, measure: str, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Prediction (regression) or log-odds (class) of the people `test`, (n_people,), NaN elsewhere and where unknown.

    Penalties are chosen on folds within the training people. NaN everywhere with fewer than `LEAST` training people,
    or with one class among them.
    """
    told = np.full(len(y), np.nan)
    fit = train & np.isfinite(y) & np.isfinite(x).all(axis=1)
    ask = test & np.isfinite(x).all(axis=1)
    if fit.sum() < LEAST or not ask.any():
        return told
    if measure == "mae":
        told[ask] = probe(x[fit], y[fit], np.arange(fit.sum()), x[ask])
        return told
    smallest = int(min((y[fit] == 0).sum(), (y[fit] == 1).sum()))
    if smallest == 0:
        return told
    told[ask] = _logistic(x[fit], y[fit], _penalty(x[fit], y[fit], smallest)).decision_function(x[ask])
    return told


def _logistic(x, y, penalty: float):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=500)).fit(x, y)


def _penalty(x, y, smallest: int) -> float:
    """Penalty with the least log loss on held-out people; the strongest where a class has a single member."""
    if smallest < 2:
        return PENALTIES[0]
    folds = list(StratifiedKFold(min(5, smallest), shuffle=True, random_state=0).split(x, y))
    loss = np.zeros(len(PENALTIES))
    for i, penalty in enumerate(PENALTIES):
        for train, test in folds:
            odds = _logistic(x[train], y[train], penalty).decision_function(x[test])
            loss[i] += np.logaddexp(0.0, np.where(y[test] == 1, -odds, odds)).sum()
    return PENALTIES[int(np.argmin(np.round(loss, 9)))]


def area(scores, y, folds, *, n_boot: int = 2000, random_state=None) -> tuple[float, float, float]:
    """Area under the ROC curve over pairs of people of one fold, and its 95 % interval over people.

    Parameters
    ----------
    scores, y, folds : array of shape (n_people,)
        Higher scores for class 1; labels 0 and 1; fold in which each person was scored.

    Returns
    -------
    estimate, low, high : float
        NaN without a pair of both classes in one fold.
    """
    positive, negative = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    margin = scores[positive, np.newaxis] - scores[negative]
    pairs = (folds[positive, np.newaxis] == folds[negative]).astype(float)
    won = pairs * (0.5 * (margin == 0) + (margin > 0))
    if not pairs.any():
        return np.nan, np.nan, np.nan
    n = len(y)
    draws = np.random.default_rng(random_state).multinomial(n, np.full(n, 1 / n), size=n_boot).astype(float)
    total = lambda table: np.einsum("bi,ij,bj->b", draws[:, positive], table, draws[:, negative], optimize=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = total(won) / total(pairs)
    low, high = np.nanquantile(found, [0.025, 0.975]) if np.isfinite(found).any() else (np.nan, np.nan)
    return float(won.sum() / pairs.sum()), float(low), float(high)


def probe_people(
    embeddings: Mapping[str, Sequence[np.ndarray]],
    labels: pd.DataFrame,
    folds: np.ndarray,
    *,
    n_boot: int = 2000,
    random_state=None,
) -> pd.DataFrame:
    """Probe what is known of each person.

    Parameters
    ----------
    embeddings : mapping of str to sequence of array of shape (n_folds, n_people, n_features)
        For each encoder one array a run (seed): mean embeddings of all people by the encoder of each fold, see
        `person_means`. NaN where a person has no window.
    labels : pandas.DataFrame
        One row a person, one column a target: numbers to be regressed, or two classes; NaN or None where unknown.
    folds : array of int, shape (n_people,)
        Fold, 0 to n_folds - 1, in which each person is tested; -1 for people who are only trained on.
    n_boot, random_state
        Draws of people for the intervals, and their seed.

    Returns
    -------
    pandas.DataFrame
        One row an encoder and target: `encoder`, `target`, `measure` ("mae" in the unit of the target, or "auc"),
        `value` (mean over runs), `ci95_low`, `ci95_high`, `n_participants` (tested), `n_runs`, `reason`. The training
        mean stands beside the encoders for regression; a constant has an AUC of 0.5.
    """
    seed = one_seed(random_state)
    rows = []
    for target in labels.columns:
        y, measure, reason = kind_of(labels[target])
        names = [*embeddings, *([TRAINING_PEOPLE] if measure == "mae" else [])]
        for name in names:
            runs: list[np.ndarray] = []
            for run in embeddings.get(name, [None]):
                told = np.full(len(y), np.nan)
                for fold in np.unique(folds[folds >= 0]):
                    train, test = folds != fold, folds == fold
                    if run is not None:
                        with threadpool_limits(1, user_api="blas"):  # many small fits: threads would only wait
                            told[test] = predict_people(run[fold], y, measure, train, test)[test]
                    elif np.isfinite(y[train]).sum() >= LEAST:
                        told[test] = np.nanmean(y[train])
                runs.append(told)
            both = np.isfinite(y) & np.isfinite(np.array(runs)).all(axis=0) & (folds >= 0)
            found: tuple[float, ...] = (np.nan, np.nan, np.nan)
            why = reason or _why(y, folds, both, measure)
            if not why and measure == "mae":
                error = np.abs(np.array(runs) - y).mean(axis=0)
                found = bootstrap_mean(error[both], np.flatnonzero(both), n_boot=n_boot, random_state=seed)[:3]
            elif not why:
                each = [area(run[both], y[both], folds[both], n_boot=n_boot, random_state=seed) for run in runs]
                found = tuple(float(np.mean(column)) for column in zip(*each, strict=True))
            rows.append([name, target, measure, *found, int(both.sum()), len(runs), why])
    return pd.DataFrame(rows, columns=_COLUMNS)


def _why(y, folds, both, measure: str) -> str:
    """Why there is no value; empty when there is one."""
    tested = np.isfinite(y) & (folds >= 0)
    if not tested.any():
        return "no test participant has this label"
    if not both.any():
        fewest = min(int((np.isfinite(y) & (folds != fold)).sum()) for fold in np.unique(folds[folds >= 0]))
        if fewest < LEAST:
            return f"{fewest} training participants with this label; {LEAST} needed"
        return "one class only among the training participants" if measure == "auc" else "no finite embedding"
    if measure == "auc" and len(np.unique(y[both])) < 2:
        return "one class only among the test participants"
    if measure == "auc" and not any(len(np.unique(y[both & (folds == fold)])) > 1 for fold in np.unique(folds)):
        return "no fold tests both classes"
    return "" if both.sum() > 1 else "one participant: no interval"
