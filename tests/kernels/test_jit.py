from __future__ import annotations

import threading
import warnings

import numba
import numpy as np
import pytest
from biosig_kernels import jit
from biosig_kernels.threads import n_threads, over_rows


def double(x):
    return 2 * x


def test_without_a_writable_cache_kernels_compile_after_one_warning(monkeypatch):
    real = numba.njit

    def no_cache(*args, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(*args, **options)

    monkeypatch.setattr(numba, "njit", no_cache)
    monkeypatch.setattr(jit, "_warned", False)
    with pytest.warns(RuntimeWarning, match="NUMBA_CACHE_DIR"):
        compiled = jit.kernel(double)
    assert compiled(3) == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert jit.kernel(double)(4) == 8


@pytest.mark.parametrize("n_rows", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("n_jobs", [None, 1, 3, -1])
def test_every_row_is_visited_once(n_rows, n_jobs):
    seen = np.zeros(n_rows, dtype=int)

    def visit(start, stop):
        seen[start:stop] += 1

    over_rows(visit, n_rows, n_jobs)
    assert (seen == 1).all()


def test_errors_of_any_thread_are_raised():
    def fail(start, stop):
        if start:
            raise ValueError(f"rows {start} to {stop} on {threading.current_thread().name}")

    with pytest.raises(ValueError, match="rows 2 to 4"):
        over_rows(fail, 4, 2)


def test_zero_jobs_are_refused():
    with pytest.raises(ValueError, match="n_jobs is 0"):
        n_threads(0)
