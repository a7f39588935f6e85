"""Train the two encoders that the package ships, `ppg-small` and `accel-small`, measure them and write their cards.

Run ``python examples/train_shipped_encoders.py --recordings STRESS_PREDICT --test WESAD --out DIR`` with folders of
sessions, and copy the two folders in DIR to ``biosig/weights``. ``--quick`` takes few people and steps, to see that all
of it runs.

Trained on the Stress-Predict recordings (MIT licence, Iqbal et al. 2022) and on simulated people with two devices, a
newer watch and an Empatica E4. Tested on people that neither encoder nor probe has seen: other simulated people and,
where the recordings are at hand, WESAD (Schmidt et al. 2018), of which nothing is shipped.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

import numpy as np
import pandas as pd

import biosig
from biosig.estimators import DistilledEncoder, MaskedAutoencoder
from biosig.estimators.cards import model_card
from biosig.evaluation.bootstrap import bootstrap_difference, bootstrap_mean
from biosig.evaluation.cohort import TARGETS, Cohort, collect
from biosig.evaluation.probe import probe
from biosig.evaluation.retrieval import retrieval
from biosig.nets.weights import save_weights_folder
from biosig.recordings import read_all, simulate_cohort
from biosig.signals import Gate

SEED = 2024
GATE = Gate(max_motion=0.05)
STRIDE = 30.0  # s
UNITS = {"heart_rate": "beats/min", "sdnn": "ms", "rmssd": "ms"}
TRAINED_ON = "Stress-Predict (Empatica E4, MIT licence) and simulated people (biosig.simulate_cohort: watch and E4)"


def simulated(n_people: int, device: str, seed: int, prefix: str) -> list:
    """Recordings of 40 minutes, of people whose names no other part of the data has."""
    recordings = simulate_cohort(n_people, 2400.0, device=device, random_state=seed, progress=True)
    for recording in recordings:
        for name in ("participant", "session"):
            recording.attrs[name] = f"{prefix}-{recording.attrs[name]}"
    return recordings


def windows_of(recordings, stride: float = STRIDE) -> Cohort:
    return collect(recordings, gate=GATE, stride=stride)[0]


def joined(cohorts: list[Cohort]) -> Cohort:
    """All still windows of several cohorts."""
    kept = [(c.accel[c.still], c.ppg[c.still], c.table[c.still]) for c in cohorts]
    accel, ppg, tables = zip(*kept, strict=True)
    table = pd.concat(tables, ignore_index=True)
    return Cohort(np.concatenate(accel), np.concatenate(ppg), table, cohorts[0].sampling_rate, cohorts[0].length, GATE)


def errors(name: str, x_train, x_test, train: Cohort, test: Cohort) -> list[str]:
    """Rows of the card: error of a ridge probe on frozen features, beside the error of the training mean."""
    rows = []
    for target in TARGETS:
        y, truth = train.table[target].to_numpy(), test.table[target].to_numpy()
        predicted = probe(x_train, y, train.participants, x_test)
        error, constant = np.abs(predicted - truth), np.abs(np.nanmean(y) - truth)
        own = bootstrap_mean(error, test.participants, random_state=SEED)
        ahead = bootstrap_difference(error, constant, test.participants, random_state=SEED).relative
        rows.append(
            f"| {name} | {target} ({UNITS[target]}) | {own.estimate:.2f} ({own.low:.2f} to {own.high:.2f}) "
            f"| {np.nanmean(constant):.2f} | {100 * ahead.estimate:+.0f} % ({100 * ahead.low:+.0f} to "
            f"{100 * ahead.high:+.0f}) | {own.n_windows} | {own.n_participants} |"
        )
    return rows


def found(name: str, student: DistilledEncoder, test: Cohort) -> list[str]:
    """Rows of the card: retrieval of the simultaneous PPG window, by pooled embeddings and by the beats' moments."""
    return [row for in_time in (False, True) for row in _found(name, student, test, in_time)]


def _found(name: str, student: DistilledEncoder, test: Cohort, in_time: bool) -> list[str]:
    table = retrieval(
        student.project(test.accel, in_time=in_time),
        student.project_ppg(test.ppg, in_time=in_time),
        groups=test.participants,
        sessions=test.table["session"].to_numpy(),
        starts=test.table["start"].to_numpy(),
        pool_sizes=(16, 64, 256),
        random_state=SEED,
    )
    compared = "in time" if in_time else "pooled"
    rows = []
    for row in table.itertuples():
        ends = f"{100 * row.top1_low:.1f} to {100 * row.top1_high:.1f}" if row.n_participants > 1 else "one person"
        rows.append(
            f"| {name} | {compared} | {row.scope} | {row.pool} | {100 * row.top1:.1f} % ({ends}) "
            f"| {100 * row.chance_top1:.1f} % | {row.mean_rank:.1f} |"
        )
    return rows


def card(encoder, rows: list[str], ranks: list[str], title: str) -> str:
    """The generic model card, with what was measured."""
    lines = [
        f"# {title}",
        model_card(encoder.config_, encoder).partition("\n")[2].rstrip(),
        "",
        "## What was measured",
        "",
        f"Trained on: {TRAINED_ON}. {datetime.date.today()}, seed {SEED}, "
        "`python examples/train_shipped_encoders.py`. Windows of 60 s, still (motion below "
        f"{1000 * GATE.max_motion:g} mg) and with clean PPG; nobody in a test was trained on. Mean absolute error of "
        "a ridge probe on the frozen embedding (fitted on the training people's labels), 95 % interval over people.",
        "",
        "| test | target | MAE | training mean | against the mean | windows | people |",
        "|---|---|---|---|---|---|---|",
        *rows,
    ]
    if ranks:
        lines += [
            "",
            "Retrieval of the simultaneous PPG window, with the projection heads of the training: by pooled "
            "embeddings, and in time, by when the beats fall. On real wrists the latter is mostly movement, which "
            "falls on moments too and disturbs both sensors (docs/real_watches.md), and no proof of a heart.",
            "",
            "| test | compared | distractors | pool | top-1 | chance | mean rank |",
            "|---|---|---|---|---|---|---|",
            *ranks,
        ]
    lines += [
        "",
        "## Intended use",
        "",
        "A starting point for research on people at rest: frozen features for probes, or weights to adapt to another "
        "device. The people recorded were healthy adults. Not for diagnosis, treatment or monitoring of anyone.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recordings", required=True, help="folder of the Stress-Predict sessions")
    parser.add_argument("--test", help="folder of the WESAD sessions, for the card alone")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    n_people, steps = (8, 20) if given.quick else (160, 2000)

    real = read_all([given.recordings])[0]
    real = real[:3] if given.quick else real
    pools = [
        windows_of(real),
        *(
            windows_of(simulated(n, device, SEED + k, f"sim-{device}"))
            for k, (device, n) in enumerate((("watch", n_people), ("e4", n_people // 4)))
        ),
    ]
    train = joined(pools)
    tests = {"simulated watch": windows_of(simulated(max(n_people // 4, 4), "watch", SEED + 9, "new"), 60.0)}
    if given.test:
        others = read_all([given.test])[0]
        tests["WESAD (E4)"] = windows_of(others[:3] if given.quick else others)
    print(f"{len(train.accel)} still windows of {train.table['participant'].nunique()} people to train on")

    common = {"n_steps": steps, "random_state": SEED, "verbose": 1}
    people = train.participants
    teacher = MaskedAutoencoder(modality="ppg", **common).fit(train.ppg, groups=people)
    student = DistilledEncoder(teacher, **common)
    student.fit(train.accel, train.ppg, groups=people, starts=train.table["start"].to_numpy())

    told: dict[str, list[str]] = {"teacher": [], "student": [], "ranks": []}
    seen = {"teacher": teacher.transform(train.ppg), "student": student.transform(train.accel)}
    for name, cohort in tests.items():
        test = joined([cohort])
        told["teacher"] += errors(name, seen["teacher"], teacher.transform(test.ppg), train, test)
        told["student"] += errors(name, seen["student"], student.transform(test.accel), train, test)
        told["ranks"] += found(name, student, test)
    more = {
        "library_version": biosig.__version__,
        "gate": vars(GATE),
        "training_data": TRAINED_ON,
        "units": {"accel": "g, gravity removed", "ppg": "any, blood volume up = value up"},
    }
    for name, encoder, ranks in (("ppg-small", teacher, []), ("accel-small", student, told["ranks"])):
        rows = told["teacher" if encoder is teacher else "student"]
        text = card(encoder, rows, ranks, name)
        save_weights_folder(given.out / name, encoder.weights_, {**encoder.config_, **more}, text)
        print(f"\n{text}")


if __name__ == "__main__":
    main()
