"""PPG of a simulated wrist: pulses of three smooth waves, breathing, perfusion and movement."""

from __future__ import annotations

import numpy as np
from biosig_kernels.synthesis import add_templates

from biosig.recordings.devices import Device
from biosig.recordings.motion import Motion, unit_vectors
from biosig.recordings.physiology import Heart, Traits
from biosig.recordings.processes import band_noise, bumps, interp, normals, poisson_times, slow_noise, wander

WAVELENGTHS = ("green", "infrared", "red", "blue")
_PULSE = (1.0, 0.5, 0.35, 0.6)
_ARTEFACT = (1.0, 1.4, 1.2, 0.9)
_MEDIAN_PERFUSION = 0.012
_UNLEVELLED_SCALE = 40.0
_TEMPLATE_RATE = 1000.0
_LENGTH = 2.2
_BURST = 0.5


def simulate_ppg(
    rng: np.random.Generator,
    traits: Traits,
    heart: Heart,
    motion: Motion,
    arm: np.ndarray,
    t: np.ndarray,
    times_accel: np.ndarray,
    times: np.ndarray,
    device: Device,
    n_wavelengths: int,
) -> np.ndarray:
    """PPG at `times`, blood volume up = value up.

    A pulse is the sum of a direct, a reflected and a diastolic wave (after Goswami et al. 2010; Allen 2007). The
    reflected wave comes sooner and is larger in stiff arteries; all the wavelengths see the same pulses, each with its
    own gain, softness, wandering, noise and share of the movement.

    Parameters
    ----------
    rng : numpy.random.Generator
    traits, heart, motion
        The person, the beats and the movement over the slow grid `t`.
    arm : numpy.ndarray of shape (3, n_accel)
        Acceleration of the arm in g at `times_accel`.
    t, times_accel, times : numpy.ndarray
        In s.
    device : Device
    n_wavelengths : int

    Returns
    -------
    numpy.ndarray of shape (n_samples, n_wavelengths), float32
        In device units.
    """
    n = len(times)
    out = _pulses(rng, traits, heart, motion, t, times, device.ppg_rate, n_wavelengths)
    breath = interp(times, t, np.sin(heart.breathing + rng.uniform(0.0, 2.0 * np.pi)))
    shared = rng.uniform(0.1, 0.35) * breath + 0.35 * interp(times, t, wander(rng, len(t), 12.0))
    push = _movement(rng, arm, motion, t, times_accel, times)
    for k in range(n_wavelengths):
        private = 0.2 * interp(times, t, wander(rng, len(t), 6.0))
        out[k] += _PULSE[k] * (shared + private)
        own = push if k == 0 else 0.75 * push + 0.4 * _movement(rng, arm, motion, t, times_accel, times)
        out[k] += _PULSE[k] * _ARTEFACT[k] * own
    scale = (
        device.ppg_level * traits.perfusion_index
        if device.ppg_level > 0
        else (_UNLEVELLED_SCALE * traits.perfusion_index / _MEDIAN_PERFUSION)
    )
    unit = scale / traits.perfusion_index * _MEDIAN_PERFUSION
    noise = device.ppg_noise * normals(rng, (n_wavelengths, n), np.float32)
    if device.ppg_slow_noise > 0:
        noise = noise + device.ppg_slow_noise * slow_noise(
            rng, n, device.ppg_rate, device.ppg_slow_below, n_wavelengths
        )
    if device.ppg_bursts > 0:
        noise = noise + _bursts(rng, t, times, device.ppg_bursts, n_wavelengths)
    noise = noise * (traits.noise_factor * unit)
    return np.ascontiguousarray((device.ppg_level + scale * out + noise).T, dtype=np.float32)


def _pulses(rng, traits, heart, motion, t, times, rate, n_wavelengths) -> np.ndarray:
    """Pulses of about unit height, shape (n_wavelengths, n_samples)."""
    beats, interval = heart.arrival, heart.interval
    n_postures = len(motion.posture) + 1
    flow = np.exp(rng.normal(0.0, 0.25, n_postures))[motion.posture_at(beats)]
    flow *= np.exp(0.2 * interp(beats, t, wander(rng, len(t), 50.0)))
    breath = interp(beats, t, np.sin(heart.breathing + rng.uniform(0.0, 2.0 * np.pi)))
    # An early beat ejects little, the one after the pause more: the heart fills in the meantime.
    local = np.convolve(np.pad(interval, 8, mode="edge"), np.ones(17) / 17, "valid")
    filling = np.clip(interval / local, 0.4, 1.4)
    size = flow * (1.0 + rng.uniform(0.03, 0.12) * breath) * filling * np.exp(rng.normal(0.0, 0.03, len(beats)))
    stretch = np.sqrt(np.clip(interval, 0.4, 1.5) / 0.85)
    reflected_after = 0.62 / traits.pulse_wave_velocity**0.62 + rng.normal(0.0, 0.01)
    reflected = float(np.clip(0.25 + 0.006 * (traits.age - 20.0) + rng.normal(0.0, 0.08), 0.15, 0.8))
    diastolic = float(np.clip(0.35 - 0.003 * (traits.age - 20.0) + rng.normal(0.0, 0.06), 0.05, 0.5))
    template = np.empty((n_wavelengths, int(_LENGTH * _TEMPLATE_RATE)))
    soft = 1.0
    for k in range(n_wavelengths):
        waves = ((1.0, 0.0, 0.085 * soft, 0.13), (reflected, reflected_after, 0.07 * soft, 0.12))
        template[k], upslope = _pulse((*waves, (diastolic, reflected_after + 0.22, 0.10, 0.17)))
        soft = rng.uniform(0.95, 1.15)
        if k == 0:
            origin = upslope
    amplitudes = np.outer(_PULSE[:n_wavelengths], size)
    out = np.zeros((n_wavelengths, len(times)))
    add_templates(
        beats, amplitudes, stretch, template, origin, _TEMPLATE_RATE, float(times[0]), rate, out, 0, n_wavelengths
    )
    return out


def _pulse(waves) -> tuple[np.ndarray, float]:
    """One pulse of unit height from waves (height, delay, rise, fall in s), and the place of its steepest rise in s."""
    t = np.arange(int(_LENGTH * _TEMPLATE_RATE)) / _TEMPLATE_RATE - 0.5
    pulse = np.zeros(len(t))
    for height, delay, rise, fall in waves:
        x = t - delay
        pulse += height * np.exp(-0.5 * np.square(x / np.where(x < 0, rise, fall)))
    pulse /= pulse.max()
    return pulse, float(np.argmax(np.diff(pulse)) + 0.5) / _TEMPLATE_RATE


def _movement(rng, arm, motion, t, times_accel, times) -> np.ndarray:
    """What movement does to the light, in pulse heights: the arm's acceleration, late and soft, and slow slips."""
    seen = unit_vectors(rng, 1)[0] @ arm
    gain, delay = 12.0 * np.exp(rng.normal(0.0, 0.4)), rng.uniform(0.02, 0.15)
    direct = gain * 0.25 * np.tanh(interp(times - delay, times_accel, seen) / 0.25)
    slips = interp(times, t, motion.activity * wander(rng, len(t), 1.5))
    rough = band_noise(rng, len(times), float(1.0 / (times[1] - times[0])), 0.5, 4.0, 1)[0]
    return direct + 0.8 * slips + 4.0 * rough * interp(times, t, motion.strength)


def _bursts(rng, t, times, per_minute: float, n_wavelengths: int) -> np.ndarray:
    """Short disturbances that come to all wavelengths at once, in median pulse heights."""
    starts = poisson_times(rng, per_minute / 60.0, t[0], t[-1])
    sizes = _BURST * np.exp(rng.normal(0.0, 0.7, len(starts)))
    envelope = interp(times, t, bumps(t, starts, rng.uniform(0.3, 1.5, len(starts)), sizes, 0.4))
    return envelope * band_noise(rng, len(times), float(1.0 / (times[1] - times[0])), 0.5, 4.0, n_wavelengths)
