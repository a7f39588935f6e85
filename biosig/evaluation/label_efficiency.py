"""How many labelled people it takes: encoders saw no labels, probes and supervised encoders those of a few people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from biosig._checks import check_groups
from biosig.evaluation.bootstrap import bootstrap_difference, bootstrap_mean, one_seed
from biosig.evaluation.compare import TRAINING_MEAN
from biosig.evaluation.probe import probe

SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Shares of the training participants whose labels are used; 0 stands for a single one."""

Errors = dict[tuple[str, str, float], np.ndarray]
_COLUMNS = ["encoder", "target", "share", "n_labelled", "mae", "ci95_low", "ci95_high", "reference", "relative"]
_COLUMNS += ["relative_low", "relative_high", "n_windows", "n_participants"]


def labelled_people(people: np.ndarray, share: float, draw: int, random_state: int) -> np.ndarray:
    """Return the participants whose labels are used: the first of a random order, so that more include fewer.

    Parameters
    ----------
    people : array of shape (n_people,)
        The training participants, once each.
    share : float
        0 to 1; at least one participant is labelled.
    draw : int
        Number of the order.
    random_state : int
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share!r}; expected a share of the training participants, 0 (one person) to 1")
    order = np.random.default_rng([random_state, draw]).permutation(np.unique(people))
    return order[: max(1, round(share * len(order)))]


def label_errors(
    features: Mapping[str, np.ndarray | Callable[[np.ndarray], np.ndarray]],
    targets: pd.DataFrame,
    groups,
    test,
    *,
    shares: Sequence[float] = SHARES,
    n_draws: int = 5,
    random_state: int = 0,
) -> Errors:
    """Errors on the test windows with the labels of ever more training participants.

    Parameters
    ----------
    features : mapping of str to array of shape (n_windows, n_features), or callable
        Embeddings learnt without labels; or, for an encoder that learns from them, what returns its embeddings of all
        windows when given the mask of labelled windows. As that is costly, it is called for the first draw only.
    targets : pandas.DataFrame
        One row a window.
    groups : array of shape (n_windows,)
        Participant of each window.
    test : mask of shape (n_windows,)
        Windows to be tested; the participants of the others are the training ones.
    shares : sequence of float
        See `SHARES`.
    n_draws : int
        Random choices of the labelled participants; with one of them much depends on who it is.
    random_state : int

    Returns
    -------
    dict of (encoder, target, share) to array of shape (n_draws, n_windows)
        Absolute errors; NaN for training windows, unknown targets and draws not made. The training mean is included.
    """
    groups = check_groups(groups, len(targets))
    test = np.asarray(test, dtype=bool)
    people = np.unique(groups[~test])
    errors: Errors = {}
    for share in shares:
        for draw in range(n_draws):
            labelled = ~test & np.isin(groups, labelled_people(people, share, draw, random_state))
            learnt: dict[str, np.ndarray] = {}
            for name, given in features.items():
                if not callable(given):
                    learnt[name] = given
                elif draw == 0:
                    learnt[name] = given(labelled)
            for target in targets.columns:
                y = targets[target].to_numpy(dtype=np.float64)
                known = labelled & np.isfinite(y)
                with threadpool_limits(1, user_api="blas"):  # many small decompositions: threads would only wait
                    guesses = {name: probe(x[known], y[known], groups[known], x[test]) for name, x in learnt.items()}
                guesses[TRAINING_MEAN] = np.full(test.sum(), y[known].mean() if known.any() else np.nan)
                for name, guess in guesses.items():
                    cell = errors.setdefault((name, str(target), share), np.full((n_draws, len(y)), np.nan))
                    cell[draw, test] = np.abs(guess - y[test])
    return errors


def label_table(
    runs: Sequence[Errors], groups, n_training: int, reference: str, *, n_boot: int = 2000, random_state=None
) -> pd.DataFrame:
    """Turn the errors of all splits and seeds into one row an encoder, target and share.

    Parameters
    ----------
    runs : sequence of dict
        From `label_errors`, over the same windows.
    groups : array of shape (n_windows,)
        Participant of each window.
    n_training : int
        Training participants of a split (of the first, where folds differ by one).
    reference : str
        Encoder that the others are compared with, on the windows and draws that both have.
    n_boot, random_state
        Draws of participants for the intervals, and their seed.

    Returns
    -------
    pandas.DataFrame
        `encoder`, `target`, `share` (of one participant: 1 / n_training), `n_labelled`, `mae` with `ci95_low` and
        `ci95_high` over test participants (mean over draws and seeds), `reference`, `relative` (the reference's error
        over this one's, less 1; negative where the reference is better) with `relative_low`, `relative_high`,
        `n_windows`, `n_participants`.
    """
    seed = one_seed(random_state)
    keys = list(dict.fromkeys(key for run in runs for key in run))
    stacked = {key: np.concatenate([run[key] for run in runs if key in run]) for key in keys}
    rows = []
    for (name, target, share), errors in stacked.items():
        n_labelled = max(1, round(share * n_training))
        mae = bootstrap_mean(_over_draws(errors), groups, n_boot=n_boot, random_state=seed)
        relative: Sequence[float] = (np.nan,) * 3
        own = stacked.get((reference, target, share))
        if name != reference and own is not None and own.shape == errors.shape:
            both = np.isfinite(own) & np.isfinite(errors)
            ours, theirs = (_over_draws(np.where(both, each, np.nan)) for each in (own, errors))
            relative = bootstrap_difference(ours, theirs, groups, n_boot=n_boot, random_state=seed).relative[:3]
        row = [name, target, n_labelled / n_training, n_labelled, *mae[:3], reference, *relative]
        rows.append([*row, mae.n_windows, mae.n_participants])
    return pd.DataFrame(rows, columns=_COLUMNS)


def _over_draws(errors: np.ndarray) -> np.ndarray:
    """Mean over draws that have a value, (n_windows,); NaN where none has."""
    known = np.isfinite(errors)
    total = np.where(known, errors, 0.0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full(errors.shape[1], np.nan), where=known.any(axis=0))
