"""Noise of the PPG of still wrists, simulated beside recorded: a table in Markdown.

Run ``python examples/benchmarks/ppg_noise.py``. The noise of `biosig.recordings.devices.DEVICES` was set by hand until
its rows agreed with the recorded ones about the middle; nothing is fitted to single recordings. Recordings are taken
from the folder named by BIOSIG_DATA, or from ``../shared/data`` beside the repository; sets that are missing, and
EmbracePlus without the package fastavro, are said to be.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import signal

import biosig
from biosig.heart import detect_beats, ppg_targets, pulse_times
from biosig.recordings import make_recording
from biosig.recordings.devices import DEVICES

RATE = 64.0
STILL = 0.006  # g, largest motion of a window
BANDS = ((0.5, 1), (1, 2), (2, 4), (4, 8), (8, 14))  # Hz
AROUND = (-0.35, 0.45)  # s around the steepest rise
UNSURE = 0.015  # s, standard error of a pulse that counts as disturbed
PEOPLE, MINUTES, SEED = 24, 10, 0
EARLIER = {
    name: replace(device, ppg_noise=0.04, ppg_slow_noise=0.0, ppg_bursts=0.0) for name, device in DEVICES.items()
}


def simulated(device) -> list:
    return biosig.simulate_cohort(PEOPLE, 60.0 * MINUTES, device=device, random_state=SEED)


def empatica(folder: Path) -> list:
    return [biosig.read(path) for path in sorted(folder.glob("S*.zip"))]


def embraceplus(folder: Path) -> list:
    """Recordings of EmbracePlus Avro files, one a file, blood volume turned up."""
    import fastavro

    found = []
    for path in sorted(folder.glob("*/*.avro")):
        with path.open("rb") as file:
            for record in fastavro.reader(file):
                accel, bvp = record["rawData"]["accelerometer"], record["rawData"]["bvp"]
                scale = accel["imuParams"]
                step = (scale["physicalMax"] - scale["physicalMin"]) / (scale["digitalMax"] - scale["digitalMin"])
                begin = min(accel["timestampStart"], bvp["timestampStart"])
                if len(bvp["values"]) < 70 * RATE:
                    continue
                found.append(
                    make_recording(
                        accel=step * np.array([accel[axis] for axis in "xyz"], dtype=float).T,
                        ppg=-np.array(bvp["values"], dtype=float),
                        sampling_rate={"accel": accel["samplingFrequency"], "ppg": bvp["samplingFrequency"]},
                        offset={
                            "accel": (accel["timestampStart"] - begin) / 1e6,
                            "ppg": (bvp["timestampStart"] - begin) / 1e6,
                        },
                        participant=path.parent.name.rsplit("_", 1)[0],
                        session=path.stem,
                        device="EmbracePlus",
                        source=path.name,
                    )
                )
    return found


def still_windows(recordings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """PPG of the still minutes, who they are of, and which pass quality control."""
    ppg, people = [], []
    for recording in recordings:
        try:
            windows = biosig.segment(recording, length=60.0, stride=60.0, sampling_rate=RATE)
        except ValueError:  # shorter than a window
            continue
        still = windows["motion"].to_numpy() < STILL
        ppg.append(windows["ppg"].to_numpy()[still, 0])
        people += [str(recording.attrs["participant"])] * int(still.sum())
    rows = np.concatenate(ppg)
    return rows, np.array(people), np.isfinite(ppg_targets(rows, RATE)["heart_rate"]).to_numpy()


def describe(ppg) -> pd.DataFrame:
    """Timing and residual noise of windows of PPG (n_windows, n_samples)."""
    times, rises = pulse_times(ppg, RATE), detect_beats(ppg, RATE, fiducial="upslope")
    bands = [(0.5, 8), *BANDS]
    filters = [signal.butter(3, band, "bandpass", fs=RATE, output="sos") for band in bands]
    lags = np.arange(round(AROUND[0] * RATE), round(AROUND[1] * RATE) + 1)
    rows = []
    for window, beats, errors, rise in zip(ppg, times.beats, times.errors, rises, strict=True):
        beats, errors, rise = (values[np.isfinite(beats)] for values in (beats, errors, rise))
        moves = beats - rise
        usual = errors < 3 * np.nanmedian(errors)
        whole = (beats * RATE + lags[0] > 1) & (beats * RATE + lags[-1] < window.size - 2) & usual
        row = [1482.6 * np.median(np.abs(moves - np.median(moves))), 1000 * np.nanmedian(errors)]
        row.append(100 * np.mean(~(errors < UNSURE)))
        where = (beats[whole, np.newaxis] * RATE + lags).ravel()
        filled = pd.Series(window).interpolate(limit_direction="both").to_numpy()
        height = np.nan
        for number, sections in enumerate(filters):
            band = signal.sosfiltfilt(sections, filled)
            pulses = np.interp(where, np.arange(window.size), band).reshape(-1, lags.size)
            mean = pulses.mean(axis=0)
            if number == 0:
                height = np.ptp(mean)
                continue
            rest = pulses - np.outer(pulses @ mean / (mean @ mean), mean)
            row.append(100 * np.sqrt(np.mean(rest**2)) / height)
        rows.append(row)
    names = ["upslope against mean pulse, ms", "timing noise, ms", "disturbed pulses, %"]
    return pd.DataFrame(rows, columns=names + [f"{low:g} to {high:g} Hz" for low, high in BANDS])


def report(name: str, recordings) -> None:
    ppg, people, passed = still_windows(recordings)
    table = describe(ppg[passed])
    cells = [
        f"{low:.2g} / {middle:.2g} / {high:.2g}" for low, middle, high in table.quantile([0.1, 0.5, 0.9]).T.to_numpy()
    ]
    who = people[passed]
    print(
        f"| {name} | {np.unique(who).size} | {passed.sum()} | {100 * passed.mean():.0f} % | " + " | ".join(cells) + " |"
    )


def main() -> None:
    data = Path(os.environ.get("BIOSIG_DATA", Path(__file__).parents[3] / "shared" / "data"))
    print(
        f"Minutes with motion below {1000 * STILL:g} mg that pass quality control: 10th, 50th and 90th percentile over "
        "windows. *Upslope against mean pulse*: robust standard deviation of the difference of both times. "
        "*Disturbed*: "
        f"standard error above {1000 * UNSURE:g} ms. Last columns: what is left in a band after the mean pulse, in per "
        "cent of its height.\n"
    )
    heads = ["", "participants", "windows", "passing", "upslope against mean pulse, ms", "timing noise, ms"]
    heads += ["disturbed pulses, %", *(f"{low:g} to {high:g} Hz, %" for low, high in BANDS)]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    missing = []
    for name, folder, read in (
        ("recorded, EmbracePlus", "embraceplus_meditation", embraceplus),
        ("simulated, watch", None, "watch"),
        ("simulated, watch, earlier noise", None, EARLIER["watch"]),
        ("recorded, E4, WESAD", "wesad_e4", empatica),
        ("recorded, E4, Stress-Predict", "stress_predict_e4", empatica),
        ("simulated, e4", None, "e4"),
        ("simulated, e4, earlier noise", None, EARLIER["e4"]),
    ):
        if folder is None:
            report(name, simulated(read))
        elif not (data / folder).is_dir():
            missing.append(f"{name}: not on this machine")
        else:
            try:
                report(name, read(data / folder))
            except ImportError as error:
                missing.append(f"{name}: {error}")
    print("\n" + "\n".join(missing) if missing else "")


if __name__ == "__main__":
    main()
