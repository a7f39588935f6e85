"""Time stamps of a recording, looked through without copies of them."""

from __future__ import annotations

from biosig_kernels.jit import kernel


@kernel
def is_sorted(times):
    """Whether no time stamp of `times` (n,) lies before the one in front of it."""
    i = 1
    while i < times.size and times[i] >= times[i - 1]:
        i += 1
    return i >= times.size


@kernel
def is_even(times, rate, jitter):
    """Whether samples counted from the first one at `rate` (Hz) stay within `jitter` samples of `times` (s, (n,))."""
    i = 0
    while i < times.size and abs((times[i] - times[0]) * rate - i) < jitter:
        i += 1
    return i == times.size


@kernel
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
        if low < spacing < high:
            count += 1
        else:
            others += spacing
    return times[n - 1] - times[0] - others, count
