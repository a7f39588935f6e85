"""Forms of acceleration that do not depend on how the sensor was put on, and the angles it lies at."""

from __future__ import annotations

import numpy as np
import xarray as xr
from biosig_kernels.orientation import aligned_rows, magnitude_rows
from biosig_kernels.threads import over_rows

from biosig.signals._layout import as_rows
from biosig.signals.filters import filter_values

FORMS = ("magnitude", "axes", "vertical_horizontal")


def orientation_free(data, sampling_rate=None, *, form="magnitude", cutoff=0.5, order=4, axis_dim="axis", n_jobs=None):
    """Movement without gravity, in a form that does not depend on the orientation of the sensor.

    Parameters
    ----------
    data : array_like, shape (..., 3, n_samples), or xarray.DataArray
        Acceleration in g; of a DataArray, the dimensions ``time*`` (or ``sample``) and `axis_dim`.
    sampling_rate : float, optional
        Hz; may be omitted for a DataArray with the attribute ``sampling_rate``.
    form : {"magnitude", "axes", "vertical_horizontal"}, default "magnitude"
        - "magnitude": length of the acceleration vector less 1 g (the Euclidean norm minus one of actigraphy, without
          cutting negative values off), (..., 1, n_samples). No filter is involved; a sensor that is off its calibration
          keeps an offset, see `calibrate`.
        - "axes": each axis without gravity, as from `remove_gravity`, (..., 3, n_samples). This form does depend on
          the orientation; it stands here for comparisons.
        - "vertical_horizontal": movement along gravity (up is positive) and the length of that across it,
          (..., 2, n_samples). Gravity is the low-pass filtered acceleration.
    cutoff, order : float, int
        Of the filter that tells gravity from movement, see `remove_gravity`. Not used by "magnitude".
    axis_dim : str, default "axis"
        Dimension of a DataArray that holds x, y and z; in the result it names the parts.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    ndarray or xarray.DataArray
        float32 or float64 as `data`; NaN where an axis is missing.

    Raises
    ------
    ValueError
        For another number of axes than three, an unknown form, and what `remove_gravity` raises for.

    References
    ----------
    V. T. van Hees et al., "Separating movement and gravity components in an acceleration signal and implications for
    the assessment of human daily physical activity", PLoS ONE 8(4), 2013.
    """
    if form not in FORMS:
        raise ValueError(f"form is {form!r}; expected one of {', '.join(map(repr, FORMS))}")
    ordered = data
    if isinstance(data, xr.DataArray):
        if axis_dim not in data.dims:
            raise ValueError(f"data has the dimensions {data.dims}; none of them is axis_dim={axis_dim!r}")
        time_dim = as_rows(data, sampling_rate).dim
        ordered = data.transpose(..., axis_dim, time_dim)
    shape = np.shape(ordered)
    if len(shape) < 2 or shape[-2] != 3:
        fix = "; write np.swapaxes(data, -1, -2)" if len(shape) >= 2 and shape[-1] == 3 else ""
        raise ValueError(f"data has shape {shape}; expected (..., 3, n_samples), one row each for x, y and z{fix}")
    rows = as_rows(ordered, sampling_rate)
    triples = rows.values.reshape(-1, 3, shape[-1])
    if form == "axes":
        values = filter_values(rows.values, "highpass", (cutoff,), order, rows.sampling_rate, n_jobs)
        values, names = values.reshape(triples.shape), None
    elif form == "magnitude":
        values, names = np.empty((len(triples), 1, shape[-1]), triples.dtype), ["magnitude"]
        over_rows(lambda a, b: magnitude_rows(triples, 1.0, values[:, 0], a, b), len(triples), n_jobs)
    else:
        gravity = filter_values(rows.values, "lowpass", (cutoff,), order, rows.sampling_rate, n_jobs)
        gravity = gravity.reshape(triples.shape)
        values, names = np.empty((len(triples), 2, shape[-1]), triples.dtype), ["vertical", "horizontal"]
        over_rows(lambda a, b: aligned_rows(triples, gravity, values, a, b), len(triples), n_jobs)
    values = values.reshape(*shape[:-2], values.shape[1], shape[-1])
    if not isinstance(data, xr.DataArray):
        return values
    coords = {k: c for k, c in ordered.coords.items() if names is None or axis_dim not in c.dims}
    if names is not None:
        coords[axis_dim] = names
    return xr.DataArray(values, coords=coords, dims=ordered.dims, attrs=data.attrs, name=data.name).transpose(
        *data.dims
    )


def posture_angles(gravity) -> np.ndarray:
    """Angles of the sensor's axes above the horizontal plane.

    Parameters
    ----------
    gravity : array_like, shape (..., 3)
        Gravity in the sensor's axes (any unit): mean or low-pass filtered acceleration of a sensor almost at rest.

    Returns
    -------
    ndarray of float64, shape (..., 3)
        Degrees, -90 to 90: ``atan2(x, sqrt(y**2 + z**2))`` and so on. 90 for an axis that points up, 0 for a level one.
        NaN where a component is missing or all are zero.

    Raises
    ------
    ValueError
        For another last dimension than three.
    """
    vectors = np.asarray(gravity)
    if vectors.dtype.kind not in "fiub" or vectors.ndim < 1 or vectors.shape[-1] != 3:
        raise ValueError(f"gravity has shape {vectors.shape} and holds {vectors.dtype}; expected numbers (..., 3)")
    vectors = vectors.astype(np.float64)
    vectors[~(np.isfinite(vectors).all(axis=-1) & (vectors != 0).any(axis=-1))] = np.nan
    x, y, z = np.moveaxis(vectors, -1, 0)
    across = np.stack([np.hypot(y, z), np.hypot(z, x), np.hypot(x, y)], axis=-1)
    return np.degrees(np.arctan2(vectors, across))
