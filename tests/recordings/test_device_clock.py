"""The device's clock from stamps that jitter, come in packets, jump, or lack samples: the right rate, or a refusal."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from biosig_kernels.counting import BAND, MORE, best_levels
from hypothesis import given, settings
from hypothesis import strategies as st

from biosig.recordings import make_recording
from biosig.recordings.contract import measured_rate
from biosig.recordings.device_clock import device_clock, rate_of
from tests.naive import clocks as twin

RATES = st.sampled_from([25.0, 32.0, 50.0, 52.0, 64.0, 100.0, 135.0, 51.7])


@given(st.lists(st.floats(-1, 4), min_size=1, max_size=6), st.floats(0.05, 1), st.floats(1, 20))
def test_lost_samples_are_the_cheapest(position, noise, price):
    entry = np.full(4, np.inf)
    entry[:2] = 0.0
    level = np.empty(len(position), np.int64)
    cost = best_levels(np.array(position), noise, price, entry, level)
    wanted, levels = twin.best_levels(position, noise, price, MORE, entry)
    assert cost == pytest.approx(wanted, rel=1e-9)
    own, _ = twin.best_levels(position, noise, price, MORE, entry) if list(level) == list(levels) else (cost, None)
    assert own == pytest.approx(wanted, rel=1e-9) and (np.diff(level) >= 0).all() and BAND > 4


@settings(max_examples=6)
@given(st.integers(0, 2**32 - 1), RATES, st.floats(0, 0.03), st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.2]))
def test_rate_within_a_percent_or_refused(seed, rate, jitter, lost):
    rng = np.random.default_rng(seed)
    _, stamps = twin.device(rng, rate, 240, jitter=jitter, lost=lost)
    measured, steady = rate_of(stamps)
    assert not steady or measured == pytest.approx(rate, rel=0.01)
    if lost == 0 or jitter * rate < 0.25:  # then there is no reason to refuse
        assert steady


@settings(max_examples=6)
@given(
    st.integers(0, 2**32 - 1),
    RATES,
    st.sampled_from([5, 9, 18, 32]),
    st.sampled_from([0.0, 2e-5]),
    st.floats(0, 0.01),
    st.sampled_from([0.0, 0.01, 0.03]),
)
def test_packets(seed, rate, packet, inner, jitter, lost):
    numbers, stamps = twin.device(
        np.random.default_rng(seed), rate, 300, packet=packet, inner=inner, jitter=jitter, lost=lost
    )
    clock = device_clock(stamps)
    assert clock.rate == pytest.approx(rate, rel=0.01)
    even, _ = twin.clock(numbers, stamps)
    away = clock.times - even
    assert np.std(away) < 0.8 / rate + 0.2 * jitter
    if lost:
        assert clock.record["n_lost"] == pytest.approx(numbers[-1] - numbers[0] + 1 - numbers.size, abs=3 * packet)


@settings(max_examples=6)
@given(st.integers(0, 2**32 - 1), RATES, st.floats(0, 0.3), st.floats(-4e-4, 4e-4), st.sampled_from([0.0, 0.02]))
def test_counts_are_right_where_ticks_can_be_seen(seed, rate, share, drift, lost):
    numbers, stamps = twin.device(
        np.random.default_rng(seed), rate, 300, jitter=min(share, 0.25) / rate, lost=lost, drift=drift
    )
    clock = device_clock(stamps)
    even, own_rate = twin.clock(numbers, stamps)
    assert clock.rate == pytest.approx(own_rate, rel=2e-4)
    assert clock.record["n_lost"] == pytest.approx(numbers[-1] - numbers[0] + 1 - numbers.size, abs=3)
    assert np.median(np.abs(clock.times - even)) < 0.1 / rate


@given(st.integers(0, 2**32 - 1), RATES, st.sampled_from([3600.0, 4163949.0, 3.15e8, 2.2e9]), st.floats(0, 0.2))
@settings(max_examples=6)
def test_jumps_part_clocks(seed, rate, jump, share):
    rng = np.random.default_rng(seed)
    numbers, stamps = twin.device(rng, rate, 120, jitter=share / rate)
    half = stamps.size // 2
    stamps[half:] += jump
    clock = device_clock(stamps)
    assert clock.rate == pytest.approx(rate, rel=2e-3) and measured_rate(stamps) == pytest.approx(rate, rel=0.01)
    for part in (slice(0, half), slice(half, None)):
        even, _ = twin.clock(numbers[part], stamps[part] - stamps[part][0])
        np.testing.assert_allclose(clock.times[part] - stamps[part][0], even, atol=0.1 / rate)


def test_one_stamp_far_off():
    stamps = np.arange(3000) / 50
    stamps[-1] = 2.2e9
    clock = device_clock(stamps)
    assert clock.rate == pytest.approx(50) and clock.times[-1] == 2.2e9
    np.testing.assert_allclose(clock.times[:-1], stamps[:-1], atol=1e-6)


def test_copies_are_not_counted():
    rng = np.random.default_rng(0)
    stamps = np.sort(np.concatenate([np.arange(6400), rng.choice(6400, 320)])) / 64
    assert measured_rate(stamps) == pytest.approx(64, rel=1e-3)
    assert device_clock(stamps).record["n_lost"] == 0


@pytest.mark.parametrize("step", [0.001, 0.01, 0.025])
def test_coarse_stamps(step):
    stamps = np.floor(np.arange(20_000) / 64 / step) * step
    assert measured_rate(stamps) == pytest.approx(64, rel=1e-3)
    np.testing.assert_allclose(np.diff(device_clock(stamps).times), 1 / 64, rtol=2e-3)


def test_a_change_of_rate_is_no_drift():
    stamps = np.concatenate([np.arange(10_000) / 50, 200 + np.arange(20_000) / 100])
    clock = device_clock(stamps)
    assert [round(s.rate) for s in clock.stretches] == [50, 100] and clock.rate == pytest.approx(100)
    np.testing.assert_allclose(clock.times, stamps, atol=0.002)
    noisy = stamps + np.random.default_rng(0).normal(0, 0.001, stamps.size)
    np.testing.assert_allclose(device_clock(np.sort(noisy)).times, stamps, atol=0.011)


def test_drift_is_followed():
    rng = np.random.default_rng(0)
    t = np.arange(64 * 1800) / 64
    true = t * (1 + 2e-4) + 0.03 * np.sin(t / 200)  # another 0.015 % to and fro
    clock = device_clock(np.maximum.accumulate(true + rng.normal(0, 0.005, t.size)))
    np.testing.assert_allclose(clock.times, true, atol=0.003)


def test_uneven_sampling_is_left_alone():
    stamps = np.cumsum(np.random.default_rng(0).uniform(0.5, 1.5, 20_000)) / 64
    clock = device_clock(stamps)
    assert clock.record["clock"] == "stamps"
    np.testing.assert_array_equal(clock.times, stamps)
    with pytest.warns(UserWarning, match="follow no steady clock"):
        recording = make_recording(accel=np.random.default_rng(1).normal(size=(20_000, 3)), time=stamps)
    assert recording["accel"].attrs["sampling_rate"] == pytest.approx(64, rel=0.02)


@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=60))
def test_any_stamps(stamps):
    stamps = np.sort(np.array(stamps))
    if stamps[0] == stamps[-1]:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clock = device_clock(stamps)
        rate, _ = rate_of(stamps)
    assert clock.times.shape == stamps.shape and np.isfinite(clock.times).all() and rate > 0
    assert sum(s.end - s.begin for s in clock.stretches) == stamps.size


@pytest.mark.parametrize("days", [0.2])
def test_a_long_recording_is_quick_to_measure(days):
    """The work on the rate does not grow with the recording."""
    n = round(days * 86400 * 100)
    stamps = np.maximum.accumulate(np.arange(n) / 100 + np.random.default_rng(0).normal(0, 0.008, n))
    assert measured_rate(stamps) == pytest.approx(100, rel=1e-3)
