"""Heart rate from the motion of a still wrist alone."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
import pandas as pd
import xarray as xr
from biosig_kernels.threads import over_rows
from biosig_kernels.wrist import level_windows

from biosig._checks import filled
from biosig.heart.wrist_carrier import LOWEST_RATE, RECIPES, Recipe, bridged_axes, pulse_carrier, spreads
from biosig.heart.wrist_rates import find_bins, peaks, trace, window_powers
from biosig.signals._layout import as_rows
from biosig.signals.cutting import whole_samples
from biosig.signals.resampling import parts_on_own_clock

MOST_MISSING = 0.05
LEAST_SECONDS = 5.0
FLAT = 1e-9  # g
BLOCK = 1 << 24  # samples of windows that are worked on at once


def wrist_heart_rate(
    accel,
    sampling_rate=None,
    *,
    method: str = "nightbeat",
    length: float = 30.0,
    stride: float = 10.0,
    max_motion: float = 0.05,
    min_confidence: float = 0.0,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Heart rate from acceleration at a still wrist, without any optical sensor.

    Each beat shakes the wrist by some thousandths of g for a few tenths of a second. That is near the resolution of
    many devices: look at `confidence` and at the coverage before any rate.

    Parameters
    ----------
    accel : array_like or xarray.DataArray
        In g, gravity in or out. Windows of shape (n_windows, 3, n_samples), such as ``windows["accel"]`` of
        `biosig.segment`, each taken for itself; or one recording of shape (3, n_samples), such as
        ``recording["accel"]``, which is cut here; time stamps that are no steady clock are put on the device's own
        first (`biosig.signals.even_clock`). Not finite means missing.
    sampling_rate : float, optional
        Hz, at least 20; may be omitted for a DataArray with the attribute ``sampling_rate``.
    method : {"nightbeat", "pwr", "jerk", "spectral"}
        See Notes.
    length, stride : float, default 30 and 10
        Seconds, of the windows of a recording. Given windows stay as they are.
    max_motion : float, default 0.05
        g. Windows that move more have no rate. ``inf`` for no limit.
    min_confidence : float, default 0
        Windows of less confidence have no rate.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    pandas.DataFrame
        One row a window:

        start
            Seconds; NaN for windows without the coordinate ``start``.
        heart_rate
            beats/min; NaN with a reason.
        confidence
            0 to 1: share of the pulse spectrum (0.5 Hz to twice the fastest rate) within 0.1 Hz, or within the
            resolution of the window, of the rate and its double. White noise gives 0.2 to 0.4 in 30 s.
        motion
            g: median, over the seconds of the window, of the standard deviation within a second (axes pooled).
        reason
            Empty, or why there is no rate.

        ``attrs`` holds ``method``, ``min_confidence``, ``max_motion`` and ``coverage``, the share of windows with a
        rate (NaN without windows).

    Raises
    ------
    ValueError
        For an unknown method, another shape, a sampling rate below 20 Hz, and a recording shorter than one window.
        No content of a window raises.

    Notes
    -----
    All filters are Butterworth filters of order 2, run forward and backward; where the sampling rate is low, bands end
    at 0.45 times the sampling rate. The strength of the vibration (a vector's length or an envelope) is brought to 12
    to 24 samples a second before it is filtered to the band of the pulse*: no rate or its double lies beyond. The rate
    is the highest local maximum of the power spectrum of the Hann-tapered window between 40 and 150 beats/min, refined
    by a parabola. What the summaries at hand did not tell was chosen here, and is marked by a star.

    "spectral": moving average over 1/7 s taken away, 4 to 11 Hz, length of the vector of axes, 0.66 to 2.5 Hz
    (J. Hernandez, D. McDuff and R. W. Picard, "BioWatch", PervasiveHealth 2015, and "BioInsights", BSN 2015).

    "jerk": change of the length of the acceleration vector, Hilbert envelope (R. G. Weaver et al., Sleep 48(2),
    zsae099, 2024), with the change limited to 4 to 14 Hz* and the envelope to 0.5 to 3.5 Hz*. Meant for acceleration
    with gravity in: without it, a vector's length is a rectified signal.

    "pwr", pulse wave reconstruction: 5 to 14 Hz and Hilbert envelope of each axis, 0.5 to 2 Hz (J. Zschocke et al.,
    PLoS ONE 14(12), e0226843, 2019, and "Reconstruction of pulse wave and respiration from wrist accelerometer during
    sleep", IEEE Trans. Biomed. Eng., 2021). Of the axes the one of highest confidence counts*, window by window*;
    rates up to 120 beats/min.

    "nightbeat": 5 to 14 Hz, length of the vector, 0.5 to 3.5 Hz, ridge tracing (M. Moebus et al., "Nightbeat", IEEE BHI
    2024). Within a window the carrier is limited to three times its median size*, against single movements. Through
    the spectra of a recording, dynamic programming* finds the path on which the power near the rate, and half of that
    near its double, stands out most from its surroundings*, less a cost that grows with the square of each change*, at
    most 1 beat/min a second*. Windows that may not be used (motion, missing samples) add nothing to the path. The path
    needs a recording: windows given one by one get their highest peak.
    """
    recipe = _find_recipe(method)
    parts = parts_on_own_clock(accel) if isinstance(accel, xr.DataArray) and accel.ndim == 2 else None
    if parts is not None:
        options = {"method": method, "length": length, "stride": stride, "max_motion": max_motion}
        return _joined(parts, length, options | {"min_confidence": min_confidence, "n_jobs": n_jobs})
    x, starts, rate, is_recording = _read(accel, sampling_rate)
    max_motion = _check_limit(max_motion, "max_motion", "g")
    min_confidence = _check_limit(min_confidence, "min_confidence", "a share of 0 to 1")
    n, n_stride = x.shape[2], x.shape[2]
    if is_recording:
        n, n_stride = whole_samples(length, rate, "length"), whole_samples(stride, rate, "stride")
        if n > x.shape[2]:
            raise ValueError(
                f"the recording has {x.shape[2] / rate:.1f} s; a window of length={n / rate:g} s needs at least that "
                "much: use a shorter length"
            )
        firsts = np.arange(0, x.shape[2] - n + 1, n_stride)
        records = np.zeros(len(firsts), np.int64)
        starts = starts[0] + firsts / rate
    else:
        firsts, records = np.zeros(len(x), np.int64), np.arange(len(x))
    seconds, edges = spreads(x, rate, n_jobs)
    complete = (seconds[:, :, 1] == 1.0).all(axis=1)
    motion, share = _levels(seconds, edges, records, firsts, n, n_jobs)
    reason = np.full(len(records), "", dtype=object)
    for name, refused in {
        "flat": motion <= FLAT,
        "moving: {:.3f} g": motion > max_motion,
        "missing samples: {:.0%}": ~(share >= 1.0 - MOST_MISSING),
        f"too short: {n / rate:.1f} s": np.full(len(records), n < LEAST_SECONDS * rate),
    }.items():
        told = 1.0 - share if name.startswith("missing") else motion
        reason[refused] = [name.format(value) for value in told[refused]]
    rates, confidence = np.full(len(records), np.nan), np.full(len(records), np.nan)
    if len(records) and n >= LEAST_SECONDS * rate:
        usable = reason == ""
        if is_recording:
            trace_stride = n_stride / rate if recipe.traced else None
            rates, confidence = _estimate(x, complete, rate, recipe, firsts, n, usable, trace_stride, n_jobs)
        else:  # block by block: what is computed on the way takes more room than the windows
            size = max(1, BLOCK // (3 * n))
            for begin in range(0, len(x), size):
                some = slice(begin, begin + size)
                rates[some], confidence[some] = _estimate(
                    x[some], complete[some], rate, recipe, None, n, None, None, n_jobs
                )
        reason[usable & np.isnan(rates)] = "no pulse found"
        weak = (reason == "") & (confidence < min_confidence)
        reason[weak] = [f"confidence {value:.2f}" for value in confidence[weak]]
    found = reason == ""
    table = pd.DataFrame(
        {
            "start": starts,
            "heart_rate": np.where(found, 60.0 * rates, np.nan),
            "confidence": confidence,
            "motion": motion,
            "reason": reason,
        }
    )
    table.attrs = {
        "method": method,
        "min_confidence": min_confidence,
        "max_motion": max_motion,
        "coverage": float(found.mean()) if len(found) else math.nan,
    }
    return table


def _joined(parts, length, options) -> pd.DataFrame:
    """Table of a recording whose stamps were no steady clock, part by part; parts shorter than a window have no row."""
    seconds = [part.shape[part.dims.index(_time_of(part))] / part.attrs["sampling_rate"] for part in parts]
    long_enough = [part for part, s in zip(parts, seconds, strict=True) if s >= length] if _is_number(length) else []
    tables = [wrist_heart_rate(part, **options) for part in long_enough or [parts[int(np.argmax(seconds))]]]
    table = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    found = table["heart_rate"].notna()
    table.attrs = tables[0].attrs | {"coverage": float(found.mean()) if len(found) else math.nan}
    return table


def _time_of(data):
    return next(d for d in data.dims if str(d).startswith("time"))


def _is_number(value) -> bool:
    return isinstance(value, (Real, np.number)) and not isinstance(value, (bool, np.bool_))


def _estimate(x, complete, rate, recipe, firsts, n, usable, trace_stride, n_jobs):
    """Rates (Hz) and confidences of the windows of one recording at samples `firsts`, or of windows where that is None.

    They are traced where there is a `trace_stride` (s). `complete` tells which records of `x` miss no sample.
    """
    x = x if complete.all() else bridged_axes(x, n_jobs)
    carrier, scale, carrier_rate = pulse_carrier(x, rate, recipe, n_jobs)
    n_rows, n_carrier = carrier.shape[1:]
    step = rate / carrier_rate
    n_window = min(math.floor(n / step + 0.5), n_carrier)
    records = np.arange(len(x)) if firsts is None else np.zeros(len(firsts), np.int64)
    firsts = np.zeros(len(x), np.int64) if firsts is None else firsts
    begins = np.minimum(np.floor(firsts / step + 0.5).astype(np.int64), n_carrier - n_window)
    rows = (records[:, None] * n_rows + np.arange(n_rows)).ravel()
    bins = find_bins(n_window, carrier_rate, recipe.rates)
    carrier, begins = carrier.reshape(-1, n_carrier), np.repeat(begins, n_rows)
    power = window_powers(carrier, scale.ravel(), rows, begins, n_window, bins, recipe.limit, n_jobs)
    if trace_stride is not None:
        return trace(power, usable, bins, trace_stride, n_jobs)
    rates, confidence = (v.reshape(-1, n_rows) for v in peaks(power, bins, n_jobs))
    best = np.argmax(np.nan_to_num(confidence, nan=-1.0), axis=1)[:, None]
    return np.take_along_axis(rates, best, 1)[:, 0], np.take_along_axis(confidence, best, 1)[:, 0]


def _levels(seconds, edges, records, firsts, n, n_jobs):
    """Motion (g) and share of measured samples of each window, from the seconds whose middle it holds."""
    middles = 0.5 * (edges[:-1] + edges[1:])
    begins = np.minimum(np.searchsorted(middles, firsts), len(middles) - 1)
    ends = np.maximum(np.searchsorted(middles, firsts + n), begins + 1)
    levels = np.empty((len(records), 2))
    over_rows(lambda a, b: level_windows(seconds, records, begins, ends, levels, a, b), len(records), n_jobs, grain=64)
    return levels[:, 0], levels[:, 1]


def _find_recipe(method) -> Recipe:
    if not isinstance(method, str) or method not in RECIPES:
        raise ValueError(f"method is {method!r}; expected one of {', '.join(map(repr, RECIPES))}")
    return RECIPES[method]


def _check_limit(value, name: str, unit: str) -> float:
    number = isinstance(value, (Real, np.number)) and not isinstance(value, (bool, np.bool_))
    if not number or not float(value) >= 0.0:
        raise ValueError(f"{name} is {value!r}; expected a number of at least 0 ({unit})")
    return float(value)


def _read(accel, sampling_rate) -> tuple[np.ndarray, np.ndarray, float, bool]:
    """Float32 records (n, 3, n_samples), their starts (s), the rate (Hz) and whether it is one recording."""
    start = None
    if isinstance(accel, xr.Dataset):
        raise ValueError("accel is a Dataset; choose the acceleration, for example recording['accel']")
    if isinstance(accel, xr.DataArray):
        start = accel.coords.get("start")
        time = next((d for d in accel.dims if str(d).startswith("time") or d == "sample"), None)
        others = [d for d in accel.dims if d not in (time, "axis")]
        if time is not None and "axis" in accel.dims:
            accel = accel.transpose(*others, "axis", time)
    else:
        try:
            accel = np.asarray(filled(accel))
        except ValueError as error:
            raise ValueError(
                f"accel cannot be read as an array ({error}); expected (n_windows, 3, n_samples)"
            ) from None
    shape = accel.shape
    if len(shape) not in (2, 3) or shape[-2] != 3:
        fix = "; write accel.T" if len(shape) == 2 and shape[1] == 3 else ""
        fix = "; write accel.transpose(0, 2, 1)" if len(shape) == 3 and shape[2] == 3 else fix
        raise ValueError(
            f"accel has shape {shape}; expected windows (n_windows, 3, n_samples) or a recording (3, n_samples){fix}"
        )
    rows = as_rows(accel, sampling_rate, name="accel")
    if rows.sampling_rate < LOWEST_RATE:
        raise ValueError(
            f"sampling_rate is {rows.sampling_rate:g} Hz; the beat shakes the wrist at 5 to 14 Hz, "
            f"which needs at least {LOWEST_RATE:g} Hz"
        )
    with np.errstate(over="ignore"):
        x = rows.values.astype(np.float32, copy=False).reshape(-1, 3, rows.values.shape[-1])
    is_recording = len(shape) == 2
    if start is not None and not is_recording and start.ndim == 1:
        starts = np.asarray(start.values, dtype=np.float64)
    else:
        starts = np.full(len(x), np.nan)
    if is_recording:
        starts = np.array([0.0 if rows.time is None else rows.time[0]])
    return x, starts, rows.sampling_rate, is_recording
