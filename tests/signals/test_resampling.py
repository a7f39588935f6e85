"""Resampling: quality in dB, lengths, gaps, uneven time stamps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from biosig.signals import resample, resample_irregular
from biosig.signals._grid import measured_rate, steady_clock

PAIRS = [(32, 64), (100, 64), (51.7, 64), (64, 51.7), (51.723, 64), (64, 16), (125, 64)]


def sine_gain(rate, target, frequency, dtype=np.float64):
    """Largest deviation from the ideal output (the same sine, or nothing above the Nyquist rate), ends left out."""
    t = np.arange(int(rate * 40)) / rate
    out = resample(np.cos(2 * np.pi * frequency * t + 0.3).astype(dtype), target_rate=target, sampling_rate=rate)
    middle = np.arange(int(12 * target), int(28 * target))
    ideal = np.cos(2 * np.pi * frequency * middle / target + 0.3) if frequency < target / 2 else 0.0
    return np.abs(out[middle] - ideal).max()


@pytest.mark.parametrize(("rate", "target"), PAIRS)
def test_passes_nine_tenths_of_the_band_within_a_hundredth_of_a_decibel(rate, target):
    for share in (0.05, 0.5, 0.8, 0.9):
        error = sine_gain(rate, target, share * min(rate, target) / 2)
        assert 20 * math.log10(1 + error) < 0.01
        assert 20 * math.log10(error) < -100


@pytest.mark.parametrize(("rate", "target"), [p for p in PAIRS if p[1] < p[0]])
def test_rejects_aliases_by_a_hundred_decibels(rate, target):
    for share in (0.0, 0.2, 0.7, 0.95):
        frequency = target / 2 + share * (rate / 2 - target / 2)
        assert 20 * math.log10(sine_gain(rate, target, max(frequency, 1.0001 * target / 2))) < -100


def test_float32_stays_float32_and_close():
    assert 20 * math.log10(sine_gain(100, 64, 20, np.float32)) < -100
    assert resample(np.ones(10, np.float32), target_rate=3, sampling_rate=2).dtype == np.float32
    assert resample(np.ones(10, int), target_rate=3, sampling_rate=2).dtype == np.float64


def test_agrees_with_scipy_on_a_band_limited_signal():
    rng = np.random.default_rng(0)
    x = scipy.signal.sosfiltfilt(scipy.signal.butter(6, 12, fs=100, output="sos"), rng.normal(size=2000))
    ours = resample(x, target_rate=64, sampling_rate=100)
    theirs = scipy.signal.resample_poly(x, 16, 25, window=("kaiser", 12.0), padtype="line")
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours[200:-200], theirs[200:-200], atol=2e-4 * np.abs(x).max())


@given(st.integers(1, 300), st.floats(1, 200), st.floats(1, 200))
def test_length_and_level(n, rate, target):
    out = resample(np.full((2, n), 7.5), target_rate=target, sampling_rate=rate)
    assert out.shape == (2, max(1, math.floor(n * target / rate + 0.5)))
    np.testing.assert_allclose(out, 7.5, rtol=1e-12)


@given(st.sampled_from([1e-30, 1e-6, 1.0, 1e12]), st.floats(-3, 3))
def test_scale_and_slope_are_kept(scale, slope):
    x = scale * (1 + slope * np.arange(200) / 50)
    out = resample(x, target_rate=64, sampling_rate=50)
    np.testing.assert_allclose(out, scale * (1 + slope * np.arange(256) / 64), atol=1e-4 * scale)


def test_the_same_rate_returns_the_same_samples():
    x = np.random.default_rng(0).normal(size=(3, 50))
    np.testing.assert_array_equal(resample(x, target_rate=64, sampling_rate=64), x)


def test_gaps():
    x = np.sin(np.arange(640) / 20.0)
    x[100:110] = np.nan  # 0.16 s: bridged
    x[300:364] = np.nan  # 1 s: stays
    x[:5] = x[-7:] = np.nan
    out = resample(x, target_rate=128, sampling_rate=64)
    assert np.isfinite(out[190:230]).all()
    missing = np.flatnonzero(np.isnan(out))
    nearest = np.floor(np.arange(1280) / 2 + 0.5).clip(max=639)
    lost = ((nearest >= 300) & (nearest < 364)) | (nearest < 5) | (nearest >= 633)
    np.testing.assert_array_equal(missing, np.flatnonzero(lost))
    strict = resample(x, target_rate=128, sampling_rate=64, max_gap=0)
    assert np.isnan(strict[200:219]).all()
    assert np.isnan(resample(np.full(20, np.nan), target_rate=2, sampling_rate=3)).all()


def test_dataarray_keeps_labels_and_gets_a_new_clock():
    time = 5.0 + np.arange(320) / 32
    data = xr.DataArray(
        np.random.default_rng(0).normal(size=(320, 3)).astype(np.float32),
        dims=("time_accel", "axis"),
        coords={"time_accel": time, "axis": list("xyz")},
        attrs={"sampling_rate": 32.0, "units": "g"},
    )
    out = resample(data, target_rate=64)
    assert out.dims == data.dims
    assert out.attrs == {"sampling_rate": 64.0, "units": "g"}
    np.testing.assert_allclose(out["time_accel"], 5 + np.arange(640) / 64)
    np.testing.assert_array_equal(out.values, resample(data.values.T, target_rate=64, sampling_rate=32).T)
    # A clock with a hole is read by its time stamps.
    holed = data.isel(time_accel=np.r_[0:100, 200:320])
    out = resample(holed, target_rate=64)
    assert out.sizes["time_accel"] == 640
    assert np.isnan(out.sel(time_accel=slice(8.3, 11.1))).all()
    np.testing.assert_allclose(out[:150], resample(data, target_rate=64)[:150], atol=0.2)


@pytest.mark.parametrize("target", [64, 40, 20])
def test_irregular_jitter_repeats_and_backward_steps(target):
    rng = np.random.default_rng(1)
    times = np.arange(1500) / 50 + rng.uniform(-0.004, 0.004, 1500)
    signal = lambda t: np.sin(2 * np.pi * 1.7 * t) + 0.5 * np.cos(2 * np.pi * 4 * t)
    times = np.concatenate([times, times[700:720]])  # repeats at the end: backward in time
    rng.shuffle(times[300:310])
    out = resample_irregular(times, signal(times), target, start=1.0, n_samples=int(25 * target))
    np.testing.assert_allclose(out, signal(1 + np.arange(25 * target) / target), atol=0.02)


def test_irregular_is_antialiased_going_down():
    rng = np.random.default_rng(2)
    times = np.sort(np.arange(3000) / 100 + rng.uniform(-0.001, 0.001, 3000))
    out = resample_irregular(times, np.sin(2 * np.pi * 22 * times), 20, start=5.0, n_samples=400)
    assert np.abs(out).max() < 0.03  # the residue is what jitter spreads into the band


def test_irregular_gaps_and_ends():
    times = np.concatenate([np.arange(0, 10, 0.02), np.arange(10.3, 15, 0.02), np.arange(17, 20, 0.02)])
    out = resample_irregular(times, np.sin(times), 50, start=-1.0, n_samples=1100)
    grid = -1 + np.arange(1100) / 50
    inside = ((grid > -0.005) & (grid < 14.99)) | ((grid > 17.001) & (grid < 19.985))
    assert np.isfinite(out[inside]).all()
    assert np.isnan(out[(grid < -0.03) | ((grid > 15.03) & (grid < 16.97)) | (grid > 20.03)]).all()
    away = inside & ~((grid > 9.3) & (grid < 11)) & (np.abs(grid - 16) > 2) & (grid > 1) & (grid < 19)
    np.testing.assert_allclose(out[away], np.sin(grid[away]), atol=1e-3)
    two = resample_irregular(times, np.stack([times, -times]).astype(np.float32), 50)
    assert two.shape == (2, 1000)
    assert two.dtype == np.float32


@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.floats(1, 100))
def test_irregular_stays_within_what_was_measured(seed, n, target):
    rng = np.random.default_rng(seed)
    times = rng.uniform(0, 3, size=n)
    values = np.where(rng.random(n) < 0.2, np.nan, 4.25)
    out = resample_irregular(times, values, target, start=0.0, n_samples=200)
    assert out.shape == (200,)
    np.testing.assert_allclose(out[np.isfinite(out)], 4.25, rtol=1e-9)


def test_measured_rate():
    assert measured_rate(np.arange(100) / 51.7) == pytest.approx(51.7)
    stamps = np.round(np.arange(1000) / 64, 3)  # milliseconds
    assert measured_rate(np.delete(stamps, slice(300, 500))) == pytest.approx(64, rel=1e-3)


@pytest.mark.parametrize("rate", [100.0, 97.3, 51.72])
def test_jitter_does_not_hide_a_plain_rate(rate):
    jitter = np.random.default_rng(0).uniform(-0.2, 0.2, 5000)
    stamps = np.sort(np.arange(5000) + jitter) / rate
    assert measured_rate(stamps) != rate
    assert steady_clock(stamps, 0.5) == (rate, True)
    holes = np.delete(stamps, slice(100, 400))
    assert steady_clock(holes, 0.5) == (rate, False)


def test_an_exact_clock_keeps_its_own_rate():
    rate, even = steady_clock(7.0 + np.arange(5000) / 99.9983, 0.5)
    assert even and rate == pytest.approx(99.9983, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: resample(np.ones(5), target_rate=2), "sampling rate of data is not known"),
        (lambda: resample(np.ones(5), target_rate=0, sampling_rate=3), "target_rate is 0"),
        (lambda: resample(np.ones((2, 0)), target_rate=1, sampling_rate=3), "at least one sample"),
        (lambda: resample(np.array(["a"]), target_rate=1, sampling_rate=3), "expected real numbers"),
        (lambda: resample(np.ones(5), target_rate=1, sampling_rate=3, max_gap=-1), "max_gap is -1"),
        (lambda: resample_irregular([0, 1], [1, 2, 3], 5), "one time stamp for each"),
        (lambda: resample_irregular([0, np.nan], [1, 2], 5), "not finite"),
        (lambda: resample_irregular([1, 1], [1, 2], 5), "at least two"),
        (lambda: resample(xr.Dataset(), target_rate=1), "is a Dataset"),
        (lambda: resample(xr.DataArray([1.0], dims="x"), target_rate=1), "starts with 'time'"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
