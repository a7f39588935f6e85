"""The timing of pulses by their mean, and the variability of timed intervals, against their slow twins."""

from __future__ import annotations

import numpy as np
import pytest
from biosig_kernels import pulse_timing as kernel
from biosig_kernels import timed_intervals
from hypothesis import given, settings
from hypothesis import strategies as st

from biosig.heart.timing import noise_shapes
from biosig.signals.filters import filter_values
from tests.naive import pulse_timing as twin


def pulses(beats, rate, seconds, noise, seed=0, stretch=0.0):
    """A band-passed train of smooth pulses, steepest at the beats, float32."""
    t = np.arange(int(rate * seconds)) / rate
    y = np.random.default_rng(seed).normal(0, noise, t.size)
    for beat, interval in zip(beats, np.diff(beats, prepend=beats[0] - 0.8), strict=True):
        x = (t - beat) / (1 + stretch * (interval - 0.8))
        y += np.exp(-0.5 * ((x - 0.1) / 0.1) ** 2) + 0.3 * np.exp(-0.5 * ((x - 0.4) / 0.1) ** 2)
    edges = (0.5, min(8.0, 0.45 * rate))
    return filter_values(y[None].astype(np.float32), "bandpass", edges, 3, rate, n_jobs=1)


def run(y, missing, rate, rises):
    edges = (0.5, min(8.0, 0.45 * rate))
    beats = np.full((1, len(rises) + 3), np.nan)
    beats[0, : len(rises)] = rises
    errors = np.empty_like(beats)
    counts = np.array([len(rises)])
    kernel.time_rows(y, missing, rate, noise_shapes(rate, *edges, 3), beats, counts, errors, 0, 1)
    assert np.isnan(beats[0, len(rises) :]).all() and np.isnan(errors[0, len(rises) :]).all()
    return beats[0, : len(rises)], errors[0, : len(rises)]


@pytest.mark.parametrize("rate", [25.0, 64.0])
@pytest.mark.parametrize("noise", [0.003, 0.05])
def test_against_the_twin(rate, noise):
    rng = np.random.default_rng(1)
    true = 1.5 + np.cumsum(rng.uniform(0.7, 0.9, 14))
    y = pulses(true, rate, true[-1] + 2, noise, stretch=0.2)
    rises = true + rng.normal(0, 0.01, true.size)
    found, errors = run(y, np.zeros(y.shape, bool), rate, rises)
    wanted, wanted_errors = twin.time_pulses(y[0], rate, noise_shapes(rate, 0.5, min(8.0, 0.45 * rate), 3), rises)
    np.testing.assert_allclose(found, wanted, atol=2e-6)
    np.testing.assert_allclose(errors, wanted_errors, rtol=2e-3)


@pytest.mark.parametrize(("exponent", "seed"), [(0.0, 0), (1.0, 1), (2.0, 2), (3.0, 3)])
def test_errors_are_those_of_the_noise(exponent, seed):
    """White noise and noise that falls with frequency: given errors within a quarter of the true ones."""
    rng = np.random.default_rng(seed)
    rate, true_errors, given_errors = 64.0, [], []
    for _ in range(8):
        true = 1.0 + np.cumsum(rng.uniform(0.75, 0.95, 60))
        n = int(rate * (true[-1] + 1))
        frequency = np.fft.rfftfreq(n, 1 / rate)
        noise = np.fft.irfft(np.fft.rfft(rng.normal(size=n)) * np.maximum(frequency, 0.1) ** (-exponent / 2), n)
        noise = filter_values(noise[None].astype(np.float32), "bandpass", (0.5, 8.0), 3, rate, n_jobs=1)
        y = pulses(true, rate, n / rate, 0.0) + np.float32(0.04) * noise / noise.std()
        found, errors = run(y, np.zeros(y.shape, bool), rate, true)
        true_errors.append(found - true - np.median(found - true))
        given_errors.append(errors)
    true_errors, given_errors = np.concatenate(true_errors), np.concatenate(given_errors)
    known = np.isfinite(given_errors)
    assert known.mean() > 0.95
    assert np.sqrt(np.mean(given_errors[known] ** 2)) == pytest.approx(true_errors[known].std(), rel=0.25)


def test_gaps_ends_and_strangers():
    """A cut pulse is timed on what remains, one behind a gap stays; a pulse unlike the rest has a large error."""
    true = 0.15 + 0.8 * np.arange(30)
    true[12] -= 0.25
    y = pulses(true, 64.0, 24.0, 0.002)
    missing = np.zeros(y.shape, bool)
    missing[0, round(64 * (true[20] - 0.3)) : round(64 * (true[20] + 0.5))] = True
    missing[0, round(64 * (true[25] + 0.35)) : round(64 * (true[25] + 0.4))] = True
    rises = true + 0.01 * (-1.0) ** np.arange(30)
    found, errors = run(y, missing, 64.0, rises)
    off = found - true
    off -= np.median(off)  # the row as a whole goes on meaning the median steepest rise
    assert found[20] == rises[20] and np.isnan(errors[20])
    assert np.isfinite(errors[25]) and abs(off[25]) < 0.004
    assert np.isfinite(errors[[0, 29]]).any()
    # An early beat stays where it is: only the neighbourhood of its steepest rise is looked at.
    assert abs(off[12]) < 0.03
    inner = np.setdiff1d(np.arange(1, 29), [11, 12, 13, 20])
    assert np.abs(off[inner]).max() < 0.004


@given(
    st.integers(0, 10**6),
    st.sampled_from([10.0, 30.0, 64.0, 200.0]),
    st.integers(0, 60),
    st.sampled_from(["noise", "flat", "tiny", "huge", "steps"]),
)
@settings(deadline=None)
def test_any_signal_gives_increasing_times_near_the_rises(seed, rate, count, kind):
    rng = np.random.default_rng(seed)
    n = rng.integers(int(3 * rate), int(40 * rate))
    scale = {"noise": 1.0, "flat": 0.0, "tiny": 1e-25, "huge": 1e18, "steps": 1.0}[kind]
    y = scale * rng.normal(size=(1, n))
    if kind == "steps":
        y = np.repeat(y, 9, axis=1)[:, :n]
    rises = np.sort(rng.uniform(0, (n - 1) / rate, count))
    rises = rises[np.diff(rises, prepend=-1) > 1e-4]
    missing = rng.random((1, n)) < rng.choice([0.0, 0.01, 0.5])
    found, errors = run(y.astype(np.float32), missing, rate, rises)
    assert np.isfinite(found).all() and (np.diff(found) > 0).all()
    assert np.abs(found - rises).max(initial=0) <= kernel.FARTHEST + 1e-9
    assert (found >= 0).all()
    assert (errors[np.isfinite(errors)] >= 0).all()
    moved = found != rises
    assert np.isfinite(errors[moved]).all()


def test_long_rows_are_cut_into_parts():
    rng = np.random.default_rng(0)
    true = 1.0 + np.cumsum(rng.uniform(0.7, 0.9, 300))
    y = pulses(true, 64.0, true[-1] + 1, 0.03)
    rises = true + rng.normal(0, 0.01, true.size)
    found, errors = run(y, np.zeros(y.shape, bool), 64.0, rises)
    assert np.isfinite(errors).mean() > 0.98
    assert (found - true).std() < 0.5 * (rises - true).std()


@given(st.integers(0, 10**6), st.integers(2, 40))
def test_timed_rows(seed, n):
    rng = np.random.default_rng(seed)
    beats = np.cumsum(rng.uniform(0.3, 1.5, (2, n)), axis=1)
    errors = rng.uniform(0, 0.02, (2, n))
    good = rng.random((2, n - 1)) < 0.8
    summary = np.empty((2, 7))
    timed_intervals.timed_rows(beats, errors, good, summary, 0, 2)
    for row in range(2):
        wanted = twin.timed_summary(beats[row], errors[row], good[row])
        np.testing.assert_allclose(summary[row], wanted, rtol=1e-9, atol=1e-15)


def test_sure_rows():
    errors = np.array([[0.003] * 6 + [0.010, np.nan, 0.009], [0.001] * 6 + [0.0039, 0.0041, 0.1], [0.02] * 9])
    sure = np.empty(errors.shape, bool)
    timed_intervals.sure_rows(errors, sure, 0, 3)
    assert sure[0].tolist() == [True] * 6 + [False, False, True]  # three times the median
    assert sure[1].tolist() == [True] * 7 + [False, False]  # or 4 ms
    assert not sure[2].any()  # never above 15 ms
