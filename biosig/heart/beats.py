"""Heart beats in photoplethysmograms."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from biosig_kernels.beats import MIDDLE, ONSET, PEAK, UPSLOPE, beat_rows, fiducial_rows
from biosig_kernels.filtering import LANES
from biosig_kernels.pulses import elgendi_rows
from biosig_kernels.threads import over_rows

from biosig.heart.timing import time_pulses
from biosig.signals._layout import as_rows
from biosig.signals.filters import filter_values
from biosig.signals.quality import bridged

PULSE_BAND = (0.5, 8.0)  # Hz
PULSE_ORDER = 3
LOWEST_RATE = 10.0  # Hz
LEAST_SECONDS = 3.0  # shorter windows hold no interval to judge a beat by
FASTEST = 8.0  # peaks per second that the pulse band can hold
_KERNELS = {"msptdfast": beat_rows, "elgendi": elgendi_rows}
TEMPLATE = "template"
_FIDUCIALS = {TEMPLATE: UPSLOPE, "upslope": UPSLOPE, "mid_amplitude": MIDDLE, "peak": PEAK, "onset": ONSET}


def detect_beats(ppg, sampling_rate=None, *, method="msptdfast", fiducial="template", n_jobs=None):
    """Times of the heart beats in photoplethysmograms (PPG).

    Parameters
    ----------
    ppg : array_like, shape (n_samples,) or (n_windows, n_samples), or xarray.DataArray
        Blood volume up = value up, raw: the pulse band (0.5 to 8 Hz) is filtered out inside.
    sampling_rate : float, optional
        Hz, at least 10; may be omitted for a DataArray with the attribute ``sampling_rate``.
    method : str, default "msptdfast"
        ``"msptdfast"``: multiscale peak detection. ``"elgendi"``: two moving averages; finds more of the weak beats
        of irregular hearts, and more that are none in noise. ``"neurokit:<name>"``: the detector of that name in
        ``neurokit2.ppg_findpeaks``, such as ``"neurokit:charlton"``, window by window on the filtered signal.
    fiducial : {"template", "upslope", "mid_amplitude", "peak", "onset"}, default "template"
        Point of the pulse taken as its time. ``"template"``: the steepest rise of the mean pulse of the window (of up
        to 128 pulses), laid over each pulse from 0.25 s before to 0.45 s after, less for fast hearts, by least
        squares. It uses the whole pulse, so noise moves it least. Pulses that the ends of the window cut are compared
        on what remains; those of windows with fewer than 5 whole pulses, and those that have nothing in common with
        the mean one, keep their own steepest rise. ``"upslope"``, ``"mid_amplitude"``, ``"peak"``, ``"onset"``:
        steepest rise, half way up, systolic peak or foot of each pulse by itself, refined between samples.
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
    beat is lost between windows of slow hearts; the band-pass filter stands in for detrending each window; the foot
    of a pulse is the lowest sample before its peak; and peaks of strong dicrotic waves, where they recur, are left out.
    M. Elgendi et al., PLoS ONE 8(10), e76585, 2013.
    """
    rows, n_axes = pulse_rows(ppg, sampling_rate)
    check_beat_options(rows.sampling_rate, method, fiducial)
    n_rows, n_samples = rows.values.shape
    beats, counts = empty_beats(n_rows, n_samples, rows.sampling_rate)

    def work(start: int, stop: int) -> None:
        for block in blocks(start, stop, n_samples):
            find_beats(rows.values[block], rows.sampling_rate, beats[block], counts[block], method, fiducial)

    # NeuroKit2 keeps the interpreter to itself, so threads would not help it.
    over_rows(work, n_rows, n_jobs if method in _KERNELS else 1, grain=LANES)
    beats = beats[:, : counts.max(initial=0)].copy()
    return beats[0] if n_axes == 1 else beats


def pulse_rows(ppg, sampling_rate):
    """Photoplethysmograms as rows, and the number of axes given; ValueError for more than two."""
    rows = as_rows(ppg, sampling_rate, name="ppg")
    n_axes = len(np.shape(ppg))
    if n_axes > 2:
        raise ValueError(
            f"ppg has shape {np.shape(ppg)}; expected (n_samples,) or (n_windows, n_samples): "
            "choose one wavelength, for example ppg[:, 0]"
        )
    return rows, n_axes


def check_beat_options(sampling_rate: float, method: str = "msptdfast", fiducial: str = TEMPLATE) -> None:
    """Raise ValueError for a method, fiducial or rate that `detect_beats` does not know."""
    if fiducial not in _FIDUCIALS:
        raise ValueError(f"fiducial is {fiducial!r}; expected one of {', '.join(map(repr, _FIDUCIALS))}")
    name, _, detector = str(method).partition(":")
    if method not in _KERNELS and not (name == "neurokit" and detector):
        raise ValueError(f"method is {method!r}; expected 'msptdfast', 'elgendi' or 'neurokit:<detector>'")
    if sampling_rate < LOWEST_RATE:
        raise ValueError(f"sampling_rate is {sampling_rate:g} Hz; beats need at least {LOWEST_RATE:g} Hz")


def blocks(start: int, stop: int, n_samples: int) -> Iterator[slice]:
    """Slices of a quarter megabyte of samples each, so that the arrays in between stay in the processor's cache."""
    size = LANES * max(1, (1 << 16) // (LANES * max(n_samples, 1)))
    for begin in range(start, stop, size):
        yield slice(begin, min(begin + size, stop))


def empty_beats(n_rows: int, n_samples: int, sampling_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Room for the beats of each row (NaN), and their numbers (0)."""
    room = int(FASTEST * n_samples / sampling_rate) + 2
    return np.full((n_rows, room), np.nan), np.zeros(n_rows, np.int64)


def find_beats(values, sampling_rate, beats, counts, method="msptdfast", fiducial=TEMPLATE, errors=None):
    """Write the beats of a block of rows (n_rows, n_samples) into what `empty_beats` gave.

    With the fiducial "template", `errors` of the shape of `beats` receives the standard error of each time (s).
    Returns the rows with their gaps bridged, and their levels, as `biosig.signals.quality.bridged` does.
    """
    filled, missing, levels = bridged(values, n_jobs=1)
    if values.shape[1] < LEAST_SECONDS * sampling_rate:
        return filled, levels
    edges = (PULSE_BAND[0], min(PULSE_BAND[1], 0.45 * sampling_rate))
    pulse = filter_values(filled, "bandpass", edges, PULSE_ORDER, sampling_rate, n_jobs=1)
    missing[levels[:, 1] > 0] = True  # flat: no beats in what the filter leaves of rounding errors
    kind = _FIDUCIALS[fiducial]
    if method in _KERNELS:
        _KERNELS[method](pulse, missing, sampling_rate, kind, beats, counts, 0, len(pulse))
    else:
        room = beats.shape[1]
        peaks = np.full((len(pulse), room), -1, np.int64)
        for row in np.flatnonzero(levels[:, 1] == 0):
            found = _neurokit_peaks(pulse[row], sampling_rate, method.partition(":")[2])[:room]
            peaks[row, : len(found)] = found
        fiducial_rows(pulse, missing, sampling_rate, kind, peaks, beats, counts, 0, len(pulse))
    if fiducial == TEMPLATE:
        errors = np.empty(beats.shape) if errors is None else errors
        time_pulses(pulse, missing, sampling_rate, edges, PULSE_ORDER, beats, counts, errors)
    return filled, levels


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
