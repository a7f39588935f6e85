"""Zero-phase Butterworth filters: gravity away, pulse band kept."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from biosig_kernels.filtering import LANES, LONG, filter_rows
from biosig_kernels.threads import over_rows

from biosig.signals._layout import as_rows, relabel

HIGHEST_ORDER = 20  # beyond, sections lose their accuracy
FORGOTTEN = 1e-13  # of a step at the start of a filter, what is left of it after `warm` samples


@lru_cache(maxsize=32)
def _design(kind: str, edges: tuple[float, ...], order: int, rate: float) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Second-order sections, their steady state for a unit step, the samples of padding SciPy would use, and the
    samples after which the start is forgotten.
    """
    from scipy.signal import butter, sos2zpk, sosfilt_zi

    sos = butter(order, edges if len(edges) > 1 else edges[0], kind, fs=rate, output="sos")
    at_origin = min((sos[:, 2] == 0).sum(), (sos[:, 5] == 0).sum())
    slowest = min(float(np.abs(sos2zpk(sos)[1]).max()), 1 - 1e-12)
    warm = math.ceil(math.log(FORGOTTEN) / math.log(max(slowest, 1e-3)))
    pad = int(3 * (2 * len(sos) + 1 - at_origin))
    return np.ascontiguousarray(sos), np.ascontiguousarray(sosfilt_zi(sos)), pad, warm


def settling(kind: str, edges: tuple[float, ...], order: int, rate: float) -> int:
    """Samples beside a piece of a signal that a filter must see for the piece to come out as in the whole."""
    _, _, pad, warm = _design(kind, tuple(float(e) for e in edges), int(order), rate)
    return pad + warm


def filter_values(
    values: np.ndarray, kind: str, edges: tuple[float, ...], order: int, rate: float, n_jobs: int | None = None
) -> np.ndarray:
    """Filter the rows of a contiguous (n_rows, n_samples) array; see `remove_gravity` for what happens to NaN."""
    edges = check_edges(edges, order, rate)
    sos, states, pad, warm = _design(kind, edges, int(order), rate)
    if values.shape[1] <= pad:
        raise ValueError(
            f"the signal has {values.shape[1]} samples; a filter of order {order} needs more than {pad} "
            f"({pad / rate:.2f} s at {rate:g} Hz)"
        )
    out = np.empty_like(values)
    grain = LANES if values.shape[1] <= LONG else 1
    over_rows(lambda a, b: filter_rows(values, sos, states, pad, warm, out, a, b), len(values), n_jobs, grain=grain)
    return out


def check_edges(edges, order, rate: float) -> tuple[float, ...]:
    """Return the edges of a filter (one, or low and high) in Hz, or raise ValueError where it cannot be made."""
    if isinstance(order, bool) or not isinstance(order, (int, np.integer)) or not 1 <= order <= HIGHEST_ORDER:
        raise ValueError(f"order is {order!r}; expected a whole number from 1 to {HIGHEST_ORDER}")
    names = ("cutoff",) if len(edges) == 1 else ("low", "high")
    checked = []
    for name, edge in zip(names, edges, strict=True):
        try:
            checked.append(float(edge))
        except (TypeError, ValueError):
            checked.append(math.nan)
        if not 0 < checked[-1] < rate / 2:
            raise ValueError(
                f"{name} is {edge!r} Hz; at a sampling rate of {rate:g} Hz it must lie between 0 and "
                f"the Nyquist rate of {rate / 2:g} Hz"
            )
    if len(checked) == 2 and checked[0] >= checked[1]:
        raise ValueError(f"low is {edges[0]!r} Hz and high is {edges[1]!r} Hz; low must be below high")
    return tuple(checked)


def remove_gravity(data, sampling_rate=None, *, cutoff=0.5, order=4, method="highpass", n_jobs=None):
    """Take gravity and posture out of acceleration with a zero-phase Butterworth filter.

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
    method : {"highpass", "lowpass"}, default "highpass"
        High-pass filter the signal, or low-pass filter it (that is gravity, see `estimate_gravity`) and subtract.
        Run forward and backward, the two Butterworth responses add up to one, so the results differ in rounding and
        near the ends of a stretch alone.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    ndarray or xarray.DataArray
        Shape, kind (float32 or float64) and labels of `data`. With "highpass" equal to ``scipy.signal.sosfiltfilt``
        with its default padding; arithmetic is in float64. Each stretch between missing samples (NaN) is filtered on
        its own, and a stretch too short for that (15 samples or fewer with the default order) becomes NaN: too short
        to tell gravity from movement.

    Raises
    ------
    ValueError
        For an unknown sampling rate, a cutoff outside of 0 to the Nyquist rate, or fewer samples than the filter needs.
    """
    if method not in ("highpass", "lowpass"):
        raise ValueError(f"method is {method!r}; expected 'highpass' or 'lowpass'")
    rows = as_rows(data, sampling_rate)
    values = filter_values(rows.values, method, (cutoff,), order, rows.sampling_rate, n_jobs)
    if method == "lowpass":
        np.subtract(rows.values, values, out=values)
    return relabel(data, rows, values)


def estimate_gravity(data, sampling_rate=None, *, cutoff=0.5, order=4, n_jobs=None):
    """Gravity as the sensor feels it: acceleration through a zero-phase Butterworth low-pass filter.

    Parameters
    ----------
    data, sampling_rate, cutoff, order, n_jobs
        As for `remove_gravity`.

    Returns
    -------
    ndarray or xarray.DataArray
        Shape, kind (float32 or float64) and labels of `data`, NaN as from `remove_gravity`.

    Raises
    ------
    ValueError
        As from `remove_gravity`.
    """
    rows = as_rows(data, sampling_rate)
    return relabel(data, rows, filter_values(rows.values, "lowpass", (cutoff,), order, rows.sampling_rate, n_jobs))


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
