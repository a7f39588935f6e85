"""Swish and the gates of squeeze-and-excitation against their twins."""

from __future__ import annotations

import numpy as np
from biosig_kernels import nn_swish
from hypothesis import given
from hypothesis import strategies as st

from tests.naive import nets as naive


def values(*shape, seed=0):
    return (3 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


@given(st.integers(0, 70), st.integers(0, 2**20))
def test_swish_and_its_gradient(n, seed):
    x, g = values(n, seed=seed), values(n, seed=seed + 1)
    out, dx = np.empty_like(x), np.empty_like(x)
    nn_swish.swish(x, out, 0, n)
    nn_swish.swish_backward(x, g, dx, 0, n)
    np.testing.assert_allclose(out, naive.swish(x), atol=3e-6, rtol=1e-5)
    np.testing.assert_allclose(dx, g * naive.slope(naive.swish, x), atol=1e-5, rtol=1e-4)


def test_swish_of_extremes_is_finite():
    x = np.array([-1e30, -100, 100, 1e30], np.float32)
    out, dx = np.empty_like(x), np.empty_like(x)
    nn_swish.swish(x, out, 0, 4)
    nn_swish.swish_backward(x, np.ones(4, np.float32), dx, 0, 4)
    np.testing.assert_allclose(out[1:], [0, 100, 1e30], atol=1e-30)
    assert np.isfinite(out).all() and np.isfinite(dx).all()
    np.testing.assert_allclose(dx[1:3], [0, 1], atol=1e-5)


@given(st.integers(1, 9), st.integers(1, 20), st.data())
def test_bias_kernels_touch_only_their_rows(n_rows, n, data):
    start = data.draw(st.integers(0, n_rows))
    stop = data.draw(st.integers(start, n_rows))
    x, bias, g = values(n_rows, n), values(n, seed=1), values(n_rows, n, seed=2)
    mine = slice(start, stop)
    moved, out = x.copy(), np.zeros_like(x)
    nn_swish.bias_swish(moved, bias, out, start, stop)
    expected = x.copy()
    expected[mine] += bias
    np.testing.assert_allclose(moved, expected, rtol=1e-6)
    np.testing.assert_allclose(out[mine], naive.swish(expected[mine]), atol=3e-6, rtol=1e-5)
    assert not out[:start].any() and not out[stop:].any()

    dx, sums = g.copy(), np.ones(n, np.float32)
    nn_swish.bias_swish_backward(moved, dx, sums, start, stop)
    wanted = g.astype(np.float64)
    wanted[mine] *= naive.slope(naive.swish, expected[mine])
    np.testing.assert_allclose(dx, wanted, atol=1e-5, rtol=1e-4)
    np.testing.assert_allclose(sums, 1 + wanted[mine].sum(0), atol=1e-4)


def test_gates_and_their_gradients():
    x, g, gates = values(3, 7, 5), values(3, 7, 5, seed=1), values(3, 5, seed=2)
    swished, means = np.full_like(x, np.nan), np.full((3, 5), np.nan, np.float32)
    nn_swish.swish_means(x, swished, means, 1, 3)
    assert np.isnan(swished[0]).all() and np.isnan(means[0]).all()
    nn_swish.swish_means(x, swished, means, 0, 3)
    np.testing.assert_allclose(swished, naive.swish(x), atol=1e-5)
    np.testing.assert_allclose(means, naive.swish(x).mean(1), atol=1e-5)

    dgates = np.full((3, 5), np.nan, np.float32)
    nn_swish.gate_gradients(swished, g, dgates, 0, 3)
    np.testing.assert_allclose(dgates, (naive.swish(x) * g).sum(1), atol=1e-4)

    dmeans, dx = values(3, 5, seed=3), g.copy()
    nn_swish.gated_swish_backward(x, gates, dmeans, dx, 0, 3)
    # of the loss sum(g * swish(x) * gates) + sum(dmeans * mean(swish(x)))
    wanted = (g * gates[:, None] + dmeans[:, None] / 7) * naive.slope(naive.swish, x)
    np.testing.assert_allclose(dx, wanted, atol=1e-4)

    nn_swish.gate(swished, gates, 0, 2)
    np.testing.assert_allclose(swished[:2], naive.swish(x[:2]) * gates[:2, None], atol=1e-5)
    np.testing.assert_allclose(swished[2], naive.swish(x[2]), atol=1e-5)
