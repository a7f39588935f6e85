"""What is asked of a student in distillation: two nets, the heads on which they meet, and the loss of a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from tinygrad import Context, Tensor

from biosig.nets.backend import from_numpy, to_numpy
from biosig.nets.encoders import build_encoder
from biosig.nets.heads import LearnedTemperature, LinearHead, ProjectionHead, TimedHead
from biosig.nets.parameters import get_weights, set_weights
from biosig.nets.updates import push
from biosig.training import objectives
from biosig.training._steps import begin_from
from biosig.training.fitted import Fitted

SHARED_FEATURES = 128  # width of the space in which student and teacher meet
TIMED_HIDDEN, TIMED_FEATURES = 192, 16  # of the heads that read stretch by stretch, per stretch
TIMED_TEMPERATURE = 0.05
OBJECTIVES = ("infonce", "l2", "cosine")


@dataclass(frozen=True)
class Aims:
    """What the loss is made of; see `biosig.training.train_distilled` for each field."""

    objective: str
    temperature: float
    balance: float
    learn_temperature: bool
    queue_size: int
    token_weight: float
    time_weight: float
    joint: bool

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ValueError(f"objective is {self.objective!r}; expected one of {OBJECTIVES}")
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature!r}; expected a positive number such as 0.1")
        if not 0 <= self.balance <= 1:
            raise ValueError(f"balance is {self.balance!r}; expected 0 to 1, such as 0.5 for both directions alike")
        if self.queue_size < 0:
            raise ValueError(f"queue_size is {self.queue_size!r}; expected the number of windows to keep, 0 for none")
        for name in ("token_weight", "time_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected a weight of 0 or more")
        if self.joint and (not self.contrasts or self.queue_size or self.token_weight):
            raise ValueError(
                f"joint was asked for with objective {self.objective!r}, queue_size {self.queue_size} and token_weight "
                f"{self.token_weight:g}; a teacher in training needs 'infonce', 0 and 0: freeze it for the others"
            )

    @property
    def contrasts(self) -> bool:
        """Whether pooled embeddings find each other, rather than one being regressed on the other."""
        return self.objective == "infonce"

    @property
    def shares_clock(self) -> bool:
        """Whether the moments of both windows are compared, so that a time warp must be the same for both."""
        return self.token_weight > 0 or self.time_weight > 0

    def n_keys(self, batch_size: int) -> int:
        """Windows in the queue, those of the batch among them; 0 without one."""
        return batch_size + self.queue_size if self.contrasts and self.queue_size else 0


class Lesson:
    """A student, a teacher and the heads on both.

    Parameters
    ----------
    config : dict
        Of the student.
    teacher : Fitted
    aims : Aims
    mean, scale : array (n_features,)
        By which the teacher's embeddings are standardised.
    batch_size : int
    rng : numpy.random.Generator
        Draws student and heads.
    initial : dict of str to array, optional
        Weights of the student to begin from.

    Attributes
    ----------
    trained : dict of str to module
    carried : dict of str to Tensor
        What else a step changes: the queue, where there is one.
    """

    def __init__(
        self,
        config: dict[str, Any],
        teacher: Fitted,
        aims: Aims,
        mean: np.ndarray,
        scale: np.ndarray,
        *,
        batch_size: int,
        rng: np.random.Generator,
        initial: dict[str, np.ndarray] | None = None,
    ) -> None:
        self.aims, self._mean, self._scale = aims, mean, scale
        self.student = build_encoder(config["encoder"], rng)
        begin_from(self.student, initial)
        self._teacher = build_encoder(teacher.config["encoder"], 0)
        set_weights(self._teacher, teacher.weights)
        shared = SHARED_FEATURES if aims.contrasts else self._teacher.n_features
        self._student_head, self._teacher_head = (
            ProjectionHead(net.n_features, 4 * net.n_features, shared, rng) for net in (self.student, self._teacher)
        )
        self.trained: dict[str, Any] = {"student": self.student, "student_head": self._student_head}
        if aims.contrasts:
            self.trained["teacher_head"] = self._teacher_head
        if aims.joint:
            self.trained["teacher"] = self._teacher
        if aims.contrasts and aims.learn_temperature:
            self.trained["temperature"] = LearnedTemperature(aims.temperature)
        if aims.token_weight:
            self.trained["token_head"] = LinearHead(self.student.token_width, self._teacher.token_width, rng)
            self._resampling = from_numpy(objectives.interpolation(self.student.n_tokens, self._teacher.n_tokens))
        if aims.time_weight:
            self.trained["student_in_time"], self.trained["teacher_in_time"] = self._timed_heads(rng)
        n_keys = aims.n_keys(batch_size)
        self.carried: dict[str, Tensor] = {}
        if n_keys:
            self.carried["queue"] = from_numpy(np.zeros((n_keys, self._teacher.n_features), np.float32))
        self._shift, self._factor = from_numpy(mean), from_numpy(1 / scale)

    def _timed_heads(self, rng: np.random.Generator) -> list[TimedHead]:
        """One head a sensor, over the shortest stretches that both nets cut a window into."""
        nets = self.student, self._teacher
        n = math.gcd(*(net.n_tokens for net in nets))
        return [TimedHead(n, net.n_tokens // n * net.token_width, TIMED_HIDDEN, TIMED_FEATURES, rng) for net in nets]

    def loss(self, seen: Tensor, heard: Tensor, excluded: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the loss of a batch, and what is assigned in its step.

        Parameters
        ----------
        seen, heard : Tensor
            Input of student and teacher, the same windows row by row.
        excluded : Tensor (n_batch, n_keys)
            1 where a key is no negative of a row.
        """
        aims = self.aims
        told, target = self._what_the_teacher_says(heard)
        said = self.student.tokens(seen)
        answer = self._student_head(self.student.pool(said))
        assigned = [push(queue, target) for queue in self.carried.values()]
        if aims.contrasts:
            key = self._teacher_head(self.carried["queue"].detach() if self.carried else target)
            found = objectives.info_nce(answer, key, excluded, self._temperature(), aims.balance)
        else:
            regression = objectives.l2_regression if aims.objective == "l2" else objectives.cosine_regression
            found = regression(answer, target)
        if aims.token_weight:
            guess = self.trained["token_head"](said)
            found = found + aims.token_weight * objectives.token_distillation(guess, told, self._resampling)
        if aims.time_weight:
            answer_in_time = self.trained["student_in_time"](said)
            key_in_time = self.trained["teacher_in_time"](told)
            in_batch = excluded[:, : int(answer.shape[0])]
            found = found + aims.time_weight * objectives.info_nce(
                answer_in_time, key_in_time, in_batch, TIMED_TEMPERATURE, aims.balance
            )
        return found, assigned

    def _what_the_teacher_says(self, heard: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens, and the standardised embedding."""
        if self.aims.joint:
            told = self._teacher.tokens(heard)
            return told, (self._teacher.pool(told) - self._shift) * self._factor
        with Context(TRAINING=0):  # the frozen teacher drops nothing out
            told = self._teacher.tokens(heard).detach()
            return told, (self._teacher.pool(told) - self._shift) * self._factor

    def _temperature(self) -> Any:
        return self.trained["temperature"]() if "temperature" in self.trained else self.aims.temperature

    def heads(self) -> dict[str, dict[str, np.ndarray]]:
        """Return what stood on the embeddings, as `Fitted.heads` keeps it."""
        heads = {"student": get_weights(self._student_head), "teacher": {"mean": self._mean, "scale": self._scale}}
        if self.aims.contrasts:
            heads["teacher"] |= get_weights(self._teacher_head)
        for name in ("student_in_time", "teacher_in_time"):
            if name in self.trained:
                heads[name] = get_weights(self.trained[name])
        if "temperature" in self.trained:
            heads["temperature"] = {"value": to_numpy(self._temperature())}
        if self.aims.joint:
            heads["joint_teacher"] = get_weights(self._teacher)
        return heads
