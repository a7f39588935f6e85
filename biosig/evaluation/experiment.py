"""The main job from recordings to report: where the recordings come from and who is tested."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from biosig._files import check_regular, check_target_folder
from biosig.evaluation.cohort import collect, with_labels
from biosig.evaluation.contenders import Saved, line_up, line_up_saved
from biosig.evaluation.probe import participant_folds
from biosig.evaluation.protocol import Budget, Contender
from biosig.evaluation.results import Results
from biosig.evaluation.run import run
from biosig.evaluation.sources import read_people
from biosig.recordings import simulate_cohort
from biosig.signals import Gate

DEMO_STEPS = 500
DEMO_SEEDS, DEMO_SHARES = 5, (0.0, 0.1, 0.5, 1.0)
"""Of the full comparison, to fit an hour on two cores: 8 trainings a seed, and one for each share but the last."""
EXPERIMENT_STEPS = 300
TEST_SHARE = 0.2
MAX_LABEL_BYTES = 64 * 2**20


def demo(
    out: Path,
    *,
    n_participants: int,
    duration: float,
    device: str = "watch",
    architectures: Sequence[str] = ("conv",),
    n_steps: int | None = None,
    full: bool = False,
    own: Sequence[Contender] = (),
    label_shares: Sequence[float] = (),
    n_seeds: int = 1,
    gates: Sequence[float] = (0.05,),
    random_state: int = 0,
) -> Results:
    """Run the whole method on a simulated cohort and write the report.

    Parameters
    ----------
    out : path
        Folder for ``results.json``, ``report.html`` and the encoders.
    n_participants : int
        Simulated people; a fifth of them is held out.
    duration : float
        Of each recording (s).
    device : str
        Simulated sensor, see `biosig.simulate_cohort`.
    architectures : sequence of {"conv", "efficientnet", "transformer"}
        Families of encoder; the first one is that of the reference.
    n_steps : int, optional
        Training steps of each encoder.
    full : bool
        Compare the costly variants as well, see `line_up`.
    own : sequence of Contender
        Further entries.
    label_shares : sequence of float
        Shares of labelled participants to probe with as well, see `biosig.evaluation.label_efficiency`.
    n_seeds : int
        Times everything is trained anew.
    gates : sequence of float
        Stillness gates in g: training is at the widest, errors and coverage are told at each.
    random_state : int

    Returns
    -------
    results : Results
    """
    if n_participants < 5:
        raise ValueError(f"{n_participants} participants; the demo needs at least 5, to hold some of them out")
    entries = line_up(full=full, architectures=architectures, own=own)
    check_target_folder(out, "the results")
    recordings = simulate_cohort(n_participants, duration, device=device, random_state=random_state, progress=True)
    cohort, skipped = collect(recordings, gate=_widest(gates))
    people = np.unique(cohort.participants)
    held_out = np.random.default_rng(random_state).permutation(people)[: max(1, round(TEST_SHARE * len(people)))]
    return run(
        cohort,
        np.where(np.isin(cohort.participants, held_out), 0, -1),
        out,
        budget=Budget(architecture=architectures[0], n_steps=DEMO_STEPS if n_steps is None else n_steps),
        entries=entries,
        label_shares=label_shares,
        n_seeds=n_seeds,
        gates=gates,
        random_state=random_state,
        skipped=skipped,
        notes=[
            "Simulated people: the physics is known and modest (a beat-locked oscillation of a few mg at the wrist), "
            "so these figures say that the method works, not how well it works on your device.",
        ],
        title="biosig demo: a simulated cohort",
    )


def experiment(
    train: Sequence[Path],
    test: Sequence[Path],
    out: Path,
    *,
    n_folds: int = 5,
    stride: float = 30.0,
    architectures: Sequence[str] = ("conv",),
    n_steps: int | None = None,
    same_people: bool = False,
    labels: Path | None = None,
    full: bool = True,
    own: Sequence[Contender] = (),
    label_shares: Sequence[float] = (),
    n_seeds: int = 1,
    gates: Sequence[float] = (0.01, 0.02, 0.05),
    random_state: int = 0,
) -> Results:
    """Run the comparison on recordings and write the report.

    Parameters
    ----------
    train, test : sequences of path
        Folders of recordings. Without `test`, participant-wise folds over `train`.
    out : path
        Folder for ``results.json`` and ``report.html``.
    n_folds : int
        Folds without `test`.
    stride : float
        Seconds between the starts of windows of 60 s. Neighbours that overlap are never negatives of each other, and
        people never stand on both sides of a split.
    architectures, n_steps, full, own, label_shares, n_seeds, gates
        See `demo`.
    same_people : bool
        Whether a participant of the same name in two folders is the same person.
    labels : path, optional
        CSV file with a column ``participant`` and one column a label, see `biosig.evaluation.cohort.with_labels`.
    random_state : int

    Returns
    -------
    results : Results

    Raises
    ------
    ValueError
        No recording can be used; training and test share a person or a recording.
    """
    return _on_recordings(
        train,
        test,
        out,
        n_folds=n_folds,
        stride=stride,
        same_people=same_people,
        labels=labels,
        gates=gates,
        budget=Budget(architecture=architectures[0], n_steps=EXPERIMENT_STEPS if n_steps is None else n_steps),
        entries=line_up(full=full, architectures=architectures, own=own),
        label_shares=label_shares,
        n_seeds=n_seeds,
        random_state=random_state,
        title="biosig experiment",
    )


def evaluate(
    encoders: Sequence[str | Path],
    train: Sequence[Path],
    test: Sequence[Path],
    out: Path,
    *,
    n_folds: int = 5,
    stride: float = 30.0,
    same_people: bool = False,
    labels: Path | None = None,
    label_shares: Sequence[float] = (),
    gates: Sequence[float] = (0.01, 0.02, 0.05),
    random_state: int = 0,
) -> Results:
    """Measure encoders that were trained before on recordings; only the probes are fitted.

    Parameters
    ----------
    encoders : sequence of str or path
        Folders written by ``save``, or names of shipped encoders. Windows are cut as they take them; the first encoder
        of acceleration is the reference.
    train : sequences of path
        Folders of recordings on whose labels the probes are fitted.
    test, out, n_folds, stride, same_people, labels, label_shares, gates, random_state
        See `experiment`.

    Returns
    -------
    results : Results

    Raises
    ------
    ValueError
        As `experiment`, and for encoders that take different windows.
    """
    entries = line_up_saved(encoders)
    config = next(entry for entry in entries if isinstance(entry, Saved)).encoder.config_
    return _on_recordings(
        train,
        test,
        out,
        n_folds=n_folds,
        stride=stride,
        same_people=same_people,
        labels=labels,
        gates=gates,
        sampling_rate=config["sampling_rate"],
        length=config["n_samples"] / config["sampling_rate"],
        budget=Budget(n_steps=0),
        entries=entries,
        label_shares=label_shares,
        random_state=random_state,
        title="biosig evaluate",
    )


def _on_recordings(
    train: Sequence[Path],
    test: Sequence[Path],
    out: Path,
    *,
    n_folds: int,
    same_people: bool,
    labels: Path | None,
    gates: Sequence[float],
    stride: float,
    sampling_rate: float = 64.0,
    length: float = 60.0,
    **comparison,
) -> Results:
    """Read and cut the recordings, split the people, and `run` the comparison."""
    check_target_folder(out, "the results")
    table = None if labels is None else _read_labels(labels)
    recordings, tested, skipped, notes = read_people(train, test, same_people=same_people)
    cohort, too_short = collect(
        recordings, gate=_widest(gates), stride=stride, sampling_rate=sampling_rate, length=length
    )
    del recordings
    if table is not None:
        cohort = with_labels(cohort, table)
    if test:
        split = np.where(np.isin(cohort.participants, sorted(tested)), 0, -1)
        if not (split == 0).any() or not (split == -1).any():
            which = "test" if not (split == 0).any() else "training"
            raise ValueError(f"not one {which} recording can be used ({too_short[0][0]}: {too_short[0][1]})")
    else:
        if len(np.unique(cohort.participants)) < 2:
            left_out = "; ".join(f"{name}: {reason}" for name, reason in [*skipped, *too_short][:3])
            raise ValueError(
                "recordings of 1 participant can be used, folds need 2 or more: give more people, or --test folders"
                + (f" (left out: {left_out})" if left_out else "")
            )
        split = participant_folds(cohort.participants, n_folds)
    return run(cohort, split, out, gates=gates, skipped=[*skipped, *too_short], notes=notes, **comparison)


def _read_labels(path: Path) -> pd.DataFrame:
    """Read the table of labels; an ordinary file of text, or ValueError names it."""
    check_regular(path, MAX_LABEL_BYTES)
    try:
        return pd.read_csv(path, dtype={"participant": str})
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as a CSV file of labels ({error})") from None


def _widest(gates: Sequence[float]) -> Gate:
    """The gate of the windows that are used at all."""
    if not gates:
        raise ValueError("no gate was given; expected one or more in g, such as 0.05")
    return Gate(max_motion=max(gates))
