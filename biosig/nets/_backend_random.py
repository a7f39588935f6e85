"""The state of tinygrad's random numbers, which dropout draws inside a compiled step: set, read, set again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from tinygrad import Device, Tensor

from biosig.nets.backend import lock, spread_over, to_numpy

Counters = Mapping[str, Sequence[int]]


def seed_random(seed: int, counters: Counters | None = None) -> None:
    """Start the random numbers of `seed`, or go on with them where `random_counters` was asked.

    Call before a step is compiled: a compiled step keeps the counters that it was compiled with.
    """
    with lock, spread_over(None) as spread:
        devices = spread or (Device.DEFAULT,)
        Tensor.manual_seed(seed)
        for device, counter in (counters or dict.fromkeys(devices, (0, 0))).items():
            Tensor._next_counter(device, 0)  # makes the seed of the device; in this order, as it depends on it
            Tensor._device_rng_counters[device] = (
                Tensor(np.array(counter, dtype=np.uint32), device=device).contiguous().realize()
            )


def random_counters() -> dict[str, list[int]]:
    """Return how many random numbers were drawn on each device, as two 32-bit halves; JSON can hold it."""
    with lock:
        return {
            device: [int(half) for half in to_numpy(counter)] for device, counter in Tensor._device_rng_counters.items()
        }
