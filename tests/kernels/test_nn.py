"""The kernels under the nets against their twins."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from biosig_kernels import nn_convolution, nn_elementwise, nn_optimiser, nn_rows, nn_tokens
from hypothesis import given
from hypothesis import strategies as st

from tests.naive import nets as naive

compiled_only = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="too slow or not defined without compiling")


def values(*shape, seed=0, scale=2.0):
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def exp_all(x):
    return np.array([nn_elementwise.exp32(v) for v in x], np.float32)


def test_exponential_is_accurate_and_held():
    x = np.concatenate([np.linspace(-86.9, 87.9, 3001), [0.0, -1e-6, 0.34657, -0.34658]]).astype(np.float32)
    np.testing.assert_allclose(exp_all(x), np.exp(x.astype(np.float64)), rtol=3e-7)
    extremes = exp_all(np.array([-200, -1e30, 200, 1e30], np.float32))
    np.testing.assert_allclose(extremes, np.exp(np.array([-87.0, -87, 88, 88])), rtol=3e-7)


@compiled_only
def test_exponential_keeps_nan():
    out = np.zeros(3, np.float32)
    nn_elementwise.gelu(np.array([np.nan, 1, np.nan], np.float32), out, 0, 3)
    assert np.isnan(out[[0, 2]]).all() and np.isfinite(out[1])


@given(st.integers(0, 70), st.integers(0, 2**20))
def test_gelu_and_its_gradient(n, seed):
    x, g = values(n, seed=seed, scale=3), values(n, seed=seed + 1)
    out, dx = np.empty_like(x), np.empty_like(x)
    nn_elementwise.gelu(x, out, 0, n)
    nn_elementwise.gelu_backward(x, g, dx, 0, n)
    np.testing.assert_allclose(out, naive.gelu(x), atol=3e-6, rtol=1e-5)
    np.testing.assert_allclose(dx, g * naive.slope(naive.gelu, x), atol=1e-5, rtol=1e-4)


@given(st.integers(1, 13), st.integers(1, 20), st.data())
def test_bias_kernels_touch_only_their_rows(n_rows, n, data):
    start = data.draw(st.integers(0, n_rows))
    stop = data.draw(st.integers(start, n_rows))
    x, bias, g = values(n_rows, n), values(n, seed=1), values(n_rows, n, seed=2)
    mine = slice(start, stop)

    added = x.copy()
    nn_elementwise.add_bias(added, bias, start, stop)
    expected = x.copy()
    expected[mine] += bias
    np.testing.assert_allclose(added, expected, rtol=1e-6)

    more = values(data.draw(st.integers(1, 4)), n, seed=3)
    added = x.copy()
    nn_elementwise.add_bias_and_rows(added, bias, more, start, stop)
    expected = x.copy()
    for r in range(start, stop):
        expected[r] += bias + more[r % len(more)]
    np.testing.assert_allclose(added, expected, rtol=1e-5, atol=1e-6)

    active = x.copy()
    nn_elementwise.bias_gelu(active, bias, start, stop)
    expected = x.astype(np.float64)
    expected[mine] = naive.gelu(expected[mine] + bias)
    np.testing.assert_allclose(active, expected, atol=3e-6, rtol=1e-5)

    again, dx = x.copy(), g.copy()
    nn_elementwise.bias_gelu_backward(again, bias, dx, start, stop)
    np.testing.assert_allclose(again, expected, atol=3e-6, rtol=1e-5)
    expected = g.astype(np.float64)
    expected[mine] *= naive.slope(naive.gelu, x[mine].astype(np.float64) + bias)
    np.testing.assert_allclose(dx, expected, atol=1e-5, rtol=1e-4)

    sums = np.ones(n, np.float32)
    nn_elementwise.add_column_sums(x, sums, start, stop)
    np.testing.assert_allclose(sums, 1 + x[mine].astype(np.float64).sum(0), atol=1e-5)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_agrees_with_the_twin_and_drops_its_share(rate):
    n = 20_000 if not numba.config.DISABLE_JIT else 300
    x, out = 1 + values(n, scale=0.1), np.full(n, np.nan, np.float32)
    scale = np.float32(1 / (1 - rate))
    nn_elementwise.dropout(x, np.uint32(12345), np.uint32(rate * 2**32), scale, out, 0, n // 2)
    nn_elementwise.dropout(x, np.uint32(12345), np.uint32(rate * 2**32), scale, out, n // 2, n)
    kept = out != 0
    np.testing.assert_array_equal(kept[:300], [naive.keeps(i, 12345, rate) for i in range(300)])
    np.testing.assert_allclose(out[kept], x[kept] * scale)
    if n > 300:
        assert np.mean(~kept) == pytest.approx(rate, abs=0.01)
        assert np.corrcoef(kept[1:], kept[:-1])[0, 1] == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize(("n_rows", "n"), [(1, 1), (3, 7), (5, 32), (2, 97)])
def test_layer_norm_and_its_gradients(n_rows, n):
    x, g = values(n_rows, n), values(n_rows, n, seed=1)
    weight, bias = 1 + 0.1 * values(n, seed=2), values(n, seed=3)
    eps = np.float32(1e-5)
    out, dx = np.empty_like(x), np.empty_like(x)
    dweight, dbias = np.zeros(n, np.float32), np.zeros(n, np.float32)
    nn_rows.layer_norm(x, weight, bias, eps, out, 0, n_rows)
    nn_rows.layer_norm_backward(x, weight, eps, g, dx, dweight, dbias, 0, n_rows)
    np.testing.assert_allclose(out, naive.layer_norm(x, weight, bias, 1e-5), atol=1e-5)
    expected = naive.gradient(lambda v: naive.layer_norm(v, weight, bias, 1e-5), x, g)
    np.testing.assert_allclose(dx, expected, atol=1e-4, rtol=1e-3)
    np.testing.assert_allclose(
        dweight, naive.gradient(lambda v: naive.layer_norm(x, v, bias, 1e-5), weight, g), atol=1e-4
    )
    np.testing.assert_allclose(dbias, g.sum(0), atol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_layer_norm_of_a_flat_row_is_the_bias(offset):
    x = np.full((2, 16), offset, np.float32)
    out, bias = np.empty_like(x), values(16)
    nn_rows.layer_norm(x, np.ones(16, np.float32), bias, np.float32(1e-5), out, 0, 2)
    np.testing.assert_allclose(out, np.tile(bias, (2, 1)), atol=1e-6)


@given(st.integers(1, 6), st.integers(1, 40), st.sampled_from([0.1, 1.0, 30.0]), st.integers(0, 2**20))
def test_softmax_and_its_gradient(n_rows, n, size, seed):
    x, g, scale = values(n_rows, n, seed=seed, scale=size), values(n_rows, n, seed=seed + 1), np.float32(0.3)
    p, dx = x.copy(), g.copy()
    nn_rows.softmax(p, scale, 0, n_rows)
    nn_rows.softmax_backward(p, scale, dx, 0, n_rows)
    exact = naive.softmax(x, float(scale))
    np.testing.assert_allclose(p, exact, atol=2e-6)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-5)
    expected = exact * (g - (exact * g).sum(1, keepdims=True)) * scale
    np.testing.assert_allclose(dx, expected, atol=2e-5)


@pytest.mark.parametrize("length", [1, 2, 5, 30])
@pytest.mark.parametrize(("n_taps", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2), (7, 1), (7, 4), (9, 1), (9, 3)])
def test_depthwise_and_its_gradients(length, n_taps, stride):
    x, w, bias = values(3, length, 5), values(n_taps, 5, seed=1), values(5, seed=2)
    n_out = -(-length // stride)
    g = values(3, n_out, 5, seed=3)
    out, dx = np.full((3, n_out, 5), np.nan, np.float32), np.full_like(x, np.nan)
    nn_convolution.depthwise(x, w, bias, stride, out, 1, 3)
    assert np.isnan(out[0]).all()
    np.testing.assert_allclose(out[1:], naive.depthwise(x, w, bias, stride)[1:], atol=1e-4)
    nn_convolution.depthwise_transposed(g, w, stride, dx, 0, 3)
    if stride == 1:
        again, flipped = np.empty_like(x), np.ascontiguousarray(w[::-1])
        nn_convolution.depthwise(g, flipped, np.zeros(5, np.float32), 1, again, 0, 3)
        np.testing.assert_allclose(again, dx, atol=1e-4)
    dw, db = np.zeros_like(w), np.zeros_like(bias)
    nn_convolution.add_depthwise_gradients(x, g, stride, dw, db, 0, 3)
    for found, place in ((dx, 0), (dw, 1), (db, 2)):
        inputs = [x.astype(np.float64), w.astype(np.float64), bias.astype(np.float64)]
        nudge = np.random.default_rng(place).standard_normal(inputs[place].shape)
        moved = list(inputs)
        moved[place] = inputs[place] + nudge  # linear in each input, so one step of any size is exact
        change = np.sum(g * (naive.depthwise(*moved, stride) - naive.depthwise(*inputs, stride)))
        np.testing.assert_allclose(np.sum(found * nudge), change, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("samples_first", [False, True])
@pytest.mark.parametrize(
    ("length", "stride", "before"), [(1, 1, 0), (3, 2, 1), (3, 1, 1), (8, 4, 2), (4, 4, 0), (30, 6, 9)]
)
def test_frames(length, stride, before, samples_first):
    x = values(3, 2, 24)
    expected = naive.frames(x, length, stride, before)
    out = np.full(expected.shape, np.nan, np.float32)
    if samples_first:
        out = np.full(expected.swapaxes(2, 3).shape, np.nan, np.float32).swapaxes(2, 3)
    nn_tokens.frames(x, stride, before, out, 1, 3)
    np.testing.assert_array_equal(out[1:], expected[1:])
    assert np.isnan(out[0]).all()


@pytest.mark.parametrize(("n_tokens", "n"), [(1, 1), (1, 4), (7, 3), (50, 33)])
def test_pooling_and_its_gradient(n_tokens, n):
    x, eps = values(3, n_tokens, n) + np.float32(5), 1e-5
    pooled = np.full((3, 2 * n), np.nan, np.float32)
    nn_tokens.statistics(x, np.float32(eps), pooled, 1, 3)
    np.testing.assert_allclose(pooled[1:], naive.statistics(x.astype(float), eps)[1:], rtol=1e-5, atol=1e-6)
    mean = np.full((3, n), np.nan, np.float32)
    nn_tokens.means(x, mean, 1, 3)
    np.testing.assert_array_equal(mean, pooled[:, :n])
    g, dx = values(3, 2 * n, seed=1), np.full(x.shape, np.nan, np.float32)
    nn_tokens.statistics_backward(x, pooled, g, dx, 1, 3)
    if n_tokens > 1:
        expected = naive.gradient(lambda z: naive.statistics(z, eps), x.astype(float), g)
        np.testing.assert_allclose(dx[1:], expected[1:], atol=1e-4)
    assert np.isnan(dx[0]).all() and np.isfinite(dx[1:]).all()


@pytest.mark.parametrize("shared", [False, True])
def test_gather_and_scatter(shared):
    rng = np.random.default_rng(0)
    x = values(1 if shared else 4, 6, 3)
    index = np.array([rng.permutation(6)[:2] for _ in range(4)], np.int32)
    out, g, dx = np.empty((4, 2, 3), np.float32), values(4, 2, 3, seed=1), np.zeros_like(x)
    nn_convolution.gather(x, index, out, 0, 4)
    nn_convolution.add_scattered(g, index, dx, 0, 4)
    np.testing.assert_array_equal(out, naive.gather(x, index))
    np.testing.assert_allclose(dx, naive.scatter(g, index, x.shape), rtol=1e-6)


@pytest.mark.parametrize("wrong", [-1, 6])
def test_gather_refuses_places_outside_the_window(wrong):
    with pytest.raises(ValueError, match="outside the window"):
        nn_convolution.gather(values(1, 6, 2), np.array([[wrong]], np.int32), np.empty((1, 1, 2), np.float32), 0, 1)


def test_adamw_agrees_with_the_twin():
    f32 = np.float32
    weight, m, v = values(50), np.zeros(50, f32), np.zeros(50, f32)
    gradients = [values(50, seed=s) for s in range(1, 5)]
    expected = naive.adamw([weight[:, None]], [[g[:, None]] for g in gradients], 0.1, 0.9, 0.99, 1e-8, 0.05)[0][:, 0]
    start = weight.copy()
    for step, g in enumerate(gradients, start=1):
        c1, c2 = f32(1 / (1 - 0.9**step)), f32(1 / (1 - 0.99**step))
        args = (f32(1), f32(0.1), f32(0.9), f32(0.99), f32(1e-8), f32(0.05), c1, c2)
        nn_optimiser.adamw(weight, g, m, v, *args, 10, 50)
    np.testing.assert_array_equal(weight[:10], start[:10])
    np.testing.assert_allclose(weight[10:], expected[10:], rtol=1e-4, atol=1e-6)


def test_sum_of_squares():
    x = values(1000, scale=1e3)
    assert nn_optimiser.sum_of_squares(x, 3, 900) == pytest.approx(
        float(np.sum(x[3:900].astype(np.float64) ** 2)), rel=1e-12
    )
