"""From how beat-like each sample is to the probability of every heart rate at every time.

The inference is a hidden semi-Markov model, exact by forward and backward recursion (S.-Z. Yu, "Hidden semi-Markov
models", Artificial Intelligence 174(2), 2010): beats follow each other at intervals that scatter about the interval of
the present rate, and rates drift slowly. So beats and rate are found together, and the coherent sum over a minute's
beats shows what no single beat does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from biosig_kernels.beat_sequences import BLOCK, beat_sequences

from biosig.heart.vibration import RATE

SLOWEST, FASTEST = 38.0, 135.0  # beats/min
RATIO = 0.02  # from one rate to the next
SCATTER = 0.05  # standard deviation of an interval about that of the rate, relative: SDNN at rest, about 45 ms of 0.9 s
LEAST_SCATTER = (
    0.036  # s; were it smaller, twice the rate would explain a slow heart's scatter better than its own rate
)
WIDEST = 2.5  # of these standard deviations
STEP = 0.03  # probability, at a beat, to move to the next rate: changes of 1.5 % in 10 s, 8 % in 5 minutes
SLOW_STEP = 0.004  # the same over a whole recording: rates wander by 0.6 % in 10 s, 3 % in 5 minutes, 6 % in 20
MOVING_STEP = 0.1  # the same while moving: the heart answers to movement
JUMP = 1e-5  # probability, at a beat, to move to any rate
TEMPER = 0.6  # of the logarithm of likelihoods: noise at the wrist has heavier tails than a normal distribution
CAP = 3.0  # standard deviations, of what one sample may say
LEVEL_SECONDS = 5
LEVEL_REACH = 3  # stretches of LEVEL_SECONDS on either side
MEAN_SECONDS = 60

RATES = np.exp(np.arange(np.log(SLOWEST), np.log(FASTEST), RATIO))  # beats/min
NEAR = np.exp(np.arange(-6, 7) * RATIO)  # about a rate that is roughly known


class Rhythm(NamedTuple):
    """What a stretch of signal says about beats and rates."""

    beats: np.ndarray  # float32, (n,): probability of a beat at each sample
    time: np.ndarray  # float64, (n_seconds, n_rates): share of each second spent at each rate
    evidence: float  # natural logarithm of the likelihood of a rhythm of these rates over none


@lru_cache(maxsize=256)
def _intervals(rates: tuple[float, ...]):
    """Probabilities of the intervals (in samples) at each rate, as the kernel takes them."""
    periods = 60 * RATE / np.array(rates)
    scatter = np.maximum(SCATTER * periods, LEAST_SCATTER * RATE)
    first = max(1, int(np.floor(float(np.min(periods - WIDEST * scatter)))))
    last = int(np.ceil(float(np.max(periods + WIDEST * scatter))))
    distance = np.arange(first, last + 1)[:, None] - periods
    lags = np.exp(-0.5 * (distance / scatter) ** 2)
    lags[np.abs(distance) > WIDEST * scatter] = 0.0
    lags /= lags.sum(axis=0)
    some = lags > 0
    lows = np.where(some.any(axis=1), some.argmax(axis=1), 0)
    highs = np.where(some.any(axis=1), len(rates) - some[:, ::-1].argmax(axis=1), 0)
    return lags.astype(np.float32), first, lows.astype(np.int64), highs.astype(np.int64)


def find_rhythm(
    likelihood: np.ndarray, rates: np.ndarray, moving: np.ndarray | None = None, step: float = STEP
) -> Rhythm:
    """Beats and rates of a signal.

    Parameters
    ----------
    likelihood : ndarray, shape (n,)
        Logarithm of how much likelier each sample of `RATE` is if a beat is there; 0 where nothing is known.
    rates : ndarray
        beats/min, increasing, `RATIO` apart.
    moving : ndarray of bool, shape (n,), optional
        Where rates change faster.
    step : float
        Probability, at a beat, to move to the next rate up, and as much to move down.
    """
    lags, first, lows, highs = _intervals(tuple(np.asarray(rates, dtype=np.float64).tolist()))
    n = len(likelihood)
    per_second = round(RATE)
    beats = np.empty(n, np.float32)
    mass = np.empty((n // per_second, len(rates)), np.float32)
    evidence = np.empty(1 + -(-n // BLOCK))
    gain = np.exp(likelihood).astype(np.float32)
    steps = np.full(n, step, np.float32)
    if moving is not None:
        steps[moving] = MOVING_STEP
    beat_sequences(gain, lags, first, lows, highs, steps, np.float32(JUMP), per_second, beats, mass, evidence)
    time = mass.astype(np.float64) * (60.0 / rates)
    return Rhythm(beats, time, float(evidence[-1]))


def likelihoods(score: np.ndarray, strength: np.ndarray | float, left_out: np.ndarray) -> np.ndarray:
    """Logarithm of the likelihood of a beat at each sample, from a detector's output.

    The output is measured by its own local noise, limited, and normalised so that a beat is as likely as none on
    average over a minute: then noise favours no rate, whatever its size.

    Parameters
    ----------
    score : ndarray, shape (n,)
        Detector's output with mean zero in noise.
    strength : float or ndarray of shape (n,)
        Size of a beat's output, in standard deviations of the noise.
    left_out : ndarray of bool, shape (n,)
    """
    from scipy.ndimage import uniform_filter1d

    kept = ~left_out
    spread = _local_spread(score, kept)
    if spread is None:
        return np.zeros(len(score))
    value = TEMPER * strength * np.clip(score / spread, -CAP, CAP)
    size = MEAN_SECONDS * round(RATE)
    share = uniform_filter1d(kept.astype(np.float64), size, mode="nearest")
    mean = uniform_filter1d(np.exp(value) * kept, size, mode="nearest") / np.maximum(share, 1e-9)
    value = value - np.log(np.maximum(mean, 1e-9))
    value[left_out | (share < 0.05)] = 0.0
    return value


def _local_spread(score: np.ndarray, kept: np.ndarray) -> np.ndarray | None:
    """Robust standard deviation over time; None where nothing was measured."""
    size = LEVEL_SECONDS * round(RATE)
    n_blocks = -(-len(score) // size)
    spreads = np.full(n_blocks, np.nan)
    for b in range(n_blocks):
        part = score[b * size : (b + 1) * size][kept[b * size : (b + 1) * size]]
        if len(part) > RATE:
            spreads[b] = 1.4826 * np.median(np.abs(part))
    known = np.flatnonzero(spreads > 0)
    if not len(known):
        return None
    smooth = np.empty(len(known))
    for i, b in enumerate(known.tolist()):
        near = spreads[known[np.abs(known - b) <= LEVEL_REACH]]
        smooth[i] = max(float(np.median(near)), float(spreads[b]))
    return np.interp(np.arange(len(score)), (known + 0.5) * size, smooth)
