"""The kernels for medians, windows and orientation against their slow twins."""

from __future__ import annotations

import numpy as np
import pytest
from biosig_kernels.medians import median_of, robust_spread
from biosig_kernels.orientation import aligned_rows, magnitude_rows
from biosig_kernels.windows import (
    complete_windows,
    count_clipped,
    cut_rows,
    span_moments,
    standard_rows,
    window_means,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.naive import windows as twin

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)


@given(st.lists(st.one_of(FLOATS, st.sampled_from([0.0, -0.0, 1.0, -1.0])), min_size=1, max_size=200))
def test_median_of_anything(samples):
    values = np.array(samples, np.float32)
    wanted = np.median(values)
    assert median_of(values.copy()) == pytest.approx(float(wanted), rel=1e-6, abs=1e-44)


@pytest.mark.parametrize("n", [1, 2, 3, 47, 48, 49, 50, 1000, 3841])
@pytest.mark.parametrize("kind", ["noise", "steps", "constant", "two", "wide"])
def test_median_of_many(n, kind):
    rng = np.random.default_rng(n)
    values = {
        "noise": rng.normal(size=n),
        "steps": np.round(rng.normal(size=n) * 3) / 64,
        "constant": np.full(n, -3.25),
        "two": rng.choice([-1.0, 1.0], size=n),
        "wide": rng.normal(size=n) * 10.0 ** rng.uniform(-30, 30, size=n),
    }[kind].astype(np.float32)
    assert median_of(values.copy()) == pytest.approx(float(np.median(values)), rel=1e-6, abs=1e-44)


def test_robust_spread():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(5, 3, 401)) * [[[0.01], [0.1], [1.0]]] + 1).astype(np.float32)
    x[1, 0, ::3] = np.nan
    x[2, 1] = np.nan
    x[3] = np.nan
    x[4] = 0.5
    out = np.full(5, -1.0)
    robust_spread(x, np.empty((2, 3 * 401), np.float32), out, 0, 5)
    np.testing.assert_allclose(out, [twin.robust_spread(w) for w in x], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cut(dtype):
    rows = np.random.default_rng(0).normal(5, 2, size=(2, 100)).astype(dtype)
    rows[0, 40:45] = np.nan
    rows[1, 60:90] = 3.0
    starts = np.array([0, 10, 35, 60])
    out = np.empty((4, 2, 30), dtype)
    cut_rows(rows, starts, False, out, 0, 4)
    for w, s in enumerate(starts):
        np.testing.assert_array_equal(out[w], rows[:, s : s + 30])
    cut_rows(rows, starts, True, out, 1, 4)
    for w in (1, 2, 3):
        for r in range(2):
            np.testing.assert_allclose(out[w, r], twin.standard(rows[r, starts[w] : starts[w] + 30]), atol=1e-5)
    np.testing.assert_array_equal(out[0], rows[:, :30])
    means = np.empty((4, 2))
    window_means(rows, starts, 30, means, 0, 4)
    np.testing.assert_allclose(means[2], [np.nanmean(rows[0, 35:65]), rows[1, 35:65].mean()], rtol=1e-6)
    np.testing.assert_allclose(means[0], rows[:, :30].mean(axis=1), rtol=1e-6)
    complete = np.empty(4, np.bool_)
    complete_windows(rows, starts, 30, complete, 0, 4)
    np.testing.assert_array_equal(complete, [np.isfinite(rows[:, s : s + 30]).all() for s in starts])


@given(st.lists(st.one_of(st.just(np.nan), st.floats(-1e6, 1e6)), min_size=1, max_size=40))
def test_standard_rows(samples):
    x = np.array([samples])
    out = np.empty_like(x)
    standard_rows(x, out, 0, 1)
    finite = x[np.isfinite(x)]
    if finite.size and 0 < finite.std() < 1e-5 * abs(finite.mean()):
        return  # whether that is rounding is a matter of rounding
    np.testing.assert_allclose(out[0], twin.standard(samples), atol=1e-6)


@given(st.lists(st.sampled_from([-2.0, -1.0, 0.0, 0.5, 2.0, np.nan, np.inf]), min_size=1, max_size=40))
def test_moments_and_clipping(samples):
    x = np.array([samples, samples[::-1]]).T
    edges = np.array([0, len(samples) // 2, len(samples)])
    out = np.empty((2, 2, 5))
    span_moments(x, edges, out, 0, 2)
    for s in range(2):
        for a in range(2):
            np.testing.assert_allclose(out[s, a], twin.moments(x[edges[s] : edges[s + 1], a]), atol=1e-9)
    counts = np.empty(1, np.int64)
    spans = np.array([[0, len(samples)]])
    for shortest in (1, 3):
        count_clipped(x, np.full(2, -2.0), np.full(2, 2.0), shortest, counts, spans, 0, 1)
        assert counts[0] == twin.clipped(samples, -2, 2, shortest)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_of_long_spans(dtype):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(5000, 3)) + 1).astype(dtype)
    x[rng.random(x.shape) < 0.001] = np.nan
    x[1024:2100, 1] = np.nan
    x[:1500, 2] = np.inf
    edges = np.array([0, 700, 700, 4999])
    out = np.empty((3, 3, 5))
    span_moments(x, edges, out, 0, 3)
    for s in range(3):
        for a in range(3):
            expected = twin.moments(x[edges[s] : edges[s + 1], a])
            np.testing.assert_allclose(out[s, a], expected, rtol=1e-9)


def test_orientation():
    rng = np.random.default_rng(0)
    x, gravity = rng.normal(size=(2, 2, 3, 20))
    x[0, 1, 3] = np.nan
    gravity[1, :, 5] = 0
    out, length = np.empty((2, 2, 20)), np.empty((2, 20))
    aligned_rows(x, gravity, out, 0, 2)
    magnitude_rows(x, 1.0, length, 0, 2)
    np.testing.assert_allclose(length, np.linalg.norm(x, axis=1) - 1)
    for r in range(2):
        for i in range(20):
            if (r, i) in ((0, 3), (1, 5)):
                assert np.isnan(out[r, :, i]).all()
            else:
                np.testing.assert_allclose(
                    out[r, :, i], twin.along_and_across(x[r, :, i], gravity[r, :, i]), atol=1e-12
                )
