"""Random processes of the simulator, all of unit standard deviation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from biosig_kernels.synthesis import filter_pair, interpolate, normals32, normals64
from scipy import signal

GRID_RATE = 8.0
"""Rate in Hz of everything slow: heart rate, breathing, posture, perfusion."""


def slow_grid(duration: float) -> np.ndarray:
    """Times in s at `GRID_RATE`, from 20 s before a recording to 5 s after it, so that nothing starts at its edges."""
    return -20.0 + np.arange(int(np.ceil((duration + 25.0) * GRID_RATE)) + 1) / GRID_RATE


def interp(x: np.ndarray, knots: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`numpy.interp` of finite numbers, to the same bits."""
    out = np.empty(len(x))
    interpolate(x, knots, np.ascontiguousarray(values), out)
    return out


def normals(rng: np.random.Generator, shape: tuple[int, ...], dtype: type = np.float64) -> np.ndarray:
    """`Generator.standard_normal`, to the same bits."""
    draw = normals32 if dtype is np.float32 else normals64
    return draw(rng, int(np.prod(shape))).reshape(shape)


def wander(rng: np.random.Generator, n: int, time_constant: float, n_channels: int | None = None) -> np.ndarray:
    """Smooth Gaussian wandering at `GRID_RATE`: white noise through two one-pole filters, stationary from the start.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
    time_constant : float
        Of the slower filter in s; the faster one has a fifth of it.
    n_channels : int, optional

    Returns
    -------
    numpy.ndarray of shape (n,) or (n, n_channels)
    """
    slow, fast = (np.exp(-1.0 / (GRID_RATE * tau)) for tau in (time_constant, time_constant / 5.0))
    warm = int(5.0 * time_constant * GRID_RATE)
    white = normals(rng, (warm + n, n_channels or 1))
    # Variance of white noise after 1 / ((1 - a z)(1 - b z)), a second-order autoregression (Box & Jenkins 1976, 3.2).
    a, b = slow, fast
    variance = (1.0 + a * b) / ((1.0 - a * b) * (1.0 - a * a) * (1.0 - b * b))
    path = signal.lfilter([1.0], [1.0, -(a + b), a * b], white, axis=0)[warm:] / np.sqrt(variance)
    return path if n_channels else path[:, 0]


def band_noise(rng: np.random.Generator, n: int, rate: float, low: float, high: float, n_channels: int) -> np.ndarray:
    """Gaussian noise of shape (n_channels, n) between `low` and `high` Hz; `high` is held below 0.45 of `rate`."""
    high = min(high, 0.45 * rate)
    low = min(low, 0.5 * high)
    warm = int(4.0 * rate / low)
    white = normals(rng, (n_channels, warm + n), np.float32)
    noise = np.empty((n_channels, n))
    # Noise bandwidth of a Butterworth band-pass of this order is 1.11 times its width.
    filter_pair(white, _bandpass(low, high, rate), warm, np.sqrt(1.11 * (high - low) / (rate / 2.0)), noise)
    return noise


@lru_cache(maxsize=64)
def _bandpass(low: float, high: float, rate: float) -> np.ndarray:
    return signal.butter(2, (low, high), "bandpass", fs=rate, output="sos")


def slow_noise(rng: np.random.Generator, n: int, rate: float, below: float, n_channels: int) -> np.ndarray:
    """Gaussian noise of shape (n_channels, n), flat up to `below` Hz and falling by 12 dB an octave above.

    `below` is held under 0.45 of `rate`.
    """
    below = min(below, 0.45 * rate)
    warm = int(4.0 * rate / below)
    white = rng.standard_normal((n_channels, warm + n), dtype=np.float32)
    noise = signal.sosfilt(signal.butter(2, below, "lowpass", fs=rate, output="sos"), white, axis=1)[:, warm:]
    # Noise bandwidth of a Butterworth low-pass of this order is 1.11 times its edge.
    return noise / np.sqrt(1.11 * below / (rate / 2.0))


def bumps(t: np.ndarray, starts: np.ndarray, lengths: np.ndarray, heights: np.ndarray, rise: float) -> np.ndarray:
    """Sum of smooth plateaus on the grid `t`: up within `rise` s, `lengths` s long, down again."""
    total = np.zeros(len(t))
    for start, length, height in zip(starts, lengths, heights, strict=True):
        low, high = np.searchsorted(t, (start - rise, start + length + rise))
        local = t[low:high] - start
        edge = min(rise, length / 2.0)
        ramp = np.clip(np.minimum(local / edge, (length - local) / edge), 0.0, 1.0)
        total[low:high] += height * ramp * ramp * (3.0 - 2.0 * ramp)
    return total


def poisson_times(rng: np.random.Generator, per_second: float, start: float, stop: float) -> np.ndarray:
    """Sorted times of a Poisson process."""
    return np.sort(rng.uniform(start, stop, rng.poisson(per_second * max(0.0, stop - start))))
