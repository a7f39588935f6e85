"""What a Recording is, how one is made from arrays, and the check that every reader's result passes.

A Recording is an `xarray.Dataset` of one wearing session. Each sensor keeps its own clock and so its own time
dimension, in seconds since ``attrs["start_time"]``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from biosig_kernels.timestamps import is_sorted

from biosig._checks import centred, check_sampling_rate, filled
from biosig.recordings.device_clock import rate_of
from biosig.recordings.unmeasured import without_unmeasured

MIN_RATE = 0.2  # Hz; slower sensors than this are quicker ones whose time is not in seconds
MIN_TIMED = 8  # samples, below which nothing is said of the unit
UNKNOWN_START = "1970-01-01T00:00:00Z"
"""The `start_time` of recordings whose clock is not known."""


class Sensor(NamedTuple):
    """What a variable of a Recording must look like."""

    channels: str | None
    units: str
    regular: bool
    float_bits: int


SENSORS = {
    "accel": Sensor("axis", "g", True, 32),
    "ppg": Sensor("wavelength", "", True, 32),
    "ecg": Sensor(None, "", True, 32),
    "gyro": Sensor("axis", "deg/s", True, 32),
    "ibi": Sensor(None, "s", False, 64),
}
AXES = ("x", "y", "z")
_REQUIRED_ATTRS = ("participant", "session", "device", "source", "start_time")


def make_recording(
    *,
    accel=None,
    ppg=None,
    ecg=None,
    gyro=None,
    ibi=None,
    tag=None,
    sampling_rate: float | Mapping[str, float] | None = None,
    time: Any | Mapping[str, Any] | None = None,
    offset: Mapping[str, float] | None = None,
    wavelengths: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    start_time: str = UNKNOWN_START,
    participant: str = "",
    session: str = "",
    device: str = "unknown",
    source: str = "",
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Make a Recording from arrays.

    Parameters
    ----------
    accel, gyro : array-like of shape (n_samples, 3), optional
        Acceleration in g, angular velocity in deg/s.
    ppg : array-like of shape (n_samples,) or (n_samples, n_wavelengths), optional
        Blood volume up = value up: negate raw light counts that fall at the pulse.
    ecg : array-like of shape (n_samples,), optional
    ibi : array-like of shape (n_beats,), optional
        Inter-beat intervals in s; needs ``time={"ibi": ...}``, the end of each interval.
    tag : array-like of shape (n_tags,), optional
        Times of the wearer's marks, in s since `start_time`.
    sampling_rate : float or mapping of sensor name to float
        Nominal rates in Hz of the sensors for which `time` is not given.
    time : array-like or mapping of sensor name to array-like, optional
        Times in s since `start_time` that do not decrease. Samples that came in one packet may share a time; exact
        copies of a sample are refused. The rate is measured from them, see `biosig.signals.even_clock`.
    offset : mapping of sensor name to float, optional
        First sample in s since `start_time` of sensors given by rate; 0 when absent.
    wavelengths : sequence of str, optional
        One name for each PPG column; "green" for one column when absent.
    units : mapping of sensor name to str, optional
        Units of ppg and ecg; "a.u." when absent.
    start_time : str
        ISO 8601, UTC.
    participant, session, device, source : str
    attrs : mapping, optional
        More attributes: str, float or int (``age`` in years, ``sex``, ``bmi`` in kg/m2, ...).

    Returns
    -------
    xarray.Dataset
        A validated Recording. Infinite and masked values become NaN, the mark of a missing sample, and so does
        acceleration that is exactly zero on all axes (idle sleep) or stuck: the attributes ``n_zero`` and ``n_stuck``
        of ``accel`` count such samples, see `biosig.recordings.unmeasured`. Counts that float32 would round (near two
        billion, say) lose a constant first, the attribute ``offset_removed``.

    Warns
    -----
    UserWarning
        Where time stamps follow no steady clock, so that the rate is that of the samples received.

    Raises
    ------
    ValueError
        For missing rates, wrong shapes, times that go back, exact copies of samples.
    """
    given = {"accel": accel, "ppg": ppg, "ecg": ecg, "gyro": gyro, "ibi": ibi}
    variables: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    for name, raw in given.items():
        if raw is None:
            continue
        sensor = SENSORS[name]
        values, noted = _as_samples(name, raw, sensor)
        times, rates = _clock(name, len(values), sensor, sampling_rate, time, offset)
        if name == "accel":
            values, lacking = without_unmeasured(values, rates["sampling_rate"])
            noted |= lacking
        dim = f"time_{name}"
        coords[dim] = (dim, times, {"units": "s"})
        if sensor.channels == "axis":
            coords["axis"] = ("axis", np.array(AXES))
        elif sensor.channels == "wavelength":
            coords["wavelength"] = ("wavelength", np.array(_wavelength_names(wavelengths, values.shape[1])))
        dims = (dim,) if sensor.channels is None else (dim, sensor.channels)
        variables[name] = (dims, values, {"units": sensor.units or (units or {}).get(name, "a.u."), **rates, **noted})
    if tag is not None:
        times = np.sort(np.asarray(tag, dtype=np.float64).ravel())
        coords["time_tag"] = ("time_tag", times, {"units": "s"})
        variables["tag"] = ("time_tag", np.arange(1, len(times) + 1, dtype=np.int32))
    about = {"participant": participant, "session": session, "device": device, "source": source}
    recording = xr.Dataset(variables, coords, {**about, "start_time": start_time, **(attrs or {})})
    return validate(recording)


def measured_rate(times) -> float:
    """Sampling rate in Hz of `times` (s) that do not decrease: count over span in unbroken stretches.

    Neither jitter, nor packets of samples that share a stamp, nor lost samples, gaps and copies bend it, see
    `biosig.signals.even_clock`. Where the rate changes, that of most samples. NaN below two distinct times.
    """
    return rate_of(np.ascontiguousarray(times, dtype=np.float64))[0]


def validate(recording: xr.Dataset) -> xr.Dataset:
    """Return `recording` unchanged, or say which part of it breaks the contract of a Recording.

    Raises
    ------
    ValueError
        With the variable, what was found, what was expected and how to mend it.
    """
    if not isinstance(recording, xr.Dataset):
        raise ValueError(
            f"a recording is a {type(recording).__name__}; expected an xarray.Dataset, as biosig.read returns and "
            "biosig.recordings.make_recording builds"
        )
    if not any(name in recording.variables for name in SENSORS):
        raise ValueError(
            f"the recording has no sensor, only {sorted(map(str, recording.variables))}; "
            f"expected at least one of {sorted(SENSORS)}"
        )
    for name, sensor in SENSORS.items():
        if name in recording.variables:
            _validate_sensor(recording[name], name, sensor)
    for name, dim in (("tag", "time_tag"), ("true_beat", "true_beat_index")):
        if name in recording.variables and recording[name].dims != (dim,):
            raise ValueError(f"{name} has dimensions {recording[name].dims}; expected ({dim!r},)")
    if "tag" in recording.variables:
        _validate_times(recording, "time_tag", strictly=False)
    for name in _REQUIRED_ATTRS:
        if not isinstance(recording.attrs.get(name), str):
            found = recording.attrs.get(name, "missing")
            raise ValueError(f"attribute {name!r} of the recording is {found!r}; expected text (set .attrs[{name!r}])")
    parse_start(recording.attrs["start_time"])
    return recording


def parse_start(text: str) -> datetime:
    """Turn an ISO 8601 `start_time` into an aware datetime in UTC (text without a zone is UTC), or raise ValueError."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise ValueError(f"start_time is {text!r}; expected ISO 8601 in UTC, such as '2024-05-01T08:30:00Z'") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def iso_time(unix_seconds: float) -> str:
    """ISO 8601 UTC text, to the microsecond, of a Unix time in s."""
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat().replace("+00:00", "Z")


def _as_samples(name: str, raw, sensor: Sensor) -> tuple[np.ndarray, dict[str, Any]]:
    """Samples of a sensor, and what was done to them."""
    noted: dict[str, Any] = {}
    try:
        given = np.asarray(filled(raw))
        if sensor.channels == "wavelength" or name == "ecg":
            given, constants = centred(given.T)
            given = given.T
            if constants.any():
                noted["offset_removed"] = float(constants) if constants.size == 1 else constants.tolist()
        with np.errstate(over="ignore"):
            values = np.array(given, dtype=np.float32 if sensor.float_bits == 32 else np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be read as numbers: {error}") from None
    if name == "ppg" and values.ndim == 1:
        values = values[:, np.newaxis]
    n_channels = 3 if sensor.channels == "axis" else None
    wanted = "(n_samples,)" if sensor.channels is None else f"(n_samples, {n_channels or 'n_wavelengths'})"
    if values.ndim != (1 if sensor.channels is None else 2) or (n_channels and values.shape[1] != n_channels):
        turned = values.ndim == 2 and values.shape[0] == (n_channels or 1)
        raise ValueError(f"{name} has shape {values.shape}; expected {wanted}" + (": transpose it" if turned else ""))
    values[~np.isfinite(values)] = np.nan
    return values, noted


def _of_sensor(given, name: str):
    return given.get(name) if isinstance(given, Mapping) else given


def _clock(name: str, n: int, sensor: Sensor, sampling_rate, time, offset) -> tuple[np.ndarray, dict[str, float]]:
    """Time coordinate of a sensor and the rates to note beside it."""
    times = _of_sensor(time, name)
    if times is not None:
        times = np.asarray(times)
        if times.dtype.kind not in "fiu":
            raise ValueError(
                f"time of {name} holds {times.dtype}; expected numbers, seconds since start_time: of dates write "
                "(dates - dates[0]) / np.timedelta64(1, 's'), and start_time=str(dates[0]) in UTC"
            )
        times = times.astype(np.float64)
        if times.shape != (n,):
            raise ValueError(f"time of {name} has shape {times.shape}; expected one time for each sample: ({n},)")
        return times, ({"sampling_rate": _rate_or_warning(name, times)} if sensor.regular else {})
    rate = _of_sensor(sampling_rate, name)
    if rate is None or not sensor.regular:
        fix = f"sampling_rate={{{name!r}: ...}} (Hz) or time" if sensor.regular else "time"
        raise ValueError(f"no clock for {name}: give {fix}={{{name!r}: ...}} (s since start_time)")
    rate = check_sampling_rate(rate, f"sampling_rate of {name}")
    first = float((offset or {}).get(name, 0.0))
    return first + np.arange(n) / rate, {"sampling_rate": rate, "nominal_rate": rate}


def _rate_or_warning(name: str, times: np.ndarray) -> float:
    if not is_sorted(times) or not np.isfinite(times).all():
        return math.nan  # `validate` says what is wrong
    rate, steady = rate_of(times)
    if times.size >= MIN_TIMED and rate < MIN_RATE:
        raise ValueError(
            f"time of {name} gives {rate:.4g} samples per second; expected seconds since start_time: of milliseconds "
            "write time / 1000, of nanoseconds time / 1e9"
        )
    if not steady:
        warnings.warn(
            f"the time stamps of {name} follow no steady clock ({rate:.4g} samples per second received; samples taken "
            "at uneven times, or lost without a trace under the jitter): they are used as they are; where the device "
            f"samples evenly, give sampling_rate={{{name!r}: ...}} (Hz) in place of time",
            UserWarning,
            stacklevel=4,
        )
    return rate


def _wavelength_names(names: Sequence[str] | None, n: int) -> list[str]:
    if names is None and n > 1:
        raise ValueError(f"ppg has {n} columns; name them, for example wavelengths=['green', 'infrared']")
    names = ["green"] if names is None else [str(name) for name in names]
    if len(names) != n or len(set(names)) != n:
        raise ValueError(f"wavelengths are {names}; expected {n} different names, one for each PPG column")
    return names


def _validate_sensor(variable: xr.DataArray, name: str, sensor: Sensor) -> None:
    dims = (f"time_{name}",) if sensor.channels is None else (f"time_{name}", sensor.channels)
    if variable.dims != dims:
        raise ValueError(f"{name} has dimensions {variable.dims}; expected {dims} (see make_recording)")
    dtype = np.dtype(f"float{sensor.float_bits}")
    if variable.dtype != dtype:
        raise ValueError(f"{name} holds {variable.dtype}; expected {dtype}: write .astype('{dtype}')")
    names = variable.coords[sensor.channels].values.tolist() if sensor.channels in variable.coords else None
    if sensor.channels == "axis" and names != list(AXES):
        raise ValueError(f"coordinate axis of {name} is {names}; expected {list(AXES)}")
    if sensor.channels == "wavelength" and not all(isinstance(text, str) for text in names or [None]):
        raise ValueError(f"coordinate wavelength of {name} is {names}; expected names such as 'green'")
    units = variable.attrs.get("units")
    if not isinstance(units, str) or (sensor.units and units != sensor.units):
        raise ValueError(
            f"units of {name} are {units!r}; expected {sensor.units or 'text'!r}: convert the values, then set "
            f"recording[{name!r}].attrs['units']"
        )
    _validate_times(variable, f"time_{name}", strictly=sensor.regular)
    if not sensor.regular:
        return
    rate = variable.attrs.get("sampling_rate", "missing")
    if not (isinstance(rate, float) and math.isnan(rate) and variable.shape[0] < 2):
        check_sampling_rate(rate, f"attribute sampling_rate of {name}")
        measured = measured_rate(variable[f"time_{name}"].values)
        if not math.isnan(measured) and abs(float(rate) / measured - 1.0) > 0.02:
            raise ValueError(
                f"attribute sampling_rate of {name} is {rate} Hz, but its timestamps run at {measured:.6g} Hz; "
                "expected the rate measured from the timestamps (make_recording sets it)"
            )


def _validate_times(holder, dim: str, *, strictly: bool) -> None:
    if dim not in holder.coords:
        raise ValueError(f"time coordinate {dim} is missing; expected seconds since start_time, one for each sample")
    times = holder.coords[dim].values
    if times.dtype != np.float64:
        raise ValueError(f"time coordinate {dim} holds {times.dtype}; expected float64 seconds since start_time")
    if not np.isfinite(times).all():
        raise ValueError(f"time coordinate {dim} has {int((~np.isfinite(times)).sum())} missing times; expected none")
    steps = np.diff(times)
    wrong = np.flatnonzero(steps < 0)
    if len(wrong) or (strictly and len(times) > 1 and times[-1] <= times[0]):
        at = int(wrong[0]) if len(wrong) else 0
        many = f"{len(wrong)} such places" if len(wrong) else "all times are the same"
        raise ValueError(
            f"time coordinate {dim} does not increase at sample {at + 1} ({times[at]:.6f} s, then "
            f"{times[at + 1]:.6f} s; {many}); expected times that do not go back: sort the samples by time, or split "
            "the recording where its clock was set back"
        )
    if strictly and not steps.all():
        _refuse_copies(holder, dim, np.flatnonzero(steps == 0) + 1)


def _refuse_copies(variable: xr.DataArray, dim: str, repeats: np.ndarray) -> None:
    """Samples may share a time stamp (packets do), but a log that was written twice is refused."""
    if len(repeats) > 0.5 * variable.sizes[dim]:
        return
    values = variable.transpose(dim, ...).values.reshape(variable.sizes[dim], -1)
    same = (values[repeats] == values[repeats - 1]).all(axis=1)
    if same.all():
        raise ValueError(
            f"time coordinate {dim} repeats at sample {repeats[0]}: {len(repeats)} samples are exact copies of the "
            "sample before them (same time, same values); expected each sample once: drop the copies"
        )
