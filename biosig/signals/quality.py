"""How much of a photoplethysmogram is pulse: concentration of its spectrum on one rate and its harmonic."""

from __future__ import annotations

import numpy as np
from biosig_kernels.gaps import bridge_gaps
from biosig_kernels.threads import n_threads

from biosig._checks import check_sampling_rate
from biosig.signals._layout import as_rows

BAND = (0.5, 8.0)  # Hz, all that counts as pulse or noise
RATES = (0.5, 4.0)  # Hz, 30 to 240 beats/min
SPREAD = 0.2  # Hz on each side of the rate; the harmonic is given half as much again
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
    concentration, _ = pulse_spectrum(rows.values, rows.sampling_rate, n_jobs)
    shaped = (
        rows.restore(concentration[:, None])[..., 0] if rows.dim is None else _without_time(ppg, rows, concentration)
    )
    return float(shaped) if np.ndim(shaped) == 0 else shaped


def pulse_spectrum(values, sampling_rate, n_jobs=None):
    """Spectral concentration (0 to 1) and pulse rate (Hz) of rows (n_rows, n_samples); NaN where there is none.

    The rate is where the power within 0.2 Hz of a frequency plus half the power within 0.3 Hz of its double is greatest,
    then the centre of mass of the power around it. Windows are weighted by a Hann window after their straight-line trend is taken away.
    """
    import scipy.fft

    rate = check_sampling_rate(sampling_rate)
    if rate <= 4 * BAND[0]:
        raise ValueError(f"sampling_rate is {rate:g} Hz; a pulse needs more than {4 * BAND[0]:g} Hz")
    values = np.ascontiguousarray(values, dtype=np.float32)
    n_rows, n = values.shape
    size = max(scipy.fft.next_fast_len(n, real=True), 1)
    concentration = np.full(n_rows, np.nan)
    rates = np.full(n_rows, np.nan)
    frequency = np.fft.rfftfreq(size, 1 / rate)
    top = min(BAND[1], rate / 2)
    lowest, highest = np.searchsorted(frequency, (BAND[0], top))
    if highest - lowest < 8:  # about a second: no frequency can be told from another
        return concentration, rates
    hann = np.hanning(n).astype(np.float32)
    ramp = np.linspace(-1, 1, n, dtype=np.float32)
    block = max(1, (1 << 22) // n)
    for begin in range(0, n_rows, block):
        part = _prepared(values[begin : begin + block])
        missing = np.isnan(part[:, 0])
        part -= part.mean(axis=1, keepdims=True)
        part -= (part @ ramp / (ramp @ ramp))[:, None] * ramp
        scale = np.abs(part).max(axis=1, keepdims=True)
        part /= np.where(scale > 0, scale, 1)
        spectrum = scipy.fft.rfft(part * hann, size, workers=n_threads(n_jobs))
        power = spectrum.real[:, lowest:highest] ** 2 + spectrum.imag[:, lowest:highest] ** 2
        found = _dominant(power.astype(np.float64), frequency[lowest:highest])
        flat = (scale[:, 0] == 0) & ~missing
        concentration[begin : begin + block] = np.where(flat, 0.0, np.where(missing, np.nan, found[0]))
        rates[begin : begin + block] = np.where(flat | missing, np.nan, found[1])
    return concentration, rates


def _prepared(values):
    """Copy rows with their gaps bridged; rows with too many missing samples become NaN throughout."""
    part = np.array(values)
    broken = np.flatnonzero(~np.isfinite(part.sum(axis=1, dtype=np.float64)))
    marks = np.empty(part.shape[1], np.bool_)
    for r in broken:
        finite = bridge_gaps(values[r], np.inf, part[r], marks)
        if finite < (1 - MOST_MISSING) * part.shape[1]:
            part[r] = np.nan
    return part


def _dominant(power, frequency):
    """Concentration and rate from power (n_rows, n_bins) at evenly spaced frequencies."""
    sums = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, axis=1)], axis=1)

    def around(centre, spread):
        first = np.searchsorted(frequency, centre - spread)
        last = np.searchsorted(frequency, centre + spread, side="right")
        return sums[:, last] - sums[:, first]

    candidates = frequency[(frequency >= RATES[0]) & (frequency <= RATES[1])]
    at_rate = around(candidates, SPREAD)
    at_double = around(2 * candidates, 1.5 * SPREAD)
    total = sums[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        best = np.argmax(at_rate + 0.5 * at_double, axis=1)  # half, or half the true rate could win
        near = np.abs(frequency - candidates[best][:, None]) <= SPREAD
        mass = np.where(near, power, 0.0)
        rate = (mass * frequency).sum(axis=1) / mass.sum(axis=1)
        concentration = np.take_along_axis(at_rate + at_double, best[:, None], axis=1)[:, 0] / total
    return np.clip(concentration, 0.0, 1.0), rate


def _without_time(data, rows, values):
    """One value per row, labelled like `data` without its time dimension."""
    import xarray as xr

    dims = [d for d in data.dims if d != rows.dim]
    coords = {k: c for k, c in data.coords.items() if rows.dim not in c.dims}
    return xr.DataArray(values.reshape([data.sizes[d] for d in dims]), coords=coords, dims=dims, name="ppg_quality")
