"""Slices of one calculation side by side, on a pool that lives as long as the process.

``biosig_kernels.threads`` opens a pool per call, which suits calls of many milliseconds; a training step makes some
hundred calls of less than one.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from biosig_kernels.threads import n_threads as resolve_threads
from threadpoolctl import ThreadpoolController

from biosig.nets._forking import set_right

_pool: ThreadPoolExecutor | None = None
_pool_size = 0
_limit: int | None = None
_slice = threading.local()
_blas = ThreadpoolController().select(user_api="blas")
_blas_limits: list = []  # in force now, the outermost first


def _forget_pool() -> None:
    global _pool, _pool_size
    _pool, _pool_size = None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)  # threads do not survive a fork


@set_right
def _lift_limits() -> None:
    """Lift, in a forked child, the limits that a thread of the parent had set for its own calculation."""
    global _limit
    _limit = None
    if _blas_limits:
        _blas_limits[0].restore_original_limits()
        _blas_limits.clear()


def n_threads() -> int:
    """Threads that calculations of the nets use now: all usable cores unless `limit_threads` says less.

    Within a slice there is one: the others are busy with slices of their own.
    """
    if getattr(_slice, "inside", False):
        return 1
    cores = resolve_threads(None)
    return cores if _limit is None else _limit


@contextlib.contextmanager
def limit_threads(n_jobs: int | None) -> Iterator[int]:
    """Use at most this many threads inside the block (scikit-learn's ``n_jobs``: None and -1 mean all cores).

    Yields
    ------
    int
        The number of threads.
    """
    global _limit
    before, _limit = _limit, resolve_threads(n_jobs)
    try:
        yield _limit
    finally:
        _limit = before


def _run_slice(function: Callable[[int], object], i: int) -> None:
    _slice.inside = True
    try:
        function(i)
    finally:
        _slice.inside = False


def side_by_side(function: Callable[[int], object], n: int) -> None:
    """Call ``function(i)`` for every i in ``range(n)``, each on a thread of its own; raise the first error."""
    global _pool, _pool_size
    if n <= 1:
        for i in range(n):
            function(i)
        return
    if _pool is None or _pool_size < n - 1:
        if _pool is not None:
            _pool.shutdown(wait=False)
        _pool, _pool_size = ThreadPoolExecutor(n - 1, thread_name_prefix="biosig"), n - 1
    others = [_pool.submit(_run_slice, function, i) for i in range(1, n)]
    try:
        _run_slice(function, 0)
    finally:
        errors = [other.exception() for other in others]  # waits: no slice may outlive the call
    for error in errors:
        if error is not None:
            raise error


def over_slices(function: Callable[[int, int, int], object], n_rows: int, grain: int = 1) -> int:
    """Call ``function(slot, start, stop)`` on consecutive ranges that cover ``range(n_rows)``.

    Returns
    -------
    int
        Number of slots used, at most `n_threads`, so that the caller adds up partial sums in a fixed order.
    """
    n = max(1, min(n_threads(), n_rows // max(1, grain)))
    edges = [n_rows * i // n for i in range(n + 1)]
    side_by_side(lambda i: function(i, edges[i], edges[i + 1]), n)
    return n


@contextlib.contextmanager
def _limit_blas(n: int) -> Iterator[None]:
    with _blas.limit(limits=n) as limit:
        _blas_limits.append(limit)
        try:
            yield
        finally:
            if limit in _blas_limits:  # not any more in a child forked meanwhile
                _blas_limits.remove(limit)


def single_threaded_blas():
    """Context in which BLAS uses one thread, because the rows are already split; the user's setting comes back."""
    return _limit_blas(1)


@contextlib.contextmanager
def threads_for_blas() -> Iterator[None]:
    """Leave all threads to the matrix products inside the block, one to everything else.

    For calculations so short that waking a thread of the pool takes longer than it would save: BLAS's own are awake.
    """
    with _limit_blas(n_threads()):
        _slice.inside = True
        try:
            yield
        finally:
            _slice.inside = False
