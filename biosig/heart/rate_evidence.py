"""A first guess of the heart rate from spectra of the vibration's envelope, and rates over time from any evidence."""

from __future__ import annotations

import numpy as np

from biosig.heart.vibration import RATE, Vibration, pulse_envelope

GRID = np.arange(38.0, 135.01, 0.5)  # beats/min
WINDOW, STRIDE = 60, 10  # s
SECOND = 0.7  # weight of the power at twice the rate
WEIGHT = 0.2  # of a window's whitened power, as a logarithm of likelihood: windows overlap, and noise is heavy
CHANGE = 0.7  # beats/min in 10 s, standard deviation
LEAK = 1e-4  # probability to go anywhere in 10 s
DECIMATION = 4
BAND = (0.4, 4.6)  # Hz
N_FFT = 4096


def rough_rate(signal: Vibration) -> np.ndarray:
    """First guess of the rate in each second (beats/min): the path through whitened spectra of the envelope."""
    from scipy.signal import resample_poly

    n_seconds = signal.values.shape[1] // round(RATE)
    rate = RATE / DECIMATION
    envelope = resample_poly(pulse_envelope(signal), 1, DECIMATION)
    kept = (~signal.left_out)[::DECIMATION][: len(envelope)].astype(np.float64)
    size = min(round(WINDOW * rate), len(envelope))
    starts = np.arange(0, len(envelope) - size + 1, round(STRIDE * rate))
    frequency = np.fft.rfftfreq(N_FFT, 1 / rate)
    within = (frequency >= BAND[0]) & (frequency <= BAND[1])
    taper = np.hanning(size)
    power, share = np.empty((len(starts), within.sum())), np.empty(len(starts))
    for i, start in enumerate(starts):
        some = kept[start : start + size]
        part = envelope[start : start + size]
        part = (part - (part * some).sum() / max(some.sum(), 1.0)) * some
        power[i] = np.abs(np.fft.rfft(part * taper, N_FFT)[within]) ** 2
        share[i] = some.mean()
    evidence = np.zeros((len(starts), len(GRID)))
    usable = (share > 0.5) & (power.sum(axis=1) > 0)
    if usable.any():
        # The spectrum of an envelope falls with frequency; without its slope taken away, guesses would be too low.
        x = np.log(frequency[within])
        power[usable] /= power[usable].mean(axis=1, keepdims=True)
        power[usable] /= np.exp(np.polyval(np.polyfit(x, np.log(power[usable].mean(axis=0) + 1e-12), 2), x))
        power[usable] /= power[usable].mean(axis=1, keepdims=True)
        for i in np.flatnonzero(usable).tolist():
            at = lambda factor, row=power[i]: np.interp(GRID * factor / 60, frequency[within], row)
            evidence[i] = at(1) + SECOND * at(2)
            evidence[i] -= evidence[i].mean()
    posterior = rate_posterior(WEIGHT * evidence, GRID, CHANGE)
    middle = np.array([np.interp(0.5, row, GRID) for row in np.cumsum(posterior, axis=1)])
    return np.interp(np.arange(n_seconds) + 0.5, (starts + size / 2) / rate, middle)


def rate_posterior(log_evidence: np.ndarray, rates: np.ndarray, change: float | np.ndarray) -> np.ndarray:
    """Distribution over rates at each time, given the evidence of all times (hidden Markov model).

    Parameters
    ----------
    log_evidence : ndarray, shape (n_times, n_rates)
        Natural logarithm of the likelihood of each rate; rows of equal values say nothing.
    rates : ndarray, shape (n_rates,)
        beats/min, increasing.
    change : float or ndarray of shape (n_times,)
        Standard deviation (beats/min) by which the rate changes to each time from the one before.

    Returns
    -------
    ndarray, shape (n_times, n_rates)
        Rows sum to one.
    """
    n = len(log_evidence)
    likelihood = np.exp(log_evidence - log_evidence.max(axis=1, keepdims=True))
    changes = np.broadcast_to(np.asarray(change, dtype=np.float64), (n,))
    moves: dict[float, np.ndarray] = {}

    def move(i: int) -> np.ndarray:
        if changes[i] not in moves:
            table = np.exp(-0.5 * ((rates[:, None] - rates) / max(float(changes[i]), 1e-3)) ** 2)
            table /= table.sum(axis=1, keepdims=True)
            moves[changes[i]] = (1 - LEAK) * table + LEAK / len(rates)
        return moves[changes[i]]

    forward = np.empty_like(likelihood)
    now = np.full(len(rates), 1.0 / len(rates))
    for i in range(n):
        now = (now @ move(i) if i else now) * likelihood[i]
        now /= now.sum()
        forward[i] = now
    after = np.ones(len(rates))
    for i in range(n - 1, -1, -1):
        forward[i] *= after
        forward[i] /= forward[i].sum()
        if i:
            after = move(i) @ (after * likelihood[i])
            after /= after.max()
    return forward
