"""What does the student owe to each part of the recipe? ``python examples/ablations.py [OUT] [--quick] [--seeds N]``.

Simulated people, one change at a time, each against the recipe as it is on the same test windows. Prints a Markdown
table and writes it as CSV. An interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from biosig.evaluation import Budget, hash_arrays
from biosig.evaluation.ablations import ABLATIONS, AS_IS, run_ablations
from biosig.evaluation.cohort import collect
from biosig.evaluation.store import Store
from biosig.recordings import simulate_cohort
from biosig.signals import Gate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?", default=Path("ablations"), help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="a very small run that only shows that it works")
    parser.add_argument("--steps", type=int, default=400, help="training steps of each encoder (%(default)s)")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--groups", nargs="+", help="only these groups of changes, such as augmentation axes")
    options = parser.parse_args()
    n_people, duration, budget = (96, 2400.0, Budget(n_steps=options.steps))
    if options.quick:
        n_people, duration, budget = 10, 300.0, Budget(n_steps=2, batch_size=16)
    recordings = simulate_cohort(n_people, duration, random_state=0, progress=True)
    cohort, _ = collect(recordings, gate=Gate())
    people = np.unique(cohort.participants)
    held_out = np.random.default_rng(0).permutation(people)[: len(people) // 5]
    store = Store(options.out / "cells", data=hash_arrays([cohort.accel, cohort.ppg]))
    chosen = [one for one in ABLATIONS if not options.groups or one.group in ("recipe", *options.groups)]
    if options.quick:  # a batch of 128 needs as many windows
        chosen = [one for one in chosen if one.name != "128"]
    split = np.where(np.isin(cohort.participants, held_out), 0, -1)
    table = run_ablations(cohort, split, store, budget=budget, ablations=chosen, n_seeds=options.seeds)
    options.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out / "ablations.csv", index=False)
    for target, part in table.groupby("target", sort=False):
        print(f"\n**{target}**\n\n| part | change | MAE | against the recipe | top-1 of 64 | in time |")
        print("|---|---|---:|---:|---:|---:|")
        for row in part[part["reference"] == AS_IS].itertuples():
            tops = ("-" if np.isnan(top) else f"{100 * top:.1f} %" for top in (row.top1, row.top1_in_time))
            mae = row.reason or f"{row.mae:.2f}"
            print(f"| {row.group} | {row.change} | {mae} | {gap(row)} | {' | '.join(tops)} |")
        others = part[part["reference"] != AS_IS]
        if len(others):
            print(f"\nOf {target}, students of less than the recipe's size against encoders of its size:\n")
            print("| student | against | difference |\n|---|---|---:|")
            print("\n".join(f"| {row.change} | {row.reference} | {gap(row)} |" for row in others.itertuples()))


def gap(row) -> str:
    """The error over that of the reference, with its interval."""
    low, high = (f"{100 * end:+.0f}" for end in (row.relative_low, row.relative_high))
    return "-" if np.isnan(row.relative) else f"{100 * row.relative:+.0f} % ({low} to {high})"


if __name__ == "__main__":
    main()
