"""Acceleration that was not measured but written down: zeros of a sleeping sensor, values that are stuck."""

from __future__ import annotations

import numpy as np
from biosig_kernels.gaps import mark_zeros, repeated_runs

GRAVITY = 0.5  # g; where the usual length of the vector is more, gravity is in, and exact zeros are impossible
LEAST = 2.0  # s, of a stuck sensor
PER_MG = 4.0  # s for each mg of the sensor's resolution: a coarse one repeats itself for long on a quiet wrist
UNKNOWN = 1 / 64  # g, resolution of a sensor that never changes: as coarse as any
TIMES = 8  # a stuck value lasts that much longer than any other repeats


def unmeasured(values: np.ndarray, rate: float) -> tuple[np.ndarray, dict[str, int | float]]:
    """Mark samples of acceleration (n, 3), in g, that no sensor measured, and count them.

    Exact zeros on all axes are missing where gravity is in (usual length of the other samples above 0.5 g) or where
    there is nothing else. Runs of the same sample are stuck values where they last at least 2 s, and 4 s for each mg of
    the resolution (the fifth percentile of the changes from sample to sample), and 8 times as long as any shorter run:
    a quiet sensor of coarse steps repeats itself for any time up to minutes, a stuck one leaves out the times between.

    Returns
    -------
    ndarray of bool, shape (n,)
    dict
        Where any were found, ``n_zero`` and ``n_stuck``, in samples, and ``stuck_from`` (s).
    """
    marks = np.zeros(len(values), np.bool_)
    counts: dict[str, int | float] = {}
    n_zero = mark_zeros(values, marks)
    if n_zero:
        others = values[~marks][:: max(1, (len(values) - n_zero) // 20_000)]
        with np.errstate(over="ignore"):
            lengths = np.linalg.norm(others.astype(np.float64), axis=1)
        lengths = lengths[np.isfinite(lengths)]
        if n_zero < len(values) and not (lengths.size and np.median(lengths) > GRAVITY):
            marks[:] = False
        else:
            counts["n_zero"] = int(n_zero)
    limit = max(LEAST, PER_MG * 1e3 * _resolution(values))
    if limit * rate > len(values):
        return marks, counts
    shortest = max(2, int(np.ceil(limit * rate)))
    begins, sizes = (np.empty(len(values) // shortest + 1, np.int64) for _ in range(2))
    n_runs, longest = repeated_runs(values, shortest, begins, sizes)
    if n_runs:
        begins, sizes = begins[:n_runs], sizes[:n_runs]
        ordered = np.sort(sizes)
        before = np.concatenate(([max(longest, 1)], ordered[:-1]))
        apart = np.flatnonzero(ordered >= TIMES * before)
        if apart.size:
            stuck = sizes >= ordered[apart[0]]
            n_before = int(marks.sum())
            for begin, size in zip(begins[stuck], sizes[stuck], strict=True):
                marks[begin : begin + size] = True
            if int(marks.sum()) > n_before:
                counts |= {"n_stuck": int(marks.sum()) - n_before, "stuck_from": float(ordered[apart[0]] / rate)}
    return marks, counts


def without_unmeasured(values: np.ndarray, rate: float) -> tuple[np.ndarray, dict[str, int | float]]:
    """Acceleration (n, 3) with NaN where it was not measured; nothing is copied where all was."""
    if values.ndim != 2 or values.shape[1] != 3 or not np.isfinite(rate):
        return values, {}
    marks, counts = unmeasured(values, rate)
    if counts:
        values = values.astype(values.dtype if values.dtype.kind == "f" else np.float64)
        values[marks] = np.nan
    return values, counts


def _resolution(values: np.ndarray) -> float:
    """Fifth percentile of the changes from one sample to the next, g."""
    n = len(values)
    size = min(n, 4096)
    changes = []
    for begin in np.unique(np.linspace(0, n - size, 8).astype(int)):
        with np.errstate(invalid="ignore", over="ignore"):
            steps = np.abs(np.diff(values[begin : begin + size].astype(np.float64), axis=0)).ravel()
        changes.append(steps[np.isfinite(steps) & (steps > 0)])
    steps = np.concatenate(changes) if changes else np.empty(0)
    return float(np.quantile(steps, 0.05)) if steps.size else UNKNOWN
