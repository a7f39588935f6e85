"""What the distilled student owes to each part of the recipe: one change at a time, written down as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from biosig.estimators import DistilledEncoder
from biosig.evaluation.bootstrap import bootstrap_difference, bootstrap_mean
from biosig.evaluation.cells import Split
from biosig.evaluation.cohort import Cohort
from biosig.evaluation.contenders import (
    ACCEL_CONTRASTIVE,
    ACCEL_MAE,
    MASKED,
    SUPERVISED,
    Trained,
    fit_teacher,
    line_up,
)
from biosig.evaluation.probe import probe
from biosig.evaluation.protocol import Budget, Training
from biosig.evaluation.results import hash_arrays
from biosig.evaluation.retrieval import top1
from biosig.evaluation.store import Store
from biosig.signals import resample
from biosig.training.augmentation import PRESETS

AS_IS = "as it is"
POOL = 64
RIVALS = (ACCEL_MAE, ACCEL_CONTRASTIVE, SUPERVISED)
"""Encoders of the recipe's size that have no teacher; smaller students are compared with them too."""
_COLUMNS = ["group", "change", "target", "mae", "ci95_low", "ci95_high"]
_COLUMNS += ["reference", "relative", "relative_low", "relative_high"]
_COLUMNS += ["top1", "top1_in_time", "pool", "n_windows", "n_participants", "reason"]


@dataclass(frozen=True)
class Ablation:
    """One change to the recipe.

    Attributes
    ----------
    group, name : str
    settings : mapping
        Parameters of `DistilledEncoder` in place of the usual ones.
    budget : mapping
        Fields of `Budget` in place of the usual ones, for teacher and student.
    change : callable, optional
        Makes another cohort of the cohort: windows, axes, rates, gates.
    paired : bool
        Whether the test windows are those of the recipe as it is, so that errors can be compared window by window.
    hard_negatives : bool
        Whether windows of the same person are put into a batch together.
    untaught : bool
        Whether the teacher comes without training of its own.
    alone : str
        Name of the encoder without a teacher, see `line_up`, that stands here in place of a student.
    references : tuple of str
        Names of the changes that this one is compared with, so far as they stand before it.
    """

    group: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    budget: Mapping[str, Any] = field(default_factory=dict)
    change: Callable[[Cohort], Cohort] | None = None
    paired: bool = True
    hard_negatives: bool = True
    untaught: bool = False
    alone: str = ""
    references: tuple[str, ...] = (AS_IS,)


def without_axes(axes: Sequence[int]) -> Callable[[Cohort], Cohort]:
    """Return what sets axes of the acceleration to zero: a sensor that does not have them."""

    def change(cohort: Cohort) -> Cohort:
        accel = cohort.accel.copy()
        accel[:, list(axes)] = 0.0
        return replace(cohort, accel=accel)

    return change


def slower(rate: float) -> Callable[[Cohort], Cohort]:
    """Return what leaves of the acceleration only what a sensor of `rate` Hz would have seen."""

    def change(cohort: Cohort) -> Cohort:
        slow = resample(cohort.accel, sampling_rate=cohort.sampling_rate, target_rate=rate)
        accel = np.asarray(resample(slow, sampling_rate=rate, target_rate=cohort.sampling_rate), dtype=np.float32)
        n = cohort.accel.shape[2]
        return replace(cohort, accel=np.ascontiguousarray(np.pad(accel, ((0, 0), (0, 0), (0, n)), "edge")[:, :, :n]))

    return change


def stiller(max_motion: float) -> Callable[[Cohort], Cohort]:
    """Return what moves the motion gate (g), in training and test."""

    def change(cohort: Cohort) -> Cohort:
        gate = replace(cohort.gate, max_motion=max_motion)
        table = cohort.table.assign(
            still=(cohort.table["motion"] <= max_motion)
            & (cohort.table["valid"] >= gate.min_valid)
            & (cohort.table["ppg_quality"] >= gate.min_ppg_quality)
            & ~(cohort.table["non_wear"] > gate.max_non_wear)
        )
        return replace(cohort, table=table, gate=gate)

    return change


def shorter(seconds: float) -> Callable[[Cohort], Cohort]:
    """Return what keeps the middle of each window; targets stay those of the whole window."""

    def change(cohort: Cohort) -> Cohort:
        n, whole = round(seconds * cohort.sampling_rate), cohort.accel.shape[2]
        if n > whole:
            raise ValueError(f"{seconds:g} s were asked of windows of {cohort.length:g} s; expected less")
        middle = slice((whole - n) // 2, (whole - n) // 2 + n)
        cut = lambda x: np.ascontiguousarray(x[:, :, middle])
        table = cohort.table.assign(start=cohort.table["start"] + middle.start / cohort.sampling_rate)
        return replace(cohort, accel=cut(cohort.accel), ppg=cut(cohort.ppg), table=table, length=float(seconds))

    return change


def _augment_without(name: str) -> dict[str, Any]:
    """The usual augmentation of both sensors with one change off."""
    off: dict[str, Any] = {name: 0.0}
    return {"augment": {sensor: replace(usual, **off) for sensor, usual in PRESETS.items()}}


ABLATIONS: tuple[Ablation, ...] = (
    Ablation("recipe", AS_IS),
    Ablation("augmentation", "none", {"augment": False}),
    *(
        Ablation("augmentation", f"without {name.replace('_', ' ')}", _augment_without(name))
        for name in ("cut_out", "magnitude_warp", "noise", "permutation", "time_warp", "rotation")
    ),
    *(Ablation("temperature", f"{value:g}", {"temperature": value}) for value in (0.01, 0.1, 0.3)),
    *(Ablation("batch size", str(value), {"batch_size": value}) for value in (16, 32, 128)),
    Ablation("objective", "nothing compared in time", {"time_weight": 0.0}),
    Ablation("objective", "tokens regressed too", {"token_weight": 1.0}),
    Ablation("objective", "L2", {"objective": "l2"}),
    Ablation("objective", "cosine", {"objective": "cosine"}),
    Ablation("negatives", "none of the same person on purpose", hard_negatives=False),
    Ablation("front end", "samples", {"front_end": "samples"}),
    Ablation("family", "transformer", {"architecture": "transformer"}),
    Ablation("family", "efficientnet", {"architecture": "efficientnet"}),
    *(Ablation("without a teacher", name, alone=name) for name in RIVALS),
    *(Ablation("size", size, {"size": size}, references=(AS_IS, *RIVALS)) for size in ("micro", "mini")),
    Ablation("size", "small", {"size": "small"}),
    Ablation("teacher", "trained on with the student", {"joint": True}),
    Ablation("teacher", "trained with the student from scratch", {"joint": True}, untaught=True),
    Ablation("axes", "z left out", change=without_axes([2])),
    Ablation("axes", "x alone", change=without_axes([1, 2])),
    Ablation("sampling rate", "32 Hz", change=slower(32.0)),
    Ablation("sampling rate", "25 Hz", change=slower(25.0)),
    Ablation("sampling rate", "16 Hz", change=slower(16.0)),
    Ablation("window", "30 s", change=shorter(30.0)),
    Ablation("window", "15 s", change=shorter(15.0)),
    *(Ablation("gate", f"{1000 * g:g} mg", change=stiller(g), paired=False) for g in (0.01, 0.02, 0.1)),
)
"""One change at a time; the first entry is what the others are compared with."""


def _student(ablation: Ablation) -> Callable[[Training, dict[str, Any]], Any]:
    def make(training: Training, settings: dict[str, Any]):
        if ablation.untaught:
            teacher = fit_teacher(training, MASKED, replace(training.budget, n_steps=0))
        else:
            teacher = training.teacher(MASKED)
        student = DistilledEncoder(teacher, **settings)
        together = {"groups": training.groups, "starts": training.starts} if ablation.hard_negatives else {}
        return student.fit(training.accel, training.ppg, **together)

    return make


def _entry(ablation: Ablation) -> Trained:
    """Who is trained; without a bar of its own, as one runs over all changes."""
    quiet = {**ablation.settings, "verbose": 0}
    if not ablation.alone:
        return Trained(name=f"{ablation.group}: {ablation.name}", make=_student(ablation), settings=quiet)
    entry = next(entry for entry in line_up(full=True) if entry.name == ablation.alone)
    return replace(cast(Trained, entry), settings=quiet)


def run_ablations(
    cohort: Cohort,
    split: np.ndarray,
    store: Store,
    *,
    budget: Budget,
    ablations: Sequence[Ablation] = ABLATIONS,
    n_seeds: int = 1,
    n_boot: int = 1000,
    random_state: int = 0,
) -> pd.DataFrame:
    """Distil once for each change and seed, and compare the errors with those of the recipe as it is.

    Parameters
    ----------
    cohort : Cohort
    split : array of int, shape (n_windows,)
        0 where a window is tested, -1 where it is trained on.
    store : Store
        Where finished students are kept.
    budget : Budget
    ablations : sequence of Ablation
        The first is the recipe, named `AS_IS`, that the others are compared with.
    n_seeds, random_state
        Trainings of each, and the first seed.
    n_boot : int
        Draws of participants for the intervals.

    Returns
    -------
    pandas.DataFrame
        One row a change, target and reference: `group`, `change`, `target`, `mae` with interval, `reference` (the
        change compared with), `relative` (this error over that of the reference, less 1; positive where the change
        does harm) with interval where both have the same windows, `top1` of retrieval across people at `pool`, by
        pooled embeddings and `top1_in_time` (NaN where there are fewer windows or no teacher), `n_windows`,
        `n_participants`, `reason` where it failed.
    """
    errors: dict[str, dict[str, np.ndarray]] = {}
    rows = []
    for ablation in tqdm(ablations, desc="ablations", unit="change"):
        try:
            changed = cohort if ablation.change is None else ablation.change(cohort)
            found = [
                _one(changed, split, store, replace(budget, **ablation.budget), ablation, random_state + number)
                for number in range(n_seeds)
            ]
        except (ValueError, FloatingPointError) as failure:
            tqdm.write(f"{ablation.group}, {ablation.name}: left out ({failure})")
            for target in cohort.targets.columns:
                row = [ablation.group, ablation.name, target, *[np.nan] * 3, AS_IS, *[np.nan] * 5, POOL, 0, 0]
                rows.append([*row, str(failure)])
            continue
        tops = np.mean([top for _, top in found], axis=0)
        for target in cohort.targets.columns:
            error = np.mean([each[target] for each, _ in found], axis=0)
            mae = bootstrap_mean(error, cohort.participants, n_boot=n_boot, random_state=random_state)
            before = errors.setdefault(target, {})
            for reference in ablation.references:
                relative: Sequence[float] = (np.nan,) * 3
                if ablation.paired and reference in before:
                    gap = bootstrap_difference(
                        error, before[reference], cohort.participants, n_boot=n_boot, random_state=random_state
                    )
                    relative = gap.relative[:3]
                row = [ablation.group, ablation.name, target, *mae[:3], reference, *relative, *tops, POOL]
                rows.append([*row, mae.n_windows, mae.n_participants, ""])
            before.setdefault(ablation.name, error)
    return pd.DataFrame(rows, columns=_COLUMNS)


def _one(cohort: Cohort, split, store: Store, budget: Budget, ablation: Ablation, seed: int):
    """Absolute errors (n_windows,) per target of one student, and its top-1 at `POOL`: pooled, and in time."""
    usable = np.flatnonzero(cohort.still)
    if not len(usable[split[usable] < 0]) or not len(usable[split[usable] >= 0]):
        raise ValueError("no window passes this gate in training or test")
    train, test = usable[split[usable] < 0], usable[split[usable] >= 0]
    # The store's facts name the cohort as it was given; what was changed in it is part of the key.
    data = hash_arrays([cohort.accel]) if ablation.change is not None else ""
    changed = Store(store.folder, **store.facts, changed=data) if data else store
    part = Split(cohort, train, usable, test, budget, seed, changed)
    cell = part.cell(_entry(ablation))
    if cell.reason or cell.features is None:
        raise ValueError(cell.reason)
    held = np.isin(usable, test)
    errors = {}
    for target in cohort.targets.columns:
        y = cohort.table[target].to_numpy()
        with threadpool_limits(1, user_api="blas"):  # many small decompositions: threads would only wait
            guess = probe(cell.features[~held], y[train], cohort.participants[train], cell.features[held])
        errors[target] = np.full(len(y), np.nan)
        errors[target][test] = np.abs(guess - y[test])
    people = cohort.participants[test]
    spaces = [{sensor: rows[held] for sensor, rows in cell.shared.items()}, cell.timed]
    return errors, [top1(space["accel"], space["ppg"], people, POOL) if space else np.nan for space in spaces]
