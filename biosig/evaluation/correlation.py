"""Correlations that fold means and person means cannot fake."""

from __future__ import annotations

import numpy as np
import pandas as pd


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation of finite values; NaN with fewer than three of them or where one side is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt(np.sum(a * a) * np.sum(b * b))
    # A constant's deviations are rounding errors, not zeros.
    if len(a) < 3 or scale <= 1e-12 * len(a) or not np.isfinite(scale):
        return np.nan
    return float(np.clip(np.sum(a * b) / scale, -1, 1))


def correlation_per_fold(predicted, y, both, splits) -> float:
    """Correlation over the windows `both` of each fold, averaged by their number.

    Pooling the folds would punish them for their means: the mean of the others is low exactly where a fold is high.
    """
    folds = [both & test for _, test in splits]
    found = np.array([correlation(predicted[fold], y[fold]) if fold.any() else np.nan for fold in folds])
    weights = np.array([fold.sum() for fold in folds]) * np.isfinite(found)
    return float(np.nansum(found * weights) / weights.sum()) if weights.any() else np.nan


def correlation_within(predicted, y, groups) -> float:
    """Correlation after removing each participant's means."""
    return correlation(_centred(predicted, groups), _centred(y, groups))


def _centred(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    return values - pd.Series(values).groupby(groups).transform("mean").to_numpy()
