"""Which column of a table is which sensor, and in which unit its time runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from biosig.recordings.units import acceleration_unit

_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_TIME_UNITS = {"s": "s", "sec": "s", "seconds": "s", "ms": "ms", "millis": "ms", "us": "us", "µs": "us", "ns": "ns"}
_EPOCH_S = (1e9, 4.2e9)  # 2001 to 2103 in Unix seconds
_TIME_NAMES = {"time", "times", "t", "timestamp", "timestamps", "sensortimestamp"} | {
    "unixtime",
    "unixtimestamp",
    "epoch",
    "datetime",
}
_PPG_NAMES = {"ppg", "bvp", "pleth", "green", "red", "infrared", "ir", "ppggreen", "ppgred", "ppginfrared", "ppgir"}
_ECG_NAMES = {"ecg", "ekg", "ii", "ecgii"}
_ACCEL_STEMS = ("acc", "accel", "accelerometer", "acceleration", "a", "")


class Layout(NamedTuple):
    """Column positions of a table."""

    time: int | None
    time_unit: str | None
    sensors: dict[str, list[int]]
    wavelengths: list[str]
    accel_unit: str | None


def recognise(header: Sequence[str], columns: Mapping[str, Any] | None, name: str) -> Layout:
    """Find time and sensors among the column names.

    Parameters
    ----------
    header : sequence of str
    columns : mapping or None
        "time", "ecg": a name; "accel", "gyro": three names; "ppg": a name, several, or ``{wavelength: name}``. When
        given, no other sensor is looked for.
    name : str
        The file, for messages.

    Raises
    ------
    ValueError
        For names that the table does not have, and when nothing is found.
    """
    plain = [_split(field) for field in header]
    place: dict[str, int] = {}
    for position, (word, _) in enumerate(plain):
        place.setdefault(word, position)
    wanted = dict(columns or {})
    unknown = set(wanted) - {"time", "accel", "ppg", "ecg", "gyro"}
    if unknown:
        raise ValueError(f"columns has the keys {sorted(unknown)}; expected time, accel, ppg, ecg, gyro")
    time = _positions(header, wanted.pop("time"), "time", name)[0] if "time" in wanted else _find_time(plain)
    sensors: dict[str, list[int]] = {}
    wavelengths: list[str] = []
    if wanted:
        for sensor, given in wanted.items():
            if sensor == "ppg" and isinstance(given, Mapping):
                wavelengths, given = [str(key) for key in given], list(given.values())
            sensors[sensor] = _positions(header, given, sensor, name)
    else:
        for stem in _ACCEL_STEMS:
            if all(stem + axis in place for axis in "xyz"):
                sensors["accel"] = [place[stem + axis] for axis in "xyz"]
                break
        for sensor, names in (("ppg", _PPG_NAMES), ("ecg", _ECG_NAMES)):
            found = [position for word, position in place.items() if word in names]
            if found:
                sensors[sensor] = found if sensor == "ppg" else found[:1]
    for sensor, n in (("accel", 3), ("gyro", 3), ("ecg", 1)):
        if len(sensors.get(sensor, [0] * n)) != n:
            raise ValueError(f"columns[{sensor!r}] names {len(sensors[sensor])} columns; expected {n}")
    if not sensors:
        raise ValueError(
            f"{name} has the columns {list(header)}; none is known as acceleration (x, y, z / acc_x ...) or PPG "
            "(ppg, bvp, green ...): name them with columns={'accel': [...], 'ppg': ...}"
        )
    if not wavelengths and "ppg" in sensors:
        wavelengths = _wavelengths([plain[position][0] for position in sensors["ppg"]])
    accel_unit = acceleration_unit(plain[sensors["accel"][0]][1]) if "accel" in sensors else None
    time_unit = _TIME_UNITS.get(plain[time][1].lower()) if time is not None else None
    return Layout(time, time_unit, sensors, wavelengths, accel_unit)


def to_seconds(values: np.ndarray, unit: str | None, name: str, column: str) -> tuple[np.ndarray, float | None]:
    """Seconds since the first sample, and the Unix time (s) of that sample when the values are Unix times.

    Without a stated unit only Unix times can be told: between 2001 and 2103 the magnitude gives s, ms, us or ns.

    Raises
    ------
    ValueError
        For an unknown unit, and when no unit is stated and the values are no Unix times.
    """
    first, last = float(values[0]), float(values[-1])
    if unit is not None and unit not in _PER_SECOND:
        raise ValueError(f"time_unit is {unit!r}; expected one of {list(_PER_SECOND)}")
    if unit is None:
        fits = [u for u, per in _PER_SECOND.items() if _EPOCH_S[0] <= first / per and last / per <= _EPOCH_S[1]]
        if not fits:
            raise ValueError(
                f"{name}: column {column!r} runs from {first:g} to {last:g}, and neither its name nor its size tells "
                "the unit; state time_unit='s', 'ms', 'us' or 'ns'"
            )
        unit = fits[0]
    start = first / _PER_SECOND[unit]
    known = _EPOCH_S[0] <= start <= _EPOCH_S[1]
    return (values - first) / _PER_SECOND[unit], start if known else None


def _split(field: str) -> tuple[str, str]:
    """Bare lower-case word and unit of a column name: "Acc X [mg]" -> ("accx", "mg"), "time_ms" -> ("time", "ms")."""
    match = re.fullmatch(r"\s*(.*?)\s*[\[(]\s*(.*?)\s*[\])]\s*", field)
    text, unit = (match[1], match[2]) if match else (field.strip(), "")
    if not unit:
        match = re.fullmatch(r"(.*(?:time|stamp|epoch))[_ ](s|sec|seconds|ms|millis|us|ns)", text, re.IGNORECASE)
        text, unit = (match[1], match[2]) if match else (text, "")
    return re.sub(r"[^a-z0-9]", "", text.lower()), unit


def _find_time(plain: Sequence[tuple[str, str]]) -> int | None:
    # Among several clocks the sensor's own comes first: the time of arrival on a phone comes in bursts.
    places = [position for position, (word, _) in enumerate(plain) if word in _TIME_NAMES]
    return min(places, key=lambda position: plain[position][0] != "sensortimestamp", default=None)


def _positions(header: Sequence[str], names, what: str, name: str) -> list[int]:
    names = [names] if isinstance(names, str) else list(names)
    bare = [field.strip() for field in header]
    for given in names:
        if given not in bare:
            raise ValueError(f"{name} has no column {given!r} (asked for as {what}); its columns are {bare}")
    return [bare.index(given) for given in names]


def _wavelengths(words: Sequence[str]) -> list[str]:
    if len(words) == 1 and words[0] in ("ppg", "bvp", "pleth"):
        return ["green"]
    names = [{"ir": "infrared"}.get(word.removeprefix("ppg"), word.removeprefix("ppg")) or "ppg" for word in words]
    return names if len(set(names)) == len(names) else list(words)
