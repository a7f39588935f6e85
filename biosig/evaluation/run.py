"""A comparison from a cohort to tables: every contender, every split and every seed, then all that is read off them."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from biosig.evaluation.cells import Cell, Split
from biosig.evaluation.cohort import Cohort
from biosig.evaluation.contenders import MASKED, STUDENT, line_up, members_by_family
from biosig.evaluation.gather import Gathered
from biosig.evaluation.label_efficiency import Errors, label_errors, label_table
from biosig.evaluation.measure import measure
from biosig.evaluation.protocol import Budget, Contender
from biosig.evaluation.report import write_report
from biosig.evaluation.results import Results, collect_provenance, hash_arrays
from biosig.evaluation.store import Store
from biosig.evaluation.tables import results_text

CELLS = "cells"


def run(
    cohort: Cohort,
    split: np.ndarray,
    out: Path,
    *,
    budget: Budget,
    entries: Sequence[Contender] | None = None,
    label_shares: Sequence[float] = (),
    n_seeds: int = 1,
    gates: Sequence[float] = (),
    random_state: int = 0,
    skipped: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
    title: str = "biosig",
) -> Results:
    """Compare all contenders on a cohort, see `compare_contenders`; print the tables and write the report.

    Parameters
    ----------
    cohort, split, out, budget, entries, label_shares, n_seeds, gates, random_state
        See `compare_contenders`.
    skipped : sequence of (name, reason)
        Recordings left out.
    notes : sequence of str
        For the reader of the report.
    title : str

    Returns
    -------
    results : Results
    """
    results = compare_contenders(
        cohort,
        split,
        out,
        budget=budget,
        entries=entries,
        label_shares=label_shares,
        n_seeds=n_seeds,
        gates=gates,
        random_state=random_state,
    )
    results.notes = [*notes, *results.notes]
    results.skipped = [f"{name}: {reason}" for name, reason in skipped]
    results.title = title
    write_report(out, results)
    print(results_text(results))
    if results.skipped:
        print(f"\n{len(results.skipped)} recording(s) left out:")
        print("\n".join(f"  {line}" for line in results.skipped))
    print(f"\n{out / 'report.html'}\n{out / 'results.json'}")
    return results


def compare_contenders(
    cohort: Cohort,
    split: np.ndarray,
    out: Path,
    *,
    budget: Budget,
    entries: Sequence[Contender] | None = None,
    label_shares: Sequence[float] = (),
    n_seeds: int = 1,
    gates: Sequence[float] = (),
    random_state: int = 0,
) -> Results:
    """Train all contenders on a cohort and measure what they learnt.

    What is finished is kept in ``out/cells`` and not computed again by a later run of the same data, settings and code.

    Parameters
    ----------
    cohort : Cohort
    split : array of shape (n_windows,)
        Number of the fold in which each window is tested, -1 where it is only ever trained on.
    out : path
        Folder for the outputs.
    budget : Budget
    entries : sequence of Contender, optional
        Who takes part, see `line_up`; the others are compared with the first.
    label_shares : sequence of float
        Shares of labelled participants to probe with, see `biosig.evaluation.label_efficiency`; none by default, as a
        supervised encoder is trained for each.
    n_seeds : int
        Times everything is trained anew, from ``random_state`` upwards.
    gates : sequence of float
        Motion gates (g) at which errors and coverage are told besides. All training, and the rest of the comparison,
        is at the gate of the cohort, so that a narrower one costs no cell.
    random_state : int

    Returns
    -------
    results : Results

    Raises
    ------
    ValueError
        For a gate wider than the cohort's; when too few people have windows past the gate, or a person is in training
        and test.
    """
    began = time.perf_counter()
    entries = line_up() if entries is None else list(entries)
    check_enough(cohort, split)
    check_gates(gates, cohort)
    usable = np.flatnonzero(cohort.still)
    data_hash = hash_arrays([cohort.accel, cohort.ppg, cohort.targets.to_numpy(), cohort.participants])
    store = Store(out / CELLS, data=data_hash)
    gathered = Gathered(cohort, split, n_seeds)
    histories: dict[str, dict] = {}
    label_runs = []
    for number in range(n_seeds):
        for fold in gathered.folds:
            _announce(number, n_seeds, fold, len(gathered.folds))
            train, test = usable[split[usable] != fold], usable[split[usable] == fold]
            part = Split(cohort, train, usable, test, budget, random_state + number, store)
            cells = {entry.name: part.cell(entry) for entry in entries}
            gathered.add(cells, usable, fold, number)
            if label_shares:
                label_runs.append(_label_errors(part, entries, cells, label_shares))
            if number == 0:
                histories = {name: cell.history for name, cell in cells.items() if cell.history.get("loss")}
                _keep_encoders(part, entries, out, len(gathered.folds))
    results = measure(
        gathered,
        entries[0].name,
        ceilings=[entry.name for entry in entries if entry.sees == "ppg"],
        members=members_by_family(entries, budget.architecture),
        gates=gates,
        random_state=random_state,
    )
    if label_runs:
        n_training = round(
            np.mean([len(np.unique(cohort.participants[usable[split[usable] != f]])) for f in gathered.folds])
        )
        results.label_efficiency = label_table(
            label_runs, cohort.participants, n_training, entries[0].name, random_state=random_state
        )
    results.training = histories
    results.provenance = collect_provenance(
        command=shlex.join(["biosig", *sys.argv[1:]]),
        seed=random_state,
        seeds=[random_state + number for number in range(n_seeds)],
        data_hash=data_hash,
        n_windows=len(cohort.table),
        n_still=int(cohort.still.sum()),
        n_participants=len(np.unique(cohort.participants)),
        gate=asdict(cohort.gate),
        budget=asdict(budget),
        minutes=round((time.perf_counter() - began) / 60, 1),
    )
    results.notes = list(cohort.notes)
    return results


def _label_errors(part: Split, entries: Sequence[Contender], cells: dict[str, Cell], shares) -> Errors:
    """Errors of one split with ever more labels, over all windows of the cohort."""
    cohort, use = part.cohort, part.use
    features: dict = {name: cell.features for name, cell in cells.items() if cell.features is not None}
    for entry in entries:
        if entry.learns_from_labels and entry.name in features:
            features[entry.name] = lambda labelled, entry=entry: part.on(use[labelled]).cell(entry).features
    test = np.isin(use, part.test)
    found = label_errors(
        {name: given for name, given in features.items() if not cells[name].reason},
        cohort.targets.iloc[use].reset_index(drop=True),
        cohort.participants[use],
        test,
        shares=shares,
        random_state=part.random_state,
    )
    placed: Errors = {}
    for key, errors in found.items():
        placed[key] = np.full((len(errors), len(cohort.table)), np.nan)
        placed[key][:, use] = errors
    return placed


def _announce(number: int, n_seeds: int, fold: int, n_folds: int) -> None:
    where = [f"seed {number + 1} of {n_seeds}"] if n_seeds > 1 else []
    where += [f"split {fold + 1} of {n_folds}"] if n_folds > 1 else []
    tqdm.write(", ".join(where) or "training")


def _keep_encoders(part: Split, entries: Sequence[Contender], out: Path, n_folds: int) -> None:
    """Put student and teacher where a user looks for them; with folds there is no single one."""
    student = next((entry for entry in entries if entry.name == STUDENT), None)
    if n_folds > 1 or student is None:
        return
    for name, folder in (("student", part.folder(student)), ("teacher", part.teacher_folder(MASKED))):
        if folder.is_dir():
            shutil.copytree(folder, out / name, dirs_exist_ok=True)


def check_gates(gates: Sequence[float], cohort: Cohort) -> None:
    """Refuse gates that are wider than what is trained and tested on."""
    wide = [f"{1000 * gate:g}" for gate in gates if gate > cohort.gate.max_motion]
    if wide:
        raise ValueError(
            f"the gate(s) {', '.join(wide)} mg are wider than that of the windows, {1000 * cohort.gate.max_motion:g} mg"
        )


def check_enough(cohort: Cohort, split: np.ndarray) -> None:
    """Refuse before training what cannot be trained or tested, and what would be tested on its training people."""
    sides = pd.Series(split).groupby(cohort.participants).nunique()
    torn = [str(name) for name in sides.index[sides > 1]]
    if torn:
        raise ValueError(
            f"{len(torn)} participant(s) are in training and test at once: {', '.join(torn[:8])}; split by participant"
        )
    for fold in np.unique(split[split >= 0]):
        for which, mask in (("training", split != fold), ("test", split == fold)):
            people = np.unique(cohort.participants[mask & cohort.still])
            needed = 2 if which == "training" else 1
            if len(people) < needed:
                gate = cohort.gate
                raise ValueError(
                    f"{len(people)} {which} participant(s) have windows past the gate, {needed} needed (motion at most "
                    f"{1000 * gate.max_motion:g} mg, at least {100 * gate.min_valid:g} % of the samples, PPG quality "
                    f"at least {gate.min_ppg_quality:g}): give more people, or loosen the gate"
                )
