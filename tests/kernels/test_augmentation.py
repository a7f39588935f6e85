from __future__ import annotations

import numpy as np
import pytest
from biosig_kernels import augmentation, normalisation
from hypothesis import given
from hypothesis import strategies as st

from tests.naive import augmentation as naive
from tests.naive.signals import bridge_gaps


def parameters(rng, n, n_channels, n_samples, knots=5):
    noisy = rng.random(n) < 0.5
    first = rng.integers(0, n_samples, n)
    return {
        "shift": rng.integers(-n_samples, n_samples + 1, n) * (rng.random(n) < 0.5),
        "circular": bool(rng.integers(2)),
        "speed": np.where(rng.random((n, 1)) < 0.5, rng.normal(1, 0.3, (n, knots)), 1.0),
        "mix": rng.standard_normal((n, n_channels, n_channels)).astype(np.float32)
        * (rng.random((n, n_channels, n_channels)) < 0.7).astype(np.float32),
        "gain": np.where(rng.random((n, 1, 1)) < 0.5, rng.normal(1, 0.2, (n, n_channels, knots)), 1.0),
        "noise_level": rng.uniform(0, 0.3, n).astype(np.float32),
        "noise_row": np.where(noisy, np.cumsum(noisy) - 1, -1),
        "noise": rng.standard_normal((int(noisy.sum()), n_channels, n_samples), dtype=np.float32),
        "cut": np.stack([first, rng.integers(first, n_samples + 1)], axis=1) * (rng.random((n, 1)) < 0.5),
    }


def neutral(n, n_channels, n_samples):
    return {
        "shift": np.zeros(n, dtype=np.int64),
        "circular": True,
        "speed": np.ones((n, 5)),
        "mix": np.tile(np.eye(n_channels, dtype=np.float32), (n, 1, 1)),
        "gain": np.ones((n, n_channels, 5)),
        "noise_level": np.zeros(n, dtype=np.float32),
        "noise_row": np.full(n, -1),
        "noise": np.empty((0, n_channels, n_samples), dtype=np.float32),
        "cut": np.zeros((n, 2), dtype=np.int64),
    }


def run(x, rows, changes):
    out = np.empty((len(rows), *x.shape[1:]), dtype=np.float32)
    augmentation.augment(x, rows, *changes.values(), out, 0, len(rows))
    return out


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.integers(1, 90),
    st.sampled_from([0.0, 0.2, 1.0]),
    st.integers(2, 6),
)
def test_agrees_with_the_twin(seed, n_channels, n_samples, missing, knots):
    rng = np.random.default_rng(seed)
    x = (5 + 3 * rng.standard_normal((4, n_channels, n_samples))).astype(np.float32)
    x[rng.random(x.shape) < missing] = np.nan
    rows = rng.integers(0, 4, 6)
    changes = parameters(rng, 6, n_channels, n_samples, knots)
    np.testing.assert_allclose(run(x, rows, changes), naive.augment(x, rows, **changes), rtol=2e-4, atol=2e-4)


def test_nothing_drawn_is_an_exact_copy():
    x = np.random.default_rng(0).standard_normal((5, 3, 64)).astype(np.float32)
    x[1, 2, 10:20] = np.nan
    rows = np.array([4, 0, 1, 1])
    np.testing.assert_array_equal(run(x, rows, neutral(4, 3, 64)), x[rows])


def test_circular_shift_is_a_roll_and_a_crop_leaves_missing_samples():
    x = np.random.default_rng(1).standard_normal((1, 2, 50)).astype(np.float32)
    changes = neutral(1, 2, 50) | {"shift": np.array([7])}
    np.testing.assert_array_equal(run(x, np.array([0]), changes), np.roll(x, -7, axis=2))
    cropped = run(x, np.array([0]), changes | {"circular": False})
    np.testing.assert_array_equal(cropped[..., :43], x[..., 7:])
    assert np.isnan(cropped[..., 43:]).all()


def test_time_warp_keeps_both_ends_and_never_runs_backwards():
    position = np.empty(500)
    augmentation.source_positions(np.array([1.0, -3.0, 2.0, 0.5, 1.0]), 0, position)
    assert position[0] == 0 and position[-1] == pytest.approx(499)
    assert (np.diff(position) > 0).all()


def test_unused_channel_does_not_pass_on_its_missing_samples():
    x = np.ones((1, 2, 8), dtype=np.float32)
    x[0, 0] = np.nan
    changes = neutral(1, 2, 8) | {"mix": np.array([[[0, 1], [1, 0]]], dtype=np.float32)}
    out = run(x, np.array([0]), changes)
    assert (out[0, 0] == 1).all() and np.isnan(out[0, 1]).all()


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.floats(-1e6, 1e6, width=32),
    st.sampled_from([1e-20, 1.0, 1e18]),
    st.sampled_from([0.0, 1.0, 2.5, 8.0]),
)
def test_scaling_agrees_with_the_twins(seed, n_samples, offset, scale, max_gap):
    rng = np.random.default_rng(seed)
    x = (offset + scale * rng.standard_normal((4, 2, n_samples))).astype(np.float32)
    x[rng.random(x.shape) < 0.3] = np.nan
    x[0, 0] = np.inf
    x[1, 1] = offset
    bridged = np.full(x.shape, np.nan, np.float32)
    for place in np.ndindex(4, 2):
        filled, missing = bridge_gaps(x[place], max_gap)
        bridged[place][~missing] = filled[~missing]
    out = np.empty_like(x)
    normalisation.standardise(x, out, max_gap, 0, 4)
    flat = np.nanmax(bridged, axis=2, initial=-np.inf) == np.nanmin(bridged, axis=2, initial=np.inf)
    np.testing.assert_allclose(out[~flat], naive.standardise(bridged)[~flat], rtol=1e-3, atol=1e-3)
    assert (out[0, 0] == 0).all() and (out[1, 1] == 0).all() and np.isfinite(out).all()
    normalisation.fill_missing(x, out, max_gap, 0, 4)
    np.testing.assert_allclose(out, np.where(np.isnan(bridged), 0, bridged), rtol=1e-6, atol=1e-6 * scale)
    np.testing.assert_array_equal(out[np.isfinite(x)], x[np.isfinite(x)])


def test_standardise_may_work_in_place():
    x = np.random.default_rng(3).standard_normal((3, 2, 30)).astype(np.float32)
    x[0, 1, 4] = np.nan
    expected = naive.standardise(x)
    normalisation.standardise(x, x, 0.0, 0, 3)
    np.testing.assert_allclose(x, expected, rtol=1e-4, atol=1e-5)


def test_fill_missing_changes_nothing_else():
    x = np.random.default_rng(4).standard_normal((2, 1, 9)).astype(np.float32)
    x[0, 0, 2], x[1] = np.inf, np.nan
    out = np.empty_like(x)
    normalisation.fill_missing(x, out, 0.0, 0, 2)
    np.testing.assert_array_equal(out, np.where(np.isfinite(x), x, 0))
