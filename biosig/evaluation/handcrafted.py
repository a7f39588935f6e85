"""What a scientist would compute from a still wrist by hand, before any learning: 70 numbers a window, and a spectrum.

Everything comes from a few Fourier transforms of whole blocks of windows.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import fft

from biosig._checks import check_sampling_rate, check_windows

BANDS = ((0.1, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 7.0), (7.0, 10.0), (10.0, 14.0), (14.0, 20.0))
"""Hz; the beat moves a still wrist in about 4 to 14 Hz, breathing below 0.5 Hz, tremor in 7 to 12 Hz."""
CARRIERS = ((4.0, 14.0), (4.0, 7.0), (7.0, 11.0))
"""Hz; bands whose envelopes are searched for a pulse."""
PULSE = (0.6, 3.3)  # Hz, where the pulse rate is looked for
BLOCK = 128  # windows worked on at once
FLOOR = 1e-12  # g2/Hz: far below any sensor, so that a flat window has a logarithm
LOG_SPECTRUM_BINS = 96
ENVELOPE_RATE = 16.0  # Hz


def feature_names() -> list[str]:
    """Names of the columns of `hand_crafted_features`, in order."""
    names = []
    for channel in ("x", "y", "z", "magnitude"):
        names += [f"{channel}: {what}" for what in ("log sd", "log jerk", "skewness", "kurtosis", "centroid")]
        names += [f"{channel}: log power {low:g} to {high:g} Hz" for low, high in BANDS]
    for low, high in CARRIERS:
        whose = f"envelope {low:g} to {high:g} Hz"
        names += [f"{whose}: {what}" for what in ("rate", "share at rate", "second rate", "log modulation")]
        names += [f"{whose}: autocorrelation {what}" for what in ("rate", "height")]
    return names


def hand_crafted_features(accel, sampling_rate) -> np.ndarray:
    """Statistics, band powers, envelope peaks and autocorrelation of acceleration windows.

    For each axis and the magnitude (length of the vector less its mean): logarithm of the standard deviation and of
    that of the first difference, skewness, excess kurtosis, spectral centroid (Hz) and the logarithms of the powers in
    `BANDS`. For the envelope (length of the vector of the axes' analytic signals) of each of `CARRIERS`: rate of the
    highest spectral peak in `PULSE` (beats/min), share of the power in `PULSE` near that rate and its double, rate of
    the second peak, logarithm of the coefficient of variation; rate of the shortest autocorrelation peak that comes
    near the highest, and height of the highest.

    Parameters
    ----------
    accel : array of shape (n_windows, 3, n_samples)
        In g, without gravity. NaN counts as the mean of its axis.
    sampling_rate : float
        Hz.

    Returns
    -------
    numpy.ndarray of float64, shape (n_windows, 70)
        Columns as in `feature_names`; NaN rows for windows without a finite sample. Bands above the Nyquist rate hold
        the logarithm of the floor.

    Raises
    ------
    ValueError
        For arrays of another shape.
    """
    return _in_blocks(_features, accel, sampling_rate)


def log_spectrum(accel, sampling_rate) -> np.ndarray:
    """Logarithm of the power spectra of acceleration windows: the plainest thing a linear probe can be given.

    Parameters
    ----------
    accel : array of shape (n_windows, 3, n_samples)
        In g, without gravity. NaN counts as the mean of its axis.
    sampling_rate : float
        Hz.

    Returns
    -------
    numpy.ndarray of float64, shape (n_windows, 192)
        96 equal bands from 0 to 20 Hz (or the Nyquist rate) of the power summed over the axes, then 96 from 0.4 to 4 Hz
        of the envelope of 4 to 14 Hz. NaN rows for windows without a finite sample.

    Raises
    ------
    ValueError
        For arrays of another shape.
    """
    return _in_blocks(_log_spectrum, accel, sampling_rate)


def _in_blocks(compute, accel, sampling_rate) -> np.ndarray:
    windows = check_windows(accel, name="accel", n_channels=3)
    rate = check_sampling_rate(sampling_rate)
    parts = []
    for start in range(0, max(len(windows), 1), BLOCK):
        x = windows[start : start + BLOCK].astype(np.float64)
        finite = np.isfinite(x)
        known = finite.any(axis=(1, 2))
        x = np.where(finite, x, 0.0)
        mean = x.sum(axis=2, keepdims=True) / np.maximum(finite.sum(axis=2, keepdims=True), 1)
        features = compute(np.where(finite, x - mean, 0.0), rate)
        features[~known] = np.nan
        parts.append(features)
    return np.concatenate(parts)


def _power(x: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (Hz) and power density of Hann-tapered rows."""
    taper = np.hanning(x.shape[-1] + 2)[1:-1]
    spectrum = fft.rfft(x * taper, axis=-1)
    return np.fft.rfftfreq(x.shape[-1], 1 / rate), np.abs(spectrum) ** 2 * (2 / (rate * np.sum(taper**2)))


def _envelope(spectrum: np.ndarray, frequencies: np.ndarray, band, n: int, rate: float) -> tuple[np.ndarray, float]:
    """Envelope (n_windows, n_out) of the axes together in a band, and its rate: analytic signals at a low rate."""
    low, high = band
    inside = (frequencies >= low) & (frequencies < min(high, rate / 2))
    n_out = max(8, round(n * ENVELOPE_RATE / rate))
    part = spectrum[..., inside]
    bins = max(n_out, part.shape[-1])  # shifting the band to 0 Hz changes no envelope and lets few samples hold it
    shifted = np.zeros((*spectrum.shape[:-1], bins), dtype=complex)
    shifted[..., : part.shape[-1]] = part
    analytic = fft.ifft(shifted, axis=-1) * (2 * bins / n)
    return np.sqrt(np.sum(np.abs(analytic) ** 2, axis=1)), rate * bins / n


def _features(x: np.ndarray, rate: float) -> np.ndarray:
    n = x.shape[2]
    magnitude = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
    channels = np.concatenate([x, magnitude - magnitude.mean(axis=2, keepdims=True)], axis=1)
    variance = channels.var(axis=2)
    spread = np.sqrt(np.maximum(variance, FLOOR))[..., np.newaxis]
    unit = channels / spread
    frequencies, density = _power(channels, rate)
    width = frequencies[1] if len(frequencies) > 1 else 1.0
    total = np.maximum(density.sum(axis=2), FLOOR)
    columns = [
        0.5 * np.log(np.maximum(variance, FLOOR)),
        0.5 * np.log(np.maximum(np.diff(channels, axis=2).var(axis=2), FLOOR)),
        (unit**3).mean(axis=2),
        (unit**4).mean(axis=2) - 3.0,
        (density * frequencies).sum(axis=2) / total,
    ]
    for low, high in BANDS:
        inside = (frequencies >= low) & (frequencies < high)
        columns.append(np.log(density[..., inside].sum(axis=2) * width + FLOOR))
    by_channel = np.stack(columns, axis=2).reshape(len(x), 4 * len(columns))
    spectrum = fft.rfft(x, axis=2)
    rhythm = [_rhythm(*_envelope(spectrum, frequencies, band, n, rate)) for band in CARRIERS]
    return np.concatenate([by_channel, *rhythm], axis=1)


def _rhythm(envelope: np.ndarray, rate: float) -> np.ndarray:
    """Six numbers on the pulse in envelopes (n_windows, n)."""
    mean = envelope.mean(axis=1, keepdims=True)
    centred = envelope - mean
    n = centred.shape[1]
    padded = fft.next_fast_len(2 * n)
    taper = np.hanning(n + 2)[1:-1]
    power = np.abs(fft.rfft(centred * taper, padded, axis=1)) ** 2
    frequencies = np.fft.rfftfreq(padded, 1 / rate)
    searched = np.flatnonzero((frequencies >= PULSE[0]) & (frequencies <= PULSE[1]))
    if len(searched) < 3:
        return np.zeros((len(envelope), 6))
    near = power[:, searched]
    best = frequencies[searched][near.argmax(axis=1)]
    far = np.abs(frequencies[searched] - best[:, np.newaxis]) > 0.2
    second = frequencies[searched][np.where(far, near, -1.0).argmax(axis=1)]
    belongs = ~far | (np.abs(frequencies[searched] - 2 * best[:, np.newaxis]) <= 0.3)
    share = (near * belongs).sum(axis=1) / np.maximum(near.sum(axis=1), FLOOR**2)
    plain = np.abs(fft.rfft(centred, padded, axis=1)) ** 2
    correlation = fft.irfft(plain, padded, axis=1)[:, :n]
    correlation /= np.maximum(correlation[:, :1], FLOOR**2)
    lags = slice(max(1, int(rate / PULSE[1])), min(n, int(rate / PULSE[0]) + 1))
    heights = correlation[:, lags]
    # Multiples of the period are as high: the shortest peak that comes near the highest counts.
    highest = heights.max(axis=1, keepdims=True)
    edges = np.pad(heights, ((0, 0), (1, 1)), constant_values=np.inf)
    peak = (heights >= edges[:, :-2]) & (heights >= edges[:, 2:]) & (heights >= 0.8 * highest)
    lag = np.where(peak.any(axis=1), peak.argmax(axis=1), heights.argmax(axis=1)) + lags.start
    spread = envelope.std(axis=1) / np.maximum(mean[:, 0], FLOOR)
    columns = [60 * best, share, 60 * second, np.log(np.maximum(spread, 1e-6)), 60 * rate / lag, highest[:, 0]]
    return np.stack(columns, axis=1)


def _log_spectrum(x: np.ndarray, rate: float) -> np.ndarray:
    frequencies, density = _power(x, rate)
    spectrum = fft.rfft(x, axis=2)
    envelope, envelope_rate = _envelope(spectrum, np.fft.rfftfreq(x.shape[2], 1 / rate), CARRIERS[0], x.shape[2], rate)
    slow, power = _power(envelope - envelope.mean(axis=1, keepdims=True), envelope_rate)
    wide = np.linspace(0.0, min(20.0, rate / 2), LOG_SPECTRUM_BINS + 1)
    narrow = np.linspace(0.4, 4.0, LOG_SPECTRUM_BINS + 1)
    return np.concatenate([_banded(frequencies, density.sum(axis=1), wide), _banded(slow, power, narrow)], axis=1)


def _banded(frequencies: np.ndarray, density: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Logarithm of the mean density between each pair of edges; the nearest bin where a band holds none."""
    columns = []
    for low, high in pairwise(edges):
        first, last = np.searchsorted(frequencies, [low, high])
        first = min(first, len(frequencies) - 1)
        columns.append(density[:, first : max(last, first + 1)].mean(axis=1))
    return np.log(np.stack(columns, axis=1) + FLOOR)
