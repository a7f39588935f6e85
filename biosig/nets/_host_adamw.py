"""One step of AdamW over all parameters in one call, on threads, in a fixed order of sums."""

from __future__ import annotations

import numpy as np
from biosig_kernels import nn_optimiser

from biosig.nets._threads import over_slices

_CHUNK = 16384  # the sums of squares are added chunk by chunk, so the number of threads does not change them


def adamw_step(step, m, v, *rest):
    """Take one step in place; for `host_call`, with the weights, then their gradients, then the learning rate.

    ``starts`` says where the moments of each weight begin in the flat `m` and `v`.
    """
    *tensors, lr, starts, decays, b1, b2, eps, clip_norm = rest
    n = len(decays)
    weights, gradients = [w.reshape(-1) for w in tensors[:n]], [g.reshape(-1) for g in tensors[n:]]
    chunks = [
        (i, starts[i], low, min(weight.size, low + _CHUNK))
        for i, weight in enumerate(weights)
        for low in range(0, weight.size, _CHUNK)
    ]
    scale = 1.0
    if clip_norm is not None:
        squares = np.empty(len(chunks))

        def measure(_, start, stop):
            for k in range(start, stop):
                i, _, low, high = chunks[k]
                squares[k] = nn_optimiser.sum_of_squares(gradients[i], low, high)

        over_slices(measure, len(chunks))
        scale = min(1.0, clip_norm / (float(np.sqrt(squares.sum())) + 1e-6))
    step[0] += 1
    f32 = np.float32
    c1, c2 = f32(1 / (1 - b1 ** float(step[0]))), f32(1 / (1 - b2 ** float(step[0])))

    def update(_, start, stop):
        for k in range(start, stop):
            i, base, low, high = chunks[k]
            part = slice(base + low, base + high)
            nn_optimiser.adamw(
                weights[i][low:high],
                gradients[i][low:high],
                m[part],
                v[part],
                f32(scale),
                lr[0],
                f32(b1),
                f32(b2),
                f32(eps),
                f32(decays[i]),
                c1,
                c2,
                0,
                high - low,
            )

    over_slices(update, len(chunks))
