"""What every part of the benchmark hands back, and how it measures: all programs of a comparison take turns.

A part is a module of this folder with ``run(repeats: int, quick: bool, n_threads: int) -> list[Row]``; `signals.py`
beside this folder runs them and prints one table.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

SHORTEST = 0.02  # s; a program that is faster is called again until so much has passed


class Row(NamedTuple):
    """One line of the table: what was done, the two times, how many times faster, and how good both results are."""

    work: str
    ours: str
    peer: str
    ratio: str
    quality: str


def take_turns(
    programs: Mapping[str, Callable[[], object]], repeats: int, *, warm_up: bool = True
) -> dict[str, list[float]]:
    """Seconds a call takes, one for each program and round; a busy machine slows the programs of a round alike.

    Every program is called once before, so that imports and compilation are not counted; without `warm_up` the caller
    has seen to that.
    """
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    if warm_up:
        for program in programs.values():
            program()
    for turn in range(repeats):
        order = list(programs.items())
        for name, program in order if turn % 2 == 0 else reversed(order):
            n_calls, began = 0, time.perf_counter()
            while not n_calls or time.perf_counter() - began < SHORTEST:
                program()
                n_calls += 1
            seconds[name].append((time.perf_counter() - began) / n_calls)
    return seconds


def told(seconds: list[float]) -> str:
    """Median and spread of times, for a cell of the table."""
    unit, name = (1e3, "ms") if statistics.median(seconds) < 1.0 else (1.0, "s")
    middle, low, high = (unit * t for t in (statistics.median(seconds), min(seconds), max(seconds)))
    return f"{middle:.3g} {name} ({low:.3g} to {high:.3g})"


def ratio(peer: list[float], ours: list[float]) -> str:
    """How many times faster ours is: median and spread over the rounds."""
    each = [a / b for a, b in zip(peer, ours, strict=True)]
    return f"{statistics.median(each):.3g} ({min(each):.3g} to {max(each):.3g})"


def not_installed(work: str, peer: str) -> Row:
    """The line of a peer that cannot be imported."""
    return Row(work, "-", f"{peer}: not installed", "-", "install the extra `bench`")
