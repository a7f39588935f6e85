"""What takes part in a comparison: a small class that anybody can fill in for an encoder of their own."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from biosig.evaluation.results import plain


@dataclass(frozen=True)
class Budget:
    """What each encoder may cost, the same for all that train."""

    architecture: str = "conv"
    size: str = "tiny"
    n_steps: int = 400
    batch_size: int = 64

    def settings(self) -> dict[str, Any]:
        """As parameters of the estimators."""
        return asdict(self)


@dataclass(frozen=True)
class Training:
    """What a contender may learn from: the training windows of one split.

    Attributes
    ----------
    accel : array of shape (n_windows, 3, n_samples), float32
        g, without gravity.
    ppg : array of shape (n_windows, 1, n_samples), float32
        Of the same windows.
    targets : pandas.DataFrame
        One row a window; NaN where unknown.
    groups, starts : array of shape (n_windows,)
        Participant, and start (s), of each window.
    sampling_rate : float
        Hz.
    budget : Budget
    random_state : int
    teacher : callable
        ``teacher(kind)`` returns the PPG encoder of that kind, fitted on these windows, the same one for everybody.
    """

    accel: np.ndarray
    ppg: np.ndarray
    targets: pd.DataFrame
    groups: np.ndarray
    starts: np.ndarray
    sampling_rate: float
    budget: Budget
    random_state: int
    teacher: Callable[[str], Any]


def source_digest(thing: Any) -> str:
    """Digest of the source of a class or function; its name where there is no source."""
    try:
        return hashlib.sha256(inspect.getsource(thing).encode()).hexdigest()
    except (OSError, TypeError):
        return str(getattr(thing, "__qualname__", thing))


class Contender:
    """One entry of the comparison. Subclass it, set `name`, write `embed`; write `fit` where it learns.

    Examples
    --------
    >>> class Spread(Contender):
    ...     name = "standard deviations"
    ...
    ...     def embed(self, windows, sampling_rate):
    ...         return windows.std(axis=2)
    """

    name = "my encoder"
    sees = "accel"
    """What `embed` is given: "accel", or "ppg" for a ceiling."""
    learns_from_labels = False
    """Whether `fit` looks at the targets: it is then trained anew for every share of labels."""

    def fit(self, training: Training) -> Contender:
        """Learn from the training windows; by default nothing, as a pretrained encoder does.

        Parameters
        ----------
        training : Training

        Returns
        -------
        Contender
            This one. For every split and seed a copy of the entry as it was given is fitted.
        """
        return self

    def embed(self, windows: np.ndarray, sampling_rate: float) -> np.ndarray:
        """Return one row of features a window, (n_windows, n_features); NaN where it has none.

        Parameters
        ----------
        windows : array of shape (n_windows, n_channels, n_samples), float32
            NaN marks missing samples.
        sampling_rate : float
            Hz.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define embed(windows, sampling_rate)")

    def identity(self) -> str:
        """What it is, as text: a finished cell is used again only while this stays the same.

        By default the source of the class and its attributes; where one of them is an object that does not say what
        it holds, nothing is ever used again.
        """
        return f"{self.name} {self.sees} {source_digest(type(self))} {plain(vars(self))}"


class Estimator(Contender):
    """A contender that gives estimates itself, in place of an embedding for a probe to read."""

    def estimate(self, windows: np.ndarray, sampling_rate: float) -> tuple[Mapping, Mapping]:
        """Return estimates per target, and per target numbers that grow with the error to be expected (or nothing).

        Parameters
        ----------
        windows, sampling_rate
            As in `embed`.

        Returns
        -------
        estimates, expected_error : mapping of str to array of shape (n_windows,)
            NaN where there is no estimate.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define estimate(windows, sampling_rate)")
