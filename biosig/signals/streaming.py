"""Resampling of signals that arrive in blocks, or that are too long to be held at once."""

from __future__ import annotations

import math

import numpy as np
from biosig_kernels.resampling import resample_rows
from biosig_kernels.threads import over_rows

from biosig._checks import check_sampling_rate
from biosig.signals._clock import interpolator
from biosig.signals._layout import as_rows
from biosig.signals.resampling import check_max_gap


class ResampleStream:
    """Resample a signal block by block; together the results equal `resample` of the whole signal, bit for bit.

    Only the samples within reach of the filter are kept: about 1.2 s at 100 Hz, and `max_gap` before and after it.

    Parameters
    ----------
    sampling_rate, target_rate : float
        Hz; any two rates.
    max_gap : float, default 0.5
        Seconds, as in `resample`. Output lags behind input by this and half a filter.
    n_jobs : int, optional
        Threads; None or -1 for all cores.

    Attributes
    ----------
    n_in, n_out : int
        Samples received and returned so far, of each row.
    valid : float
        Share of the samples received that were measured (finite), 0 to 1; NaN before the first block.

    Examples
    --------
    >>> import numpy as np
    >>> from biosig.signals import ResampleStream, resample
    >>> signal = np.random.default_rng(0).normal(size=(3, 1000))
    >>> stream = ResampleStream(100, 64)
    >>> parts = [stream.push(signal[:, :300]), stream.push(signal[:, 300:]), stream.finish()]
    >>> bool((np.concatenate(parts, axis=-1) == resample(signal, sampling_rate=100, target_rate=64)).all())
    True
    """

    def __init__(self, sampling_rate, target_rate, *, max_gap=0.5, n_jobs=None):
        self.sampling_rate = check_sampling_rate(sampling_rate)
        self.target_rate = check_sampling_rate(target_rate, "target_rate")
        self.max_gap = check_max_gap(max_gap)
        self.n_jobs = n_jobs
        self.n_in = self.n_out = 0
        self._n_measured = 0
        self._kept = np.empty((0, 0), np.float32)  # (n_rows, n), the samples from _origin on
        self._begun = False
        self._lead: tuple[int, ...] = ()
        self._origin = 0
        self._done = False

    @property
    def valid(self) -> float:
        """Share of the samples received that were measured, 0 to 1; NaN before the first block."""
        n_rows = len(self._kept)
        return self._n_measured / (self.n_in * n_rows) if self.n_in and n_rows else math.nan

    def push(self, block):
        """Take the next samples, shape (..., n), and return the output samples that they decide, (..., any number).

        Raises
        ------
        ValueError
            For a block of another shape or kind of number than the first one, and after `finish`.
        """
        if self._done:
            raise ValueError("the stream is finished; make a new ResampleStream for the next signal")
        values = np.asarray(block)
        if values.ndim and values.shape[-1] == 0 and values.dtype.kind in "fiub":
            return np.empty(values.shape, self._kept.dtype)
        rows = as_rows(values, self.sampling_rate, name="block").values
        if not self._begun:
            self._begun = True
            self._lead = values.shape[:-1]
            self._kept = np.empty((len(rows), 0), rows.dtype)
        if values.shape[:-1] != self._lead or rows.dtype != self._kept.dtype:
            raise ValueError(
                f"the block has shape {values.shape} and is read as {rows.dtype}; the first one had "
                f"{(*self._lead, '...')} and was read as {self._kept.dtype}: keep both for the whole signal"
            )
        self._kept = np.concatenate((self._kept, rows), axis=1)
        self.n_in += rows.shape[1]
        self._n_measured += int(np.isfinite(rows).sum())
        how, most = self._how()
        # How many outputs no later sample can change: the reach of the next one must end within what is there.
        last = self.n_out
        step = self.sampling_rate / self.target_rate
        ahead = how.reach(0, 1, None, most)[1]
        if math.isfinite(most) and self.n_in > ahead:
            last = max(last, math.floor((self.n_in - ahead) / step))
            while last > self.n_out and how.reach(last - 1, last, None, most)[1] > self.n_in:
                last -= 1
            while how.reach(last, last + 1, None, most)[1] <= self.n_in:
                last += 1
        return self._compute(last)

    def finish(self):
        """Return the last output samples, (..., any number). The stream takes no more blocks afterwards.

        Raises
        ------
        ValueError
            Before the first sample.
        """
        if not self._begun:
            raise ValueError("the stream has received no samples; push at least one block before finish")
        total = max(1, math.floor(self.n_in * self.target_rate / self.sampling_rate + 0.5))
        values = self._compute(self.n_out if self._done else total)
        self._done = True
        self._kept = self._kept[:, :0]
        return values

    def _how(self):
        most = self.max_gap * self.sampling_rate + 1e-6
        return interpolator(self.sampling_rate, self.target_rate, 0.0, self._kept.dtype), most

    def _compute(self, last: int) -> np.ndarray:
        """Return the outputs from the next one up to `last`, and forget the samples that later ones do not need."""
        how, most = self._how()
        kept, origin, first = self._kept, self._origin, self.n_out
        out = np.empty((len(kept), last - first), kept.dtype)
        if last > first:
            over_rows(
                lambda a, b: resample_rows(kept, origin, how.clock, how.table, most, first, out, a, b),
                len(kept),
                self.n_jobs,
            )
            self.n_out = last
            needed = min(how.reach(last, last + 1, None, most)[0], self.n_in)
            if needed > origin:
                self._kept = kept[:, needed - origin :].copy()
                self._origin = needed
        return out.reshape(*self._lead, last - first)
