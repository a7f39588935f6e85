"""WFDB records (PhysioNet's format: a .hea header and its signal files) from a local folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from biosig.recordings.contract import UNKNOWN_START, make_recording
from biosig.recordings.safe_files import raise_if_out_of_files
from biosig.recordings.units import header_unit, to_g
from biosig.recordings.wfdb_header import check_header

MAX_SAMPLES = 2**29
_ECG_LEADS = {"i", "ii", "iii", "v", "avr", "avl", "avf", "mcl", "mcl1", "mlii", *(f"v{n}" for n in range(1, 7))}


def read_wfdb(
    path: str | os.PathLike,
    *,
    participant: str | None = None,
    session: str | None = None,
    units: str | float | None = None,
) -> xr.Dataset:
    """Read one WFDB record; needs the extra ``wfdb``. Nothing is ever fetched from a network.

    Signals are recognised by name: PLETH or PPG (all of them, as wavelengths), the first ECG lead, and a triple of
    acceleration (..acc..x, y, z) or angular velocity (..gyr..x, y, z) signals.

    Parameters
    ----------
    path : path
        The header file, or the record with any or no suffix.
    participant, session : str, optional
        The record name when absent.
    units : {"g", "mg", "m/s2"} or float, optional
        Of the acceleration, a number for counts per g; when absent, from the header, or else inferred where the length
        of still segments is that of gravity.

    Returns
    -------
    xarray.Dataset
        A Recording. Its `start_time` is the header's, taken as UTC, or 1970-01-01 when the header has none.

    Raises
    ------
    FileNotFoundError
        When the header or a signal file is missing.
    ValueError
        When the package wfdb is missing, the record is damaged or too large, or holds none of these signals.
    """
    path = Path(path)
    base = path.with_suffix("") if path.suffix.lower() in (".hea", ".dat") else path
    header_file = base.with_name(base.name + ".hea")
    if not header_file.exists():
        raise FileNotFoundError(f"{header_file} does not exist; expected the header of a WFDB record")
    wfdb = _import_wfdb()
    record = _read_record(wfdb, base, header_file)
    signals = _by_sensor(record, header_file)
    arrays: dict[str, Any] = {}
    rates: dict[str, float] = {}
    attrs: dict[str, Any] = {}
    for sensor, columns in signals.items():
        lengths = {len(record.e_p_signal[column]) for column in columns}
        if len(lengths) > 1:
            raise ValueError(f"{header_file}: the {sensor} signals differ in rate ({sorted(lengths)} samples)")
        arrays[sensor] = np.stack([record.e_p_signal[column] for column in columns], axis=1)
        rates[sensor] = float(record.fs) * record.samps_per_frame[columns[0]]
    if "accel" in arrays:
        axes = signals["accel"]
        texts, names = [str(record.units[axis]) for axis in axes], [record.sig_name[axis] for axis in axes]
        arrays["accel"], attrs = to_g(
            arrays["accel"],
            units,
            str(header_file),
            header=header_unit(texts, names, str(header_file)) if units is None else None,
            sampling_rate=rates["accel"],
        )
    if "gyro" in arrays and "rad" in str(record.units[signals["gyro"][0]]).lower():
        arrays["gyro"] = np.rad2deg(arrays["gyro"])
    if "ecg" in arrays:
        arrays["ecg"] = arrays["ecg"][:, 0]
        attrs["ecg_lead"] = record.sig_name[signals["ecg"][0]]
    start = record.base_datetime
    return make_recording(
        **arrays,
        sampling_rate=rates,
        wavelengths=[_wavelength(record.sig_name[column]) for column in signals.get("ppg", [])] or None,
        units={sensor: str(record.units[columns[0]]) for sensor, columns in signals.items()},
        start_time=UNKNOWN_START if start is None else start.isoformat() + "Z",
        participant=base.name if participant is None else participant,
        session=base.name if session is None else session,
        device="WFDB record",
        source=header_file.name,
        attrs=attrs,
    )


def _import_wfdb():
    try:
        import wfdb
    except ImportError:
        raise ValueError(
            "reading WFDB records needs the package wfdb, which is not installed: pip install 'biosig-wear[wfdb]'"
        ) from None
    return wfdb


def _read_record(wfdb, base: Path, header_file: Path):
    """Read all signals, once the header names only files beside it and promises no more than they can hold."""
    rate = check_header(header_file)
    try:
        header = wfdb.rdheader(str(base.resolve()))
    except Exception as error:  # a hostile header can make the parser fail in any way
        raise_if_out_of_files(error)
        raise ValueError(f"{header_file} is not a WFDB header ({type(error).__name__}: {error})") from None
    if abs(float(header.fs) / rate - 1.0) > 1e-6:
        raise ValueError(
            f"{header_file} states a sampling rate that wfdb reads as {header.fs} Hz instead of {rate:g}; write it "
            "without exponent"
        )
    files = set(header.file_name)
    n_bytes = sum((base.parent / name).stat().st_size for name in files)
    promised = (header.sig_len or 0) * sum(header.samps_per_frame)
    # 64 samples a byte is beyond any of the formats, the compressed ones included, for a signal that is not constant.
    if promised > MAX_SAMPLES or promised > 64 * max(n_bytes, 1024):
        raise ValueError(f"{header_file} promises {promised} samples, but its files have {n_bytes} bytes; refused")
    try:
        record = wfdb.rdrecord(str(base.resolve()), smooth_frames=False)
    except Exception as error:
        raise_if_out_of_files(error)
        raise ValueError(
            f"{header_file}: the signals cannot be read ({type(error).__name__}: {error}): truncated or damaged files"
        ) from None
    record.sig_name = [name or "" for name in record.sig_name]  # a signal needs no description
    return record


def _by_sensor(record, header_file: Path) -> dict[str, list[int]]:
    """Columns of the record for each sensor of the contract."""
    names = [name.lower() for name in record.sig_name]
    found: dict[str, list[int]] = {}
    ppg = [i for i, name in enumerate(names) if re.search(r"ppg|pleth|bvp", name)]
    ecg = [i for i, name in enumerate(names) if name in _ECG_LEADS or re.search(r"ecg|ekg", name)]
    if ppg:
        found["ppg"] = ppg
    if ecg:
        found["ecg"] = ecg[:1]
    for sensor, word in (("accel", "acc"), ("gyro", "gyr")):
        stems: dict[str, dict[str, int]] = {}
        for i, name in enumerate(names):
            match = re.fullmatch(rf"(.*{word}.*?)[\s_.-]*([xyz])", name)
            if match:
                stems.setdefault(match[1], {})[match[2]] = i
        whole = [axes for axes in stems.values() if len(axes) == 3]
        if whole:
            found[sensor] = [whole[0][axis] for axis in "xyz"]
    if not found:
        raise ValueError(
            f"{header_file} has the signals {record.sig_name}; expected PPG (PLETH, PPG), an ECG lead (I, II, V, ECG) "
            "or acceleration (ACC x, y, z)"
        )
    return found


def _wavelength(name: str) -> str:
    """Name of a PPG channel: its colour where the signal's name tells it, else the signal's name."""
    colours = [colour for colour in ("green", "infrared", "red", "blue") if colour in name.lower()]
    return colours[0] if colours else name
