"""Linear probes on frozen embeddings: what a ridge regression can read off them, on people it has not seen.

The penalty is chosen on participant-wise folds *within the training participants* (nested), so that neither the test
participants nor neighbouring windows of one person decide it. All penalties of a fold come from one
eigendecomposition (Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, equation 3.47); the final
fit is scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, KFold
from sklearn.preprocessing import StandardScaler

from biosig._checks import check_groups
from biosig.evaluation._arrays import check_features, check_vector

ALPHAS = tuple(float(alpha) for alpha in np.logspace(-1, 7, 17))
"""Default penalties. On standardised features the mean eigenvalue is the number of windows, which these span."""


def _inner_folds(groups: np.ndarray, n_folds: int):
    """Participant-wise folds; consecutive stretches of windows when there is one participant; none when too short."""
    n_groups = len(np.unique(groups))
    if n_groups > 1:
        return list(GroupKFold(min(n_folds, n_groups)).split(groups, groups=groups))
    if len(groups) >= 2 * n_folds:
        return list(KFold(n_folds).split(groups))
    return []


def _path_predictions(train_x, train_y, test_x, alphas: np.ndarray) -> np.ndarray:
    """Ridge predictions for all penalties at once, shape (n_test, n_alphas)."""
    # arrays, whatever sklearn.set_config wants
    scaler = StandardScaler().set_output(transform="default").fit(train_x)
    x, mean = scaler.transform(train_x), train_y.mean()
    if len(x) >= x.shape[1]:
        values, vectors = np.linalg.eigh(x.T @ x)
    else:  # fewer windows than features: the small side, then back to features
        values, left = np.linalg.eigh(x @ x.T)
        solid = values > values[-1] * 1e-12
        values = values[solid]
        vectors = x.T @ (left[:, solid] / np.sqrt(values))
    projected = vectors.T @ (x.T @ (train_y - mean))
    shrunk = projected[:, np.newaxis] / (np.maximum(values, 0)[:, np.newaxis] + alphas)
    return mean + (scaler.transform(test_x) @ vectors) @ shrunk


def choose_alpha(x, y, groups, *, alphas: Sequence[float] = ALPHAS, n_folds: int = 5) -> float:
    """Penalty with the least mean absolute error on held-out participants.

    Parameters
    ----------
    x : array of shape (n_windows, n_features)
        Finite features.
    y : array of shape (n_windows,)
        Finite targets.
    groups : array of shape (n_windows,)
        Participant of each window.
    alphas : sequence of float
        Penalties to choose from, as in `sklearn.linear_model.Ridge`.
    n_folds : int
        Participant-wise folds, fewer when there are fewer participants. With a single participant consecutive
        stretches of its windows serve instead; with fewer than ``2 * n_folds`` windows the largest penalty is taken.

    Returns
    -------
    float
        One of `alphas`; the larger of two that do equally well.

    Raises
    ------
    ValueError
        When a penalty is not positive or there are fewer than two folds.
    """
    return _choose(x, y, groups, alphas, n_folds)[0]


def _choose(x, y, groups, alphas: Sequence[float], n_folds: int) -> tuple[float, np.ndarray | None]:
    """Penalty, and the out-of-fold predictions with it; None where no fold could be made."""
    penalties = np.sort(np.asarray(alphas, dtype=np.float64))[::-1]
    if penalties.ndim != 1 or not len(penalties) or not np.all(penalties > 0):
        raise ValueError(f"alphas is {alphas!r}; expected one or more positive numbers")
    if n_folds < 2:
        raise ValueError(f"n_folds is {n_folds}; expected 2 or more")
    folds = _inner_folds(np.asarray(groups), n_folds)
    if not folds:
        return float(penalties[0]), None
    predicted = np.empty((len(y), len(penalties)))
    for train, test in folds:
        predicted[test] = _path_predictions(x[train], y[train], x[test], penalties)
    # Summed fold by fold, as a change of order would change the last bits and so a tie.
    error = np.zeros(len(penalties))
    for _, test in folds:
        error += np.abs(predicted[test] - y[test, np.newaxis]).sum(axis=0)
    best = int(np.argmin(np.round(error / len(y), 12)))
    return float(penalties[best]), predicted[:, best]


class Probed(NamedTuple):
    """What a probe says.

    Attributes
    ----------
    predicted : array of shape (n_test,)
    expected_error : array of shape (n_test,)
        Absolute error to be expected of each prediction, in the unit of the target: a confidence, small where sure.
    fitted : array of shape (n_train,)
        Predictions of the training windows themselves; their error beside the test error shows what was memorised.
    """

    predicted: np.ndarray
    expected_error: np.ndarray
    fitted: np.ndarray


def probe_with_error(
    train_x, train_y, train_groups, test_x, *, alphas: Sequence[float] = ALPHAS, n_folds: int = 5
) -> Probed:
    """As `probe`, with the error to be expected of each prediction.

    A second ridge regression learns the logarithm of the absolute errors that the probe makes on training participants
    held out from it (the folds of `choose_alpha`). Its level is set so that the expected errors of the training windows
    have the mean of those errors.

    Parameters
    ----------
    train_x, train_y, train_groups, test_x, alphas, n_folds
        See `probe`.

    Returns
    -------
    Probed
        NaN like the predictions of `probe`. With too few windows for folds, the expected error is the same everywhere:
        the mean error on the training windows.
    """
    return _probe(train_x, train_y, train_groups, test_x, alphas, n_folds, with_error=True)


def _probe(train_x, train_y, train_groups, test_x, alphas, n_folds: int, *, with_error: bool) -> Probed:
    train_x, test_x = check_features(train_x, "train_x"), check_features(test_x, "test_x")
    if train_x.shape[1] != test_x.shape[1]:
        raise ValueError(f"train_x has {train_x.shape[1]} features, test_x {test_x.shape[1]}; expected the same")
    train_y = check_vector(train_y, len(train_x), "train_y")
    train_groups = check_groups(train_groups, len(train_x), "train_groups")
    found = Probed(np.full(len(test_x), np.nan), np.full(len(test_x), np.nan), np.full(len(train_x), np.nan))
    complete = np.isfinite(train_x).all(axis=1)
    train = complete & np.isfinite(train_y)
    test = np.isfinite(test_x).all(axis=1)
    if not train.any():
        return found
    x, y, people = train_x[train], train_y[train], train_groups[train]
    alpha, held_out = _choose(x, y, people, alphas, n_folds)
    # arrays, whatever sklearn.set_config wants
    scaler = StandardScaler().set_output(transform="default").fit(x)
    seen = scaler.transform(x)
    ridge = Ridge(alpha=alpha).fit(seen, y)
    found.fitted[complete] = ridge.predict(scaler.transform(train_x[complete]))
    if not test.any():
        return found
    asked = scaler.transform(test_x[test])
    found.predicted[test] = ridge.predict(asked)
    if not with_error:
        return found
    error = np.abs(y - (found.fitted[train] if held_out is None else held_out))
    level = error.mean()
    if held_out is None or not level > 0:
        found.expected_error[test] = level
        return found
    # The floor keeps a few lucky hits from deciding a regression of logarithms.
    logs = np.log(np.maximum(error, 0.05 * level))
    size = Ridge(alpha=_choose(x, logs, people, alphas, n_folds)[0]).fit(seen, logs)
    scale = level / np.exp(size.predict(seen)).mean()
    found.expected_error[test] = np.clip(scale * np.exp(size.predict(asked)), 0.1 * level, 10 * level)
    return found


def probe(train_x, train_y, train_groups, test_x, *, alphas: Sequence[float] = ALPHAS, n_folds: int = 5) -> np.ndarray:
    """Standardise, fit a ridge regression on the training windows, predict the test windows.

    Parameters
    ----------
    train_x : array of shape (n_train, n_features)
        Frozen embeddings. Rows that are not finite are left out.
    train_y : array of shape (n_train,)
        Target; windows where it is NaN are left out.
    train_groups : array of shape (n_train,)
        Participant of each training window; the penalty is chosen participant-wise, see `choose_alpha`.
    test_x : array of shape (n_test, n_features)
        Embeddings of windows of other participants.
    alphas, n_folds
        See `choose_alpha`.

    Returns
    -------
    numpy.ndarray of shape (n_test,)
        Predictions, NaN for rows that are not finite, and everywhere when no training window is complete.

    Raises
    ------
    ValueError
        When shapes do not belong together.
    """
    return _probe(train_x, train_y, train_groups, test_x, alphas, n_folds, with_error=False).predicted


def participant_folds(groups, n_folds: int = 5) -> np.ndarray:
    """Number of the fold in which each window is tested; all windows of a participant share it.

    Parameters
    ----------
    groups : array of shape (n_windows,)
        Participant of each window.
    n_folds : int
        Folds of about the same number of windows; fewer when there are fewer participants.

    Returns
    -------
    numpy.ndarray of int, shape (n_windows,)

    Raises
    ------
    ValueError
        With fewer than two participants or folds.
    """
    groups = np.asarray(groups)
    n_groups = len(np.unique(groups))
    if n_groups < 2 or n_folds < 2:
        raise ValueError(
            f"{n_groups} participant(s) and {n_folds} fold(s); participant-wise folds need two of each at least"
        )
    fold = np.empty(len(groups), dtype=np.int64)
    for number, (_, test) in enumerate(GroupKFold(min(n_folds, n_groups)).split(groups, groups=groups)):
        fold[test] = number
    return fold


def probe_folds(x, y, groups, n_folds: int = 5, *, alphas: Sequence[float] = ALPHAS) -> np.ndarray:
    """Out-of-fold probe predictions: each participant is predicted by a probe that has not seen them.

    Parameters
    ----------
    x : array of shape (n_windows, n_features)
        Frozen embeddings.
    y : array of shape (n_windows,)
        Target; NaN is not trained on, yet predicted.
    groups : array of shape (n_windows,)
        Participant of each window.
    n_folds : int
        Outer folds, see `participant_folds`.
    alphas : sequence of float
        See `choose_alpha`.

    Returns
    -------
    numpy.ndarray of shape (n_windows,)

    Raises
    ------
    ValueError
        With fewer than two participants, or when shapes do not belong together.
    """
    x = check_features(x, "x")
    y = check_vector(y, len(x), "y")
    groups = check_groups(groups, len(x))
    fold = participant_folds(groups, n_folds)
    predicted = np.full(len(x), np.nan)
    for number in np.unique(fold):
        test = fold == number
        predicted[test] = probe(x[~test], y[~test], groups[~test], x[test], alphas=alphas)
    return predicted
