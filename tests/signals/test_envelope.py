"""Band envelopes: calibration, separation, timing, missing samples, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from biosig.signals import band_envelope
from biosig.signals.envelope import BANDS
from tests.naive import signals as naive


@pytest.mark.parametrize("band", range(len(BANDS)))
@pytest.mark.parametrize("rate", [50, 64, 100])
def test_a_sine_has_its_amplitude_in_its_band_alone(band, rate):
    bands = [b for b in BANDS if b[1] <= rate / 2]
    t = np.arange(rate * 30) / rate
    x = 0.01 * np.sin(2 * np.pi * np.mean(bands[band]) * t + 1)
    out = np.exp(band_envelope(x[None, None], rate, bands=bands))[0, :, 60:-60]
    np.testing.assert_allclose(out[band], 0.01, rtol=0.01)
    others = np.delete(np.arange(len(bands)), band)
    assert out[others].max() < 0.01 * 10 ** (-25 / 20)  # about the floor


def test_agrees_with_the_analytic_signal():
    rng = np.random.default_rng(0)
    x = scipy.signal.sosfiltfilt(
        scipy.signal.butter(4, (7.8, 10.2), "bandpass", fs=64, output="sos"), rng.normal(size=1920)
    )
    ours = np.exp(band_envelope(x[None, None], 64, bands=[(6.0, 12.0)]))[0, 0]
    theirs = np.abs(scipy.signal.hilbert(x))[::4]
    assert np.corrcoef(ours[30:-30], theirs[30:-30])[0, 1] > 0.99
    assert np.abs(ours - theirs)[30:-30].mean() < 0.03 * theirs.mean()


def test_a_burst_is_where_it_is():
    t = np.arange(3840) / 64
    x = np.where(np.abs(t - 30) < 2, np.sin(2 * np.pi * 9 * t), 0)
    out = np.exp(band_envelope(x[None, None], 64, bands=[(7, 11)]))[0, 0]
    inside = np.flatnonzero(out > 0.5) / 16
    assert abs(inside.min() - 28) < 0.15
    assert abs(inside.max() - 32) < 0.15


def test_order_of_channels_and_bands():
    t = np.arange(1280) / 64
    x = np.stack([np.sin(2 * np.pi * 2.5 * t), np.sin(2 * np.pi * 9 * t)])[None]
    out = band_envelope(x, 64, bands=[(1, 4), (7, 11)])
    assert out.shape == (1, 4, 320) and out.dtype == np.float32
    assert np.argsort(out[0].mean(axis=1))[-2:].tolist() in ([0, 3], [3, 0])


@given(st.integers(1, 400), st.sampled_from([32.0, 50.0, 51.7, 64.0]), st.sampled_from([8.0, 16.0]))
def test_length(n, rate, envelope_rate):
    x = np.random.default_rng(0).normal(size=(2, 3, n))
    out = band_envelope(x, rate, bands=[(4, 7)], envelope_rate=envelope_rate)
    assert out.shape == (2, 3, math.floor(n * envelope_rate / rate + 0.5))
    assert np.isfinite(out).all()


@pytest.mark.parametrize("value", [0.0, 1.0, -1e4])
def test_flat_windows_give_the_floor(value):
    out = band_envelope(np.full((1, 1, 640), value), 64, floor=1e-3)
    np.testing.assert_allclose(out, np.log(1e-3), atol=1e-3)


def test_gravity_does_not_leak():
    x = 1e-3 * np.random.default_rng(0).normal(size=(1, 1, 3840))
    np.testing.assert_allclose(band_envelope(x + 1, 64), band_envelope(x, 64), atol=1e-2)


def test_missing_samples():
    x = np.random.default_rng(0).normal(size=(2, 1, 640))
    x[0, 0, 100:120] = np.nan
    x[1] = np.nan
    out = band_envelope(x, 64)
    assert np.flatnonzero(np.isnan(out[0, 0])).tolist() == [26, 27, 28]  # 104, 108, 112: nothing within 4 samples
    assert np.isnan(out[1]).all()


@given(st.integers(0, 2**32 - 1), st.integers(8, 200), st.floats(0, 1), st.sampled_from([40.0, 50.0, 64.0, 100.0]))
def test_what_is_missing_agrees_with_the_twin(seed, n, loss, rate):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.01, n)
    x[rng.random(n) < loss] = np.nan
    out = band_envelope(x[np.newaxis, np.newaxis], rate)[0]
    expected = naive.envelope_missing(x, rate / 16, out.shape[1])
    assert (np.isnan(out) == expected).all() and not np.isinf(out).any()
    assert expected.all() == np.isnan(x).all()


@pytest.mark.parametrize("place", [0, 1, 2, 3, 333, 636, 637, 638, 639])
@pytest.mark.parametrize("rate", [40, 50, 64, 100])
def test_one_real_sample_is_enough(place, rate):
    x = np.full((1, 1, 640), np.nan, np.float32)
    x[0, 0, place] = 0.02
    assert np.isfinite(band_envelope(x, rate)).any()


@pytest.mark.parametrize("every", [2, 3, 4, 5, 8, 16])
def test_a_few_missing_samples_hardly_change_a_slow_band(every):
    x = np.sin(2 * np.pi * 2.5 * np.arange(1280) / 64)[np.newaxis, np.newaxis].astype(np.float32) * 0.01
    gappy = x.copy()
    gappy[..., ::every] = np.nan
    bridged, whole = (band_envelope(windows, 64, bands=[(1, 4)])[..., 16:-16] for windows in (gappy, x))
    np.testing.assert_allclose(bridged, whole, atol=0.05)


def test_no_windows():
    assert band_envelope(np.empty((0, 3, 640)), 64).shape == (0, 12, 160)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling_rate": 30}, "11 to 16 Hz reaches above the Nyquist rate of 15 Hz"),
        ({"bands": [(1, 12)]}, "11 Hz wide"),
        ({"bands": [(5, 3)]}, "5 to 3 Hz is not one"),
        ({"bands": [7]}, "pairs of frequencies"),
        ({"bands": []}, "bands is empty"),
        ({"envelope_rate": 100}, "cannot exceed"),
        ({"floor": 0}, "floor is 0"),
        ({"x": np.ones((3, 640))}, "expected \\(n_windows"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        band_envelope(**({"x": np.ones((1, 3, 640)), "sampling_rate": 64} | options))
