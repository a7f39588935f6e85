"""A forked child goes on working, whatever the parent's other threads were doing at that moment.

Only the thread that forks lives on in the child. A lock that another one held would stay locked for ever, and what that
thread had set for the time of its calculation would stay set. So the lock here is made anew in such a child, and what
is registered by `set_right` is done before the child first calculates. Nothing waits before a fork: a training may hold
the lock for hours.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

_repairs: list[Callable[[], None]] = []


def set_right(repair: Callable[[], None]) -> Callable[[], None]:
    """Register what is to be done in a child that was forked in the middle of another thread's calculation."""
    _repairs.append(repair)
    return repair


class ForkSafeLock:
    """A reentrant lock, held with ``with``, that a forked child finds free unless the forking thread holds it."""

    def __init__(self):
        self._lock = threading.RLock()
        self._owner: int | None = None
        self._depth = 0
        self._interrupted = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def __enter__(self) -> ForkSafeLock:
        self._lock.acquire()
        self._owner = threading.get_ident()
        self._depth += 1
        if self._interrupted:
            self._interrupted = False
            for repair in _repairs:
                repair()
        return self

    def __exit__(self, *exception) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None
        self._lock.release()

    def _renew(self) -> None:
        if self._owner == threading.get_ident():  # the forking thread keeps its number in the child, and what it holds
            return
        # Between a thread's acquire and its note of that, and its note and its release, nobody is noted as the owner.
        self._interrupted = self._interrupted or self._owner is not None or not self._lock.acquire(blocking=False)
        self._lock = threading.RLock()
        self._owner, self._depth = None, 0
