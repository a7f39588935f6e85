"""A WFDB header judged before a library reads it, for libraries take what they cannot parse for their defaults.

Format: the manual page header(5) of the WFDB applications guide (G. B. Moody, PhysioNet).
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from biosig.recordings.safe_files import check_file, read_plain

DEFAULT_RATE = 250.0
"""Hz, by the format where a header states none."""
MAX_HEADER_BYTES = 2**20
_MAX_SIGNALS = 1000
_MAX_RATE = 1e6
_MAX_FRAME = 10_000
_MAX_SKEW = 100_000
_RATE = re.compile(r"[^/(]+(/[^()]+(\([^()]*\))?)?")
_FORMAT = re.compile(r"(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?")
_GAIN = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:\((-?\d{1,10})\))?(?:/\S*)?")


def check_header(path: Path) -> float:
    """Sampling rate (Hz) of a header whose record line and signal lines are what the format demands.

    Raises
    ------
    FileNotFoundError
        When there is no such file, or a signal file is missing.
    ValueError
        For rates that are not positive numbers, sizes that are not, gains that are no numbers, several segments, too
        few signal lines, and signal files outside the header's folder.
    """
    content = read_plain(path, MAX_HEADER_BYTES).decode("utf-8", "replace")
    lines = [line.strip() for line in content.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise ValueError(f"{path} is not a WFDB header: it has no record line")
    fields = lines[0].split()
    if "/" in fields[0]:
        raise ValueError(f"{path} is a record of several segments; read its segments one by one")
    n_signals = _whole(fields[1] if len(fields) > 1 else "", "number of signals", path)
    if not n_signals:
        raise ValueError(f"{path} describes no signal; expected PPG, ECG or acceleration")
    if n_signals > _MAX_SIGNALS or n_signals > len(lines) - 1:
        raise ValueError(
            f"{path} promises {n_signals} signals and describes {len(lines) - 1}; expected a line for each, at most "
            f"{_MAX_SIGNALS}"
        )
    rate = _rate(fields[2], path) if len(fields) > 2 else DEFAULT_RATE
    if len(fields) > 3:
        _whole(fields[3], "number of samples", path)
    for line in lines[1 : n_signals + 1]:
        _check_signal(line.split(), path)
    return rate


def _rate(text: str, path: Path) -> float:
    try:
        rate = float(text.split("/")[0]) if _RATE.fullmatch(text) else math.nan
    except ValueError:
        rate = math.nan
    if not 0 < rate <= _MAX_RATE:
        raise ValueError(f"{path} states a sampling rate of {text[:40]!r}; expected a positive number of Hz, up to 1e6")
    return rate


def _check_signal(fields: list[str], path: Path) -> None:
    _check_signal_file(fields[0], path)
    form = _FORMAT.fullmatch(fields[1] if len(fields) > 1 else "")
    if form is None:
        raise ValueError(
            f"{path} states {' '.join(fields[1:2])[:40]!r} as a signal's format; expected a number such as 16"
        )
    frame, skew, offset = (
        int(text) if text else least for text, least in zip(form.groups()[1:], (1, 0, 0), strict=True)
    )
    size = check_file(path.parent / fields[0], 2**40)
    if not 0 < frame <= _MAX_FRAME or skew > _MAX_SKEW or offset > size:
        raise ValueError(
            f"{path} states {fields[1][:40]!r} as a signal's format: {frame} samples a frame, {skew} samples of skew, "
            f"{offset} bytes to pass over; expected 1 to {_MAX_FRAME}, up to {_MAX_SKEW}, and no more than it has"
        )
    gain = _GAIN.fullmatch(fields[2]) if len(fields) > 2 else None
    if len(fields) > 2 and (gain is None or not math.isfinite(float(gain[1]))):
        raise ValueError(f"{path} states {fields[2][:40]!r} as a signal's gain; expected a number such as 200(0)/mV")


def _check_signal_file(name: str, path: Path) -> None:
    if name != Path(name).name or name in ("", ".", "..", "~") or "\\" in name or ":" in name:
        raise ValueError(f"{path} names the signal file {name[:100]!r}, outside its own folder; refused")
    if not (path.parent / name).exists():
        raise FileNotFoundError(f"{path.parent / name} does not exist, but {path.name} names it")


def _whole(text: str, what: str, path: Path) -> int:
    if not re.fullmatch(r"\d{1,15}", text):
        raise ValueError(f"{path} is not a WFDB header: {text[:40]!r} as {what}; expected a whole number")
    return int(text)
