"""Which cleaning of wrong and ectopic beats leaves heart rate variability nearest to the truth.

``python examples/benchmarks/accuracy_cleaning.py [FOLDER_OF_BIDMC] > docs/cleaning.md`` made that page. Rhythms without
a wrong beat are simulated (and, with the folder, taken from the electrocardiograms of BIDMC), wrong beats are put in,
and each cleaning of `biosig.heart.hrv` is compared with the rhythm before. NeuroKit2's correction stands beside.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from biosig.heart import detect_beats, ecg_beats, hrv, match_beats

LENGTH = 60.0  # s
KINDS = {
    "ventricular": "early, the pause after it makes up for it",
    "atrial": "early, the rhythm starts anew",
    "interpolated": "one beat more, the others as before",
    "missed": "one beat not found",
    "misplaced": "one beat found 80 to 200 ms too early or too late",
}
CLEANINGS = ("none", "reject", "correct")
FRACTIONS = (0.0, 0.025, 0.05, 0.1)
SWINGS = {"none": 0.0, "small": 0.03, "medium": 0.08, "large": 0.15}  # s, amplitude of the breathing in the intervals
REPEATS = 40
MOST_OFF = 0.12  # distance of an interval from the median of five, as a fraction of it, in a regular rhythm
MEASURES = {"RMSSD": "HRV_RMSSD", "SDNN": "HRV_SDNN"}


def rhythm(rng: np.random.Generator, swing: float) -> np.ndarray:
    """Intervals (s) of a minute and a little more: a rate, breathing, and noise."""
    mean, breath, noise = 60 / rng.uniform(55, 85), rng.uniform(0.15, 0.33), rng.choice([0.006, 0.012, 0.03])
    t, intervals = rng.uniform(0, 10), []
    while sum(intervals) < LENGTH:
        intervals.append(mean + swing * np.sin(2 * np.pi * breath * t) + noise * rng.standard_normal())
        t += intervals[-1]
    return np.array(intervals)


def spoil(intervals: np.ndarray, kind: str, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """The intervals after a fraction of the beats has gone wrong, none of them next to another."""
    out, i, last = [], 0, -4
    while i < len(intervals):
        now = intervals[i]
        wrong = 3 <= i < len(intervals) - 4 and i - last >= 4 and rng.random() < fraction
        if not wrong:
            out.append(now)
            i += 1
            continue
        last, after = i, intervals[i + 1]
        early = now * rng.uniform(0.55, 0.85)
        shift = rng.choice([-1, 1]) * rng.uniform(0.08, 0.2)
        if kind == "interpolated":
            out += [0.9 * early, now - 0.9 * early]
            i += 1
            continue
        out += {
            "ventricular": [early, now + after - early],
            "atrial": [early, 1.05 * after],
            "missed": [now + after],
            "misplaced": [now + shift, after - shift],
        }[kind]
        i += 2
    return np.array(out)


def in_rows(lists) -> np.ndarray:
    """Lists of intervals as rows of beats, padded with NaN."""
    rows = np.full((len(lists), max(map(len, lists)) + 1), np.nan)
    for row, intervals in zip(rows, lists, strict=True):
        row[: len(intervals) + 1] = np.append(0.0, np.cumsum(intervals))
    return rows


def neurokit(rows) -> pd.DataFrame:
    """RMSSD and SDNN after NeuroKit2's correction; NaN where it gives up."""
    import neurokit2 as nk

    found = []
    for row in rows:
        samples = np.round(1000 * row[np.isfinite(row)]).astype(int)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                _, samples = nk.signal_fixpeaks(samples, sampling_rate=1000, method="Kubios")
                one = nk.hrv_time(samples, sampling_rate=1000).iloc[0]
                found.append([one["HRV_RMSSD"], one["HRV_SDNN"]])
            except (ValueError, IndexError, ZeroDivisionError, TypeError):
                found.append([np.nan, np.nan])
    return pd.DataFrame(found, columns=list(MEASURES))


def measure(rows, with_neurokit: bool) -> dict[str, pd.DataFrame]:
    """RMSSD and SDNN of rows of beats by each cleaning."""
    tables = {}
    for cleaning in CLEANINGS:
        table = hrv(rows, cleaning=cleaning)
        tables[cleaning] = pd.DataFrame({name: table[column] for name, column in MEASURES.items()})
    return tables | ({"NeuroKit2": neurokit(rows)} if with_neurokit else {})


def compare(rhythms: list, with_neurokit: bool, rng) -> pd.DataFrame:
    """Errors (ms) of every cleaning, one row a rhythm, kind of wrong beat, fraction of them and cleaning."""
    truth = measure(in_rows(rhythms), False)["none"]
    results = []
    for kind in KINDS:
        for fraction in FRACTIONS:
            spoiled = in_rows([spoil(one, kind, fraction, rng) for one in rhythms])
            for name, table in measure(spoiled, with_neurokit).items():
                results.append((table - truth).assign(kind=kind, fraction=fraction, cleaning=name))
    return pd.concat(results, ignore_index=True)


def print_table(errors: pd.DataFrame, by: str) -> None:
    """Mean absolute error of RMSSD and SDNN by `by` and cleaning, over fractions in columns."""
    names = list(dict.fromkeys(errors["cleaning"]))
    print(f"| {by} | cleaning | " + " | ".join(f"{name}, {f:.1%}" for name in MEASURES for f in FRACTIONS) + " | NaN |")
    print("|---" * (3 + len(MEASURES) * len(FRACTIONS)) + "|")
    for value in dict.fromkeys(errors[by]):
        for name in names:
            some = errors[(errors[by] == value) & (errors["cleaning"] == name)]
            cells = [
                f"{some.loc[some['fraction'] == fraction, measure].abs().mean():.1f}"
                for measure in MEASURES
                for fraction in FRACTIONS
            ]
            print(f"| {value} | {name} | " + " | ".join(cells) + f" | {some['RMSSD'].isna().mean():.0%} |")
    print()


def bidmc_minutes(folder: Path) -> tuple[list, list, np.ndarray]:
    """Minutes whose R peaks two detectors agree on and whose rhythm is regular; PPG beats of the same.

    Returns the intervals (s) of such minutes; and of all minutes with agreeing detectors, the beats of the PPG and the
    RMSSD and SDNN of the regular R peaks (NaN where they are not).
    """
    import wfdb

    regular, ppg_beats, reference = [], [], []
    for header in sorted(folder.glob("*.hea")):
        record = wfdb.rdrecord(str(header.with_suffix("")))
        names = [name.strip(",") for name in record.sig_name]
        if "II" not in names or "PLETH" not in names:
            continue
        ecg, ppg = record.p_signal[:, names.index("II")], record.p_signal[:, names.index("PLETH")]
        peaks, others = ecg_beats(ecg, record.fs), ecg_beats(ecg, record.fs, method="elgendi2010")
        for start in np.arange(0.0, len(ecg) / record.fs - LENGTH + 1e-9, LENGTH):
            inside = lambda times, start=start: times[(times >= start) & (times < start + LENGTH)] - start
            beats = inside(peaks)
            if beats.size < 30 or not match_beats(beats, inside(others), 0.1, lag=(-0.1, 0.1)).f1 >= 0.99:
                continue
            intervals = np.diff(beats)
            plain = hrv(beats, cleaning="none").iloc[0]
            nearby = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(intervals, 2, "edge"), 5), axis=1)
            steady = np.abs(intervals / nearby - 1).max() < MOST_OFF
            if steady:
                regular.append(intervals)
            part = slice(round(start * record.fs), round((start + LENGTH) * record.fs))
            ppg_beats.append(detect_beats(ppg[part], record.fs))
            reference.append([plain["HRV_RMSSD"], plain["HRV_SDNN"]] if steady else [np.nan, np.nan])
    return regular, ppg_beats, np.array(reference)


def main() -> None:
    rng = np.random.default_rng(0)
    print(
        "# Cleaning of wrong and ectopic beats\n\nMade by `python examples/benchmarks/accuracy_cleaning.py BIDMC > "
        "docs/cleaning.md`. One minute each; mean absolute error in ms against the same rhythm without wrong beats, by "
        "the fraction of beats that went wrong. *reject* is the default of `hrv`, `heart_rate_variability` and "
        '`ppg_targets`. NeuroKit2: `signal_fixpeaks(method="Kubios")`, then `hrv_time`.\n\n'
        + "\n".join(f"- *{kind}*: {text}" for kind, text in KINDS.items())
        + "\n\n## Simulated rhythms\n"
    )
    simulated = []
    for name, swing in SWINGS.items():
        rhythms = [rhythm(rng, swing) for _ in range(REPEATS)]
        simulated.append(compare(rhythms, True, rng).assign(breathing=name))
    errors = pd.concat(simulated, ignore_index=True)
    print_table(errors.assign(all="all"), "all")
    print_table(errors, "kind")
    print_table(errors, "breathing")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if folder is None or not folder.is_dir():
        return
    regular, ppg_beats, reference = bidmc_minutes(folder)
    print(f"## Rhythms of BIDMC\n\n{len(regular)} regular minutes of electrocardiogram, wrong beats put in.\n")
    errors = compare(regular, False, rng)
    print_table(errors.assign(all="all"), "all")
    known = np.isfinite(reference[:, 0])
    rows = np.full((len(ppg_beats), max(map(len, ppg_beats))), np.nan)
    for row, beats in zip(rows, ppg_beats, strict=True):
        row[: len(beats)] = beats
    print(
        f"## Pulses of BIDMC\n\nPPG of {known.sum()} of those minutes, nothing put in; error of its variability, ms."
        "\n\n| cleaning | RMSSD, mean | RMSSD, median | SDNN, mean | SDNN, median | NaN |\n" + "|---" * 6 + "|"
    )
    for name, table in measure(rows, False).items():
        off = np.abs(table.to_numpy() - reference)[known]
        means, medians = np.nanmean(off, axis=0), np.nanmedian(off, axis=0)
        cells = [f"{value:.1f}" for pair in zip(means, medians, strict=True) for value in pair]
        print(f"| {name} | " + " | ".join(cells) + f" | {np.isnan(off[:, 0]).mean():.0%} |")


if __name__ == "__main__":
    main()
