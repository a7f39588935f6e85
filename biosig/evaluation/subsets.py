"""The comparison again in parts: windows below a motion gate, windows of some people, encoders of one family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from biosig.evaluation.bootstrap import bootstrap_difference, bootstrap_mean, one_seed
from biosig.evaluation.breakdown import per_window
from biosig.evaluation.compare import Comparison

_FOUND = ["mae", "ci95_low", "ci95_high", "reference", "relative", "relative_low", "relative_high"]
_FOUND += ["n_windows", "n_participants"]


def errors_on(
    comparison: Comparison,
    parts: Mapping[Any, np.ndarray],
    column: str,
    *,
    n_boot: int = 2000,
    random_state=None,
) -> pd.DataFrame:
    """Errors of every encoder on parts of the test windows, and the reference's against each of them.

    Nothing is fitted anew: the encoders and probes are those of the whole comparison.

    Parameters
    ----------
    comparison : Comparison
    parts : mapping of label to array of int
        Numbers of the windows of each part.
    column : str
        Name of the column for the labels.
    n_boot, random_state
        Draws of participants for the intervals, and their seed.

    Returns
    -------
    pandas.DataFrame
        One row an encoder, target and part with an error in it: `encoder`, `target`, `column`, `mae` with `ci95_low`
        and `ci95_high`, `reference`, `relative` (the reference's error over this one's on the windows of both, less 1)
        with `relative_low` and `relative_high`, `n_windows`, `n_participants`.
    """
    seed, rows = one_seed(random_state), []
    for target, found in per_window(comparison.predictions).groupby("target", sort=False):
        errors = found.pivot(index="window", columns="encoder", values="absolute")
        people = found.drop_duplicates("window").set_index("window")["participant"].reindex(errors.index).to_numpy()
        for label, windows in parts.items():
            here = np.isin(errors.index, windows)
            part, groups = errors[here], people[here]
            for name in found["encoder"].unique():
                error = part[name].to_numpy()
                mae = bootstrap_mean(error, groups, n_boot=n_boot, random_state=seed)
                relative: Sequence[float] = (np.nan,) * 3
                if name != comparison.reference and comparison.reference in part:
                    own = part[comparison.reference].to_numpy()
                    relative = bootstrap_difference(own, error, groups, n_boot=n_boot, random_state=seed).relative[:3]
                if mae.n_windows:
                    rows.append([name, target, label, *mae[:3], comparison.reference, *relative, *mae[3:]])
    return pd.DataFrame(rows, columns=["encoder", "target", column, *_FOUND])


def errors_by_gate(
    comparison: Comparison,
    motion: np.ndarray,
    n_offered: int,
    gates: Sequence[float],
    *,
    n_boot: int = 2000,
    random_state=None,
) -> pd.DataFrame:
    """Errors below each motion gate, and how much of the day each leaves.

    Parameters
    ----------
    comparison : Comparison
        Trained and tested at the widest gate.
    motion : array of shape (n_windows,)
        Motion level of each window in g.
    n_offered : int
        Test windows before any gate.
    gates : sequence of float
        g; a window at the gate passes it.
    n_boot, random_state
        See `errors_on`.

    Returns
    -------
    pandas.DataFrame
        As `errors_on` returns it, with `gate` (g) and `coverage`, the share of the windows offered with an error.
    """
    parts = {float(gate): np.flatnonzero(motion <= gate) for gate in sorted(gates)}
    table = errors_on(comparison, parts, "gate", n_boot=n_boot, random_state=random_state)
    return table.assign(coverage=table["n_windows"] / n_offered)


def errors_by_family(
    comparison: Comparison, members: Mapping[str, Mapping[str, str]], *, n_boot: int = 2000, random_state=None
) -> pd.DataFrame:
    """Errors of the encoders of each family, compared with the first of their own.

    Parameters
    ----------
    comparison : Comparison
    members : mapping of str to mapping of str to str
        Per family its encoders: name in the comparison, and name that all families share.
    n_boot, random_state
        See `errors_on`.

    Returns
    -------
    pandas.DataFrame
        As `errors_on` returns it, with `family`, and the shared names as `encoder` and `reference`.
    """
    tables = []
    for family, names in members.items():
        predictions = comparison.predictions[comparison.predictions["encoder"].isin(names)]
        own = replace(comparison, predictions=predictions, reference=next(iter(names)))
        windows = {family: predictions["window"].unique()}
        tables.append(
            errors_on(own, windows, "family", n_boot=n_boot, random_state=random_state).replace(
                {"encoder": dict(names), "reference": dict(names)}
            )
        )
    return pd.concat(tables, ignore_index=True)
