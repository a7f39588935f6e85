"""How one person's beats move one sensor: waveforms learned from known beats, or from the recording itself.

A waveform (template) belongs to a posture: the same heart moves a wrist that lies another way differently. Templates
are therefore kept for chunks of three minutes, each with the direction of gravity, and each chunk uses the average of
those that were learned nearby in posture and time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from biosig_kernels.beat_templates import average_beats, match_template

from biosig.heart.beat_rhythm import NEAR, Rhythm, find_rhythm, likelihoods
from biosig.heart.vibration import RATE, Vibration, pulse_envelope

FIRST, LENGTH = -19, 51  # samples: 0.3 s before the beat to 0.5 s after it
CHUNK = 180  # s
ROUNDS = 5  # of finding beats and averaging about them
ENVELOPE_STRENGTH = 1.0  # of a beat in the envelope, before there is a waveform
SPAN = 10  # s, of the halves that check each other
SHIFT = 20  # samples by which templates of different chunks may lie apart
MIN_GAIN = 6.0  # nats a minute: noise, simulated or recorded, stays below 4
SAME_POSTURE = 12.0  # degrees, standard deviation
OTHER_POSTURE = 35.0  # degrees
FORGET = 30.0  # minutes
OTHER_RATE = 0.1  # relative, at which a rhythm beside known beats is another one
ALIKE, UNLIKE = 0.6, 0.25  # correlations of waveforms
MOST_AVERAGED = 8
STRENGTHS = (0.7, 2.0)  # standard deviations of the noise: the prior of a beat's size
MIN_KEPT = 0.5  # share of a chunk without movement
LEAST_BEAT = 0.02  # probability

_TAPER = np.sqrt(np.hanning(LENGTH + 2)[1:-1])


class Template(NamedTuple):
    """The average movement about a beat."""

    waveform: np.ndarray  # float32, (3, LENGTH), of length one
    energy: float  # of the average, in units of the noise, by the agreement of two halves
    agreement: float  # correlation of the halves
    gain: float  # nats a minute by which the rhythm found with it is likelier than none
    rate: float  # beats/min at which it was found
    minute: float  # in the recording
    direction: np.ndarray  # (3,), of gravity


def average(signal: Vibration, beats: np.ndarray, part: slice) -> tuple[np.ndarray, float, float]:
    """Waveform (3, LENGTH) about the beats of a part of the signal, its energy and the agreement of its halves."""
    x = np.ascontiguousarray(signal.values[:, part])
    weight = np.where(signal.left_out[part], 0.0, beats).astype(np.float32)
    sums, weights = np.empty((2, 3, LENGTH), np.float32), np.empty(2)
    average_beats(x, weight, LEAST_BEAT, FIRST, SPAN * round(RATE), sums, weights)
    halves = sums * _TAPER / np.maximum(weights, 1e-9)[:, None, None]
    sizes = np.sqrt((halves**2).sum(axis=(1, 2)))
    energy = float((halves[0] * halves[1]).sum())
    agreement = energy / float(sizes.prod()) if sizes.all() else 0.0
    return unit(halves.mean(axis=0)), energy, agreement


def unit(waveform: np.ndarray) -> np.ndarray:
    """The waveform with length one; zeros stay zeros."""
    size = np.sqrt((waveform**2).sum())
    return (waveform / size if size > 0 else waveform).astype(np.float32)


def shifted(waveform: np.ndarray, by: int) -> np.ndarray:
    """The waveform `by` samples later, zeros following."""
    out = np.zeros_like(waveform)
    if by >= 0:
        out[:, by:] = waveform[:, : waveform.shape[1] - by]
    else:
        out[:, :by] = waveform[:, -by:]
    return out


def _centred(waveform: np.ndarray) -> np.ndarray:
    """Put the middle of the energy into the middle of the window."""
    energy = (waveform**2).sum(axis=0)
    if not energy.sum() > 0:
        return waveform
    middle = float(energy @ np.arange(LENGTH)) / float(energy.sum())
    return unit(shifted(waveform, round((LENGTH - 1) / 2 - middle)))


def strength(energy) -> np.ndarray:
    """Size of a beat in the matched filter's output, limited to what is plausible."""
    return np.clip(np.sqrt(np.maximum(energy, 0.0)), *STRENGTHS)


def chunks(n_samples: int) -> list[slice]:
    """Parts of `CHUNK` seconds; the last is up to twice as long, a short recording is one part."""
    size = CHUNK * round(RATE)
    count = max(1, n_samples // size)
    return [slice(i * size, n_samples if i == count - 1 else (i + 1) * size) for i in range(count)]


def learn_chunk(signal: Vibration, envelope: np.ndarray, part: slice, rate: float) -> Template:
    """Waveform and rhythm of a few minutes by expectation-maximisation, from a rough rate (beats/min)."""
    rates = rate * NEAR
    left_out = signal.left_out[part]
    chance = likelihoods(envelope[part], ENVELOPE_STRENGTH, left_out)
    x = np.ascontiguousarray(signal.values[:, part])
    score = np.empty(x.shape[1], np.float32)
    for _ in range(ROUNDS):
        waveform, energy, agreement = average(signal, find_rhythm(chance, rates).beats, part)
        waveform = _centred(waveform)
        match_template(x, waveform, FIRST, 0, x.shape[1], score)
        chance = likelihoods(score, float(strength(energy)), left_out)
    found = find_rhythm(chance, rates)
    spent = found.time.sum(axis=0)
    mean = float(spent @ rates / spent.sum()) if spent.sum() > 0 else float("nan")
    minutes = max(float((~left_out).sum()) / RATE / 60, 0.1)
    where = direction(signal, part)
    return Template(waveform, energy, agreement, found.evidence / minutes, mean, minute_of(part), where)


def minute_of(part: slice) -> float:
    """Middle of a part of the signal, in minutes of the recording."""
    return 0.5 * (part.start + part.stop) / RATE / 60


def direction(signal: Vibration, part: slice) -> np.ndarray:
    """Direction of gravity in a part of the signal; NaN where it is not known."""
    per = round(RATE)
    some = signal.direction[:, part.start // per : max(part.stop // per, part.start // per + 1)]
    some = some[:, np.isfinite(some).all(axis=0)]
    if not some.shape[1]:
        return np.full(3, np.nan)
    middle = np.median(some, axis=1)
    return middle / max(float(np.linalg.norm(middle)), 1e-9)


def blend(known: list[Template], minute: float, where: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Waveform and strength for a chunk, from the templates near it in posture and time; None without any.

    Templates found in different chunks may be shifted against each other, so each is laid on the best one first.
    """
    weights = np.zeros(len(known))
    for i, template in enumerate(known):
        cosine = float(np.clip(template.direction @ where, -1, 1))
        angle = np.degrees(np.arccos(cosine)) if np.isfinite(cosine) else SAME_POSTURE
        if angle <= OTHER_POSTURE:
            near = np.exp(-0.5 * (angle / SAME_POSTURE) ** 2 - abs(template.minute - minute) / FORGET)
            weights[i] = max(template.gain, 0.0) * near
    order = np.argsort(-weights, kind="stable")[:MOST_AVERAGED]
    order = order[weights[order] > 1e-3 * max(float(np.max(weights, initial=0.0)), 0.1)]
    if not len(order):
        return None
    best = known[order[0]].waveform
    total, energy = weights[order[0]] * best.astype(np.float64), weights[order[0]] * known[order[0]].energy
    for i in order[1:]:
        laid = [shifted(known[i].waveform, by) for by in range(-SHIFT, SHIFT + 1)]
        likeness = [float((waveform * best).sum()) for waveform in laid]
        at = int(np.argmax(likeness))
        total += weights[i] * max(likeness[at], 0.0) * laid[at]
        energy += weights[i] * known[i].energy
    # Averages of few beats look larger than they are.
    return unit(total), float(strength(0.6 * energy / weights[order].sum()))


def chance_of_beats(signal: Vibration, known: list[Template]) -> np.ndarray:
    """Logarithm of the likelihood of a beat at each sample, by the templates that suit each chunk."""
    n = signal.values.shape[1]
    score, size = np.zeros(n, np.float32), np.zeros(n)
    for part in chunks(n):
        found = blend(known, minute_of(part), direction(signal, part))
        if found is not None:
            match_template(signal.values, found[0], FIRST, part.start, part.stop, score)
            size[part] = found[1]
    return likelihoods(score, size, signal.left_out | (size == 0))


def relearn(signal: Vibration, found: Rhythm, confidence: np.ndarray, known: list[Template]) -> list[Template]:
    """Templates of all chunks whose rhythm is sure, from its beats; `confidence` is for each second."""
    out = []
    for part in chunks(signal.values.shape[1]):
        seconds = slice(part.start // round(RATE), part.stop // round(RATE))
        sure = float(confidence[seconds].mean()) if len(confidence[seconds]) else 0.0
        if sure < 0.8 or signal.left_out[part].mean() > 1 - MIN_KEPT:
            continue
        waveform, energy, agreement = average(signal, found.beats[part], part)
        gain = max(energy, 0.0) * max(agreement, 0.0) * sure
        out.append(Template(waveform, energy, agreement, gain, float("nan"), minute_of(part), direction(signal, part)))
    return out or known


def learn_blindly(
    signal: Vibration, rough: np.ndarray, extra: list[Template], done: Callable[[], object] = lambda: None
) -> list[Template]:
    """Templates from the recording itself.

    Parameters
    ----------
    signal : Vibration
    rough : ndarray, shape (n_seconds,)
        A first guess of the heart rate in beats/min: wrong guesses cost nothing, since no rhythm is found there.
    extra : list of Template
        Known before; they are kept.
    done : callable
        Called twice for each chunk.
    """
    envelope = pulse_envelope(signal)
    parts = [part for part in chunks(signal.values.shape[1]) if signal.left_out[part].mean() <= 1 - MIN_KEPT]
    per = round(RATE)
    guess = lambda part: float(np.median(rough[part.start // per : part.stop // per]))
    tried: list[Template] = []
    for part in parts:
        tried.append(learn_chunk(signal, envelope, part, guess(part)))
        done()
    sure = [template for template in tried if template.gain >= MIN_GAIN]
    if sure:  # where the guess led nowhere, neighbours in time know better
        minutes, rates = np.array([t.minute for t in sure]), np.array([t.rate for t in sure])
        for i, part in enumerate(parts):
            between = float(np.interp(tried[i].minute, minutes, rates))
            if tried[i].gain < MIN_GAIN and abs(between / guess(part) - 1) > 0.05:
                again = learn_chunk(signal, envelope, part, between)
                tried[i] = max(tried[i], again, key=lambda template: template.gain)
            done()
    return [*extra, *_own([template for template in tried if template.gain >= MIN_GAIN], extra)]


def _own(found: list[Template], known: list[Template]) -> list[Template]:
    """Those of the templates found that may be of the person whose beats are known.

    A rhythm beside known beats that has another rate is not that person's: another heart, felt through touch, or a
    machine. Nor is what looks like it, nor what looks like nothing known of the same posture.
    """
    foreign = [
        template
        for template in found
        for other in known
        if abs(template.minute - other.minute) < CHUNK / 60 and abs(template.rate / other.rate - 1) > OTHER_RATE
    ]
    own = []
    for template in found:
        same = [other for other in known if _angle(template, other) < SAME_POSTURE]
        unlike = bool(same) and max(_likeness(template, other) for other in same) < UNLIKE
        if not unlike and not any(_likeness(template, other) > ALIKE for other in foreign):
            own.append(template)
    return own


def _angle(a: Template, b: Template) -> float:
    """Degrees between the directions of gravity; `SAME_POSTURE` where one is unknown."""
    cosine = float(np.clip(a.direction @ b.direction, -1, 1))
    return float(np.degrees(np.arccos(cosine))) if np.isfinite(cosine) else SAME_POSTURE


def _likeness(a: Template, b: Template) -> float:
    """Highest correlation of two waveforms over shifts against each other."""
    return max(float((shifted(a.waveform, by) * b.waveform).sum()) for by in range(-SHIFT, SHIFT + 1))
