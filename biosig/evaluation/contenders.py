"""Every encoder that is compared, trained on the same windows with the same budget."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from biosig.estimators import DistilledEncoder, MaskedAutoencoder, SupervisedEncoder
from biosig.evaluation.cohort import TARGETS, Cohort

STUDENT = "distilled student"
TEACHER = "PPG teacher (ceiling)"
ACCEL_MAE = "acceleration MAE"
SUPERVISED = "supervised"
RANDOM = "random encoder"
MOTION = "motion level alone"


@dataclass(frozen=True)
class Budget:
    """What each encoder may cost."""

    architecture: str = "conv"
    size: str = "tiny"
    n_steps: int = 400
    batch_size: int = 64


@dataclass
class Contenders:
    """Embeddings of all windows by each encoder trained on some of them.

    Attributes
    ----------
    features : dict of str to array of shape (n_windows, n_features)
    histories : dict of str to dict
        Learning curves.
    shared : dict of str to array
        Rows in the space that student and teacher share: ``accel``, ``ppg``.
    student : DistilledEncoder
        Fitted.
    """

    features: dict[str, np.ndarray] = field(default_factory=dict)
    histories: dict[str, dict] = field(default_factory=dict)
    shared: dict[str, np.ndarray] = field(default_factory=dict)
    student: DistilledEncoder | None = None


def train_contenders(
    cohort: Cohort, train: np.ndarray, use: np.ndarray, budget: Budget, random_state: int
) -> Contenders:
    """Train every encoder on the windows `train` and embed the windows `use`.

    Parameters
    ----------
    cohort : Cohort
    train, use : arrays of int
        Row numbers. `use` holds all windows that will be probed or tested; features of other rows are not computed.
    budget : Budget
    random_state : int

    Returns
    -------
    contenders : Contenders
        Features have one row for each entry of `use`.
    """
    table = cohort.table
    common: dict[str, Any] = {
        "sampling_rate": cohort.sampling_rate,
        "architecture": budget.architecture,
        "size": budget.size,
        "n_steps": budget.n_steps,
        "batch_size": budget.batch_size,
        "random_state": random_state,
        "verbose": 1,
    }
    people = cohort.participants[train]
    accel, ppg = cohort.accel[train], cohort.ppg[train]
    teacher = MaskedAutoencoder(modality="ppg", **common).fit(ppg, groups=people)
    student = DistilledEncoder(teacher, **common).fit(
        accel, ppg, groups=people, starts=table["start"].to_numpy()[train]
    )
    alone = MaskedAutoencoder(modality="accel", **common).fit(accel, groups=people)
    supervised = SupervisedEncoder(**common).fit(accel, table.loc[train, list(TARGETS)].to_numpy(), groups=people)
    untrained = MaskedAutoencoder(modality="accel", **{**common, "n_steps": 0}).fit(accel)

    seen = cohort.accel[use]
    result = Contenders(student=student)
    for name, encoder in {STUDENT: student, ACCEL_MAE: alone, SUPERVISED: supervised, RANDOM: untrained}.items():
        result.features[name] = encoder.transform(seen)
    result.features[TEACHER] = teacher.transform(cohort.ppg[use])
    result.features[MOTION] = np.log10(np.maximum(table["motion"].to_numpy()[use], 1e-5))[:, np.newaxis]
    result.histories = {
        TEACHER: teacher.history_,
        STUDENT: student.history_,
        ACCEL_MAE: alone.history_,
        SUPERVISED: supervised.history_,
    }
    result.shared = {"accel": student.project(seen), "ppg": student.project_ppg(cohort.ppg[use])}
    return result
