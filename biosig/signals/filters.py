"""Zero-phase Butterworth filters: gravity away, pulse band kept."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from biosig_kernels.filtering import LANES, filter_rows
from biosig_kernels.threads import over_rows

from biosig.signals._layout import as_rows, relabel


@lru_cache(maxsize=32)
def _design(kind: str, edges: tuple[float, ...], order: int, rate: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Second-order sections, their steady state for a unit step, and the samples of padding SciPy would use."""
    from scipy.signal import butter, sosfilt_zi

    sos = butter(order, edges if len(edges) > 1 else edges[0], kind, fs=rate, output="sos")
    at_origin = min((sos[:, 2] == 0).sum(), (sos[:, 5] == 0).sum())
    return np.ascontiguousarray(sos), np.ascontiguousarray(sosfilt_zi(sos)), int(3 * (2 * len(sos) + 1 - at_origin))


def filter_values(
    values: np.ndarray, kind: str, edges: tuple[float, ...], order: int, rate: float, n_jobs: int | None = None
) -> np.ndarray:
    """Filter the rows of a contiguous (n_rows, n_samples) array; see `remove_gravity` for what happens to NaN."""
    if isinstance(order, bool) or not isinstance(order, (int, np.integer)) or order < 1:
        raise ValueError(f"order is {order!r}; expected a whole number, one or more")
    names = ("cutoff",) if len(edges) == 1 else ("low", "high")
    for name, edge in zip(names, edges, strict=True):
        if not 0 < edge < rate / 2:
            raise ValueError(
                f"{name} is {edge!r} Hz; at a sampling rate of {rate:g} Hz it must lie between 0 and "
                f"the Nyquist rate of {rate / 2:g} Hz"
            )
    if len(edges) == 2 and edges[0] >= edges[1]:
        raise ValueError(f"low is {edges[0]!r} Hz and high is {edges[1]!r} Hz; low must be below high")
    sos, states, pad = _design(kind, tuple(float(e) for e in edges), int(order), rate)
    if values.shape[1] <= pad:
        raise ValueError(
            f"the signal has {values.shape[1]} samples; a filter of order {order} needs more than {pad} "
            f"({pad / rate:.2f} s at {rate:g} Hz)"
        )
    out = np.empty_like(values)
    over_rows(lambda a, b: filter_rows(values, sos, states, pad, out, a, b), len(values), n_jobs, grain=LANES)
    return out


def remove_gravity(data, sampling_rate=None, *, cutoff=0.5, order=4, n_jobs=None):
    """Take gravity and posture out of acceleration: a zero-phase Butterworth high-pass filter.

    Parameters
    ----------
    data : array_like, shape (..., n_samples), or xarray.DataArray
        Acceleration with time last; of a DataArray, the dimension ``time*`` or ``sample``.
    sampling_rate : float, optional
        Hz; may be omitted for a DataArray with the attribute ``sampling_rate``.
    cutoff : float, default 0.5
        Hz; run forward and backward, the filter is 6 dB down there.
    order : int, default 4
        Order of the filter that is run twice.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    ndarray or xarray.DataArray
        Shape, kind (float32 or float64) and labels of `data`. Equal to ``scipy.signal.sosfiltfilt`` with its default
        padding; arithmetic is in float64. Each stretch between missing samples (NaN) is filtered on its own, and
        a stretch too short for that (15 samples or fewer with the default order) becomes NaN: too short to tell
        gravity from movement.

    Raises
    ------
    ValueError
        For an unknown sampling rate, a cutoff outside of 0 to the Nyquist rate, or fewer samples than the filter needs.
    """
    rows = as_rows(data, sampling_rate)
    return relabel(data, rows, filter_values(rows.values, "highpass", (cutoff,), order, rows.sampling_rate, n_jobs))


def bandpass(data, sampling_rate=None, *, low=0.5, high=8.0, order=3, n_jobs=None):
    """Keep the frequencies between `low` and `high`: a zero-phase Butterworth band-pass filter.

    The defaults keep the pulse wave of a photoplethysmogram.

    Parameters
    ----------
    data : array_like, shape (..., n_samples), or xarray.DataArray
        Samples with time last; of a DataArray, the dimension ``time*`` or ``sample``.
    sampling_rate : float, optional
        Hz; may be omitted for a DataArray with the attribute ``sampling_rate``.
    low, high : float
        Hz; run forward and backward, the filter is 6 dB down at both.
    order : int, default 3
        Order of the filter that is run twice.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    ndarray or xarray.DataArray
        As from `remove_gravity`, NaN included (stretches of 21 samples or fewer with the default order become NaN).

    Raises
    ------
    ValueError
        For an unknown sampling rate, edges out of order or outside of 0 to the Nyquist rate, too few samples.
    """
    rows = as_rows(data, sampling_rate)
    return relabel(data, rows, filter_values(rows.values, "bandpass", (low, high), order, rows.sampling_rate, n_jobs))
