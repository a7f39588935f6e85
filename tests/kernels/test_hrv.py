"""The kernels that put beats right and measure variability against their slow twins."""

from __future__ import annotations

import numpy as np
import pytest
from biosig_kernels import correction as kernel
from biosig_kernels.intervals import mark_rows
from biosig_kernels.variability import MEASURES, PART, band_rows, lomb_scargle, measure_rows, peak_rows
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lombscargle

from tests.naive import heart, hrv

NAMES = {
    "normal": kernel.NORMAL,
    "ectopic": kernel.ECTOPIC,
    "missed": kernel.MISSED,
    "extra": kernel.EXTRA,
    "long_short": kernel.LONG_SHORT,
}
seeds = st.integers(0, 2**32 - 1)


def spoiled_intervals(seed, n):
    rng = np.random.default_rng(seed)
    rr = rng.normal(0.9, 0.03, size=n) * np.where(rng.random(n) < 0.1, rng.choice([0.4, 0.6, 1.5, 2.0], size=n), 1)
    return rr


def corrected(beats):
    room = np.empty((1, 2 * beats.size))
    numbers = np.empty((1, 5), np.int64)
    kernel.correct_rows(beats[None], 3.0, room, numbers, 0, 1)
    return room[0, np.isfinite(room[0])], numbers[0]


@given(seeds, st.integers(0, 130))
def test_classes(seed, n):
    rr = spoiled_intervals(seed, n)
    found = np.empty(n + 1, np.int64)
    kernel.classify_intervals(rr, n, found, np.empty((5, n + 4)))
    assert found[:n].tolist() == [NAMES[kind] for kind in hrv.classes(rr)]


@given(seeds, st.integers(1, 130))
def test_correction(seed, n):
    beats = np.cumsum(spoiled_intervals(seed, n))
    found, numbers = corrected(beats)
    np.testing.assert_allclose(found, hrv.correct(beats), rtol=1e-12)
    assert numbers.sum() == n - 1
    gap = np.append(beats, beats + beats[-1] + 10)
    np.testing.assert_allclose(corrected(gap)[0][: found.size], found)


@given(seeds, st.integers(1, 130))
def test_intervals_beside_wrong_beats(seed, n):
    beats = np.cumsum(spoiled_intervals(seed, n))
    gap = np.append(beats, beats + beats[-1] + 10)
    for times, wanted in ((beats, hrv.rejected(beats)), (gap, [*hrv.rejected(beats), False, *hrv.rejected(beats)])):
        good = np.ones((1, times.size + 2), np.bool_)
        rows = np.full((1, times.size + 3), np.nan)
        rows[0, : times.size] = times
        kernel.reject_rows(rows, 3.0, good, 0, 1)
        np.testing.assert_array_equal(~good[0, : times.size - 1], wanted)


@given(st.lists(st.floats(0.15, 2.6), max_size=40), st.floats(0.4, 1.5), seeds)
def test_marks(odd, middle, seed):
    rng = np.random.default_rng(seed)
    intervals = np.concatenate([middle * rng.normal(1, 0.05, size=40), odd])
    rng.shuffle(intervals)
    times = np.cumsum(np.abs(intervals) + 0.01)
    rows = np.full((1, times.size + 5), np.nan)
    rows[0, : times.size] = times
    good = np.ones((1, times.size + 4), np.bool_)
    mark_rows(rows, good, 0, 1)
    np.testing.assert_array_equal(good[0, : times.size - 1], heart.good_intervals(np.diff(times)))
    assert not good[0, times.size - 1 :].any()


@given(seeds, st.integers(1, 60))
def test_measures(seed, n):
    rng = np.random.default_rng(seed)
    x = 900 + rng.choice([1.0, 40.0]) * rng.normal(size=n)
    joined = rng.random(n) < 0.9
    joined[0] = False
    found = np.empty((1, len(MEASURES)))
    measure_rows(x[None], joined[None], np.array([n]), found, 0, 1)
    wanted = hrv.measures(x, joined)
    np.testing.assert_allclose(found[0], [wanted[name] for name in MEASURES], rtol=1e-7, atol=1e-9)


@given(seeds, st.integers(2, 200))
def test_periodogram_is_that_of_scipy(seed, n):
    rng = np.random.default_rng(seed)
    t = np.cumsum(rng.uniform(0.4, 1.2, size=n))
    x = rng.normal(size=n)
    x -= x.mean()
    power = np.empty(50)
    lomb_scargle(t, x, 0.05, 0.007, power)
    np.testing.assert_allclose(
        power, lombscargle(t, x, 2 * np.pi * (0.05 + 0.007 * np.arange(50))), rtol=1e-6, atol=1e-9
    )


def test_bands():
    rng = np.random.default_rng(0)
    t = np.cumsum(0.8 + 0.05 * rng.normal(size=330))
    x = 900 + 40 * np.sin(2 * np.pi * 0.1 * t) + 20 * np.sin(2 * np.pi * 0.25 * t)
    edges = np.array([0.0033, 0.04, 0.15, 0.4, 0.5])
    found = np.empty((1, 4))
    band_rows(t[None], x[None], np.array([330]), edges, 4.0, found, 0, 1)
    np.testing.assert_allclose(found[0], hrv.bands(t, x, edges, 4.0), rtol=1e-6)
    np.testing.assert_allclose(found[0, 1:3], [800, 200], rtol=0.05)  # half the squared amplitudes


def test_long_rows_are_averaged_over_parts():
    t = np.cumsum(0.8 + 0.05 * np.random.default_rng(0).normal(size=1000))
    x = 900 + 40 * np.sin(2 * np.pi * 0.1 * t) + 20 * np.sin(2 * np.pi * 0.25 * t)
    edges = np.array([0.04, 0.15, 0.4])
    found = np.empty((1, 2))
    band_rows(t[None], x[None], np.array([t.size]), edges, 4.0, found, 0, 1)
    span = t[-1] - t[0]
    assert span > 2 * PART
    middle = np.searchsorted(t, t[0] + span / 2)
    wanted = [hrv.bands(t[part], x[part], edges, 4.0) for part in (slice(0, middle), slice(middle, None))]
    np.testing.assert_allclose(found[0], np.mean(wanted, axis=0), rtol=1e-6)


@pytest.mark.parametrize("rhythm", [0.15, 0.213, 0.4])
def test_rhythm(rhythm):
    rng = np.random.default_rng(1)
    t = np.cumsum(rng.uniform(0.7, 1.0, size=80))
    x = np.sin(2 * np.pi * rhythm * t) + 0.05 * t
    rates, shares = np.empty(1), np.empty(1)
    peak_rows(t[None], x[None], np.array([80]), 0.1, 0.6, 0.002, rates, shares, 0, 1)
    assert rates[0] == pytest.approx(rhythm, abs=0.003)
    assert shares[0] > 0.8
    peak_rows(t[None], x[None], np.array([7]), 0.1, 0.6, 0.002, rates, shares, 0, 1)
    assert np.isnan(rates[0]) and np.isnan(shares[0])
