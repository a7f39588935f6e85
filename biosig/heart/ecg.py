"""Heart beats in electrocardiograms, the reference for everything else, through NeuroKit2."""

from __future__ import annotations

import warnings

import numpy as np

from biosig._checks import check_sampling_rate

LOWEST_RATE = 50.0  # Hz, below which a QRS complex is no longer seen
LEAST_SECONDS = 3.0
SOONEST = 0.2  # s, no ventricle contracts twice within
_OWN_CLEANING = ("pantompkins1985", "hamilton2002", "elgendi2010", "engzeemod2012")


def ecg_beats(ecg, sampling_rate=None, *, method="rodrigues2021") -> np.ndarray:
    """Times of the R peaks in an electrocardiogram (ECG).

    Parameters
    ----------
    ecg : array_like, shape (n_samples,), xarray.DataArray, or a Recording (xarray.Dataset) with a variable ``ecg``
        Any unit; NaN means missing.
    sampling_rate : float, optional
        Hz, at least 50; may be omitted where the data carry the attribute ``sampling_rate``.
    method : str, default "rodrigues2021"
        Detector, a name that ``neurokit2.ecg_findpeaks`` knows, such as ``"neurokit"``, ``"elgendi2010"`` or
        ``"hamilton2002"``. The default is the one that lost no recording of the BIDMC intensive-care patients, where
        others take tall T waves and pacing spikes for beats or none at all.

    Returns
    -------
    ndarray of float64, shape (n_beats,)
        Seconds, increasing, between samples (vertex of the parabola at the peak): from the first sample, or on the
        clock ``time_ecg`` of labelled data. Stretches between missing samples are searched one by one; those shorter
        than 3 s, or flat, hold no beats.

    Raises
    ------
    ValueError
        For data without ECG, of another shape, at a rate below 50 Hz, and for a method that NeuroKit2 does not know.
    """
    values, rate, clock = _signal(ecg, sampling_rate)
    positions = [np.empty(0)]
    for start, stop in _stretches(values):
        stretch = values[start:stop]
        if stop - start >= LEAST_SECONDS * rate and np.ptp(stretch) > 1e-6 * np.abs(stretch).max():
            positions.append(start + _r_peaks((stretch - np.median(stretch)) / np.ptp(stretch), rate, method))
    found = np.concatenate(positions)
    beats = found / rate if clock is None else np.interp(found, np.arange(clock.size), clock)
    return beats[np.insert(np.diff(beats) > 0, 0, True)] if beats.size else beats


def _signal(ecg, sampling_rate) -> tuple[np.ndarray, float, np.ndarray | None]:
    """Samples as float64, Hz, and their clock in s where they have one."""
    clock = None
    if hasattr(ecg, "data_vars"):
        if "ecg" not in ecg:
            raise ValueError(f"the recording has no electrocardiogram, only {', '.join(map(str, ecg.data_vars))}")
        ecg = ecg["ecg"]
    if hasattr(ecg, "attrs") and hasattr(ecg, "dims"):
        sampling_rate = ecg.attrs.get("sampling_rate") if sampling_rate is None else sampling_rate
        if ecg.ndim == 1 and ecg.dims[0] in ecg.coords:
            clock = np.asarray(ecg.coords[ecg.dims[0]].values, dtype=np.float64)
        ecg = ecg.values
    values = np.asarray(ecg)
    if values.ndim != 1 or values.dtype.kind not in "fiub":
        raise ValueError(
            f"ecg has shape {values.shape} and holds {values.dtype}; expected one lead, numbers of shape (n_samples,)"
        )
    if sampling_rate is None:
        raise ValueError("the sampling rate of ecg is not known; give sampling_rate in Hz, for example 250")
    rate = check_sampling_rate(sampling_rate)
    if rate < LOWEST_RATE:
        raise ValueError(f"sampling_rate is {rate:g} Hz; R peaks need at least {LOWEST_RATE:g} Hz")
    values = values.astype(np.float64)
    return np.where(np.abs(values) < 1e150, values, np.nan), rate, clock


def _stretches(values):
    """First sample and end of each stretch of finite samples."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.isfinite(values).astype(np.int8), [0]])))
    return edges.reshape(-1, 2)


def _r_peaks(values, rate: float, method: str) -> np.ndarray:
    """Positions (samples, between samples too) of the R peaks of one stretch."""
    import neurokit2

    whole = max(round(rate), 1)  # NeuroKit2 wants a whole number; the peaks are counted in samples anyway
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cleaned = neurokit2.ecg_clean(
                values, sampling_rate=whole, method=method if method in _OWN_CLEANING else "neurokit"
            )
            found = neurokit2.ecg_findpeaks(cleaned, sampling_rate=whole, method=method)["ECG_R_Peaks"]
    except (ValueError, ImportError) as error:
        if "not implemented" in str(error) or isinstance(error, ImportError):
            raise ValueError(f"method is {method!r}; NeuroKit2 cannot use it ({error})") from None
        return np.empty(0)
    except (IndexError, ZeroDivisionError, TypeError):  # what its detectors raise where they find nothing
        return np.empty(0)
    peaks = np.asarray(found, dtype=np.float64)
    peaks = np.unique(peaks[np.isfinite(peaks)].astype(np.int64))
    peaks = peaks[(peaks > 0) & (peaks < values.size - 1)]
    peaks = _without_echoes(peaks, np.abs(cleaned), SOONEST * rate)
    before, at, after = (np.asarray(cleaned)[peaks + k] for k in (-1, 0, 1))
    bend = before - 2 * at + after
    offset = np.divide(0.5 * (before - after), bend, out=np.zeros(peaks.size), where=bend != 0)
    return peaks + np.clip(offset, -0.5, 0.5)


def _without_echoes(peaks, height, soonest):
    """Of peaks nearer to each other than a heart can beat, keep the taller one."""
    kept: list[int] = []
    for peak in peaks:
        if kept and peak - kept[-1] < soonest:
            if height[peak] > height[kept[-1]]:
                kept[-1] = peak
            continue
        kept.append(peak)
    return np.array(kept, dtype=np.int64)
