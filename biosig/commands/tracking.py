"""``biosig track``: heart rate over a recording from the acceleration of a wrist."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from biosig.commands.arguments import positive, share


def add(commands) -> None:
    """Add the parser."""
    track = commands.add_parser("track", help="heart rate over a recording from acceleration alone, as a table")
    track.add_argument("recording", type=Path, help="file or folder of one session")
    track.add_argument("--out", type=Path, required=True, help="table, .csv: one row per 60 s window every 10 s")
    track.add_argument("--plot", type=Path, help="figure of the heart rate over time, .png, .svg or .pdf")
    track.add_argument(
        "--min-confidence", type=share, default=0.6, help="windows of less confidence have no rate (%(default)s)"
    )
    track.add_argument(
        "--ppg-minutes",
        type=positive,
        metavar="MINUTES",
        help="learn how this person's beats move the sensor from the PPG of the first minutes",
    )
    track.set_defaults(run=_track)


def _track(options: argparse.Namespace) -> None:
    from biosig._files import atomic_path, check_target_file
    from biosig.heart import BeatTemplates, track_heart_rate
    from biosig.recordings import read

    check_target_file(options.out, (".csv",), "the table", [options.recording])
    if options.plot is not None:
        check_target_file(options.plot, (".png", ".svg", ".pdf"), "the figure", [options.recording])
    recording = read(options.recording)
    if "accel" not in recording:
        raise ValueError(f"{options.recording} holds no acceleration; expected a recording with accel")
    templates = None
    if options.ppg_minutes is not None:
        if "ppg" not in recording:
            raise ValueError(f"{options.recording} holds no PPG; leave out --ppg-minutes")
        first = lambda name: recording[name].sel({f"time_{name}": slice(None, 60 * options.ppg_minutes)})
        templates = BeatTemplates().fit(first("accel"), first("ppg"))
    table = track_heart_rate(
        recording["accel"], templates=templates, min_confidence=options.min_confidence, progress=True
    )
    with atomic_path(options.out) as path:
        table.round(3).to_csv(path, index=False)
    if options.plot is not None:
        with atomic_path(options.plot) as path:
            _plot(table, recording, path)
    rates = table["heart_rate"].dropna()
    found = f"median {rates.median():.1f} beats/min" if len(rates) else "no heart rate found"
    print(f"{len(table)} windows, coverage {table.attrs['coverage']:.0%}, {found}; table in {options.out}")


def _plot(table, recording, path: Path) -> None:
    """Draw the rate with its interval, and that of the intervals between the device's beats where there are any."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.add_subplot()
    hours = (table["start"] + 30) / 3600
    if "ibi" in recording:
        middle, rate = _reference(recording["time_ibi"].values, recording["ibi"].values, table["start"].to_numpy())
        axes.plot(middle / 3600, rate, color="0.55", linewidth=1, label="optical sensor")
    axes.fill_between(hours, table["low"], table["high"], color="tab:red", alpha=0.25, linewidth=0, label="90 %")
    axes.plot(hours, table["heart_rate"], color="tab:red", linewidth=1.2, label="acceleration")
    axes.set(xlabel="time (h)", ylabel="heart rate (beats/min)")
    axes.legend(frameon=False, ncols=3, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def _reference(ends: np.ndarray, intervals: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rate (beats/min) of the intervals in each minute; NaN where they are less than half of it."""
    sums = np.concatenate([[0.0], np.cumsum(intervals)])
    low, high = np.searchsorted(ends, starts), np.searchsorted(ends, starts + 60)
    total, count = sums[high] - sums[low], high - low
    return starts + 30, np.where(total > 30, 60 * count / np.maximum(total, 1e-9), np.nan)
