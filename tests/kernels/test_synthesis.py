"""The kernels of the simulator against their naive twins; what replaces NumPy's own functions, to the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from biosig_kernels.synthesis import add_templates, filter_pair, interpolate, normals32, normals64, read_out
from hypothesis import given
from hypothesis import strategies as st

from tests.naive import synthesis as naive


def smooth_template(rng, n_rows, n_points):
    """Ends at zero, so that rounding at the edges cannot matter."""
    window = np.hanning(n_points)
    window[[0, -1]] = 0.0
    return rng.standard_normal((n_rows, n_points)) * window


def run(times, amplitudes, stretches, template, origin, template_rate, first, rate, n_samples):
    out = np.zeros((len(template), n_samples))
    add_templates(times, amplitudes, stretches, template, origin, template_rate, first, rate, out, 0, len(template))
    return out


@given(
    seed=st.integers(0, 2**31),
    n_rows=st.integers(1, 4),
    n_events=st.integers(0, 12),
    n_points=st.integers(2, 50),
    n_samples=st.integers(0, 200),
    rate=st.floats(1.0, 200.0),
    first=st.floats(-5.0, 5.0),
)
def test_agrees_with_twin(seed, n_rows, n_events, n_points, n_samples, rate, first):
    rng = np.random.default_rng(seed)
    arguments = (
        rng.uniform(-3.0, 12.0, n_events),
        rng.standard_normal((n_rows, n_events)),
        rng.uniform(0.5, 2.0, n_events),
        smooth_template(rng, n_rows, n_points),
        rng.uniform(0.0, 0.3),
        rng.uniform(20.0, 500.0),
        first,
        rate,
    )
    expected = naive.add_templates(*arguments, n_samples)
    np.testing.assert_allclose(run(*arguments, n_samples), expected, atol=1e-8)


def test_rows_can_be_split():
    rng = np.random.default_rng(1)
    template = smooth_template(rng, 3, 40)
    times, amplitudes, stretches = np.array([0.5, 1.2]), rng.standard_normal((3, 2)), np.ones(2)
    whole = run(times, amplitudes, stretches, template, 0.1, 100.0, 0.0, 64.0, 128)
    parts = np.zeros((3, 128))
    for start, stop in ((0, 1), (1, 3)):
        add_templates(times, amplitudes, stretches, template, 0.1, 100.0, 0.0, 64.0, parts, start, stop)
    np.testing.assert_array_equal(parts, whole)


def test_adds_to_what_is_there():
    template = np.array([[0.0, 1.0, 0.0]])
    out = np.full((1, 10), 5.0)
    add_templates(np.array([0.3]), np.array([[2.0]]), np.ones(1), template, 0.1, 10.0, 0.0, 10.0, out, 0, 1)
    assert out[0] == pytest.approx([5, 5, 5, 7, 5, 5, 5, 5, 5, 5])


@given(
    seed=st.integers(0, 2**31),
    n_knots=st.integers(1, 30),
    n=st.integers(0, 60),
    scale=st.sampled_from([1e-6, 1.0, 1e9]),
    ordered=st.booleans(),
)
def test_lines_between_knots_are_those_of_numpy(seed, n_knots, n, scale, ordered):
    rng = np.random.default_rng(seed)
    knots = np.cumsum(rng.uniform(0.01, 1.0, n_knots)) - 1.0
    x = np.concatenate([rng.uniform(knots[0] - 1.0, knots[-1] + 1.0, n), knots])  # on the knots too
    x = np.sort(x) if ordered else rng.permutation(x)
    values, out = scale * rng.standard_normal(n_knots), np.empty(len(x))
    interpolate(x, knots, values, out)
    np.testing.assert_array_equal(out, np.interp(x, knots, values))
    np.testing.assert_allclose(out, naive.interpolate(x, knots, values), rtol=1e-9, atol=1e-12 * scale)


@given(seed=st.integers(0, 2**63), n=st.integers(0, 3000))
def test_normal_numbers_are_those_of_numpy_and_leave_the_generator_where_numpy_does(seed, n):
    ours, theirs = np.random.default_rng(seed), np.random.default_rng(seed)
    for draw, dtype in ((normals32, np.float32), (normals64, np.float64), (normals32, np.float32)):
        found = draw(ours, n)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, theirs.standard_normal(n, dtype=dtype))
        assert ours.random(dtype=np.float32) == theirs.random(dtype=np.float32)
    assert ours.bit_generator.state == theirs.bit_generator.state


@given(
    seed=st.integers(0, 2**31),
    shape=st.tuples(st.integers(1, 4), st.integers(0, 50)),
    limit=st.floats(0.1, 16.0),
    step=st.sampled_from([0.0, 1 / 64, 0.0005, 0.3]),
)
def test_devices_read_out_agrees_with_twin(seed, shape, limit, step):
    signal = np.random.default_rng(seed).normal(0.0, 4.0, shape)
    signal[:, ::7] = np.round(signal[:, ::7] / (step or 1.0)) * (step or 1.0) + step / 2  # halves
    out = np.empty(shape[::-1], np.float32)
    read_out(signal, limit, step, out)
    np.testing.assert_array_equal(out, naive.read_out(signal, limit, step))


@given(seed=st.integers(0, 2**31), n_rows=st.integers(1, 3), n=st.integers(0, 400), low=st.floats(0.1, 5.0))
def test_filtered_rows_are_those_of_scipy(seed, n_rows, n, low):
    from scipy import signal

    sections = signal.butter(2, (low, 3.0 * low), "bandpass", fs=50.0, output="sos")
    rows = np.random.default_rng(seed).standard_normal((n_rows, n), dtype=np.float32)
    skipped = n // 3
    out = np.empty((n_rows, n - skipped))
    filter_pair(rows, sections, skipped, 0.7, out)
    expected = signal.sosfilt(sections, rows, axis=1) if n else rows
    np.testing.assert_array_equal(out, expected[:, skipped:] / 0.7)
    np.testing.assert_allclose(out, naive.filter_pair(rows, sections)[:, skipped:] / 0.7, rtol=1e-6, atol=1e-9)
