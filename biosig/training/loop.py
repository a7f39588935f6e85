"""The training loop: read it from top to bottom. It knows nothing of sensors and objectives, and writes no files."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tinygrad import Tensor, TinyJit
from tqdm.auto import tqdm

from biosig.nets.backend import from_numpy, limit_threads, training_mode
from biosig.nets.optimiser import AdamW
from biosig.training.augmentation import PRESETS, Augmentation
from biosig.training.batches import Prefetcher
from biosig.training.schedule import learning_rate


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
        Decoupled weight decay of AdamW.
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
        Threads; None uses all cores. Batches do not depend on it; sums inside the net may differ in the last bit.
    progress : bool
        Whether to show a progress bar.
    label : str
        What the progress bar says is being trained.
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


def train(
    objective: Callable[..., Tensor | tuple[Tensor, Sequence[Tensor]]],
    parameters: Sequence[Tensor],
    make_batch: Callable[[int], tuple[np.ndarray, ...]],
    options: TrainingOptions,
    batch_size: int,
    *,
    carried: dict[str, Tensor] | None = None,
) -> dict[str, Any]:
    """Minimise `objective` over batches, changing `parameters` in place.

    Parameters
    ----------
    objective : callable
        Takes the arrays of one batch as tensors and returns a scalar tensor, the loss; or the loss and the tensors
        that it assigned to, which are realised together with the step of the optimiser.
    parameters : sequence of Tensor
        What is trained.
    make_batch : callable
        ``make_batch(step)`` returns float32 or int32 arrays whose shapes never change; called in another thread, ahead
        of the step that needs them, so it must not use tinygrad.
    options : TrainingOptions
    batch_size : int
        Windows in a batch.
    carried : dict of str to Tensor, optional
        Realised tensors beyond the parameters that a step reads and the objective assigns to: the weights of a
        momentum branch, a queue.

    Returns
    -------
    dict
        Plain lists ``step``, ``loss``, ``learning_rate``; and ``batch_size``, ``seconds``, ``windows_per_second`` and
        ``wait_share``, the share of the time that the steps spent waiting for batches (all three from the fourth step
        on, after compilation).

    Raises
    ------
    FloatingPointError
        When the loss is no longer a finite number.
    """
    history: dict[str, Any] = {"step": [], "loss": [], "learning_rate": [], "batch_size": batch_size}
    if options.steps == 0:
        return history
    optimiser = AdamW(list(parameters), weight_decay=options.weight_decay, clip_norm=options.clip_norm)

    @TinyJit
    def take_step(rate: Tensor, *batch: Tensor) -> Tensor:
        optimiser.zero_grad()
        found = objective(*batch)
        loss, assigned = found if isinstance(found, tuple) else (found, ())
        loss.backward()
        return loss.realize(*assigned, *optimiser.schedule_step(rate))

    with (
        training_mode(),
        limit_threads(options.n_jobs),
        Prefetcher(make_batch, options.steps) as batches,
        tqdm(total=options.steps, desc=options.label, unit="step", disable=not options.progress) as bar,
    ):
        Tensor.manual_seed(int(options.random_state))
        began, waited, first_timed = time.perf_counter(), 0.0, min(COMPILING_STEPS, options.steps - 1)
        for step, arrays in enumerate(batches):
            if step == first_timed:
                began, waited = time.perf_counter(), batches.waited
            rate = learning_rate(step, options.steps, options.learning_rate, options.warmup)
            # the rate is a tensor because a Python number would be frozen into the compiled step
            loss = float(take_step(from_numpy(np.array([rate], dtype=np.float32)), *map(from_numpy, arrays)).item())
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss} at step {step} of {options.steps} (learning rate {rate:.2g}): lower "
                    "learning_rate, set clip_norm, or look for huge values in the windows or targets"
                )
            history["step"].append(step)
            history["loss"].append(loss)
            history["learning_rate"].append(rate)
            timed = max(step + 1 - first_timed, 1)
            speed = timed * batch_size / max(time.perf_counter() - began, 1e-9)
            bar.set_postfix_str(f"loss {loss:.4f}, {speed:.0f} windows/s", refresh=False)
            bar.update()
        history["seconds"] = time.perf_counter() - began
        history["windows_per_second"] = speed
        history["wait_share"] = (batches.waited - waited) / max(history["seconds"], 1e-9)
    return history


COMPILING_STEPS = 3  # TinyJit runs once, captures once and compiles before its steps have their true speed
