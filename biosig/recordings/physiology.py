"""Simulated people and their hearts: traits drawn jointly, breathing, and beats from pulse frequency modulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from biosig.recordings.processes import GRID_RATE, bumps, interp, poisson_times, wander


@dataclass(frozen=True)
class Traits:
    """A simulated person; rates in 1/min, times in s, amplitudes in g."""

    age: float
    sex: str
    bmi: float
    resting_rate: float
    rmssd: float
    lf_to_hf: float
    ectopic_rate: float
    activity_gain: float
    respiratory_rate: float
    pulse_wave_velocity: float
    transit_time: float
    cardiac_amplitude: float
    cardiac_frequency: float
    cardiac_damping: float
    cardiac_lead: float
    breathing_tilt: float
    perfusion_index: float
    still_time: float
    noise_factor: float


def draw_traits(rng: np.random.Generator) -> Traits:
    """One person, from a joint distribution with what is known of adults.

    Heart rate variability falls with age and with resting rate (Umetani et al. 1998; Voss et al. 2015), pulse wave
    velocity rises with age (Reference Values for Arterial Stiffness' Collaboration 2010), resting rate is some 3 /min
    higher in women and falls with fitness. How the beat shows in the acceleration is drawn apart from all that.
    """
    age = rng.uniform(20.0, 75.0)
    female = rng.random() < 0.5
    fitness = rng.standard_normal()
    bmi = float(np.clip(23.0 + 0.06 * (age - 20.0) - 0.8 * fitness + rng.normal(0.0, 3.3), 17.0, 42.0))
    resting = 65.0 + 3.0 * female + 0.3 * (bmi - 25.0) - 4.0 * fitness + rng.normal(0.0, 7.0)
    resting = float(np.clip(resting, 45.0, 95.0))
    log_rmssd = np.log(36.0) - 0.014 * (age - 40.0) - 0.018 * (resting - 65.0) + 0.1 * fitness + rng.normal(0.0, 0.3)
    velocity = 5.8 + 0.07 * (age - 20.0) + 0.04 * (bmi - 25.0) + rng.normal(0.0, 0.8)
    velocity = float(np.clip(velocity, 4.5, 14.0))
    reach = (0.68 if female else 0.74) * rng.uniform(0.93, 1.07)  # heart to wrist, m
    return Traits(
        age=float(age),
        sex="female" if female else "male",
        bmi=bmi,
        resting_rate=resting,
        rmssd=float(np.clip(np.exp(log_rmssd), 8.0, 120.0)),
        lf_to_hf=float(1.2 * np.exp(rng.normal(0.005 * (age - 45.0), 0.3))),
        ectopic_rate=float(min(5.0, 0.06 * np.exp(rng.normal(0.01 * (age - 45.0), 1.3)))),
        activity_gain=float(np.clip(4.0 * np.exp(rng.normal(0.0, 0.5)), 1.0, 12.0)),
        respiratory_rate=float(np.clip(15.0 + 0.1 * (bmi - 25.0) - 0.5 * fitness + rng.normal(0.0, 2.2), 9.0, 23.0)),
        pulse_wave_velocity=velocity,
        transit_time=reach / velocity,
        cardiac_amplitude=float(1e-3 * np.clip(3.0 * np.exp(rng.normal(0.0, 0.4)), 1.0, 5.0)),
        cardiac_frequency=float(rng.uniform(4.5, 12.5)),
        cardiac_damping=float(rng.uniform(0.06, 0.14)),
        cardiac_lead=float(rng.uniform(0.0, 0.05)),
        breathing_tilt=float(1e-3 * np.clip(3.0 * np.exp(rng.normal(0.0, 0.6)), 0.5, 12.0)),
        perfusion_index=float(np.clip(0.012 * np.exp(rng.normal(0.0, 0.5)), 0.003, 0.05)),
        still_time=float(np.clip(300.0 * np.exp(rng.normal(0.0, 0.25)), 170.0, 600.0)),
        noise_factor=float(np.exp(rng.normal(0.0, 0.15))),
    )


@dataclass(frozen=True)
class Heart:
    """Beats and breathing of one recording."""

    ejection: np.ndarray
    ectopic: np.ndarray
    breathing: np.ndarray
    arrival: np.ndarray

    @property
    def interval(self) -> np.ndarray:
        """Interval in s that ends at each beat; the first is taken to equal the second."""
        steps = np.diff(self.arrival)
        return np.concatenate([steps[:1], steps])


def simulate_heart(rng: np.random.Generator, traits: Traits, t: np.ndarray, activity: np.ndarray) -> Heart:
    """Beats of a heart over the grid `t`.

    The beats are where the integral of the instantaneous rate passes whole numbers (integral pulse frequency
    modulation: Bayly 1968; Mateo & Laguna 2000). The rate is the person's, shifted for the day, drifting over
    minutes, raised in episodes without movement and mildly by movement, and modulated at about 0.1 Hz and by breathing.

    Parameters
    ----------
    rng : numpy.random.Generator
    traits : Traits
    t : numpy.ndarray of shape (n,)
        Grid in s, at `GRID_RATE`.
    activity : numpy.ndarray of shape (n,)
        Movement, 0 to 1.

    Returns
    -------
    Heart
        `ejection` and `arrival` (at the wrist's pulse upslope) in s, `ectopic` flags, and `breathing`, the phase in
        radians over the grid.
    """
    n = len(t)
    breath_rate = traits.respiratory_rate / 60.0 * np.clip(1.0 + 0.10 * wander(rng, n, 25.0), 0.5, 1.6)
    breathing = rng.uniform(0.0, 2.0 * np.pi) + 2.0 * np.pi * np.cumsum(breath_rate) / GRID_RATE
    rate = _rate(rng, traits, t, activity)
    # Standard deviations of the two modulations that give the person's RMSSD: a sinusoid of standard deviation s at
    # f Hz contributes 2 s sin(pi f RR) to it.
    mean_rr = 60.0 / float(np.mean(rate))
    hf, lf = (2.0 * np.sin(np.pi * f * mean_rr) for f in (traits.respiratory_rate / 60.0, 0.09))
    sd_hf = 1e-3 * traits.rmssd / np.hypot(hf, lf * traits.lf_to_hf)
    depth = np.clip(1.0 + 0.3 * wander(rng, n, 40.0), 0.2, 2.0)
    sd_lf = traits.lf_to_hf * sd_hf
    modulation = sd_hf * np.sqrt(2.0) * depth * np.sin(breathing) + sd_lf * _low_frequency(rng, n) * depth[::-1]
    frequency = np.clip(rate / 60.0 * (1.0 + modulation / mean_rr), 0.55, 3.3)
    count = np.concatenate([[0.0], np.cumsum((frequency[1:] + frequency[:-1]) / (2.0 * GRID_RATE))])
    ejection = interp(np.arange(1.0, count[-1]), count, t)
    ejection, ectopic = _add_ectopic(rng, traits, ejection)
    at_beat = interp(ejection, t, np.sin(breathing))
    transit = traits.transit_time * (1.0 + 0.015 * at_beat) + rng.normal(0.0, 0.002, len(ejection))
    return Heart(ejection, ectopic, breathing, ejection + transit)


def _rate(rng: np.random.Generator, traits: Traits, t: np.ndarray, activity: np.ndarray) -> np.ndarray:
    """Heart rate in 1/min over the grid, without its fast variability."""
    n = len(t)
    episodes = poisson_times(rng, 1.0 / 700.0, t[0], t[-1])
    raised = bumps(t, episodes, rng.uniform(90.0, 300.0, len(episodes)), rng.uniform(4.0, 16.0, len(episodes)), 30.0)
    # The response to movement comes with a time constant of 15 s.
    lag = np.exp(-np.arange(int(75 * GRID_RATE)) / (15.0 * GRID_RATE))
    response = np.convolve(activity, lag / lag.sum())[:n]
    day = rng.normal(0.0, 4.0)
    drift = 2.0 * wander(rng, n, 45.0) + 3.5 * wander(rng, n, 250.0)
    return np.clip(traits.resting_rate + day + drift + raised + traits.activity_gain * response, 40.0, 170.0)


def _low_frequency(rng: np.random.Generator, n: int) -> np.ndarray:
    """Unit noise around 0.09 Hz (blood pressure waves)."""
    phase = 2.0 * np.pi * np.cumsum(0.09 * np.clip(1.0 + 0.2 * wander(rng, n, 12.0), 0.4, 1.7)) / GRID_RATE
    size = wander(rng, n, 30.0, 2)
    return size[:, 0] * np.cos(phase) + size[:, 1] * np.sin(phase)


def _add_ectopic(rng: np.random.Generator, traits: Traits, beats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Some beats come early and are followed by a full compensatory pause."""
    intervals = np.diff(beats, prepend=2.0 * beats[0] - beats[1])
    ectopic = rng.random(len(beats)) < traits.ectopic_rate * intervals / 60.0
    ectopic[1:] &= ~ectopic[:-1]
    early = rng.uniform(0.2, 0.4, len(beats)) * intervals
    return np.where(ectopic, beats - early, beats), ectopic
