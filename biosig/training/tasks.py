"""The trainings: NumPy windows in, a `Fitted` encoder out."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from tinygrad import Context, Tensor

from biosig._checks import check_groups
from biosig.nets.backend import free_memory, from_numpy, lock
from biosig.nets.encoders import build_encoder
from biosig.nets.heads import ProjectionHead, RegressionHead
from biosig.nets.masked import MaskedAutoencoderNet
from biosig.nets.parameters import get_weights, named_parameters, set_weights
from biosig.training import objectives
from biosig.training.augmentation import PRESETS, Augmentation, Draw, apply_changes, draw_changes, with_shift_of
from biosig.training.batches import ParticipantBatches, generator, overlapping_pairs
from biosig.training.fitted import Fitted, embed
from biosig.training.frontends import check_input, prepare, with_data
from biosig.training.loop import TrainingOptions, train

SHARED_FEATURES = 128  # width of the space in which student and teacher meet
MASK_RATIOS = {"conv": 0.7, "transformer": 0.8}
OBJECTIVES = ("infonce", "l2", "cosine")
STATISTICS_WINDOWS = 512  # enough for the mean and spread of teacher embeddings


def train_masked_autoencoder(
    x, config: dict[str, Any], *, options: TrainingOptions, groups=None, mask_ratio: float | None = None
) -> Fitted:
    """Train an encoder to tell the hidden parts of windows from the visible ones; no labels are needed.

    Parameters
    ----------
    x : array (n_windows, n_channels, n_samples)
        Windows without a finite sample are left out.
    config : dict
        From `biosig.training.make_config`.
    options : TrainingOptions
    groups : array (n_windows,), optional
        Participant of each window; batches are balanced over them.
    mask_ratio : float, optional
        Share of a window that is hidden; None takes 0.7 for convolutions and 0.8 for a transformer.

    Returns
    -------
    Fitted
        With the encoder alone; the decoder has done its work.

    Raises
    ------
    ValueError
        For windows that do not fit the config, or fewer than two with data.
    FloatingPointError
        When the loss is no longer a number.
    """
    x = check_input(x, config)
    groups = _participants(groups, len(x))
    rows = _rows_with_data(with_data(x, options.n_jobs), "x")
    if mask_ratio is None:
        mask_ratio = MASK_RATIOS[config["encoder"]["architecture"]]
    with lock:
        net = MaskedAutoencoderNet(config["encoder"], options.random_state, mask_ratio)
        order = ParticipantBatches(groups[rows], min(options.batch_size, len(rows)), options.random_state)

        def make_batch(step: int) -> tuple[np.ndarray, ...]:
            chosen = rows[order.batch(step)]
            features = _seen(x, chosen, config, _draw(config, options, step, len(chosen)), options.n_jobs)
            places = generator(options.random_state, "mask", step).random((len(chosen), net.n_patches))
            patches = np.argsort(places, axis=1).astype(np.int32)
            return features, np.sort(patches[:, net.n_hidden :]), np.sort(patches[:, : net.n_hidden])

        history = train(net.loss, _parameters(net), make_batch, options, order.batch_size)
        return _finish(config, net.encoder, history, {})


def train_distilled(
    accel,
    ppg,
    config: dict[str, Any],
    teacher: Fitted,
    *,
    options: TrainingOptions,
    groups=None,
    starts=None,
    temperature: float = 0.04,
    objective: str = "infonce",
    windows_per_participant: int = 4,
) -> Fitted:
    """Train an encoder of acceleration to say what a frozen encoder of PPG says of the same minute.

    Both windows are augmented. With InfoNCE both embeddings pass a projection head that is trained; with the two
    regressions the student's embedding passes a head to the teacher's standardised embedding itself, because a trained
    head on the teacher's side could make any target trivial.

    Parameters
    ----------
    accel : array (n_windows, 3, n_samples)
    ppg : array (n_windows, n_wavelengths, n_samples)
        Of the same windows, row by row. Windows without a finite sample in either are left out.
    config : dict
        Of the student, from `biosig.training.make_config`.
    teacher : Fitted
        Encoder of PPG at the same sampling rate and window length; not changed.
    options : TrainingOptions
    groups : array (n_windows,), optional
        Participant of each window.
    starts : array (n_windows,), optional
        Start of each window in s. Windows of one participant that overlap are then no negatives of each other; without
        `groups` all windows count as one participant's.
    temperature : float
        Of InfoNCE.
    objective : {"infonce", "l2", "cosine"}
    windows_per_participant : int
        Windows of one participant put into a batch together, the hardest negatives of each other.

    Returns
    -------
    Fitted
        The student, with the heads of both sides for `biosig.training.project`.

    Raises
    ------
    ValueError
        For windows that are not paired or do not fit, a teacher of another sampling rate or window, or fewer than two
        windows with data.
    FloatingPointError
        When the loss is no longer a number.
    """
    _check_pairs(accel, ppg, config, teacher.config, objective, temperature)
    accel, ppg = check_input(accel, config, "accel"), check_input(ppg, teacher.config, "ppg")
    groups = _participants(groups, len(accel))
    starts = None if starts is None else check_groups(starts, len(accel), "starts").astype(np.float64)
    rows = _rows_with_data(with_data(accel, options.n_jobs) & with_data(ppg, options.n_jobs), "accel and ppg")
    length = config["n_samples"] / config["sampling_rate"]
    batch_size = min(options.batch_size, len(rows))
    order = ParticipantBatches(groups[rows], batch_size, options.random_state, windows_per_participant)
    mean, scale = _teacher_statistics(ppg, rows, teacher, options)

    with lock:
        rng = np.random.default_rng(options.random_state)
        student_net = build_encoder(config["encoder"], rng)
        teacher_net = build_encoder(teacher.config["encoder"], 0)
        set_weights(teacher_net, teacher.weights)
        shared = SHARED_FEATURES if objective == "infonce" else teacher_net.n_features
        student_head = ProjectionHead(student_net.n_features, 4 * student_net.n_features, shared, rng)
        teacher_head = ProjectionHead(teacher_net.n_features, 4 * teacher_net.n_features, shared, rng)
        trained = [student_net, student_head, *([teacher_head] if objective == "infonce" else [])]
        shift, factor = from_numpy(mean), from_numpy(1 / scale)

        def loss(seen: Tensor, heard: Tensor, excluded: Tensor) -> Tensor:
            with Context(TRAINING=0):  # the frozen teacher drops nothing out
                target = (teacher_net(heard).detach() - shift) * factor
            answer = student_head(student_net(seen))
            if objective == "infonce":
                return objectives.info_nce(answer, teacher_head(target), excluded, temperature)
            return (objectives.l2_regression if objective == "l2" else objectives.cosine_regression)(answer, target)

        def make_batch(step: int) -> tuple[np.ndarray, ...]:
            chosen = rows[order.batch(step)]
            draw = _draw(config, options, step, batch_size)
            other = _draw(teacher.config, options, step, batch_size)
            other = None if other is None else with_shift_of(other, draw)
            seen = _seen(accel, chosen, config, draw, options.n_jobs)
            heard = _seen(ppg, chosen, teacher.config, other, options.n_jobs)
            excluded = np.zeros((batch_size, batch_size), dtype=np.float32)
            if starts is not None:
                excluded[:] = overlapping_pairs(groups[chosen], starts[chosen], length)
            return seen, heard, excluded

        history = train(loss, _parameters(*trained), make_batch, options, batch_size)
        heads = {"student": get_weights(student_head), "teacher": {"mean": mean, "scale": scale}}
        if objective == "infonce":
            heads["teacher"] |= get_weights(teacher_head)
        return _finish(config, student_net, history, heads)


def train_supervised(x, y, config: dict[str, Any], *, options: TrainingOptions, groups=None) -> Fitted:
    """Train an encoder with a linear head on targets, from scratch: what distillation has to be measured against.

    Parameters
    ----------
    x : array (n_windows, n_channels, n_samples)
    y : array (n_windows,) or (n_windows, n_targets)
        NaN where a target is not known. Windows without any target, or without data, are left out.
    config : dict
        From `biosig.training.make_config`.
    options : TrainingOptions
    groups : array (n_windows,), optional
        Participant of each window; batches are balanced over them.

    Returns
    -------
    Fitted
        With a regression head, so that ``fitted.predict`` works. A target that no window has, is predicted as NaN.

    Raises
    ------
    ValueError
        For windows or targets that do not fit, or fewer than two windows with both.
    FloatingPointError
        When the loss is no longer a number.
    """
    x = check_input(x, config)
    y = np.asarray(y, dtype=np.float32)
    y = y[:, np.newaxis] if y.ndim == 1 else y
    if y.ndim != 2 or len(y) != len(x):
        raise ValueError(f"y has shape {y.shape} for {len(x)} windows; expected ({len(x)},) or ({len(x)}, n_targets)")
    groups = _participants(groups, len(x))
    known = np.isfinite(y)
    rows = _rows_with_data(with_data(x, options.n_jobs) & known.any(axis=1), "x with a target")
    exact = np.where(known, y, np.nan).astype(np.float64)[rows]
    told = known[rows].any(axis=0)
    mean, scale = np.full(y.shape[1], np.nan), np.full(y.shape[1], np.nan)
    mean[told], scale[told] = np.nanmean(exact[:, told], axis=0), np.nanstd(exact[:, told], axis=0)
    scale[scale == 0] = 1.0  # a constant target is predicted as that constant
    standardised = np.where(known, (y - mean) / scale, 0.0).astype(np.float32)
    order = ParticipantBatches(groups[rows], min(options.batch_size, len(rows)), options.random_state)

    with lock:
        rng = np.random.default_rng(options.random_state)
        net = build_encoder(config["encoder"], rng)
        head = RegressionHead(net.n_features, y.shape[1], rng)

        def loss(seen: Tensor, target: Tensor, mask: Tensor) -> Tensor:
            return objectives.masked_regression(head(net(seen)), target, mask)

        def make_batch(step: int) -> tuple[np.ndarray, ...]:
            chosen = rows[order.batch(step)]
            seen = _seen(x, chosen, config, _draw(config, options, step, len(chosen)), options.n_jobs)
            return seen, standardised[chosen], known[chosen].astype(np.float32)

        history = train(loss, _parameters(net, head), make_batch, options, order.batch_size)
        scaling = {"mean": mean.astype(np.float32), "scale": scale.astype(np.float32)}
        return _finish(config, net, history, {"regression": get_weights(head) | scaling})


def _draw(config: dict[str, Any], options: TrainingOptions, step: int, n_windows: int) -> Draw | None:
    """Return what is changed in the windows of one sensor at `step`, or None for nothing."""
    augmentation = _augmentation(options.augment, config["modality"])
    if augmentation is None:
        return None
    rng = generator(options.random_state, "augment " + config["modality"], step)
    return draw_changes(augmentation, rng, n_windows, config["n_channels"], config["n_samples"])


def _seen(x: np.ndarray, rows: np.ndarray, config: dict[str, Any], draw: Draw | None, n_jobs: int | None) -> np.ndarray:
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


def _participants(groups, n_windows: int) -> np.ndarray:
    return np.zeros(n_windows, dtype=np.int64) if groups is None else check_groups(groups, n_windows)


def _rows_with_data(usable: np.ndarray, name: str) -> np.ndarray:
    rows = np.flatnonzero(usable)
    if len(rows) < 2:
        raise ValueError(
            f"{len(rows)} of {len(usable)} windows can be used ({name}); training needs at least 2 that are not all NaN"
        )
    return rows


def _check_pairs(accel, ppg, config, teacher_config, objective: str, temperature: float) -> None:
    if np.ndim(accel) and np.ndim(ppg) and len(accel) != len(ppg):
        raise ValueError(
            f"accel has shape {np.shape(accel)} and ppg {np.shape(ppg)}; expected the same windows in both, row by row"
        )
    for key in ("sampling_rate", "n_samples"):
        if config[key] != teacher_config[key]:
            raise ValueError(
                f"the teacher was trained with {key} {teacher_config[key]:g}, the student's is {config[key]:g}; "
                "cut both sensors into windows of the length and rate of the teacher"
            )
    if objective not in OBJECTIVES:
        raise ValueError(f"objective is {objective!r}; expected one of {OBJECTIVES}")
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature!r}; expected a positive number such as 0.1")


def _teacher_statistics(
    ppg: np.ndarray, rows: np.ndarray, teacher: Fitted, options: TrainingOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and spread of the teacher's features, by which its head or a regression gets scaled values."""
    some = generator(options.random_state, "statistics", 0).permutation(rows)[:STATISTICS_WINDOWS]
    embeddings = embed(ppg[np.sort(some)], teacher.config, teacher.weights, n_jobs=options.n_jobs)
    scale = np.nanstd(embeddings, axis=0)
    return np.nanmean(embeddings, axis=0), np.where(scale > 1e-6, scale, 1.0).astype(np.float32)


def _parameters(*modules) -> list[Tensor]:
    return [tensor for module in modules for tensor in named_parameters(module).values()]


def _finish(config, encoder, history, heads) -> Fitted:
    fitted = Fitted(config, get_weights(encoder), history, heads)
    free_memory()
    return fitted
