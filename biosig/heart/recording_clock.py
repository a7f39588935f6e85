"""Acceleration of any clock on the even one that the tracker works on, and where its windows lie there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from biosig.heart.vibration import RATE
from biosig.heart.wrist_carrier import LOWEST_RATE
from biosig.signals.resampling import resample

MOST_HOURS = 24.0 * 14


class EvenAcceleration(NamedTuple):
    """One recording at `RATE`, and its windows."""

    values: np.ndarray  # float32, (3, n), g; NaN where missing
    sampling_rate: float  # Hz, at which it was measured
    starts: np.ndarray  # s, of the windows, in the caller's count
    begins: np.ndarray  # samples
    ends: np.ndarray

    def windows(self) -> np.ndarray:
        """Acceleration of the windows, (n_windows, 3, n_samples), cut or filled with NaN to the length of the first."""
        size = int(self.ends[0] - self.begins[0]) if len(self.begins) else 0
        out = np.full((len(self.begins), 3, size), np.nan, np.float32)
        for window, begin, end in zip(out, self.begins, self.ends, strict=True):
            window[:, : end - begin] = self.values[:, begin:end][:, :size]
        return out


def even_acceleration(accel, sampling_rate, length: float, stride: float) -> EvenAcceleration:
    """Bring a recording (3, n_samples), or windows (n_windows, 3, n_samples) with their starts, to an even clock."""
    for name, value in (("window_length", length), ("stride", stride)):
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} is {value!r} s; expected a positive number of seconds")
    if isinstance(accel, xr.Dataset):
        raise ValueError("accel is a Dataset; choose the acceleration, for example recording['accel']")
    time = None
    if isinstance(accel, xr.DataArray):
        time = next((str(d) for d in accel.dims if str(d).startswith("time") or d == "sample"), None)
        if time is not None and "axis" in accel.dims:
            accel = accel.transpose(*(d for d in accel.dims if d not in (time, "axis")), "axis", time)
        if sampling_rate is None:
            sampling_rate = accel.attrs.get("sampling_rate")
    else:
        accel = np.asarray(accel)
    shape = accel.shape
    if len(shape) not in (2, 3) or shape[-2] != 3 or shape[-1] == 0:
        fix = "; write accel.T" if len(shape) == 2 and shape[1] == 3 else ""
        raise ValueError(
            f"accel has shape {shape}; expected a recording (3, n_samples) or windows (n_windows, 3, n_samples){fix}"
        )
    if sampling_rate is None:
        raise ValueError("the sampling rate of accel is not known; give sampling_rate in Hz, for example 64")
    rate = float(sampling_rate)
    if not rate >= LOWEST_RATE:
        raise ValueError(
            f"sampling_rate is {rate:g} Hz; the beat shakes the wrist at 5 to 14 Hz, which needs at least "
            f"{LOWEST_RATE:g} Hz"
        )
    if len(shape) == 3:
        return _of_windows(accel, rate)
    even = resample(accel, target_rate=RATE, sampling_rate=None if _has_clock(accel, time) else rate)
    values, first = laid_out(even)
    n, size, step = values.shape[1], round(length * RATE), max(1, round(stride * RATE))
    if n < size - RATE:
        raise ValueError(
            f"the recording has {n / RATE:.1f} s; a window of window_length={length:g} s needs at least that much: "
            "use a shorter one"
        )
    begins = np.arange(0, max(n - size, 0) + 1, step)
    return EvenAcceleration(values, rate, first + begins / RATE, begins, np.minimum(begins + size, n))


def laid_out(even) -> tuple[np.ndarray, float]:
    """Samples of `RATE` as float32 with NaN where their time stamps leave gaps, and the time of the first (s)."""
    values = np.ascontiguousarray(np.asarray(even), dtype=np.float32)
    time = next((str(d) for d in getattr(even, "dims", ()) if str(d).startswith("time")), None)
    if time is None or time not in even.coords:
        return values, 0.0
    times = even[time].values
    if times[-1] - times[0] > 3600 * MOST_HOURS:
        raise ValueError(
            f"the recording spans {(times[-1] - times[0]) / 3600:.0f} h; expected at most {MOST_HOURS:g} h: "
            "track it in parts"
        )
    at = np.round((times - times[0]) * RATE).astype(np.int64)
    if at[-1] == len(at) - 1:
        return values, float(times[0])
    out = np.full((*values.shape[:-1], int(at[-1]) + 1), np.nan, np.float32)
    out[..., at] = values
    return out, float(times[0])


def _has_clock(accel, time: str | None) -> bool:
    return isinstance(accel, xr.DataArray) and time in accel.coords and "sampling_rate" in accel.attrs


def _of_windows(accel, rate: float) -> EvenAcceleration:
    """Windows laid back into the recording that they were cut from."""
    starts = accel.coords["start"].values if isinstance(accel, xr.DataArray) and "start" in accel.coords else None
    if starts is None or np.ndim(starts) != 1 or not np.isfinite(np.asarray(starts, dtype=np.float64)).all():
        raise ValueError(
            "windows need the coordinate 'start' (s, finite), such as windows['accel'] of biosig.segment; for one "
            "recording give an array (3, n_samples)"
        )
    starts = np.asarray(starts, dtype=np.float64)
    size = accel.shape[-1]
    seconds = size / rate
    if not len(starts):
        none = np.zeros(0, np.int64)
        return EvenAcceleration(np.full((3, round(RATE)), np.nan, np.float32), rate, starts, none, none)
    if np.ptp(starts) > 3600 * MOST_HOURS:
        raise ValueError(
            f"the windows span {np.ptp(starts) / 3600:.0f} h; expected those of one recording of at most "
            f"{MOST_HOURS:g} h: track recording by recording"
        )
    pieces = np.asarray(resample(np.asarray(accel), target_rate=RATE, sampling_rate=rate), dtype=np.float32)
    begins = np.round((starts - starts.min()) * RATE).astype(np.int64)
    values = np.full((3, int(begins.max()) + pieces.shape[-1]), np.nan, np.float32)
    for piece, begin in zip(pieces, begins, strict=True):
        part = values[:, begin : begin + piece.shape[-1]]
        part[:] = np.where(np.isfinite(piece), piece, part)
    return EvenAcceleration(values, rate, starts, begins, begins + round(seconds * RATE))
