"""The costly part of a comparison: every contender trained on the same windows of a split, each finished one kept."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from biosig._files import write_json
from biosig.estimators import DistilledEncoder, PretrainedEncoder, load_encoder
from biosig.evaluation.cohort import Cohort
from biosig.evaluation.contenders import Trained, fit_teacher
from biosig.evaluation.protocol import Budget, Contender, Estimator, Training
from biosig.evaluation.results import hash_arrays
from biosig.evaluation.store import Store


@dataclass
class Cell:
    """What one contender made of the windows of one split.

    Attributes
    ----------
    features : array of shape (n_use, n_features), or None for estimators
    estimates, doubts : dict of str to array of shape (n_use,)
        Of estimators, per target: estimates, and how unsure they are. NaN for training windows.
    shared : dict of str to array
        Rows in the space that student and teacher share: ``accel``, ``ppg``. Empty where there is no such space.
    timed : dict of str to array
        The same in the space in which windows are compared stretch by stretch, of the test windows alone.
    history : dict
        Learning curves.
    reason : str
        Why there is nothing, empty otherwise.
    """

    features: np.ndarray | None = None
    estimates: dict[str, np.ndarray] = field(default_factory=dict)
    doubts: dict[str, np.ndarray] = field(default_factory=dict)
    shared: dict[str, np.ndarray] = field(default_factory=dict)
    timed: dict[str, np.ndarray] = field(default_factory=dict)
    history: dict[str, Any] = field(default_factory=dict)
    reason: str = ""


class Split:
    """One split of a cohort with one seed: trains contenders on some windows and lets them embed others.

    Parameters
    ----------
    cohort : Cohort
    train, use, test : array of int
        Row numbers: trained on; embedded; those of `use` that are tested.
    budget : Budget
    random_state : int
    store : Store
        Where finished cells are.
    """

    def __init__(self, cohort: Cohort, train, use, test, budget: Budget, random_state: int, store: Store):
        self.cohort, self.train, self.use, self.test = cohort, train, use, test
        self.budget, self.random_state, self.store = budget, random_state, store
        self.key = {
            "split": hash_arrays([train, use, test]),
            "budget": budget.settings(),
            "random_state": random_state,
        }
        self._teachers: dict[str, Any] = {}

    def on(self, rows: np.ndarray) -> Split:
        """The same split with other training windows."""
        return Split(self.cohort, rows, self.use, self.test, self.budget, self.random_state, self.store)

    def training(self) -> Training:
        """What contenders learn from."""
        rows, cohort = self.train, self.cohort
        return Training(
            accel=cohort.accel[rows],
            ppg=cohort.ppg[rows],
            targets=cohort.targets.iloc[rows].reset_index(drop=True),
            groups=cohort.participants[rows],
            starts=cohort.table["start"].to_numpy()[rows],
            sampling_rate=cohort.sampling_rate,
            budget=self.budget,
            random_state=self.random_state,
            teacher=self.teacher,
        )

    def teacher(self, kind: str):
        """The PPG encoder of a kind, fitted once on the training windows and kept in the store."""
        if kind not in self._teachers:
            folder = self.teacher_folder(kind)
            if not (folder / "history.json").exists():
                fitted = fit_teacher(self.training(), kind, self.budget)
                fitted.save(folder)
                write_json(folder / "history.json", fitted.history_)
            self._teachers[kind] = load_encoder(folder)
            self._teachers[kind].history_ = json.loads((folder / "history.json").read_text(encoding="utf-8"))
        return self._teachers[kind]

    def teacher_folder(self, kind: str) -> Path:
        """Where the encoder of `teacher` is kept."""
        return self.store.path(f"{kind} teacher", **self.key)

    def cell(self, contender: Contender) -> Cell:
        """Train one contender and let it embed, unless that was done before. Its failure is a reason, not the end."""
        try:
            kept = self.store.arrays(self._name(contender), lambda: self._compute(contender), **self._key(contender))
        except (MemoryError, KeyboardInterrupt):
            raise
        except Exception as error:  # whatever the code of others raises
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            tqdm.write(f"{contender.name}: left out ({reason})")
            return Cell(reason=reason)
        cell = Cell(features=kept.get("features"), history=kept["history"], reason=kept["reason"])
        for part in ("estimates", "doubts", "shared", "timed"):
            found = {key.partition(" ")[2]: value for key, value in kept.items() if key.startswith(f"{part} ")}
            setattr(cell, part, found)
        return cell

    def folder(self, contender: Contender) -> Path:
        """Where the encoder of a finished cell is kept, if it keeps one."""
        return self.store.path(self._name(contender), **self._key(contender))

    def _name(self, contender: Contender) -> str:
        return f"{contender.name} seed {self.random_state}"

    def _key(self, contender: Contender) -> dict[str, Any]:
        return {**self.key, "contender": contender.identity()}

    def _compute(self, contender: Contender) -> dict[str, Any]:
        # A copy learns: the next split must find the contender as it was given.
        fitted = copy.deepcopy(contender).fit(self.training())
        found: dict[str, Any] = {"history": {}, "reason": ""}
        if isinstance(fitted, Estimator):
            estimates, doubts = fitted.estimate(self.cohort.accel[self.test], self.cohort.sampling_rate)
            for part, columns in (("estimates", estimates), ("doubts", doubts)):
                for target, values in columns.items():
                    found[f"{part} {target}"] = self._placed(np.asarray(values, dtype=np.float64), contender.name)
            return found
        signal = self.cohort.ppg if fitted.sees == "ppg" else self.cohort.accel
        features = np.asarray(fitted.embed(signal[self.use], self.cohort.sampling_rate), dtype=np.float32)
        if features.ndim != 2 or len(features) != len(self.use):
            raise ValueError(
                f"embed returned the shape {features.shape} for {len(self.use)} windows; expected "
                f"({len(self.use)}, n_features), one row a window"
            )
        if not np.isfinite(features).all(axis=1).any():
            found["reason"] = "embed returned no finite row: every window has a NaN or infinite feature"
        found["features"] = features
        if isinstance(fitted, Trained):
            found["history"] = fitted.encoder.history_
            if not isinstance(fitted.encoder, PretrainedEncoder):  # a teacher is in the store already
                fitted.encoder.save(self.folder(contender))
            if isinstance(fitted.encoder, DistilledEncoder):
                found["shared accel"] = fitted.encoder.project(self.cohort.accel[self.use])
                found["shared ppg"] = fitted.encoder.project_ppg(self.cohort.ppg[self.use])
                if "student_in_time" in fitted.encoder.heads_:
                    accel, ppg = self.cohort.accel[self.test], self.cohort.ppg[self.test]
                    found["timed accel"] = fitted.encoder.project(accel, in_time=True)
                    found["timed ppg"] = fitted.encoder.project_ppg(ppg, in_time=True)
        return found

    def _placed(self, values: np.ndarray, name: str) -> np.ndarray:
        """Estimates of the test windows among all that are used; NaN elsewhere."""
        if values.shape != (len(self.test),):
            raise ValueError(f"{name} gave {values.shape} estimates for {len(self.test)} windows")
        full = np.full(len(self.use), np.nan)
        full[np.isin(self.use, self.test)] = values
        return full
