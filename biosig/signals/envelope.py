"""The fixed front end of the acceleration encoders: logarithmic envelopes of a few frequency bands."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from biosig_kernels.envelopes import envelope_rows
from biosig_kernels.threads import over_rows

from biosig._checks import check_sampling_rate, check_windows

BANDS = ((1.0, 4.0), (4.0, 7.0), (7.0, 11.0), (11.0, 16.0))  # Hz; the heart moves a still wrist in about 4 to 14 Hz
NOISE_FLOOR = 1e-4  # g, about what the quietest wrist sensors show in one band
ATTENUATION = 60.0  # dB outside of a band and its edges
WIDEST_EDGE = 2.0  # Hz from passing to stopping


def _half_length(low: float, rate: float) -> int:
    """Samples on either side of the middle of the filter of a band that begins at `low` Hz."""
    edge = min(WIDEST_EDGE, 2 * low)  # centred on `low`, so that 0 Hz and negative frequencies are stopped
    return math.ceil((ATTENUATION - 7.95) / (2.285 * 2 * math.pi * edge / rate) / 2)


@lru_cache(maxsize=16)
def _filter_bank(bands: tuple[tuple[float, float], ...], rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine parts (n_bands, 2, n_taps) of complex Kaiser-windowed band-pass filters, and their lengths."""
    filters = []
    for low, high in bands:
        half = _half_length(low, rate)
        t = np.arange(-half, half + 1) / rate
        width = high - low
        prototype = np.sinc(width * t) * width / rate * np.kaiser(2 * half + 1, 0.1102 * (ATTENUATION - 8.7))
        carrier = 2 * np.pi * 0.5 * (low + high) * t
        # A real oscillation has half its amplitude at positive frequencies.
        filters.append(2 * prototype * np.stack([np.cos(carrier), np.sin(carrier)]))
    lengths = np.array([f.shape[1] for f in filters])
    bank = np.zeros((len(filters), 2, lengths.max()), np.float32)
    for i, f in enumerate(filters):
        bank[i, :, : lengths[i]] = f
    return bank, lengths


def band_envelope(x, sampling_rate, *, bands=BANDS, envelope_rate=16.0, floor=NOISE_FLOOR, n_jobs=None):
    """Logarithm of the envelope of each frequency band, at a low rate.

    A beat moves the wrist as a short damped oscillation whose polarity and fine shape depend on how the arm lies; the
    envelope keeps when and how strongly it moved. For each band, ``log(sqrt(envelope**2 + floor**2))``, natural
    logarithm; a steady sine in the band has its amplitude as envelope.

    Parameters
    ----------
    x : array_like, shape (n_windows, n_channels, n_samples)
        Acceleration in g.
    sampling_rate : float
        Hz.
    bands : sequence of (low, high), default ((1, 4), (4, 7), (7, 11), (11, 16))
        Hz, 6 dB points. A band is at most half of `envelope_rate` wide.
    envelope_rate : float, default 16
        Hz.
    floor : float, default 1e-4
        In the unit of `x`; about the noise of the sensor in one band, below which differences mean nothing.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    ndarray of float32, shape (n_windows, n_channels * n_bands, n_out)
        ``n_out = floor(n_samples * envelope_rate / sampling_rate + 0.5)``; all bands of the first channel come first.
        Gaps are bridged by straight lines; NaN where all samples within ``1 / envelope_rate`` seconds are missing, so
        that a channel with a real sample is never NaN throughout. Not normalised.

    Raises
    ------
    ValueError
        For a band that reaches above the Nyquist rate, that is wider than the envelope rate can follow, or whose edges
        are out of order; for x of another shape.
    """
    windows = check_windows(x, name="x")
    rate, envelope_rate = _check_rates(sampling_rate, envelope_rate)
    if not (math.isfinite(floor) and floor > 0):
        raise ValueError(f"floor is {floor!r}; expected a positive number in the unit of x")
    pairs = _check_bands(bands, rate, envelope_rate)
    bank, lengths = _filter_bank(pairs, rate)
    n_windows, n_channels, n_samples = windows.shape
    n_out = _n_out(n_samples, rate, envelope_rate)
    rows = windows.reshape(n_windows * n_channels, n_samples)
    out = np.empty((len(rows), len(pairs), n_out), np.float32)

    def work(start: int, stop: int) -> None:
        part = out[start:stop]
        envelope_rows(rows, bank, lengths, rate / envelope_rate, float(floor), out, start, stop)
        np.log(part, out=part)  # NumPy's logarithm is vectorised, the kernel's would not be
        part *= np.float32(0.5)

    if n_samples:
        over_rows(work, len(rows), n_jobs)
    return out.reshape(n_windows, n_channels * len(pairs), n_out)


def envelope_size(n_samples: int, sampling_rate, *, bands=BANDS, envelope_rate=16.0) -> tuple[int, int, int]:
    """Return what `band_envelope` makes of one channel, without making it.

    Returns
    -------
    n_bands, n_out, n_taps : int
        Envelopes, their samples, and the taps of all filters together.

    Raises
    ------
    ValueError
        For bands and rates that `band_envelope` refuses.
    """
    rate, envelope_rate = _check_rates(sampling_rate, envelope_rate)
    pairs = _check_bands(bands, rate, envelope_rate)
    return len(pairs), _n_out(n_samples, rate, envelope_rate), sum(2 * _half_length(low, rate) + 1 for low, _ in pairs)


def _n_out(n_samples: int, rate: float, envelope_rate: float) -> int:
    return math.floor(n_samples * envelope_rate / rate + 0.5)


def _check_rates(sampling_rate, envelope_rate) -> tuple[float, float]:
    rate, envelope_rate = check_sampling_rate(sampling_rate), check_sampling_rate(envelope_rate, "envelope_rate")
    if envelope_rate > rate:
        raise ValueError(f"envelope_rate is {envelope_rate:g} Hz; it cannot exceed the sampling rate of {rate:g} Hz")
    return rate, envelope_rate


def _check_bands(bands, rate: float, envelope_rate: float) -> tuple[tuple[float, float], ...]:
    try:
        pairs = tuple((float(low), float(high)) for low, high in bands)
    except (TypeError, ValueError):
        raise ValueError(
            f"bands is {bands!r}; expected pairs of frequencies in Hz, such as ((4, 7), (7, 11))"
        ) from None
    if not pairs:
        raise ValueError("bands is empty; give at least one pair of frequencies in Hz")
    for low, high in pairs:
        if not 0 < low < high:
            raise ValueError(f"the band {low:g} to {high:g} Hz is not one; expected 0 < low < high")
        if high > rate / 2:
            raise ValueError(
                f"the band {low:g} to {high:g} Hz reaches above the Nyquist rate of {rate / 2:g} Hz "
                f"(sampling rate {rate:g} Hz); leave the band out or use a higher sampling rate"
            )
        if high - low > envelope_rate / 2:
            raise ValueError(
                f"the band {low:g} to {high:g} Hz is {high - low:g} Hz wide; envelopes at {envelope_rate:g} Hz follow "
                f"bands up to {envelope_rate / 2:g} Hz wide: split the band or raise envelope_rate"
            )
    return pairs
