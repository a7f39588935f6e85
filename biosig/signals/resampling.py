"""Other sampling rates, without aliases, for evenly and unevenly sampled signals."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import xarray as xr
from biosig_kernels.threads import over_rows
from biosig_kernels.timestamps import is_even, is_sorted

from biosig._checks import check_sampling_rate
from biosig.signals._clock import PIECE, interpolator, resample_values
from biosig.signals._grid import CLOCK_JITTER, STAMP_JITTER, GridReader, steady_clock
from biosig.signals._layout import as_rows
from biosig.signals._stretches import find_clock, joined, make_reader, parts_with_samples

MOST_SAMPLES = 1 << 33  # of one output row; more is a mistake in a rate or a time stamp

HOLE = 60.0  # s; longer ones are not filled with NaN
EDGE = 1.0  # s of NaN that is left of them on either side
FULL = 1 << 22  # samples, up to which any even grid is laid


def resample(data, *, target_rate, sampling_rate=None, max_gap=0.5, evenly=True, n_jobs=None):
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
        uneven (jitter of more than half a sample, or gaps) is read by its time stamps.
    max_gap : float, default 0.5
        Seconds. NaN gaps up to this length are bridged by a straight line; in longer ones, and before the first and
        after the last finite sample, output samples whose nearest input sample is missing are NaN.
    evenly : bool, default True
        Whether an uneven time coordinate is put on the device's own clock first, see `even_clock`. Otherwise samples
        are read at their stamps, as in `resample_irregular`.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    ndarray, shape (..., n_out), or xarray.DataArray
        A DataArray has a new time coordinate, and `target_rate` in its attribute ``sampling_rate``. At both ends the
        signal is continued by point reflection about the end sample. Where stamps were put on the device's clock, the
        attributes ``clock``, ``jitter_ms``, ``n_lost`` and ``n_gaps`` say what was done, see `even_clock`. Holes of
        more than a minute are not filled: a second of NaN on either side remains, and the time coordinate jumps.

    Raises
    ------
    ValueError
        For an unknown or impossible rate and for data without samples.

    Notes
    -----
    J. O. Smith and P. Gossett, "A flexible sampling-rate conversion method", ICASSP 1984.
    """
    target_rate = check_sampling_rate(target_rate, "target_rate")
    max_gap = check_max_gap(max_gap)
    rows = as_rows(data, sampling_rate)
    values, rate, start = rows.values, rows.sampling_rate, 0.0
    if rows.time is not None:
        start = float(rows.time[0])
        if not is_even(rows.time, rate, CLOCK_JITTER if evenly else STAMP_JITTER):
            values, times, record = _by_stamps(rows, target_rate, max_gap, bool(evenly), n_jobs)
            return _rebuild(data, rows, values, times, target_rate, record)
    n_out = _whole(values.shape[1] * target_rate / rate)
    how = interpolator(rate, target_rate, 0.0, values.dtype)
    values = resample_values(values, how, n_out, max_gap * rate + 1e-6, n_jobs)
    return _rebuild(data, rows, values, start + np.arange(n_out) / target_rate, target_rate, {})


def resample_irregular(timestamps, values, target_rate, *, start=None, n_samples=None, max_gap=0.5, n_jobs=None):
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
    n_jobs : int, optional
        Threads; None or -1 for all cores.

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
    max_gap = check_max_gap(max_gap)
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
    start = float(times.min()) if start is None else _finite(start, "start")
    if n_samples is None:
        n_samples = _whole((times.max() - start) * target_rate + 0.5 + 1e-6, least=0)
        _refuse_far_off(np.sort(times), n_samples)
    elif isinstance(n_samples, bool) or not isinstance(n_samples, (int, np.integer)) or n_samples < 0:
        raise ValueError(f"n_samples is {n_samples!r}; expected a whole number, zero or more")
    times, values = sort_by_time(times, rows.values)
    clock = steady_clock(times, STAMP_JITTER)
    reader = GridReader(times, values, target_rate, start, max_gap, clock, dtype=values.dtype)
    return rows.restore(reader.read_all(int(n_samples), n_jobs))


def sort_by_time(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Order samples (n_rows, n_in) by their time stamps; nothing is copied when they are in order."""
    if is_sorted(times):
        return times, values
    order = np.argsort(times, kind="stable")
    return times[order], values[:, order]


def check_max_gap(max_gap) -> float:
    """Return a number of seconds, zero or more (infinite too), or raise ValueError."""
    try:
        seconds = float(max_gap)
    except (TypeError, ValueError):
        seconds = math.nan
    if not seconds >= 0:
        raise ValueError(f"max_gap is {max_gap!r}; expected a number of seconds, zero or more")
    return seconds


def _finite(value, name: str) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ValueError(f"{name} is {value!r}; expected a finite number of seconds")
    return seconds


def _whole(samples: float, least: int = 1, most: int | None = MOST_SAMPLES) -> int:
    if most is not None and samples > most:
        raise ValueError(
            f"the output would have {samples:.3g} samples a row; check the rates, and the time stamps for one far off"
        )
    return max(least, math.floor(samples + 0.5))


def parts_on_own_clock(data: xr.DataArray) -> list[xr.DataArray] | None:
    """Parts of a signal on the device's own clock, where its time stamps are none; None where they are.

    Parts lie more than a minute apart; NaN fills what is missing in them.
    """
    dim = next((str(d) for d in data.dims if str(d).startswith("time")), None)
    if dim is None or dim not in data.coords or data.sizes[dim] < 2:
        return None
    times = np.asarray(data[dim].values, dtype=np.float64)
    if not np.isfinite(times).all() or times.min() == times.max():
        return None  # `as_rows` says what is wrong
    rate = data.attrs.get("sampling_rate")
    if isinstance(rate, float) and rate > 0 and is_even(times, rate, CLOCK_JITTER):
        return None
    own = find_clock(np.sort(times), True)
    if own.even:
        return None
    even = resample(data, target_rate=own.rate, sampling_rate=own.rate)
    breaks = np.flatnonzero(np.diff(even[dim].values) > 1.5 / own.rate) + 1
    edges = [0, *breaks.tolist(), even.sizes[dim]]
    return [even.isel({dim: slice(a, b)}) for a, b in pairwise(edges)]


def _refuse_far_off(times: np.ndarray, n_samples: int) -> None:
    """Refuse to lay an even grid over a span that the samples hardly fill."""
    if n_samples < FULL or n_samples < 1000 * times.size:
        return
    steps = np.diff(times)
    at = int(np.argmax(steps))
    raise ValueError(
        f"the time stamps jump from {times[at]:.6g} s to {times[at + 1]:.6g} s, so there would be {n_samples:.3g} "
        f"output samples for {times.size} given; give start and n_samples, or resample the parts before and after it"
    )


def _by_stamps(rows, target_rate: float, max_gap: float, evenly: bool, n_jobs):
    """Rows of a DataArray whose clock is uneven, their times and what was done to the clock."""
    if rows.time.min() == rows.time.max():
        raise ValueError(f"the coordinate {rows.dim} has a single time, {rows.time[0]:g} s; two or more are needed")
    times, values = sort_by_time(rows.time, rows.values)
    clock = find_clock(times, evenly)
    start = float(clock.times[0])
    reader = make_reader(clock, values, target_rate, start, max_gap, values.dtype)
    n_out = _whole((clock.times[-1] - start + min(1 / clock.rate, EDGE)) * target_rate, most=None)
    ranges = []
    for first, last in parts_with_samples(clock.times, HOLE):
        a = math.floor((first - start - (0 if first == start else EDGE)) * target_rate)
        b = math.ceil((last - start + EDGE) * target_rate)
        ranges.append((max(a, 0), min(b, n_out) if last < clock.times[-1] else n_out))
    ranges = joined(ranges)
    edges = np.append(0, np.cumsum([b - a for a, b in ranges]))
    out = np.empty((len(values), _whole(edges[-1])), values.dtype)
    pieces = [
        (at + j - a, j, min(j + PIECE, b))
        for at, (a, b) in zip(edges[:-1].tolist(), ranges, strict=True)
        for j in range(a, b, PIECE)
    ]

    def work(begin: int, end: int) -> None:
        for at, j0, j1 in pieces[begin:end]:
            out[:, at : at + j1 - j0] = reader.read(j0, j1)[0]

    over_rows(work, len(pieces), n_jobs)
    times = start + np.concatenate([np.arange(a, b) for a, b in ranges]) / target_rate
    return out, times, clock.record


def _rebuild(data, rows, values, times, target_rate, record):
    restored = rows.restore(values)
    if not isinstance(data, xr.DataArray):
        return restored
    coords = {k: c for k, c in data.coords.items() if rows.dim not in c.dims}
    if rows.time is not None:
        coords[rows.dim] = times
    attrs = {**data.attrs, "sampling_rate": target_rate, **record}
    return xr.DataArray(restored, coords=coords, dims=data.dims, attrs=attrs, name=data.name)
