"""How long and how to train, as data."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from biosig.training.augmentation import PRESETS, Augmentation
from biosig.training.schedule import SCHEDULES

OPTIMISERS = ("adamw", "adam")
PRECISIONS = ("float32", "bfloat16")
_WITHOUT_EFFECT = ("n_jobs", "progress", "label", "checkpoint", "checkpoint_every", "callback", "devices")


@dataclass(frozen=True)
class Progress:
    """What a callback is told after a step.

    Attributes
    ----------
    step, end : int
        Steps taken so far, and the step at which the training ends.
    loss, learning_rate : float
        Of the step just taken.
    validation_loss : float or None
        Where the step was followed by a look at the held-out windows.
    windows_per_second : float
    history : dict
        The learning curves so far; not to be changed.
    """

    step: int
    end: int
    loss: float
    learning_rate: float
    validation_loss: float | None
    windows_per_second: float
    history: Mapping[str, Any]


@dataclass(frozen=True)
class TrainingOptions:
    """How long and how to train.

    Parameters
    ----------
    steps : int
        Optimiser steps; 0 leaves the weights as they were drawn.
    batch_size : int
        Windows a step; where there are fewer windows, all of them.
    learning_rate : float
        Peak, reached after the warm-up.
    weight_decay : float
        Of matrices; biases, gains and other vectors are not decayed.
    warmup : float
        Share of the steps over which the learning rate rises, 0 to 1.
    clip_norm : float or None
        Greatest norm of all gradients together; None for no limit.
    augment : bool, Augmentation or mapping
        True for the preset of the sensor, False for none, one setting for all sensors (rotation then acts on
        acceleration alone), or settings by modality, ``{"accel": ..., "ppg": ...}``, none for one that is not named.
    random_state : int
        Seed of the weights, batches, augmentations and dropout.
    n_jobs : int, optional
        Threads; None uses all cores. Batches do not depend on it; sums inside the net may differ in the last bit, so
        runs are bitwise equal on the same number of threads.
    progress : bool
        Whether to show a progress bar.
    label : str
        What the progress bar says is being trained.
    optimiser : {"adamw", "adam"}
        Decoupled weight decay (Loshchilov & Hutter 2019), or Adam (Kingma & Ba 2015) with the decay in the gradient.
    schedule : {"cosine", "step", "constant"}
        What the learning rate does after the warm-up, see `biosig.training.schedule.learning_rate`.
    validation_fraction : float
        Share of the participants (of the windows, where no participants are given) held out of training, 0 to less
        than 1. The training then ends with the weights that had the lowest loss on their windows.
    validate_every : int, optional
        Steps between looks at the held-out windows; None takes a twentieth of `steps`. The last step is always
        followed by one.
    patience : int, optional
        Stop after this many looks in a row without a lower loss; None trains to the end.
    checkpoint : path, optional
        Folder for checkpoints. A training with the same data and options continues from what it finds there.
    checkpoint_every : float
        Seconds between checkpoints; 0 writes one after every step. One is always written at the end and on Ctrl-C.
    precision : {"float32", "bfloat16"}
        Of the factors of matrix products; weights, sums, norms, losses and the optimiser stay float32. bfloat16 is for
        devices other than a processor with host kernels, see `biosig.nets.backend.products_in`.
    devices : sequence of str, optional
        Two or more of one kind, such as ``("CUDA:0", "CUDA:1")``: each holds the net and takes an equal share of every
        batch. None trains on the default device, see `biosig.nets.backend.spread_over`. Losses are those of one device
        to rounding; what dropout drops is another draw.
    callback : callable, optional
        ``callback(progress)`` is called with a `Progress` after every step; returning True ends the training.
    """

    steps: int = 400
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    clip_norm: float | None = 1.0
    augment: bool | Augmentation | Mapping[str, Augmentation] = True
    random_state: int = 0
    n_jobs: int | None = None
    progress: bool = True
    label: str = "training"
    optimiser: str = "adamw"
    schedule: str = "cosine"
    validation_fraction: float = 0.0
    validate_every: int | None = None
    patience: int | None = None
    checkpoint: str | os.PathLike | None = None
    checkpoint_every: float = 60.0
    precision: str = "float32"
    devices: Sequence[str] | None = None
    callback: Callable[[Progress], bool | None] | None = None

    def __post_init__(self):
        if self.steps < 0:
            raise ValueError(f"steps is {self.steps}; expected 0 or more")
        if self.batch_size < 2:
            raise ValueError(f"batch_size is {self.batch_size}; expected at least 2 windows a step")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate is {self.learning_rate}; expected a positive number such as 1e-3")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ValueError(f"weight_decay is {self.weight_decay}; expected 0 or more")
        if not 0.0 <= self.warmup <= 1.0:
            raise ValueError(f"warmup is {self.warmup}; expected the share of the steps, 0 to 1")
        if isinstance(self.augment, Mapping) and not self.augment.keys() <= PRESETS.keys():
            raise ValueError(f"augment has settings for {sorted(self.augment)}; expected some of {sorted(PRESETS)}")
        if not isinstance(self.random_state, (int, np.integer)) or self.random_state < 0:
            raise ValueError(f"random_state is {self.random_state!r}; expected a whole number, 0 or more")
        for name, known in (("optimiser", OPTIMISERS), ("schedule", SCHEDULES), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(map(repr, known))}")
        if not 0.0 <= self.validation_fraction < 1.0:
            raise ValueError(f"validation_fraction is {self.validation_fraction}; expected 0 to less than 1")
        for name in ("validate_every", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; expected a whole number from 1 up, or None")
            if value is not None and not self.validation_fraction:
                raise ValueError(f"{name} is {value}, but nothing is held out; set validation_fraction, such as 0.1")
        if not self.checkpoint_every >= 0:
            raise ValueError(f"checkpoint_every is {self.checkpoint_every}; expected seconds, 0 or more")

    def identity(self) -> dict[str, Any]:
        """Return what the trained weights depend on, as JSON can hold it; a checkpoint fits the same alone."""
        described = dataclasses.asdict(dataclasses.replace(self, callback=None))
        described["random_state"] = int(self.random_state)
        return {name: value for name, value in described.items() if name not in _WITHOUT_EFFECT}
