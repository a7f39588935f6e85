"""Kernels take a range of rows; this runs ranges side by side in plain threads (the kernels release the GIL)."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def n_threads(n_jobs: int | None = None) -> int:
    """Threads meant by scikit-learn's ``n_jobs``: None and -1 mean all usable cores, -2 all but one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    if n_jobs is None:
        return cores
    if n_jobs == 0:
        raise ValueError("n_jobs is 0; give a positive number of threads, or -1 (or None) for all cores")
    return n_jobs if n_jobs > 0 else max(1, cores + 1 + n_jobs)


def over_rows(function: Callable[[int, int], object], n_rows: int, n_jobs: int | None = None, grain: int = 1) -> None:
    """Call ``function(start, stop)`` on consecutive ranges that cover ``range(n_rows)``.

    The ranges do not depend on each other, so results are the same for any number of threads. `grain` is the least
    number of rows worth a thread of its own. Exceptions of any range are raised here.
    """
    if n_rows <= 0:
        return
    n = max(1, min(n_threads(n_jobs), n_rows // max(1, grain)))
    if n == 1:
        function(0, n_rows)
        return
    edges = [n_rows * i // n for i in range(n + 1)]
    with ThreadPoolExecutor(n - 1) as pool:
        others = [pool.submit(function, edges[i], edges[i + 1]) for i in range(1, n)]
        function(edges[0], edges[1])
        for other in others:
            other.result()
