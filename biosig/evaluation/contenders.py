"""The encoders and estimators that stand in every comparison, as a list that reads like a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from biosig.estimators import (
    ContrastiveEncoder,
    DistilledEncoder,
    MaskedAutoencoder,
    SupervisedEncoder,
    load_encoder,
)
from biosig.evaluation.handcrafted import hand_crafted_features, log_spectrum
from biosig.evaluation.protocol import Budget, Contender, Estimator, Training, source_digest
from biosig.heart import wrist_heart_rate

STUDENT = "distilled student"
TEACHER = "PPG teacher (ceiling)"
ACCEL_MAE = "acceleration MAE"
SUPERVISED = "supervised"
RANDOM = "random encoder"
MOTION = "motion level alone"
SLOW_STUDENT = "distilled from slow movement alone"
SLOW_MOVEMENT = {"name": "envelopes", "bands": [[0.2, 0.5], [0.5, 1.0]], "envelope_rate": 16.0}
"""Front end of the control: what lies below 1 Hz is movement, posture and breath, and hardly anything of the recoil."""
L2_STUDENT = "L2-distilled student"
HAND_CRAFTED = "hand-crafted features"
LOG_SPECTRUM = "log spectrum"
WRIST_METHODS = ("nightbeat", "spectral", "pwr", "jerk")
CONTRASTIVE_STUDENT = "distilled from contrastive teacher"
CONTRASTIVE_TEACHER = "contrastive PPG teacher (ceiling)"
ACCEL_CONTRASTIVE = "acceleration contrastive"
MASKED, CONTRASTIVE = "masked", "contrastive"


def in_time(name: str) -> str:
    """Name under which an encoder's retrieval by the moments of the beats stands beside that by pooled embeddings."""
    return f"{name}, in time"


def fit_teacher(training: Training, kind: str, budget: Budget):
    """Return the PPG encoder of a kind fitted on the training windows, for all who are distilled from it."""
    kinds: dict[str, type[MaskedAutoencoder | ContrastiveEncoder]]
    kinds = {MASKED: MaskedAutoencoder, CONTRASTIVE: ContrastiveEncoder}
    if kind not in kinds:
        raise ValueError(f"teacher is {kind!r}; expected one of {sorted(kinds)}")
    return kinds[kind](modality="ppg", **common(training, budget)).fit(training.ppg, groups=training.groups)


def common(training: Training, budget: Budget) -> dict[str, Any]:
    """Parameters that all encoders of a comparison share."""
    return {
        "sampling_rate": training.sampling_rate,
        "random_state": training.random_state,
        "verbose": 1,
        **budget.settings(),
    }


@dataclass(kw_only=True)
class Trained(Contender):
    """An encoder of this library: `make` trains it, the rest is the same for all.

    Attributes
    ----------
    name, sees, learns_from_labels
        See `Contender`.
    make : callable
        ``make(training, settings)`` returns the fitted estimator.
    architecture : str
        Family in place of that of the budget; as it is where empty.
    settings : mapping
        Parameters of the estimator in place of the common ones.
    """

    name: str
    make: Callable[[Training, dict[str, Any]], Any]
    sees: str = "accel"
    learns_from_labels: bool = False
    architecture: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    encoder: Any = field(default=None, repr=False)

    def fit(self, training: Training) -> Trained:
        """Train with the budget's architecture, or with its own."""
        budget = replace(training.budget, architecture=self.architecture or training.budget.architecture)
        self.encoder = self.make(replace(training, budget=budget), {**common(training, budget), **self.settings})
        return self

    def embed(self, windows: np.ndarray, sampling_rate: float) -> np.ndarray:
        """Embed windows with the encoder trained last."""
        return np.asarray(self.encoder.transform(windows))

    def identity(self) -> str:
        """Name, family and settings; the code of this library is part of every cell's key already."""
        return f"{self.name} {self.sees} {self.architecture} {sorted(map(str, self.settings.items()))}"


def _teacher(training: Training, settings: dict[str, Any], kind: str = MASKED):
    return training.teacher(kind)


def _student(training: Training, settings: dict[str, Any], kind: str = MASKED):
    student = DistilledEncoder(training.teacher(kind), **settings)
    return student.fit(training.accel, training.ppg, groups=training.groups, starts=training.starts)


def _accel_mae(training: Training, settings: dict[str, Any]):
    return MaskedAutoencoder(modality="accel", **settings).fit(training.accel, groups=training.groups)


def _accel_contrastive(training: Training, settings: dict[str, Any]):
    return ContrastiveEncoder(modality="accel", **settings).fit(training.accel, groups=training.groups)


def _supervised(training: Training, settings: dict[str, Any]):
    return SupervisedEncoder(**settings).fit(training.accel, training.targets.to_numpy(), groups=training.groups)


class Saved(Contender):
    """An encoder that was trained before: it takes part as it is, and learns nothing.

    Parameters
    ----------
    source : str or path
        Folder, or the name of a shipped encoder, see `biosig.load_encoder`.
    """

    def __init__(self, source):
        self.encoder = load_encoder(source)
        self.name, self.sees = str(source), self.encoder.config_["modality"]

    def embed(self, windows: np.ndarray, sampling_rate: float) -> np.ndarray:
        """Embed windows of the rate and length that the encoder takes."""
        return np.asarray(self.encoder.transform(windows))

    def identity(self) -> str:
        """Name, weights and settings."""
        from biosig.nets.weights import content_hash

        return f"{self.name} {content_hash(self.encoder.weights_, self.encoder.config_)}"


class ByHand(Contender):
    """Features computed by a function of windows and sampling rate, without learning."""

    def __init__(self, name: str, compute: Callable[[np.ndarray, float], np.ndarray]):
        self.name = name
        self.compute = compute

    def embed(self, windows: np.ndarray, sampling_rate: float) -> np.ndarray:
        """Compute the features."""
        return self.compute(windows, sampling_rate)

    def identity(self) -> str:
        """Name and source of the function."""
        return f"{self.name} {source_digest(self.compute)}"


class WristRate(Estimator):
    """A published estimator of heart rate from a still wrist, see `biosig.wrist_heart_rate`."""

    def __init__(self, method: str):
        self.name = f"classical: {method}"
        self.method = method

    def estimate(self, windows: np.ndarray, sampling_rate: float) -> tuple[Mapping, Mapping]:
        """Return its heart rate; it is the less to be trusted the less confidence it has."""
        found = wrist_heart_rate(windows, sampling_rate, method=self.method, max_motion=np.inf)
        # Only the order of windows follows from a confidence, so it is turned into a number that grows with the error.
        doubt = 1.01 - np.clip(found["confidence"].to_numpy(), 0.0, 1.0)
        return {"heart_rate": found["heart_rate"].to_numpy()}, {"heart_rate": doubt}


def line_up(*, full: bool = False, architectures: Sequence[str] = (), own: Sequence[Contender] = ()) -> list[Contender]:
    """Return who takes part.

    Parameters
    ----------
    full : bool
        Also the contrastive encoders and the other ways of distilling.
    architectures : sequence of str
        Families, that of the budget first; in each further one every encoder of acceleration takes part under a name
        of its own.
    own : sequence of Contender
        The reader's own entries.

    Returns
    -------
    list of Contender
        The reference first.

    Raises
    ------
    ValueError
        When two entries have the same name, or a family is given twice.
    """
    if len(set(architectures)) < len(architectures):
        raise ValueError(f"the families are {', '.join(architectures)}; give each of them once")
    costly = [
        Trained(name=CONTRASTIVE_STUDENT, make=partial(_student, kind=CONTRASTIVE)),
        Trained(name=L2_STUDENT, make=_student, settings={"objective": "l2"}),
        Trained(name=ACCEL_CONTRASTIVE, make=_accel_contrastive),
    ]
    trained = [
        Trained(name=STUDENT, make=_student),
        *(costly if full else []),
        Trained(name=SLOW_STUDENT, make=_student, settings={"front_end": SLOW_MOVEMENT}),
        Trained(name=ACCEL_MAE, make=_accel_mae),
        Trained(name=SUPERVISED, make=_supervised, learns_from_labels=True),
        Trained(name=RANDOM, make=_accel_mae, settings={"n_steps": 0}),
    ]
    ceilings = [Trained(name=TEACHER, make=_teacher, sees="ppg")]
    if full:
        ceilings.append(Trained(name=CONTRASTIVE_TEACHER, make=partial(_teacher, kind=CONTRASTIVE), sees="ppg"))
    # All are taught by the same teacher, that of the first family, which so is their ceiling too.
    others = [
        replace(entry, name=f"{entry.name} [{family}]", architecture=family)
        for family in architectures[1:]
        for entry in trained
    ]
    return _checked([*trained, *ceilings, *others, *_untrained(), *own])


def members_by_family(entries: Sequence[Contender], first: str) -> dict[str, dict[str, str]]:
    """Return for each family its encoders of acceleration: name in the comparison, and name that all families share.

    Parameters
    ----------
    entries : sequence of Contender
    first : str
        Family of those that name none.

    Returns
    -------
    dict of str to dict of str to str
        Empty where there is only one family.
    """
    found: dict[str, dict[str, str]] = {}
    for entry in entries:
        if isinstance(entry, Trained) and entry.sees == "accel":
            family = entry.architecture or first
            found.setdefault(family, {})[entry.name] = entry.name.removesuffix(f" [{family}]")
    return found if len(found) > 1 else {}


def line_up_saved(sources: Sequence) -> list[Contender]:
    """Return who takes part where nothing is trained: these encoders, and what a scientist would try first.

    Parameters
    ----------
    sources : sequence of str or path
        See `Saved`; encoders of acceleration stand first, those of PPG are ceilings.

    Raises
    ------
    ValueError
        When two of them have the same name, or take windows of different rates or lengths.
    """
    saved = [Saved(source) for source in sources]
    shapes = {(one.encoder.config_["sampling_rate"], one.encoder.config_["n_samples"]) for one in saved}
    if len(shapes) > 1:
        found = ", ".join(f"{n / rate:g} s at {rate:g} Hz" for rate, n in sorted(shapes))
        raise ValueError(f"the encoders take different windows ({found}); compare those of one kind at a time")
    first, last = ([one for one in saved if one.sees == sensor] for sensor in ("accel", "ppg"))
    return _checked([*first, *_untrained(), *last])


def _untrained() -> list[Contender]:
    by_hand = [ByHand(HAND_CRAFTED, hand_crafted_features), ByHand(LOG_SPECTRUM, log_spectrum)]
    return [*by_hand, *(WristRate(method) for method in WRIST_METHODS)]


def _checked(entries: list[Contender]) -> list[Contender]:
    names = [entry.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1 or name == MOTION})
    if twice:
        raise ValueError(f"the name(s) {twice} are taken; give each entry of the comparison a name of its own")
    return entries
