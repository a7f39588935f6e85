"""Heart rate from wrist motion alone, against the PPG of the same minute: tables in Markdown.

Run ``python examples/benchmarks/accuracy_wrist.py > docs/wrist_heart_rate.md`` (``--quick``: three people of each).
Real recordings are taken from the folder named by BIOSIG_DATA, or from ``../shared/data`` beside the repository; those
that are missing are said to be. Intervals resample participants.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

import biosig
from biosig.evaluation.bootstrap import bootstrap_difference, bootstrap_mean
from biosig.heart import ppg_targets, wrist_heart_rate
from biosig.recordings import make_recording, simulate_cohort, truth_targets

METHODS = ("nightbeat", "pwr", "jerk", "spectral")
LENGTH, STRIDE = 60.0, 30.0  # s
GATES = (0.010, 0.020, 0.050)  # g
CONFIDENCES = (0.0, 0.4)
SAME = 0.5  # s, between the beginnings of one minute cut twice
LEAST = 0.5  # beats/min, a smaller difference is not spoken of, however sure
FEWEST = 5  # people, below which an interval over people is not read
N_SHUFFLES = 50
SEED = 0


class Finding(NamedTuple):
    """A method at a gate and a confidence, with what its intervals say."""

    method: str
    gate: float
    confidence: float
    n_people: int
    error: float
    better_than_constant: bool
    worse_than_constant: bool
    better_than_shuffled: bool


def minutes_of(recording, truth: bool) -> pd.DataFrame:
    """One row a window: participant, motion, reference, and rate and confidence of each method."""
    windows = biosig.segment(recording, length=LENGTH, stride=STRIDE)
    starts = windows["start"].values
    table = pd.DataFrame({"participant": windows["participant"].values, "motion": windows["motion"].values})
    if truth:
        table["reference"] = truth_targets(recording, starts, LENGTH)["heart_rate"].to_numpy()
    else:
        table["reference"] = ppg_targets(windows["ppg"].values, windows.attrs["sampling_rate"])["heart_rate"].to_numpy()
    accel = recording["accel"]
    accel = accel.isel(time_accel=np.asarray(accel["time_accel"] >= starts[0] - 1e-3))
    for method in METHODS:
        found = wrist_heart_rate(accel, method=method, length=LENGTH, stride=STRIDE)
        # Both cut the same minutes, to within a sample, but not the same number of them.
        away = np.abs(found["start"].to_numpy() - starts[:, np.newaxis])
        nearest, same = away.argmin(axis=1), away.min(axis=1) < SAME
        for name in ("heart_rate", "confidence"):
            table[f"{method} {name}"] = np.where(same, found[name].to_numpy()[nearest], np.nan)
    return table


def with_baselines(table: pd.DataFrame, method: str, kept) -> pd.DataFrame:
    """Absolute errors of the kept windows: the method's, of its shuffled rates, of a constant and of the own median.

    The constant is the mean reference of all other participants, each counting the same.
    """
    rows = table[kept].copy()
    by_person = table[np.isfinite(table["reference"])].groupby("participant")["reference"]
    means, medians = by_person.mean(), by_person.median()
    others = (means.sum() - means) / max(len(means) - 1, 1) if len(means) > 1 else means * np.nan
    rng = np.random.default_rng(SEED)
    rates, reference = rows[f"{method} heart_rate"].to_numpy(), rows["reference"].to_numpy()
    people = rows["participant"].to_numpy()
    shuffled = np.zeros(len(rows))
    for person in np.unique(people):
        mine = np.flatnonzero(people == person)
        for _ in range(N_SHUFFLES):
            shuffled[mine] += np.abs(rates[rng.permutation(mine)] - reference[mine]) / N_SHUFFLES
    return pd.DataFrame(
        {
            "participant": people,
            "method": np.abs(rates - reference),
            "shuffled": shuffled,
            "constant": np.abs(others.reindex(people).to_numpy() - reference),
            "own median": np.abs(medians.reindex(people).to_numpy() - reference),
        }
    )


def table_row(table: pd.DataFrame, gate: float, method: str, confidence: float) -> tuple[str, Finding | None]:
    """One line of a table, and what its intervals say."""
    offered = np.isfinite(table["reference"]).to_numpy()
    kept = offered & (table["motion"] <= gate).to_numpy()
    kept &= np.isfinite(table[f"{method} heart_rate"]).to_numpy()
    kept &= (table[f"{method} confidence"] >= confidence).to_numpy()
    share = kept.sum() / max(offered.sum(), 1)
    head = f"| {1e3 * gate:.0f} mg | {method} | {confidence:g} | {share:.0%} |"
    if not kept.any():
        return f"{head} 0 | 0 | - | - | - | - | - | - | - |", None
    errors = with_baselines(table, method, kept)
    people = errors["participant"].to_numpy()
    own = errors["method"]
    means = {name: bootstrap_mean(errors[name], people, random_state=SEED) for name in errors.columns[1:]}
    constant, shuffled = (
        bootstrap_difference(own, errors[name], people, random_state=SEED).absolute for name in ("constant", "shuffled")
    )
    n_people = means["method"].n_participants
    line = (
        f"{head} {len(errors)} | {n_people} | {told(means['method'])} | {100 * (own <= 5.0).mean():.0f} | "
        f"{told(means['shuffled'])} | {told(means['constant'])} | {told(means['own median'])} | {told(shuffled)} | "
        f"{told(constant)} |"
    )
    clear = lambda d: abs(d.estimate) >= LEAST
    beaten = (
        constant.high < 0 and clear(constant),
        constant.low > 0 and clear(constant),
        shuffled.high < 0 and clear(shuffled),
    )
    return line, Finding(method, gate, confidence, n_people, means["method"].estimate, *beaten)


def told(interval) -> str:
    if not np.isfinite(interval.estimate):
        return "-"
    text = f"{interval.estimate:.1f}"
    return f"{text} ({interval.low:.1f} to {interval.high:.1f})" if np.isfinite(interval.low) else text


def reading(findings: list[Finding], n_people: int) -> list[str]:
    """What the intervals of a table carry, said by rule."""
    if n_people < FEWEST:
        return [f"- {n_people} of at least {FEWEST} people: nothing is said of other people from that."]
    read = [f for f in findings if f.n_people >= FEWEST]
    lines = []
    for title, chosen in (
        ("a smaller error than the constant", "better_than_constant"),
        ("a larger error than the constant", "worse_than_constant"),
        ("a smaller error than their own rates shuffled within each person", "better_than_shuffled"),
    ):
        hits = [f for f in read if getattr(f, chosen)]
        named = [f"{f.method} ({1e3 * f.gate:.0f} mg, confidence {f.confidence:g}, {f.n_people} people)" for f in hits]
        told_all = f": {'; '.join(named)}." if 0 < len(hits) <= 8 else "."
        lines.append(
            f"- {len(hits)} of {len(read)} rows have {title}, by at least {LEAST:g} beats/min and an interval that "
            f"excludes zero{told_all}"
        )
    lines.append(
        f"- Rows with fewer than {FEWEST} people are not counted. Were there no difference at all, some "
        f"{0.025 * len(read):.1f} of {len(read)} intervals would still exclude zero on a given side; rows share people "
        "and windows, and nothing is corrected for their number."
    )
    return lines


def report(title: str, tables: list[pd.DataFrame], note: str) -> str:
    """Print the table of one data set; returns what it says in a sentence."""
    print(f"\n## {title}\n\n{note}\n")
    if not tables:
        print("Not on this machine.")
        return f"{title}: not on this machine."
    table = pd.concat(tables, ignore_index=True)
    found = np.isfinite(table["reference"])
    people = table["participant"].nunique()
    print(
        f"{people} {'person' if people == 1 else 'people'}, {len(table)} windows, of which {found.mean():.0%} have a "
        f"reference (mean {table['reference'].mean():.1f}, "
        f"standard deviation {table['reference'].std():.1f} beats/min).\n"
    )
    print(
        "| motion up to | method | confidence from | covered | windows | people | MAE | within 5, % | MAE shuffled "
        "| MAE constant | MAE own median | method - shuffled | method - constant |"
    )
    print("|" + "---|" * 13)
    findings = []
    for gate, method, confidence in itertools.product(GATES, METHODS, CONFIDENCES):
        line, finding = table_row(table, gate, method, confidence)
        print(line)
        if finding is not None:
            findings.append(finding)
    print("\n" + "\n".join(reading(findings, people)))
    if people < FEWEST:
        best = min(findings, key=lambda f: f.error)
        return f"{title}: least error {best.error:.1f} beats/min ({best.method}, confidence {best.confidence:g})."
    read = [f for f in findings if f.n_people >= FEWEST]
    count = lambda name: sum(getattr(f, name) for f in read)
    return (
        f"{title}: of {len(read)} rows, {count('better_than_constant')} are better than a constant and "
        f"{count('worse_than_constant')} worse; {count('better_than_shuffled')} better than their own rates shuffled."
    )


def polar_recording(folder: Path):
    """The arm band's text files as a Recording; its PPG falls when blood volume rises."""
    read = lambda name: pd.read_csv(folder / f"Polar_Sense_{name}.txt", sep=";", index_col=False)
    accel, ppg = read("ACC"), read("PPG")
    clock = "sensor timestamp [ns]"
    begin = max(accel[clock].iloc[0], ppg[clock].iloc[0])
    seconds = lambda frame: (frame[clock].to_numpy() - begin) / 1e9
    return make_recording(
        accel=accel[["X [mg]", "Y [mg]", "Z [mg]"]].to_numpy() / 1000,
        ppg=-ppg["channel 0"].to_numpy().astype(float),
        time={"accel": seconds(accel), "ppg": seconds(ppg)},
        participant="polar",
        session="polar",
        device="Polar Verity Sense",
        source="biobss",
        start_time="2022-04-25T11:39:36Z",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three people of each")
    options = parser.parse_args()
    data = Path(os.environ.get("BIOSIG_DATA", Path(__file__).parents[3] / "shared" / "data"))
    most = 3 if options.quick else None
    tables: dict[str, list[pd.DataFrame]] = {"wesad_e4": [], "stress_predict_e4": []}
    for name, found in tables.items():
        for path in tqdm(sorted((data / name).glob("S*.zip"))[:most], desc=name, file=sys.stderr):
            found.append(minutes_of(biosig.read(path), truth=False).assign(participant=path.stem))
    polar = data / "polar_verity_biobss"
    clear = [minutes_of(polar_recording(polar), truth=False)] if polar.is_dir() else []
    simulated = {}
    for device in ("watch", "e4"):
        cohort = simulate_cohort(most or 24, 1800.0, device=device, random_state=SEED)
        simulated[device] = [minutes_of(r, truth=True) for r in tqdm(cohort, desc=device, file=sys.stderr)]

    print("# Heart rate from wrist motion alone\n")
    print(
        "Made by `python examples/benchmarks/accuracy_wrist.py"
        f"{' --quick' if options.quick else ''} > docs/wrist_heart_rate.md`. "
        f"Windows of {LENGTH:g} s, one every {STRIDE:g} s. *Covered* is the share of all windows with a reference that "
        "keep the limits on motion and confidence. *Shuffled* are the method's own rates in another order within each "
        "person: what is left when the time is wrong. *Constant* is the mean of the other people of the table; *own "
        "median* needs that person's reference, so it is no estimator. Errors in beats/min; 95 % intervals in brackets "
        "resample people. Motion is that of `biosig.segment`."
    )
    sections = (
        (
            "WESAD, Empatica E4",
            tables["wesad_e4"],
            "Reference: PPG of the same minute where `ppg_targets` believes it. The accelerometer's step is 15.6 mg.",
        ),
        ("Stress-Predict, Empatica E4", tables["stress_predict_e4"], "Reference and device as above."),
        (
            "Polar Verity Sense, one still person",
            clear,
            "A positive control: steps of 1 mg, 52 Hz, upper arm. The rate hardly varies, so a constant does well too.",
        ),
        (
            "Simulated cohort, watch",
            simulated["watch"],
            "Steps of 0.5 mg at 50 Hz, beats of 1 to 5 mg that do not depend on the rate; the reference is the truth.",
        ),
        (
            "Simulated cohort, E4",
            simulated["e4"],
            "People drawn in the same way, on a simulated E4: steps of 15.6 mg at 32 Hz.",
        ),
    )
    body = io.StringIO()
    with contextlib.redirect_stdout(body):
        findings = [report(*section) for section in sections]
    print("\n## In short\n\n- " + "\n- ".join(findings))
    print(body.getvalue().rstrip())


if __name__ == "__main__":
    main()
