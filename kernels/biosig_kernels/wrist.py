"""From the acceleration of a wrist to the strength of its vibration, at a lower rate.

The beat shakes the wrist for a few tenths of a second at 4 to 14 Hz. Its strength over time, the carrier, is the length
of the band-passed acceleration or its Hilbert envelope. Long recordings are cut into overlapping pieces, and sixteen
pieces go through the filters side by side.
"""

from __future__ import annotations

import math

import numpy as np

from biosig_kernels.filtering import LANES, run_lanes
from biosig_kernels.jit import ELEMENTWISE, REDUCTION, kernel

NORM, EACH, JERK = 0, 1, 2  # length of the filtered axes; envelope of each; envelope of the change of the length
_BLOCK = 64  # samples of all lanes, and
_OUTPUTS = 32  # samples of the lower rate of all lanes, that stay in the first cache


@kernel
def _load(x, records, firsts, axis, squares, work):
    """Copy one axis of a piece of each lane into `work` (width, LANES), with odd padding outside of the record.

    The piece of a lane begins at sample ``firsts[lane]`` of ``x[records[lane]]``, which may lie outside. With `squares`
    the squares are added to what `work` holds instead.
    """
    width, n = work.shape[0], x.shape[2]
    flat = work.reshape(work.size)
    for begin in range(0, width, LANES):
        end = min(begin + LANES, width)
        for lane in range(LANES):
            row = x[records[lane], axis]
            # Gravity is let in as a constant that is near zero, so that float32 resolves what rides on it.
            level = np.float32(0.0) if squares else row[min(max(firsts[lane] + width // 2, 0), n - 1)]
            first = firsts[lane]
            inside = first + begin >= 0 and first + end <= n
            if inside and not squares and end - begin == LANES:
                piece = row[first + begin : first + end]
                place = np.uint64(begin * LANES + lane)
                for i in range(np.uint64(LANES)):  # of known length and without a sign: no test, no counter
                    flat[place + i * np.uint64(LANES)] = piece[i] - level
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
def _add_squares(work, total):
    for i in range(total.size):
        total[i] += work[i] * work[i]


@kernel(fastmath=ELEMENTWISE)
def _take_roots(total):
    for i in range(total.size):
        total[i] = math.sqrt(total[i])


@kernel(fastmath=ELEMENTWISE)
def _take_changes(length, change):
    """From one sample to the next of every lane, of flat (width * LANES,) arrays; zero at first."""
    change[:LANES] = np.float32(0.0)
    for i in range(LANES, length.size):
        change[i] = length[i] - length[i - LANES]


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
def _weigh(sums, n, samples, first, before, after, second, earlier, later):
    """Add two taps, each times the samples on both sides, to `n` sums; two at once: these are read half as often."""
    for i in range(np.uint64(n)):
        sums[i] += first * (samples[before + i] + samples[after + i]) + second * (
            samples[earlier + i] + samples[later + i]
        )


@kernel(fastmath=ELEMENTWISE)
def _decimate(work, margin, step, lowpass, phases, records, firsts, output, out):
    """Low-pass filter and read every `step`-th sample, from `margin` on, into row `output` of the lanes' records.

    Samples are laid out by their place within a step first, in `phases` (step, n, LANES): then each tap goes over a
    block of outputs and all lanes in one long loop, whose sums stay in the first cache.
    """
    n_out = out.shape[2]
    width = work.shape[0]
    per_piece = (width - 2 * margin - 1) // step + 1
    source, samples = work.reshape(work.size), phases.reshape(phases.size)
    starts = np.empty(2 * margin + 1, np.uint64)  # in `samples`, of what the first output sees
    for offset in range(starts.size):
        starts[offset] = (offset % step * phases.shape[1] + offset // step) * LANES
    for i in range(width):
        at, place = np.uint64(i * LANES), np.uint64((i % step * phases.shape[1] + i // step) * LANES)
        for lane in range(np.uint64(LANES)):
            samples[place + lane] = source[at + lane]
    sums = np.empty(_OUTPUTS * LANES, np.float32)
    for begin in range(0, per_piece, _OUTPUTS):
        n = min(_OUTPUTS, per_piece - begin)
        shift = np.uint64(begin * LANES)
        middle = starts[margin] + shift
        for i in range(np.uint64(n * LANES)):
            sums[i] = lowpass[0] * samples[middle + i]
        for k in range(1, lowpass.size, 2):
            pair = min(k + 1, lowpass.size - 1)
            second = lowpass[pair] if pair > k else np.float32(0.0)  # where the last tap has no partner
            before, after = starts[margin - k] + shift, starts[margin + k] + shift
            earlier, later = starts[margin - pair] + shift, starts[margin + pair] + shift
            _weigh(sums, n * LANES, samples, lowpass[k], before, after, second, earlier, later)
        for lane in range(LANES):
            place = (firsts[lane] + margin) // step + begin
            row = out[records[lane], output]
            for j in range(min(n, n_out - place)):
                row[place + j] = sums[j * LANES + lane]


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
    phases = np.empty((step, -(-width // step), LANES), np.float32)
    source, total = work.reshape(work.size), other.reshape(other.size)
    records, firsts = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for group in range(start, stop):
        for lane in range(LANES):
            piece = min(group * LANES + lane, last)  # lanes left over repeat the last piece
            records[lane] = piece // pieces
            firsts[lane] = (piece % pieces) * per_piece * step - margin
        if kind == JERK:
            other[:] = 0.0
            for axis in range(3):
                _load(x, records, firsts, axis, True, other)
            _take_roots(total)
            _take_changes(total, source)
            run_lanes(work, width, sos, states)
            _envelope(work, hilbert, other)
            _decimate(other, margin, step, lowpass, phases, records, firsts, 0, out)
            continue
        total[:] = np.float32(0.0)
        for axis in range(3):
            _load(x, records, firsts, axis, False, work)
            if average > 0:
                _subtract_mean(work, average, copy)
            run_lanes(work, width, sos, states)
            if kind == EACH:
                _envelope(work, hilbert, other)
                _decimate(other, margin, step, lowpass, phases, records, firsts, axis, out)
            else:
                _add_squares(source, total)
        if kind == NORM:
            _take_roots(total)
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
            complete = _complete_variance(row)
            if math.isfinite(complete):
                variance += complete
                continue
            found = row[np.isfinite(row)]
            share = min(share, found.size / row.size)
            if 2 * found.size > row.size:
                variance += _complete_variance(found)
            else:
                variance = np.nan
        out[record, span, 0] = math.sqrt(variance / x.shape[1])
        out[record, span, 1] = share


@kernel
def level_windows(spreads, records, begins, ends, out, start, stop):
    """How much windows ``start:stop`` move, and how much of them was measured, from the spans that they hold.

    Parameters
    ----------
    spreads : ndarray of float64, shape (n_records, n_spans, 2)
        As `spread_rows` gives it.
    records, begins, ends : ndarray of int64, shape (n_windows,)
        A window holds the spans ``begins ... ends - 1``, at least one, of its record.
    out : ndarray of float64, shape (n_windows, 2)
        Receives the median of the known standard deviations (NaN where there is none) and the mean share measured.
    """
    for w in range(start, stop):
        spans = spreads[records[w], begins[w] : ends[w]]
        known = np.empty(len(spans))
        n, share = 0, 0.0
        for k in range(len(spans)):
            share += spans[k, 1]
            if not math.isnan(spans[k, 0]):
                known[n] = spans[k, 0]
                n += 1
        out[w, 0] = np.median(known[:n]) if n else np.nan
        out[w, 1] = share / len(spans)
