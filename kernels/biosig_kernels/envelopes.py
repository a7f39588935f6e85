"""Envelopes of frequency bands by complex demodulation, read at a lower rate.

A complex band-pass filter keeps positive frequencies alone, so the magnitude of its output is the envelope of the band
(D. Gabor, "Theory of communication", J. IEE 93(26), 1946). Only the wanted output samples are computed.
"""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.gaps import bridge_gaps
from biosig_kernels.jit import REDUCTION, kernel


@kernel(fastmath=REDUCTION)
def envelope_rows(x, bank, lengths, step, floor, out, start, stop):
    """Squared band envelopes of rows ``start:stop``, plus the square of a floor.

    Parameters
    ----------
    x : ndarray of float32, shape (n_rows, n_samples)
        Not finite means missing. The mean of each row is taken away first.
    bank : ndarray of float32, shape (n_bands, 2, n_taps)
        Even (cosine) and odd (sine) part of each band's filter; a filter of odd length ``lengths[b]`` fills the first
        places.
    lengths : ndarray of int64, shape (n_bands,)
    step : float
        Input samples per output sample.
    floor : float
        Added in square, so that the logarithm of the result stays finite.
    out : ndarray of float32, shape (n_rows, n_bands, n_out)
        Receives ``envelope**2 + floor**2``; NaN where all input samples within one output step are missing. At both
        ends the row is continued as in a mirror.
    """
    n = x.shape[1]
    n_bands, n_out = out.shape[1], out.shape[2]
    reach = bank.shape[2] // 2
    padded = np.empty(n + 2 * reach, np.float32)
    missing = np.empty(n, np.bool_)
    square = np.float32(floor * floor)
    within = math.floor(step)
    for r in range(start, stop):
        body = padded[reach : reach + n]
        n_finite = bridge_gaps(x[r], 0.0, body, missing)
        if n_finite == 0:
            out[r] = np.nan
            continue
        mean = 0.0
        for i in range(n):
            mean += body[i]
        level = np.float32(mean / n)
        for i in range(n):
            body[i] -= level
        for k in range(1, reach + 1):
            inner = min(k, n - 1)
            padded[reach - k] = body[inner]
            padded[reach + n - 1 + k] = body[n - 1 - inner]
        for b in range(n_bands):
            taps = lengths[b]
            even = bank[b, 0, :taps]
            odd = bank[b, 1, :taps]
            for j in range(n_out):
                at = min(math.floor(j * step + 0.5), n - 1)
                if n_finite < n:
                    # The last one also stands for what comes after it, so that no sample stands for nothing.
                    last = n - 1 if j == n_out - 1 else min(at + within, n - 1)
                    if missing[max(at - within, 0) : last + 1].all():
                        out[r, b, j] = np.nan
                        continue
                begin = reach + at - taps // 2
                segment = padded[begin : begin + taps]
                real = np.float32(0)
                imaginary = np.float32(0)
                for t in range(taps):
                    real += even[t] * segment[t]
                    imaginary += odd[t] * segment[t]
                out[r, b, j] = real * real + imaginary * imaginary + square
