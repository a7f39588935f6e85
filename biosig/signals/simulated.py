"""Windows of simulated participants, any of them by number, with no Recording between simulator and windows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from biosig.recordings.devices import Device, find_device
from biosig.recordings.simulation import simulate_signals
from biosig.recordings.truth import truth_rows
from biosig.signals.cutting import whole_samples
from biosig.signals.gate import Gate
from biosig.signals.windows import cut_signals

TARGETS = ("heart_rate", "sdnn", "rmssd")
SENSORS = ("accel", "ppg")
_WHICH_DEVICE = 1000  # of the random streams of a participant; the simulator has the first few

Devices = str | Device | Sequence[str | Device] | Mapping[str, float]


class Windows(NamedTuple):
    """Windows of one participant.

    Attributes
    ----------
    signals : dict of str to array (n_windows, n_channels, n_samples), float32
        By sensor: acceleration in g without gravity, PPG in device units.
    participant : int
    start : array (n_windows,)
        s since the beginning of the recording.
    targets : array (n_windows, 3), float32
        The true heart rate (beats/min), SDNN and RMSSD (ms), see `biosig.recordings.truth_targets`.
    """

    signals: dict[str, np.ndarray]
    participant: int
    start: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class Recipe:
    """How participants are simulated and cut: all that a worker process has to know.

    Parameters
    ----------
    seed : int
    duration : float
        s, of each recording; at least a window.
    devices : tuple of (Device, float)
        Devices and the odds of a participant to wear each.
    length, stride, sampling_rate
        Of the windows, as in `biosig.segment`.
    gate : Gate or None
        None keeps all windows.
    """

    seed: int
    duration: float
    devices: tuple[tuple[Device, float], ...]
    length: float = 60.0
    stride: float | None = None
    sampling_rate: float = 64.0
    gate: Gate | None = field(default_factory=Gate)

    def __post_init__(self):
        if not (self.length <= self.duration < math.inf and self.duration >= 10.0):
            raise ValueError(
                f"recordings of {self.duration:g} s give no window of {self.length:g} s; make them longer (minutes)"
            )
        whole_samples(self.length, self.sampling_rate, "length")
        if self.stride is not None:
            whole_samples(self.stride, self.sampling_rate, "stride")

    @property
    def n_samples(self) -> int:
        """Samples of a window."""
        return whole_samples(self.length, self.sampling_rate, "length")

    def identity(self) -> dict[str, Any]:
        """Return what the windows depend on, as JSON can hold it."""
        described = dataclasses.asdict(self)
        described["devices"] = [
            {**{key: _plain(value) for key, value in dataclasses.asdict(device).items()}, "fraction": fraction}
            for device, fraction in self.devices
        ]
        return described


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list, np.ndarray)):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def device_mixture(devices: Devices) -> tuple[tuple[Device, float], ...]:
    """Return devices with the fraction of participants that wear each; equal fractions where none are given.

    Parameters
    ----------
    devices : str, Device, sequence of these, or mapping of name to fraction
        ``"watch"``, ``["watch", "e4"]`` or ``{"watch": 0.7, "e4": 0.3}``; fractions are scaled to a sum of 1.

    Raises
    ------
    ValueError
        For unknown names, none or repeated devices, and fractions that are not positive.
    """
    if isinstance(devices, (str, Device)):
        devices = [devices]
    fractions = [float(f) for f in devices.values()] if isinstance(devices, Mapping) else [1.0] * len(devices)
    found = [find_device(device) for device in devices]
    names = [device.name for device in found]
    if not found or len(set(names)) < len(names):
        raise ValueError(f"device is {names}; expected one device or more, each once")
    if not all(0.0 < fraction < math.inf for fraction in fractions):
        raise ValueError(f"the fractions of {', '.join(names)} are {fractions}; expected positive numbers")
    return tuple((device, fraction / sum(fractions)) for device, fraction in zip(found, fractions, strict=True))


def device_of(recipe: Recipe, number: int) -> Device:
    """Return the device that a participant wears."""
    if len(recipe.devices) == 1:
        return recipe.devices[0][0]
    draw = np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=(number, _WHICH_DEVICE))).random()
    edges = np.cumsum([fraction for _, fraction in recipe.devices])[:-1]
    return recipe.devices[int(np.searchsorted(edges, draw, side="right"))][0]


def simulate_windows(recipe: Recipe, number: int, sensors: Sequence[str] = SENSORS) -> Windows:
    """Return the windows of participant `number` that pass the gate, the same whoever computes them.

    They are bit for bit those that `biosig.segment` cuts from the recording of that participant of
    `biosig.simulate_cohort` with the same seed, duration and device.

    Parameters
    ----------
    recipe : Recipe
    number : int
        From 0 on.
    sensors : sequence of {"accel", "ppg"}
        Which signals to return; the gate looks at both.
    """
    device = device_of(recipe, number)
    raw = simulate_signals(recipe.seed, number, recipe.duration, device)
    signals = {
        "accel": (np.arange(len(raw.accel)) / device.accel_rate, raw.accel),
        "ppg": (raw.late + np.arange(len(raw.ppg)) / device.ppg_rate, raw.ppg),
    }
    part = cut_signals(signals, recipe.length, recipe.stride, recipe.sampling_rate, gate=recipe.gate, n_jobs=1)
    start = part.columns["start"]
    targets = truth_rows(raw.beats, raw.ectopic, start, part.about["length"])[:, :3].astype(np.float32)
    return Windows({name: part.cuts[name] for name in sensors}, number, start, targets)
