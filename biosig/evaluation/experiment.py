"""The main job from recordings to report: windows, teacher, student, comparisons, on people not seen in training."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from biosig.evaluation.cohort import TARGETS, Cohort, collect
from biosig.evaluation.compare import Prediction, compare
from biosig.evaluation.contenders import ACCEL_MAE, MOTION, STUDENT, SUPERVISED, Budget, Contenders, train_contenders
from biosig.evaluation.probe import participant_folds, probe
from biosig.evaluation.report import write_report
from biosig.evaluation.results import Results, collect_provenance, hash_arrays
from biosig.evaluation.retrieval import control_queries, retrieval
from biosig.evaluation.sources import read_people
from biosig.evaluation.tables import results_text
from biosig.heart import detect_beats
from biosig.recordings import simulate_cohort
from biosig.signals import Gate

DEMO_STEPS = 500
EXPERIMENT_STEPS = 300
TEST_SHARE = 0.2
UNITS = {"heart_rate": "beats/min", "sdnn": "ms", "rmssd": "ms"}


def demo(
    out: Path,
    *,
    n_participants: int,
    duration: float,
    device: str = "watch",
    architecture: str = "conv",
    n_steps: int | None = None,
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
    architecture : {"conv", "efficientnet", "transformer"}
    n_steps : int, optional
        Training steps of each encoder.
    random_state : int

    Returns
    -------
    results : Results
    """
    if n_participants < 5:
        raise ValueError(f"{n_participants} participants; the demo needs at least 5, to hold some of them out")
    _check_folder(out)
    recordings = simulate_cohort(n_participants, duration, device=device, random_state=random_state, progress=True)
    cohort, skipped = collect(recordings, gate=Gate())
    people = np.unique(cohort.participants)
    held_out = np.random.default_rng(random_state).permutation(people)[: max(1, round(TEST_SHARE * len(people)))]
    return run(
        cohort,
        np.where(np.isin(cohort.participants, held_out), 0, -1),
        out,
        budget=Budget(architecture=architecture, n_steps=DEMO_STEPS if n_steps is None else n_steps),
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
    max_motion: float = 0.05,
    architecture: str = "conv",
    n_steps: int | None = None,
    same_people: bool = False,
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
    max_motion : float
        Stillness gate in g, in training and test.
    architecture : {"conv", "efficientnet", "transformer"}
    n_steps : int, optional
        Training steps of each encoder.
    same_people : bool
        Whether a participant of the same name in two folders is the same person.
    random_state : int

    Returns
    -------
    results : Results

    Raises
    ------
    ValueError
        No recording can be used; training and test share a person or a recording.
    """
    _check_folder(out)
    recordings, tested, skipped, notes = read_people(train, test, same_people=same_people)
    cohort, too_short = collect(recordings, gate=Gate(max_motion=max_motion), stride=stride)
    del recordings
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
    return run(
        cohort,
        split,
        out,
        budget=Budget(architecture=architecture, n_steps=EXPERIMENT_STEPS if n_steps is None else n_steps),
        random_state=random_state,
        skipped=[*skipped, *too_short],
        notes=notes,
        title="biosig experiment",
    )


def run(
    cohort: Cohort,
    split: np.ndarray,
    out: Path,
    *,
    budget: Budget,
    random_state: int = 0,
    skipped: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
    title: str = "biosig",
) -> Results:
    """Train and compare all encoders on a cohort; print the table and write the report.

    Parameters
    ----------
    cohort : Cohort
    split : array of shape (n_windows,)
        Number of the fold in which each window is tested, -1 where it is only ever trained on.
    out : path
        Folder for the outputs.
    budget : Budget
    random_state : int
    skipped : sequence of (name, reason)
        Recordings left out.
    notes : sequence of str
        For the reader of the report.
    title : str

    Returns
    -------
    results : Results
    """
    began = time.perf_counter()
    usable = np.flatnonzero(cohort.still)
    _check_enough(cohort, split)
    values: dict[str, dict[str, np.ndarray]] = {}
    shared: dict[str, np.ndarray] = {}
    contenders = Contenders()
    folds = [fold for fold in np.unique(split) if fold >= 0]
    for fold in folds:
        tqdm.write(f"split {fold + 1} of {len(folds)}" if len(folds) > 1 else "training")
        train = usable[split[usable] != fold]
        contenders = train_contenders(cohort, train, usable, budget, random_state)
        _predict(contenders, cohort, usable, split[usable] == fold, values)
        _place(contenders, cohort, usable, split[usable] == fold, shared)

    tested = split >= 0
    comparison = compare(
        {name: Prediction(columns) for name, columns in values.items()},
        cohort.table[list(TARGETS)],
        cohort.participants,
        **({"folds": split} if (split >= 0).all() else {"train": ~tested, "test": tested}),
        passed=cohort.still,
        motion=cohort.table["motion"].to_numpy(),
        reference=STUDENT,
        rivals=(ACCEL_MAE, SUPERVISED),
        random_state=random_state,
        units=UNITS,
    )
    found = {}
    rows = np.flatnonzero(cohort.still & tested)
    for name, queries in (("distilled student", "accel"), ("motion level alone", "motion")):
        found[name] = retrieval(
            shared[queries][rows],
            shared["ppg"][rows],
            groups=cohort.participants[rows],
            sessions=cohort.table["session"].to_numpy()[rows],
            starts=cohort.table["start"].to_numpy()[rows],
            folds=split[rows],
            length=cohort.length,
            random_state=random_state,
        )
    results = Results(
        comparison=comparison,
        retrieval=found,
        training=contenders.histories,
        example=_example(cohort, rows),
        provenance=collect_provenance(
            command=shlex.join(["biosig", *sys.argv[1:]]),
            seed=random_state,
            data_hash=hash_arrays([cohort.accel, cohort.ppg]),
            n_windows=len(cohort.table),
            n_still=int(cohort.still.sum()),
            n_participants=len(np.unique(cohort.participants)),
            gate=asdict(cohort.gate),
            budget=asdict(budget),
            minutes=round((time.perf_counter() - began) / 60, 1),
        ),
        notes=list(notes),
        skipped=[f"{name}: {reason}" for name, reason in skipped],
        title=title,
    )
    if len(folds) == 1 and contenders.student is not None:
        contenders.student.teacher_.save(out / "teacher")
        contenders.student.save(out / "student")
    write_report(out, results)
    print(results_text(results))
    if results.skipped:
        print(f"\n{len(results.skipped)} recording(s) left out:")
        print("\n".join(f"  {line}" for line in results.skipped))
    print(f"\n{out / 'report.html'}\n{out / 'results.json'}")
    return results


def _check_folder(out: Path) -> None:
    """Fail before hours of work, not after: the folder must be there, or be possible to make, and take a file."""
    out.mkdir(parents=True, exist_ok=True)
    probe_file = out / ".biosig-can-write"
    probe_file.touch()
    probe_file.unlink()


def _check_enough(cohort: Cohort, split: np.ndarray) -> None:
    """Refuse before training what cannot be trained or tested."""
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


def _predict(contenders: Contenders, cohort: Cohort, usable, test, values) -> None:
    """Probe every embedding for every target; write the predictions of the test windows into `values`."""
    people = cohort.participants[usable]
    for name, features in contenders.features.items():
        for target in TARGETS:
            column = values.setdefault(name, {}).setdefault(target, np.full(len(cohort.table), np.nan))
            y = cohort.table[target].to_numpy()[usable]
            column[usable[test]] = probe(features[~test], y[~test], people[~test], features[test])


def _place(contenders: Contenders, cohort: Cohort, usable, test, shared) -> None:
    """Write the test windows' rows in the shared space into `shared`, and the control made of motion alone."""
    motion = contenders.features[MOTION][:, 0]
    rows = {
        **contenders.shared,
        "motion": np.full_like(contenders.shared["ppg"], np.nan),
    }
    rows["motion"][test] = control_queries(motion[~test], contenders.shared["ppg"][~test], motion[test])
    for name, values in rows.items():
        full = shared.setdefault(name, np.full((len(cohort.table), values.shape[1]), np.nan, np.float32))
        full[usable[test]] = values[test]


def _example(cohort: Cohort, rows: np.ndarray) -> dict | None:
    """Ten seconds of the stillest test window with a trusted rhythm."""
    trusted = rows[cohort.table["heart_rate"].notna().to_numpy()[rows]]
    if not len(trusted):
        return None
    row = trusted[np.argmin(cohort.table["motion"].to_numpy()[trusted])]
    beats = detect_beats(cohort.ppg[row, 0], cohort.sampling_rate)
    seconds = min(10.0, cohort.length)
    n = int(seconds * cohort.sampling_rate)
    about = cohort.table.loc[row]
    return {
        "time": np.arange(n) / cohort.sampling_rate,
        "ppg": cohort.ppg[row, 0, :n],
        "accel": cohort.accel[row, :, :n],
        "beats": beats[beats < seconds],
        "sampling_rate": cohort.sampling_rate,
        "title": f"{about['participant']}, {about['start']:.0f} s into the recording",
    }
