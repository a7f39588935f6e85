"""Copies between rows of samples, without what assigning to a slice costs to compile."""

from __future__ import annotations

from biosig_kernels.jit import kernel


@kernel
def copy_into(target, source):
    """Write `source` (n,) to the first places of `target` (n or more,), in the type of `target`.

    ``target[:n] = source`` does the same, but takes Numba some seconds to compile, for the message about shapes.
    """
    for i in range(len(source)):
        target[i] = source[i]
