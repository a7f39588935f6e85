"""Children forked while the parent calculates: they do not hang, and find what the parent finds."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from biosig.nets import backend
from biosig.nets._forking import ForkSafeLock

pytestmark = pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="no fork on this system")


def test_children_forked_beside_a_calculation_embed_as_their_parent():
    done = subprocess.run(
        [sys.executable, "-m", "tests.nets.forks", "4"],
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "all children embedded"), done.stderr[-1500:]


def in_child(work) -> int:
    """Fork, and return 0 where `work` returns something true in the child within ten seconds."""
    import signal
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        signal.alarm(10)
        try:
            os._exit(0 if work() else 7)
        except BaseException:
            os._exit(8)
    return os.waitpid(child, 0)[1]


def takes(lock) -> bool:
    with lock:
        return True


def test_lock_of_another_thread_is_free_in_the_child_and_stays_held_in_the_parent():
    lock, held, free = ForkSafeLock(), threading.Event(), threading.Event()

    def hold():
        with lock, lock:
            held.set()
            free.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        assert in_child(lambda: takes(lock)) == 0
        assert not lock._lock.acquire(blocking=False)
    finally:
        free.set()
        thread.join()
    assert in_child(lambda: takes(lock)) == 0 and takes(lock)


def test_the_forking_thread_keeps_what_it_holds():
    lock = ForkSafeLock()

    def others_wait() -> bool:
        taken = []
        thread = threading.Thread(target=lambda: taken.append(lock._lock.acquire(blocking=False)))
        thread.start()
        thread.join()
        return taken == [False] and takes(lock)

    with lock:
        assert in_child(others_wait) == 0
    assert in_child(lambda: takes(lock)) == 0


@pytest.mark.skipif(not backend.uses_host_kernels(), reason="of the memory of a processor")
def test_tensors_of_a_child_are_its_own():
    tensor = backend.from_numpy(np.ones(5, np.float32))

    def overwrite() -> bool:
        tensor.assign(backend.from_numpy(np.zeros(5, np.float32))).realize()
        return not backend.to_numpy(tensor).any()

    assert in_child(overwrite) == 0
    np.testing.assert_array_equal(backend.to_numpy(tensor), np.ones(5))
