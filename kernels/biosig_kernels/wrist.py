"""From the acceleration of a wrist to the strength of its vibration, at a lower rate.

The beat shakes the wrist for a few tenths of a second at 4 to 14 Hz. Its strength over time, the carrier, is the length
of the band-passed acceleration or its Hilbert envelope. Long recordings are cut into overlapping pieces, and sixteen
pieces go through the filters side by side.
"""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.filtering import LANES
from biosig_kernels.gaps import all_finite
from biosig_kernels.jit import ELEMENTWISE, REDUCTION, kernel

NORM, EACH, JERK = 0, 1, 2  # length of the filtered axes; envelope of each; envelope of the change of the length
_BLOCK = 64  # samples that are laid out lane by lane while they stay in the first cache


@kernel
def _load(x, records, firsts, axis, squares, work):
    """Copy one axis of a piece of each lane into `work` (width, LANES), with odd padding outside of the record.

    The piece of a lane begins at sample ``firsts[lane]`` of ``x[records[lane]]``, which may lie outside. With `squares`
    the squares are added to what `work` holds instead.
    """
    width, n = work.shape[0], x.shape[2]
    for begin in range(0, width, _BLOCK):
        end = min(begin + _BLOCK, width)
        for lane in range(LANES):
            row = x[records[lane], axis]
            # Gravity is let in as a constant that is near zero, so that float32 resolves what rides on it.
            level = np.float32(0.0) if squares else row[min(max(firsts[lane] + width // 2, 0), n - 1)]
            first = firsts[lane]
            inside = first + begin >= 0 and first + end <= n
            if inside and not squares:
                piece = row[first + begin : first + end]
                for i in range(piece.size):
                    work[begin + i, lane] = piece[i] - level
                continue
            for i in range(begin, end):
                at = first + i
                if at < 0:
                    value = (row[0] - level) + (row[0] - row[min(-at, n - 1)])
                elif at >= n:
                    value = (row[n - 1] - level) + (row[n - 1] - row[max(2 * n - 2 - at, 0)])
                else:
                    value = row[at] - level
                if squares:
                    work[i, lane] += value * value
                else:
                    work[i, lane] = value


@kernel(fastmath=ELEMENTWISE)
def _filter(work, sos, states, direction):
    """Send `work` (width, LANES) through all sections in place, forward (1) or backward (-1).

    As `biosig_kernels.filtering` does it in float64: half the size is twice the speed, and float32 is enough here.
    """
    width, n_sections = work.shape[0], sos.shape[0]
    s1, s2 = np.empty((n_sections, LANES), np.float32), np.empty((n_sections, LANES), np.float32)
    at = 0 if direction > 0 else width - 1
    for s in range(n_sections):  # as if the first value had been there for ever
        for lane in range(LANES):
            s1[s, lane] = states[s, 0] * work[at, lane]
            s2[s, lane] = states[s, 1] * work[at, lane]
    for _ in range(width):
        line = work[at]
        for s in range(n_sections):
            b0, b1, b2, a1, a2 = sos[s, 0], sos[s, 1], sos[s, 2], sos[s, 4], sos[s, 5]
            q1, q2 = s1[s], s2[s]
            for lane in range(LANES):
                value = line[lane]
                y = b0 * value + q1[lane]
                q1[lane] = b1 * value - a1 * y + q2[lane]
                q2[lane] = b2 * value - a2 * y
                line[lane] = y
        at += direction


@kernel(fastmath=ELEMENTWISE)
def _subtract_mean(work, reach, copy):
    """Take the moving average over ``2 * reach + 1`` samples away; at the ends, over what there is of them."""
    width = work.shape[0]
    copy[:] = work
    total = np.zeros(LANES)  # float64: a running sum gathers rounding errors
    count = 0
    for i in range(-reach, width):
        if i + reach < width:
            count += 1
            for lane in range(LANES):
                total[lane] += copy[i + reach, lane]
        if i - reach > 0:
            count -= 1
            for lane in range(LANES):
                total[lane] -= copy[i - reach - 1, lane]
        if i >= 0:
            for lane in range(LANES):
                work[i, lane] = copy[i, lane] - np.float32(total[lane] / count)


@kernel(fastmath=ELEMENTWISE)
def _envelope(work, hilbert, out):
    """Length of the analytic signal, by a Hilbert transformer; of the signal alone where that does not reach.

    `hilbert` holds the taps 1, 3, 5 ...; each goes over a block of samples and all lanes in one long loop.
    """
    size = work.size
    source, target = work.reshape(size), out.reshape(size)
    reach = (2 * hilbert.size - 1) * LANES
    target[:] = np.float32(0.0)
    for begin in range(reach, size - reach, _BLOCK * LANES):
        end = min(begin + _BLOCK * LANES, size - reach)
        quadrature = target[begin:end]
        for k in range(0, hilbert.size, 2):  # two at once: the sums are read and written half as often
            first, second = hilbert[k], hilbert[k + 1]
            shift = (2 * k + 1) * LANES
            before, after = source[begin - shift : end - shift], source[begin + shift : end + shift]
            shift += 2 * LANES
            earlier, later = source[begin - shift : end - shift], source[begin + shift : end + shift]
            for i in range(quadrature.size):
                quadrature[i] += first * (before[i] - after[i]) + second * (earlier[i] - later[i])
    for i in range(size):
        target[i] = math.sqrt(source[i] * source[i] + target[i] * target[i])


@kernel(fastmath=ELEMENTWISE)
def _decimate(work, margin, step, lowpass, phases, records, firsts, output, out):
    """Low-pass filter and read every `step`-th sample, from `margin` on, into row `output` of the lanes' records.

    Samples are laid out by their place within a step first (`phases`, (step, n, LANES)): then each tap goes over all
    outputs and all lanes in one long loop.
    """
    n_out = out.shape[2]
    per_piece = (work.shape[0] - 2 * margin - 1) // step + 1
    for i in range(work.shape[0]):
        phases[i % step, i // step] = work[i]
    size = per_piece * LANES
    total = np.empty(size, np.float32)
    at = margin // step
    middle = phases[margin % step, at : at + per_piece].reshape(size)
    for i in range(size):
        total[i] = lowpass[0] * middle[i]
    for k in range(1, lowpass.size):
        tap = lowpass[k]
        b, a = margin - k, margin + k
        before = phases[b % step, b // step : b // step + per_piece].reshape(size)
        after = phases[a % step, a // step : a // step + per_piece].reshape(size)
        for i in range(size):
            total[i] += tap * (before[i] + after[i])
    for lane in range(LANES):
        place = (firsts[lane] + margin) // step
        row = out[records[lane], output]
        for j in range(min(per_piece, n_out - place)):
            row[place + j] = total[j * LANES + lane]


@kernel
def carrier_groups(x, per_piece, margin, average, sos, states, hilbert, lowpass, step, kind, out, start, stop):
    """Strength of the vibration in a band, for groups ``start:stop`` of LANES pieces.

    Parameters
    ----------
    x : ndarray of float32, shape (n_records, 3, n)
        Finite.
    per_piece : int
        Samples of `out` that a piece yields. Pieces are numbered through all records; a record begins a new piece.
    margin : int
        Samples that a piece sees on either side of those: the reach of all filters together.
    average : int
        Half width of a moving average that is taken away first, in samples; 0 for none.
    sos, states : ndarray of float32, shapes (n_sections, 6) and (n_sections, 2)
        The band-pass filter, see `biosig_kernels.filtering.filter_rows`; run forward and backward.
    hilbert : ndarray of float32, shape (n_taps,)
        Taps 1, 3, 5 ... of a Hilbert transformer, an even number of them; for EACH and JERK.
    lowpass : ndarray of float32, shape (1 + reach,)
        Middle tap and one side of a symmetric filter that comes before every `step`-th sample is taken.
    step : int
    kind : int
        NORM: length of the vector of filtered axes. EACH: Hilbert envelope of each axis. JERK: Hilbert envelope of the
        filtered change, from sample to sample, of the vector's length.
    out : ndarray of float64, shape (n_records, 3 if kind is EACH else 1, n_out)
        Receives the carrier at samples 0, step, 2 * step, ...
    """
    n_out = out.shape[2]
    pieces = (n_out + per_piece - 1) // per_piece
    last = x.shape[0] * pieces - 1
    width = (per_piece - 1) * step + 1 + 2 * margin
    work, other = np.empty((width, LANES), np.float32), np.empty((width, LANES), np.float32)
    copy = np.empty((width if average > 0 else 1, LANES), np.float32)
    phases = np.zeros((step, -(-width // step), LANES), np.float32)
    records, firsts = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for group in range(start, stop):
        for lane in range(LANES):
            piece = min(group * LANES + lane, last)  # lanes left over repeat the last piece
            records[lane] = piece // pieces
            firsts[lane] = (piece % pieces) * per_piece * step - margin
        if kind == JERK:
            work[:] = 0.0
            for axis in range(3):
                _load(x, records, firsts, axis, True, work)
            for i in range(width):
                for lane in range(LANES):
                    work[i, lane] = math.sqrt(work[i, lane])
            for i in range(width - 1, 0, -1):
                for lane in range(LANES):
                    work[i, lane] -= work[i - 1, lane]
            work[0] = 0.0
            _filter(work, sos, states, 1)
            _filter(work, sos, states, -1)
            _envelope(work, hilbert, other)
            _decimate(other, margin, step, lowpass, phases, records, firsts, 0, out)
            continue
        if kind == NORM:
            other[:] = 0.0
        for axis in range(3):
            _load(x, records, firsts, axis, False, work)
            if average > 0:
                _subtract_mean(work, average, copy)
            _filter(work, sos, states, 1)
            _filter(work, sos, states, -1)
            if kind == EACH:
                _envelope(work, hilbert, other)
                _decimate(other, margin, step, lowpass, phases, records, firsts, axis, out)
            else:
                for i in range(width):
                    for lane in range(LANES):
                        other[i, lane] += work[i, lane] * work[i, lane]
        if kind == NORM:
            for i in range(width):
                for lane in range(LANES):
                    other[i, lane] = math.sqrt(other[i, lane])
            _decimate(other, margin, step, lowpass, phases, records, firsts, 0, out)


@kernel(fastmath=REDUCTION)
def _complete_variance(row):
    total = 0.0
    for i in range(row.size):
        total += row[i] - row[0]
    mean = total / row.size
    squares = 0.0
    for i in range(row.size):
        squares += (row[i] - row[0] - mean) ** 2
    return squares / row.size


@kernel
def spread_rows(x, edges, out, start, stop):
    """How much the axes vary within short spans, and how much was measured.

    Parameters
    ----------
    x : ndarray of float32, shape (n_records, 3, n)
        Not finite means missing.
    edges : ndarray of int64, shape (n_spans + 1,)
        Span `k` holds the samples ``edges[k]:edges[k + 1]`` of each record.
    out : ndarray of float64, shape (n_records, n_spans, 2)
        Receives the standard deviation about the mean of the span, root mean square over the axes (NaN where half of
        the samples of an axis or more are missing), and the share of samples measured, of the axis with the least;
        for ``start:stop``, counting spans through all records.
    """
    n_spans = edges.size - 1
    for job in range(start, stop):
        record, span = job // n_spans, job % n_spans
        begin, end = edges[span], edges[span + 1]
        variance, share = 0.0, 1.0
        for axis in range(x.shape[1]):
            row = x[record, axis, begin:end]
            if all_finite(row):
                variance += _complete_variance(row)
                continue
            found = row[np.isfinite(row)]
            share = min(share, found.size / row.size)
            if 2 * found.size > row.size:
                variance += _complete_variance(found)
            else:
                variance = np.nan
        out[record, span, 0] = math.sqrt(variance / x.shape[1])
        out[record, span, 1] = share
