"""Sequences of beats in noise: the probability of every heart rate at every time, given how beat-like each sample is.

A hidden semi-Markov model. Beats of rate `r` follow each other at intervals of `first_lag` to
``first_lag + n_lags - 1`` samples with the probabilities ``lags[:, r]``; at each beat the rate moves to a neighbour or,
rarely, anywhere. A beat at sample `t` has the likelihood ``gain[t]``, relative to no beat there. Forward and backward
recursions visit every sample and rate; samples are worked on in blocks, from stored histories, so that a night needs
little memory.
"""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.jit import ELEMENTWISE, REDUCTION, kernel

BLOCK = 256  # samples between rescalings: what single precision can hold


@kernel(fastmath=REDUCTION)
def _mix(values, step, jump, mixed):
    """Rates after a beat: `step` is the probability to move one rate up, and down; `jump`, to go anywhere."""
    n = values.size
    total = np.float32(0.0)
    for r in range(n):
        total += values[r]
    anywhere = jump * total / np.float32(n)
    stay = np.float32(1.0) - np.float32(2.0) * step - jump
    for r in range(n):
        lower, upper = values[max(r - 1, 0)], values[min(r + 1, n - 1)]
        mixed[r] = stay * values[r] + step * (lower + upper) + anywhere


@kernel
def _rescale(rows):
    """Bring the largest value to one; return the logarithm of what it was."""
    largest = rows.max()
    if not largest > 0.0:
        rows[:] = np.float32(1.0)
        return 0.0
    rows *= np.float32(1.0) / largest
    return math.log(largest)


@kernel(fastmath=ELEMENTWISE)
def _forward(gain, lags, first_lag, lows, highs, step, jump, mixed, alpha):
    """One block: `mixed` (history + n, n_rates) begins with the history; `alpha` (n, n_rates) receives the beats."""
    n_lags = lags.shape[0]
    history = first_lag + n_lags - 1
    n_rates = lags.shape[1]
    for t in range(gain.size):
        for r in range(n_rates):
            alpha[t, r] = np.float32(0.0)
        for k in range(n_lags):
            at = history + t - first_lag - k
            for r in range(lows[k], highs[k]):
                alpha[t, r] += lags[k, r] * mixed[at, r]
        for r in range(n_rates):
            alpha[t, r] *= gain[t]
        _mix(alpha[t], step[t], jump, mixed[history + t])


@kernel(fastmath=ELEMENTWISE)
def _backward(gain, lags, first_lag, lows, highs, step, jump, ahead, beta):
    """One block, from its end: `ahead` (n + history, n_rates) ends with what follows the block."""
    n_lags = lags.shape[0]
    total = np.empty(beta.shape[1], np.float32)
    for t in range(gain.size - 1, -1, -1):
        for r in range(total.size):
            total[r] = np.float32(0.0)
        for k in range(n_lags):
            at = t + first_lag + k
            for r in range(lows[k], highs[k]):
                total[r] += lags[k, r] * ahead[at, r]
        _mix(total, step[t], jump, beta[t])
        for r in range(total.size):
            ahead[t, r] = beta[t, r] * gain[t]


@kernel(fastmath=REDUCTION)
def _joined(mixed, ahead, lags, first_lag, lows, highs):
    """Sum over all intervals that cross the boundary between a history and what is ahead of it."""
    n_lags = lags.shape[0]
    history = first_lag + n_lags - 1
    total = 0.0
    for age in range(1, history + 1):
        for k in range(max(age - first_lag, 0), n_lags):
            at = first_lag + k - age
            for r in range(lows[k], highs[k]):
                total += mixed[history - age, r] * lags[k, r] * ahead[at, r]
    return total


@kernel
def beat_sequences(gain, lags, first_lag, lows, highs, step, jump, per_second, beats, mass, evidence):
    """Probabilities of beats and rates, by the forward and backward recursions.

    Parameters
    ----------
    gain : ndarray of float32, shape (n,)
        Likelihood of a beat at each sample, relative to none; 1 where nothing is known.
    lags : ndarray of float32, shape (n_lags, n_rates)
        Probability of each interval; columns sum to one.
    first_lag : int
        Samples, of the first row of `lags`; at least 1.
    lows, highs : ndarray of int64, shape (n_lags,)
        Each row of `lags` is zero outside of the rates ``low:high``.
    step : ndarray of float32, shape (n,)
        Probability, at a beat at each sample, to move to the next rate up, and as much to move down.
    jump : float32
        Probability, at a beat, to move to any rate.
    per_second : int
        Samples of a second.
    beats : ndarray of float32, shape (n,)
        Receives the probability of a beat at each sample.
    mass : ndarray of float32, shape (n_seconds, n_rates)
        Receives the expected number of beats of each rate in each second; later seconds are ignored.
    evidence : ndarray of float64, shape (1 + ceil(n / BLOCK),)
        Receives the logarithm of the likelihood of the samples before each block (and of all), up to a constant.
    """
    n, n_rates = gain.size, lags.shape[1]
    history = first_lag + lags.shape[0] - 1
    n_blocks = (n + BLOCK - 1) // BLOCK
    # What comes before the first sample and after the last may hold any beat.
    kept = np.ones((n_blocks + 1, history, n_rates), np.float32)
    mixed = np.ones((history + BLOCK, n_rates), np.float32)
    alpha, beta = np.empty((BLOCK, n_rates), np.float32), np.empty((BLOCK, n_rates), np.float32)
    evidence[0] = 0.0
    scales = 0.0
    for b in range(n_blocks):
        size = min(BLOCK, n - b * BLOCK)
        mixed[:history] = kept[b]
        now = slice(b * BLOCK, b * BLOCK + size)
        _forward(gain[now], lags, first_lag, lows, highs, step[now], jump, mixed, alpha)
        kept[b + 1] = mixed[size : size + history]
        scales += _rescale(kept[b + 1])
        evidence[b + 1] = scales + math.log(kept[b + 1].mean())
    ahead = np.ones((BLOCK + history, n_rates), np.float32)
    mass[:] = np.float32(0.0)
    for b in range(n_blocks - 1, -1, -1):
        begin, size = b * BLOCK, min(BLOCK, n - b * BLOCK)
        part, steps = gain[begin : begin + size], step[begin : begin + size]
        mixed[:history] = kept[b]
        _forward(part, lags, first_lag, lows, highs, steps, jump, mixed, alpha)
        _backward(part, lags, first_lag, lows, highs, steps, jump, ahead, beta)
        whole = _joined(mixed, ahead, lags, first_lag, lows, highs)
        scale = np.float32(1.0 / whole) if whole > 0.0 else np.float32(0.0)
        for t in range(size):
            second = (begin + t) // per_second
            total = np.float32(0.0)
            for r in range(n_rates):
                value = alpha[t, r] * beta[t, r] * scale
                total += value
                if second < mass.shape[0]:
                    mass[second, r] += value
            beats[begin + t] = total
        following = ahead[:history].copy()
        _rescale(following)
        # The last block may be shorter: what follows a block always lies behind its own length.
        ahead[BLOCK:] = following
