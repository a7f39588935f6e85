"""Checks of the arrays that evaluation is given: one row, or one number, a window."""

from __future__ import annotations

import numpy as np


def check_features(x, name: str) -> np.ndarray:
    """Return features as float64 (n_windows, n_features), or raise ValueError."""
    try:
        array = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be read as numbers ({error}); expected (n_windows, n_features)") from None
    if array.ndim != 2 or array.shape[1] == 0:
        fix = f": for a single feature write {name}[:, np.newaxis]" if array.ndim == 1 else ""
        raise ValueError(f"{name} has shape {array.shape}; expected (n_windows, n_features){fix}")
    return array


def check_vector(values, n_windows: int, name: str) -> np.ndarray:
    """Return one float64 number a window, or raise ValueError."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be read as numbers ({error}); expected ({n_windows},)") from None
    if array.shape != (n_windows,):
        raise ValueError(f"{name} has shape {array.shape}; expected one number a window, that is ({n_windows},)")
    return array


def check_selection(selection, n_windows: int, name: str) -> np.ndarray:
    """Return a boolean mask over windows from a mask or from window numbers, or raise ValueError."""
    array = np.asarray(selection)
    if array.dtype == bool:
        if array.shape != (n_windows,):
            raise ValueError(f"{name} is a mask of shape {array.shape}; expected ({n_windows},)")
        return array
    if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise ValueError(f"{name} has shape {array.shape} and type {array.dtype}; expected a mask or window numbers")
    if array.size and (array.min() < 0 or array.max() >= n_windows):
        raise ValueError(f"{name} names windows {array.min()} to {array.max()}; there are windows 0 to {n_windows - 1}")
    mask = np.zeros(n_windows, dtype=bool)
    mask[array.astype(np.int64)] = True
    return mask


def check_runs(values, n_windows: int, name: str) -> np.ndarray:
    """Return float64 (n_runs, n_windows) from one number a window or one row of them a run, or raise ValueError."""
    array = np.asarray(values)
    if array.ndim != 2:
        return check_vector(values, n_windows, name)[np.newaxis]
    if array.shape[1] != n_windows or not len(array):
        raise ValueError(f"{name} has shape {array.shape}; expected (n_runs, {n_windows})")
    return array.astype(np.float64)
