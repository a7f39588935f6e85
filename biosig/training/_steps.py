"""What the trainings share: who takes part, how a batch of windows is changed and shown, what is kept at the end."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from tinygrad import Tensor

from biosig._checks import check_groups
from biosig.nets.backend import free_memory
from biosig.nets.parameters import get_weights, named_parameters
from biosig.training.augmentation import PRESETS, Augmentation, Draw, apply_changes, draw_changes
from biosig.training.batches import generator
from biosig.training.fitted import Fitted
from biosig.training.frontends import prepare
from biosig.training.loop import TrainingOptions


def draw_for(config: dict[str, Any], options: TrainingOptions, step: int, n_windows: int) -> Draw | None:
    """Return what is changed in the windows of one sensor at `step`, or None for nothing."""
    augmentation = _augmentation(options.augment, config["modality"])
    if augmentation is None:
        return None
    rng = generator(options.random_state, "augment " + config["modality"], step)
    return draw_changes(augmentation, rng, n_windows, config["n_channels"], config["n_samples"])


def seen_by_net(
    x: np.ndarray, rows: np.ndarray, config: dict[str, Any], draw: Draw | None, n_jobs: int | None
) -> np.ndarray:
    """Return the input of the net for the windows ``x[rows]``, changed as drawn."""
    windows = x[rows] if draw is None else apply_changes(x, rows, draw, n_jobs)
    return prepare(windows, config, n_jobs)[0]


def _augmentation(augment, modality: str) -> Augmentation | None:
    """Return what `TrainingOptions.augment` means for one modality."""
    if isinstance(augment, bool):
        return PRESETS[modality] if augment else None
    if isinstance(augment, Augmentation):
        return augment if modality == "accel" else dataclasses.replace(augment, rotation=0.0)
    return augment.get(modality)


def participants(groups, n_windows: int) -> np.ndarray:
    """Return the participant of each window; one for all where `groups` is None."""
    return np.zeros(n_windows, dtype=np.int64) if groups is None else check_groups(groups, n_windows)


def rows_with_data(usable: np.ndarray, name: str) -> np.ndarray:
    """Return the numbers of the usable windows, or raise ValueError where a training has too few of them."""
    rows = np.flatnonzero(usable)
    if len(rows) < 2:
        raise ValueError(
            f"{len(rows)} of {len(usable)} windows can be used ({name}); training needs at least 2 that are not all NaN"
        )
    return rows


def trained_tensors(*modules) -> list[Tensor]:
    """Return the parameters of all modules, in a fixed order."""
    return [tensor for module in modules for tensor in named_parameters(module).values()]


def finish(config, encoder, history, heads) -> Fitted:
    """Take the weights out of tinygrad and give its memory back."""
    fitted = Fitted(config, get_weights(encoder), history, heads)
    free_memory()
    return fitted
