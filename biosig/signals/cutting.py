"""Rows of samples cut into windows, and windows brought to one scale."""

from __future__ import annotations

import math

import numpy as np
from biosig_kernels.threads import over_rows
from biosig_kernels.windows import cut_rows, standard_rows

from biosig._checks import check_windows
from biosig.signals._layout import as_rows


def whole_samples(seconds, rate: float, name: str) -> int:
    """Samples in a number of seconds, at least one, or ValueError."""
    try:
        n = math.floor(float(seconds) * rate + 0.5)
    except (TypeError, ValueError, OverflowError):
        n = 0
    if n < 1:
        raise ValueError(f"{name} is {seconds!r}; expected seconds, at least one sample ({1 / rate:g} s)")
    return n


def cut(data, sampling_rate=None, *, length=60.0, stride=None, keep=None, normalise=False, n_jobs=None):
    """Cut rows of samples into windows; keep and normalise them in the same pass.

    `segment` does this and all that comes before for a recording; this is for arrays that are on one grid already.

    Parameters
    ----------
    data : array_like, shape (n_rows, n_samples) or (n_samples,), or xarray.DataArray with two dimensions
        Time last; of a DataArray, the dimension ``time*``.
    sampling_rate : float, optional
        Hz; may be omitted for a DataArray with the attribute ``sampling_rate``.
    length : float, default 60
        Seconds; rounded to whole samples.
    stride : float, optional
        Seconds from one window's start to the next; `length` by default.
    keep : array_like of bool, shape (n_windows,), optional
        Which windows to return; all by default. Refused windows are not even read.
    normalise : bool, default False
        Whether to bring each row of each window to mean 0 and standard deviation 1, see `normalise_windows`.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    ndarray, shape (n_kept, n_rows, round(length * sampling_rate))
        float32 or float64 as `data`, NaN included. There are ``(n_samples - n_length) // n_stride + 1`` windows, none
        where the data are shorter than one.

    Raises
    ------
    ValueError
        For data of other dimensions, an unknown sampling rate, a length or stride of less than a sample, and a `keep`
        that does not fit.
    """
    n_dims = np.ndim(data)
    if n_dims not in (1, 2):
        raise ValueError(f"data has {n_dims} dimensions; expected (n_rows, n_samples) or (n_samples,)")
    rows = as_rows(data, sampling_rate)
    n_length = whole_samples(length, rows.sampling_rate, "length")
    n_stride = n_length if stride is None else whole_samples(stride, rows.sampling_rate, "stride")
    n_windows = max(0, (rows.values.shape[1] - n_length) // n_stride + 1)
    starts = np.arange(n_windows) * n_stride
    if keep is not None:
        kept = np.asarray(keep)
        if kept.dtype != np.bool_ or kept.shape != (n_windows,):
            raise ValueError(
                f"keep has shape {kept.shape} and holds {kept.dtype}; expected one bool for each of {n_windows} windows"
            )
        starts = starts[kept]
    return cut_at(rows.values, starts, n_length, bool(normalise), n_jobs)


def cut_at(rows: np.ndarray, starts: np.ndarray, n_samples: int, normalise: bool = False, n_jobs=None) -> np.ndarray:
    """Windows (n_windows, n_rows, n_samples) of rows (n_rows, n) from the samples `starts` on."""
    starts = np.ascontiguousarray(starts, np.int64)
    out = np.empty((len(starts), len(rows), n_samples), rows.dtype)
    over_rows(lambda a, b: cut_rows(rows, starts, normalise, out, a, b), len(starts), n_jobs)
    return out


def normalise_windows(windows, *, n_jobs=None) -> np.ndarray:
    """Bring each channel of each window to mean 0 and standard deviation 1.

    Parameters
    ----------
    windows : array_like, shape (n_windows, n_channels, n_samples)
        NaN (and infinity) means missing and is left out of both.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    ndarray of float32, shape of `windows`
        NaN where a sample is missing; zeros for channels that do not vary (standard deviation below a millionth of the
        mean).

    Raises
    ------
    ValueError
        For another number of dimensions, see the message for the fix.
    """
    windows = check_windows(windows, name="windows")
    rows = windows.reshape(windows.shape[0] * windows.shape[1], windows.shape[2])
    out = np.empty_like(rows)
    over_rows(lambda a, b: standard_rows(rows, out, a, b), len(rows), n_jobs)
    return out.reshape(windows.shape)
