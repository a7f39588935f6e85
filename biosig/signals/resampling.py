"""Other sampling rates, without aliases, for evenly and unevenly sampled signals."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
import xarray as xr
from biosig_kernels.resampling import grid_rows, resample_rows
from biosig_kernels.threads import over_rows

from biosig._checks import check_sampling_rate
from biosig.signals._layout import as_rows

ATTENUATION = 110.0  # dB, of everything that would be an alias
PASS_EDGE = 0.9  # of the lower Nyquist rate; from there the response falls to ATTENUATION at the Nyquist rate itself
CLOCK_JITTER = 0.5  # samples; devices sample evenly, and time stamps that differ by less tell of their transport
STAMP_JITTER = 0.02  # samples; where the caller says that the time stamps are uneven, they are believed
FINE_PHASES = 1024  # per sample; straight lines between so many phases err by about -118 dB


@lru_cache(maxsize=8)
def _phase_table(n_phases: int, ratio: float, dtype: type) -> np.ndarray:
    """Weights of a Kaiser-windowed sinc: row p serves positions p / n_phases after a sample.

    `ratio` is the target rate over the given rate. Returns (n_phases + 1, 2 * half); each row sums to one, so that
    levels are kept exactly.
    """
    scale = min(1.0, ratio)  # the lower of the two rates, in given samples
    beta = 0.1102 * (ATTENUATION - 8.7)
    transition = math.pi * (1 - PASS_EDGE) * scale  # rad per sample
    half = math.ceil(((ATTENUATION - 7.95) / (2.285 * transition) + 1) / 2)
    distance = np.arange(1 - half, half + 1) - np.arange(n_phases + 1)[:, None] / n_phases
    cutoff = 0.5 * (1 + PASS_EDGE) * scale
    window = np.i0(beta * np.sqrt(np.clip(1 - (distance / half) ** 2, 0, None)))
    table = np.sinc(cutoff * distance) * window
    table /= table.sum(axis=1, keepdims=True)
    table = np.ascontiguousarray(table, dtype=dtype)
    table.flags.writeable = False
    return table


def _resample_rows(values, rate, target_rate, first, n_out, max_gap, n_jobs=None):
    """Rows read at the sample positions ``first + j * rate / target_rate``, j < n_out; all within [-1, n_in)."""
    step = rate / target_rate
    exact = Fraction(step).limit_denominator(FINE_PHASES)
    n_phases = exact.denominator
    drift = abs(float(exact) - step) * n_out
    if drift > 1e-6 or abs(first * n_phases - round(first * n_phases)) > 1e-6:
        n_phases = max(64, math.ceil(FINE_PHASES * min(1.0, 1 / step)))
    out = np.empty((values.shape[0], n_out), values.dtype)
    table = _phase_table(n_phases, 1 / step, values.dtype.type)
    most = max_gap * rate + 1e-6
    over_rows(lambda a, b: resample_rows(values, first, step, table, most, out, a, b), len(values), n_jobs)
    return out


def resample(data, *, target_rate, sampling_rate=None, max_gap=0.5, n_jobs=None):
    """Change the sampling rate along the time axis, without aliases.

    Windowed-sinc interpolation: flat within 0.01 dB up to 90 % of the lower Nyquist rate, at least 100 dB down from
    that Nyquist rate on (float64; float32 reaches its own rounding). The first output sample lies on the first input
    sample, and there are ``n_out = floor(n_in * target_rate / sampling_rate + 0.5)`` of them.

    Parameters
    ----------
    data : array_like, shape (..., n_in), or xarray.DataArray
        Samples with time last; of a DataArray, the dimension ``time*`` (or ``sample``). float32 and float64 are kept.
    target_rate : float
        Hz; any number, not only a multiple.
    sampling_rate : float, optional
        Hz; may be omitted for a DataArray with the attribute ``sampling_rate``. A DataArray whose time coordinate is
        uneven (jitter of more than half a sample, or gaps) is read by its time stamps, as in `resample_irregular`.
    max_gap : float, default 0.5
        Seconds. NaN gaps up to this length are bridged by a straight line; in longer ones, and before the first and
        after the last finite sample, output samples whose nearest input sample is missing are NaN.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    ndarray, shape (..., n_out), or xarray.DataArray
        A DataArray has a new time coordinate, and `target_rate` in its attribute ``sampling_rate``. At both ends the
        signal is continued by point reflection about the end sample.

    Raises
    ------
    ValueError
        For an unknown or impossible rate and for data without samples.

    Notes
    -----
    J. O. Smith and P. Gossett, "A flexible sampling-rate conversion method", ICASSP 1984.
    """
    target_rate = check_sampling_rate(target_rate, "target_rate")
    _check_max_gap(max_gap)
    rows = as_rows(data, sampling_rate)
    n_in = rows.values.shape[1]
    rate = rows.sampling_rate
    start = 0.0
    if rows.time is not None:
        start = float(rows.time[0])
        if not _is_even(rows.time, rate):
            seconds = rows.time[-1] - start + 1 / measured_rate(rows.time)
            n_out = max(1, math.floor(seconds * target_rate + 0.5))
            values = read_times(rows.time, rows.values, target_rate, start, n_out, max_gap, n_jobs)
            return _rebuild(data, rows, values, start, target_rate)
    n_out = max(1, math.floor(n_in * target_rate / rate + 0.5))
    if target_rate == rate:
        # Same grid: nothing to filter, but short gaps are bridged like everywhere else.
        unit = np.zeros((2, 2), rows.values.dtype)
        unit[0, 0] = unit[1, 1] = 1
        values = np.empty_like(rows.values)
        most = max_gap * rate + 1e-6
        over_rows(lambda a, b: resample_rows(rows.values, 0.0, 1.0, unit, most, values, a, b), len(values), n_jobs)
    else:
        values = _resample_rows(rows.values, rate, target_rate, 0.0, n_out, max_gap, n_jobs)
    return _rebuild(data, rows, values, start, target_rate)


def resample_irregular(timestamps, values, target_rate, *, start=None, n_samples=None, max_gap=0.5):
    """Put samples with uneven time stamps onto an even grid, without aliases.

    Time stamps may jitter, repeat and step back: samples are sorted by time, and those closer than a fifth of the
    median spacing are merged into their mean. Samples are then read at the measured rate (cubic Hermite pieces between
    neighbours, straight lines across short gaps) and brought to `target_rate` by the filter of `resample`.

    Parameters
    ----------
    timestamps : array_like, shape (n_in,)
        Seconds.
    values : array_like, shape (..., n_in)
        NaN means missing.
    target_rate : float
        Hz.
    start : float, optional
        Time of the first output sample, seconds; the earliest time stamp by default.
    n_samples : int, optional
        Number of output samples; by default up to the last time stamp.
    max_gap : float, default 0.5
        Seconds between two samples from which on the time between them stays missing (NaN).

    Returns
    -------
    ndarray, shape (..., n_samples)
        float32 for float32 values, else float64. NaN before the first and after the last sample.

    Raises
    ------
    ValueError
        When the lengths differ, when time stamps are not finite, and with fewer than two distinct time stamps.
    """
    target_rate = check_sampling_rate(target_rate, "target_rate")
    _check_max_gap(max_gap)
    times = np.asarray(timestamps, dtype=np.float64)
    rows = as_rows(values, 1.0, name="values")
    if times.ndim != 1 or times.size != rows.values.shape[1]:
        raise ValueError(
            f"timestamps has shape {times.shape} and values {np.shape(values)}; expected one time stamp for each "
            "sample on the last axis of values"
        )
    if not np.isfinite(times).all():
        raise ValueError(f"timestamps holds {int((~np.isfinite(times)).sum())} values that are not finite; drop them")
    if times.size < 2 or times.min() == times.max():
        raise ValueError(f"timestamps has {np.unique(times).size} distinct value(s); at least two are needed")
    start = float(times.min()) if start is None else float(start)
    if n_samples is None:
        n_samples = max(0, math.floor((times.max() - start) * target_rate + 1e-6) + 1)
    out = read_times(times, rows.values, target_rate, start, int(n_samples), max_gap, jitter=STAMP_JITTER)
    return rows.restore(out)


def read_times(times, values, target_rate, start, n_samples, max_gap, n_jobs=None, jitter=CLOCK_JITTER):
    """Rows (n_rows, n_in) with the given time stamps on the grid ``start + j / target_rate``, j < n_samples.

    Time stamps within `jitter` samples of an even clock are replaced by that clock; others go through `_even_out`.
    """
    if n_samples <= 0:
        return np.empty((len(values), 0), values.dtype)
    rate = measured_rate(times)
    if _is_even(times, rate, jitter):
        first_time = float(times[0])
    else:
        values, first_time, rate = _even_out(times, values, target_rate, start, n_samples, max_gap, n_jobs)
        max_gap = 0.0  # what is still missing stays so
    n_in = values.shape[1]
    first = (start - first_time) * rate
    step = rate / target_rate
    # Only positions next to the samples can be read; the rest of the grid is missing.
    begin = max(0, math.ceil((-0.5 - first) / step - 1e-9))
    end = min(n_samples, math.floor((n_in - 0.5 - first) / step - 1e-9) + 1)
    out = np.full((len(values), n_samples), np.nan, values.dtype)
    if end > begin:
        out[:, begin:end] = _resample_rows(
            values, rate, target_rate, first + begin * step, end - begin, max_gap, n_jobs
        )
    return out


def measured_rate(times) -> float:
    """Sampling rate in Hz from time stamps in seconds.

    The median spacing gives a first idea; gaps (more than 1.5 times as long) and repeats are left out of the mean that
    is returned, so that neither rounding of the time stamps nor dropouts bend it.
    """
    spacing = np.diff(np.sort(times))
    spacing = spacing[spacing > 0]
    middle = np.median(spacing)
    regular = spacing[(spacing < 1.5 * middle) & (spacing > 0.5 * middle)]
    return float(1 / regular.mean()) if regular.size else float(1 / middle)


def _is_even(times, rate, jitter=CLOCK_JITTER) -> bool:
    """Whether samples counted from the first one stay within `jitter` samples of their time stamps."""
    return bool(np.all(np.abs((times - times[0]) * rate - np.arange(times.size)) < jitter))


def _even_out(times, values, target_rate, start, n_samples, max_gap, n_jobs):
    """Read uneven samples at their measured rate, as far as the grid and the reach of its filter go."""
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[:, order]
    rate = measured_rate(times)
    fresh = np.concatenate(([True], np.diff(times) > 0.2 / rate))
    if not fresh.all():
        group = np.cumsum(fresh) - 1
        times = np.bincount(group, times) / np.bincount(group)
        finite = np.isfinite(values)
        count = np.stack([np.bincount(group, row) for row in finite])
        total = np.stack([np.bincount(group, row) for row in np.where(finite, values, 0.0)])
        with np.errstate(invalid="ignore", divide="ignore"):
            values = (total / count).astype(values.dtype)
    reach = _phase_table(1, target_rate / rate, np.float64).shape[1] / 2 / rate
    first_time = max(times[0], start - reach)
    last_time = min(times[-1], start + n_samples / target_rate + reach)
    n_even = max(1, math.floor((last_time - first_time) * rate + 0.5) + 1)
    even = np.empty((len(values), n_even))
    exact = np.ascontiguousarray(values, dtype=np.float64)
    line_above = 1.5 / rate
    # A gap is measured between its two ends, so one lost sample makes two spacings.
    over_rows(
        lambda a, b: grid_rows(times, exact, first_time, 1 / rate, line_above, max_gap + 1 / rate, even, a, b),
        len(values),
        n_jobs,
    )
    return even.astype(values.dtype), first_time, rate


def _check_max_gap(max_gap) -> None:
    if not max_gap >= 0:
        raise ValueError(f"max_gap is {max_gap!r}; expected a number of seconds, zero or more")


def _rebuild(data, rows, values, start, target_rate):
    restored = rows.restore(values)
    if not isinstance(data, xr.DataArray):
        return restored
    coords = {k: c for k, c in data.coords.items() if rows.dim not in c.dims}
    if rows.time is not None:
        coords[rows.dim] = start + np.arange(values.shape[-1]) / target_rate
    attrs = {**data.attrs, "sampling_rate": target_rate}
    return xr.DataArray(restored, coords=coords, dims=data.dims, attrs=attrs, name=data.name)
