"""The state of tinygrad's random numbers, which dropout draws inside a compiled step: set, read, set again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from tinygrad import Device, Tensor

from biosig.nets.backend import lock, spread_over, to_numpy

Counters = Mapping[str, Sequence[int]]


def seed_random(seed: int, counters: Counters | None = None) -> None:
    """Start the random numbers of `seed`, or go on with them where `random_counters` was asked.

    Call before a step is compiled: a compiled step keeps the counters that it was compiled with. On a device that they
    do not tell of (a training goes on elsewhere) the numbers start anew.
    """
    with lock, spread_over(None) as spread:
        Tensor.manual_seed(seed)
        for device in spread or (Device.DEFAULT,):
            Tensor._next_counter(device, 0)  # makes the seed of the device; in this order, as it depends on it
            counter = np.array((counters or {}).get(device, (0, 0)), dtype=np.uint32)
            Tensor._device_rng_counters[device] = Tensor(counter, device=device).contiguous().realize()


def random_counters() -> dict[str, list[int]]:
    """Return how many random numbers were drawn on each device, as two 32-bit halves; JSON can hold it."""
    with lock:
        return {
            device: [int(half) for half in to_numpy(counter)] for device, counter in Tensor._device_rng_counters.items()
        }
