"""Heart beats in photoplethysmograms."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from biosig_kernels.beats import MIDDLE, ONSET, PEAK, UPSLOPE, beat_rows, fiducial_rows
from biosig_kernels.gaps import bridge_rows
from biosig_kernels.threads import over_rows

from biosig.signals import bandpass
from biosig.signals._layout import as_rows

PULSE_BAND = (0.5, 8.0)  # Hz
LOWEST_RATE = 10.0  # Hz
LEAST_SECONDS = 3.0  # shorter windows hold no interval to judge a beat by
FASTEST = 4.0  # beats per second that there is room for
FLAT = 1e-6  # of the largest value; a smaller range is rounding, not pulse
_FIDUCIALS = {"peak": PEAK, "onset": ONSET, "upslope": UPSLOPE, "mid_amplitude": MIDDLE}


def detect_beats(ppg, sampling_rate=None, *, method="msptdfast", fiducial="upslope", n_jobs=None):
    """Times of the heart beats in photoplethysmograms (PPG).

    Parameters
    ----------
    ppg : array_like, shape (n_samples,) or (n_windows, n_samples), or xarray.DataArray
        Blood volume up = value up, raw: the pulse band (0.5 to 8 Hz) is filtered out inside.
    sampling_rate : float, optional
        Hz, at least 10; may be omitted for a DataArray with the attribute ``sampling_rate``.
    method : str, default "msptdfast"
        ``"msptdfast"``: multiscale peak detection. ``"neurokit:<name>"``: the detector of that name in
        ``neurokit2.ppg_findpeaks``, such as ``"neurokit:elgendi"``, window by window on the filtered signal.
    fiducial : {"upslope", "mid_amplitude", "peak", "onset"}, default "upslope"
        Point of the pulse taken as its time: steepest rise, half way up, systolic peak or foot, each refined between
        samples. The first two vary least from beat to beat, so they serve variability best.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    ndarray of float64
        Seconds from the first sample, increasing: shape (n_beats,) for one signal, (n_windows, most_beats) padded with
        NaN for several. No beats in windows that are flat, shorter than 3 s or without finite samples. Gaps (NaN) hold
        no beats.

    Raises
    ------
    ValueError
        For an unknown method or fiducial, for PPG of another shape, for a sampling rate below 10 Hz.

    Notes
    -----
    S. M. Bishop and A. Ercole, Acta Neurochir. Suppl. 126, 2018; P. H. Charlton et al., Physiol. Meas. 46(3), 035002,
    2025. Unlike there, a peak is compared with neighbours outside of the 6 s window whose best scale is used, so no
    beat is lost between windows of slow hearts; the band-pass filter stands in for detrending each window; and the foot
    of a pulse is the lowest sample before its peak.
    """
    rows = as_rows(ppg, sampling_rate, name="ppg")
    n_axes = len(np.shape(ppg))
    if n_axes > 2:
        raise ValueError(
            f"ppg has shape {np.shape(ppg)}; expected (n_samples,) or (n_windows, n_samples): "
            "choose one wavelength, for example ppg[:, 0]"
        )
    table = beat_table(rows.values, rows.sampling_rate, method=method, fiducial=fiducial, n_jobs=n_jobs)
    beats = table.times[:, : table.counts.max(initial=0)].copy()
    return beats[0] if n_axes == 1 else beats


class BeatTable(NamedTuple):
    """Beats of several rows of samples, and what was measured of each row."""

    times: np.ndarray  # (n_rows, room), s, padded with NaN
    counts: np.ndarray  # (n_rows,)
    missing: np.ndarray  # (n_rows,), share of the samples
    flat: np.ndarray  # (n_rows,), bool


def beat_table(values, sampling_rate, *, method="msptdfast", fiducial="upslope", n_jobs=None) -> BeatTable:
    """Find the beats of contiguous rows (n_rows, n_samples); see `detect_beats`."""
    if fiducial not in _FIDUCIALS:
        raise ValueError(f"fiducial is {fiducial!r}; expected one of {', '.join(map(repr, _FIDUCIALS))}")
    name, _, detector = str(method).partition(":")
    if method != "msptdfast" and not (name == "neurokit" and detector):
        raise ValueError(f"method is {method!r}; expected 'msptdfast' or 'neurokit:<detector>'")
    if sampling_rate < LOWEST_RATE:
        raise ValueError(f"sampling_rate is {sampling_rate:g} Hz; beats need at least {LOWEST_RATE:g} Hz")
    n_rows, n = values.shape
    duration = n / sampling_rate
    beats = np.full((n_rows, int(FASTEST * duration) + 2), np.nan)
    counts = np.zeros(n_rows, np.int64)
    filled = np.empty(values.shape, np.float32)
    missing = np.empty(values.shape, np.bool_)
    levels = np.empty((n_rows, 3))
    over_rows(lambda a, b: bridge_rows(values, filled, missing, levels, a, b), n_rows, n_jobs)
    flat = ~(levels[:, 1] > FLAT * levels[:, 2])
    table = BeatTable(beats, counts, levels[:, 0], flat)
    if duration < LEAST_SECONDS:
        return table
    high = min(PULSE_BAND[1], 0.45 * sampling_rate)
    pulse = bandpass(filled, sampling_rate, low=PULSE_BAND[0], high=high, n_jobs=n_jobs)
    missing[flat] = True  # no beats in what the filter leaves of rounding errors
    kind = _FIDUCIALS[fiducial]
    if method == "msptdfast":
        over_rows(lambda a, b: beat_rows(pulse, missing, sampling_rate, kind, beats, counts, a, b), n_rows, n_jobs)
    else:
        peaks = np.full(beats.shape, -1, np.int64)
        for row in np.flatnonzero(~flat):
            found = _neurokit_peaks(pulse[row], sampling_rate, detector)[: peaks.shape[1]]
            peaks[row, : len(found)] = found
        fiducial_rows(pulse, missing, sampling_rate, kind, peaks, beats, counts, 0, n_rows)
    return table


def _neurokit_peaks(pulse, sampling_rate: float, detector: str) -> np.ndarray:
    """Sample numbers of the peaks; none where the detector cannot cope with the window."""
    import neurokit2

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = neurokit2.ppg_findpeaks(
                pulse.astype(np.float64), sampling_rate=round(sampling_rate), method=detector
            )
    except ValueError as error:
        if "method" in str(error):
            raise ValueError(f"method is 'neurokit:{detector}'; NeuroKit2 does not know it ({error})") from None
        return np.empty(0, np.int64)
    except (IndexError, ZeroDivisionError, TypeError):
        return np.empty(0, np.int64)
    return np.unique(np.asarray(found["PPG_Peaks"], dtype=np.float64).astype(np.int64))
