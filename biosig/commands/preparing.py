"""``biosig simulate`` and ``biosig windows``: from people to windows on disk."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biosig._reasons import reason
from biosig.commands.arguments import count, positive, share

if TYPE_CHECKING:
    from biosig.commands.windows_out import WindowsOut


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
    windows.add_argument(
        "--overwrite", action="store_true", help="replace windows that were cut otherwise, or from other recordings"
    )
    windows.set_defaults(run=_windows)


def _simulate(options: argparse.Namespace) -> None:
    from biosig._files import check_target_folder

    check_target_folder(options.out, "the recordings")
    from biosig.recordings import simulate_cohort, write

    _refuse_others(options.out)
    recordings = simulate_cohort(
        options.participants, 60 * options.minutes, device=options.device, random_state=options.seed, progress=True
    )
    for recording in recordings:
        write(recording, options.out / f"{recording.attrs['participant']}.nc")
    print(f"{len(recordings)} recordings of {options.minutes:g} min in {options.out}")


def _refuse_others(folder: Path) -> None:
    """Raise ValueError for a recording in `folder` that was not simulated: simulated ones may bear its name."""
    from biosig.recordings import read

    for path in folder.glob("P[0-9]*.nc"):
        try:
            simulated = read(path).attrs["source"].startswith("biosig.simulate_cohort")
        except (ValueError, OSError):
            simulated = False
        if not simulated:
            raise ValueError(f"{path} is no simulated recording and could be written over; give another folder")


def _windows(options: argparse.Namespace) -> None:
    from biosig.commands.windows_out import WindowsOut
    from biosig.recordings import read_all

    for root in options.recordings:
        if not root.exists():
            raise FileNotFoundError(f"{root} does not exist; expected a recording, or a folder of such")
    out = WindowsOut(options.out, _settings(options), overwrite=options.overwrite)
    left_out: list[tuple[str, str]] = []
    for root in options.recordings:  # one after the other, so that not all recordings are in memory at once
        try:
            recordings, skipped = read_all([root])
        except Exception as error:  # none of them could be read: the other folders may hold some
            left_out.append((str(root), reason(error)))
            continue
        left_out += [(str(path), why) for path, why in skipped]
        _cut_all(recordings, options, out, left_out)
    if not out.n_windows:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out[:3])
        raise ValueError(f"none of the {len(left_out)} recordings gave a window ({reasons})")
    out.finish()
    for name, why in left_out:
        print(f"left out {name}: {why}")
    counted = f" ({len(left_out)} left out)" if left_out else ""
    print(f"{out.n_windows} windows of {len(out.participants)} participants in {options.out}{counted}")


def _cut_all(recordings: list, options: argparse.Namespace, out: WindowsOut, left_out: list[tuple[str, str]]) -> None:
    """Cut recordings and put their windows out; one that cannot be used is named in `left_out`, and the rest go on."""
    from tqdm import tqdm

    from biosig.signals import Gate, segment

    gate = None if options.all else Gate(max_motion=options.max_motion / 1000, min_ppg_quality=options.min_quality)
    for recording in tqdm(recordings, desc="cutting windows", unit="recording", delay=2):
        session = str(recording.attrs.get("session", "a recording without a session"))
        try:
            windows = segment(
                recording, length=options.length, stride=options.stride, sampling_rate=options.rate, gate=gate
            )
            if not windows.sizes["window"]:
                left_out.append((session, "no window passes the gate"))
                continue
            out.put(session, windows)
        except Exception as error:
            left_out.append((session, reason(error)))


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return all that windows depend on, to be kept with them; the recordings' places as a digest, not by name."""
    places = "\n".join(sorted(str(root.resolve()) for root in options.recordings))
    gates = {"max_motion": options.max_motion, "min_quality": options.min_quality}
    return {
        "length": options.length,
        "stride": options.stride or options.length,
        "rate": options.rate,
        **(dict.fromkeys(gates, "none") if options.all else gates),
        "recordings": hashlib.sha256(places.encode("utf-8", "surrogateescape")).hexdigest()[:12],
    }
