"""What a simulated arm does: it lies still, then moves for a while, and lies in another way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from biosig.recordings.physiology import Traits
from biosig.recordings.processes import bumps, poisson_times, wander


@dataclass(frozen=True)
class Motion:
    """Movement over the slow grid.

    Attributes
    ----------
    bouts : (n_bouts, 2) start and stop of the times of movement, in s.
    activity : (n,) 1 within bouts, 0 outside, with soft edges.
    strength : (n,) standard deviation of the arm's acceleration in g.
    gravity : (n, 3) direction of gravity in the sensor's axes.
    posture : (n_changes,) times in s at which another posture begins.
    """

    bouts: np.ndarray
    activity: np.ndarray
    strength: np.ndarray
    gravity: np.ndarray
    posture: np.ndarray

    def posture_at(self, times: np.ndarray) -> np.ndarray:
        """Index of the posture at `times`."""
        return np.searchsorted(self.posture, times)


def simulate_motion(rng: np.random.Generator, traits: Traits, t: np.ndarray) -> Motion:
    """Alternate still stretches with bouts of gestures and posture changes over the grid `t`."""
    bouts = _bouts(rng, traits, t)
    lengths = np.diff(bouts, axis=1)[:, 0]
    activity = np.minimum(bumps(t, bouts[:, 0], lengths, np.ones(len(bouts)), 1.0), 1.0)
    starts, spans, sizes, changes = [], [], [], []
    for start, stop in bouts:
        gestures = poisson_times(rng, 0.25, start, stop)
        starts.append(gestures)
        spans.append(np.minimum(1.0 + rng.exponential(2.0, len(gestures)), np.maximum(stop - gestures, 0.6)))
        sizes.append(0.09 * np.exp(rng.normal(0.0, 0.8, len(gestures))))
        changes.append(rng.uniform(start, stop, 1 + rng.poisson(0.6)))
    # Between bouts, small twitches now and then.
    twitches = poisson_times(rng, 1.0 / 45.0, t[0], t[-1])
    starts.append(twitches)
    spans.append(rng.uniform(0.3, 1.2, len(twitches)))
    sizes.append(0.006 * np.exp(rng.normal(0.0, 0.7, len(twitches))))
    gestures = bumps(t, np.concatenate(starts), np.concatenate(spans), np.concatenate(sizes), 0.5)
    posture = np.sort(np.concatenate([np.zeros(0), *changes]))
    # A resting arm is never quite still: a background that comes and goes.
    rest = 5e-4 * np.exp(0.8 * wander(rng, len(t), 90.0))
    strength = np.minimum(gestures, 0.8) + 0.012 * activity + rest
    return Motion(bouts, activity, strength, _gravity(rng, t, posture), posture)


def unit_vectors(rng: np.random.Generator, n: int) -> np.ndarray:
    """Random directions, shape (n, 3)."""
    vectors = rng.standard_normal((n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _bouts(rng: np.random.Generator, traits: Traits, t: np.ndarray) -> np.ndarray:
    bouts = []
    now = t[0] + rng.exponential(traits.still_time)
    while now < t[-1]:
        length = float(np.clip(35.0 * np.exp(rng.normal(0.0, 0.7)), 4.0, 240.0))
        bouts.append((now, now + length))
        now += length + 15.0 + rng.exponential(traits.still_time)
    return np.array(bouts).reshape(-1, 2)


def _gravity(rng: np.random.Generator, t: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """Direction of gravity: a posture until the next change, reached within seconds, and slow drift on top."""
    level = unit_vectors(rng, 1)[0]
    path = np.tile(level, (len(t), 1))
    for change in changes:
        after = level + rng.uniform(0.15, 0.9) * unit_vectors(rng, 1)[0]
        after /= np.linalg.norm(after)
        span = rng.uniform(0.8, 2.5)
        begin, end = np.searchsorted(t, (change, change + span + 1.0))  # before and after, nothing moves
        share = np.clip((t[begin:end] - change) / span, 0.0, 1.0)
        path[begin:end] += (share * share * (3.0 - 2.0 * share))[:, np.newaxis] * (after - level)
        path[end:] += after - level
        level = after
    path += 0.03 * wander(rng, len(t), 60.0, 3)
    return path / np.linalg.norm(path, axis=1, keepdims=True)
