"""Simulated windows ahead of the one who needs them, from processes of their own, in order of participant.

A worker is a plain ``python -c`` process, so that a script needs no ``if __name__ == "__main__"``. It reads numbers of
participants from its standard input and writes windows to its standard output as raw bytes behind a line of JSON, read
straight into the arrays that are trained on. A process that dies is noticed by the end of its output, one that hangs by
its silence; both are replaced, and the participant is simulated again, to the same bits. Workers end when their input
does: with the process that began them, however that ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from biosig.signals.simulated import SENSORS, Recipe, Windows, simulate_windows

ATTEMPTS = 3  # processes that may die over one participant
NICENESS = 5  # training goes first; what it leaves idle on its cores is enough for the simulation
BEGINNING = 300.0  # s after which a process that has not begun is taken to hang
SILENCE = 120.0  # s without an answer after which one is that has, and as much again for each simulated hour
PIPE = 1 << 20  # bytes that may lie between two processes
_READY = b"ready\n"
_MAIN = (
    "import sys, json; sys.path[:] = json.loads(sys.stdin.buffer.readline()); "
    "from biosig.signals.workers import serve; serve()"
)


class SimulationError(RuntimeError):
    """A participant could not be simulated."""


def serve() -> None:
    """Answer requests on standard input until it ends: what a worker process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the training, which then closes the input
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever is printed goes with the errors
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    requests = sys.stdin.buffer
    recipe, sensors = pickle.load(requests)
    try:
        _write(out, _READY)
        for line in requests:
            _answer(out, recipe, int(line), sensors)
    except BrokenPipeError:
        pass  # nobody listens any more


def _answer(out: Any, recipe: Recipe, number: int, sensors: Sequence[str]) -> None:
    try:
        windows = simulate_windows(recipe, number, sensors)
    except Exception as error:  # reported where it can be read; the process is none the worse for it
        _write(out, json.dumps({"number": number, "error": f"{type(error).__name__}: {error}"}).encode() + b"\n")
        return
    arrays = [np.ascontiguousarray(array) for array in (windows.start, windows.targets, *windows.signals.values())]
    _write(out, json.dumps({"number": number, "shapes": [array.shape for array in arrays]}).encode() + b"\n")
    for array in arrays:
        _write(out, memoryview(array).cast("B") if array.size else b"")


def _write(out: Any, content: Any) -> None:
    """Write all of `content`; a raw file may take less at a time."""
    view = memoryview(content)
    while len(view):
        view = view[out.write(view) :]


class _Worker:
    """One process and the thread that reads what it writes."""

    def __init__(self, pool: SimulationPool):
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process is reaped
        environment = {
            **os.environ,
            **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MAIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            pipesize=PIPE,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.ticket: int | None = None  # of the request that it works on
        self.since, self.ready = time.monotonic(), False
        self._send(json.dumps(sys.path).encode() + b"\n" + pickle.dumps((pool.recipe, pool.sensors)))
        self._thread = threading.Thread(target=pool._listen, args=(self,), daemon=True, name="biosig-simulated")

    @property
    def output(self) -> Any:
        assert self._process.stdout is not None
        return self._process.stdout

    def start(self, ticket: int, number: int) -> None:
        """Ask for the first participant and begin to listen."""
        self.ask(ticket, number)
        self._thread.start()

    def ask(self, ticket: int, number: int) -> None:
        self.ticket, self.since = ticket, time.monotonic()
        self._send(b"%d\n" % number)

    def _send(self, content: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(content)
            self._process.stdin.flush()
        except (BrokenPipeError, OSError):
            pass  # it has died, which the end of its output tells

    def kill(self) -> None:
        self._process.kill()

    def reap(self) -> str:
        """Wait for the end of a process whose output has ended, and return how it ended, in words."""
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:  # it closed its output and lives on
            self._process.kill()
            code = self._process.wait()
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().rsplit("\n", 1)[-1]
        self._errors.close()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        return f"{how} ({last})" if last else how

    def close(self) -> None:
        self.kill()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()


class SimulationPool:
    """Simulate participants in processes, ahead of the one who takes them, and hand them over in the order asked for.

    Parameters
    ----------
    recipe : Recipe
    sensors : sequence of {"accel", "ppg"}
        Which signals to hand over.
    n_workers : int
        Processes, started as they are needed; 0 simulates in the thread that takes the windows, when it takes them.
    ahead : int
        Windows that may lie ready before no further participant is begun.

    Raises
    ------
    SimulationError
        Where windows are taken: when a participant cannot be simulated, or `ATTEMPTS` processes died over it.
    """

    def __init__(self, recipe: Recipe, *, sensors: Sequence[str] = SENSORS, n_workers: int = 1, ahead: int = 1024):
        self.recipe, self.sensors = recipe, tuple(sensors)
        self._n_workers, self._ahead = n_workers, ahead
        self._silence = SILENCE * (1.0 + recipe.duration / 3600.0)
        self._changed = threading.Condition()
        # All below is read and changed with `_changed` held.
        self._workers: list[_Worker] = []
        self._numbers: Iterator[int] = iter(())
        self._asked: dict[int, int] = {}  # participant of each request, in the order they are due
        self._n_asked = 0  # so far; a request's number is its ticket
        self._ready: dict[int, Windows | SimulationError] = {}
        self._deaths: dict[int, int] = {}
        self._exhausted = self._closed = False

    def __enter__(self) -> SimulationPool:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """Of the processes at work."""
        with self._changed:
            return [worker.pid for worker in self._workers]

    def take(self, numbers: Iterable[int]) -> Iterator[Windows]:
        """Begin to simulate participants and return an iterator over their windows.

        Parameters
        ----------
        numbers : iterable of int
            In this order; numbers may repeat and have no end.

        Returns
        -------
        iterator of Windows
            One at a time: the next call gives up what this one has begun.
        """
        if not self._n_workers:
            return map(self._simulate_here, numbers)
        with self._changed:
            self._numbers = iter(numbers)
            self._asked, self._ready, self._deaths, self._exhausted = {}, {}, {}, False
            self._dispatch()
        return iter(self._next, None)

    def _simulate_here(self, number: int) -> Windows:
        try:
            return simulate_windows(self.recipe, number, self.sensors)
        except Exception as error:
            raise SimulationError(f"participant {number} could not be simulated ({error})") from error

    def _next(self) -> Windows | None:
        """Wait for the participant that is due; None when there are no more."""
        with self._changed:
            # Without a request there may still be numbers: all processes are busy with what was given up.
            while (self._asked or not self._exhausted) and not self._closed:
                ticket = next(iter(self._asked), None)
                if ticket is not None and ticket in self._ready:
                    del self._asked[ticket]
                    windows = self._ready.pop(ticket)
                    if isinstance(windows, SimulationError):
                        raise windows
                    self._dispatch()
                    return windows
                self._changed.wait(1.0)
                for worker in self._workers:
                    longest = self._silence if worker.ready else BEGINNING
                    if worker.ticket is not None and time.monotonic() - worker.since > longest:
                        worker.kill()  # its listener replaces it
            return None

    def _dispatch(self) -> None:
        """Give the next participants to processes without work, as long as not too many windows lie ready."""
        for worker in [*self._workers]:
            if worker.ticket is None and (ticket := self._due()) is not None:
                worker.ask(ticket, self._asked[ticket])
        while len(self._workers) < self._n_workers and (ticket := self._due()) is not None:
            self._begin(ticket)

    def _due(self) -> int | None:
        waiting = sum(len(each.start) for each in self._ready.values() if isinstance(each, Windows))
        if self._closed or waiting >= self._ahead:
            return None
        number = next(self._numbers, None)
        if number is None:
            self._exhausted = True
            return None
        self._n_asked += 1
        self._asked[self._n_asked] = number
        return self._n_asked

    def _begin(self, ticket: int) -> None:
        """Start a process over a request."""
        try:
            worker = _Worker(self)
        except OSError as error:
            self._ready[ticket] = SimulationError(f"no process could be started to simulate in ({error})")
            return
        self._workers.append(worker)
        worker.start(ticket, self._asked[ticket])

    def _listen(self, worker: _Worker) -> None:
        """Take what one process writes, until it ends; then put another one in its place."""
        while (answer := self._read(worker)) is not None:
            with self._changed:
                if worker.ticket in self._asked:  # else of an iteration that was left
                    self._ready[worker.ticket] = answer
                worker.ticket = None
                self._dispatch()
                self._changed.notify_all()
        how = worker.reap()
        with self._changed:
            self._workers.remove(worker)
            ticket = worker.ticket
            if ticket in self._asked and not self._closed:
                self._deaths[ticket] = self._deaths.get(ticket, 0) + 1
                if self._deaths[ticket] < ATTEMPTS:
                    self._begin(ticket)
                else:
                    self._ready[ticket] = SimulationError(
                        f"{ATTEMPTS} processes died while simulating participant {self._asked[ticket]}, the last one "
                        f"{how}; if the machine runs out of memory, use shorter recordings (minutes) or fewer workers"
                    )
            self._dispatch()  # it may have been the only one
            self._changed.notify_all()

    def _read(self, worker: _Worker) -> Windows | SimulationError | None:
        """Return the next answer of a process; None when it has ended, however far into its answer."""
        try:
            if not worker.ready:
                if worker.output.readline() != _READY:
                    return None
                worker.since, worker.ready = time.monotonic(), True
            header = worker.output.readline()
            if not header.endswith(b"\n"):
                return None
            told = json.loads(header)
            if "error" in told:
                return SimulationError(f"participant {told['number']} could not be simulated ({told['error']})")
            types = (np.float64, np.float32, *[np.float32] * len(self.sensors))
            arrays = [np.empty(shape, dtype) for shape, dtype in zip(told["shapes"], types, strict=True)]
            for array in arrays:
                if array.size and worker.output.readinto(memoryview(array).cast("B")) != array.nbytes:
                    return None
        except (OSError, ValueError):  # closed while reading, or killed within the header
            return None
        start, targets, *signals = arrays
        return Windows(dict(zip(self.sensors, signals, strict=True)), told["number"], start, targets)

    def close(self) -> None:
        """End all processes."""
        with self._changed:
            self._closed = True
            workers = [*self._workers]
            self._changed.notify_all()
        for worker in workers:
            worker.close()
