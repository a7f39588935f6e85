"""What is left of a wrist's acceleration when its own steady noise is taken for the yardstick.

Each axis is divided by its local spectrum, so that the sensor's noise, and steady rhythms such as tremor, become white
noise of density one: a matched filter is then the best detector of a known movement, and its output is in units of the
noise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

RATE = 64.0  # Hz, to which recordings are brought
BAND = (2.5, 20.0)  # Hz, in which a beat moves the wrist
FRAME = 256  # samples of a spectrum: 4 s
HOP = 64
PER_BLOCK = 30  # spectra of which the median is taken: half a minute
REACH = 4  # blocks on either side that count: what lasts for minutes is noise
SINGLE = 16  # samples: a movement lasts longer than that
MOVEMENT = 3.0  # of the vector's root mean square over so long; noise alone has about 1.3
MARGIN = 22  # samples about a movement that are left out
LIMIT = 3.5  # of the vector's length, in its medians


class Vibration(NamedTuple):
    """Whitened acceleration."""

    values: np.ndarray  # float32, (3, n), in units of the noise; zero where missing
    left_out: np.ndarray  # bool, (n,): moving or missing
    missing: np.ndarray  # bool, (n,)
    direction: np.ndarray  # float32, (3, n_seconds): of gravity, unit length; NaN where unknown


def vibration(x: np.ndarray, highest: float) -> Vibration:
    """Whiten an acceleration.

    Parameters
    ----------
    x : ndarray of float32, shape (3, n)
        g at `RATE`, gravity in; not finite means missing.
    highest : float
        Hz, up to which the sensor measured.
    """
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    missing = ~np.isfinite(x).all(axis=0)
    filled = _bridged(x, missing)
    n = x.shape[1]
    padded = -(-max(n, FRAME) // HOP) * HOP + 2 * FRAME
    values = np.zeros((3, n), np.float32)
    absent = np.pad(missing, (FRAME, padded - FRAME - n), constant_values=True)
    gone = np.lib.stride_tricks.sliding_window_view(absent, FRAME)[::HOP].mean(axis=1) > 0.5
    for axis in range(3):
        row = np.pad(filled[axis], (FRAME, padded - FRAME - n), mode="edge")
        values[axis] = _whiten(row, gone, min(BAND[1], highest))[FRAME : FRAME + n]
    values[:, missing] = 0.0
    size = np.sqrt((values**2).sum(axis=0))
    rms = np.sqrt(np.maximum(uniform_filter1d((size**2).astype(np.float64), SINGLE, mode="nearest"), 0.0))
    moving = maximum_filter1d((rms > MOVEMENT).astype(np.uint8), 2 * MARGIN + 1).astype(bool)
    left_out = moving | missing
    if not left_out.all():
        values *= np.minimum(1.0, LIMIT * np.median(size[~left_out]) / np.maximum(size, 1e-9)).astype(np.float32)
    return Vibration(values, left_out, missing, _directions(x))


def _bridged(x: np.ndarray, missing: np.ndarray) -> np.ndarray:
    if not missing.any():
        return x.astype(np.float64)
    known = np.flatnonzero(~missing)
    if not len(known):
        return np.zeros(x.shape)
    return np.stack([np.interp(np.arange(x.shape[1]), known, row[known]) for row in x.astype(np.float64)])


def _whiten(row: np.ndarray, gone: np.ndarray, high: float) -> np.ndarray:
    """Divide short spectra by the median over time about them; `gone` marks spectra that do not count."""
    from scipy.ndimage import uniform_filter1d

    taper = np.hanning(FRAME + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(row, FRAME)[::HOP]
    frequency = np.fft.rfftfreq(FRAME, 1 / RATE)
    gain = np.clip(frequency - BAND[0] + 0.5, 0, 1) * np.clip(high + 0.5 - frequency, 0, 1)
    spectra = np.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * taper, axis=1)
    power = np.abs(spectra) ** 2
    n_blocks = -(-len(power) // PER_BLOCK)
    medians = np.full((n_blocks, power.shape[1]), np.nan)
    for b in range(n_blocks):
        part = power[b * PER_BLOCK : (b + 1) * PER_BLOCK][~gone[b * PER_BLOCK : (b + 1) * PER_BLOCK]]
        if len(part):
            medians[b] = np.median(part, axis=0)
    known = np.flatnonzero(np.isfinite(medians[:, 0]))
    if not len(known):
        return np.zeros(len(row))
    medians = medians[known[np.abs(np.arange(n_blocks)[:, None] - known).argmin(axis=1)]]
    medians = np.stack([np.median(medians[max(0, b - REACH) : b + REACH + 1], axis=0) for b in range(n_blocks)])
    level = uniform_filter1d(medians, 3, axis=1, mode="nearest") / np.log(2)  # mean of noise whose median is known
    within = gain > 0
    floor = 1e-6 * np.median(level[:, within])
    if not floor > 0:
        return np.zeros(len(row))
    weights = gain / np.sqrt(np.maximum(level, floor))
    out = np.zeros(len(row))
    pieces = np.fft.irfft(spectra * np.repeat(weights, PER_BLOCK, axis=0)[: len(spectra)], FRAME, axis=1) * taper
    for shift in range(FRAME // HOP):
        part = pieces[shift :: FRAME // HOP].ravel()
        out[shift * HOP : shift * HOP + len(part)] += part
    energy = (taper**2).sum()
    return out * HOP / np.sqrt(energy)


def _directions(x: np.ndarray) -> np.ndarray:
    """Direction of gravity in each second, from the medians of the axes."""
    per = round(RATE)
    seconds = max(1, x.shape[1] // per)
    part = x[:, : seconds * per].reshape(3, seconds, -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        medians = np.median(part, axis=2)
        return (medians / np.linalg.norm(medians, axis=0)).astype(np.float32)


def pulse_envelope(signal: Vibration) -> np.ndarray:
    """Length of the whitened vector over time, smoothed over a fifth of a second, less its mean of 4 s; (n,)."""
    from scipy.ndimage import uniform_filter1d

    size = np.sqrt((signal.values.astype(np.float64) ** 2).sum(axis=0))
    kept = ~signal.left_out
    if kept.any():
        size = np.minimum(size, 3.0 * np.median(size[kept]))
    taper = np.hanning(15)[1:-1]
    size = np.convolve(size, taper / taper.sum(), "same")
    share = uniform_filter1d(kept.astype(np.float64), 4 * round(RATE), mode="nearest")
    level = uniform_filter1d(size * kept, 4 * round(RATE), mode="nearest") / np.maximum(share, 1e-3)
    return (size - level) * kept
