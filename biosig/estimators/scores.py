"""What the scores of encoders count: nearest neighbours that are the right ones, targets that are met."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import accuracy_score, r2_score

BLOCK = 512  # rows compared at a time, so that memory grows with the windows and not with their square


def top1(queries: np.ndarray, keys: np.ndarray, name: str) -> float:
    """Return the fraction of queries whose own key, that of the same row, is the most similar of all keys.

    Parameters
    ----------
    queries, keys : array (n_windows, n_features)
        Rows of length 1; rows with NaN, in either, are left out of both.
    name : str
        What the windows are called in an error.

    Returns
    -------
    float
        Where k keys tie with the own one, a query counts 1 / (1 + k).

    Raises
    ------
    ValueError
        For numbers of rows that differ, or fewer than two rows without NaN.
    """
    if len(queries) != len(keys):
        raise ValueError(f"{name} have {len(queries)} and {len(keys)} windows; expected the same windows, row by row")
    usable = np.isfinite(queries).all(axis=1) & np.isfinite(keys).all(axis=1)
    n = _enough(usable, name)
    queries, keys = queries[usable].astype(np.float64), keys[usable].astype(np.float64)
    total = 0.0
    for start in range(0, n, BLOCK):
        similarity = queries[start : start + BLOCK] @ keys.T
        rows = np.arange(len(similarity))
        own = similarity[rows, start + rows]
        first = similarity.max(axis=1) == own
        total += float((first / (similarity == own[:, np.newaxis]).sum(axis=1)).sum())
    return total / n


def nearest_of_same_group(embedding: np.ndarray, groups: np.ndarray) -> float:
    """Return the fraction of windows whose most similar other window is of the same participant.

    Parameters
    ----------
    embedding : array (n_windows, n_features)
        Rows with NaN are left out. Compared by the cosine, after the mean over all rows is taken away.
    groups : array (n_windows,)
        Participant of each window. Windows that are the only one of a participant are no queries.

    Raises
    ------
    ValueError
        Without two participants of whom one has two windows with data.
    """
    usable = np.isfinite(embedding).all(axis=1)
    n = _enough(usable, "X")
    codes = np.unique(groups[usable], return_inverse=True)[1]
    counts = np.bincount(codes)
    most = int(np.max(counts))
    if len(counts) < 2 or most < 2:
        raise ValueError(
            f"{n} windows of {len(counts)} participant(s), at most {most} of each, give no score; expected at "
            "least two participants, and two windows of one of them"
        )
    rows = embedding[usable].astype(np.float64)
    rows -= rows.mean(axis=0)
    rows /= np.sqrt(np.square(rows).sum(axis=1, keepdims=True)) + 1e-12
    total = 0.0
    for start in range(0, n, BLOCK):
        similarity = rows[start : start + BLOCK] @ rows.T
        here = np.arange(len(similarity))
        similarity[here, start + here] = -np.inf  # nobody is its own neighbour
        nearest = similarity == similarity.max(axis=1, keepdims=True)
        same = codes[start : start + len(here), np.newaxis] == codes
        total += float(((nearest & same).sum(axis=1) / nearest.sum(axis=1))[counts[codes[start + here]] > 1].sum())
    return total / int((counts[codes] > 1).sum())


def supervised_score(y: np.ndarray, predicted: np.ndarray, sample_weight, *, classes: bool) -> float:
    """Return R², the mean over targets, or accuracy where `classes`; over what is known and was predicted.

    Parameters
    ----------
    y, predicted : array (n_windows,) or (n_windows, n_targets)
        NaN (of labels also None) where a target is not known, or there was nothing to predict it from.
    sample_weight : array (n_windows,) or None
    classes : bool

    Raises
    ------
    ValueError
        For shapes that differ, or a target that is nowhere known.
    """
    if y.shape != predicted.shape:
        raise ValueError(f"y has shape {y.shape}; expected the shape of the predictions, {predicted.shape}")
    weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (len(y),):
        raise ValueError(f"sample_weight has shape {weight.shape}; expected one number a window, ({len(y)},)")
    if classes:
        known = _labels_known(y) & _labels_known(predicted)
        pairs = [(np.array(y[known].tolist()), np.array(predicted[known].tolist()), known)]
    else:
        y, predicted = y.reshape(len(y), -1).astype(np.float64), predicted.reshape(len(y), -1)
        known = np.isfinite(y) & np.isfinite(predicted)
        pairs = [(y[k, i], predicted[k, i], k) for i, k in enumerate(known.T)]
    if not all(used.any() for *_, used in pairs):
        raise ValueError(f"y has {len(y)} rows, but a target is known for no window with data; nothing can be scored")
    measure = accuracy_score if classes else r2_score
    return float(np.mean([measure(true, guess, sample_weight=weight[used]) for true, guess, used in pairs]))


def check_labels(y) -> None:
    """Raise ValueError for numbers that are measurements rather than labels; NaN and None are missing labels."""
    labels = np.asarray(y)
    if labels.dtype.kind == "f" and labels.ndim == 1:
        known = labels[np.isfinite(labels)]
        if (known != np.round(known)).any():
            raise ValueError(
                f"Unknown label type: continuous. y has values such as {known[known != np.round(known)][0]:g}; give "
                "labels (text or whole numbers), or task='regression'"
            )


def _labels_known(labels: np.ndarray) -> np.ndarray:
    return np.array([label is not None and bool(label == label) for label in labels], dtype=bool)


def _enough(usable: np.ndarray, name: str) -> int:
    n = int(usable.sum())
    if n < 2:
        raise ValueError(f"{n} of {len(usable)} windows have data ({name}); a score needs at least 2")
    return n
