"""From which beat and which sensor on does distillation work? ``python examples/semi_synthetic_map.py DIR...``.

Real movement and real PPG (folders of recordings, such as Stress-Predict and WESAD; simulated E4 wrists when none are
given) with a beat-locked oscillation of 0.5 to 16 mg added to the acceleration, and none as a control, reported by
sensors from the E4 to today's best. In each cell the distilled student stands against the supervised encoder, the
masked autoencoder of the acceleration and the training mean, at several shares of labelled people. Prints one Markdown
table a share, draws the map, and goes on where it stopped. ``--quick`` only shows that it works.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from biosig.estimators import DistilledEncoder
from biosig.evaluation import Budget, hash_arrays, label_errors, label_table, participant_folds
from biosig.evaluation.cells import Split
from biosig.evaluation.cohort import Cohort, collect
from biosig.evaluation.compare import TRAINING_MEAN
from biosig.evaluation.contenders import ACCEL_MAE, MASKED, STUDENT, SUPERVISED, Trained, line_up
from biosig.evaluation.retrieval import top1
from biosig.evaluation.semisynthetic import SENSORS, as_measured_by
from biosig.evaluation.sources import read_people
from biosig.evaluation.store import Store
from biosig.recordings import simulate_cohort
from biosig.signals import Gate

SIZES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # mg; nothing added is the control
SHARES = (0.0, 0.1, 1.0)
RIVALS = (SUPERVISED, ACCEL_MAE, TRAINING_MEAN)
TARGET = "heart_rate"
POOL = 64


def student(training, settings, base: Split):
    """The distilled student, from the one teacher that all cells share: the PPG is the same in all of them."""
    encoder = DistilledEncoder(base.teacher(MASKED), **settings)
    return encoder.fit(training.accel, training.ppg, groups=training.groups, starts=training.starts)


def one_cell(cohort: Cohort, base: Split, store: Store, shares, seed: int) -> tuple[pd.DataFrame, float]:
    """Errors on heart rate of student and rivals at each share of labels, and the student's top-1 in time."""
    part = Split(cohort, base.train, base.use, base.test, base.budget, seed, store)
    rivals = [entry for entry in line_up() if entry.name in RIVALS]
    entries = {entry.name: entry for entry in (Trained(name=STUDENT, make=partial(student, base=base)), *rivals)}
    cells = {name: part.cell(entry) for name, entry in entries.items()}
    if failed := {name: cell.reason for name, cell in cells.items() if cell.reason}:
        raise ValueError(f"cannot be trained: {failed}")
    features = {name: cell.features for name, cell in cells.items() if name != SUPERVISED}
    features[SUPERVISED] = lambda labelled: part.on(part.use[labelled]).cell(entries[SUPERVISED]).features
    people = cohort.participants[part.use]
    errors = label_errors(
        features,
        cohort.targets[[TARGET]].iloc[part.use].reset_index(drop=True),
        people,
        np.isin(part.use, part.test),
        shares=shares,
        random_state=seed,
    )
    n_training = len(np.unique(cohort.participants[part.train]))
    timed = cells[STUDENT].timed
    found = top1(timed["accel"], timed["ppg"], cohort.participants[part.test], POOL)
    return label_table([errors], people, n_training, STUDENT, random_state=seed), found


def verdict(table: pd.DataFrame) -> dict[str, float | str | bool]:
    """One cell at one share: the student's error, and how it stands against each rival."""
    rows = table.set_index("encoder")
    best = rows.loc[list(RIVALS), "mae"].idxmin()
    return {
        "mae": rows.loc[STUDENT, "mae"],
        "mae_low": rows.loc[STUDENT, "ci95_low"],
        "mae_high": rows.loc[STUDENT, "ci95_high"],
        "best_rival": best,
        **{f"against {name}": rows.loc[name, "relative"] for name in RIVALS},
        **{f"against {name} high": rows.loc[name, "relative_high"] for name in RIVALS},
        "relative": rows.loc[best, "relative"],
        "works": bool(rows.loc[TRAINING_MEAN, "relative_high"] < 0),
        "ahead": bool((rows.loc[list(RIVALS), "relative_high"] < 0).all()),
    }


def labels_of(n_people: int) -> str:
    return f"labels of {n_people} {'person' if n_people == 1 else 'people'}"


def markdown(found: pd.DataFrame, words: str, cell: Callable[[pd.Series], str]) -> str:
    """Rows of beat sizes, columns of sensors."""
    sensors = list(dict.fromkeys(found["sensor"]))
    lines = [f"\n{words}\n", "| beat | " + " | ".join(sensors) + " |", "|---|" + "---:|" * len(sensors)]
    rows = {(row["size_mg"], row["sensor"]): cell(row) for _, row in found.iterrows()}
    for size in dict.fromkeys(found["size_mg"]):
        lines.append(f"| {size:g} mg | " + " | ".join(rows.get((size, sensor), "-") for sensor in sensors) + " |")
    return "\n".join(lines)


def error_cell(row: pd.Series) -> str:
    """The student's error, and against the best rival; marked where it is below."""
    text = f"{row['mae']:.1f} ({100 * row['relative']:+.0f} %)"
    return f"**{text}**" if row["ahead"] else f"{text}{' *' if row['works'] else ''}"


def requirement(found: pd.DataFrame, holds: str, against: str) -> str:
    """Per sensor and number of labelled people: the beat from which on `holds` at every size, and the gain."""
    labelled = sorted(found["n_labelled"].unique())
    lines = [
        "| sensor | " + " | ".join(map(labels_of, labelled)) + " |",
        "|---|" + "---:|" * len(labelled),
    ]
    for sensor in dict.fromkeys(found["sensor"]):
        cells = []
        for n_labelled in labelled:
            part = found[(found["sensor"] == sensor) & (found["n_labelled"] == n_labelled)].sort_values("size_mg")
            part = part[part[holds][::-1].cummin()[::-1]]
            row = part.iloc[0] if len(part) else None
            cells.append("-" if row is None else f"{row['size_mg']:g} mg ({100 * row[against]:+.0f} %)")
        lines.append(f"| {sensor} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def found_first(row: pd.Series) -> str:
    return "-" if np.isnan(row["top1_in_time"]) else f"{100 * row['top1_in_time']:.0f} %"


def draw(found: pd.DataFrame, path: Path) -> None:
    """One map a share: colour for the error against the best rival, marks where intervals exclude zero."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    labelled = sorted(found["n_labelled"].unique())
    n_across = min(len(labelled), 3)
    n_down = -(-len(labelled) // n_across)
    figure = Figure(figsize=(4.2 * n_across + 0.8, 3.2 * n_down + 1), layout="constrained")
    axes = figure.subplots(n_down, n_across, sharex=True, sharey=True, squeeze=False)
    for ax in axes.flat[len(labelled) :]:
        ax.set_visible(False)
    for ax, n_labelled in zip(axes.flat, labelled, strict=False):
        part = found[found["n_labelled"] == n_labelled]
        grid = part.pivot(index="size_mg", columns="sensor", values="relative")[list(dict.fromkeys(part["sensor"]))]
        image = ax.imshow(100 * grid, cmap="RdBu_r", vmin=-50, vmax=50, aspect="auto", origin="lower")
        for row in part.itertuples():
            where = (list(grid.columns).index(row.sensor), list(grid.index).index(row.size_mg))
            ink = "white" if abs(row.relative) > 0.35 else "black" if row.works else "dimgrey"
            weight = "bold" if row.works else "normal"
            ax.text(*where, f"{row.mae:.1f}", ha="center", va="center", fontsize=8, color=ink, weight=weight)
            if row.ahead:
                ax.plot(*where, "o", ms=24, mfc="none", mec=ink)
        ax.set_xticks(range(grid.shape[1]), grid.columns, rotation=35, ha="right")
        ax.tick_params(labelbottom=True)
        ax.set_yticks(range(grid.shape[0]), [f"{size:g}" for size in grid.index])
        ax.set(title=labels_of(n_labelled))
    for ax in axes[:, 0]:
        ax.set_ylabel("beat at the wrist (mg)")
    words = "The student's error in beats/min: bold where it is below the training mean, ringed where below every rival"
    figure.suptitle(words, fontsize="medium")
    figure.supxlabel("step of the sensor", fontsize="medium")
    figure.colorbar(image, ax=axes, label="student against the best rival (%)")
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "map"}):
        figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path, nargs="*", help="folders of recordings; simulated wrists without")
    parser.add_argument("--out", type=Path, default=Path("semi-synthetic"), help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="a very small run that only shows that it works")
    parser.add_argument("--steps", type=int, default=300, help="training steps of each encoder")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES, help="of labelled people, 0 for one person")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sizes, sensors, shares, budget = SIZES, SENSORS, options.shares, Budget(n_steps=options.steps)
    if options.quick:
        sizes, sensors, shares, budget = (1.0, 16.0), SENSORS[::4], (0.0, 1.0), Budget(n_steps=2, batch_size=16)
    if options.recordings:
        recordings = read_people(options.recordings, [])[0]
    else:
        n, duration = (8, 300.0) if options.quick else (48, 2400.0)
        recordings = simulate_cohort(n, duration, device="e4", random_state=options.seed, progress=True)
    cohort, _ = collect(recordings, gate=Gate())
    usable = np.flatnonzero(cohort.still)
    fold = participant_folds(cohort.participants[usable], 3)
    common = {"recordings": hash_arrays([cohort.accel, cohort.ppg]), "seed": options.seed}
    base = Split(
        cohort,
        usable[fold > 0],
        usable,
        usable[fold == 0],
        budget,
        options.seed,
        Store(options.out / "cells", **common),
    )
    rows = []
    grid = [(size, sensor) for size in sizes for sensor in sensors]
    for size, sensor in tqdm(grid, desc="map", unit="cell"):
        changed = [as_measured_by(recording, sensor, size / 1000, options.seed) for recording in recordings]
        accel = collect(changed, gate=Gate(), progress=False)[0].accel
        store = Store(options.out / "cells", **common, size=size, sensor=vars(sensor))
        # Windows, targets and gate are those of the recordings as they are: the same in every cell.
        table, first = one_cell(replace(cohort, accel=accel), base, store, shares, options.seed)
        for (share, n_labelled), part in table.groupby(["share", "n_labelled"]):
            about = {"size_mg": size, "sensor": sensor.name, "share": share, "n_labelled": n_labelled}
            about["top1_in_time"] = first
            rows.append({**about, **verdict(part)})
        options.out.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(options.out / "map.csv", index=False)
    found = pd.DataFrame(rows)
    source = " ".join(folder.name for folder in options.recordings) or "simulated E4 wrists"
    tested = len(np.unique(cohort.participants[base.test]))
    print(f"{source}: {len(usable)} windows, {tested} people tested, the others trained on")
    for n_labelled, part in found.groupby("n_labelled"):
        words = f"With {labels_of(n_labelled)}: error of the student in beats/min (against the best rival)"
        print(markdown(part, words, error_cell))
        print("\nBold: below every rival, all intervals excluding zero. Star: below the training mean alone.")
    for rival in (SUPERVISED, ACCEL_MAE):
        print(f"\nThe beat from which on the student is below the training mean (there, against {rival}):\n")
        print(requirement(found, "works", f"against {rival}"))
    print("\nThe beat from which on it is below every rival, all intervals excluding zero (there, against the best):\n")
    print(requirement(found, "ahead", "relative"))
    words = f"Share of windows whose PPG is found first among {POOL} by the moments of the beats"
    part = found[found["n_labelled"] == found["n_labelled"].max()]
    print(markdown(part, words, found_first))
    draw(found, options.out / "map.svg")


if __name__ == "__main__":
    main()
