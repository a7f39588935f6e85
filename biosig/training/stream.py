"""A stream of simulated participants to train on: its settings, as plain data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from biosig.signals.gate import Gate
from biosig.signals.simulated import SENSORS, TARGETS, Devices, Recipe, device_mixture

N_CHANNELS = {"accel": 3, "ppg": 1}


@dataclass(frozen=True)
class SimulatedStream:
    """Windows of simulated participants, made while an encoder trains on them: in place of arrays in ``fit``.

    Participants 0, 1, 2, ... of a seed are simulated, cut and gated in processes of their own, ahead of the training.
    A shuffle buffer uses each of their windows `uses` times, augmented anew, and forgets it; so memory does not grow
    with the number of participants, and with enough of them nobody is seen twice. What a step sees depends on the
    settings and the number of the step alone, whatever the number of processes.

    Parameters
    ----------
    n_participants : int, default 50000
        Different participants; where the training needs more of them, it begins again with the first.
    minutes : float, default 30
        Length of each recording.
    device : str, Device, sequence of these, or mapping of name to fraction
        ``"watch"``, ``["watch", "e4"]`` for equal fractions of the participants, or ``{"watch": 0.7, "e4": 0.3}``.
    length, stride : float, default 60 and `length`
        Of the windows, s.
    sampling_rate : float, default 64
        Of the windows, Hz.
    gate : Gate or None
        Which windows to train on; None for all.
    uses : int, default 4
        Times that each window is used.
    buffer : int, default 4096
        Windows in the shuffle buffer, with both sensors about 60 kB each.
    mix : windows of real recordings, optional
        A mapping, or a sequence of such, with ``accel`` and ``ppg`` (n_windows, n_channels, n_samples), in memory or on
        disk, ``participant`` and ``start`` (s): what `biosig.segment` returns, or
        `biosig.signals.storage.open_window_files`.
    mix_fraction : float, default 0
        Fraction of the windows that come from `mix`, 0 to less than 1.
    targets : sequence of {"heart_rate", "sdnn", "rmssd"}
        What a `SupervisedEncoder` learns: the simulated truth (beats/min, ms, ms). Unknown (NaN) for windows of `mix`.
    random_state : int, default 0
        Seed of the participants: number n is participant n of `biosig.simulate_cohort` with this seed.
    n_workers : int, optional
        Processes that simulate; None takes one a core, 8 at most; 0 simulates within the training.

    Raises
    ------
    ValueError
        For numbers out of range and unknown devices.

    Examples
    --------
    >>> from biosig.training import SimulatedStream
    >>> stream = SimulatedStream(n_participants=50_000, device=["watch", "e4"], random_state=1)
    >>> stream.shape("accel")
    (3, 3840)
    """

    n_participants: int = 50_000
    minutes: float = 30.0
    device: Devices = "watch"
    length: float = 60.0
    stride: float | None = None
    sampling_rate: float = 64.0
    gate: Gate | None = field(default_factory=Gate)
    uses: int = 4
    buffer: int = 4096
    mix: Any = None
    mix_fraction: float = 0.0
    targets: tuple[str, ...] = TARGETS
    random_state: int = 0
    n_workers: int | None = None

    def __post_init__(self):
        for name, least in (("n_participants", 1), ("uses", 1), ("buffer", 2), ("random_state", 0), ("n_workers", 0)):
            value = getattr(self, name)
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not (whole and value >= least) and not (name == "n_workers" and value is None):
                raise ValueError(f"{name} is {value!r}; expected a whole number of at least {least}")
        if not 0.0 <= self.mix_fraction < 1.0:
            raise ValueError(f"mix_fraction is {self.mix_fraction!r}; expected 0 to less than 1")
        if bool(self.mix_fraction) != (self.mix is not None):
            given = "no windows to mix in" if self.mix is None else "windows to mix in"
            raise ValueError(f"mix_fraction is {self.mix_fraction:g} with {given}; give both or neither")
        if not self.targets or not set(self.targets) <= set(TARGETS):
            raise ValueError(f"targets are {self.targets!r}; expected some of {', '.join(map(repr, TARGETS))}")
        self.recipe()

    def recipe(self) -> Recipe:
        """Return how its participants are simulated and cut."""
        duration, devices = 60.0 * self.minutes, device_mixture(self.device)
        seed = int(self.random_state)
        return Recipe(seed, duration, devices, self.length, self.stride, self.sampling_rate, self.gate)

    def shape(self, modality: str) -> tuple[int, int]:
        """Return the channels and samples of a window of one sensor."""
        if modality not in SENSORS:
            raise ValueError(f"modality is {modality!r}; expected one of {SENSORS}")
        return N_CHANNELS[modality], self.recipe().n_samples

    def identity(self) -> dict[str, Any]:
        """Return all that its windows and their order depend on, without those mixed in, as JSON can hold it."""
        kept = ("n_participants", "uses", "buffer", "mix_fraction")
        return {name: getattr(self, name) for name in kept} | {"simulated": self.recipe().identity()}

    def with_settings(self, **changed: Any) -> SimulatedStream:
        """Return a stream with some settings changed."""
        return dataclasses.replace(self, **changed)
