"""Acceleration of a simulated wrist: gravity, breathing, the heart's recoil, movement and the device."""

from __future__ import annotations

import numpy as np
from biosig_kernels.synthesis import add_templates, read_out

from biosig.recordings.devices import Device
from biosig.recordings.motion import Motion, unit_vectors
from biosig.recordings.physiology import Heart, Traits
from biosig.recordings.processes import band_noise, interp, normals, wander

_TEMPLATE_RATE = 1000.0


def simulate_accel(
    rng: np.random.Generator,
    traits: Traits,
    heart: Heart,
    motion: Motion,
    t: np.ndarray,
    times: np.ndarray,
    device: Device,
) -> tuple[np.ndarray, np.ndarray]:
    """Acceleration at `times` as the device reports it.

    The heart's part is a damped oscillation at each beat (wrist ballistocardiogram: Inan et al. 2015), in two waves
    with their own axes. Its size varies from beat to beat, slowly, with breathing, and with each posture; it does not
    depend on the rate.

    Parameters
    ----------
    rng : numpy.random.Generator
    traits, heart, motion
        The person, the beats and the movement over the slow grid `t`.
    t : numpy.ndarray of shape (n_grid,)
    times : numpy.ndarray of shape (n_samples,)
        Regular, in s.
    device : Device

    Returns
    -------
    reading : numpy.ndarray of shape (n_samples, 3), float32
        In g, with the device's noise, range and step.
    arm : numpy.ndarray of shape (3, n_samples)
        The movement of the arm alone in g; it disturbs the PPG as well.
    """
    n = len(times)
    rate = device.accel_rate
    strength = interp(times, t, motion.strength)
    arm = strength * band_noise(rng, n, rate, 0.4, 5.0, 3)
    breath = interp(heart.ejection, t, np.sin(heart.breathing + rng.uniform(0.0, 2.0 * np.pi)))
    signal = _recoil(rng, traits, heart, motion, t, times, rate, breath)
    tilt_size = traits.breathing_tilt * np.clip(1.0 + 0.3 * wander(rng, len(t), 40.0), 0.3, 2.0)
    tilt = interp(times, t, tilt_size * np.sin(heart.breathing))
    signal += unit_vectors(rng, 1)[0][:, np.newaxis] * tilt
    for axis in range(3):
        signal[axis] += interp(times, t, motion.gravity[:, axis])
    signal += arm
    # Physiological tremor, in the very band of the recoil.
    signal += 2e-4 * traits.noise_factor * band_noise(rng, n, rate, 7.0, 12.0, 3)
    signal += device.accel_noise * traits.noise_factor * normals(rng, (3, n), np.float32)
    reading = np.empty((n, 3), np.float32)
    read_out(signal, float(device.accel_range), float(device.accel_step), reading)
    return reading, arm


def _recoil(
    rng: np.random.Generator,
    traits: Traits,
    heart: Heart,
    motion: Motion,
    t: np.ndarray,
    times: np.ndarray,
    rate: float,
    breath: np.ndarray,
) -> np.ndarray:
    """The beat-locked oscillation, shape (3, n_samples), in g."""
    beats = heart.arrival - traits.cardiac_lead
    posture = motion.posture_at(beats)
    n_postures = len(motion.posture) + 1
    coupling = np.exp(rng.normal(0.0, 0.25, n_postures))
    slow = np.exp(0.15 * interp(beats, t, wander(rng, len(t), 60.0)))
    single = np.exp(rng.normal(0.0, 0.1, len(beats)))
    size = traits.cardiac_amplitude * coupling[posture] * slow * single * (1.0 + 0.15 * breath)
    size *= np.where(heart.ectopic, 0.5, 1.0)
    stretch = np.exp(rng.normal(0.0, 0.03, len(beats)))
    out = np.zeros((3, len(times)))
    axes = unit_vectors(rng, 2)
    # The second wave follows the first within the ejection, lower and longer.
    for axis, delay, share, pitch in zip(axes, (0.0, rng.uniform(0.09, 0.16)), (1.0, 0.55), (1.0, 0.8), strict=True):
        mix = axis + 0.35 * unit_vectors(rng, n_postures)
        mix /= np.linalg.norm(mix, axis=1, keepdims=True)
        template = np.tile(_oscillation(traits.cardiac_frequency * pitch, traits.cardiac_damping), (3, 1))
        amplitudes = np.ascontiguousarray(share * size * mix[posture].T)
        add_templates(
            beats + delay, amplitudes, stretch, template, 0.0, _TEMPLATE_RATE, float(times[0]), rate, out, 0, 3
        )
    return out


def _oscillation(frequency: float, damping: float) -> np.ndarray:
    """Damped oscillation of unit peak with a soft start; it ends at zero."""
    t = np.arange(int(6.0 * damping * _TEMPLATE_RATE)) / _TEMPLATE_RATE
    wave = np.sin(2.0 * np.pi * frequency * t) * np.exp(-t / damping) * (1.0 - np.exp(-((t / 0.02) ** 2)))
    wave *= np.clip((t[-1] - t) / damping, 0.0, 1.0)
    return wave / np.abs(wave).max()
