"""Beats, heart rate and variability from PPG against ECG, R-R intervals and devices: tables in Markdown.

Run ``python examples/benchmarks/accuracy_ppg.py > docs/ppg_accuracy.md`` (``--quick``: three recordings of each).
Recordings are taken from the folder named by BIOSIG_DATA, or from ``../shared/data`` beside the repository; those that
are missing are said to be. Intervals resample participants.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
from accuracy_ppg_bidmc import bidmc
from accuracy_ppg_methods import (
    CONSTANT,
    MEASURES,
    MISSING,
    OURS,
    PEERS,
    concatenate,
    error_cell,
    limits_cell,
    measure,
    neurokit_measures,
    neurokit_peaks,
    of_beats,
    of_times,
    print_table,
    progress,
)
from accuracy_ppg_simulated import simulated

import biosig
from biosig.heart import detect_beats, polarity, pulse_times
from biosig.signals import resample_irregular

LENGTH = 60.0  # s
FRAMES = 30.0  # Hz, grid of the camera's frames
BEST = "biosig, template, noise taken out"
LEAST_IBI = 0.8  # share of a window that the device's intervals must cover


def welltory(folder: Path, most: int | None) -> list[str]:
    print("## Welltory: finger on a telephone's camera, R-R intervals of a chest strap\n")
    if not folder.is_dir():
        print(MISSING)
        return ["Welltory: not on this machine."]
    rows: dict[str, list] = {}
    reference, names, upright = [], [], []
    for path in progress(sorted(folder.glob("subject_*"))[:most], "Welltory"):
        frames = pd.read_csv(path / "PPG.csv")
        intervals = np.array((path / "RR.txt").read_text().split(), dtype=float) / 1000
        reference.append(of_beats(np.cumsum(np.insert(intervals, 0, 0.0))[np.newaxis]).iloc[0])
        names.append(path.name)
        # Blood takes light away, so the red channel falls as the vessels fill.
        ppg = resample_irregular(frames["time"] / 1000, -frames["R"].to_numpy(), FRAMES)
        upright.append(polarity(ppg, FRAMES)["polarity"].iloc[0] > 0)
        rows.setdefault(BEST, []).append(of_times(pulse_times(ppg, FRAMES)).iloc[0])
        for name, beats in camera_beats(ppg).items():
            rows.setdefault(name, []).append(of_beats(beats[np.newaxis]).iloc[0])
        fine = resample_irregular(frames["time"] / 1000, -frames["R"].to_numpy(), 8 * FRAMES)
        for name, signal, rate in (("30", ppg, FRAMES), ("240", fine, 8 * FRAMES)):
            for detector in ("elgendi", "charlton"):
                for corrected in (False, True):
                    found = neurokit_measures(neurokit_peaks(signal, rate, detector), rate, corrected)
                    title = f"NeuroKit2 {detector}, {name} Hz{', corrected' if corrected else ''}"
                    rows.setdefault(title, []).append(dict(zip(MEASURES, found, strict=True)))
    print(
        f"{len(names)} recordings of 68 to 112 s (at most 13 people, who is who is not published: intervals resample "
        f"recordings), on a grid of {FRAMES:g} Hz. `polarity` calls {sum(upright)} of them upright once the red "
        "channel is turned over. Errors against the good R-R intervals. *Not refined*: beats at the nearest frame.\n"
    )
    known = pd.DataFrame(reference).reset_index(drop=True)
    print("| beats | n with RMSSD | HR MAE, beats/min | SDNN MAE, ms | RMSSD MAE, ms | RMSSD bias (limits) | RMSSD r |")
    print("|---|---|---|---|---|---|---|")
    mae = {}
    for name, each in rows.items():
        errors = pd.DataFrame(each).reset_index(drop=True)[list(MEASURES)] - known[list(MEASURES)]
        cells = [error_cell(errors[measure_].to_numpy(), names) for measure_ in MEASURES]
        both = np.isfinite(errors["rmssd"])
        mae[name] = errors["rmssd"].abs().mean()
        r = (
            np.corrcoef((errors["rmssd"] + known["rmssd"])[both], known["rmssd"][both])[0, 1]
            if both.sum() > 2
            else np.nan
        )
        print(f"| {name} | {both.sum()} | {' | '.join(cells)} | {limits_cell(errors['rmssd'].to_numpy())} | {r:.2f} |")
    print()
    best = min((name for name in mae if name.startswith("NeuroKit2")), key=lambda name: mae[name])
    return [
        f"Welltory, camera at {FRAMES:g} frames/s, RMSSD against R-R intervals: MAE {mae[BEST]:.1f} ms by mean pulse, "
        f"timing noise taken out, where it is given; {mae['biosig, upslope']:.1f} ms by the refined "
        f"upslope, {mae['biosig, upslope, not refined']:.0f} ms by the nearest frame; by the peak "
        f"{mae['biosig, peak']:.0f} and {mae['biosig, peak, not refined']:.0f} ms; best of {best}: {mae[best]:.0f} ms."
    ]


def camera_beats(ppg) -> dict[str, np.ndarray]:
    """Beats of one recording by each fiducial point, and by the peak at its frame."""
    found = {
        f"biosig, {kind}": detect_beats(ppg, FRAMES, fiducial=kind)
        for kind in ("template", "upslope", "mid_amplitude", "peak")
    }
    rounded = {f"biosig, {kind}, not refined": found[f"biosig, {kind}"] for kind in ("upslope", "peak")}
    return found | {name: np.unique(np.round(beats * FRAMES)) / FRAMES for name, beats in rounded.items()}


def troika(folder: Path, most: int | None) -> list[str]:
    from scipy.io import loadmat

    print("## TROIKA: wrist PPG during exercise, windows of 8 s\n")
    pairs = sorted((folder / "Training_data").glob("DATA_*_TYPE0?.mat")) + sorted(
        (folder / "TestData").glob("TEST_*.mat")
    )
    if not pairs:
        print(MISSING)
        return ["TROIKA: not on this machine."]
    rate, length, stride = 125.0, 8.0, 2.0
    measured, references, believed, people, rest = [], [], [], [], []
    for path in progress(pairs[:most], "TROIKA"):
        training = path.name.startswith("DATA")
        truth = path.with_name(f"{path.stem}_BPMtrace.mat" if training else path.name.replace("TEST", "True"))
        known = loadmat(truth)["BPM0"].ravel()
        signal = loadmat(path)["sig"][1 if training else 0].astype(np.float32)
        starts = np.arange(known.size) * stride
        windows = np.stack([signal[int(s * rate) : int((s + length) * rate)] for s in starts])
        tables, good = measure(windows, rate)
        measured.append(tables)
        believed.append(good)
        references.append(pd.DataFrame({"rate": known, "sdnn": np.nan, "rmssd": np.nan}))
        people += ["_".join(path.stem.split("_")[:2])] * known.size
        rest.append(training & (starts + length <= 30))
    print(
        f"{len(set(people))} people; reference: the rate that comes with the recordings, from the ECG. The first of "
        "two PPG channels alone, without the acceleration: these are beat detectors for a still wrist, not trackers, "
        "and `ppg_targets` is there to refuse such windows. Published trackers that use the acceleration reach 1 to 3 "
        "beats/min.\n"
    )
    reference, group, still = pd.concat(references, ignore_index=True), np.array(people), np.concatenate(rest)
    told = []
    for title, kept in (
        ("All windows", np.ones(len(group), bool)),
        ("The first 30 s of the training set (rest)", still),
    ):
        print(f"### {title}\n")
        some = {name: table[kept].reset_index(drop=True) for name, table in concatenate(measured).items()}
        known = reference[kept].reset_index(drop=True)
        mae = print_table(some, known, np.concatenate(believed)[kept], group[kept], measures=("rate",), within=True)
        share = np.concatenate(believed)[kept].mean()
        ours, peer = ((mae["believed", name, "rate"], mae["every", name, "rate"]) for name in (OURS[0], PEERS[0]))
        told.append(
            f"TROIKA, {title[0].lower() + title[1:]}: heart rate MAE {ours[0]:.1f} beats/min in the {share:.0%} of "
            f"the 8-s windows that are believed, {ours[1]:.1f} in all; {PEERS[0]} {peer[0]:.1f} and {peer[1]:.1f}; "
            f"constant {mae['every', CONSTANT, 'rate']:.1f} in all."
        )
    return told


def device_minutes(recording, starts) -> pd.DataFrame:
    """Rate, SDNN and RMSSD of the device's own intervals in each minute that they cover."""
    ends, intervals = recording["time_ibi"].values, recording["ibi"].values
    rows = []
    for start in starts:
        inside = (ends - intervals >= start) & (ends <= start + LENGTH)
        x, end = intervals[inside], ends[inside]
        if x.sum() < LEAST_IBI * LENGTH:
            rows.append((np.nan,) * 3)
            continue
        joined = np.abs(np.diff(end) - x[1:]) < 0.02
        rmssd = 1000 * np.sqrt(np.mean(np.diff(x)[joined] ** 2)) if joined.sum() > 10 else np.nan
        rows.append((60 / x.mean(), 1000 * x.std(ddof=1), rmssd))
    return pd.DataFrame(rows, columns=list(MEASURES), dtype=float)


def wrist(folder: Path, title: str, most: int | None) -> list[str]:
    print(f"## {title}: Empatica E4 at the wrist, minutes against the device's own intervals\n")
    paths = sorted(folder.glob("S*.zip"))[:most]
    if not paths:
        print(MISSING)
        return [f"{title}: not on this machine."]
    measured, references, believed, people = [], [], [], []
    n_all = 0
    for path in progress(paths, title):
        recording = biosig.read(path)
        rate = float(recording["ppg"].attrs["sampling_rate"])
        ppg = recording["ppg"].values[:, 0]
        n = round(LENGTH * rate)
        windows = ppg[: len(ppg) // n * n].reshape(-1, n)
        begin = float(recording["time_ppg"].values[0])
        reference = device_minutes(recording, begin + n / rate * np.arange(len(windows)))
        n_all += len(windows)
        kept = np.isfinite(reference["rate"]).to_numpy()
        if not kept.any():
            continue
        tables, good = measure(windows[kept], rate, peers_sign=-1.0)
        measured.append(tables)
        references.append(reference[kept].reset_index(drop=True))
        believed.append(good)
        people += [path.stem] * int(kept.sum())
    print(
        f"{len(paths)} people, {n_all} minutes; the device gives intervals for at least {LEAST_IBI:.0%} of "
        f"{len(people)} of them ({len(people) / n_all:.0%}, {len(set(people))} people). The reference comes from the "
        "same PPG and is cleaned by the device: this is agreement, not truth. NeuroKit2 gets the signal as the device "
        "writes it, upside down: its peaks are then the feet of the pulses, which are sharper than these crests.\n"
    )
    mae = print_table(concatenate(measured), pd.concat(references, ignore_index=True), np.concatenate(believed), people)
    errors = lambda method: "/".join(f"{mae['every', method, name]:.1f}" for name in MEASURES)
    return [
        f"{title}, minutes with the device's own intervals ({len(people) / n_all:.0%} of all): MAE of rate/SDNN/RMSSD "
        f"{errors(OURS[0])} (beats/min, ms, ms); {PEERS[0]} {errors(PEERS[0])}, corrected {errors(PEERS[1])}; constant "
        f"{errors(CONSTANT)}."
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three recordings of each")
    options = parser.parse_args()
    data = Path(os.environ.get("BIOSIG_DATA", Path(__file__).parents[3] / "shared" / "data"))
    most = 3 if options.quick else None
    print("# Beats, heart rate and variability from PPG\n")
    print(
        f"Made by `python examples/benchmarks/accuracy_ppg.py{' --quick' if options.quick else ''} > "
        "docs/ppg_accuracy.md`. Rows stand for *every* window with a reference and for those among them that "
        "`ppg_targets` *believes*, the same for all methods; *covered* is the share of windows with a reference that a "
        "row speaks of. Errors are method minus reference: mean absolute error (MAE) with a 95 % interval that "
        "resamples people, and bias with limits of agreement (1.96 sd over windows).\n"
    )
    print(
        f"- {OURS[0]}: MSPTDfast, `pulse_times` (mean pulse of the window), intervals that are not good or not timed "
        "well left out, timing noise taken out of SDNN and RMSSD, which are not given where it hides them (*with "
        f"RMSSD*: of the windows with a reference of it); {OURS[1]}: steepest upslope, nothing taken out, as until "
        f"now; {OURS[2]}: after `correct_beats`; {OURS[3]}: the other detector, nothing taken out.\n"
        f"- {PEERS[0]} and {PEERS[2]}: its cleaning, peaks and `hrv_time` of all intervals; *corrected*: after its "
        "`signal_fixpeaks` (Kubios).\n"
        "- constant: the mean of the other people, without a look at the window.\n"
    )
    body = io.StringIO()
    with contextlib.redirect_stdout(body):
        findings = [
            *bidmc(data / "bidmc", most),
            *welltory(data / "welltory_ppg", most),
            *troika(data / "troika_spc2015", most),
            *simulated(most),
            *wrist(data / "wesad_e4", "WESAD", most),
            *wrist(data / "stress_predict_e4", "Stress-Predict", most),
        ]
    print("## In short\n\n- " + "\n- ".join(findings) + "\n")
    print(body.getvalue().rstrip())


if __name__ == "__main__":
    main()
