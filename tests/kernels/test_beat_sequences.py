"""Beats in noise: the kernels against their slow twins."""

from __future__ import annotations

import numpy as np
import pytest
from biosig_kernels.beat_sequences import BLOCK, beat_sequences
from biosig_kernels.beat_templates import average_beats, match_template
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive import beat_sequences as twin


def table(n_rates, n_lags, rng):
    """Lags that move with the rate, as in use, and where each row is not zero."""
    lags = np.zeros((n_lags, n_rates))
    for r in range(n_rates):
        begin = int(rng.integers(0, n_lags))
        end = int(rng.integers(begin + 1, n_lags + 1))
        lags[begin:end, r] = rng.uniform(0.2, 1.0, end - begin)
    lags /= lags.sum(axis=0)
    some = lags > 0
    lows = np.where(some.any(axis=1), some.argmax(axis=1), 0)
    highs = np.where(some.any(axis=1), n_rates - some[:, ::-1].argmax(axis=1), 0)
    return lags.astype(np.float32), lows.astype(np.int64), highs.astype(np.int64)


def run(gain, lags, first_lag, lows, highs, step, jump, per_second):
    n = len(gain)
    beats, mass = np.empty(n, np.float32), np.empty((n // per_second, lags.shape[1]), np.float32)
    evidence = np.empty(1 + -(-n // BLOCK))
    beat_sequences(
        gain.astype(np.float32), lags, first_lag, lows, highs, step, np.float32(jump), per_second, beats, mass, evidence
    )
    return beats, mass, evidence


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 5, 40, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 37]),
    st.integers(1, 5),
    st.integers(1, 6),
    st.integers(1, 9),
)
def test_probabilities_of_beats(seed, n, n_rates, n_lags, first_lag):
    rng = np.random.default_rng(seed)
    lags, lows, highs = table(n_rates, n_lags, rng)
    gain, step = np.exp(rng.normal(0, 0.5, n)), rng.uniform(0, 0.2, n).astype(np.float32)
    beats, mass, _ = run(gain, lags, first_lag, lows, highs, step, 0.01, 7)
    wanted = twin.beat_sequences(gain, lags.astype(float), first_lag, step, 0.01)
    np.testing.assert_allclose(beats, wanted.sum(axis=1), rtol=2e-3, atol=1e-5)
    seconds = n // 7
    np.testing.assert_allclose(
        mass, wanted[: 7 * seconds].reshape(seconds, 7, n_rates).sum(axis=1), rtol=2e-3, atol=1e-5
    )


@pytest.mark.parametrize("size", [0.0, 6.0, -6.0])
def test_extreme_gains_stay_finite(size):
    rng = np.random.default_rng(1)
    lags, lows, highs = table(4, 5, rng)
    gain = np.exp(size * rng.uniform(0, 1, 3 * BLOCK))
    beats, mass, evidence = run(gain, lags, 20, lows, highs, np.full(gain.size, 0.03, np.float32), 1e-5, 64)
    assert np.isfinite(beats).all() and np.isfinite(mass).all() and np.isfinite(evidence).all()
    assert (beats >= 0).all() and (beats <= 1 + 1e-3).all()
    if size == 0.0:  # nothing is known: no evidence either way
        np.testing.assert_allclose(evidence, 0.0, atol=1e-3)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 12), st.integers(-15, 5))
def test_matched_filter(seed, n, n_template, first):
    rng = np.random.default_rng(seed)
    x, template = rng.normal(size=(3, n)).astype(np.float32), rng.normal(size=(3, n_template)).astype(np.float32)
    start, stop = sorted(rng.integers(0, n + 1, 2).tolist())
    out = np.full(n, 7.0, np.float32)
    match_template(x, template, first, start, stop, out)
    np.testing.assert_allclose(out[start:stop], twin.match_template(x, template, first)[start:stop], atol=1e-4)
    assert (np.delete(out, np.arange(start, stop)) == 7.0).all()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 12), st.integers(-15, 5), st.integers(1, 20))
def test_average_about_beats(seed, n, n_template, first, span):
    rng = np.random.default_rng(seed)
    x, beats = rng.normal(size=(3, n)).astype(np.float32), rng.uniform(0, 1, n).astype(np.float32)
    beats[rng.uniform(size=n) < 0.2] = np.nan
    sums, weights = np.empty((2, 3, n_template), np.float32), np.empty(2)
    average_beats(x, beats, 0.3, first, span, sums, weights)
    wanted, wanted_weights = twin.average_beats(x, beats, 0.3, first, n_template, span)
    np.testing.assert_allclose(sums, wanted, atol=1e-4)
    np.testing.assert_allclose(weights, wanted_weights, rtol=1e-5)
