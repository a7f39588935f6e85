"""Tensors that a training step changes beside the trained parameters: averages of weights, a queue of embeddings.

Both functions are called inside a step, before what reads the new values; they return what has to be realised with the
loss. On a CPU the change is one host call, because a native operation may be handed a copy of a tensor that a host
kernel reads in the same step, and what is written to a copy is lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tinygrad import Tensor

from biosig.nets.backend import host_call, uses_host_kernels


def moving_average(averages: Sequence[Tensor], values: Sequence[Tensor], momentum: float) -> list[Tensor]:
    r"""Move every average towards its value, :math:`a \leftarrow \mu a + (1 - \mu) v`, in place.

    He et al. (2020), arXiv 1911.05722, equation 2: the weights of a momentum branch.

    Parameters
    ----------
    averages : sequence of Tensor
        Realised float32 tensors. From here on they stand for their new values; detach what is calculated with them.
    values : sequence of Tensor
        Of the same shapes.
    momentum : float
        mu, 0 to 1.

    Returns
    -------
    list of Tensor
        The averages, to be realised with the step.
    """
    values = [value.detach() for value in values]
    if uses_host_kernels():
        moved = host_call(_move, [], values, overwrites=averages, options=(momentum,))
        return [average.replace(new) for average, new in zip(averages, moved, strict=True)]
    return [a.assign(momentum * a + (1 - momentum) * v) for a, v in zip(averages, values, strict=True)]


def _move(*arrays):
    *tensors, momentum = arrays
    n = len(tensors) // 2
    for average, value in zip(tensors[:n], tensors[n:], strict=True):
        average *= np.float32(momentum)
        average += np.float32(1 - momentum) * value


def push(queue: Tensor, rows: Tensor) -> Tensor:
    """Put rows in front of a queue, in place; as many leave it at the end.

    Parameters
    ----------
    queue : Tensor (n_queue, n_features)
        Realised. From here on it stands for its new values; read it detached.
    rows : Tensor (n, n_features)
        At most `n_queue`; they come to stand in the first places, in their order.

    Returns
    -------
    Tensor
        The queue, to be realised with the step.
    """
    rows = rows.detach()
    if uses_host_kernels():
        return queue.replace(host_call(_push, [], [rows], overwrites=[queue])[0])
    if isinstance(rows.device, tuple):  # each device has a part of them and needs all
        rows = rows.to(rows.device[0]).shard(rows.device)
    return queue.assign(rows.cat(queue[: queue.shape[0] - rows.shape[0]]).contiguous())


def _push(queue, rows):
    queue[len(rows) :] = queue[: len(queue) - len(rows)].copy()
    queue[: len(rows)] = rows
