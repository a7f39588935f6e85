"""How the host kernels cut up their work: rows over threads, blocks within a thread, sums per thread."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from biosig.nets._threads import n_threads

GRAIN = 64  # least number of rows worth a thread
_BLOCK_VALUES = 196608  # float32 values of the widest array of a block: most of a second-level cache


def blocks(start: int, stop: int, width: int, least: int = 32) -> Iterator[tuple[int, int]]:
    """Consecutive ranges of at least `least` rows of `width` values that stay in the cache together."""
    size = max(least, _BLOCK_VALUES // max(1, width))
    for low in range(start, stop, size):
        yield low, min(stop, low + size)


def rows_and_width(shape: tuple) -> tuple[int, int]:
    """A shape of any number of axes as that of a matrix: everything before the last axis is a row."""
    sizes = [int(s) for s in shape]
    return math.prod(sizes[:-1]), sizes[-1]


def partials(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Zeros to add gradients of weights to, one array per thread."""
    return [np.zeros((n_threads(), *shape), np.float32) for shape in shapes]
