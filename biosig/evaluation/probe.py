"""Linear probes on frozen embeddings: what a ridge regression can read off them, on people it has not seen.

The penalty is chosen on participant-wise folds *within the training participants* (nested), so that neither the test
participants nor neighbouring windows of one person decide it. All penalties of a fold come from one
eigendecomposition (Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, equation 3.47); the final
fit is scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    scaler = StandardScaler().fit(train_x)
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
    penalties = np.sort(np.asarray(alphas, dtype=np.float64))[::-1]
    if penalties.ndim != 1 or not len(penalties) or not np.all(penalties > 0):
        raise ValueError(f"alphas is {alphas!r}; expected one or more positive numbers")
    if n_folds < 2:
        raise ValueError(f"n_folds is {n_folds}; expected 2 or more")
    folds = _inner_folds(np.asarray(groups), n_folds) if len(penalties) > 1 else []
    if not folds:
        return float(penalties[0])
    error = np.zeros(len(penalties))
    for train, test in folds:
        predicted = _path_predictions(x[train], y[train], x[test], penalties)
        error += np.abs(predicted - y[test, np.newaxis]).sum(axis=0)
    return float(penalties[np.argmin(np.round(error / len(y), 12))])


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
    train_x, test_x = check_features(train_x, "train_x"), check_features(test_x, "test_x")
    if train_x.shape[1] != test_x.shape[1]:
        raise ValueError(f"train_x has {train_x.shape[1]} features, test_x {test_x.shape[1]}; expected the same")
    train_y = check_vector(train_y, len(train_x), "train_y")
    train_groups = check_groups(train_groups, len(train_x), "train_groups")
    predicted = np.full(len(test_x), np.nan)
    train = np.isfinite(train_x).all(axis=1) & np.isfinite(train_y)
    test = np.isfinite(test_x).all(axis=1)
    if not train.any() or not test.any():
        return predicted
    x, y = train_x[train], train_y[train]
    alpha = choose_alpha(x, y, train_groups[train], alphas=alphas, n_folds=n_folds)
    scaler = StandardScaler().fit(x)
    predicted[test] = Ridge(alpha=alpha).fit(scaler.transform(x), y).predict(scaler.transform(test_x[test]))
    return predicted


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
