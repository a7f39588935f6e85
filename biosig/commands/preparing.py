"""``biosig simulate`` and ``biosig windows``: from people to windows on disk."""

from __future__ import annotations

import argparse
from pathlib import Path

from biosig.commands.arguments import count, positive, share


def add(commands) -> None:
    """Add the parsers of both commands."""
    simulate = commands.add_parser("simulate", help="write simulated recordings with their truth as netCDF files")
    simulate.add_argument("--out", type=Path, required=True, help="folder for the recordings")
    simulate.add_argument("--participants", type=count, default=8, help="simulated people (%(default)s)")
    simulate.add_argument("--minutes", type=positive, default=30.0, help="length of each recording (%(default)s)")
    simulate.add_argument("--device", default="watch", help="simulated sensor: watch or e4 (%(default)s)")
    simulate.add_argument("--seed", type=int, default=0, help="seed of the cohort (%(default)s)")
    simulate.set_defaults(run=_simulate)

    windows = commands.add_parser("windows", help="cut recordings into still, clean windows")
    windows.add_argument("recordings", type=Path, nargs="+", metavar="RECORDINGS", help="files or folders")
    windows.add_argument(
        "--out", type=Path, required=True, help="one file (.nc), or a folder for a file each recording, of any number"
    )
    windows.add_argument("--length", type=positive, default=60.0, help="seconds (%(default)s)")
    windows.add_argument("--stride", type=positive, help="seconds between windows; the length without it")
    windows.add_argument("--rate", type=positive, default=64.0, help="sampling rate of the windows, Hz (%(default)s)")
    windows.add_argument("--max-motion", type=positive, default=50.0, help="stillness gate, mg (%(default)s)")
    windows.add_argument("--min-quality", type=share, default=0.4, help="PPG quality gate (%(default)s)")
    windows.add_argument("--all", action="store_true", help="keep every window, whatever the gates say")
    windows.set_defaults(run=_windows)


def _simulate(options: argparse.Namespace) -> None:
    from biosig.recordings import simulate_cohort, write

    recordings = simulate_cohort(
        options.participants, 60 * options.minutes, device=options.device, random_state=options.seed, progress=True
    )
    for recording in recordings:
        write(recording, options.out / f"{recording.attrs['participant']}.nc")
    print(f"{len(recordings)} recordings of {options.minutes:g} min in {options.out}")


def _windows(options: argparse.Namespace) -> None:
    import xarray as xr
    from tqdm import tqdm

    from biosig.recordings import read_all
    from biosig.signals import Gate, segment
    from biosig.signals.storage import write_windows

    gate = None if options.all else Gate(max_motion=options.max_motion / 1000, min_ppg_quality=options.min_quality)
    in_one = options.out.suffix == ".nc"
    kept: list[xr.Dataset] = []
    written: set[Path] = set()
    people: set[str] = set()
    left_out: list[tuple[str, str]] = []
    n_windows = 0
    for root in options.recordings:  # one after the other, so that not all recordings are in memory at once
        recordings, skipped = read_all([root])
        left_out += [(str(path), reason) for path, reason in skipped]
        for recording in tqdm(recordings, desc="cutting windows", unit="recording", delay=2):
            session = str(recording.attrs["session"])
            try:
                windows = segment(
                    recording, length=options.length, stride=options.stride, sampling_rate=options.rate, gate=gate
                )
            except ValueError as error:
                left_out.append((session, str(error)))
                continue
            if not windows.sizes["window"]:
                left_out.append((session, "no window passes the gate"))
                continue
            n_windows += windows.sizes["window"]
            people |= set(windows["participant"].values)
            if in_one:
                kept.append(windows)
            else:
                path = options.out / f"{session.replace('/', '_')}.nc"
                if path in written:
                    raise ValueError(f"two recordings are called {session!r}; their windows need separate folders")
                written.add(write_windows(windows, path))
    if not n_windows:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out[:3])
        raise ValueError(f"none of the {len(left_out)} recordings gave a window ({reasons})")
    if in_one:
        write_windows(xr.concat(kept, "window", combine_attrs="drop_conflicts"), options.out)
    for name, reason in left_out:
        print(f"left out {name}: {reason}")
    print(f"{n_windows} windows of {len(people)} participants in {options.out}")
