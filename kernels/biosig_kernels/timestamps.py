"""Time stamps of a recording, looked through without copies of them."""

from __future__ import annotations

from biosig_kernels.jit import REDUCTION, kernel

NEAR = 4096  # time stamps looked through before an answer that is known already is given


@kernel
def is_sorted(times):
    """Whether no time stamp of `times` (n,) lies before the one in front of it."""
    for begin in range(0, times.size, NEAR):
        part = times[begin : begin + NEAR + 1]
        forward = 0
        for i in range(part.size - 1):
            forward += part[i + 1] >= part[i]  # counted without a branch, so several at a time
        if forward < part.size - 1:
            return False
    return True


@kernel
def is_even(times, rate, jitter):
    """Whether samples counted from the first one at `rate` (Hz) stay within `jitter` samples of `times` (s, (n,))."""
    for begin in range(0, times.size, NEAR):
        part = times[begin : begin + NEAR]
        near = 0
        for i in range(part.size):
            near += abs((part[i] - times[0]) * rate - (begin + i)) < jitter
        if near < part.size:
            return False
    return True


@kernel(fastmath=REDUCTION)
def regular_spacing(times, low, high):
    """Add up the spacings of sorted `times` (n,) that lie between `low` and `high`.

    Returns
    -------
    total : float
        Span of the time stamps less the other spacings, which loses less to rounding than adding the regular ones.
    count : int
    """
    n = times.size
    others, count = 0.0, 0
    for i in range(1, n):
        spacing = times[i] - times[i - 1]
        regular = (low < spacing) & (spacing < high)
        count += int(regular)
        others += 0.0 if regular else spacing
    return times[n - 1] - times[0] - others, count
