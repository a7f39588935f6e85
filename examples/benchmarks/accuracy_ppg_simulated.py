"""The part of `accuracy_ppg.py` on simulated wrists, where the true beats are known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
from accuracy_ppg_methods import SEED, neurokit_measures, neurokit_peaks, of_beats, progress

import biosig
from biosig.evaluation.bootstrap import bootstrap_mean
from biosig.heart import detect_beats, ppg_targets, pulse_times
from biosig.recordings import simulate_cohort, truth_targets
from biosig.recordings.devices import DEVICES

PEOPLE, MINUTES, RATE, LENGTH = 128, 40, 64.0, 60.0
EVERY = 4  # one window in so many goes to NeuroKit2, which takes long
EARLIER = "white noise of 0.04 pulses, as until now"
FITTED = "noise fitted to recordings"


def simulated(most: int | None) -> list[str]:
    print("## Simulated wrist against the truth\n")
    n_people = PEOPLE if most is None else 4 * most
    names = np.array([f"P{k + 1:03d}" for k in range(n_people)])
    held_out = np.random.default_rng(SEED).permutation(names)[: round(0.2 * n_people)]
    print(
        f"The {held_out.size} held-out participants of `biosig demo` (device watch, {MINUTES} min each, the same "
        "hearts), minutes whose heart rate passes quality control, against the true beats at the wrist (normal "
        "intervals). *Coverage*: of these minutes, those with a value. *Noise kept*: before timing noise is taken out "
        "of the measured variance. *Constant*: mean truth of the other participants, on all of these minutes. "
        f"NeuroKit2 has every {EVERY}th minute. Targets: RMSSD bias of at most 2 ms, error of at most a third of the "
        "constant's.\n"
    )
    found = []
    watch = DEVICES["watch"]
    for title, device in (
        (EARLIER, replace(watch, ppg_noise=0.04, ppg_slow_noise=0.0, ppg_bursts=0.0)),
        (FITTED, watch),
    ):
        print(f"### PPG with {title}\n")
        found.append(_one_noise(title, device, n_people, held_out))
    return found


def _one_noise(title: str, device, n_people: int, held_out) -> str:
    ppg, truths, training, known = [], [], [], []
    recordings = simulate_cohort(n_people, 60.0 * MINUTES, device=device, random_state=SEED)
    for recording in progress(recordings, title):
        name = recording.attrs["participant"]
        if name not in held_out:
            training.append(truth_targets(recording, np.arange(0.0, 60.0 * MINUTES - LENGTH + 1, LENGTH)).mean())
            continue
        windows = biosig.segment(recording, length=LENGTH, stride=LENGTH, sampling_rate=RATE)
        ppg.append(windows["ppg"].to_numpy()[:, 0])
        true = recording["true_beat"].to_numpy()
        known += [true[(true >= start) & (true < start + LENGTH)] - start for start in windows["start"].to_numpy()]
        truths.append(truth_targets(recording, windows["start"].to_numpy()).assign(participant=name))
    rows, truth = np.concatenate(ppg), pd.concat(truths, ignore_index=True)
    constant = pd.DataFrame(training).mean()
    targets = ppg_targets(rows, RATE)
    passed = np.isfinite(targets["heart_rate"]).to_numpy()
    rows, truth, targets = rows[passed], truth[passed].reset_index(drop=True), targets[passed].reset_index(drop=True)
    times = pulse_times(rows, RATE)
    tables = {
        "biosig (`ppg_targets`)": targets[["sdnn", "rmssd"]],
        "biosig, all beats, noise kept": of_beats(times.beats)[["sdnn", "rmssd"]],
        "biosig, steepest upslope": of_beats(detect_beats(rows, RATE, fiducial="upslope"))[["sdnn", "rmssd"]],
    }
    some = np.arange(0, len(rows), EVERY)
    for detector in ("elgendi", "charlton"):
        peaks = [neurokit_peaks(rows[row], RATE, detector) for row in progress(some, f"NeuroKit2 {detector}")]
        for corrected in (False, True):
            values = np.full((len(rows), 2), np.nan)
            values[some] = [neurokit_measures(one, RATE, corrected)[1:] for one in peaks]
            name = f"NeuroKit2 {detector}{', corrected' if corrected else ''}"
            tables[name] = pd.DataFrame(values, columns=["sdnn", "rmssd"])
    tables["constant"] = pd.DataFrame({name: np.full(len(rows), constant[name]) for name in ("sdnn", "rmssd")})
    print(
        f"{len(rows)} of {passed.size} minutes pass. Timing noise (10th, 50th and 90th percentile): "
        f"{' / '.join(f'{value:.1f}' for value in targets['timing_noise'].quantile([0.1, 0.5, 0.9]))} ms.\n"
    )
    print("| method | coverage | SDNN MAE, ms | SDNN bias, ms | coverage | RMSSD MAE, ms | RMSSD bias, ms |")
    print("|---" * 7 + "|")
    people = truth["participant"].to_numpy()
    errors_of = {}
    for name, table in tables.items():
        cells = []
        tried = some if name.startswith("NeuroKit2") else np.arange(len(rows))
        for measure in ("sdnn", "rmssd"):
            errors = (table[measure] - truth[measure]).to_numpy(float)
            kept = np.isfinite(errors)
            mae, bias = (bootstrap_mean(e[kept], people[kept], random_state=SEED) for e in (np.abs(errors), errors))
            errors_of[name, measure] = mae, bias
            cells.append(f"{kept[tried].mean():.1%}")
            cells += [f"{mae.estimate:.2f} ({mae.low:.2f} to {mae.high:.2f})"]
            cells += [f"{bias.estimate:+.2f} ({bias.low:+.2f} to {bias.high:+.2f})"]
        print(f"| {name} | {' | '.join(cells)} |")
    print()
    _print_calibration(times, [beats for beats, good in zip(known, passed, strict=True) if good])
    ours, rises, base = (errors_of[name, "rmssd"] for name in (*list(tables)[:3:2], "constant"))
    spread, spread_base = errors_of["biosig (`ppg_targets`)", "sdnn"], errors_of["constant", "sdnn"]
    met = abs(ours[1].estimate) <= 2 and ours[0].estimate <= base[0].estimate / 3
    return (
        f"Simulated wrist, {title}: RMSSD bias {ours[1].estimate:+.1f} ms and error {ours[0].estimate:.1f} ms, a "
        f"constant's {base[0].estimate:.1f} (target {'met' if met else 'missed'}); by the steepest upslope "
        f"{rises[1].estimate:+.1f} and {rises[0].estimate:.1f} ms. SDNN bias {spread[1].estimate:+.1f} and error "
        f"{spread[0].estimate:.1f} ms, a constant's {spread_base[0].estimate:.1f}."
    )


def _print_calibration(times, known) -> None:
    """Print how far beats are off in truth, by the standard error given with them."""
    errors, given = [], []
    for beats, errors_given, true in zip(times.beats, times.errors, known, strict=True):
        inside = np.isfinite(errors_given)
        off = beats[inside] - true[np.abs(beats[inside][:, None] - true).argmin(axis=1)]
        errors.append(1000 * (off - np.median(off)))
        given.append(1000 * errors_given[inside])
    error, sigma = np.concatenate(errors), np.concatenate(given)
    print("| standard error given, ms | beats | its root mean square | true error, robust sd | beyond three of them |")
    print("|---|---|---|---|---|")
    edges = (0, 2, 3, 5, 8, 15, np.inf)
    for low, high in pairwise(edges):
        here = (sigma >= low) & (sigma < high)
        if here.sum() < 20:
            continue
        title = f"{low:g} to {high:g}" if np.isfinite(high) else f"above {low:g}, not used"
        print(
            f"| {title} | {here.sum()} | {np.sqrt(np.mean(sigma[here] ** 2)):.1f} | "
            f"{1.4826 * np.median(np.abs(error[here])):.1f} | {np.mean(np.abs(error[here]) > 3 * sigma[here]):.1%} |"
        )
    print()
