"""Before and after a Fourier transform: tapered windows, and the pulse in their power spectra."""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.jit import REDUCTION, kernel


@kernel(fastmath=REDUCTION)
def taper_rows(x, taper, out, start, stop):
    """Take the straight-line trend away and multiply by a taper.

    Parameters
    ----------
    x : ndarray of float32, shape (n_rows, n)
        Finite.
    taper : ndarray of float32, shape (n,)
    out : ndarray of float32, shape (stop - start, n)
        Receives rows ``start:stop``.
    """
    n = x.shape[1]
    middle = 0.5 * (n - 1)
    moment = max(n * (n * n - 1.0) / 12.0, 1.0)
    for r in range(start, stop):
        source = x[r]
        target = out[r - start]
        total = 0.0
        for i in range(n):
            total += source[i]
        mean = total / n
        tilt = 0.0
        for i in range(n):
            tilt += (i - middle) * (source[i] - mean)
        slope = tilt / moment
        for i in range(n):
            target[i] = (source[i] - (mean + slope * (i - middle))) * taper[i]


@kernel
def pulse_rows(spectrum, width, band_low, band_high, rate_low, rate_high, spread, concentration, rates, start):
    """Find the pulse in spectra that were made from rows ``start ...``.

    Parameters
    ----------
    spectrum : ndarray of complex64, shape (n, n_bins)
    width : float
        Hz from one bin to the next.
    band_low, band_high : float
        Hz, the band whose power is shared out.
    rate_low, rate_high : float
        Hz, where the pulse rate is looked for.
    spread : float
        Hz on each side of the rate that belong to it; half as much again belongs to its double.
    concentration, rates : ndarray of float64, shape (n_rows,)
        Receive, from row `start` on, the share of power near the rate and its double, and the rate (Hz): where the
        power near it plus half the power near its double is greatest, then the centre of mass near it. NaN without
        power.
    """
    lowest = math.ceil(band_low / width - 1e-9)
    highest = min(math.floor(band_high / width + 1e-9), spectrum.shape[1] - 1)
    near = math.floor(spread / width + 1e-9)
    near_double = math.floor(1.5 * spread / width + 1e-9)
    sums = np.zeros(highest - lowest + 2)  # power of the bins lowest ... lowest + i - 1
    for r in range(spectrum.shape[0]):
        line = spectrum[r]
        for i in range(lowest, highest + 1):
            power = np.float64(line[i].real) ** 2 + np.float64(line[i].imag) ** 2
            sums[i - lowest + 1] = sums[i - lowest] + power
        total = sums[highest - lowest + 1]
        concentration[start + r] = np.nan
        rates[start + r] = np.nan
        if not (np.isfinite(total) and total > 0.0):
            continue
        most = -1.0
        best = lowest
        share = 0.0
        for c in range(max(lowest, math.ceil(rate_low / width)), min(highest, math.floor(rate_high / width)) + 1):
            at_rate = sums[min(c + near, highest) - lowest + 1] - sums[max(c - near, lowest) - lowest]
            at_double = 0.0
            if 2 * c - near_double <= highest:
                at_double = sums[min(2 * c + near_double, highest) - lowest + 1]
                at_double -= sums[max(2 * c - near_double, c + near + 1) - lowest]
            if at_rate + 0.5 * at_double > most:  # at full weight, half the true rate could win
                most = at_rate + 0.5 * at_double
                best = c
                share = at_rate + at_double
        mass = 0.0
        torque = 0.0
        for i in range(max(best - near, lowest), min(best + near, highest) + 1):
            power = sums[i - lowest + 1] - sums[i - lowest]
            mass += power
            torque += power * i
        concentration[start + r] = min(share / total, 1.0)
        rates[start + r] = torque / mass * width
