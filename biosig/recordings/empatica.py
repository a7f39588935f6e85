"""Sessions of the Empatica E4 wristband: the zip file that its web portal exports, or the same unpacked.

Each sensor file begins with its start (Unix time, s) and its sampling rate (Hz), one value per column; samples follow.
A session may lack any file but must have ACC.csv or BVP.csv.

Polarity: the exported BVP rises with blood volume. In the clearest 30-s windows of 34 sessions of two public data sets
the rise was steeper than the fall (positive skewness of the first difference) in 29 sessions, among them all whose
pulse is clean for more than 30 % of the time; averaged pulses rise in about 0.25 s and fall in about 0.5 s. So nothing
is inverted here. The one EmbracePlus file looked at, of the successor, has the opposite sign.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import xarray as xr

from biosig.recordings.archives import list_files, read_files
from biosig.recordings.contract import iso_time, make_recording
from biosig.recordings.text import lines_of, read_numbers

_COUNTS_PER_G = 64.0
_WANTED = re.compile(r"(acc|bvp|ibi|tags[^/]*)\.csv", re.IGNORECASE)
_MAX_RATE = 1000.0
_YEARS = (946684800.0, 4102444800.0)  # 2000 to 2100: a start outside is no Unix time in seconds


def is_empatica(path: str | os.PathLike) -> bool:
    """Whether `path` is a folder with ACC.csv or BVP.csv, or a zip file by name (its content is checked when read)."""
    path = Path(path)
    if path.is_dir():
        return any(child.name.lower() in ("acc.csv", "bvp.csv") and child.is_file() for child in path.iterdir())
    return path.suffix.lower() == ".zip"


def read_empatica(path: str | os.PathLike, *, participant: str | None = None, session: str | None = None) -> xr.Dataset:
    """Read one E4 session.

    Parameters
    ----------
    path : path
        Zip file as exported (a folder inside it is fine), or folder with the CSV files.
    participant, session : str, optional
        Names; from the file name when absent (``S01.zip`` gives "S01"). Give `participant` for several sessions of one
        person, so that splits by participant stay honest.

    Returns
    -------
    xarray.Dataset
        Recording with accel (g), ppg (BVP, "a.u."), ibi and tag, as far as the files are there. `start_time` is
        the earliest start of ACC and BVP.

    Raises
    ------
    ValueError
        For archives that are damaged, encrypted, unsafe or too large, without ACC.csv and BVP.csv, and for files that
        hold something else than numbers (with the line).
    """
    path = Path(path)
    found = _session_files(path)
    contents = read_files(path, list(found.values()))
    texts = {kind: (str(path / name), contents[name]) for kind, name in found.items()}
    signals = {kind: _read_signal(*texts[kind], n) for kind, n in (("acc", 3), ("bvp", 1)) if kind in texts}
    start = min(first for first, _, _ in signals.values())
    sensor = {"acc": "accel", "bvp": "ppg"}
    rates = {sensor[kind]: rate for kind, (_, rate, _) in signals.items()}
    offsets = {sensor[kind]: first - start for kind, (first, _, _) in signals.items()}
    values: dict[str, Any] = {sensor[kind]: samples for kind, (_, _, samples) in signals.items()}
    if "accel" in values:
        values["accel"] = values["accel"] / _COUNTS_PER_G
    ibi = _read_ibi(*texts["ibi"], start) if "ibi" in texts else None
    name = re.sub(r"_E4_Data$", "", path.stem if path.is_file() else path.name, flags=re.IGNORECASE)
    return make_recording(
        **values,
        ibi=None if ibi is None else ibi[1],
        tag=_read_tags(*texts["tags"], start) if "tags" in texts else None,
        sampling_rate=rates,
        offset=offsets,
        time=None if ibi is None else {"ibi": ibi[0]},
        start_time=iso_time(start),
        participant=name if participant is None else participant,
        session=name if session is None else session,
        device="Empatica E4",
        source=path.name,
    )


def _session_files(path: Path) -> dict[str, str]:
    """Names of the files of the session by kind; all must lie in one folder of the archive."""
    names = [name for name in list_files(path) if _WANTED.fullmatch(PurePosixPath(name).name)]
    main = [name for name in names if PurePosixPath(name).name.lower() in ("acc.csv", "bvp.csv")]
    folders = sorted({str(PurePosixPath(name).parent) for name in main})
    if not main:
        raise ValueError(f"{path} has neither ACC.csv nor BVP.csv; expected an Empatica E4 session with at least one")
    if len(folders) > 1:
        raise ValueError(f"{path} holds several sessions ({', '.join(folders)}); expected one: unpack it and read each")
    found: dict[str, str] = {}
    for name in sorted(names):
        if str(PurePosixPath(name).parent) == folders[0]:
            kind = PurePosixPath(name).name.lower()[:4].removesuffix(".")
            if kind in found:
                raise ValueError(f"{path} has both {found[kind]} and {name}; expected one of them")
            found[kind] = name
    return found


def _read_signal(name: str, content: bytes, n_columns: int) -> tuple[float, float, np.ndarray]:
    """Start (Unix s), rate (Hz) and samples (n, n_columns) of ACC.csv or BVP.csv."""
    head = lines_of(content, 2)
    if len(head) < 2 or not head[0].strip():
        raise ValueError(f"{name} is empty or too short; expected a start, a rate, then samples")
    start = _header(name, 1, head[0], n_columns, "start time (Unix s)")
    rate = _header(name, 2, head[1], n_columns, "sampling rate (Hz)")
    _check_start(name, start)
    if not 0 < rate <= _MAX_RATE:
        raise ValueError(f"{name}, line 2: sampling rate {rate!r} Hz; expected a positive number such as 32 or 64")
    samples = read_numbers(content, name=name, skip=2, columns=range(n_columns))
    if not len(samples):
        raise ValueError(f"{name} has no samples after its two header lines")
    return start, rate, samples


def _header(name: str, line: int, text: str, n_columns: int, what: str) -> float:
    """Value of a header line, which repeats it for each column."""
    fields = text.split(",")
    try:
        values = [float(field) for field in fields]
    except ValueError:
        raise ValueError(f"{name}, line {line}: {text[:60]!r}; expected the {what}") from None
    if len(values) not in (1, n_columns) or len(set(values)) != 1 or not math.isfinite(values[0]):
        raise ValueError(f"{name}, line {line}: {text[:60]!r}; expected the same {what} in each of {n_columns} columns")
    return values[0]


def _check_start(name: str, start: float) -> None:
    if not _YEARS[0] <= start <= _YEARS[1]:
        raise ValueError(f"{name}, line 1: start time {start!r}; expected Unix time in seconds, such as 1495437325")


def _read_ibi(name: str, content: bytes, start: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Ends of the intervals (s since `start`) and intervals (s) of IBI.csv; None when no beat was found."""
    head = lines_of(content, 1)
    if not head or not head[0].strip():
        return None
    first = _header(name, 1, head[0].split(",")[0], 1, "start time (Unix s)")
    _check_start(name, first)
    beats = read_numbers(content, name=name, skip=1, columns=(0, 1))
    return (beats[:, 0] + (first - start), beats[:, 1]) if len(beats) else None


def _read_tags(name: str, content: bytes, start: float) -> np.ndarray:
    """Times of the button presses (s since `start`)."""
    return read_numbers(content, name=name, skip=0, columns=(0,))[:, 0] - start
