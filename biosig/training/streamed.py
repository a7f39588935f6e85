"""A stream at work: participants become numbered windows, a few blocks of which are in memory at any time.

See `biosig.training.rounds` for when which block is used. A checkpoint holds where the stream stands (the participant
with whom the oldest block that is still needed begins), not the buffer: that is simulated again.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from biosig_kernels.threads import n_threads

from biosig.signals.simulated import TARGETS, Windows
from biosig.signals.workers import SimulationPool
from biosig.training.batches import ParticipantBatches
from biosig.training.mixing import Mixed
from biosig.training.options import TrainingOptions
from biosig.training.order import STATISTICS_WINDOWS, Drawn
from biosig.training.pairs import EMPTY, ParticipantPairs
from biosig.training.rounds import Rounds
from biosig.training.stream import SimulatedStream

HELD = 1 << 62  # number of the first window held out; those trained on are far below
HELD_PEOPLE = 1 << 31  # number of the first participant held out
MOST_HELD = 64  # participants
MOST_WORKERS = 8
MOST_EMPTY = 200  # participants in a row without a window, after which there is something wrong with the gate


class Block:
    """Windows in a row of the stream, where they are: those of a participant share arrays.

    Attributes
    ----------
    participant, start : array (n_windows,)
    targets : array (n_windows, 3), float32
    """

    def __init__(self, parts: list[Windows]):
        self._parts: list[dict[str, np.ndarray]] | None = [part.signals for part in parts]
        lengths = [len(part.start) for part in parts]
        self._part = np.repeat(np.arange(len(parts)), lengths)
        self._row = np.concatenate([np.arange(n) for n in lengths])
        self.participant = np.repeat([part.participant for part in parts], lengths)
        self.start = np.concatenate([part.start for part in parts])
        self.targets = np.concatenate([part.targets for part in parts])

    def window(self, name: str, place: int) -> np.ndarray:
        """Return a window of one sensor, (n_channels, n_samples)."""
        assert self._parts is not None, "a window was asked for after its last use"
        return self._parts[self._part[place]][name][self._row[place]]

    def forget_signals(self) -> None:
        """Keep the columns alone."""
        self._parts = None


@dataclass(frozen=True)
class Signal:
    """The windows of one sensor by number, in place of an array."""

    material: StreamMaterial
    name: str

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        windows = np.empty((len(rows), *self.material.shapes[self.name]), np.float32)
        for window, (block, place) in zip(windows, self.material.located(rows), strict=True):
            assert block is not None
            window[:] = block.window(self.name, place)
        return windows


@dataclass(frozen=True)
class Column:
    """What is known of each window by number, in place of an array."""

    material: StreamMaterial
    name: str
    missing: Any

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        located = self.material.located(rows)
        return np.array(
            [self.missing if block is None else getattr(block, self.name)[place] for block, place in located]
        )


class StreamMaterial:
    """What a training draws on, where it is a stream; a context that ends the processes of the stream.

    Parameters
    ----------
    stream : SimulatedStream
    configs : dict of str to dict
        Config of the encoder of each sensor; by its modality it is known what to hand over.
    options : TrainingOptions
    """

    def __init__(self, stream: SimulatedStream, configs: dict[str, dict], options: TrainingOptions):
        self.stream, self._options = stream, options
        for name, config in configs.items():
            expected = (config["n_channels"], config["n_samples"], config["sampling_rate"])
            given = (*stream.shape(config["modality"]), stream.sampling_rate)
            if given != expected:
                raise ValueError(
                    f"the stream gives {config['modality']} windows of {given[0]} x {given[1]} samples at {given[2]:g} "
                    f"Hz; the encoder ({name}) takes {expected[0]} x {expected[1]} at {expected[2]:g} Hz: change the "
                    "length or sampling_rate of the stream"
                )
        sensors = {name: config["modality"] for name, config in configs.items()}
        self.shapes = {sensor: stream.shape(sensor) for sensor in sensors.values()}
        self.signals = {name: Signal(self, sensor) for name, sensor in sensors.items()}
        self.groups, self.starts = Column(self, "participant", EMPTY), Column(self, "start", np.nan)
        self._target_columns = [TARGETS.index(name) for name in stream.targets]
        self._blocks: dict[int, Block] = {}
        self._held: Block | None = None
        self._first: list[Windows] = []  # participants from 0 on that were simulated before the training began
        self._recognised: dict[str, Any] | None = None
        workers = min(n_threads(), MOST_WORKERS) if stream.n_workers is None else int(stream.n_workers)
        ahead = max(1, stream.buffer // stream.uses)
        self._pool = SimulationPool(stream.recipe(), sensors=list(self.shapes), n_workers=workers, ahead=ahead)
        self._multiple = 1
        self._mixed: Mixed | None = None
        self._rounds = Rounds(1, 1, 1)

    def __enter__(self) -> StreamMaterial:
        return self

    def __exit__(self, *exception) -> None:
        self._pool.close()
        self._blocks.clear()

    def located(self, rows: np.ndarray) -> list[tuple[Block | None, int]]:
        """Return the block of each window, and its place there; None for `EMPTY`."""
        found: list[tuple[Block | None, int]] = []
        for row in np.asarray(rows).tolist():
            if row >= HELD:
                found.append((self._held, row - HELD))
            elif row == EMPTY:
                found.append((None, 0))
            else:
                number, place = divmod(row, self._rounds.n_block)
                found.append((self._blocks[number], place))
        return found

    # What a training asks for before it begins

    def _beginning(self, n_windows: int) -> list[Windows]:
        """Return the first participants with so many windows between them."""
        numbers = _numbers(len(self._first), self.stream.n_participants)
        source = _with_windows(_in_fours(self._pool, numbers), self.stream, 1)
        while sum(len(part.start) for part in self._first) < n_windows:
            self._first.append(next(source))
        return self._first

    def identity(self, columns: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the settings of the stream, and a hash of its first windows and of those mixed in."""
        if self._recognised is None:
            digest = hashlib.sha256()
            for array in (part := self._beginning(1)[0]).start, part.targets, *part.signals.values():
                digest.update(np.ascontiguousarray(array).tobytes())
            mixed = {"mixed_in": self._mixing(1).identity} if self.stream.mix is not None else {}
            self._recognised = {**self.stream.identity(), "first_windows": digest.hexdigest(), **mixed}
        return {**self._recognised, **_plain(columns or {})}

    def some(self, name: str, random_state: int) -> np.ndarray:
        """Return the first windows of the stream, for statistics."""
        parts = self._beginning(STATISTICS_WINDOWS)
        sensor = self.signals[name].name
        return np.concatenate([part.signals[sensor] for part in parts])[:STATISTICS_WINDOWS]

    def some_targets(self) -> np.ndarray:
        """Return the targets of the first windows, (n_windows, n_targets)."""
        parts = self._beginning(STATISTICS_WINDOWS)
        return np.concatenate([part.targets for part in parts])[:STATISTICS_WINDOWS, self._target_columns]

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """Return the targets of windows, (n, n_targets); NaN where they are not known."""
        return Column(self, "targets", np.full(len(TARGETS), np.nan, np.float32))[rows][:, self._target_columns]

    def draw(self, options: TrainingOptions, *, together: int, in_pairs: bool, recent: int) -> Drawn:
        """Begin the stream for a training; see `biosig.training._steps.fit`."""
        size = options.batch_size // 2 * 2 if in_pairs else options.batch_size
        self._multiple = 2 if in_pairs else 1
        self._rounds = Rounds.for_buffer(self.stream.buffer, self.stream.uses, size)
        self._back = -(-recent // size)  # steps before the present whose windows may be asked for
        self._together, self._in_pairs = together, in_pairs
        n_mixed = round(self.stream.mix_fraction * self._rounds.n_block / self._multiple) * self._multiple
        self._n_mixed = min(n_mixed, self._rounds.n_block - self._multiple)
        if self._n_mixed:
            self._mixed = self._mixing(self._multiple)
        held = self._hold_out(options.validation_fraction)
        self._order_of = functools.lru_cache(8 + self._back)(self._draw_round)
        return Drawn(self._rows_of, size, held)

    def _mixing(self, multiple: int) -> Mixed:
        stream = self.stream
        return Mixed(stream.mix, self.shapes, stream.sampling_rate, stream.random_state, multiple)

    def _hold_out(self, fraction: float) -> np.ndarray:
        """Simulate the participants held out, who are never trained on, and return the numbers of their windows."""
        if not fraction:
            return np.empty(0, np.int64)
        n_people = min(max(2, round(fraction * self.stream.n_participants)), MOST_HELD)
        numbers = range(HELD_PEOPLE, HELD_PEOPLE + n_people)
        self._held = Block([part for part in self._pool.take(numbers) if len(part.start)])
        return HELD + np.arange(len(self._held.start))

    # Where the stream stands: what `biosig.training.loop.train` asks of a feed

    @property
    def feed(self) -> StreamMaterial:
        """What a training asks where it stands: the stream itself."""
        return self

    def begin(self, step: int, known: dict[str, int]) -> None:
        """Make ready for a step, from where an earlier part of the same stream stood, or from the first participant."""
        own = json.dumps([self.identity(), self._rounds.n_block, self._rounds.batch_size, self._multiple])
        self._hash = int(hashlib.sha256(own.encode()).hexdigest()[:12], 16)
        if known.get("stream") != self._hash:
            known = {"first_step": step, "block": 0, "participant": 0, "window": 0}
        self._first_step = known["first_step"]
        self._next_block = self._first_block(step)
        self._positions = {self._next_block: (known["participant"], known["window"])}
        self._blocks.clear()
        self._number, self._window = known["participant"], known["window"]
        reused = self._first if self._number == 0 else []
        after = reused[-1].participant + 1 if reused else self._number
        self._first = []
        following = self._pool.take(_numbers(after, self.stream.n_participants))
        self._source = _with_windows(itertools.chain(reused, following), self.stream, self._multiple)
        self._left: Windows | None = None

    def position(self, step: int) -> dict[str, int]:
        """Return where the stream has to begin for `step` to come next; JSON can hold it."""
        block = self._first_block(step)
        participant, window = self._positions[block]
        told = {"first_step": self._first_step, "block": block, "participant": participant, "window": window}
        return {"stream": self._hash, **told}

    def _first_block(self, step: int) -> int:
        """Return the oldest block of which something may be needed from `step` on."""
        number, _ = self._rounds.place(max(0, step - self._first_step - self._back))
        return self._rounds.first_block(number)

    # Windows on their way

    def _rows_of(self, step: int) -> np.ndarray:
        if step < self._first_step:
            return np.full(self._rounds.batch_size, EMPTY)
        number, place = self._rounds.place(step - self._first_step)
        if number >= self._next_block:
            self._forget(step)
            while number >= self._next_block:
                self._blocks[self._next_block] = self._fill(self._next_block)
                self._next_block += 1
        order = self._order_of(number)
        first = self._rounds.first_block(number) * self._rounds.n_block
        return first + order.batch(number * order.batches_per_epoch + place)

    def _forget(self, step: int) -> None:
        """Let go of blocks that are not needed any more, before others come in."""
        number, _ = self._rounds.place(step - self._first_step)
        for block in [*self._blocks]:
            if block < self._rounds.first_block(number):
                self._blocks[block].forget_signals()
            if block < self._first_block(step):
                del self._blocks[block]

    def _draw_round(self, number: int) -> ParticipantBatches | ParticipantPairs:
        blocks = range(self._rounds.first_block(number), number + 1)
        people = np.concatenate([self._blocks[block].participant for block in blocks])
        size, seed = self._rounds.batch_size, int(self._options.random_state)
        if not self._in_pairs:
            return ParticipantBatches(people, size, seed, self._together)
        if len(np.unique(people)) < 2:
            raise ValueError(
                f"a buffer of {self.stream.buffer} windows, each used {self.stream.uses} times, begins with one "
                "participant alone, and pairs are told from those of others; make it larger, or recordings shorter"
            )
        return ParticipantPairs(people, size, seed)

    def _fill(self, number: int) -> Block:
        """Return the next block: simulated windows from where the last one ended, then those mixed in."""
        parts, wanted = [], self._rounds.n_block - self._n_mixed
        while wanted:
            if self._left is None:
                self._left = next(self._source)
            part = _slice(self._left, self._window, wanted)
            wanted -= len(part.start)
            parts.append(part)
            self._number, self._window = self._left.participant, self._window + len(part.start)
            if self._window >= len(self._left.start):
                self._number, self._window, self._left = (self._number + 1) % self.stream.n_participants, 0, None
        self._positions[number + 1] = (self._number, self._window)
        if self._mixed is not None:
            parts += self._mixed_in(number)
        return Block(parts)

    def _mixed_in(self, number: int) -> list[Windows]:
        assert self._mixed is not None
        rows = self._mixed.rows(number * self._n_mixed, (number + 1) * self._n_mixed)
        signals, parts = self._mixed.read(rows), []
        for place, row in enumerate(rows):
            own = {name: x[place : place + 1] for name, x in signals.items()}
            unknown = np.full((1, len(TARGETS)), np.nan, np.float32)
            parts.append(Windows(own, int(self._mixed.participant[row]), self._mixed.start[row : row + 1], unknown))
        return parts


def _plain(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in columns.items()}


def _numbers(first: int, n_participants: int) -> Iterator[int]:
    """Participants from `first` on, without end."""
    return (number % n_participants for number in itertools.count(first))


def _slice(windows: Windows, first: int, n: int) -> Windows:
    part = slice(first, first + n)
    signals = {name: x[part] for name, x in windows.signals.items()}
    return Windows(signals, windows.participant, windows.start[part], windows.targets[part])


def _in_fours(pool: SimulationPool, numbers: Iterator[int]) -> Iterator[Windows]:
    """Simulate a few participants at a time, for one who will soon have enough."""
    while True:
        yield from pool.take([*itertools.islice(numbers, 4)])


def _with_windows(source: Iterator[Windows], stream: SimulatedStream, multiple: int) -> Iterator[Windows]:
    """Keep a multiple of windows of each participant; raise ValueError when participants without any do not end."""
    empty = 0
    for windows in source:
        kept = _slice(windows, 0, len(windows.start) // multiple * multiple)
        if len(kept.start):
            empty = 0
            yield kept
            continue
        empty += 1
        if empty >= min(MOST_EMPTY, stream.n_participants):
            raise ValueError(
                f"of {empty} simulated participants in a row none has {multiple} windows that pass the gate "
                f"({stream.gate}); use longer recordings (minutes), shorter windows (length) or a wider gate"
            )
