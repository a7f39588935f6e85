"""What the cells of all splits and seeds come to, window by window and person by person."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from biosig.evaluation.cells import Cell
from biosig.evaluation.cohort import Cohort
from biosig.evaluation.compare import Prediction, finite_mean
from biosig.evaluation.contenders import MOTION, SLOW_STUDENT, STUDENT, in_time
from biosig.evaluation.people import person_means
from biosig.evaluation.probe import probe_with_error
from biosig.evaluation.retrieval import control_queries, retrieval


class Gathered:
    """Predictions, places in the shared space and person means, filled in split by split.

    Parameters
    ----------
    cohort : Cohort
    split : array of int, shape (n_windows,)
        Fold in which each window is tested, -1 for training only.
    n_seeds : int
    """

    def __init__(self, cohort: Cohort, split: np.ndarray, n_seeds: int):
        self.cohort, self.split, self.n_seeds = cohort, split, n_seeds
        self.people = np.unique(cohort.participants)
        self.folds = [int(fold) for fold in np.unique(split) if fold >= 0]
        shape = (n_seeds, len(split))
        blank = lambda: np.full(shape, np.nan)
        self.predicted: dict[str, dict[str, np.ndarray]] = defaultdict(lambda: defaultdict(blank))
        self.expected: dict[str, dict[str, np.ndarray]] = defaultdict(lambda: defaultdict(blank))
        self.fitted: dict[str, dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
        self.shared: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
        self.means: dict[str, list[list[np.ndarray]]] = {}
        self.reasons: dict[str, str] = {}

    def add(self, cells: dict[str, Cell], use: np.ndarray, fold: int, seed: int) -> None:
        """Take in the cells of one split: `use` are the row numbers of their windows, `seed` the number of the run."""
        test = self.split[use] == fold
        motion = np.log10(np.maximum(self.cohort.table["motion"].to_numpy()[use], 1e-5))
        for name, cell in {**cells, MOTION: Cell(features=motion[:, np.newaxis])}.items():
            if cell.reason:
                self.reasons.setdefault(name, cell.reason)
            with threadpool_limits(1, user_api="blas"):  # many small decompositions: threads would only wait
                self._predict(name, cell, use, test, seed)
            if cell.features is not None:
                means = person_means(cell.features, self.cohort.participants[use], self.people)
                self.means.setdefault(name, [[] for _ in range(self.n_seeds)])[seed].append(means)
            for sensor, rows in cell.shared.items():
                self._place(name, sensor, rows[test], use[test], seed)
            for sensor, rows in cell.timed.items():
                self._place(in_time(name), sensor, rows, use[test], seed)
        if STUDENT in cells and cells[STUDENT].shared:
            ppg = cells[STUDENT].shared["ppg"]
            self._place(MOTION, "accel", control_queries(motion[~test], ppg[~test], motion[test]), use[test], seed)
            self._place(MOTION, "ppg", ppg[test], use[test], seed)

    def _predict(self, name: str, cell: Cell, use, test, seed: int) -> None:
        people = self.cohort.participants[use]
        for target in self.cohort.targets.columns:
            if cell.features is not None and not cell.reason:
                y = self.cohort.table[target].to_numpy()[use]
                found = probe_with_error(cell.features[~test], y[~test], people[~test], cell.features[test])
                self.predicted[name][target][seed, use[test]] = found.predicted
                self.expected[name][target][seed, use[test]] = found.expected_error
                self.fitted[name][target].append(np.abs(found.fitted - y[~test]))
            elif target in cell.estimates:
                self.predicted[name][target][seed, use[test]] = cell.estimates[target][test]
                if target in cell.doubts:
                    self.expected[name][target][seed, use[test]] = cell.doubts[target][test]

    def _place(self, name: str, sensor: str, rows: np.ndarray, where: np.ndarray, seed: int) -> None:
        full = self.shared[name].setdefault(
            sensor, np.full((self.n_seeds, len(self.split), rows.shape[1]), np.nan, np.float32)
        )
        full[seed, where] = rows

    def predictions(self) -> dict[str, Prediction]:
        """Per contender its predictions; those that failed predict nothing, and say why in `reasons`."""
        found = {}
        for name in {**self.predicted, **self.reasons}:
            training = {target: finite_mean(np.concatenate(parts)) for target, parts in self.fitted[name].items()}
            values = dict(self.predicted[name])
            if not values:
                values = {target: np.full(len(self.split), np.nan) for target in self.cohort.targets.columns}
            found[name] = Prediction(values, dict(self.expected[name]), training)
        return found

    def person_embeddings(self) -> dict[str, list[np.ndarray]]:
        """Per contender and seed the mean embeddings of all people by the encoder of each fold, for `probe_people`."""
        whole = lambda runs: all(len(run) == len(self.folds) for run in runs)
        return {
            name: [np.stack(run) for run in runs]
            for name, runs in self.means.items()
            if whole(runs) and name not in self.reasons
        }

    def person_folds(self) -> np.ndarray:
        """Fold in which each person is tested, numbered from 0; -1 for training only."""
        first = pd.Series(self.split).groupby(self.cohort.participants).first().reindex(self.people).to_numpy()
        return np.where(first >= 0, np.searchsorted(self.folds, first), -1)

    def retrieval(
        self, *, back: bool = False, max_motion: float = np.inf, random_state: int = 0
    ) -> dict[str, pd.DataFrame]:
        """Tables of retrieval per contender with a shared space; from PPG to acceleration if `back`.

        With `max_motion` (g) only windows at most that restless are sought, and sought among. Each is compared with a
        control, where there is one: pooled embeddings with the motion level, those in time with the encoder that was
        distilled from slow movement alone, for movement has its moments too, and disturbs both sensors in them.

        The windows of each fold and seed were placed by encoders of their own and are compared among themselves.
        """
        calm = self.cohort.table["motion"].to_numpy() <= max_motion
        rows = np.flatnonzero(self.cohort.still & calm & (self.split >= 0))
        again = lambda column: np.tile(self.cohort.table[column].to_numpy()[rows], self.n_seeds)
        seeds = np.repeat(np.arange(self.n_seeds), len(rows))
        tables = {}
        between = ("ppg", "accel") if back else ("accel", "ppg")
        pair = lambda name: [np.concatenate(self.shared[name][sensor][:, rows]) for sensor in between]
        control = {name: MOTION for name in self.shared}
        control |= {name: in_time(SLOW_STUDENT) for name in map(in_time, self.shared) if name in self.shared}
        for name in self.shared:
            table = retrieval(
                *pair(name),
                control=pair(control[name]) if control[name] in self.shared and control[name] != name else None,
                groups=again("participant"),
                sessions=again("session"),
                starts=again("start"),
                folds=np.tile(self.split[rows], self.n_seeds) + seeds * (self.split.max() + 1),
                length=self.cohort.length,
                random_state=random_state,
            )
            tables[name] = table.assign(n_queries=table["n_queries"] // self.n_seeds)
        return tables
