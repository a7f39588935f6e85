"""Distillation: an encoder of acceleration learns to say what an encoder of PPG says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from tinygrad import Context, Tensor

from biosig._checks import check_groups
from biosig.nets.backend import from_numpy, lock, spread_over, to_numpy
from biosig.nets.encoders import Encoder, build_encoder
from biosig.nets.heads import LearnedTemperature, LinearHead, ProjectionHead, TimedHead
from biosig.nets.parameters import get_weights, set_weights
from biosig.nets.updates import push
from biosig.nets.weights import content_hash
from biosig.training import objectives
from biosig.training._steps import RowsOf, begin_from, draw_for, finish, fit, participants, rows_with_data, seen_by_net
from biosig.training.augmentation import with_clock_of
from biosig.training.batches import generator
from biosig.training.checkpoint import State
from biosig.training.embedding import embed
from biosig.training.fitted import Fitted
from biosig.training.frontends import check_input, with_data
from biosig.training.loop import TrainingOptions
from biosig.training.pairs import no_negatives, recent_rows
from biosig.training.sources import fingerprint

SHARED_FEATURES = 128  # width of the space in which student and teacher meet
TIMED_HIDDEN, TIMED_FEATURES = 192, 16  # of the heads that read stretch by stretch, per stretch
TIMED_TEMPERATURE = 0.05
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
    _check_settings(config, teacher.config, objective, temperature, balance, queue_size, token_weight, time_weight)
    if joint and (objective != "infonce" or queue_size or token_weight):
        raise ValueError(
            f"joint was asked for with objective {objective!r}, queue_size {queue_size} and token_weight "
            f"{token_weight:g}; a teacher in training needs 'infonce', 0 and 0: freeze it for the others"
        )
    contrast = objective == "infonce"
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
    n_keys = options.batch_size + queue_size if contrast and queue_size else 0

    with lock, spread_over(options.devices):
        rng = np.random.default_rng(options.random_state)
        student_net = build_encoder(config["encoder"], rng)
        begin_from(student_net, initial)
        teacher_net = build_encoder(teacher.config["encoder"], 0)
        set_weights(teacher_net, teacher.weights)
        shared = SHARED_FEATURES if contrast else teacher_net.n_features
        student_head = ProjectionHead(student_net.n_features, 4 * student_net.n_features, shared, rng)
        teacher_head = ProjectionHead(teacher_net.n_features, 4 * teacher_net.n_features, shared, rng)
        trained: dict[str, Any] = {"student": student_net, "student_head": student_head}
        if contrast:
            trained["teacher_head"] = teacher_head
        if joint:
            trained["teacher"] = teacher_net
        if contrast and learn_temperature:
            trained["temperature"] = learned = LearnedTemperature(temperature)
        if token_weight:
            trained["token_head"] = token_head = LinearHead(student_net.token_width, teacher_net.token_width, rng)
            resampling = from_numpy(objectives.interpolation(student_net.n_tokens, teacher_net.n_tokens))
        if time_weight:
            timed = _timed_heads((student_net, teacher_net), rng)
            trained["student_in_time"], trained["teacher_in_time"] = timed
        carried = {"queue": from_numpy(np.zeros((n_keys, teacher_net.n_features), np.float32))} if n_keys else {}
        shift, factor = from_numpy(mean), from_numpy(1 / scale)

        def loss(seen: Tensor, heard: Tensor, excluded: Tensor) -> tuple[Tensor, list[Tensor]]:
            if joint:
                told = teacher_net.tokens(heard)
                target = (teacher_net.pool(told) - shift) * factor
            else:
                with Context(TRAINING=0):  # the frozen teacher drops nothing out
                    told = teacher_net.tokens(heard).detach()
                    target = (teacher_net.pool(told) - shift) * factor
            said = student_net.tokens(seen)
            answer = student_head(student_net.pool(said))
            assigned = [push(queue, target) for queue in carried.values()]
            if contrast:
                key = teacher_head(carried["queue"].detach() if n_keys else target)
                found = objectives.info_nce(
                    answer, key, excluded, learned() if learn_temperature else temperature, balance
                )
            else:
                regression = objectives.l2_regression if objective == "l2" else objectives.cosine_regression
                found = regression(answer, target)
            if token_weight:
                found = found + token_weight * objectives.token_distillation(token_head(said), told, resampling)
            if time_weight:
                answer_in_time, key_in_time = (head(tokens) for head, tokens in zip(timed, (said, told), strict=True))
                in_batch = excluded[:, : int(answer.shape[0])]
                found = found + time_weight * objectives.info_nce(
                    answer_in_time, key_in_time, in_batch, TIMED_TEMPERATURE, balance
                )
            return found, assigned

        def make_batch(rows_of: RowsOf, step: int, options: TrainingOptions) -> tuple[np.ndarray, ...]:
            chosen = rows_of(step)
            draw = draw_for(config, options, step, len(chosen))
            other = draw_for(teacher.config, options, step, len(chosen))
            other = None if other is None else with_clock_of(other, draw, warp=token_weight > 0 or time_weight > 0)
            seen = seen_by_net(accel, chosen, config, draw, options.n_jobs)
            heard = seen_by_net(ppg, chosen, teacher.config, other, options.n_jobs)
            return (
                seen,
                heard,
                no_negatives(chosen, recent_rows(rows_of, step, n_keys or len(chosen)), people, starts, length),
            )

        identity = {
            "training": "distillation",
            "config": config,
            "teacher": content_hash(teacher.weights, teacher.config),
            "settings": [
                objective,
                temperature,
                balance,
                learn_temperature,
                queue_size,
                token_weight,
                time_weight,
                joint,
            ],
            "data": fingerprint({"accel": accel, "ppg": ppg}, {"groups": groups, "starts": starts, "rows": rows}),
            "initial": None if initial is None else content_hash(initial, config),
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
            carried=carried,
            start=start,
        )
        heads = {"student": get_weights(student_head), "teacher": {"mean": mean, "scale": scale}}
        if contrast:
            heads["teacher"] |= get_weights(teacher_head)
        if time_weight:
            heads |= {name: get_weights(trained[name]) for name in ("student_in_time", "teacher_in_time")}
        if contrast and learn_temperature:
            heads["temperature"] = {"value": to_numpy(learned())}
        if joint:
            heads["joint_teacher"] = get_weights(teacher_net)
        return finish(config, student_net, history, heads)


def _timed_heads(nets: Sequence[Encoder], rng: np.random.Generator) -> list[TimedHead]:
    """One head a sensor, over the shortest stretches that both nets cut a window into."""
    n = math.gcd(*(net.n_tokens for net in nets))
    return [TimedHead(n, net.n_tokens // n * net.token_width, TIMED_HIDDEN, TIMED_FEATURES, rng) for net in nets]


def _check_settings(
    config, teacher_config, objective, temperature, balance, queue_size, token_weight, time_weight
) -> None:
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
    if not 0 <= balance <= 1:
        raise ValueError(f"balance is {balance!r}; expected 0 to 1, such as 0.5 for both directions alike")
    if queue_size < 0:
        raise ValueError(f"queue_size is {queue_size!r}; expected the number of windows to keep, 0 for none")
    for name, weight in (("token_weight", token_weight), ("time_weight", time_weight)):
        if not weight >= 0:
            raise ValueError(f"{name} is {weight!r}; expected a weight of 0 or more")


def _teacher_statistics(
    ppg: np.ndarray, rows: np.ndarray, teacher: Fitted, options: TrainingOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and spread of the teacher's features, by which its head or a regression gets scaled values."""
    some = generator(options.random_state, "statistics", 0).permutation(rows)[:STATISTICS_WINDOWS]
    embeddings = embed(ppg[np.sort(some)], teacher.config, teacher.weights, n_jobs=options.n_jobs)
    scale = np.nanstd(embeddings, axis=0)
    return np.nanmean(embeddings, axis=0), np.where(scale > 1e-6, scale, 1.0).astype(np.float32)
