"""Heart rate over a recording from the acceleration of a wrist, with an interval and a confidence."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from biosig.heart.beat_rhythm import RATES, SLOW_STEP, Rhythm, find_rhythm
from biosig.heart.beat_templates import chance_of_beats, chunks, learn_blindly, relearn
from biosig.heart.personal_templates import BeatTemplates
from biosig.heart.rate_evidence import CHANGE, STRIDE, WINDOW, rate_posterior, rough_rate
from biosig.heart.recording_clock import even_acceleration
from biosig.heart.vibration import RATE, Vibration, vibration

WITHIN = 5.0  # beats/min, that the confidence is about
COVERED = 0.9  # probability of the interval from `low` to `high`
PASS = 4  # chunks whose waveforms are learned in about the time of a pass over all of the recording, per ten
MOST_MISSING = 0.5  # share of a window
MOST_MOVING = 0.5
TRUST = 0.95  # of the model: the rhythm that was found may be another one
LEAST_HALF_WIDTH = 4.0  # beats/min, of the interval: on recorded nights the model is surer than it is right


def track_heart_rate(
    accel,
    sampling_rate=None,
    *,
    evidence=None,
    rates=None,
    templates: BeatTemplates | None = None,
    min_confidence: float = 0.6,
    window_length: float = float(WINDOW),
    stride: float = float(STRIDE),
    progress: bool = False,
) -> pd.DataFrame:
    """Heart rate over time from acceleration at a wrist, without any optical sensor.

    Single beats are below the noise of a watch; a minute of them is not, once it is known how a beat moves this wrist.
    That waveform is found in the recording itself: beats and waveform are estimated in turns (expectation-maximisation)
    in chunks of three minutes, kept where the rhythm found is many times likelier than none, and carried over to the
    other chunks of like posture. A hidden semi-Markov model then gives the probability of every rate at every second.

    Parameters
    ----------
    accel : array_like or xarray.DataArray
        In g, gravity in. One recording of shape (3, n_samples), such as ``recording["accel"]``, whose gaps and clock
        are taken from its time coordinate; or windows (n_windows, 3, n_samples) with the coordinate ``start``, such as
        ``windows["accel"]``, in any order. Not finite means missing.
    sampling_rate : float, optional
        Hz, at least 20; may be omitted for a DataArray with the attribute ``sampling_rate``.
    evidence : array_like of shape (n_windows, n_rates), or callable, optional
        Other evidence in place of the waveforms: for each window a distribution over `rates` (likelihoods, not
        negative, any scale; a row of zeros or NaN says nothing), or a function that is given the windows as an array
        (n_windows, 3, n_samples) at 64 Hz and returns such an array.
    rates : array_like of shape (n_rates,), optional
        beats/min, increasing, of `evidence`.
    templates : BeatTemplates, optional
        Waveforms learned from minutes of this person that have a PPG; those of the recording are added to them.
    min_confidence : float, default 0.6
        Windows of less confidence have no rate.
    window_length, stride : float, default 60 and 10
        Seconds, of the windows of a recording. Given windows stay as they are.
    progress : bool
        Show a progress bar when it takes more than 2 s.

    Returns
    -------
    pandas.DataFrame
        One row a window:

        start
            Seconds, as the time coordinate of `accel` counts them.
        heart_rate
            beats/min, the median of its distribution; NaN with a reason.
        low, high
            beats/min; the rate lies between them with a probability of 90 %.
        confidence
            Probability that the rate is within 5 beats/min of `heart_rate`.
        reason
            Empty, or why there is no rate.

        ``attrs`` holds ``coverage``, the fraction of windows with a rate, and ``n_templates``.

    Raises
    ------
    ValueError
        For another shape, a sampling rate below 20 Hz, evidence of another shape. No content of a recording raises.

    Notes
    -----
    What the sensor moves with is not always its wearer's heart: another person's, felt through touch, is a heart, too.
    No rate is better than that of another rhythm, but this function cannot know.

    The prior: an interval scatters by 5 % about that of the present rate, the rate wanders by some 3 % in 5 minutes,
    faster while the wrist moves. Movements and gaps say nothing.
    """
    if not 0 <= float(min_confidence) <= 1:
        raise ValueError(f"min_confidence is {min_confidence!r}; expected a number from 0 to 1")
    clock = even_acceleration(accel, sampling_rate, float(window_length), float(stride))
    x, begins, ends = clock.values, clock.begins, clock.ends
    signal = vibration(x, 0.45 * clock.sampling_rate)
    n_templates = 0
    if evidence is not None:
        shares, wide_rates = _from_evidence(evidence, rates, clock, signal)
    else:
        if rates is not None:
            raise ValueError("rates are given without evidence; they are the rates that its columns are for")
        found, n_templates = _find(signal, templates, progress)
        wide_rates = RATES
        shares = _over_windows(found, begins, ends)
    return _table(shares, wide_rates, clock, signal, float(min_confidence), n_templates, evidence is not None)


def _find(signal: Vibration, templates: BeatTemplates | None, progress: bool) -> tuple[Rhythm | None, int]:
    """The rhythm of the whole recording and the number of templates it rests on; None without any."""
    from tqdm import tqdm

    given = list(templates.templates_) if templates is not None else []
    n_chunks = len(chunks(signal.values.shape[1]))
    a_pass = max(1, PASS * n_chunks // 10)
    with tqdm(total=2 * n_chunks + 2 * a_pass, desc="tracking", unit="step", delay=2, disable=not progress) as bar:
        known = learn_blindly(signal, rough_rate(signal), given, bar.update)
        if not known:
            return None, 0
        for again in (True, False):
            found = find_rhythm(chance_of_beats(signal, known), RATES, signal.left_out, SLOW_STEP)
            bar.update(a_pass)
            if again:
                known = relearn(signal, found, _confidence_by_second(found), known)
        return found, len(known)


def _confidence_by_second(found: Rhythm) -> np.ndarray:
    total = np.maximum(found.time.sum(axis=1), 1e-12)
    middle = found.time @ RATES / total
    near = np.abs(RATES - middle[:, None]) <= WITHIN
    return (found.time * near).sum(axis=1) / total


def _over_windows(found: Rhythm | None, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Distribution over `RATES` in each window; zeros where nothing is known."""
    if found is None:
        return np.zeros((len(begins), len(RATES)))
    sums = np.concatenate([np.zeros((1, len(RATES))), np.cumsum(found.time, axis=0)])
    second = lambda at: np.clip(np.round(at / RATE).astype(int), 0, len(found.time))
    shares = sums[second(ends)] - sums[second(begins)]
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)


def _from_evidence(evidence, rates, clock, signal: Vibration) -> tuple[np.ndarray, np.ndarray]:
    """Posterior of each window from evidence for the windows, in the order of their time."""
    if rates is None:
        raise ValueError("evidence is given without rates; expected rates, the beats/min of each of its columns")
    grid = np.asarray(rates, dtype=np.float64)
    if grid.ndim != 1 or len(grid) < 2 or not (np.diff(grid) > 0).all() or not np.isfinite(grid).all():
        raise ValueError(f"rates have shape {grid.shape}; expected at least 2 increasing, finite numbers (beats/min)")
    given = evidence(clock.windows()) if callable(evidence) else evidence
    table = np.array(given, dtype=np.float64)
    expected = (len(clock.begins), len(grid))
    if table.shape != expected:
        raise ValueError(f"evidence has shape {table.shape}; expected {expected}: one row a window, one column a rate")
    if (table < 0).any():
        raise ValueError("evidence holds negative values; expected likelihoods of at least 0 (exp() of logarithms)")
    table[~np.isfinite(table).all(axis=1) | (table.sum(axis=1) == 0)] = 1.0
    kept = np.array(
        [1 - signal.left_out[b:e].mean() if e > b else 0.0 for b, e in zip(clock.begins, clock.ends, strict=True)]
    )
    order = np.argsort(clock.begins, kind="stable")
    apart = np.diff(clock.begins[order], prepend=clock.begins[order[:1]]) / RATE
    span = np.median((clock.ends - clock.begins) / RATE) if len(order) else 1.0
    # Windows that overlap say the same several times, and those that move say less.
    weight = np.minimum(1.0, np.maximum(apart, 1e-3) / max(span, 1e-3))
    if len(weight):
        weight[0] = 1.0
    log_evidence = np.log(np.maximum(table[order], 1e-12 * table[order].max(axis=1, keepdims=True)))
    log_evidence *= (weight * kept[order])[:, None]
    # The variance of a walk grows with time.
    change = CHANGE * np.sqrt(np.maximum(np.round(apart, 1), 0.1) / STRIDE)
    posterior = np.empty_like(table)
    posterior[order] = rate_posterior(log_evidence, grid, change) if len(order) else posterior[order]
    return posterior, grid


def _table(shares, rates, clock, signal, min_confidence, n_templates, given) -> pd.DataFrame:
    n = len(clock.begins)
    columns = {name: np.full(n, np.nan) for name in ("heart_rate", "low", "high", "confidence")}
    reason = np.full(n, "", dtype=object)
    edge = (1 - COVERED) / 2
    for i, (begin, end) in enumerate(zip(clock.begins, clock.ends, strict=True)):
        missing = float(signal.missing[begin:end].mean()) if end > begin else 1.0
        moving = float(signal.left_out[begin:end].mean()) - missing if end > begin else 0.0
        if missing > MOST_MISSING:
            reason[i] = f"missing samples: {missing:.0%}"
        elif not np.any(signal.values[:, begin:end]):
            reason[i] = "flat"
        elif moving > MOST_MOVING:
            reason[i] = f"moving: {moving:.0%} of the window"
        elif not shares[i].sum() > 0:
            reason[i] = "no rhythm found"
        if reason[i]:
            continue
        cumulated = np.cumsum(shares[i]) - shares[i] / 2
        middle = float(np.interp(0.5, cumulated, rates))
        doubted = TRUST * cumulated + (1 - TRUST) * (np.arange(len(rates)) + 0.5) / len(rates)
        low, high = np.interp([edge, 1 - edge], doubted, rates)
        sure = TRUST * float(shares[i][np.abs(rates - middle) <= WITHIN].sum())
        columns["confidence"][i] = sure
        if sure < min_confidence:
            reason[i] = f"confidence {sure:.2f}"
            continue
        columns["heart_rate"][i] = middle
        columns["low"][i] = min(low, middle - LEAST_HALF_WIDTH)
        columns["high"][i] = max(high, middle + LEAST_HALF_WIDTH)
    table = pd.DataFrame({"start": clock.starts, **columns, "reason": pd.Series(reason, dtype=object)})
    known = float(np.mean(reason == "")) if n else math.nan
    table.attrs.update(coverage=known, min_confidence=min_confidence, n_templates=n_templates)
    return table
