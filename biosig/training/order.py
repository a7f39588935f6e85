"""Which windows a training uses when: what the two kinds of material have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

STATISTICS_WINDOWS = 512  # enough for the mean and spread of teacher embeddings and targets


@dataclass(frozen=True)
class Drawn:
    """The batches of a training.

    Attributes
    ----------
    rows_of : callable
        ``rows_of(step)`` returns the numbers of the windows of a step, (batch_size,).
    batch_size : int
    held : array (n_held,)
        Numbers of the windows held out.
    """

    rows_of: Callable[[int], np.ndarray]
    batch_size: int
    held: np.ndarray
