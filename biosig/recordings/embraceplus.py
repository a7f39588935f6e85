"""Sessions of the Empatica EmbracePlus: Apache Avro files as the maker's cloud exports them, at most 30 minutes each.

A session is one file, or a folder of them. Every stream of a file has a start of its own (the BVP begins some seconds
before the acceleration), so streams are never aligned by index. Between consecutive files there are gaps of up to some
seconds, which stay gaps in the time stamps, and overlaps, of which the later file's samples are dropped.

Polarity: in the samples seen the BVP falls when blood volume rises, though its documentation does not say so. It is
settled for the whole session from the signal: a pulse rises faster than it falls, so the differences of neighbouring
samples are skewed to the positive side when the signal is upright.
"""

from __future__ import annotations

import importlib
import math
import os
import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from biosig.recordings.contract import iso_time, make_recording

SUFFIX = ".avro"
_MAX_RATE = 1000.0  # Hz
_YEARS = (946684800.0, 4102444800.0)  # 2000 to 2100: a start outside is no Unix time
_LONGEST_INTERVAL = 2.5  # s; peaks further apart than 24 beats/min enclose beats that were not found
_SAME_PEAK = 0.2  # s; the files' ends overlap, and a peak found in both is one
_BVP_GAP = 0.5  # s without BVP: an interval across it is none
_PIECE = 5.0  # s, of BVP that votes on the polarity
_STEEPEST = 10.0  # robust standard deviations, to which slopes are limited before their skewness
_PULSE_BAND = (0.5, 8.0)  # Hz
_INNER_FOLDER = re.compile(r"raw_data|v\d+", re.IGNORECASE)


class _Stream(NamedTuple):
    """Samples with the time of each."""

    times: np.ndarray  # s, Unix
    values: np.ndarray  # (n, n_channels)
    rate: float  # Hz, nominal


class _File(NamedTuple):
    """What one Avro record holds."""

    name: str
    serial: str
    participant: str
    utc_offset: float
    accel: _Stream | None
    bvp: _Stream | None
    peaks: np.ndarray  # s, Unix
    tags: np.ndarray  # s, Unix


def is_embraceplus(path: str | os.PathLike) -> bool:
    """Whether `path` is an Avro file by name, or a folder that holds one (the content is checked when read)."""
    path = Path(path)
    return bool(_avro_files(path)) if path.is_dir() else path.suffix.lower() == SUFFIX


def read_embraceplus(
    path: str | os.PathLike, *, participant: str | None = None, session: str | None = None
) -> xr.Dataset:
    """Read one EmbracePlus session.

    Parameters
    ----------
    path : path
        Avro file, or folder of the Avro files of one session of one device.
    participant, session : str, optional
        Names. When absent, the participant is the one enrolled in the files (else the name of the folder or file), and
        the session is the folder's or file's name.

    Returns
    -------
    xarray.Dataset
        Recording with, as far as they are there, accel (g), ppg (BVP, "a.u."), ibi (s, between the device's systolic
        peaks, without intervals across gaps), systolic_peak (s since `start_time`, dimension ``systolic_peak_index``)
        and tag. `start_time` is the earliest start of acceleration and BVP. ``ppg.attrs["stored_polarity"]`` says
        whether the BVP was stored "upright", "inverted" (then it was negated) or "undetermined" (then it was left as it
        is), ``ppg.attrs["polarity_confidence"]`` how surely (0 to 1). ``attrs["utc_offset"]`` is the local time zone
        in s, ``attrs["left_out"]`` the files of a folder that could not be read, and why.

    Warns
    -----
    UserWarning
        When some files of a folder cannot be read; the others are, and the gap stays.

    Raises
    ------
    ImportError
        Without the package fastavro (``pip install biosig-wear[embrace]``).
    ValueError
        For files that are truncated or of another schema, without acceleration and BVP, with sampling rates of zero,
        and for folders with files of several devices or participants.

    Notes
    -----
    Overlaps between files: the later file's samples that are not after the last one before are dropped. The gyroscope,
    electrodermal activity, temperature and steps are not read.
    """
    path = Path(path)
    names = _avro_files(path) if path.is_dir() else [path]
    if not names:
        raise ValueError(f"{path} holds no {SUFFIX} file; expected the Avro files of one EmbracePlus session")
    files, failures = _read_files(names)
    if not files:
        raise ValueError(failures[0] if len(failures) == 1 else f"none of {len(failures)} files: {failures[0]}")
    if failures:
        warnings.warn(
            f"{len(failures)} of {len(names)} files of {path} are left out: {failures[0]}", UserWarning, stacklevel=2
        )
    _check_one_wearer(path, files, participant)
    accel = _join("accelerometer", [file.accel for file in files if file.accel is not None])
    bvp = _join("bvp", [file.bvp for file in files if file.bvp is not None])
    if accel is None and bvp is None:
        raise ValueError(f"{path} holds neither acceleration nor BVP; expected at least one of the two")
    start = min(float(stream.times[0]) for stream in (accel, bvp) if stream is not None)
    values: dict[str, Any] = {}
    times: dict[str, np.ndarray] = {}
    if accel is not None:
        values["accel"], times["accel"] = accel.values, accel.times - start
    stored, confidence = "", math.nan
    if bvp is not None:
        stored, confidence = _stored_polarity(bvp)
        values["ppg"] = -bvp.values if stored == "inverted" else bvp.values
        times["ppg"] = bvp.times - start
    peaks = _distinct(np.concatenate([file.peaks for file in files])) - start
    ends, intervals = _intervals(peaks, times.get("ppg"))
    if len(intervals):
        values["ibi"], times["ibi"] = intervals, ends
    tags = np.unique(np.concatenate([file.tags for file in files])) - start
    recording = make_recording(
        **values,
        tag=tags if len(tags) else None,
        time=times,
        start_time=iso_time(start),
        participant=participant if participant is not None else (files[0].participant or _session_name(path)),
        session=_session_name(path) if session is None else session,
        device="Empatica EmbracePlus",
        source=path.name,
        attrs={"utc_offset": files[0].utc_offset, **({"left_out": "; ".join(failures)} if failures else {})},
    )
    for name, stream in (("accel", accel), ("ppg", bvp)):
        if stream is not None:
            recording[name].attrs["nominal_rate"] = round(stream.rate, 1)
    if bvp is not None:
        recording["ppg"].attrs.update(stored_polarity=stored, polarity_confidence=confidence)
    if len(peaks):
        recording["systolic_peak"] = ("systolic_peak_index", peaks, {"units": "s"})
    return recording


def _avro_files(folder: Path) -> list[Path]:
    found = (child for child in folder.iterdir() if child.suffix.lower() == SUFFIX and not child.name.startswith("."))
    return sorted(child for child in found if child.is_file())


def _session_name(path: Path) -> str:
    """Name of the file or folder; the cloud's inner folders (``NAME/raw_data/v6``) name nothing."""
    if path.is_file():
        return path.stem
    path = path.resolve()
    while _INNER_FOLDER.fullmatch(path.name) and path.parent.name:
        path = path.parent
    return path.name


def _read_files(names: list[Path]) -> tuple[list[_File], list[str]]:
    """Contents of the files in the order of their time, and why others could not be read."""
    try:
        fastavro = importlib.import_module("fastavro")
    except ImportError:
        raise ImportError(
            "reading EmbracePlus files needs the package fastavro: pip install 'biosig-wear[embrace]'"
        ) from None
    files: list[_File] = []
    failures: list[str] = []
    for name in names:
        try:
            with name.open("rb") as stream:
                records = list(fastavro.reader(stream))
            if not records:
                raise ValueError("it holds no record: the file is empty or truncated")
            files += [_parse(name.name, record) for record in records]
        except OSError:
            raise
        except Exception as error:  # fastavro raises many kinds on damaged files
            known = isinstance(error, ValueError) and str(error)
            reason = str(error) if known else f"damaged or truncated ({type(error).__name__})"
            failures.append(f"{name.name}: {reason}")
    first = lambda file: min(float(s.times[0]) for s in (file.accel, file.bvp) if s) if file.accel or file.bvp else 0.0
    return sorted(files, key=first), failures


def _check_one_wearer(path: Path, files: list[_File], participant: str | None) -> None:
    for what, known in (("devices", [f.serial for f in files]), ("participants", [f.participant for f in files])):
        others = [file.name for file, value in zip(files, known, strict=True) if value != known[0]]
        if others and not (what == "participants" and participant is not None):
            raise ValueError(
                f"{path} holds files of {len(set(known))} {what} ({files[0].name} and {others[0]}); "
                "expected one session of one device and participant in a folder: move the others into folders of their "
                "own"
            )


def _parse(name: str, record: Any) -> _File:
    raw = record.get("rawData") if isinstance(record, dict) else None
    if not isinstance(raw, dict):
        keys = ", ".join(map(str, record)) if isinstance(record, dict) else type(record).__name__
        raise ValueError(f"another schema: the record has the fields {keys[:120]}; expected rawData of an EmbracePlus")
    accel = raw.get("accelerometer") or {}
    axes = [np.asarray(accel.get(axis) or [], dtype=np.float64) for axis in "xyz"]
    if len({len(axis) for axis in axes}) > 1:
        raise ValueError(f"the acceleration has {[len(a) for a in axes]} samples in x, y, z; expected equal numbers")
    bvp = raw.get("bvp") or {}
    bvp_values = np.asarray(bvp.get("values") or [], dtype=np.float64)[:, None]
    seconds = lambda holder, key, unit: np.asarray((raw.get(holder) or {}).get(key) or [], dtype=np.int64) / unit
    scale = _g_per_count(accel.get("imuParams") or {}) if len(axes[0]) else 1.0
    return _File(
        name=name,
        serial=str(record.get("deviceSn") or ""),
        participant=str((record.get("enrollment") or {}).get("participantID") or ""),
        utc_offset=float(record.get("timezone") or 0.0),
        accel=_stream("the acceleration", accel, np.stack(axes, axis=1) * scale),
        bvp=_stream("the BVP", bvp, bvp_values),
        peaks=seconds("systolicPeaks", "peaksTimeNanos", 1e9),
        tags=seconds("tags", "tagsTimeMicros", 1e6),
    )


def _g_per_count(params: dict) -> float:
    low, high, least, most = (
        float(params.get(key, 0)) for key in ("physicalMin", "physicalMax", "digitalMin", "digitalMax")
    )
    if not (high > low and most > least):
        raise ValueError(
            f"imuParams of the acceleration range from {low:g} to {high:g} g and from {least:g} to {most:g} counts; "
            "expected increasing ranges"
        )
    return (high - low) / (most - least)


def _stream(what: str, holder: dict, values: np.ndarray) -> _Stream | None:
    """Samples with their times; None where there are none."""
    if not len(values):
        return None
    rate = float(holder.get("samplingFrequency") or 0.0)
    start = int(holder.get("timestampStart") or 0) / 1e6
    if not 0 < rate <= _MAX_RATE:
        raise ValueError(f"{what} has {len(values)} samples at {rate:g} Hz; expected a positive rate such as 64")
    if not _YEARS[0] <= start <= _YEARS[1]:
        raise ValueError(f"{what} starts at {start:g} s; expected Unix time (timestampStart in microseconds)")
    return _Stream(start + np.arange(len(values)) / rate, values, rate)


def _join(what: str, streams: list[_Stream]) -> _Stream | None:
    """One stream after the other; of overlaps, the later one's samples are dropped."""
    if not streams:
        return None
    rate = streams[0].rate
    times: list[np.ndarray] = []
    values: list[np.ndarray] = []
    last = -math.inf
    for stream in sorted(streams, key=lambda s: float(s.times[0])):
        if abs(stream.rate / rate - 1) > 0.01:
            raise ValueError(
                f"the files give {what} at {rate:g} and {stream.rate:g} Hz; expected one rate in a session"
            )
        keep = stream.times > last + 0.5 / rate
        if keep.any():
            times.append(stream.times[keep])
            values.append(stream.values[keep])
            last = float(stream.times[-1])
    return _Stream(np.concatenate(times), np.concatenate(values), rate)


def _distinct(peaks: np.ndarray) -> np.ndarray:
    """Peaks in order of time, those of both files where files overlap once."""
    peaks = np.unique(peaks)
    return peaks[np.diff(peaks, prepend=-math.inf) > _SAME_PEAK]


def _intervals(peaks: np.ndarray, ppg_times: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Ends and lengths (s) of the intervals between neighbouring peaks with no gap of the BVP between them."""
    intervals = np.diff(peaks)
    good = intervals < _LONGEST_INTERVAL
    if ppg_times is not None and len(ppg_times) > 1:
        gaps = np.flatnonzero(np.diff(ppg_times) > _BVP_GAP)
        begins, ends = ppg_times[gaps], ppg_times[gaps + 1]
        # A gap lies inside an interval where more gaps have begun before its end than had ended before its start.
        good &= np.searchsorted(begins, peaks[1:]) == np.searchsorted(ends, peaks[:-1], side="right")
    return peaks[1:][good], intervals[good]


def _stored_polarity(bvp: _Stream) -> tuple[str, float]:
    """Whether the BVP of a session is upright, and the agreement of its 5-s pieces (0 to 1)."""
    from scipy.signal import butter, sosfiltfilt

    x = np.nan_to_num(bvp.values[:, 0])
    size = round(_PIECE * bvp.rate)
    if len(x) < 2 * size or bvp.rate < 2.5 * _PULSE_BAND[1]:
        return "undetermined", 0.0
    pulse = sosfiltfilt(butter(2, _PULSE_BAND, "bandpass", fs=bvp.rate, output="sos"), x)
    pieces = np.diff(pulse[: len(x) // size * size].reshape(-1, size), axis=1)
    limit = _STEEPEST * 1.4826 * np.median(np.abs(pieces), axis=1, keepdims=True)
    pieces = np.clip(pieces, -limit, limit)
    pieces -= pieces.mean(axis=1, keepdims=True)
    scale = 1e-9 * max(float(np.abs(x).max()), 1e-30)  # flat pieces hold rounding errors alone
    votes = np.where(np.abs(pieces).max(axis=1) > scale, np.sign((pieces**3).sum(axis=1)), 0.0)
    mean = float(votes.mean())
    spread = 1.0 / math.sqrt(len(votes))  # of the mean of votes cast by tossing coins
    if abs(mean) < 2.0 * spread:
        return "undetermined", abs(mean)
    return ("upright" if mean > 0 else "inverted"), abs(mean)
