"""Which windows form the batch of a step, and batches made ahead of time."""

from __future__ import annotations

import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np


def generator(random_state: int, purpose: str, step: int) -> np.random.Generator:
    """Return the random generator for one purpose at one step, independent of those for all others."""
    return np.random.default_rng([random_state, zlib.crc32(purpose.encode()), step])


class ParticipantBatches:
    """Batches of window numbers in which every participant has an even share, without replacement within an epoch.

    The windows of each participant are spread evenly over the epoch, so that every batch holds close to the share of
    each participant that the data hold. The few windows that do not fill a last batch are left out of that epoch (other
    ones each time). `batch(step)` depends on nothing but its argument and the seed.

    Parameters
    ----------
    groups : array (n_windows,)
        Participant of each window.
    batch_size : int
        Windows in a batch; at most the number of windows.
    random_state : int
        Seed.
    together : int, default 1
        Windows of one participant that are put into the same batch. Windows of the same person are the hardest
        negatives, because nothing but the heart at that time tells them apart.
    """

    def __init__(self, groups: np.ndarray, batch_size: int, random_state: int, together: int = 1):
        if not 1 <= batch_size <= len(groups):
            raise ValueError(f"batch_size is {batch_size} for {len(groups)} windows; expected 1 to {len(groups)}")
        if together < 1:
            raise ValueError(f"together is {together}; expected at least one window of a participant")
        self.codes = np.unique(groups, return_inverse=True)[1]
        self.batch_size, self.random_state, self.together = batch_size, random_state, together
        self.batches_per_epoch = len(groups) // batch_size
        self._last: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))

    def epoch(self, number: int) -> np.ndarray:
        """Return all window numbers in the order of epoch `number`."""
        rng = generator(self.random_state, "order", number)
        shuffled = rng.permutation(len(self.codes))
        shuffled = shuffled[np.argsort(self.codes[shuffled], kind="stable")]
        people, first, counts = np.unique(self.codes[shuffled], return_index=True, return_counts=True)
        place = np.arange(len(shuffled)) - np.repeat(first, counts)  # of a window among those of its participant
        chunk = place // self.together
        chunks = -(-counts // self.together)
        offset = rng.random(len(people))  # one a participant: its chunks stay equally far apart
        when = (chunk + np.repeat(offset, counts)) / np.repeat(chunks, counts)
        return shuffled[np.lexsort((np.repeat(rng.permutation(len(people)), counts), when))]

    def batch(self, step: int) -> np.ndarray:
        """Return the (batch_size,) window numbers of `step`, counted from 0."""
        number, place = divmod(step, self.batches_per_epoch)
        last = self._last  # one tuple, read once: other threads may replace it, and then it is computed again
        if last[0] != number:
            last = self._last = (number, self.epoch(number))
        return last[1][place * self.batch_size : (place + 1) * self.batch_size]


class Prefetcher:
    """Iterate over ``make(first), make(first + 1), ...`` in order, made ahead in one other thread; a context manager.

    `make` must not use tinygrad, which works in one thread. An exception of `make` is raised where its batch was due.

    Attributes
    ----------
    waited : float
        Seconds that the consumer has spent waiting, so that a slow preparation can be seen. The first batch, for which
        any consumer must wait, is not counted.
    """

    def __init__(self, make: Callable[[int], tuple[np.ndarray, ...]], n_steps: int, first: int = 0, ahead: int = 3):
        self._make, self._n_steps, self._first, self._ahead = make, n_steps, first, ahead
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="biosig-batches")
        self.waited = 0.0

    def __enter__(self) -> Prefetcher:
        return self

    def __exit__(self, *exception) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]:
        waiting: deque[Future] = deque()
        asked = 0
        for step in range(self._n_steps):
            while asked < min(step + self._ahead, self._n_steps):
                waiting.append(self._pool.submit(self._make, self._first + asked))
                asked += 1
            began = time.perf_counter()
            batch = waiting.popleft().result()
            if step:
                self.waited += time.perf_counter() - began
            yield batch
