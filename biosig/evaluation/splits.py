"""Who is trained on and who is tested: never the same person."""

from __future__ import annotations

import numpy as np

from biosig.evaluation._arrays import check_selection
from biosig.evaluation.probe import participant_folds


def check_splits(groups: np.ndarray, n: int, train=None, test=None, folds=None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pairs of masks (training windows, test windows), without a shared participant.

    Parameters
    ----------
    groups : array of shape (n,)
        Participant of each window.
    n : int
        Windows.
    train, test : mask or window numbers, optional
    folds : int or array of shape (n,), optional
        Number of participant-wise folds, or the fold in which each window is tested.

    Raises
    ------
    ValueError
        When a participant is on both sides (they are named), or neither folds nor both sides are given.
    """
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
