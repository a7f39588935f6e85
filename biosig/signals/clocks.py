"""Time stamps that jitter, or that packets share, put on the device's own clock."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from biosig_kernels.timestamps import is_sorted

from biosig.recordings.device_clock import device_clock


def even_clock(times):
    """Put time stamps on the device's own clock, by regression on the sample count.

    Devices sample evenly; what varies is when a stamp was written. Samples are counted (packets that share a stamp, or
    are stamped microseconds apart, and lost samples are found), and a straight line is fitted to the stamps against
    that count, bent from minute to minute where the clock drifts. Parts of clearly different rates (by 8 %), and parts
    more than 30 s apart, have clocks of their own. Stamps that stay near no clock are returned as they are: samples
    were taken at uneven times, or so many were lost under so much jitter that nobody can count them.

    Parameters
    ----------
    times : array_like, shape (n,), or xarray.Dataset
        Seconds, not decreasing; two or more distinct. Or a Recording, all of whose sensors with a clock are put right.

    Returns
    -------
    times : ndarray of float64, shape (n,), or xarray.Dataset
        On the device's clock, not decreasing. A Recording has new time coordinates, and what the record holds in the
        attributes of each sensor.
    record : dict
        Of arrays only: ``clock`` ("device", or "stamps" where none was found), ``sampling_rate`` (Hz, of most
        samples), ``jitter_ms`` (standard deviation of the stamps about the clock, before), ``n_lost`` (samples),
        ``n_gaps`` (places where samples were lost or the clock jumped), ``n_stretches`` (parts with a clock of their
        own) and ``n_left_alone`` (samples whose stamps are unchanged).

    Raises
    ------
    ValueError
        For times that are not finite, go back, or are fewer than two distinct ones.

    Notes
    -----
    Lost samples are found by dynamic programming over their number before each stamp, which can only grow; packets
    are full where they have their usual size. With jitter of up to a third of a sample, single lost samples are found;
    beyond, only where they are few. The regression places the clock in the middle of the stamps: a delay that all of
    them share cannot be seen.

    Examples
    --------
    >>> import numpy as np
    >>> from biosig.signals import even_clock
    >>> stamps = np.floor(np.arange(6400) / 18) * 18 / 64  # one stamp for a packet of 18 samples
    >>> even, record = even_clock(stamps)
    >>> round(record["sampling_rate"], 3), bool(np.ptp(np.diff(even)) < 1e-9)
    (64.0, True)
    """
    if isinstance(times, xr.Dataset):
        return _even_recording(times)
    stamps = np.array(times, dtype=np.float64)
    _check(stamps, "times")
    found = device_clock(stamps)
    return np.maximum.accumulate(found.times), found.record


def _even_recording(recording: xr.Dataset) -> xr.Dataset:
    coords: dict[str, Any] = {}
    attrs: dict[str, dict[str, Any]] = {}
    for name in ("accel", "ppg", "ecg", "gyro"):
        dim = f"time_{name}"
        if name not in recording or dim not in recording.coords or recording.sizes[dim] < 2:
            continue
        stamps = np.array(recording[dim].values, dtype=np.float64)
        _check(stamps, dim)
        found = device_clock(stamps)
        coords[dim] = (dim, np.maximum.accumulate(found.times), dict(recording[dim].attrs))
        attrs[name] = found.record
    even = recording.assign_coords(coords)
    for name, record in attrs.items():
        even[name].attrs |= record
    return even


def _check(stamps: np.ndarray, name: str) -> None:
    if stamps.ndim != 1 or not np.isfinite(stamps).all():
        raise ValueError(f"{name} has shape {stamps.shape}; expected finite seconds of shape (n,)")
    if not is_sorted(stamps):
        at = int(np.flatnonzero(np.diff(stamps) < 0)[0])
        raise ValueError(
            f"{name} goes back at sample {at + 1} (from {stamps[at]:.6f} to {stamps[at + 1]:.6f} s); expected times "
            "that do not decrease: sort the samples, or split them where the clock was set back"
        )
    if stamps.size < 2 or stamps[0] == stamps[-1]:
        raise ValueError(f"{name} has {np.unique(stamps).size} distinct value(s); at least two are needed")
