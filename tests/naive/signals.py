"""Slow, obvious twins of the kernels for gaps, resampling, filters, envelopes and spectra."""

from __future__ import annotations

import numpy as np


def bridge_gaps(row, max_gap):
    """Bridged copy, and whether each sample stays missing: look at every missing sample's two neighbours."""
    row = np.asarray(row, dtype=float)
    finite = [i for i in range(len(row)) if np.isfinite(row[i])]
    filled, missing = row.copy(), np.zeros(len(row), bool)
    for i in range(len(row)):
        if i in finite:
            continue
        before = [k for k in finite if k < i]
        after = [k for k in finite if k > i]
        if not finite:
            filled[i], missing[i] = 0.0, True
        elif not before or not after:
            filled[i], missing[i] = row[after[0] if after else before[-1]], True
        else:
            a, b = before[-1], after[0]
            filled[i] = row[a] + (row[b] - row[a]) * (i - a) / (b - a)
            missing[i] = b - a - 1 > max_gap
    return filled, missing


def resample(row, positions, ratio, attenuation, pass_edge):
    """Kaiser-windowed sinc summed directly at each position, weights divided by their sum."""
    n = len(row)
    scale = min(1.0, ratio)
    beta = 0.1102 * (attenuation - 8.7)
    half = 8 * int(np.ceil(((attenuation - 7.95) / (2.285 * np.pi * (1 - pass_edge) * scale) + 1) / 16))

    def sample(i):
        if i < 0:
            return 2 * row[0] - row[min(-i, n - 1)]
        if i > n - 1:
            return 2 * row[n - 1] - row[n - 1 - min(i - n + 1, n - 1)]
        return row[i]

    out = []
    for position in positions:
        base = int(np.floor(position))
        inputs = np.arange(base - half + 1, base + half + 1)
        distance = inputs - position
        window = np.i0(beta * np.sqrt(np.clip(1 - (distance / half) ** 2, 0, None)))
        weights = np.sinc(0.5 * (1 + pass_edge) * scale * distance) * window
        out.append(weights @ [sample(i) for i in inputs] / weights.sum())
    return np.array(out)


def grid(times, row, wanted, step, line_above, max_gap):
    """Hermite pieces from the derivative of the parabola through three samples, one point at a time."""
    t, v = times[np.isfinite(row)], row[np.isfinite(row)]

    def slope(i):
        if i == 0 or i == len(t) - 1 or max(t[i + 1] - t[i], t[i] - t[i - 1]) > max_gap:
            return None
        return np.polyval(np.polyder(np.polyfit(t[i - 1 : i + 2] - t[i], v[i - 1 : i + 2], 2)), 0.0)

    out = []
    for w in wanted:
        left = np.flatnonzero(t <= w)
        right = np.flatnonzero(t > w)
        if left.size and right.size and t[right[0]] - t[left[-1]] <= max_gap:
            a, b = left[-1], right[0]
            h = t[b] - t[a]
            u = (w - t[a]) / h
            chord = (v[b] - v[a]) / h
            if h > line_above:
                out.append(v[a] + u * (v[b] - v[a]))
                continue
            ma = slope(a) if slope(a) is not None else chord
            mb = slope(b) if slope(b) is not None else chord
            basis = np.array([2 * u**3 - 3 * u**2 + 1, u**3 - 2 * u**2 + u, -2 * u**3 + 3 * u**2, u**3 - u**2])
            out.append(basis @ [v[a], h * ma, v[b], h * mb])
        elif left.size and w - t[left[-1]] <= 0.5 * step:
            out.append(v[left[-1]])
        elif right.size and t[right[0]] - w <= 0.5 * step:
            out.append(v[right[0]])
        else:
            out.append(np.nan)
    return np.array(out)


def filter_both_ways(row, sos, pad):
    """Difference equations as in a textbook, started as if the first value had always been there."""
    n = len(row)
    before = [2 * row[0] - row[k] for k in range(pad, 0, -1)]
    after = [2 * row[-1] - row[n - 1 - k] for k in range(1, pad + 1)]
    x = [float(v) for v in [*before, *row, *after]]
    for _ in range(2):
        for b0, b1, b2, _, a1, a2 in sos:
            level = (b0 + b1 + b2) / (1 + a1 + a2) * x[0]
            x = [x[0], x[0], *x]
            y = [level, level]
            for t in range(2, len(x)):
                y.append(b0 * x[t] + b1 * x[t - 1] + b2 * x[t - 2] - a1 * y[t - 1] - a2 * y[t - 2])
            x = y[2:]
        x = x[::-1]
    return np.array(x[pad : pad + n])


def envelope(row, cosine, sine, step, floor, n_out):
    """Magnitude of the complex filter's output, mirrored ends, one output sample at a time."""
    half = len(cosine) // 2
    padded = np.pad(row - row.mean(), half, mode="reflect")
    out = []
    for j in range(n_out):
        at = min(int(np.floor(j * step + 0.5)), len(row) - 1)
        segment = padded[at : at + 2 * half + 1]
        out.append((cosine @ segment) ** 2 + (sine @ segment) ** 2 + floor**2)
    return np.array(out)


def envelope_missing(row, step, n_out):
    """Whether each output of an envelope is missing: look for a real sample within one output step of it."""
    out = []
    for j in range(n_out):
        at = min(int(np.floor(j * step + 0.5)), len(row) - 1)
        stop = len(row) if j == n_out - 1 else at + int(step) + 1
        out.append(not any(np.isfinite(value) for value in row[max(at - int(step), 0) : stop]))
    return np.array(out)


def pulse(row, rate, band, rates, spread):
    """Concentration and pulse rate from a plain periodogram."""
    n = len(row)
    detrended = row - np.polyval(np.polyfit(np.arange(n), row, 1), np.arange(n))
    power = np.abs(np.fft.rfft(detrended * np.hanning(n))) ** 2
    frequency = np.fft.rfftfreq(n, 1 / rate)
    small = 1e-6
    in_band = (frequency >= band[0] - small) & (frequency <= band[1] + small)
    scores, shares = [], []
    candidates = frequency[(frequency >= rates[0] - small) & (frequency <= rates[1] + small)]
    for f in candidates:
        near = in_band & (np.abs(frequency - f) <= spread + small)
        double = in_band & (np.abs(frequency - 2 * f) <= 1.5 * spread + small) & ~near
        scores.append(power[near].sum() + 0.5 * power[double].sum())
        shares.append(power[near | double].sum() / power[in_band].sum())
    best = int(np.argmax(scores))
    near = in_band & (np.abs(frequency - candidates[best]) <= spread + small)
    return shares[best], (power[near] * frequency[near]).sum() / power[near].sum()
