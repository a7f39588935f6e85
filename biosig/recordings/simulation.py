"""Simulated cohorts: paired PPG and acceleration of people with traits, and the truth beside the signals."""

from __future__ import annotations

import math
import secrets
from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import xarray as xr
from biosig_kernels.threads import over_rows

from biosig.recordings.contract import make_recording, validate
from biosig.recordings.devices import Device, find_device
from biosig.recordings.motion import simulate_motion
from biosig.recordings.physiology import Traits, draw_traits, simulate_heart
from biosig.recordings.processes import slow_grid
from biosig.recordings.simulated_accel import simulate_accel
from biosig.recordings.simulated_ppg import WAVELENGTHS, simulate_ppg

_START = "2024-01-01T00:00:00Z"


def simulate_cohort(
    n_participants: int = 32,
    duration: float = 1800.0,
    *,
    device: str | Device = "watch",
    n_wavelengths: int = 1,
    random_state: int | np.random.Generator | None = None,
    n_jobs: int | None = None,
    progress: bool = False,
) -> list[xr.Dataset]:
    """Simulate one recording of each of some people, with the truth.

    Participant ``k`` of a seed is the same whatever the number of participants and threads. The beat's size in the
    acceleration does not depend on the heart rate, and movement raises the rate only mildly, so that the rate can only
    be told from when the beats come.

    Parameters
    ----------
    n_participants : int
    duration : float
        Seconds, at least 10.
    device : {"watch", "e4"} or Device
        "watch": 50 Hz acceleration with 0.5 mg steps, 64 Hz PPG; "e4": 32 Hz with 15.6 mg steps, 64 Hz PPG.
    n_wavelengths : int
        1 to 4: green, infrared, red, blue.
    random_state : int, numpy.random.Generator or None
    n_jobs : int, optional
        Threads; all cores when None.
    progress : bool
        Show a progress bar.

    Returns
    -------
    list of xarray.Dataset
        Recordings with accel (g) and ppg, and the truth: ``true_beat`` (times in s at which the pulse rises steepest in
        the wrist's PPG), ``true_ectopic`` (1 for early beats), attributes ``age`` (years), ``sex``, ``bmi`` (kg/m2) and
        ``true_...`` for the other traits. `truth_targets` turns the beats into rates and variability.

    Raises
    ------
    ValueError
        For numbers out of range or an unknown device.
    """
    if isinstance(n_participants, bool) or int(n_participants) != n_participants or n_participants < 1:
        raise ValueError(f"n_participants is {n_participants!r}; expected a whole number of at least 1")
    if not 10.0 <= duration < math.inf:
        raise ValueError(f"duration is {duration!r} s; expected at least 10 s")
    if n_wavelengths not in range(1, len(WAVELENGTHS) + 1):
        raise ValueError(f"n_wavelengths is {n_wavelengths!r}; expected 1 to {len(WAVELENGTHS)}")
    model = find_device(device)
    seed = _entropy(random_state)
    n = int(n_participants)
    recordings: dict[int, xr.Dataset] = {}
    from tqdm import tqdm

    with tqdm(total=n, desc="simulating", unit="person", disable=not progress, leave=False) as bar:

        def some(start: int, stop: int) -> None:
            for k in range(start, stop):
                recordings[k] = _participant(seed, k, float(duration), model, int(n_wavelengths))
                bar.update()

        over_rows(some, n, n_jobs)
    return [recordings[k] for k in range(n)]


def _entropy(random_state: int | np.random.Generator | None) -> int:
    if random_state is None:
        return secrets.randbits(64)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool) and random_state >= 0:
        return int(random_state)
    raise ValueError(f"random_state is {random_state!r}; expected a whole number of at least 0, a Generator or None")


class Signals(NamedTuple):
    """One simulated participant as plain arrays.

    Attributes
    ----------
    traits : Traits
    accel : array of shape (n_accel, 3), float32
        g; the first sample is at 0 s.
    ppg : array of shape (n_ppg, n_wavelengths), float32
    late : float
        Time of the first sample of the PPG (s).
    beats : array of shape (n_beats,)
        Times (s) at which the pulse rises steepest.
    ectopic : array of bool, shape (n_beats,)
    """

    traits: Traits
    accel: np.ndarray
    ppg: np.ndarray
    late: float
    beats: np.ndarray
    ectopic: np.ndarray


def simulate_signals(seed: int, k: int, duration: float, device: Device, n_wavelengths: int = 1) -> Signals:
    """Signals of participant `k` of a seed: what `simulate_cohort` puts into a Recording, without one around it.

    Each part of the participant has a random stream of its own, so that nothing depends on who else is simulated.
    """
    streams = (np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k, part))) for part in range(5))
    of_person, of_motion, of_heart, of_accel, of_ppg = streams
    traits = draw_traits(of_person)
    # The sensors do not start together.
    late = float(of_person.uniform(0.0, 0.3))
    t = slow_grid(duration)
    motion = simulate_motion(of_motion, traits, t)
    heart = simulate_heart(of_heart, traits, t, motion.activity)
    times_accel = np.arange(int(duration * device.accel_rate)) / device.accel_rate
    times_ppg = late + np.arange(int((duration - late) * device.ppg_rate)) / device.ppg_rate
    accel, arm = simulate_accel(of_accel, traits, heart, motion, t, times_accel, device)
    ppg = simulate_ppg(of_ppg, traits, heart, motion, arm, t, times_accel, times_ppg, device, n_wavelengths)
    inside = (heart.arrival >= 0.0) & (heart.arrival < duration)
    return Signals(traits, accel, ppg, late, heart.arrival[inside], heart.ectopic[inside])


def _participant(seed: int, k: int, duration: float, device: Device, n_wavelengths: int) -> xr.Dataset:
    """Recording of participant `k`."""
    signals = simulate_signals(seed, k, duration, device, n_wavelengths)
    recording = make_recording(
        accel=signals.accel,
        ppg=signals.ppg,
        sampling_rate={"accel": device.accel_rate, "ppg": device.ppg_rate},
        offset={"ppg": signals.late},
        wavelengths=WAVELENGTHS[:n_wavelengths],
        start_time=_START,
        participant=f"P{k + 1:03d}",
        session=f"P{k + 1:03d}-1",
        device=device.name,
        source=f"biosig.simulate_cohort, seed {seed}",
        attrs=_trait_attrs(signals.traits),
    )
    recording["true_beat"] = ("true_beat_index", signals.beats, {"units": "s"})
    recording["true_ectopic"] = ("true_beat_index", signals.ectopic.astype(np.int8))
    return validate(recording)


def _trait_attrs(traits: Traits) -> dict[str, float | str]:
    known = ("age", "sex", "bmi")
    return {name if name in known else f"true_{name}": value for name, value in asdict(traits).items()}
