"""Calibration of an accelerometer by gravity itself, from the stretches in which it lay still."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from biosig.signals._layout import as_rows, relabel
from biosig.signals.wear import accelerometer, moments

EPOCH = 10.0  # s
MOST_COUNTED = 100.0  # 1/g, greatest weight of a stretch that fits already
MOST_ROUNDS = 1000
SETTLED = 1e-10  # g, change of the error at which the fit ends
MOST_LEVEL = 2.0  # g, of a still sensor that is read at all


@dataclass(frozen=True)
class Calibration:
    """What brings still readings onto a sphere of 1 g, and how far off they were.

    Attributes
    ----------
    scale, offset : tuple of float
        Per axis: calibrated = scale * reading + offset (g). Ones and zeros where `reason` is not empty.
    error_before, error_after : float
        g, mean distance of the length of still readings from 1 g; NaN without still stretches.
    n_still : int
        Still stretches that took part.
    reason : str
        Empty after a calibration, else why there was none.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    error_before: float
    error_after: float
    n_still: int
    reason: str = ""

    def apply(self, data, *, axis_dim: str = "axis"):
        """Return calibrated acceleration.

        Parameters
        ----------
        data : array_like, shape (..., 3, n_samples), or xarray.DataArray with the dimension `axis_dim`
            g.
        axis_dim : str, default "axis"

        Returns
        -------
        ndarray or xarray.DataArray
            Shape, labels and kind (float32 or float64) of `data`.

        Raises
        ------
        ValueError
            For another number of axes than were calibrated.
        """
        labelled = isinstance(data, xr.DataArray)
        if labelled and axis_dim not in data.dims:
            raise ValueError(f"data has the dimensions {data.dims}; none of them is axis_dim={axis_dim!r}")
        rows = as_rows(data, 1.0)
        shape = np.shape(data)
        if labelled:
            axis = [d for d in data.dims if d != rows.dim].index(axis_dim)
            lead = [data.sizes[d] for d in data.dims if d != rows.dim]
        else:
            axis, lead = len(shape) - 2, list(shape[:-1])
        if not lead or lead[axis] != len(self.scale):
            raise ValueError(f"data has shape {shape}; expected {len(self.scale)} axes, (..., 3, n_samples)")
        along = [1] * (len(lead) + 1)
        along[axis] = len(self.scale)
        kind = rows.values.dtype
        values = rows.values.reshape(*lead, -1) * np.array(self.scale, kind).reshape(along)
        values += np.array(self.offset, kind).reshape(along)
        return relabel(data, rows, values.reshape(rows.values.shape))


def calibrate(data, sampling_rate=None, *, max_sd=0.013, sphere=0.3, min_still=10, n_jobs=None) -> Calibration:
    """Fit scale and offset of each axis so that gravity measures 1 g whichever way the sensor lies.

    Stretches of 10 s in which no axis varies by more than `max_sd` are reduced to their mean; closest points on the
    unit sphere and straight-line fits of each axis to them are repeated until the error settles, stretches weighed by
    the inverse of their error.

    Parameters
    ----------
    data : array_like, shape (3, n_samples), or xarray.DataArray with a dimension ``time*`` and one more
        Acceleration in g with gravity; days of it are needed to lie in many orientations. Nothing is copied.
    sampling_rate : float, optional
        Hz; may be omitted for a DataArray with the attribute ``sampling_rate``.
    max_sd : float, default 0.013
        g, standard deviation below which an axis is still.
    sphere : float, default 0.3
        g; still readings must reach beyond this on both sides of each axis, or a fit would follow a few orientations
        and spoil the others.
    min_still : int, default 10
        Least number of still stretches.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    Calibration
        With the error before and after. Unchanged readings and a reason where too little of the sphere was seen, where
        nothing was still, or where the fit did not help. Stretches in which all axes repeat one value are no evidence
        (a sensor that stopped, a filled gap) and are left out; so are stretches with more than a tenth missing.

    Raises
    ------
    ValueError
        For other shapes, an unknown sampling rate, or limits that are not positive.

    References
    ----------
    V. T. van Hees et al., "Autocalibration of accelerometer data for free-living physical activity assessment using
    local gravity and temperature", J. Appl. Physiol. 117(7), 2014.
    """
    for name, value in (("max_sd", max_sd), ("sphere", sphere), ("min_still", min_still)):
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not float(value) > 0:
            raise ValueError(f"{name} is {value!r}; expected a positive number")
    values, rate = accelerometer(data, sampling_rate)
    points = _still(values, rate, max_sd, n_jobs)
    unchanged = ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    if len(points) < min_still:
        reason = f"{len(points)} still stretches of {EPOCH:g} s, fewer than {min_still:g}"
        error = _error(points)
        return Calibration(*unchanged, error, error, len(points), reason)
    before = _error(points)
    unseen = [
        f"{sign}{name}"
        for name, column in zip("xyz", points.T, strict=True)
        for sign, reached in (("+", column.max() > sphere), ("-", column.min() < -sphere))
        if not reached
    ]
    if unseen:
        reason = f"too few orientations: no still stretch beyond {sphere:g} g towards {', '.join(unseen)}"
        return Calibration(*unchanged, before, before, len(points), reason)
    scale, offset = _fit(points)
    after = _error(points * scale + offset)
    if not (after < before and (scale > 0).all()):
        return Calibration(*unchanged, before, before, len(points), "the fit did not lower the error")
    told = lambda numbers: tuple(float(v) for v in numbers)
    return Calibration(told(scale), told(offset), before, after, len(points))


def _still(values: np.ndarray, rate: float, max_sd: float, n_jobs) -> np.ndarray:
    """Mean readings (n_still, 3) of the still stretches."""
    n_epochs = int(len(values) // (EPOCH * rate))
    edges = np.floor(np.arange(n_epochs + 1) * EPOCH * rate + 0.5).astype(np.int64)
    each = moments(values, np.minimum(edges, len(values)), n_jobs)
    count, mean, squares, low, high = np.moveaxis(each, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        still = (squares / count < max_sd**2).all(axis=1) & (np.abs(mean) < MOST_LEVEL).all(axis=1)
        still &= (high > low).any(axis=1) & (mean != 0).any(axis=1)
    still &= (count >= 0.9 * EPOCH * rate).all(axis=1)
    return mean[still]


def _error(points: np.ndarray) -> float:
    return float(np.abs(np.linalg.norm(points, axis=1) - 1).mean()) if len(points) else float("nan")


def _fit(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scale, offset = np.ones(3), np.zeros(3)
    last = np.inf
    for _ in range(MOST_ROUNDS):
        now = points * scale + offset
        length = np.linalg.norm(now, axis=1, keepdims=True)
        closest = now / np.maximum(length, 1e-12)
        apart = np.abs(length - 1)
        weight = np.minimum(1 / np.maximum(apart, 1e-12), MOST_COUNTED)
        total = weight.sum()
        centre, target = (weight * now).sum(axis=0) / total, (weight * closest).sum(axis=0) / total
        around = now - centre
        slope = (weight * around * (closest - target)).sum(axis=0) / (weight * around**2).sum(axis=0)
        scale, offset = slope * scale, target + slope * (offset - centre)
        error = float(apart.mean())
        if abs(last - error) < SETTLED:
            break
        last = error
    return scale, offset
