"""Checkpoints: a training that was killed goes on from the last one and ends with the same weights, bit for bit.

A folder holds ``training.json`` (what is being trained: configuration, options, fingerprint of the data) and
``last.safetensors``, with validation also ``best.safetensors``. Each of the two is a whole state of a training and
appears whole or not at all; nothing is ever unpickled.
"""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from biosig._files import atomic_path, check_regular, read_json, write_json
from biosig.nets.weights import content_hash

FORMAT = 1
LAST, BEST, ABOUT = "last.safetensors", "best.safetensors", "training.json"
_HEADER = "biosig_checkpoint"
_PARTS = ("weights", "optimiser", "carried", "history")
_MAX_STEP = 2**53
_MAX_ABOUT_BYTES = 2**20
_DAMAGED = (
    safetensors.SafetensorError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OSError,
    OverflowError,
    RecursionError,
)
_COUNTS = ("step", "validation_step")  # the curves of whole numbers


@dataclass
class State:
    """All that a training needs to go on, as plain data.

    Attributes
    ----------
    step : int
        Steps taken.
    weights, optimiser, carried : dict of str to array
        The trained weights, the moments of the optimiser, and what else the steps change.
    history : dict of str to list
        The learning curves.
    counters : dict of str to list of int
        Random numbers drawn, see `biosig.nets._backend_random`.
    feed : dict of str to int
        Where a stream of windows stands, see `biosig.training.streamed`; empty for windows that are all there.
    """

    step: int
    weights: dict[str, np.ndarray]
    optimiser: dict[str, np.ndarray]
    carried: dict[str, np.ndarray] = field(default_factory=dict)
    history: dict[str, list] = field(default_factory=dict)
    counters: dict[str, list[int]] = field(default_factory=dict)
    feed: dict[str, int] = field(default_factory=dict)

    def is_finite(self) -> bool:
        """Whether all values are numbers: what is worth keeping."""
        return all(np.isfinite(v).all() for part in (self.weights, self.optimiser, self.carried) for v in part.values())


class Checkpoints:
    """The folder of one training.

    Parameters
    ----------
    folder : path
        Made where it is not there yet.
    identity : dict
        What the trained weights depend on, as JSON can hold it.

    Raises
    ------
    ValueError
        When the folder belongs to another training, or a file in it is missing, damaged or foreign; it is named.
    OSError
        Where the folder cannot be written.
    """

    def __init__(self, folder: str | os.PathLike, identity: dict[str, Any]):
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"{self.folder} is a file; give the name of a folder for the checkpoints")
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in (LAST, BEST, ABOUT):
            for unfinished in self.folder.glob(f".{name}.*"):  # of a process that was killed while writing
                unfinished.unlink(missing_ok=True)
        self.saved_step: int | None = None
        self._best_step: int | None = None
        about = {"format": FORMAT, **json.loads(json.dumps(identity, allow_nan=False))}
        if (self.folder / ABOUT).exists():
            _check_same(self.folder, _read_json(self.folder / ABOUT), about)
        else:
            for name in (LAST, BEST):
                if (self.folder / name).exists():
                    raise ValueError(f"{self.folder / ABOUT} is missing, but {name} is there; {_remedy(self.folder)}")
            write_json(self.folder / ABOUT, about)
        self._about = about

    def resume(self, begin: int = 0) -> tuple[State | None, State | None]:
        """Return the newest state and the best of the looks at held-out windows after `begin`; None where none is."""
        last, best = (self._read(self.folder / name) for name in (LAST, BEST))
        if best is not None and (last is None or best.step > last.step):
            last = best  # the best is written first: the process was killed between the two
        if last is not None:
            self.saved_step = last.step
            if best is None and any(step > begin for step in last.history.get("validation_step", [])):
                raise ValueError(f"{self.folder / BEST} is missing; {_remedy(self.folder)}")
        self._best_step = best.step if best is not None else None
        return last, best

    def save(self, last: State, best: State | None = None) -> bool:
        """Write states; where that fails those before stay, a warning says so, and False is returned."""
        try:
            if best is not None and best.step != self._best_step:
                self._write(BEST, best)  # first: what `last` tells of the best must be there
                self._best_step = best.step
            self._write(LAST, last)
        except OSError as error:
            kept = "none was saved before" if self.saved_step is None else f"that of step {self.saved_step} is kept"
            warnings.warn(
                f"the checkpoint of step {last.step} could not be written to {self.folder} ({error}); {kept}",
                RuntimeWarning,
                stacklevel=2,
            )
            return False
        self.saved_step = last.step
        return True

    def _write(self, name: str, state: State) -> None:
        header: dict[str, Any] = {"step": state.step, "counters": state.counters}
        if state.feed:
            header["feed"] = state.feed
        arrays = {
            f"{part}/{key}": np.array(values, order="C", dtype=_history_type(key) if part == "history" else None)
            for part in _PARTS
            for key, values in getattr(state, part).items()
        }
        complete = {**header, "content_hash": content_hash(arrays, {**header, "about": self._about})}
        content = safetensors.numpy.save(arrays, metadata={_HEADER: json.dumps(complete)})
        with atomic_path(self.folder / name) as path:
            path.write_bytes(content)

    def _read(self, path: Path) -> State | None:
        if not path.exists():
            return None
        try:
            check_regular(path)
            with safetensors.safe_open(path, framework="numpy") as file:
                header = json.loads((file.metadata() or {})[_HEADER])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            _check_header(header)
            claimed = header.pop("content_hash")
            parts: dict[str, Any] = {part: {} for part in _PARTS}
            for name, values in arrays.items():
                part, _, own_name = name.partition("/")
                parts[part][own_name] = values.tolist() if part == "history" else values
            state = State(**header, **parts)
            _check_state(state)
        except _DAMAGED as error:
            raise ValueError(
                f"{path} is damaged or was not written by biosig ({type(error).__name__}: {error}); "
                f"{_remedy(self.folder)}"
            ) from None
        try:
            hashed = content_hash(arrays, {**header, "about": self._about})
        except (ValueError, RecursionError):
            hashed = "none"
        if hashed != claimed:
            raise ValueError(
                f"{path} was altered after it was written, or belongs to another training; {_remedy(self.folder)}"
            )
        return state


def _check_header(header: Any) -> None:
    """Raise ValueError unless a header has a number of steps and counters of two 32-bit halves for each device."""
    if not isinstance(header, dict) or header.keys() - {"feed"} != {"step", "counters", "content_hash"}:
        raise ValueError("its header is of another form")
    whole = lambda value, most: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
    if not whole(header["step"], _MAX_STEP):
        raise ValueError("its step is no number of steps")
    feed = header.get("feed", {})
    if not isinstance(feed, dict) or not all(whole(value, _MAX_STEP) for value in feed.values()):
        raise ValueError("what it knows of a stream is no such")
    counters = header["counters"]
    if not isinstance(counters, dict) or not all(
        isinstance(halves, list) and len(halves) == 2 and all(whole(half, 2**32 - 1) for half in halves)
        for halves in counters.values()
    ):
        raise ValueError("its counters of random numbers are no such")


def _check_state(state: State) -> None:
    """Raise ValueError for values that are not finite numbers, or learning curves that do not fit the step."""
    if not state.is_finite():
        raise ValueError("it holds values that are not finite")
    for name, values in state.history.items():
        if not isinstance(values, list) or not all(isinstance(value, (int, float)) for value in values):
            raise ValueError(f"its curve {name!r} is no list of numbers")
    for names in (("step", "loss", "learning_rate"), ("validation_step", "validation_loss")):
        lengths = {len(state.history[name]) for name in names if name in state.history}
        if len(lengths) > 1 or max(lengths, default=0) > state.step:
            raise ValueError(f"its curves {', '.join(names)} do not fit step {state.step} or one another")


def _history_type(name: str) -> type:
    return np.int64 if name in _COUNTS else np.float64


def _remedy(folder: Path) -> str:
    return f"put a good copy back, or delete {folder} to start again"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path, _MAX_ABOUT_BYTES)
    except ValueError as error:
        raise ValueError(f"{error}; {_remedy(path.parent)}") from None
    if not isinstance(content, dict) or "format" not in content:
        raise ValueError(f"{path} was not written by biosig; {_remedy(path.parent)}")
    return content


def _check_same(folder: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise ValueError naming what differs between the training in a folder and this one."""
    there, here = _flat(found), _flat(wanted)
    differing = [name for name in {**here, **there} if there.get(name) != here.get(name)]
    if differing:
        told = "; ".join(f"{name} is {there.get(name)!r} there and {here.get(name)!r} here" for name in differing[:4])
        more = f"; and {len(differing) - 4} more" if len(differing) > 4 else ""
        raise ValueError(
            f"{folder} holds checkpoints of another training: {told}{more}. Repeat the command that began it, or give "
            "another folder"
        )


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested dicts by their dotted names."""
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            leaves |= _flat(value, f"{prefix}{name}.")
        else:
            leaves[prefix + name] = value
    return leaves
