"""The template kernel against its naive twin."""

from __future__ import annotations

import numpy as np
import pytest
from biosig_kernels.synthesis import add_templates
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
