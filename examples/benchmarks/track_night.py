"""How well acceleration alone gives the heart rate of recorded nights and days, against a constant and a classic.

    python examples/benchmarks/track_night.py FOLDER [FOLDER ...] --out results.md

Every recording with acceleration and a PPG counts. The reference is the device's own systolic peaks where it has them,
else the beats detected in the PPG: the rate of each minute in which they leave no gap. Printed per recording: mean
absolute error, fraction within 5 beats/min, coverage (windows with a rate among those with a reference), for

- the recording's own median, which no method without a PPG could know;
- `wrist_heart_rate(method="nightbeat", length=60, stride=10)`;
- `track_heart_rate` without any PPG;
- `track_heart_rate` with waveforms from the PPG of the first minutes (half of the recording, at most 60), on the rest;
- and the three others on that rest.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import biosig
from biosig._files import write_text
from biosig.heart import BeatTemplates, detect_beats, track_heart_rate, wrist_heart_rate
from biosig.recordings import read_all

LENGTH, STRIDE = 60.0, 10.0  # s


def reference_beats(recording) -> np.ndarray:
    """Times of beats (s) by the device or, without, by the PPG."""
    if "systolic_peak" in recording:
        return recording["systolic_peak"].values
    ppg = biosig.resample(recording["ppg"].isel(wavelength=0), target_rate=64.0)
    beats = detect_beats(ppg)
    return float(ppg["time_ppg"][0]) + np.asarray(beats)[np.isfinite(beats)]


def reference_rate(beats: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Rate (beats/min) of the minutes from `starts` on; NaN where beats leave gaps."""
    out = np.full(len(starts), np.nan)
    for i, start in enumerate(starts):
        intervals = np.diff(beats[(beats >= start) & (beats < start + LENGTH)])
        intervals = intervals[(intervals > 0.33) & (intervals < 1.8)]
        if len(intervals) > 20 and abs(intervals.sum() - LENGTH) < 9:
            out[i] = 60 / intervals.mean()
    return out


def measure(rate: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    known = np.isfinite(reference)
    both = known & np.isfinite(rate)
    error = np.abs(rate - reference)[both]
    several = both.sum() > 2 and np.ptp(rate[both]) > 0
    return {
        "coverage": both.sum() / max(known.sum(), 1),
        "mae": float(error.mean()) if len(error) else np.nan,
        "within_5": float((error < 5).mean()) if len(error) else np.nan,
        "r": float(np.corrcoef(rate[both], reference[both])[0, 1]) if several else np.nan,
    }


def compare(recording, ppg_minutes: float) -> list[dict]:
    """Rows of results of one recording."""
    accel, beats = recording["accel"], reference_beats(recording)
    even = biosig.resample(accel, target_rate=64.0)
    begin, end = float(even["time_accel"][0]), float(even["time_accel"][-1])
    minutes = min(ppg_minutes, (end - begin) / 120)
    split = begin + 60 * minutes
    templates = None
    try:
        first = accel.sel(time_accel=slice(None, split))
        templates = BeatTemplates().fit(first, beats=beats[beats < split])
    except ValueError as error:
        print(f"{recording.attrs['session']}: no templates ({error})")
    blind = track_heart_rate(accel)
    starts = blind["start"].to_numpy()
    reference = reference_rate(beats, starts)
    classical = wrist_heart_rate(even, method="nightbeat", length=LENGTH, stride=STRIDE)
    rates = {
        "own median": np.full(len(starts), np.nanmedian(reference)),
        "classical tracer": np.interp(starts, classical["start"], classical["heart_rate"]),
        "tracker, no PPG": blind["heart_rate"].to_numpy(),
    }
    later = starts >= split
    rows = [{"windows": "all", "method": name, **measure(rate, reference)} for name, rate in rates.items()]
    rates["own median"] = np.full(len(starts), np.nanmedian(reference[later]))
    if templates is not None:
        personal = track_heart_rate(accel, templates=templates)
        rates[f"tracker, {minutes:.0f} min of PPG"] = personal["heart_rate"].to_numpy()
    after = f"after {minutes:.0f} min"
    rows += [{"windows": after, "method": n, **measure(rate[later], reference[later])} for n, rate in rates.items()]
    return [{"session": recording.attrs["session"], **row} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--ppg-minutes", type=float, default=60.0)
    parser.add_argument("--out", type=Path, help="the table as Markdown")
    options = parser.parse_args()
    recordings, skipped = read_all(options.folders)
    for path, reason in skipped:
        print(f"left out {path}: {reason}")
    rows: list[dict] = []
    for recording in recordings:
        if "accel" in recording and "ppg" in recording:
            rows += compare(recording, options.ppg_minutes)
            print(pd.DataFrame(rows[-8:]).round(2).to_string(index=False), flush=True)
    table = pd.DataFrame(rows).rename(columns={"mae": "error", "within_5": "within 5"})
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    for row in table.itertuples(index=False):
        cells = [f"{value:.2f}" if isinstance(value, float) else str(value) for value in row]
        lines.append("| " + " | ".join(cells) + " |")
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out is not None:
        write_text(options.out, text)


if __name__ == "__main__":
    main()
