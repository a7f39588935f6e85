"""Which column of a table is which sensor, which ones are clocks, and what units their names state."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from biosig.recordings.time_units import TIME_UNITS
from biosig.recordings.units import header_unit

_SENSOR_CLOCKS = {"sensortimestamp", "sensortime", "devicetimestamp", "devicetime", "hardwaretimestamp"}
_PHONE_CLOCKS = {"phonetimestamp", "phonetime", "systemtime", "systemtimestamp", "arrivaltime", "receivedtime"}
_TIME_NAMES = (
    {"time", "times", "t", "ts", "timestamp", "timestamps", "unix", "unixtime", "unixtimestamp", "epoch", "datetime"}
    | {"epochtime", "utc", "utctime", "timeutc", "localtime", "elapsed", "elapsedtime", "timeelapsed", "uptime"}
    | _SENSOR_CLOCKS
    | _PHONE_CLOCKS
)
_DURATIONS = {"duration", "timedelta", "timeoffset"}
_STORED_INDEX = "indexlevel0"  # pandas' name for an index without one, in Parquet
_PPG_NAMES = {"ppg", "bvp", "pleth", "green", "red", "infrared", "ir", "ppggreen", "ppgred", "ppginfrared", "ppgir"}
_ECG_NAMES = {"ecg", "ekg", "ii", "ecgii"}
_IBI_NAMES = {
    "ibi",
    "ibis",
    "rr",
    "rri",
    "rrs",
    "rrinterval",
    "rrintervals",
    "nn",
    "nni",
    "nninterval",
    "nnintervals",
} | {"ppi", "ppinterval", "ppintervals", "interbeatinterval", "interbeatintervals", "beatinterval"}
_ACCEL_STEMS = ("acc", "accel", "accelerometer", "acceleration", "a", "")
_N_COLUMNS = {"accel": 3, "gyro": 3, "ecg": 1, "ibi": 1}
_N_LISTED = 20


class TimeName(NamedTuple):
    """A column that is a clock by its name."""

    place: int
    word: str
    unit: str | None


class Layout(NamedTuple):
    """Column positions of a table, and the units in column names."""

    times: list[TimeName]
    """The sensor's own clock first."""
    sensors: dict[str, list[int]]
    wavelengths: list[str]
    accel_unit: str | None
    """From `units.header_unit`."""
    gyro_unit: str
    ibi_unit: str | None


def recognise(
    header: Sequence[str], columns: Mapping[str, Any] | None, name: str, *, typed_times: Sequence[int] = ()
) -> Layout:
    """Find clocks and sensors among the column names.

    Parameters
    ----------
    header : sequence of str
    columns : mapping or None
        "time", "ecg", "ibi": a name; "accel", "gyro": three names; "ppg": a name, several, or ``{wavelength: name}``.
        When sensors are given, no other sensor is looked for. Without, intervals between beats count only where no
        other sensor is found.
    name : str
        The file, for messages.
    typed_times : sequence of int
        Columns whose type says that they hold times.

    Raises
    ------
    ValueError
        For names that the table does not have, when nothing is found, and for units of acceleration that are unknown.
    """
    plain = [_split(field) for field in header]
    place: dict[str, int] = {}
    for position, (word, _) in enumerate(plain):
        place.setdefault(word, position)
    if columns is not None and not isinstance(columns, Mapping):
        raise ValueError(f"columns is {columns!r}; expected a mapping such as {{'accel': ['x', 'y', 'z']}}")
    wanted = dict(columns or {})
    unknown = set(map(str, wanted)) - {"time", "accel", "ppg", "ecg", "gyro", "ibi"}
    if unknown:
        raise ValueError(f"columns has the keys {sorted(unknown)}; expected time, accel, ppg, ecg, gyro, ibi")
    clock = _positions(header, wanted.pop("time"), "time", name)[0] if "time" in wanted else None
    sensors: dict[str, list[int]] = {}
    wavelengths: list[str] = []
    for sensor, given in wanted.items():
        if sensor == "ppg" and isinstance(given, Mapping):
            wavelengths, given = [str(key) for key in given], list(given.values())
        sensors[sensor] = _positions(header, given, sensor, name)
    if not wanted:
        sensors = _by_name(place)
    for sensor, n in _N_COLUMNS.items():
        if len(sensors.get(sensor, [0] * n)) != n:
            raise ValueError(f"columns[{sensor!r}] names {len(sensors[sensor])} columns; expected {n}")
    if not sensors:
        raise ValueError(
            f"{name} has the columns {listed(header)}; none is known as acceleration (x, y, z / acc_x ...), PPG (ppg, "
            "bvp, green ...) or intervals (ibi, rr ...): name them with columns={'accel': [...], 'ppg': ...}"
        )
    if not wavelengths and "ppg" in sensors:
        wavelengths = _wavelengths([plain[position][0] for position in sensors["ppg"]])
    accel = sensors.get("accel", [])
    return Layout(
        _clocks(plain, clock, typed_times),
        sensors,
        wavelengths,
        header_unit([plain[at][1] for at in accel], [header[at] for at in accel], name) if accel else None,
        plain[sensors["gyro"][0]][1] if "gyro" in sensors else "",
        _interval_unit(plain[sensors["ibi"][0]][1], name) if "ibi" in sensors else None,
    )


def _interval_unit(text: str, name: str) -> str | None:
    """Unit of time in the header of a column of intervals; None where it has none."""
    if text and text.lower() not in TIME_UNITS:
        raise ValueError(
            f"{name}: intervals in units of {text!r}; expected s or ms: convert them (of counts at 1024 Hz, 1000 / 1024"
            " gives ms) and name the column 'rr [ms]'"
        )
    return TIME_UNITS[text.lower()] if text else None


def listed(header: Sequence[str]) -> str:
    """Column names for a message, the first twenty of them, long ones cut."""
    names = [field if len(field) <= 40 else field[:40] + "..." for field in header[:_N_LISTED]]
    return f"{names}" + (f" and {len(header) - _N_LISTED} more" if len(header) > _N_LISTED else "")


def _by_name(place: Mapping[str, int]) -> dict[str, list[int]]:
    sensors: dict[str, list[int]] = {}
    for stem in _ACCEL_STEMS:
        if all(stem + axis in place for axis in "xyz"):
            sensors["accel"] = [place[stem + axis] for axis in "xyz"]
            break
    for sensor, names in (("ppg", _PPG_NAMES), ("ecg", _ECG_NAMES), ("ibi", _IBI_NAMES)):
        found = [position for word, position in place.items() if word in names]
        if found and (sensor != "ibi" or not sensors):
            sensors[sensor] = found if sensor == "ppg" else found[:1]
    return sensors


def _split(field: str) -> tuple[str, str]:
    """Bare lower-case word and unit of a column name: "Acc X [mg]" -> ("accx", "mg"), "time_ms" -> ("time", "ms")."""
    match = re.fullmatch(r"\s*(.*?)\s*[\[(]\s*(.*?)\s*[\])]\s*", field)
    text, unit = (match[1], match[2]) if match else (field.strip(), "")
    if not unit:
        text, unit = _split_unit(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text), text)
    return re.sub(r"[^a-z0-9]", "", text.lower()), unit


def _split_unit(parted: str, text: str) -> tuple[str, str]:
    """The same for units without brackets: "rr_ms", "timestampNs", "seconds_elapsed", "millis"."""
    parts = [part for part in re.split(r"[_\s.\-]+", parted) if part]
    bare = ["".join(re.findall(r"[a-z0-9]", part.lower())) for part in parts]
    if len(parts) == 1 and len(bare[0]) > 2 and bare[0] in TIME_UNITS:
        return "time", bare[0]
    if len(parts) > 1:
        for unit, rest in ((parts[-1], bare[:-1]), (parts[0], bare[1:])):
            known = unit.lower() in TIME_UNITS and (unit is parts[-1] or len(unit) > 2)
            if known and "".join(rest) in _TIME_NAMES | _IBI_NAMES:
                return "".join(rest), unit
    return text, ""


def _clocks(plain: Sequence[tuple[str, str]], clock: int | None, typed: Sequence[int]) -> list[TimeName]:
    # Among several clocks the sensor's own comes first: the time of arrival on a phone comes in bursts.
    places = [
        at
        for at, (word, _) in enumerate(plain)
        if word in _TIME_NAMES | _DURATIONS or (at in typed and word == _STORED_INDEX) or at == clock
    ]
    if not places:
        places = list(typed)[:1]
    rank = {**dict.fromkeys(_SENSOR_CLOCKS, 0), **dict.fromkeys(_PHONE_CLOCKS, 2), **dict.fromkeys(_DURATIONS, 3)}
    places.sort(key=lambda at: (at != clock, rank.get(plain[at][0], 1)))
    return [TimeName(at, plain[at][0], TIME_UNITS.get(plain[at][1].lower())) for at in places]


def _positions(header: Sequence[str], names, what: str, name: str) -> list[int]:
    try:
        names = [names] if isinstance(names, str) else list(names)
    except TypeError:
        raise ValueError(f"columns[{what!r}] is {names!r}; expected a column name, or a list of them") from None
    bare = [field.strip() for field in header]
    for given in names:
        if given not in bare:
            raise ValueError(f"{name} has no column {given!r} (wanted as {what}); its columns are {listed(bare)}")
    return [bare.index(given) for given in names]


def _wavelengths(words: Sequence[str]) -> list[str]:
    if len(words) == 1 and words[0] in ("ppg", "bvp", "pleth"):
        return ["green"]
    names = [{"ir": "infrared"}.get(word.removeprefix("ppg"), word.removeprefix("ppg")) or "ppg" for word in words]
    return names if len(set(names)) == len(names) else list(words)
