"""Windows of real recordings on their way into a stream: participant by participant, each epoch in another order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from biosig.training.batches import generator
from biosig.training.frontends import with_data
from biosig.training.sources import fingerprint, open_windows

VISIT = 16  # windows of a participant that follow each other, about as many as of a simulated one
FIRST = 1 << 40  # number of the first participant; simulated ones are far below


class Mixed:
    """Windows to mix into a stream, in an endless order that depends on the seed alone.

    An epoch takes all windows once, but for the last of a participant where a `multiple` leaves some over (other ones
    each time).

    Parameters
    ----------
    mix
        See `biosig.training.SimulatedStream`.
    shapes : dict of str to (int, int)
        Channels and samples of the windows of each sensor needed.
    sampling_rate : float
        Hz; windows that name another one are refused.
    random_state : int
    multiple : int
        Windows of a participant that follow each other are a multiple of this.

    Raises
    ------
    ValueError
        For windows that do not fit the stream, or where none has data.
    """

    def __init__(
        self, mix: Any, shapes: dict[str, tuple[int, int]], sampling_rate: float, random_state: int, multiple: int
    ):
        parts = list(mix) if isinstance(mix, (list, tuple)) else [mix]
        for part in parts:
            _check(part, shapes, sampling_rate)
        column = lambda name: np.concatenate([np.asarray(part[name]) for part in parts])
        self.signals = {
            name: open_windows([part[name] for part in parts], name=f"{name} to be mixed in", n_channels=shape[0])
            for name, shape in shapes.items()
        }
        names, codes = np.unique(column("participant").astype(str), return_inverse=True)
        self.start = column("start").astype(np.float64)
        self.participant = FIRST + codes
        usable = np.all([with_data(x) for x in self.signals.values()], axis=0)
        self._seed, self._multiple = random_state, multiple
        self._rows = np.flatnonzero(usable)
        counts = np.bincount(codes[self._rows], minlength=len(names)) // multiple * multiple
        self._n_epoch = int(counts.sum())
        if not self._n_epoch:
            raise ValueError(f"of {len(usable)} windows to be mixed in, none can be used; see whether they hold data")
        self._last: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    @property
    def identity(self) -> str:
        """A hash by which the windows are recognised."""
        return fingerprint(self.signals, {"participant": self.participant, "start": self.start})

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Return the numbers of the windows in the places `start` to `stop` of the endless order."""
        places = np.arange(start, stop)
        epochs, within = np.divmod(places, self._n_epoch)
        rows = np.empty(len(places), np.int64)
        for epoch in np.unique(epochs):
            rows[epochs == epoch] = self._epoch(int(epoch))[within[epochs == epoch]]
        return rows

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the windows of some rows by sensor, float32."""
        return {name: x[rows] for name, x in self.signals.items()}

    def _epoch(self, number: int) -> np.ndarray:
        if self._last[0] != number:
            rng = generator(self._seed, "mix", number)
            shuffled = rng.permutation(self._rows)
            visits = []
            for participant in np.unique(self.participant[shuffled]):
                own = shuffled[self.participant[shuffled] == participant]
                own = own[: len(own) // self._multiple * self._multiple]
                visits += [own[first : first + VISIT] for first in range(0, len(own), VISIT)]
            self._last = (number, np.concatenate([visits[i] for i in rng.permutation(len(visits))]))
        return self._last[1]


def _check(part: Any, shapes: dict[str, tuple[int, int]], sampling_rate: float) -> None:
    present = part if isinstance(part, Mapping) or hasattr(part, "__contains__") else ()
    missing = [name for name in (*shapes, "participant", "start") if name not in present]
    if missing:
        raise ValueError(
            f"windows to be mixed in have no {' and no '.join(missing)}; expected what biosig.segment returns, or "
            "files made by 'biosig windows'"
        )
    for name, (n_channels, n_samples) in shapes.items():
        shape = tuple(part[name].shape)
        rate = getattr(part[name], "attrs", {}).get("sampling_rate", getattr(part, "attrs", {}).get("sampling_rate"))
        told = "" if rate is None else f" at {float(rate):g} Hz"
        if shape[1:] != (n_channels, n_samples) or (rate is not None and float(rate) != sampling_rate):
            raise ValueError(
                f"windows to be mixed in have {name} of shape {shape}{told}; the stream has ({n_channels}, "
                f"{n_samples}) at {sampling_rate:g} Hz: cut them alike, or change the length or sampling_rate"
                " of the stream"
            )
