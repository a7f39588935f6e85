"""Distillation: an encoder of acceleration learns to say what an encoder of PPG says."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np

from biosig.nets.backend import lock, spread_over
from biosig.nets.weights import content_hash
from biosig.training._steps import RowsOf, draw_for, finish, fit, seen_by_net
from biosig.training.augmentation import with_clock_of
from biosig.training.checkpoint import State
from biosig.training.embedding import embed
from biosig.training.fitted import Fitted
from biosig.training.lesson import Aims, Lesson
from biosig.training.loop import TrainingOptions
from biosig.training.material import open_material
from biosig.training.pairs import no_negatives, recent_rows


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
    balance: float = 0.5,
    learn_temperature: bool = False,
    queue_size: int = 0,
    token_weight: float = 0.0,
    time_weight: float | None = None,
    joint: bool = False,
    start: State | None = None,
    initial: dict[str, np.ndarray] | None = None,
) -> Fitted:
    """Train an encoder of acceleration to say what an encoder of PPG, frozen unless `joint`, says of the same minute.

    Both windows are augmented. With InfoNCE both embeddings pass a projection head that is trained; with the two
    regressions the student's embedding passes a head to the teacher's standardised embedding itself, because a trained
    head on the teacher's side could make any target trivial.

    A queue holds what the frozen teacher said of windows of earlier batches, before the trained head: however old, it
    is what the teacher would say today, so these negatives are those of a larger batch.

    A pooled embedding keeps how the heart beat, not when. So windows are also compared in time: of both sensors the
    tokens of every stretch pass a head that is the same for all stretches, a window is the row of what comes out, in
    order, and a second InfoNCE lets these rows find each other. Two rows agree where the beats fall on the same
    moments, which no two minutes have in common; what the student learns for it, the pooled embedding has too.

    Parameters
    ----------
    accel : array (n_windows, 3, n_samples)
        Or a `biosig.training.SimulatedStream`, which has both sensors, participants and starts; `ppg` is then None.
    ppg : array (n_windows, n_wavelengths, n_samples)
        Of the same windows, row by row. Windows without a finite sample in either are left out.
    config : dict
        Of the student, from `biosig.training.make_config`.
    teacher : Fitted
        Encoder of PPG at the same sampling rate and window length; the object given is not changed.
    options : TrainingOptions
    groups : array (n_windows,), optional
        Participant of each window.
    starts : array (n_windows,), optional
        Start of each window in s. Windows of one participant that overlap are then no negatives of each other; without
        `groups` all windows count as one participant's.
    temperature : float
        Of InfoNCE; where training begins, if it is learned.
    objective : {"infonce", "l2", "cosine"}
    windows_per_participant : int
        Windows of one participant put into a batch together, the hardest negatives of each other.
    balance : float
        Of InfoNCE, 0 to 1: the weight of the acceleration looking for its PPG; the rest is for the other direction.
    learn_temperature : bool
        Whether the temperature is trained too, see `biosig.nets.heads.LearnedTemperature`.
    queue_size : int
        Windows of earlier batches whose PPG gives further negatives for InfoNCE.
    token_weight : float
        Weight of `biosig.training.objectives.token_distillation`, added to the objective; 0 for none. Both sensors then
        share the time warp of the augmentation too.
    time_weight : float, optional
        Weight of the InfoNCE in time, at a temperature of 0.05 and without a queue; 0 for none. None takes 1 beside
        "infonce", and 0 beside the regressions, which stay plain baselines. The time warp is shared as well.
    joint : bool
        Whether the teacher is trained with the student, from the weights given: those of its own training, or of
        `random_encoder` for a pair that begins from scratch. It is there to see what freezing is worth: a teacher that
        may move comes towards what the student finds easy, which need not be the heart. Needs InfoNCE, with neither
        queue nor token distillation: nothing else keeps a moving target from becoming trivial, or a queue fresh.
    start : State, optional
        Of a `Fitted`, to train its encoder and heads further.
    initial : dict of str to array, optional
        Weights of an encoder of this config to begin from, instead of drawn ones; `start` goes before it.

    Returns
    -------
    Fitted
        The student, with the heads of both sides for `biosig.training.project`, those for
        `biosig.training.project_in_time` as ``heads["student_in_time"]`` and ``heads["teacher_in_time"]``, and
        ``heads["temperature"]["value"]`` where it was learned. With `joint`, ``heads["joint_teacher"]`` are the weights
        that the teacher ended with.

    Raises
    ------
    ValueError
        For windows that are not paired or do not fit, a teacher of another sampling rate or window, or fewer than two
        windows with data.
    FloatingPointError
        When the loss is no longer a number.
    """
    if time_weight is None:
        time_weight = 1.0 if objective == "infonce" else 0.0
    _check_windows(config, teacher.config)
    aims = Aims(objective, temperature, balance, learn_temperature, queue_size, token_weight, time_weight, joint)
    configs, length = {"accel": config, "ppg": teacher.config}, config["n_samples"] / config["sampling_rate"]
    n_keys = aims.n_keys(options.batch_size)

    with (
        open_material({"accel": accel, "ppg": ppg}, configs, options, groups, starts) as material,
        lock,
        spread_over(options.devices),
    ):
        mean, scale = _teacher_statistics(material.some("ppg", options.random_state), teacher, options)
        rng = np.random.default_rng(options.random_state)
        lesson = Lesson(config, teacher, aims, mean, scale, batch_size=options.batch_size, rng=rng, initial=initial)

        def make_batch(rows_of: RowsOf, step: int, options: TrainingOptions) -> tuple[np.ndarray, ...]:
            chosen = rows_of(step)
            draw = draw_for(config, options, step, len(chosen))
            other = draw_for(teacher.config, options, step, len(chosen))
            other = None if other is None else with_clock_of(other, draw, warp=aims.shares_clock)
            seen = seen_by_net(material.signals["accel"], chosen, config, draw, options.n_jobs)
            heard = seen_by_net(material.signals["ppg"], chosen, teacher.config, other, options.n_jobs)
            recent = recent_rows(rows_of, step, n_keys or len(chosen))
            return seen, heard, no_negatives(chosen, recent, material.groups, material.starts, length)

        identity = {
            "training": "distillation",
            "config": config,
            "teacher": content_hash(teacher.weights, teacher.config),
            "settings": list(astuple(aims)),
            "data": material.identity(),
            "initial": None if initial is None else content_hash(initial, config),
        }
        history = fit(
            lesson.loss,
            lesson.trained,
            make_batch,
            options,
            material=material,
            identity=identity,
            together=windows_per_participant,
            recent=n_keys,
            carried=lesson.carried,
            start=start,
        )
        return finish(config, lesson.student, history, lesson.heads())


def _check_windows(config: dict[str, Any], teacher_config: dict[str, Any]) -> None:
    for key in ("sampling_rate", "n_samples"):
        if config[key] != teacher_config[key]:
            raise ValueError(
                f"the teacher was trained with {key} {teacher_config[key]:g}, the student's is {config[key]:g}; "
                "cut both sensors into windows of the length and rate of the teacher"
            )


def _teacher_statistics(ppg: np.ndarray, teacher: Fitted, options: TrainingOptions) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and spread of the teacher's features, by which its head or a regression gets scaled values."""
    embeddings = embed(ppg, teacher.config, teacher.weights, n_jobs=options.n_jobs)
    scale = np.nanstd(embeddings, axis=0)
    return np.nanmean(embeddings, axis=0), np.where(scale > 1e-6, scale, 1.0).astype(np.float32)
