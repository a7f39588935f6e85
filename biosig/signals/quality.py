"""How much of a photoplethysmogram is pulse: concentration of its spectrum on one rate and its harmonic."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from biosig_kernels.gaps import bridge_rows
from biosig_kernels.spectra import pulse_rows, taper_rows
from biosig_kernels.threads import over_rows

from biosig._checks import centred, check_sampling_rate
from biosig.signals._layout import as_rows

BAND = (0.5, 8.0)  # Hz, all that counts as pulse or noise
RATES = (0.5, 4.0)  # Hz, 30 to 240 beats/min
SPREAD = 0.2  # Hz on each side of the rate; the harmonic is given half as much again
SHORTEST = 3.0  # s, from there on frequencies can be told apart
MOST_MISSING = 0.2  # share of a window from which on its spectrum says nothing


def spectral_quality(ppg, sampling_rate=None, *, n_jobs=None):
    """Share of a photoplethysmogram's power (0.5 to 8 Hz) that lies near its pulse rate and the first harmonic of it.

    About 0.1 to 0.25 for noise, above 0.4 for a usable pulse, near 1 for a clean one.

    Parameters
    ----------
    ppg : array_like, shape (..., n_samples), or xarray.DataArray
        Windows of some ten seconds or more, time last.
    sampling_rate : float, optional
        Hz; may be omitted for a DataArray with the attribute ``sampling_rate``.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Returns
    -------
    float or ndarray, shape (...)
        0 to 1; 0 for flat windows, NaN where more than a fifth of the samples is missing.

    Raises
    ------
    ValueError
        For an unknown sampling rate, or one too low to see a pulse (2 Hz or less).
    """
    rows = as_rows(ppg, sampling_rate, name="ppg")
    filled, _, levels = bridged(rows.values, n_jobs)
    concentration, _ = pulse_spectrum(filled, rows.sampling_rate, n_jobs)
    concentration[levels[:, 1] > 0] = 0.0
    concentration[levels[:, 0] > MOST_MISSING] = np.nan
    if rows.dim is not None:
        return _without_time(ppg, rows, concentration)
    shaped = concentration.reshape(np.shape(ppg)[:-1])
    return float(shaped) if shaped.ndim == 0 else shaped


def bridged(values, n_jobs=None):
    """Bridge the gaps of rows (n_rows, n_samples).

    Returns the rows in float32, the marks of missing samples, and per row the share of missing samples and 1.0 where
    the row is flat, else 0.0.
    """
    values = centred(values)[0]
    filled = np.empty(values.shape, np.float32)
    missing = np.empty(values.shape, np.bool_)
    levels = np.empty((len(values), 2))
    over_rows(lambda a, b: bridge_rows(values, filled, missing, levels, a, b), len(values), n_jobs)
    return filled, missing, levels


@lru_cache(maxsize=4)
def _hann(n: int) -> np.ndarray:
    return np.hanning(n).astype(np.float32)


def pulse_spectrum(values, sampling_rate, n_jobs=None):
    """Spectral concentration (0 to 1) and pulse rate (Hz) of finite float32 rows (n_rows, n_samples).

    The rate is where the power within 0.2 Hz of a frequency plus half the power within 0.3 Hz of its double is
    greatest, then the centre of mass of the power around it. Windows lose their straight-line trend and are weighted by
    a Hann window. NaN for rows without power and for windows too short to tell frequencies apart.
    """
    import scipy.fft

    rate = check_sampling_rate(sampling_rate)
    if rate <= 4 * BAND[0]:
        raise ValueError(f"sampling_rate is {rate:g} Hz; a pulse needs more than {4 * BAND[0]:g} Hz")
    n_rows, n = values.shape
    concentration = np.full(n_rows, np.nan)
    rates = np.full(n_rows, np.nan)
    if n < SHORTEST * rate:
        return concentration, rates
    size = scipy.fft.next_fast_len(n, real=True)
    hann = _hann(n)
    block = max(1, (1 << 15) // n)  # spectra are read while still in the cache

    def work(start: int, stop: int) -> None:
        tapered = np.empty((min(block, stop - start), n), np.float32)
        for begin in range(start, stop, block):
            end = min(begin + block, stop)
            taper_rows(values, hann, tapered, begin, end)
            spectrum = scipy.fft.rfft(tapered[: end - begin], size)
            pulse_rows(spectrum, rate / size, *BAND, *RATES, SPREAD, concentration, rates, begin)

    over_rows(work, n_rows, n_jobs)
    return concentration, rates


def _without_time(data, rows, values):
    """One value per row, labelled like `data` without its time dimension."""
    import xarray as xr

    dims = [d for d in data.dims if d != rows.dim]
    coords = {k: c for k, c in data.coords.items() if rows.dim not in c.dims}
    return xr.DataArray(values.reshape([data.sizes[d] for d in dims]), coords=coords, dims=dims, name="ppg_quality")
