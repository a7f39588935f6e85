"""The part of `accuracy_ppg.py` on BIDMC, whose electrocardiograms say which beats are real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from accuracy_ppg_methods import (
    MEASURES,
    MISSING,
    PEERS,
    SEED,
    concatenate,
    measure,
    neurokit_peaks,
    of_beats,
    print_table,
    progress,
    verdict,
)
from parts.ppg import EDGE, LENGTH, Counts, compare, same_stretch

import biosig
from biosig.evaluation.bootstrap import bootstrap_mean
from biosig.heart import detect_beats, ecg_beats, heart_rate_variability, match_beats

LEAST_GOOD = 0.95  # share of a reference minute's intervals that must be good where variability is compared


def reference_minutes(ecg, rate: float, starts) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """R peaks; which minutes another detector confirms; rate of those and, in regular rhythm, SDNN and RMSSD."""
    beats = ecg_beats(ecg, rate)
    others = [ecg_beats(ecg, rate, method=method) for method in ("elgendi2010", "neurokit")]
    trusted, rows = [], []
    for start in starts:
        inside = lambda times, start=start: times[(times >= start) & (times < start + LENGTH)]
        scores = [match_beats(inside(beats), inside(other), 0.1, lag=(-0.1, 0.1)).f1 for other in others]
        trusted.append(np.nanmax([0.0, *scores]) >= 0.99)
        found = of_beats(inside(beats)[np.newaxis]).iloc[0]
        n_good = heart_rate_variability(inside(beats))["n_good"]
        regular = n_good >= LEAST_GOOD * (inside(beats).size - 1)
        rows.append([found["rate"], *(found[["sdnn", "rmssd"]] if regular else (np.nan, np.nan))])
    reference = pd.DataFrame(rows, columns=list(MEASURES), dtype=float)
    reference.loc[~np.array(trusted)] = np.nan
    return beats, np.array(trusted), reference


def minute_scores(reference, detected, starts) -> pd.DataFrame:
    """Matched, reference and detected beats of each minute; the lag is that of the whole recording."""
    found = match_beats(reference, detected)
    minute = lambda times: np.floor(times / LENGTH).astype(int)
    n = len(starts)
    count = lambda times: np.bincount(minute(times)[minute(times) < n], minlength=n)
    # A pulse belongs to the minute of its R peak, so detected beats are put back by the lag.
    return pd.DataFrame(
        {
            "matched": count(reference[found.pairs[:, 0]]),
            "reference": count(reference),
            "unmatched": count(np.clip(np.delete(detected, found.pairs[:, 1]) - found.lag, 0, None)),
        }
    )


def bidmc(folder: Path, most: int | None) -> list[str]:
    """Print the tables of BIDMC; returns what they say in short."""
    print("## BIDMC: finger PPG and ECG of intensive-care patients\n")
    if not folder.is_dir():
        print(MISSING)
        return ["BIDMC: not on this machine."]
    patients = pd.read_csv(folder / "index.csv").set_index("record")["patient"]
    scores: dict[str, list] = {}
    measured, references, believed, people, trusted, judged = [], [], [], [], [], []
    for path in progress(sorted(folder.glob("*.hea"))[:most], "BIDMC"):
        recording = biosig.read(path)
        rate = float(recording["ppg"].attrs["sampling_rate"])
        ppg = recording["ppg"].values[:, 0]
        n = int(LENGTH * rate)
        windows = ppg[: len(ppg) // n * n].reshape(-1, n)
        starts = LENGTH * np.arange(len(windows))
        r_peaks, sure, reference = reference_minutes(recording["ecg"].values, rate, starts)
        tables, good = measure(windows, rate)
        measured.append(tables)
        references.append(reference)
        believed.append(good)
        trusted.append(sure)
        people += [patients[path.stem]] * len(windows)
        for name, beats in whole_recording(ppg, rate).items():
            scores.setdefault(name, []).append(minute_scores(r_peaks, beats, starts))
        lag = match_beats(r_peaks, detect_beats(ppg, rate, fiducial="peak")).lag
        judged += [judge(window, rate, r_peaks + lag - start) for window, start in zip(windows, starts, strict=True)]
    sure, good, group = np.concatenate(trusted), np.concatenate(believed), np.array(people)
    print(
        f"{np.unique(group).size} patients, {len(group)} minutes of 60 s, of which two ECG detectors agree on "
        f"{sure.mean():.1%} (reference: `ecg_beats`; F1 of at least 0.99 with one of two others); biosig believes "
        f"{(good & sure).sum() / sure.sum():.1%} of these. Detectors see the whole recording; a beat counts within "
        "150 ms after one lag for each recording. Asked: F1 of at least 0.990.\n"
    )
    f1 = print_scores({name: pd.concat(parts, ignore_index=True) for name, parts in scores.items()}, sure, good, group)
    clean = print_judged(judged, sure, good, group)
    print(
        "### Rate and variability of each minute\n\nDetectors see one minute at a time. The reference is the mean of "
        "the good R-R intervals; SDNN and RMSSD are compared where at least "
        f"{LEAST_GOOD:.0%} of the R-R intervals are good (sinus rhythm), so that no method's cleaning decides. Asked: "
        "HR MAE of at most 0.5.\n"
    )
    mae = print_table(concatenate(measured), pd.concat(references, ignore_index=True), good, group)
    share = (good & sure).sum() / sure.sum()
    ours, peers = "biosig msptdfast", ("NeuroKit2 elgendi", "NeuroKit2 charlton")
    beside = lambda found, rows: ", ".join(f"{peer} {found[(rows, peer)]:.4f}" for peer in peers)
    rates = lambda rows: ", ".join(f"{peer} {mae[(rows, peer, 'rate')]:.2f}" for peer in PEERS)
    return [
        f"BIDMC, beats against ECG, minutes that biosig believes ({share:.1%}): F1 {f1['believed', ours]:.4f} "
        f"{verdict(f1['believed', ours], 0.99, True)}; {beside(f1, 'believed')}. All "
        f"minutes: {f1['every', ours]:.4f}; {beside(f1, 'every')}.",
        f"BIDMC, heart rate, believed minutes: MAE {mae['believed', 'biosig', 'rate']:.2f} beats/min "
        f"{verdict(mae['believed', 'biosig', 'rate'], 0.5, False)}; "
        f"{rates('believed')}. All minutes: "
        f"{mae['every', 'biosig', 'rate']:.2f}; {rates('every')}.",
        f"BIDMC, the same beats as NeuroKit2's charlton, believed minutes: F1 {clean['charlton', 0.0].f1:.4f} "
        f"{verdict(clean['charlton', 0.0].f1, 0.995, True)}. The ECG confirms {clean['charlton', 0.0].ours_real} of "
        f"the {clean['charlton', 0.0].ours} beats that biosig alone finds, and {clean['charlton', 0.0].theirs_real} of "
        f"the {clean['charlton', 0.0].theirs} that charlton alone finds.",
    ]


def whole_recording(ppg, rate: float) -> dict[str, np.ndarray]:
    return {
        "biosig msptdfast": detect_beats(ppg, rate),
        "biosig elgendi": detect_beats(ppg, rate, method="elgendi"),
        "NeuroKit2 elgendi": neurokit_peaks(ppg, rate, "elgendi") / rate,
        "NeuroKit2 charlton": neurokit_peaks(ppg, rate, "charlton") / rate,
        "NeuroKit2 charlton, not tidied": neurokit_peaks(ppg, rate, "charlton", untidied=True) / rate,
    }


def print_scores(scores, sure, good, people) -> dict[tuple[str, str], float]:
    """Print how well each detector finds beats; returns the mean F1 by minutes and detector."""
    result = {}
    print("| minutes | detector | n | people | F1 (mean of minutes) | F1 pooled | sensitivity | precision |")
    print("|---|---|---|---|---|---|---|---|")
    for title, kept in (("every", sure), ("believed", sure & good)):
        for name, table in scores.items():
            some = table[kept]
            f1 = 2 * some["matched"] / (some["matched"] + some["reference"] + some["unmatched"])
            found = bootstrap_mean(f1, people[kept], random_state=SEED)
            result[title, name] = found.estimate
            matched, reference, extra = some.sum()
            print(
                f"| {title} | {name} | {kept.sum()} | {found.n_participants} | {found.estimate:.4f} "
                f"({found.low:.4f} to {found.high:.4f}) | {2 * matched / (matched + reference + extra):.4f} | "
                f"{matched / reference:.4f} | {matched / (matched + extra):.4f} |"
            )
    print("\nNeuroKit2's `bishop` is left out: its work grows with the square of a signal's length.\n")
    return result


def judge(window, rate: float, truth) -> dict:
    """Beats of one minute that biosig or NeuroKit2's charlton found alone, with the ECG as judge."""
    ours = detect_beats(window, rate, fiducial="peak")
    result: dict = {}
    for name, untidied in (("charlton", False), ("charlton, not tidied", True)):
        theirs = neurokit_peaks(window, rate, "charlton", untidied) / rate
        for edge in (0.0, EDGE):
            result[name, edge] = compare(ours, theirs, truth, edge)
        shared = min(ours.size, theirs.size) > 3
        result[name, "apart"] = same_stretch(ours, theirs) if shared else np.nan
    return result


def print_judged(judged, sure, good, people) -> dict[tuple[str, float], Counts]:
    """Print who is right where biosig and charlton differ; returns the sums over the believed minutes."""
    result = {}
    print(
        "### Where biosig and NeuroKit2's MSPTDfast disagree, and who is right\n\nBoth see one minute at a time, both "
        "give the systolic peak. A beat found by one alone is real when the ECG has a beat there. *Ends left out*: "
        f"without the first and last {EDGE:g} s, where charlton finds no peak nearer to the end than its best scale. "
        "*Not tidied*: its peaks before `signal_tidypeaksonsets`, which puts a peak between any two feet. Rates apart: "
        "mean interval over the stretch that both cover. Asked on clean windows: F1 0.995, rates within 0.1 beats/min. "
        "The median patient stands beside the sum, as single patients, whose reflected waves charlton takes for beats "
        "or whose weak beats biosig does not, weigh much."
        "\n\n| minutes | NeuroKit2 | ends | F1 | median patient | only biosig's | real | only NeuroKit2's | real | "
        "rates apart, median | within 0.1, % |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for title, kept in (("every", sure), ("believed", sure & good)):
        some = [one for one, keep in zip(judged, kept, strict=True) if keep]
        for name in ("charlton", "charlton, not tidied"):
            apart = np.array([one[name, "apart"] for one in some])
            rates = f"{np.nanmedian(apart):.3f} | {100 * np.nanmean(apart <= 0.1):.0f}"
            for edge, ends in ((0.0, "kept"), (EDGE, "left out")):
                counts = pd.DataFrame([one[name, edge] for one in some])
                total = result[name, edge] = Counts(*counts.sum())
                each = [Counts(*one).f1 for one in counts.groupby(people[kept]).sum().to_numpy()]
                print(
                    f"| {title} | {name} | {ends} | {total.f1:.4f} | {np.median(each):.4f} | {total.ours} | "
                    f"{total.ours_real} | {total.theirs} | {total.theirs_real} | {rates} |"
                )
    print()
    return result
