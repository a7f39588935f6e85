"""A trained net put to use: arrays in, arrays out, nothing kept for gradients.

On a CPU the net that training runs on tensors runs on NumPy arrays instead: the same code calls the same host kernels,
one after another, with nothing to schedule or compile, a few windows at a time, so that what one layer tells the next
stays in the cache and memory does not grow with the batch. On every other device it is compiled for one batch shape.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from tinygrad import Context, Tensor, TinyJit

from biosig.nets._host_blocks import blocks
from biosig.nets._threads import over_slices, single_threaded_blas, threads_for_blas
from biosig.nets.backend import from_numpy, lock, to_numpy, uses_host_kernels
from biosig.nets.parameters import check_weights, set_weights


class Inference:
    """An encoder as a function of arrays.

    Parameters
    ----------
    net : Encoder or InTime
        From `biosig.nets.build_encoder`, or one with a timed head.
    batch_size : int
        Most windows per call. Where the net is compiled, fewer are filled up with zeros to that number.

    Attributes
    ----------
    n_features : int
        Values per embedding.
    """

    def __init__(self, net: Any, batch_size: int):
        self._net, self._batch_size, self.n_features = net, batch_size, net.n_features
        self._on_host = uses_host_kernels()
        if self._on_host:
            with lock:
                self._arrays = _on_arrays(net)
        else:
            self._compiled = TinyJit(lambda x: net(x).realize())

    def set_weights(self, weights: dict[str, np.ndarray]) -> None:
        """Use other weights from now on, on a CPU without a copy; see `biosig.nets.parameters.set_weights`."""
        if not self._on_host:
            set_weights(self._net, weights)
            return
        check_weights(self._net, weights)
        for name, values in weights.items():
            *path, last = name.split(".")
            module = self._arrays
            for step in path:
                module = module[int(step)] if isinstance(module, list) else getattr(module, step)
            setattr(module, last, _usable(values))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Embed windows.

        Parameters
        ----------
        x : array (n_batch, n_channels, n_samples), float32

        Returns
        -------
        array (n_batch, n_features), float32
        """
        with lock, Context(TRAINING=0):
            if self._on_host:
                return self._embed(x)
            full = np.zeros((self._batch_size, *x.shape[1:]), np.float32)
            full[: len(x)] = x
            return to_numpy(self._compiled(from_numpy(full)))[: len(x)]

    def _embed(self, x: np.ndarray) -> np.ndarray:
        net, x = self._arrays, _usable(x)
        if len(x) == 1:
            with threads_for_blas():
                return net(x)
        embedding = np.empty((len(x), net.n_features), np.float32)

        def windows(_, start, stop):
            for low, high in blocks(start, stop, net.n_tokens * net.token_width, 1):
                embedding[low:high] = net(x[low:high])

        with single_threaded_blas():
            over_slices(windows, len(x))
        return embedding


def _usable(values: Any) -> np.ndarray:
    """Return an array of the one kind for which the kernels are compiled; itself where it is of that kind."""
    return np.require(values, np.float32, ["C", "A", "W"])


def _on_arrays(part: Any) -> Any:
    """Return a copy of a module in which arrays stand for all tensors."""
    if isinstance(part, Tensor):
        return to_numpy(part)
    if isinstance(part, list):
        return [_on_arrays(one) for one in part]
    if type(part).__module__.startswith("biosig.nets."):
        twin = copy.copy(part)
        for name, value in vars(part).items():
            setattr(twin, name, _on_arrays(value))
        return twin
    return part
