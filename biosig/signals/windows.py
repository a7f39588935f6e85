"""Recordings cut into windows on one common grid."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from biosig._checks import check_sampling_rate
from biosig.signals.filters import filter_values
from biosig.signals.quality import spectral_quality
from biosig.signals.resampling import measured_rate, read_times

GRAVITY_ORDER = 4


def segment(recording, *, length=60.0, stride=None, sampling_rate=64.0, gravity_cutoff=0.5, max_gap=0.5, n_jobs=None):
    """Cut a recording into windows in which all sensors share one grid.

    Every signal is resampled once as a whole and acceleration loses gravity once as a whole; only then are windows
    cut. No window is dropped: `Gate` decides later, on the columns `valid`, `motion` and `ppg_quality`.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``accel(time_accel, axis)`` in g, or ``ppg(time_ppg, wavelength)``, or both. The sensors may have different
        rates and start at different times: windows are cut from the time they share.
    length : float, default 60
        Seconds; rounded to whole samples.
    stride : float, optional
        Seconds from one window's start to the next; `length` by default (no overlap).
    sampling_rate : float, default 64
        Hz, of the windows.
    gravity_cutoff : float, default 0.5
        Hz, see `remove_gravity` (order 4).
    max_gap : float, default 0.5
        Seconds. Longer gaps stay NaN; shorter ones are bridged by a straight line, but do not count as valid.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    xarray.Dataset
        ``accel(window, axis, sample)`` without gravity and ``ppg(window, wavelength, sample)``, float32. On ``window``:
        participant, session, start (s since the recording's start), valid (share of samples measured, 0 to 1, the least
        of the sensors), motion (g) and ppg_quality (0 to 1). Attributes: sampling_rate (Hz), length, stride (s),
        gravity_cutoff (Hz), device and source. Motion is 1.4826 times the median absolute deviation of the gravity-free
        axes about their own medians, all axes pooled. Quality is `spectral_quality` of the best wavelength. Either is
        NaN where its sensor is missing.

    Raises
    ------
    ValueError
        For a recording without accel and ppg, for sensors that share no time, and where less than one window is shared.
    """
    rate = check_sampling_rate(sampling_rate)
    n_samples = _whole_samples(length, rate, "length")
    n_stride = n_samples if stride is None else _whole_samples(stride, rate, "stride")
    signals = _signals(recording)
    start, stop = _shared_time(signals)
    n_grid = math.floor((stop - start) * rate + 1e-6)
    if n_grid < n_samples:
        raise ValueError(
            f"the recording has {stop - start:.1f} s in common to {' and '.join(signals)}; "
            f"a window of length={n_samples / rate:g} s needs at least that much: use a shorter length"
        )
    n_windows = (n_grid - n_samples) // n_stride + 1
    starts = np.arange(n_windows) * n_stride
    variables: dict = {}
    valid = np.ones(n_windows)
    motion = np.full(n_windows, np.nan)
    quality = np.full(n_windows, np.nan)
    for name, (times, values, coord) in signals.items():
        grid = read_times(times, values, rate, start, n_grid, max_gap, n_jobs)
        measured = _measured(times, values, start, rate, n_grid)
        valid = np.minimum(valid, _cut(measured[None], starts, n_samples).mean(axis=(1, 2)))
        if name == "accel":
            grid = filter_values(grid, "highpass", (gravity_cutoff,), GRAVITY_ORDER, rate, n_jobs)
        cut = _cut(grid, starts, n_samples)
        if name == "accel":
            motion = np.array([_robust_sd(window) for window in cut])
        elif cut.shape[1]:
            quality = np.fmax.reduce(spectral_quality(cut, rate, n_jobs=n_jobs), axis=1)
        units = recording[name].attrs.get("units", "g" if name == "accel" else "1")
        variables[name] = (("window", coord.dims[0], "sample"), cut, {"sampling_rate": rate, "units": units})
        variables[coord.dims[0]] = coord
    attrs = {k: recording.attrs[k] for k in ("device", "source", "start_time") if k in recording.attrs}
    attrs |= {"sampling_rate": rate, "length": n_samples / rate, "stride": n_stride / rate}
    attrs |= {"gravity_cutoff": float(gravity_cutoff)}
    label = lambda key: ("window", np.full(n_windows, str(recording.attrs.get(key, "")), dtype=object))
    return xr.Dataset(
        variables,
        coords={
            "participant": label("participant"),
            "session": label("session"),
            "start": ("window", start + starts / rate, {"units": "s"}),
            "valid": ("window", valid),
            "motion": ("window", motion, {"units": "g"}),
            "ppg_quality": ("window", quality),
        },
        attrs=attrs,
    )


def _whole_samples(seconds, rate: float, name: str) -> int:
    try:
        n = math.floor(float(seconds) * rate + 0.5)
    except (TypeError, ValueError, OverflowError):
        n = 0
    if n < 1:
        raise ValueError(f"{name} is {seconds!r}; expected seconds, at least one sample ({1 / rate:g} s)")
    return n


def _signals(recording) -> dict:
    """Per sensor its time stamps (s), its rows (n_rows, n) in float32 and the coordinate that names the rows."""
    if not isinstance(recording, xr.Dataset):
        raise ValueError(
            f"recording is a {type(recording).__name__}; expected the xarray.Dataset that biosig.read returns"
        )
    found = {}
    for name in ("accel", "ppg"):
        if name not in recording:
            continue
        signal = recording[name]
        time_dim = f"time_{name}"
        if signal.ndim != 2 or time_dim not in signal.dims or time_dim not in signal.coords:
            raise ValueError(
                f"{name} has the dimensions {signal.dims}; expected ('{time_dim}', ...) with time in seconds"
            )
        row_dim = next(d for d in signal.dims if d != time_dim)
        times = np.asarray(signal[time_dim].values, dtype=np.float64)
        if times.size < 2 or not np.isfinite(times).all() or times.min() == times.max():
            raise ValueError(
                f"{name} has {times.size} samples; its time stamps must be finite and at least two distinct"
            )
        values = np.ascontiguousarray(signal.transpose(row_dim, time_dim).values, dtype=np.float32)
        found[name] = (times, values, signal[row_dim].reset_coords(drop=True).variable)
    if not found:
        raise ValueError(f"the recording holds {sorted(map(str, recording.data_vars))}; expected accel or ppg")
    return found


def _shared_time(signals: dict) -> tuple[float, float]:
    """First and last second (the last sample's own duration included) that all sensors cover."""
    spans = {name: (t.min(), t.max() + 1 / measured_rate(t)) for name, (t, _, _) in signals.items()}
    start = max(span[0] for span in spans.values())
    stop = min(span[1] for span in spans.values())
    if stop <= start:
        told = ", ".join(f"{name} from {a:.1f} to {b:.1f} s" for name, (a, b) in spans.items())
        raise ValueError(f"the sensors share no time ({told}); check the time coordinates of the recording")
    return float(start), float(stop)


def _measured(times, values, start: float, rate: float, n_grid: int) -> np.ndarray:
    """1.0 where the sample nearest in time to a grid point is close by and was measured on every row, else 0.0."""
    order = np.argsort(times, kind="stable")
    times = times[order]
    finite = np.isfinite(values).all(axis=0)[order]
    wanted = start + np.arange(n_grid) / rate
    right = np.clip(np.searchsorted(times, wanted), 1, times.size - 1)
    nearest = right - (wanted - times[right - 1] < times[right] - wanted)
    close = np.abs(times[nearest] - wanted) <= 1.0 / measured_rate(times)
    return (finite[nearest] & close).astype(np.float64)


def _cut(rows, starts, n_samples: int) -> np.ndarray:
    """Windows (n_windows, n_rows, n_samples) of rows (n_rows, n), a fresh contiguous array."""
    views = np.lib.stride_tricks.sliding_window_view(rows, n_samples, axis=1)
    return np.ascontiguousarray(views[:, starts].transpose(1, 0, 2))


def _robust_sd(window) -> float:
    """Robust standard deviation of the rows about their own medians, pooled; NaN without samples."""
    complete = np.isfinite(window)
    if not complete.any():
        return np.nan
    if complete.all():
        middle = np.median(window, axis=1, keepdims=True)
        return float(1.4826 * np.median(np.abs(window - middle)))
    deviations = [np.abs(row[ok] - np.median(row[ok])) for row, ok in zip(window, complete, strict=True) if ok.any()]
    return float(1.4826 * np.median(np.concatenate(deviations)))
