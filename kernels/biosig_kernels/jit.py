"""How every kernel is compiled: without the GIL, cached on disk when a folder can be written.

Fast-math flags are split in two, because ``reassoc`` may only be used where the order of a sum does not matter
(it breaks polynomial exponentials).
"""

from __future__ import annotations

import os
import warnings

import numba
from numba.core.compiler_lock import global_compiler_lock as compiler_lock

ELEMENTWISE = frozenset({"nsz", "arcp", "contract", "afn"})
REDUCTION = ELEMENTWISE | {"reassoc"}

_warned = False

if hasattr(os, "register_at_fork"):
    # A child forked while another thread compiles would wait for that thread for ever: a fork waits for the seconds
    # that compilation takes. The lock is reentrant, and the forking thread is itself in parent and child.
    os.register_at_fork(
        before=compiler_lock.acquire, after_in_parent=compiler_lock.release, after_in_child=compiler_lock.release
    )


def kernel(function=None, *, fastmath=False, inline="never"):
    """Compile `function` in nopython mode, releasing the GIL and caching the machine code.

    Parameters
    ----------
    fastmath : bool or set of str
        Floating-point licences given to LLVM; `ELEMENTWISE` and `REDUCTION` are the two used here. Kernels that must
        see NaN must not be given ``nnan``.
    inline : {"never", "always"}
        Passed to Numba.

    Notes
    -----
    Where neither the package folder nor the user's cache folder can be written, the kernel is compiled afresh in each
    process, and one warning says so.
    """
    if function is None:
        return lambda f: kernel(f, fastmath=fastmath, inline=inline)
    options = {
        "nogil": True,
        "fastmath": set(fastmath) if isinstance(fastmath, frozenset) else fastmath,
        "error_model": "numpy",
        "inline": inline,
    }
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # Numba: "cannot cache function ...: no locator available"
        global _warned
        if not _warned:
            _warned = True
            warnings.warn(
                "no folder to cache compiled kernels in can be written, so they are compiled again in each process "
                "(about ten seconds); set NUMBA_CACHE_DIR to a writable folder to keep them",
                RuntimeWarning,
                stacklevel=2,
            )
        return numba.njit(**options)(function)
