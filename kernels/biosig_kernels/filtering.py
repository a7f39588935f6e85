"""Zero-phase recursive filtering (second-order sections forward, then backward) of many rows.

The order of operations and the starting states are those of ``scipy.signal.sosfiltfilt`` with odd padding (compare
F. Gustafsson, "Determining the initial states in forward-backward filtering", IEEE Trans. Signal Process. 44(4), 1996).
"""

from __future__ import annotations

import numpy as np

from biosig_kernels.jit import ELEMENTWISE, kernel

LANES = 8  # rows that go through a filter side by side: one recursion alone cannot fill a vector register
LONG = 1 << 17  # longer rows go one by one, to keep the working memory small


@kernel(fastmath=ELEMENTWISE)
def _run_sections(work, n, sos, states, direction):
    """Send ``work[:n]`` (time, lane) through all sections in place, forward (1) or backward (-1)."""
    lanes = work.shape[1]
    begin = 0 if direction > 0 else n - 1
    edge = work[begin].copy()
    s1 = np.empty(lanes)
    s2 = np.empty(lanes)
    for s in range(sos.shape[0]):
        b0, b1, b2, a1, a2 = sos[s, 0], sos[s, 1], sos[s, 2], sos[s, 4], sos[s, 5]
        for lane in range(lanes):  # as if the first value had been there for ever
            s1[lane] = states[s, 0] * edge[lane]
            s2[lane] = states[s, 1] * edge[lane]
        at = begin
        for _ in range(n):
            line = work[at]
            for lane in range(lanes):
                value = line[lane]
                y = b0 * value + s1[lane]
                s1[lane] = b1 * value - a1 * y + s2[lane]
                s2[lane] = b2 * value - a2 * y
                line[lane] = y
            at += direction


@kernel
def _filter_stretch(x, row, n_rows, begin, end, sos, states, pad, work, out):
    """Filter samples ``begin:end`` of `n_rows` rows from `row` on, all of them finite."""
    n = end - begin
    for lane in range(work.shape[1]):
        source = x[row + min(lane, n_rows - 1), begin:end]
        first = np.float64(source[0])
        last = np.float64(source[n - 1])
        for i in range(n):
            work[pad + i, lane] = source[i]
        for k in range(1, pad + 1):
            work[pad - k, lane] = 2.0 * first - source[k]
            work[pad + n - 1 + k, lane] = 2.0 * last - source[n - 1 - k]
    _run_sections(work, n + 2 * pad, sos, states, 1)
    _run_sections(work, n + 2 * pad, sos, states, -1)
    for lane in range(n_rows):
        target = out[row + lane, begin:end]
        for i in range(n):
            target[i] = work[pad + i, lane]


@kernel
def filter_rows(x, sos, states, pad, out, start, stop):
    """Filter rows ``start:stop`` of `x` without phase shift, each stretch between missing samples on its own.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n_rows, n_samples)
        Not finite means missing.
    sos : ndarray of float64, shape (n_sections, 6)
        Second-order sections with ``a0 = 1``. All arithmetic is in float64.
    states : ndarray of float64, shape (n_sections, 2)
        Steady state of each section for a unit step at the input of the cascade.
    pad : int
        Samples of odd padding at both ends of a stretch.
    out : ndarray of x.dtype, shape (n_rows, n_samples)
        Receives the result; NaN for missing samples and for stretches of `pad` samples or fewer.
    """
    n = x.shape[1]
    block = 1 if n > LONG else LANES
    work = np.empty((n + 2 * pad, block))
    alone = np.empty((n + 2 * pad, 1)) if block > 1 else work
    row = start
    while row < stop:
        n_rows = min(block, stop - row)
        complete = n > pad
        for r in range(row, row + n_rows):
            for i in range(n):
                complete = complete and np.isfinite(x[r, i])
        if complete:
            _filter_stretch(x, row, n_rows, 0, n, sos, states, pad, work, out)
            row += n_rows
            continue
        for r in range(row, row + n_rows):
            out[r, :] = np.nan
            begin = 0
            while begin < n:
                end = begin
                while end < n and np.isfinite(x[r, end]):
                    end += 1
                if end - begin > pad:
                    _filter_stretch(x, r, 1, begin, end, sos, states, pad, alone, out)
                begin = end + 1
        row += n_rows
