"""Matched filters for the movement of a beat, and the average movement about beats that are known by probability."""

from __future__ import annotations

import numpy as np

from biosig_kernels.jit import REDUCTION, kernel


@kernel(fastmath=REDUCTION)
def match_template(x, template, first, start, stop, out):
    """How much the samples about each sample look like a template.

    Parameters
    ----------
    x : ndarray of float32, shape (n_axes, n)
    template : ndarray of float32, shape (n_axes, n_template)
    first : int
        The template's first sample lies `first` samples after the beat (before it, when negative).
    start, stop : int
        Samples of `x` that are asked for.
    out : ndarray of float32, shape (n,)
        Receives at ``t`` of ``start:stop`` the sum of ``template[:, k] * x[:, t + first + k]``; samples outside of `x`
        count as zero.
    """
    n_axes, n = x.shape
    n_template = template.shape[1]
    for t in range(start, stop):
        low, high = max(0, -(t + first)), min(n_template, n - (t + first))
        total = np.float32(0.0)
        for axis in range(n_axes):
            for k in range(low, high):
                total += template[axis, k] * x[axis, t + first + k]
        out[t] = total


@kernel(fastmath=REDUCTION)
def average_beats(x, beats, least, first, span, sums, weights):
    """Sums of the samples about each beat, weighted by its probability, in two halves of the time.

    Parameters
    ----------
    x : ndarray of float32, shape (n_axes, n)
    beats : ndarray of float32, shape (n,)
        Probability of a beat at each sample; below `least` it counts as zero.
    least : float
    first : int
        As in `match_template`. Beats whose template would reach beyond `x` are left out.
    span : int
        Samples of a stretch; beats in stretches of even number go to the first half, others to the second.
    sums : ndarray of float32, shape (2, n_axes, n_template)
    weights : ndarray of float64, shape (2,)
        Receive the sums of both halves and of the probabilities.
    """
    n_axes, n = x.shape
    n_template = sums.shape[2]
    sums[:] = np.float32(0.0)
    weights[:] = 0.0
    for t in range(max(0, -first), min(n, n - first - n_template + 1)):
        weight = beats[t]
        if not weight >= least:
            continue
        half = (t // span) % 2
        weights[half] += weight
        for axis in range(n_axes):
            for k in range(n_template):
                sums[half, axis, k] += weight * x[axis, t + first + k]
