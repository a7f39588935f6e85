"""Arrays and labelled arrays in, rows of samples out, and back again."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr

from biosig._checks import check_sampling_rate, filled


class Rows(NamedTuple):
    """Signals as rows of one contiguous float32 or float64 array, with the way back to the shape they came in."""

    values: np.ndarray  # (n_rows, n_samples)
    sampling_rate: float  # Hz
    restore: Callable[[np.ndarray], np.ndarray]  # (n_rows, any n) -> array with time on its former axis
    time: np.ndarray | None  # s, where the data carried a time coordinate
    dim: str | None  # name of the time dimension, where it had one


def as_rows(data, sampling_rate=None, *, name: str = "data") -> Rows:
    """Take an ndarray (time last) or a DataArray (a dimension ``time*`` or ``sample``) apart into rows.

    float32 stays float32 whatever its byte order, and numbers of up to two bytes become float32, which holds them
    exactly; every other kind of number becomes float64. Masked samples become NaN.

    Raises
    ------
    ValueError
        For text or complex numbers, for data without samples, and where no sampling rate is known.
    """
    dim = time = None
    if isinstance(data, xr.Dataset):
        raise ValueError(f"{name} is a Dataset; choose one signal, for example {name}['accel']")
    if isinstance(data, xr.DataArray):
        named = [str(d) for d in data.dims if str(d).startswith("time")] or [d for d in ("sample",) if d in data.dims]
        if len(named) != 1:
            raise ValueError(
                f"{name} has the dimensions {data.dims}; expected exactly one that starts with 'time' or is 'sample'"
            )
        dim = named[0]
        axis = data.dims.index(dim)
        if dim in data.coords:
            time = np.asarray(data.coords[dim].values, dtype=np.float64)
            if not np.isfinite(time).all():
                raise ValueError(f"the coordinate {dim} of {name} holds values that are not finite; drop them")
        if sampling_rate is None:
            sampling_rate = data.attrs.get("sampling_rate")
        values = np.moveaxis(np.asarray(data.values), axis, -1)
    else:
        values, axis = np.asarray(filled(data)), -1
    if values.dtype.kind not in "fiub":
        raise ValueError(f"{name} holds {values.dtype} values; expected real numbers")
    if values.ndim == 0 or values.shape[-1] == 0:
        raise ValueError(f"{name} has shape {values.shape}; expected at least one sample on the time axis (the last)")
    if sampling_rate is None:
        raise ValueError(f"the sampling rate of {name} is not known; give sampling_rate in Hz, for example 64")
    small = values.dtype.itemsize <= 2 or (values.dtype.kind == "f" and values.dtype.itemsize == 4)
    with np.errstate(over="ignore"):
        values = values.astype(np.float32 if small else np.float64, copy=False)
    lead = values.shape[:-1]

    def restore(rows: np.ndarray) -> np.ndarray:
        return np.moveaxis(rows.reshape(*lead, rows.shape[-1]), -1, axis)

    return Rows(
        np.ascontiguousarray(values).reshape(-1, values.shape[-1]),
        check_sampling_rate(sampling_rate),
        restore,
        time,
        dim,
    )


def relabel(data, rows: Rows, values: np.ndarray):
    """Give filtered rows the shape, and for a DataArray the labels, of the `data` they came from."""
    restored = rows.restore(values)
    return data.copy(data=restored) if isinstance(data, xr.DataArray) else restored
