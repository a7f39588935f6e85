"""Real movement and real PPG with a beat of known size in the acceleration, as a chosen sensor would report it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.signal import butter, sosfiltfilt

from biosig.heart import detect_beats

MOVEMENT_CUTOFF = 3.0  # Hz
BEAT_FREQUENCY, BEAT_DAMPING, BEAT_LENGTH = 7.0, 0.12, 0.7  # Hz, s, s: as in the simulated cohort
PIECE = 60.0  # s of PPG in which beats are looked for at once


@dataclass(frozen=True)
class Sensor:
    """What an accelerometer adds to what it measures.

    Attributes
    ----------
    name : str
    step : float
        g, from one value to the next.
    noise : float
        g, standard deviation of the white noise of a sample and axis, before rounding.
    """

    name: str
    step: float
    noise: float


SENSORS = (
    Sensor("15.6 mg (E4)", 1 / 64, 0.004),
    Sensor("3.9 mg", 1 / 256, 0.002),
    Sensor("1 mg", 1 / 1024, 0.001),
    Sensor("0.5 mg", 1 / 2048, 0.0005),
    Sensor("0.06 mg (16 bit)", 1 / 16384, 0.0002),
)
"""From the Empatica E4 to low-noise parts of today; noise as in their quietest minutes, rounded."""


def movement_of(accel: np.ndarray, sampling_rate: float, step: float) -> np.ndarray:
    """Take the staircase of a coarse sensor off its signal and leave the movement.

    What is slower than 3 Hz stays; of the rest only what exceeds one step does, so that a movement keeps all of its
    frequencies and the quantisation noise, which is smaller, goes.

    Parameters
    ----------
    accel : array of shape (n_samples, 3)
        g; missing samples (NaN) stay missing.
    sampling_rate, step : float
        Hz; g, of the sensor that measured it, 0 for one that needs nothing taken off.
    """
    known = np.isfinite(accel)
    if step <= 0 or len(accel) < 64:
        return accel.astype(np.float64)
    whole = np.where(known, accel, np.nanmean(accel, axis=0) if known.any() else 0.0)
    slow = sosfiltfilt(butter(2, MOVEMENT_CUTOFF, fs=sampling_rate, output="sos"), whole, axis=0)
    fast = whole - slow
    return np.where(known, slow + np.sign(fast) * np.maximum(np.abs(fast) - step, 0.0), np.nan)


def beat_times(recording: xr.Dataset) -> np.ndarray:
    """Times (s) of the beats that the first wavelength of a recording's PPG shows, minute by minute."""
    times = recording["ppg"]["time_ppg"].to_numpy()
    values = recording["ppg"].transpose("time_ppg", ...).to_numpy()[:, 0]
    rate = float(recording["ppg"].attrs["sampling_rate"])
    n = int(PIECE * rate)
    found = [
        times[start] + np.asarray(detect_beats(values[start : start + n], rate))
        for start in range(0, len(values) - n // 4, n)
        if np.isfinite(values[start : start + n]).mean() > 0.5
    ]
    return np.concatenate(found) if found else np.empty(0)


def add_beats(movement: np.ndarray, times: np.ndarray, beats: np.ndarray, size: float, rng) -> np.ndarray:
    """Add a damped oscillation at each beat, along an axis and with a lead that belong to the person.

    Parameters
    ----------
    movement : array of shape (n_samples, 3)
        g.
    times : array of shape (n_samples,)
        s, increasing.
    beats : array of shape (n_beats,)
        s, steepest rise of the pulse at the wrist.
    size : float
        g, peak of a typical beat; single beats vary by a tenth.
    rng : numpy.random.Generator
        Draws axis, lead (0.1 to 0.2 s before the pulse arrives) and the sizes of the beats.
    """
    axis = rng.standard_normal(3)
    axis /= np.linalg.norm(axis)
    onset = beats - rng.uniform(0.1, 0.2)
    sizes = size * np.exp(rng.normal(0.0, 0.1, len(beats)))
    first = np.searchsorted(times, onset)
    spacing = np.median(np.diff(times)) if len(times) > 1 else 1.0
    index = first[:, np.newaxis] + np.arange(int(BEAT_LENGTH / spacing))
    inside = index < len(times)
    since = times[np.minimum(index, len(times) - 1)] - onset[:, np.newaxis]
    wave = np.sin(2 * np.pi * BEAT_FREQUENCY * since) * np.exp(-since / BEAT_DAMPING)
    wave *= 1.0 - np.exp(-((since / 0.02) ** 2))
    beat = np.zeros(len(times))
    np.add.at(beat, index[inside], (sizes[:, np.newaxis] * wave / 0.75)[inside])  # 0.75: peak of the unit wave
    return movement + beat[:, np.newaxis] * axis


def as_measured_by(recording: xr.Dataset, sensor: Sensor, size: float, random_state: int) -> xr.Dataset:
    """Return the recording with a beat of `size` (g) in its movement, as `sensor` would have reported it.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``accel`` and ``ppg``; left as it is.
    sensor : Sensor
    size : float
        g.
    random_state : int
        With the participant's name the seed of axis, lead and noise: the same for all sensors and sizes.

    Returns
    -------
    xarray.Dataset
    """
    person = [random_state, *str(recording.attrs["participant"]).encode()]
    accel = recording["accel"].transpose("time_accel", "axis")
    times = accel["time_accel"].to_numpy()
    values = accel.to_numpy().astype(np.float64)
    movement = movement_of(values, float(accel.attrs["sampling_rate"]), own_step(values))
    signal = add_beats(movement, times, beat_times(recording), size, np.random.default_rng([*person, 0]))
    signal += sensor.noise * np.random.default_rng([*person, 1]).standard_normal(signal.shape)
    reported = np.round(signal / sensor.step) * sensor.step
    return recording.assign(accel=accel.copy(data=reported.astype(np.float32)))


def own_step(values: np.ndarray) -> float:
    """Step (g) of the sensor that measured `values`: the least difference between the values that occur."""
    levels = np.unique(np.round(values[np.isfinite(values)], 6))
    steps = np.diff(levels)
    return float(np.median(steps)) if len(steps) and len(levels) < 4096 else 0.0
