"""The work of `segment` on one block of a recording after the other."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from biosig_kernels.filtering import PIECE
from biosig_kernels.medians import robust_spread
from biosig_kernels.threads import n_threads
from biosig_kernels.windows import complete_windows, count_clipped, window_means

from biosig.signals._grid import GridReader
from biosig.signals._stretches import StretchReader
from biosig.signals.cutting import cut_at
from biosig.signals.filters import filter_values, settling
from biosig.signals.gate import Gate
from biosig.signals.orientation import posture_angles
from biosig.signals.quality import spectral_quality

GRAVITY_ORDER = 4
BLOCK = 5 * PIECE  # grid samples worked on at a time; three axes then fill the lanes of the filter
MOST_CUT = 4 * BLOCK  # samples of one axis in the windows of a block, which may overlap


class Scale(NamedTuple):
    """Where a sensor's scale ends, and which quarters of an hour reached its ends at all."""

    low: np.ndarray  # per axis
    high: np.ndarray
    shortest: int  # samples in a row at an end that count as clipped
    edges: np.ndarray  # first raw sample of each quarter, and the number of samples
    reached: np.ndarray  # quarters so far that reached an end, from 0 on


class Plan(NamedTuple):
    """What does not change from block to block."""

    readers: dict[str, GridReader | StretchReader]
    scales: dict[str, Scale]
    starts: np.ndarray  # first grid sample of each window
    non_wear: np.ndarray  # share of each window without wear
    n_samples: int
    n_grid: int
    rate: float
    cutoff: float
    across_gaps: bool
    gate: Gate | None


class Part(NamedTuple):
    """Windows of one block: columns and samples of those kept, and what the gate said of all it judged."""

    columns: dict[str, np.ndarray]
    cuts: dict[str, np.ndarray]
    passed: dict[str, np.ndarray]


def all_blocks(plan: Plan, n_jobs) -> Part:
    """Work through all blocks in threads and put their windows together, in order."""
    groups = _groups(plan)
    jobs = min(n_threads(n_jobs), len(groups))
    if jobs == 1:
        return _join(plan, (_block(plan, *group) for group in groups))
    with ThreadPoolExecutor(jobs) as pool:

        def results():
            waiting: deque[Future] = deque()
            for group in groups:
                waiting.append(pool.submit(_block, plan, *group))
                if len(waiting) > jobs:  # no more than that in memory
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

        return _join(plan, results())


def _margin(plan: Plan) -> int:
    return settling("highpass", (plan.cutoff,), GRAVITY_ORDER, plan.rate) if "accel" in plan.readers else 0


def _groups(plan: Plan) -> list[tuple[int, int]]:
    """Ranges of windows that make a block each."""
    core = max(BLOCK - 2 * _margin(plan), BLOCK // 2, plan.n_samples)
    groups, begin = [], 0
    most = max(1, MOST_CUT // plan.n_samples)
    while begin < len(plan.starts):
        last = plan.starts[begin] + core - plan.n_samples
        end = int(np.searchsorted(plan.starts, last, side="right"))
        end = min(max(end, begin + 1), begin + most)
        groups.append((begin, end))
        begin = end
    return groups


def _block(plan: Plan, w0: int, w1: int) -> Part:
    """Windows ``w0:w1``."""
    starts = plan.starts[w0:w1]
    margin = _margin(plan)
    g0 = max(0, int(starts[0]) - margin)
    g1 = min(plan.n_grid, int(starts[-1]) + plan.n_samples + margin)
    local = starts - g0
    n = len(starts)
    columns = {name: np.full(n, np.nan) for name in ("motion", "ppg_quality")}
    columns |= {"window": np.arange(w0, w1), "valid": np.ones(n), "non_wear": plan.non_wear[w0:w1]}
    columns["clipped"] = np.zeros(n)
    complete, whole = np.ones(n, np.bool_), np.empty(n, np.bool_)
    cuts = {}
    for name, reader in plan.readers.items():
        grid, measured = reader.read(g0, g1)
        columns["valid"] = np.minimum(columns["valid"], _share(measured, local, plan.n_samples))
        columns["clipped"] = np.maximum(columns["clipped"], _clipped(plan, name, starts))
        if name == "accel":
            if len(grid) == 3:
                means = np.empty((n, 3))
                window_means(grid, local, plan.n_samples, means, 0, n)
                columns["posture"] = posture_angles(means)
            grid = filter_values(grid, "highpass", (plan.cutoff,), GRAVITY_ORDER, plan.rate, 1)
        complete_windows(grid, local, plan.n_samples, whole, 0, n)
        complete &= whole
        cut = cut_at(grid, local, plan.n_samples, n_jobs=1)
        if name == "accel":
            scratch = np.empty((2, cut.shape[1] * cut.shape[2]), np.float32)
            robust_spread(cut, scratch, columns["motion"], 0, n)
        elif cut.shape[1]:
            columns["ppg_quality"] = np.fmax.reduce(spectral_quality(cut, plan.rate, n_jobs=1), axis=1)
        cuts[name] = cut
    kept = np.ones(n, np.bool_) if plan.across_gaps else complete
    passed = {}
    if plan.gate is not None:
        passed = plan.gate.passed(columns | dict.fromkeys(cuts))
        passed = {name: each[kept] for name, each in passed.items()}
        chosen = np.flatnonzero(kept)[np.logical_and.reduce(list(passed.values()))]
    else:
        chosen = np.flatnonzero(kept)
        passed = {"judged": np.ones(chosen.size, np.bool_)}
    if chosen.size < n:
        columns = {name: column[chosen] for name, column in columns.items()}
        cuts = {name: cut[chosen] for name, cut in cuts.items()}
    return Part(columns, cuts, passed)


def _join(plan: Plan, parts) -> Part:
    """One part of many. Pages of the big arrays come into being when windows are written to them, and no sooner."""
    n = len(plan.starts)
    cuts: dict[str, np.ndarray] = {}
    columns: dict[str, list[np.ndarray]] = {}
    passed: dict[str, list[np.ndarray]] = {}
    done = 0
    for part in parts:
        size = len(part.columns["window"])
        for name, cut in part.cuts.items():
            if name not in cuts:
                cuts[name] = np.empty((n, *cut.shape[1:]), np.float32)
            cuts[name][done : done + size] = cut
        for store, fresh in ((columns, part.columns), (passed, part.passed)):
            for name, column in fresh.items():
                store.setdefault(name, []).append(column)
        done += size
    joined = lambda store: {name: np.concatenate(each) for name, each in store.items()}
    return Part(joined(columns), {name: cut[:done] for name, cut in cuts.items()}, joined(passed))


def _share(flags: np.ndarray, starts: np.ndarray, n_samples: int) -> np.ndarray:
    """Share of True in the windows of `flags` that begin at `starts`."""
    if flags.all():
        return np.ones(len(starts))
    before = np.concatenate(([0], np.cumsum(flags)))
    return (before[starts + n_samples] - before[starts]) / n_samples


def _clipped(plan: Plan, name: str, starts: np.ndarray) -> np.ndarray:
    """Share of raw samples at the end of the sensor's scale, of the axis that has most of them."""
    scale, reader = plan.scales[name], plan.readers[name]
    share = np.zeros(len(starts))
    if not scale.reached[-1]:
        return share
    edges = np.array([reader.samples(int(s), int(s) + plan.n_samples) for s in starts], np.int64)
    quarters = np.searchsorted(scale.edges, edges, side="right")
    last = np.minimum(quarters[:, 1], len(scale.reached) - 1)
    chosen = np.flatnonzero(scale.reached[last] > scale.reached[quarters[:, 0] - 1])
    if not chosen.size:
        return share
    edges = edges[chosen]
    first = int(edges.min())
    raw = reader.values[:, first : int(edges.max())].T
    counts = np.empty(chosen.size, np.int64)
    count_clipped(raw, scale.low, scale.high, scale.shortest, counts, edges - first, 0, chosen.size)
    share[chosen] = counts / np.maximum(edges[:, 1] - edges[:, 0], 1)
    return share
