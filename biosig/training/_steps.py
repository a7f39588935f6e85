"""What the trainings share: who takes part, how a batch of windows is changed and shown, what is kept at the end."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from tinygrad import Tensor

from biosig.nets.backend import free_memory
from biosig.nets.parameters import get_weights, named_parameters, set_weights
from biosig.training.augmentation import PRESETS, Augmentation, Draw, apply_changes, draw_changes
from biosig.training.batches import generator
from biosig.training.checkpoint import State
from biosig.training.fitted import Fitted
from biosig.training.frontends import prepare
from biosig.training.loop import TrainingOptions, Validation, train
from biosig.training.material import Material
from biosig.training.pairs import ParticipantPairs
from biosig.training.sources import StoredWindows
from biosig.training.streamed import Signal

RowsOf = Callable[[int], np.ndarray]  # the numbers of the windows of a step
RECENT = 256  # steps whose windows are remembered for the masks of a queue


def draw_for(config: dict[str, Any], options: TrainingOptions, step: int, n_windows: int) -> Draw | None:
    """Return what is changed in the windows of one sensor at `step`, or None for nothing."""
    augmentation = _augmentation(options.augment, config["modality"])
    if augmentation is None:
        return None
    rng = generator(options.random_state, "augment " + config["modality"], step)
    return draw_changes(augmentation, rng, n_windows, config["n_channels"], config["n_samples"])


def seen_by_net(
    x: np.ndarray | StoredWindows | Signal,
    rows: np.ndarray,
    config: dict[str, Any],
    draw: Draw | None,
    n_jobs: int | None,
) -> np.ndarray:
    """Return the input of the net for the windows ``x[rows]``, changed as drawn."""
    if not isinstance(x, np.ndarray):
        x, rows = x[rows], np.arange(len(rows))
    windows = x[rows] if draw is None else apply_changes(x, rows, draw, n_jobs)
    return prepare(windows, config, n_jobs)[0]


def _augmentation(augment, modality: str) -> Augmentation | None:
    """Return what `TrainingOptions.augment` means for one modality."""
    if isinstance(augment, bool):
        return PRESETS[modality] if augment else None
    if isinstance(augment, Augmentation):
        return augment if modality == "accel" else dataclasses.replace(augment, rotation=0.0)
    return augment.get(modality)


def trained_tensors(*modules) -> list[Tensor]:
    """Return the parameters of all modules, in a fixed order."""
    return [tensor for module in modules for tensor in named_parameters(module).values()]


def fit(
    objective: Callable[..., Any],
    modules: dict[str, Any],
    make_batch: Callable[[RowsOf, int, TrainingOptions], tuple[np.ndarray, ...]],
    options: TrainingOptions,
    *,
    material: Material,
    identity: dict[str, Any],
    together: int = 1,
    in_pairs: bool = False,
    recent: int = 0,
    carried: dict[str, Tensor] | None = None,
    start: State | None = None,
) -> dict[str, Any]:
    """Hold participants out, draw batches by participant, train.

    Parameters
    ----------
    objective, options, carried, start
        As in `biosig.training.loop.train`.
    modules : dict of str to module
        What is trained.
    make_batch : callable
        ``make_batch(rows_of, step, options)`` returns the arrays for the windows ``rows_of(step)``; those of earlier
        steps may be asked for too. For held-out windows it is given options without augmentation.
    material : Material
        What is trained on, see `biosig.training.material`.
    identity : dict
        Configuration, settings and fingerprint of the data.
    together : int
        See `biosig.training.batches.ParticipantBatches`.
    in_pairs : bool
        Whether batches are made of pairs of windows, see `biosig.training.pairs.ParticipantPairs`.
    recent : int
        Windows of the last steps whose numbers `make_batch` asks for too.
    """
    drawn = material.draw(options, together=together, in_pairs=in_pairs, recent=recent)
    n_devices = len(options.devices or (None,))
    share = n_devices * (2 if in_pairs else 1)
    if drawn.batch_size % share:
        raise ValueError(
            f"{drawn.batch_size} windows a step cannot be shared out evenly among {n_devices} devices"
            f"{' in pairs' if in_pairs else ''}; give a batch_size that is a multiple of {share}, and as many windows"
        )
    rows_of = functools.lru_cache(RECENT)(drawn.rows_of)
    validation = None
    if len(drawn.held):
        held_rows = _validation_batches(drawn.held, material.groups[drawn.held], options, in_pairs)
        plain = dataclasses.replace(options, augment=False)
        validation = Validation(lambda number: make_batch(held_rows.__getitem__, number, plain), len(held_rows))
    return train(
        objective,
        {f"{part}.{name}": t for part, module in modules.items() for name, t in named_parameters(module).items()},
        lambda step: make_batch(rows_of, step, options),
        options,
        drawn.batch_size,
        carried=carried,
        validation=validation,
        start=start,
        identity=identity,
        rows_of=rows_of,
        feed=material.feed,
    )


def _validation_batches(held: np.ndarray, people: np.ndarray, options: TrainingOptions, in_pairs: bool) -> np.ndarray:
    """Return the numbers of the held-out windows by batch, (n_batches, batch_size); `people` are theirs."""
    units = held[:, np.newaxis]
    if in_pairs:
        try:
            units = held[ParticipantPairs(people, options.batch_size, options.random_state).paired(0)]
        except ValueError as error:
            raise ValueError(
                f"of those held out (validation_fraction {options.validation_fraction:g}), {error}"
            ) from None
    shuffled = generator(options.random_state, "validation", 0).permutation(units)
    size, n_devices = min(options.batch_size // units.shape[1], len(units)), len(options.devices or (None,))
    size = max(n_devices, size - size % n_devices)
    # all batches have one shape: the last is filled up with windows from the beginning
    return np.resize(shuffled, (-(-len(units) // size), size * units.shape[1]))


def begin_from(net: Any, initial: dict[str, np.ndarray] | None) -> None:
    """Put the weights of a trained encoder into a new one; None leaves what was drawn."""
    if initial is not None:
        set_weights(net, initial)


def finish(config, encoder, history, heads) -> Fitted:
    """Take the weights out of tinygrad and give its memory back."""
    state = history.pop("state")
    fitted = Fitted(config, get_weights(encoder), history, heads, state)
    free_memory()
    return fitted
