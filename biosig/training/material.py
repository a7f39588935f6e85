"""What a training draws on: windows by number, and which of them form the batch of a step."""

from __future__ import annotations

from typing import Any

import numpy as np

from biosig._checks import check_groups
from biosig.training.batches import ParticipantBatches, generator
from biosig.training.frontends import check_input, with_data
from biosig.training.options import TrainingOptions
from biosig.training.order import STATISTICS_WINDOWS, Drawn
from biosig.training.pairs import ParticipantPairs
from biosig.training.sources import fingerprint
from biosig.training.stream import SimulatedStream
from biosig.training.streamed import StreamMaterial


class ArrayMaterial:
    """Windows in memory or on disk, as many as there are.

    Parameters
    ----------
    windows : dict of str to windows
        By name, as an error calls them; the same windows in all, row by row.
    configs : dict of str to dict
        Config of the encoder that each is for, by the same names.
    options : TrainingOptions
    groups, starts : array (n_windows,), optional
    """

    feed = None

    def __init__(self, windows: dict, configs: dict[str, dict], options: TrainingOptions, groups=None, starts=None):
        self.signals = {name: check_input(x, configs[name], name) for name, x in windows.items()}
        lengths = [len(x) for x in self.signals.values()]
        if len(set(lengths)) > 1:
            shapes = " and ".join(f"{name} {x.shape}" for name, x in self.signals.items())
            told = shapes.replace(" ", " has shape ", 1)
            raise ValueError(f"{told}; expected the same windows in both, row by row")
        self.n_windows = lengths[0]
        self._groups = None if groups is None else check_groups(groups, self.n_windows)
        self.starts = None if starts is None else check_groups(starts, self.n_windows, "starts").astype(np.float64)
        self.usable = np.all([with_data(x, options.n_jobs, options.progress) for x in self.signals.values()], axis=0)
        self._name = " and ".join(self.signals)
        self._rows: np.ndarray | None = None

    def __enter__(self) -> ArrayMaterial:
        return self

    def __exit__(self, *exception) -> None:
        pass

    @property
    def rows(self) -> np.ndarray:
        """Numbers of the usable windows."""
        if self._rows is None:
            self._rows = rows_with_data(self.usable, self._name)
        return self._rows

    def only(self, known: np.ndarray, name: str) -> None:
        """Leave out further windows."""
        self.usable, self._name = self.usable & known, name

    @property
    def groups(self) -> np.ndarray:
        """Participant of each window; one for all where none are given."""
        return np.zeros(self.n_windows, np.int64) if self._groups is None else self._groups

    def identity(self, columns: dict[str, Any] | None = None) -> str:
        """Return a hash by which the data, and further columns, are recognised again."""
        with_starts = {"starts": self.starts} if "ppg" in self.signals and "accel" in self.signals else {}
        return fingerprint(self.signals, {**(columns or {}), "groups": self._groups, **with_starts, "rows": self.rows})

    def some(self, name: str, random_state: int) -> np.ndarray:
        """Return some of the windows for statistics."""
        some = generator(random_state, "statistics", 0).permutation(self.rows)[:STATISTICS_WINDOWS]
        return self.signals[name][np.sort(some)]

    def draw(self, options: TrainingOptions, *, together: int, in_pairs: bool, recent: int) -> Drawn:
        """Hold participants out and put the windows of the others in order; see `biosig.training._steps.fit`."""
        used, held = hold_out(self.rows, self._groups, options.validation_fraction, options.random_state)
        people = self.groups[used]
        seed, size = options.random_state, options.batch_size
        order = (
            ParticipantPairs(people, size, seed)
            if in_pairs
            else ParticipantBatches(people, min(size, len(used)), seed, together)
        )
        return Drawn(lambda step: used[order.batch(step)], order.batch_size, held)


def rows_with_data(usable: np.ndarray, name: str) -> np.ndarray:
    """Return the numbers of the usable windows, or raise ValueError where a training has too few of them."""
    rows = np.flatnonzero(usable)
    if len(rows) < 2:
        raise ValueError(
            f"{len(rows)} of {len(usable)} windows can be used ({name}); training needs at least 2 that are not all NaN"
        )
    return rows


def hold_out(rows: np.ndarray, groups, fraction: float, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Split the usable windows into those to train on and those held out, by participant.

    Parameters
    ----------
    rows : array (n,)
        Numbers of the usable windows.
    groups : array (n_windows,) or None
        Participant of each window; where None, windows are drawn as if each were a participant's only one.
    fraction : float
        Share of the participants to hold out, at least one where it is not 0.
    random_state : int

    Raises
    ------
    ValueError
        When there are too few participants, or too few windows of those left, for both sides.
    """
    if not fraction:
        return rows, rows[:0]
    codes = np.arange(len(rows)) if groups is None else np.unique(groups[rows], return_inverse=True)[1]
    n_people = int(codes.max()) + 1
    n_held = max(1, round(fraction * n_people))
    held = np.isin(codes, generator(random_state, "hold out", 0).permutation(n_people)[:n_held])
    if n_people < 2 or min(held.sum(), (~held).sum()) < 2:
        raise ValueError(
            f"validation_fraction is {fraction:g}, but {n_people} participant(s) with {len(rows)} usable windows "
            "cannot be split so that both sides have at least 2: give more participants, or validation_fraction=0"
        )
    return rows[~held], rows[held]


Material = ArrayMaterial | StreamMaterial


def open_material(
    windows: dict[str, Any], configs: dict[str, dict], options: TrainingOptions, groups=None, starts=None
) -> Material:
    """Return what to train on, a context: arrays by name, or a stream in place of the first of them.

    Raises
    ------
    ValueError
        For windows that do not fit their config, and for anything given beside a stream, which brings its own.
    """
    stream = next(iter(windows.values()))
    if not isinstance(stream, SimulatedStream):
        return ArrayMaterial(windows, configs, options, groups, starts)
    beside = {**dict(list(windows.items())[1:]), "groups": groups, "starts": starts}
    given = [name for name, value in beside.items() if value is not None]
    if given:
        raise ValueError(f"{' and '.join(given)} given beside a stream, which brings its own; leave out")
    return StreamMaterial(stream, configs, options)
