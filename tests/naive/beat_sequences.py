"""Slow, obvious twins of the kernels for beats in noise."""

from __future__ import annotations

import numpy as np


def mix(values, step, jump):
    """Rates after a beat."""
    n = len(values)
    out = np.zeros(n)
    for r in range(n):
        out[r] += values[r] * (1 - 2 * step - jump)
        out[min(r + 1, n - 1)] += values[r] * step
        out[max(r - 1, 0)] += values[r] * step
        out += values[r] * jump / n
    return out


def beat_sequences(gain, lags, first_lag, step, jump):
    """Probability of a beat of each rate at each sample, (n, n_rates); before and after, any beat may have been."""
    n, (n_lags, n_rates) = len(gain), lags.shape
    mixed, alpha = {}, np.zeros((n, n_rates))
    for t in range(n):
        for k in range(n_lags):
            alpha[t] += lags[k] * mixed.get(t - first_lag - k, np.ones(n_rates))
        alpha[t] *= gain[t]
        mixed[t] = mix(alpha[t], step[t], jump)
    beta, ahead = np.zeros((n, n_rates)), {}
    for t in reversed(range(n)):
        total = np.zeros(n_rates)
        for k in range(n_lags):
            total += lags[k] * ahead.get(t + first_lag + k, np.ones(n_rates))
        beta[t] = mix(total, step[t], jump)
        ahead[t] = gain[t] * beta[t]
    # The first interval that crosses the beginning, with all that follows, is all there is.
    whole = 0.0
    history = first_lag + n_lags - 1
    for before in range(-history, 0):
        for k in range(n_lags):
            after = before + first_lag + k
            if after >= 0:
                whole += float((lags[k] * ahead.get(after, np.ones(n_rates))).sum())
    return alpha * beta / whole


def match_template(x, template, first):
    """Likeness to a template at each sample."""
    n = x.shape[1]
    out = np.zeros(n)
    for t in range(n):
        for k in range(template.shape[1]):
            if 0 <= t + first + k < n:
                out[t] += float(template[:, k] @ x[:, t + first + k])
    return out


def average_beats(x, beats, least, first, n_template, span):
    """Weighted sums about beats, in two halves."""
    sums, weights = np.zeros((2, len(x), n_template)), np.zeros(2)
    for t, weight in enumerate(beats):
        if weight >= least and t + first >= 0 and t + first + n_template <= x.shape[1]:
            half = (t // span) % 2
            sums[half] += weight * x[:, t + first : t + first + n_template]
            weights[half] += weight
    return sums, weights
