"""Pairs of windows: which are positives of each other, and which must not be negatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from biosig.training.batches import ParticipantBatches, generator


class Column(Protocol):
    """An array, or what stands for one: values by window numbers."""

    def __getitem__(self, rows: Any) -> Any:
        """Return the values of some windows."""


EMPTY = -1  # number of the window in a place of a queue that holds none yet


class ParticipantPairs:
    """Batches of pairs of different windows of one participant, without replacement within an epoch.

    In every epoch each participant's windows are paired anew; of an odd number one is left out, another one each time.
    The pairs of each participant are spread evenly over the epoch. `batch(step)` depends on nothing but its argument
    and the seed.

    Parameters
    ----------
    groups : array (n_windows,)
        Participant of each window. Participants with a single window are left out.
    batch_size : int
        Windows in a batch; lowered to the greatest even number of windows that can be paired.
    random_state : int
        Seed.

    Raises
    ------
    ValueError
        When there are not two participants with two windows each.
    """

    def __init__(self, groups: np.ndarray, batch_size: int, random_state: int):
        self._codes = np.unique(groups, return_inverse=True)[1]
        counts = np.bincount(self._codes)
        if np.sum(counts >= 2) < 2:
            raise ValueError(
                f"groups names {len(counts)} participants, {np.sum(counts >= 2)} of them with two windows or more; "
                "contrasting participants takes at least two with two windows each. For windows of one person, or one "
                "window a person, train a masked autoencoder"
            )
        pairs = np.repeat(np.arange(len(counts)), counts // 2)  # the participant of each pair
        n_pairs = min(batch_size // 2, len(pairs))
        if n_pairs < 2:
            raise ValueError(f"batch_size is {batch_size}; expected at least 4 windows, that is two pairs")
        self._order = ParticipantBatches(pairs, n_pairs, random_state)
        self.batch_size, self.random_state = 2 * n_pairs, random_state
        self._last: tuple[int, np.ndarray] = (-1, np.empty((0, 2), dtype=np.int64))

    @property
    def batches_per_epoch(self) -> int:
        """Batches between two pairings."""
        return self._order.batches_per_epoch

    def paired(self, epoch: int) -> np.ndarray:
        """Return the pairs of window numbers of an epoch, (n_pairs, 2), participant by participant."""
        shuffled = generator(self.random_state, "pairs", epoch).permutation(len(self._codes))
        shuffled = shuffled[np.argsort(self._codes[shuffled], kind="stable")]
        counts = np.bincount(self._codes)
        last = np.cumsum(counts) - 1
        return np.delete(shuffled, last[counts % 2 == 1]).reshape(-1, 2)

    def batch(self, step: int) -> np.ndarray:
        """Return the (batch_size,) window numbers of `step`, counted from 0; two that follow each other are a pair."""
        epoch = step // self.batches_per_epoch
        last = self._last  # one tuple, read once: other threads may replace it, and then it is computed again
        if last[0] != epoch:
            last = self._last = (epoch, self.paired(epoch))
        return last[1][self._order.batch(step)].ravel()


def recent_rows(batch: Callable[[int], np.ndarray], step: int, n_rows: int) -> np.ndarray:
    """Return the numbers of the windows of the last steps, as they stand in a queue of keys.

    Parameters
    ----------
    batch : callable
        ``batch(step)`` returns the window numbers of a step; let it remember the last ones.
    step : int
        Its windows come first, then those of the step before, and so on.
    n_rows : int
        Places in the queue.

    Returns
    -------
    array (n_rows,)
        `EMPTY` where there was no step yet.
    """
    rows = np.full(n_rows, EMPTY, dtype=np.int64)
    filled = 0
    while filled < n_rows and step >= 0:
        part = batch(step)[: n_rows - filled]
        rows[filled : filled + len(part)] = part
        filled, step = filled + len(part), step - 1
    return rows


def no_negatives(
    queries: np.ndarray,
    keys: np.ndarray,
    groups: Column,
    starts: Column | None = None,
    length: float | None = None,
) -> np.ndarray:
    """Mark the pairs of a query and a key that must not be negatives of each other, for `objectives.info_nce`.

    Parameters
    ----------
    queries : array (n,)
        Window numbers.
    keys : array (m,)
        Window numbers, or `EMPTY`; key i is the positive of query i for all i below n.
    groups : array (n_windows,)
        Participant of each window.
    starts : array (n_windows,), optional
        Start of each window in s. Sessions are taken as if on one clock, which can only mark too many pairs.
    length : float, optional
        Length of a window in s: marked are the windows of one participant that start less than this apart, for they
        share samples; 0 marks none but the window itself. None marks all windows of the same participant.

    Returns
    -------
    array (n, m), float32
        1 where marked, else 0; 0 for positives, 1 for keys that are empty.
    """
    marked = groups[queries][:, None] == groups[keys][None, :]
    if length is not None:
        same = queries[:, None] == keys[None, :]
        if starts is not None:
            at, others = (np.asarray(starts[rows], dtype=np.float64) for rows in (queries, keys))
            same |= np.abs(at[:, None] - others[None, :]) < length
        marked &= same
    marked |= keys == EMPTY
    np.fill_diagonal(marked, False)
    return marked.astype(np.float32)
