"""Zero-phase recursive filtering (second-order sections forward, then backward) of many rows.

The order of operations and the starting states are those of ``scipy.signal.sosfiltfilt`` with odd padding (compare
F. Gustafsson, "Determining the initial states in forward-backward filtering", IEEE Trans. Signal Process. 44(4), 1996).
"""

from __future__ import annotations

import numpy as np

from biosig_kernels.copying import copy_into
from biosig_kernels.gaps import all_finite
from biosig_kernels.jit import ELEMENTWISE, kernel

LANES = 16  # rows that go through a filter side by side: one recursion alone waits for itself most of the time
LONG = 1 << 16  # longer rows are cut into overlapping pieces, which then go side by side
PIECE = 1 << 15  # samples of a long stretch that one lane is responsible for
NEAR = 128  # samples of all lanes that stay in the nearest cache while they are copied


@kernel(fastmath=ELEMENTWISE, inline="always")
def _four_steps(work, states, sos, first, second, third, fourth):
    """Send four samples of every lane, at these places of the flat `work`, through all sections.

    Four at a time, because what the sections remember then stays in registers; one array for all of it, distances
    known when this is compiled and places without a sign (no test for negative ones) let the lanes become vectors.
    """
    for s in range(sos.shape[0]):
        b0, b1, b2, a1, a2 = sos[s, 0], sos[s, 1], sos[s, 2], sos[s, 4], sos[s, 5]
        at = np.uint64(2 * s * LANES)
        also = np.uint64((2 * s + 1) * LANES)
        for lane in range(np.uint64(LANES)):
            q1, q2 = states[at + lane], states[also + lane]
            v1, v2, v3, v4 = work[first + lane], work[second + lane], work[third + lane], work[fourth + lane]
            y1 = b0 * v1 + q1
            q1 = b1 * v1 - a1 * y1 + q2
            q2 = b2 * v1 - a2 * y1
            y2 = b0 * v2 + q1
            q1 = b1 * v2 - a1 * y2 + q2
            q2 = b2 * v2 - a2 * y2
            y3 = b0 * v3 + q1
            q1 = b1 * v3 - a1 * y3 + q2
            q2 = b2 * v3 - a2 * y3
            y4 = b0 * v4 + q1
            q1 = b1 * v4 - a1 * y4 + q2
            q2 = b2 * v4 - a2 * y4
            work[first + lane] = y1
            work[second + lane] = y2
            work[third + lane] = y3
            work[fourth + lane] = y4
            states[at + lane] = q1
            states[also + lane] = q2


@kernel(fastmath=ELEMENTWISE)
def _one_step(work, states, sos, place):
    """As `_four_steps`, for a single sample of every lane."""
    for s in range(sos.shape[0]):
        b0, b1, b2, a1, a2 = sos[s, 0], sos[s, 1], sos[s, 2], sos[s, 4], sos[s, 5]
        at = 2 * s * LANES
        for lane in range(LANES):
            value = work[place + lane]
            y = b0 * value + states[at + lane]
            states[at + lane] = b1 * value - a1 * y + states[at + LANES + lane]
            states[at + LANES + lane] = b2 * value - a2 * y
            work[place + lane] = y


@kernel
def _start_lanes(states, work, place, q):
    """Let the sections remember, in `q`, the sample at `place` of every lane as if it had been there for ever."""
    for s in range(states.shape[0]):
        for lane in range(LANES):
            q[2 * s * LANES + lane] = states[s, 0] * work[place + lane]
            q[(2 * s + 1) * LANES + lane] = states[s, 1] * work[place + lane]


@kernel(fastmath=ELEMENTWISE)
def run_lanes(lanes, n, sos, states):
    """Send ``lanes[:n]`` (time, LANES) through all sections in place, forward and then backward.

    Arithmetic is in the dtype of `lanes`, of `sos` and of `states`, which is one and the same.
    """
    work = lanes.reshape(lanes.size)
    q = np.empty(2 * sos.shape[0] * LANES, lanes.dtype)
    whole = n - n % 4
    one, two, three = np.uint64(LANES), np.uint64(2 * LANES), np.uint64(3 * LANES)
    _start_lanes(states, work, 0, q)
    for begin in range(0, whole, 4):
        at = np.uint64(begin * LANES)
        _four_steps(work, q, sos, at, at + one, at + two, at + three)
    for i in range(whole, n):
        _one_step(work, q, sos, i * LANES)
    _start_lanes(states, work, (n - 1) * LANES, q)
    for i in range(n - 1, whole - 1, -1):
        _one_step(work, q, sos, i * LANES)
    for begin in range(whole - 4, -1, -4):
        at = np.uint64(begin * LANES)
        _four_steps(work, q, sos, at + three, at + two, at + one, at)


@kernel(fastmath=ELEMENTWISE)
def _run_alone(work, n, sos, states, direction):
    """Send ``work[:n]`` of a single row through all sections in place, forward (1) or backward (-1)."""
    begin = 0 if direction > 0 else n - 1
    edge = work[begin]
    for s in range(sos.shape[0]):
        b0, b1, b2, a1, a2 = sos[s, 0], sos[s, 1], sos[s, 2], sos[s, 4], sos[s, 5]
        q1 = states[s, 0] * edge
        q2 = states[s, 1] * edge
        at = begin
        for _ in range(n):
            value = work[at]
            y = b0 * value + q1
            q1 = b1 * value - a1 * y + q2
            q2 = b2 * value - a2 * y
            work[at] = y
            at += direction


@kernel
def _end_of_stretch(row, begin):
    """Index of the first missing sample from `begin` on."""
    end = begin
    while end + NEAR <= row.size and all_finite(row[end : end + NEAR]):
        end += NEAR
    while end < row.size and np.isfinite(row[end]):
        end += 1
    return end


@kernel
def _load(source, pad, work):
    """Copy a stretch into `work`, with odd padding at both ends."""
    copy_into(work[pad:], source)
    _pad_ends(source, pad, work)


@kernel
def _pad_ends(source, pad, work):
    n = source.size
    first = np.float64(source[0])
    last = np.float64(source[n - 1])
    for k in range(1, pad + 1):
        work[pad - k] = 2.0 * first - source[k]
        work[pad + n - 1 + k] = 2.0 * last - source[n - 1 - k]


@kernel
def _store(work, pad, target):
    for i in range(target.size):
        target[i] = work[pad + i]


@kernel
def _load_lanes(x, pad, lanes):
    """Copy rows (up to LANES of them; the last one is repeated) side by side into `lanes`, with odd padding."""
    n_rows, n = x.shape
    for lane in range(LANES):
        _pad_ends(x[min(lane, n_rows - 1)], pad, lanes[:, lane])
    if n_rows < LANES:
        for lane in range(LANES):
            for i in range(n):
                lanes[pad + i, lane] = x[min(lane, n_rows - 1), i]
        return
    for i in range(n):  # an inner loop of known length becomes whole vectors
        for lane in range(LANES):
            lanes[pad + i, lane] = x[lane, i]


@kernel
def _store_lanes(lanes, pad, out):
    n_rows, n = out.shape
    whole = n - n % LANES if n_rows == LANES else 0
    for begin in range(0, whole, LANES):  # few cache lines at a time, in loops of known length
        for row in range(LANES):
            for k in range(LANES):
                out[row, begin + k] = lanes[pad + begin + k, row]
    for row in range(n_rows):
        for i in range(whole, n):
            out[row, i] = lanes[pad + i, row]


@kernel
def _load_piece(source, pad, begin, work):
    """Copy a piece of a stretch that was continued by odd padding, from place `begin` of that, into `work` (n,)."""
    n = source.size
    first = np.float64(source[0])
    last = np.float64(source[n - 1])
    at = begin - pad
    i = 0
    while i < work.size and at + i < 0:
        work[i] = 2.0 * first - source[-at - i]
        i += 1
    inside = min(work.size, n - at)
    while i < inside:
        work[i] = source[at + i]
        i += 1
    while i < work.size:
        work[i] = 2.0 * last - source[2 * n - 2 - at - i]
        i += 1


@kernel
def _run_pieces(x, queue, n_queued, sos, states, pad, warm, lanes, out):
    """Filter pieces of long stretches side by side; a row of `queue` is (row, begin, end, first sample kept)."""
    width = lanes.shape[0]
    places = np.empty(LANES, np.int64)  # where each piece begins in its padded stretch
    for lane in range(LANES):
        r, begin, end, keep = queue[min(lane, n_queued - 1)]
        places[lane] = min(max(pad + keep - begin - warm, 0), end - begin + 2 * pad - width)
    for first in range(0, width, NEAR):  # lane after lane, but few lines of the cache at a time
        last = min(first + NEAR, width)
        for lane in range(LANES):
            r, begin, end, keep = queue[min(lane, n_queued - 1)]
            _load_piece(x[r, begin:end], pad, places[lane] + first, lanes[first:last, lane])
    run_lanes(lanes, width, sos, states)
    for first in range(0, width, NEAR):
        for lane in range(n_queued):
            r, begin, end, keep = queue[lane]
            skipped = pad + keep - begin - places[lane]  # samples of the lane before the first one kept
            low = max(first, skipped)
            high = min(first + NEAR, skipped + min(PIECE, end - keep))
            if low < high:
                target = out[r, keep + low - skipped : keep + high - skipped]
                _store(lanes[:, lane], low, target)


@kernel
def filter_rows(x, sos, states, pad, warm, out, start, stop):
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
    warm : int
        Samples after which the filter has forgotten how it was started. Pieces of long stretches overlap by so many.
    out : ndarray of x.dtype, shape (n_rows, n_samples)
        Receives the result; NaN for missing samples and for stretches of `pad` samples or fewer.
    """
    n = x.shape[1]
    block = 1 if n > LONG else LANES
    width = PIECE + 2 * warm
    in_pieces = n > LONG and width <= 3 * PIECE
    lanes = np.empty((n + 2 * pad if block > 1 else (width if in_pieces else 1), LANES))
    alone = np.empty(width if in_pieces else n + 2 * pad)
    queue = np.empty((LANES, 4), np.int64)
    n_queued = 0
    row = start
    while row < stop:
        last = min(row + block, stop)
        complete = n > pad and block > 1
        for r in range(row, last):
            complete = complete and all_finite(x[r])
        if complete:
            _load_lanes(x[row:last], pad, lanes)
            run_lanes(lanes, n + 2 * pad, sos, states)
            _store_lanes(lanes, pad, out[row:last])
            row = last
            continue
        for r in range(row, last):
            begin = 0
            while begin < n:
                end = _end_of_stretch(x[r], begin)
                size = end - begin
                if in_pieces and size + 2 * pad >= width:
                    for keep in range(begin, end, PIECE):
                        queue[n_queued, 0] = r
                        queue[n_queued, 1] = begin
                        queue[n_queued, 2] = end
                        queue[n_queued, 3] = keep
                        n_queued += 1
                        if n_queued == LANES:
                            _run_pieces(x, queue, n_queued, sos, states, pad, warm, lanes, out)
                            n_queued = 0
                elif size > pad:
                    _load(x[r, begin:end], pad, alone)
                    _run_alone(alone, size + 2 * pad, sos, states, 1)
                    _run_alone(alone, size + 2 * pad, sos, states, -1)
                    _store(alone, pad, out[r, begin:end])
                else:
                    out[r, begin:end] = np.nan
                if end < n:
                    out[r, end] = np.nan
                begin = end + 1
        row = last
    if n_queued:
        _run_pieces(x, queue, n_queued, sos, states, pad, warm, lanes, out)
