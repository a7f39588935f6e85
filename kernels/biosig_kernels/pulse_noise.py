"""Noise of fitted pulses, from what the fits leave over.

The noise is taken for a mixture of two: white, and falling with the square of frequency, both band-passed as the
signal was. A fit takes part of the noise with it, more of the slow kind; the expected losses follow from the fit
itself, so the power left over and that of its differences give the amounts of both.
"""

from __future__ import annotations

import numpy as np

from biosig_kernels.few import median_of_few
from biosig_kernels.jit import REDUCTION, kernel

NOISIEST = 4.0  # times the median power left over; noisier pulses do not count as typical noise
LARGEST_CHANGE = 0.2  # of the median interval, that the shape of a pulse is taken to follow


@kernel(fastmath=REDUCTION)
def dot(x, y, width):
    """Sum of products of the first `width` values."""
    total = 0.0
    for k in range(width):
        total += x[k] * y[k]
    return total


@kernel
def lost_variance(basis, fit, width, shape, out):
    """What unit noise of autocorrelation `shape` leaves over after a fit, and does to the second coefficient of it.

    Writes the expected sum of squares of what is left over, that of its differences, and the variance of the
    coefficient. With noise covariance C, basis X, fit W and residual projector M = 1 - X'W these are trace(M C M'),
    trace(D M C M' D') and an element of W C W'; all follow from the four rows of W C.
    """
    mirrored = np.empty(2 * width - 1)
    for k in range(width):
        mirrored[width - 1 + k] = shape[k]
        mirrored[width - 1 - k] = shape[k]
    coloured, differences = np.empty((4, width)), np.empty((4, width))
    whole = width * shape[0]
    rough = 2.0 * (width - 1) * (shape[0] - shape[1])
    for i in range(4):
        for k in range(width):
            coloured[i, k] = dot(fit[i], mirrored[width - 1 - k :], width)
        for k in range(width):
            before = basis[i, k] - basis[i, k - 1] if k > 0 else 0.0
            after = basis[i, k + 1] - basis[i, k] if k < width - 1 else 0.0
            differences[i, k] = before - after
        whole -= dot(basis[i], coloured[i], width)
        rough -= 2.0 * dot(differences[i], coloured[i], width)
    for i in range(4):
        for j in range(4):
            rough += dot(differences[i], basis[j], width) * dot(coloured[i], fit[j], width)
    out[0], out[1], out[2] = whole, rough, dot(coloured[1], fit[1], width)


@kernel
def mixed_variance(white, red, squares, rough):
    """Variance of the coefficient, from the mean sums of squares left over, as a mixture of white and red noise."""
    determinant = white[0] * red[1] - white[1] * red[0]
    if determinant != 0.0:
        level = (squares * red[1] - rough * red[0]) / determinant
        drift = (white[0] * rough - white[1] * squares) / determinant
        if level >= 0.0 and drift >= 0.0:
            return level * white[2] + drift * red[2]
    # Rougher than white noise: white. Smoother than red noise: red.
    only = white if rough * white[0] > squares * white[1] else red
    return max(squares, 0.0) / only[0] * only[2]


@kernel(fastmath=REDUCTION)
def left_over(rests, lengths, whole, power, width, count, sums):
    """Write the mean squares of what typical fits leave over, and of its differences.

    What follows the interval before a pulse in proportion is the pulse's shape, not noise, and is taken off.

    Parameters
    ----------
    rests : ndarray of float64, shape (n_most, n_width)
        What each fit left over.
    lengths : ndarray of float64, shape (n_most,)
        Interval before each pulse relative to the usual one, less 1.
    whole : ndarray of bool, shape (n_most,)
        Which pulses were fitted on all their samples.
    power : ndarray of float64, shape (n_most,)
        Sums of squares of `rests`.
    sums : ndarray of float64, shape (2,)
    """
    kept = np.empty(count, np.int64)
    sizes = np.empty(count)
    n = 0
    for b in range(count):
        if whole[b]:
            sizes[n] = power[b]
            n += 1
    sums[0], sums[1] = 0.0, 0.0
    if n == 0:
        return
    highest = NOISIEST * median_of_few(sizes, n)
    n = 0
    centre = 0.0
    for b in range(count):
        if whole[b] and power[b] <= highest:
            kept[n] = b
            centre += lengths[b]
            n += 1
    centre /= n
    spread = 0.0
    shape = np.zeros(width)
    for i in range(n):
        change = lengths[kept[i]] - centre
        spread += change * change
        rest = rests[kept[i]]
        for k in range(width):
            shape[k] += change * rest[k]
    if spread > 0.0 and n > 2:
        for k in range(width):
            shape[k] /= spread
    else:
        shape[:] = 0.0
    squares, rough = 0.0, 0.0
    for i in range(n):
        change = lengths[kept[i]] - centre
        rest = rests[kept[i]]
        for k in range(width):
            rest[k] -= change * shape[k]
        squares += dot(rest, rest, width)
        for k in range(width - 1):
            rough += (rest[k + 1] - rest[k]) * (rest[k + 1] - rest[k])
    freedom = max(n - 2, 1)
    sums[0], sums[1] = squares / freedom, rough / freedom
