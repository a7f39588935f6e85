"""Standard output and error that do not stop a command: closed, broken, full or read by nobody, the work goes on."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterator
from typing import Any, TextIO

PATIENCE = 1.0  # seconds that a message waits for a reader of standard error
_CHUNK = 1024  # characters, so that what a pipe has room for does not block (4096 bytes at least)


class Forgiving:
    """A text stream whose failures are kept and not raised; after the first, everything goes nowhere.

    Parameters
    ----------
    stream : file object or None
        None where the process was started with it closed.
    patience : float, optional
        Seconds to wait for room; text that finds none is lost. None waits as long as it takes.
    """

    def __init__(self, stream: TextIO | None, patience: float | None = None):
        self._stream = stream if stream is not None else open(os.devnull, "w")  # noqa: SIM115, PTH123 - until the end
        self._patience = patience
        self._stuck = False
        self._failure: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write what can be written; return the length of the text in any case."""
        for start in range(0, len(text), _CHUNK):
            if self._failure is None and self._has_room():
                self._attempt(lambda part=text[start : start + _CHUNK]: self._pass_on(part))
        return len(text)

    def flush(self) -> None:
        """Pass on what is buffered, where it can be."""
        if self._failure is None and self._has_room():
            self._attempt(self._stream.flush)

    def failure(self) -> Exception | None:
        """Return why text was lost, None where none was or where the reader of a pipe went away: that is its right."""
        self.flush()
        return None if isinstance(self._failure, BrokenPipeError) else self._failure

    def _pass_on(self, text: str) -> None:
        self._stream.write(text)
        if self._patience is not None:  # what gathers in a buffer would be more than there is room for
            self._stream.flush()

    def _attempt(self, action) -> None:
        try:
            action()
        except (OSError, ValueError) as error:
            self._failure = error
            with contextlib.suppress(OSError, ValueError):  # what is still buffered shall not fail again at the end
                descriptor = os.open(os.devnull, os.O_WRONLY)
                os.dup2(descriptor, self._stream.fileno())
                os.close(descriptor)

    def _has_room(self) -> bool:
        """Whether a write will not block: asked of pipes and terminals, where patience has an end."""
        if self._patience is None or not hasattr(select, "poll"):
            return True
        try:
            poll = select.poll()
            poll.register(self._stream.fileno(), select.POLLOUT)
        except (OSError, ValueError):  # a stream without a file below
            return True
        self._stuck = not poll.poll(0 if self._stuck else 1000 * self._patience)
        return not self._stuck


@contextlib.contextmanager
def forgiving_streams() -> Iterator[Forgiving]:
    """Put forgiving streams in place of standard output and error inside the block.

    A descriptor that the process was started without is opened on nothing first: the next file to be opened would
    otherwise get its number, and messages written to it by number would end up in that file.

    Yields
    ------
    Forgiving
        Standard output.
    """
    if sys.stdout is None or sys.stderr is None:
        _open_missing_descriptors()
    before = sys.stdout, sys.stderr
    output, errors = Forgiving(sys.stdout), Forgiving(sys.stderr, PATIENCE)
    sys.stdout, sys.stderr = output, errors  # type: ignore[assignment]
    try:
        yield output
    finally:
        output.flush()
        errors.flush()
        sys.stdout, sys.stderr = before


def _open_missing_descriptors() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
