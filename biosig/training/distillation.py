"""Distillation: an encoder of acceleration learns to say what a frozen encoder of PPG says."""

from __future__ import annotations

from typing import Any

import numpy as np
from tinygrad import Context, Tensor

from biosig._checks import check_groups
from biosig.nets.backend import from_numpy, lock
from biosig.nets.encoders import build_encoder
from biosig.nets.heads import ProjectionHead
from biosig.nets.parameters import get_weights, set_weights
from biosig.nets.weights import content_hash
from biosig.training import objectives
from biosig.training._steps import draw_for, finish, fit, participants, rows_with_data, seen_by_net
from biosig.training.augmentation import with_shift_of
from biosig.training.batches import generator
from biosig.training.checkpoint import State
from biosig.training.fitted import Fitted, embed
from biosig.training.frontends import check_input, with_data
from biosig.training.loop import TrainingOptions
from biosig.training.pairs import no_negatives, recent_rows
from biosig.training.sources import fingerprint

SHARED_FEATURES = 128  # width of the space in which student and teacher meet
OBJECTIVES = ("infonce", "l2", "cosine")
STATISTICS_WINDOWS = 512  # enough for the mean and spread of teacher embeddings


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
    start: State | None = None,
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
    start : State, optional
        Of a `Fitted`, to train its encoder and heads further.

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
    _check_settings(config, teacher.config, objective, temperature)
    accel, ppg = check_input(accel, config, "accel"), check_input(ppg, teacher.config, "ppg")
    if len(accel) != len(ppg):
        raise ValueError(
            f"accel has shape {accel.shape} and ppg {ppg.shape}; expected the same windows in both, row by row"
        )
    groups = None if groups is None else check_groups(groups, len(accel))
    starts = None if starts is None else check_groups(starts, len(accel), "starts").astype(np.float64)
    usable = [with_data(x, options.n_jobs, options.progress) for x in (accel, ppg)]
    rows = rows_with_data(usable[0] & usable[1], "accel and ppg")
    people, length = participants(groups, len(accel)), config["n_samples"] / config["sampling_rate"]
    mean, scale = _teacher_statistics(ppg, rows, teacher, options)

    with lock:
        rng = np.random.default_rng(options.random_state)
        student_net = build_encoder(config["encoder"], rng)
        teacher_net = build_encoder(teacher.config["encoder"], 0)
        set_weights(teacher_net, teacher.weights)
        shared = SHARED_FEATURES if objective == "infonce" else teacher_net.n_features
        student_head = ProjectionHead(student_net.n_features, 4 * student_net.n_features, shared, rng)
        teacher_head = ProjectionHead(teacher_net.n_features, 4 * teacher_net.n_features, shared, rng)
        trained = {"student": student_net, "student_head": student_head}
        if objective == "infonce":
            trained["teacher_head"] = teacher_head
        shift, factor = from_numpy(mean), from_numpy(1 / scale)

        def loss(seen: Tensor, heard: Tensor, excluded: Tensor) -> Tensor:
            with Context(TRAINING=0):  # the frozen teacher drops nothing out
                target = (teacher_net(heard).detach() - shift) * factor
            answer = student_head(student_net(seen))
            if objective == "infonce":
                return objectives.info_nce(answer, teacher_head(target), excluded, temperature)
            return (objectives.l2_regression if objective == "l2" else objectives.cosine_regression)(answer, target)

        def make_batch(chosen: np.ndarray, step: int, options: TrainingOptions) -> tuple[np.ndarray, ...]:
            draw = draw_for(config, options, step, len(chosen))
            other = draw_for(teacher.config, options, step, len(chosen))
            other = None if other is None else with_shift_of(other, draw)
            seen = seen_by_net(accel, chosen, config, draw, options.n_jobs)
            heard = seen_by_net(ppg, chosen, teacher.config, other, options.n_jobs)
            return seen, heard, no_negatives(chosen, chosen, people, starts, length)

        identity = {
            "training": "distillation",
            "config": config,
            "teacher": content_hash(teacher.weights, teacher.config),
            "objective": objective,
            "temperature": temperature,
            "data": fingerprint({"accel": accel, "ppg": ppg}, {"groups": groups, "starts": starts, "rows": rows}),
        }
        history = fit(
            loss,
            trained,
            make_batch,
            options,
            rows=rows,
            groups=groups,
            identity=identity,
            together=windows_per_participant,
            start=start,
        )
        heads = {"student": get_weights(student_head), "teacher": {"mean": mean, "scale": scale}}
        if objective == "infonce":
            heads["teacher"] |= get_weights(teacher_head)
        return finish(config, student_net, history, heads)


def _check_settings(config, teacher_config, objective: str, temperature: float) -> None:
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
