"""Whether a sensor was worn, and whether it reached the end of its scale."""

from __future__ import annotations

import numpy as np
import xarray as xr
from biosig_kernels.threads import over_rows
from biosig_kernels.timestamps import is_sorted
from biosig_kernels.windows import span_moments

from biosig._checks import check_sampling_rate, filled
from biosig.recordings.unmeasured import without_unmeasured
from biosig.signals._stretches import parts_with_samples

STEP = 900.0  # s, the finest that wear is told
LENGTH = 3600.0  # s that must look unworn
MAX_SD = 0.013  # g, of an axis that does not move
MAX_RANGE = 0.05  # g
MOST_QUARTERS = 10_000_000  # 285 years
FLAT_TOP = 3  # equal samples in a row that a scale's end makes
NEARLY = 0.999  # of the declared scale, where rounding and units may have moved its end
SMALLEST_SCALE = 1.5  # g; no sensor has less, so what ends below was not cut off


def non_wear(data, sampling_rate=None, *, n_jobs=None):
    """Find the quarters of an hour in which an accelerometer was not worn.

    An hour looks unworn when on at least two of three axes the standard deviation is below 13 mg and the range below
    50 mg; hours begin every 15 min, and what such an hour covers was not worn.

    Parameters
    ----------
    data : array_like, shape (3, n_samples), or xarray.DataArray with a dimension ``time*`` and one more
        Acceleration in g, gravity included.
    sampling_rate : float, optional
        Hz; may be omitted for a DataArray with the attribute ``sampling_rate``.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    ndarray of float64, shape (n_quarters,)
        For each full or partial quarter of an hour from the first sample on, 1.0 not worn, 0.0 worn, NaN where that
        cannot be told: recordings under an hour, and quarters without samples.

    Raises
    ------
    ValueError
        For other shapes and an unknown sampling rate, and for time stamps that span centuries.

    Notes
    -----
    Quarters follow the time stamps of a DataArray where these do not simply follow its rate. Exact zeros and stuck
    values are missing, see `biosig.recordings.make_recording`.

    References
    ----------
    V. T. van Hees et al., "Estimation of daily energy expenditure in pregnant and non-pregnant women using a
    wrist-worn tri-axial accelerometer", PLoS ONE 6(7), 2011; the hour and the step from the same group, PLoS ONE
    8(4), 2013.
    """
    values, rate = accelerometer(data, sampling_rate)
    values, _ = without_unmeasured(values, rate)
    times = _stamps(data, rate)
    if times is None:
        edges = np.minimum(np.arange(-(-len(values) // (STEP * rate)) + 1) * STEP * rate, len(values))
        return unworn(moments(values, np.floor(edges + 0.5).astype(np.int64), n_jobs))
    if not is_sorted(times):
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    number, edges = quarters(times)
    if number[-1] >= MOST_QUARTERS:
        raise ValueError(
            f"the time stamps of data span {times[-1] - times[0]:.3g} s; expected less than {MOST_QUARTERS * STEP:.3g} "
            "s: look for one far off"
        )
    verdict = np.full(int(number[-1]) + 1, np.nan)
    verdict[number] = unworn_quarters(number, moments(values, edges, n_jobs))
    return verdict


def _stamps(data, rate: float) -> np.ndarray | None:
    """Time stamps (s) of a DataArray, where they do not simply follow its rate."""
    if not isinstance(data, xr.DataArray):
        return None
    dim = next(str(d) for d in data.dims if str(d).startswith("time"))
    if dim not in data.coords or not data.sizes[dim]:
        return None
    times = np.ascontiguousarray(data.coords[dim].values, dtype=np.float64)
    if not np.isfinite(times).all():
        raise ValueError(f"the coordinate {dim} of data holds times that are not finite; drop them")
    return None if abs((times[-1] - times[0]) * rate - (times.size - 1)) < rate and is_sorted(times) else times


def quarters(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quarters of an hour since the first of the sorted `times` (s) that hold samples, and their first samples.

    Returns the numbers (n,) and the edges (n + 1,); work follows the samples, not the span.
    """
    number: list[np.ndarray] = []
    for first, last in parts_with_samples(times, STEP):
        each = np.arange(np.floor((first - times[0]) / STEP), np.floor((last - times[0]) / STEP) + 1)
        each = each[each > number[-1][-1]] if number else each
        if each.size:
            number.append(each)
    numbers = np.concatenate(number)
    edges = np.append(np.searchsorted(times, times[0] + numbers * STEP), times.size)
    held = np.diff(edges) > 0
    return numbers[held].astype(np.int64), np.append(edges[:-1][held], times.size)


def unworn_quarters(number: np.ndarray, each: np.ndarray) -> np.ndarray:
    """As `unworn`, for quarters of any `number`; those in between hold no samples."""
    parts = np.split(np.arange(len(number)), np.flatnonzero(np.diff(number) > 1) + 1)
    return np.concatenate([unworn(each[part]) for part in parts]) if len(number) else np.empty(0)


def accelerometer(data, sampling_rate) -> tuple[np.ndarray, float]:
    """Acceleration as (n_samples, 3), of any strides and without a copy, and its sampling rate."""
    if isinstance(data, xr.DataArray):
        named = [str(d) for d in data.dims if str(d).startswith("time")]
        if data.ndim != 2 or len(named) != 1:
            raise ValueError(f"data has the dimensions {data.dims}; expected one that starts with 'time' and one more")
        if sampling_rate is None:
            sampling_rate = data.attrs.get("sampling_rate")
        values = data.transpose(named[0], ...).values
    else:
        values = np.asarray(filled(data))
        if values.ndim == 2:
            values = values.T
    if values.ndim != 2 or values.shape[1] != 3 or values.dtype.kind not in "fiub":
        fix = "; write data.T" if values.ndim == 2 and values.shape[0] == 3 else ""
        raise ValueError(
            f"data has shape {np.shape(data)} and holds {values.dtype}; expected numbers of shape (3, n_samples){fix}"
        )
    if sampling_rate is None:
        raise ValueError("the sampling rate of data is not known; give sampling_rate in Hz, for example 64")
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float32 if values.dtype.itemsize <= 4 and values.dtype.kind == "f" else np.float64)
    return values, check_sampling_rate(sampling_rate)


def moments(values: np.ndarray, edges: np.ndarray, n_jobs=None) -> np.ndarray:
    """Count, mean, sum of squared deviations, least and greatest of spans of (n, n_axes); see `span_moments`."""
    out = np.empty((max(len(edges) - 1, 0), values.shape[1], 5))
    over_rows(lambda a, b: span_moments(values, edges, out, a, b), len(out), n_jobs)
    return out


def unworn(each: np.ndarray) -> np.ndarray:
    """As `non_wear`, from the `moments` of the quarters of an hour."""
    count, mean, squares, low, high = np.moveaxis(each, -1, 0)
    together = round(LENGTH / STEP)
    n = len(each)
    verdict = np.full(n, np.nan)
    for i in range(n - together + 1):
        part = slice(i, i + together)
        if (count[part] == 0).any():
            continue
        total = count[part].sum(axis=0)
        middle = (count[part] * mean[part]).sum(axis=0) / total
        with np.errstate(over="ignore", invalid="ignore"):  # of values that no sensor gives
            spread = squares[part].sum(axis=0) + (count[part] * (mean[part] - middle) ** 2).sum(axis=0)
        still = (spread < MAX_SD**2 * total) & (high[part].max(axis=0) - low[part].min(axis=0) < MAX_RANGE)
        here = 1.0 if still.sum() >= min(2, still.size) else 0.0
        verdict[part] = np.fmax(verdict[part], here)
    return verdict


def scale_ends(each: np.ndarray, declared: float | None, *, acceleration: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where a sensor's scale ends, least and greatest per axis (n_axes,); infinite where no end was reached.

    Parameters
    ----------
    each : ndarray
        `moments` of the whole recording.
    declared : float, optional
        The end of the scale on either side, where the maker tells it.
    acceleration : bool
        Whether the scale is symmetric and at least 1.5 g wide; a photoplethysmogram has its own two ends per row.
    """
    n_axes = each.shape[1]
    if declared is not None:
        return np.full(n_axes, -declared * NEARLY), np.full(n_axes, declared * NEARLY)
    low = np.fmin.reduce(each[..., 3], axis=0)
    high = np.fmax.reduce(each[..., 4], axis=0)
    varies = high > low
    if acceleration:
        end = np.fmax.reduce(np.maximum(-low, high), initial=0.0)
        reached = end >= SMALLEST_SCALE
        return np.where(varies & reached, -end, -np.inf), np.where(varies & reached, end, np.inf)
    return np.where(varies, low, -np.inf), np.where(varies, high, np.inf)
