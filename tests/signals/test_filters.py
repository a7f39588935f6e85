"""Filters against SciPy, missing samples, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from biosig.signals import bandpass, remove_gravity


@pytest.mark.parametrize("shape", [(700,), (3, 700), (2, 20, 300), (1, 140_000)])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_agrees_with_scipy(shape, order):
    x = np.random.default_rng(0).normal(size=shape) + 3
    high = scipy.signal.butter(order, 0.5, "highpass", fs=64, output="sos")
    band = scipy.signal.butter(order, (0.5, 8), "bandpass", fs=64, output="sos")
    np.testing.assert_allclose(remove_gravity(x, 64, order=order), scipy.signal.sosfiltfilt(high, x), atol=1e-9)
    np.testing.assert_allclose(bandpass(x, 64, order=order), scipy.signal.sosfiltfilt(band, x), atol=1e-9)


def test_float32_in_and_out_with_float64_inside():
    x = (np.random.default_rng(0).normal(size=(2, 3840)) * 1e-3 + 1).astype(np.float32)
    out = remove_gravity(x, 64)
    wanted = scipy.signal.sosfiltfilt(scipy.signal.butter(4, 0.5, "highpass", fs=64, output="sos"), x.astype(float))
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, wanted, atol=1e-5 * np.abs(wanted).max())


@given(st.sampled_from([0.0, 1e-20, 1.0, 1e15]), st.integers(0, 2**32 - 1))
def test_missing_samples_part_the_signal(scale, seed):
    rng = np.random.default_rng(seed)
    x = scale * rng.normal(size=(2, 200))
    cut = int(rng.integers(40, 160))
    x[0, cut] = np.nan
    out = remove_gravity(x, 64)
    assert np.flatnonzero(np.isnan(out[0])).tolist() == [cut]
    np.testing.assert_allclose(out[0, :cut], remove_gravity(x[0, :cut], 64), rtol=1e-6, atol=1e-12 * scale)
    np.testing.assert_allclose(out[0, cut + 1 :], remove_gravity(x[0, cut + 1 :], 64), rtol=1e-6, atol=1e-12 * scale)
    np.testing.assert_allclose(out[1], remove_gravity(x[1], 64), rtol=1e-6, atol=1e-12 * scale)


def test_short_stretches_become_missing():
    x = np.ones(100)
    x[20] = x[36] = np.nan
    out = remove_gravity(x, 64)
    assert np.isnan(out[20:37]).all()
    assert np.isfinite(out[:20]).all() and np.isfinite(out[37:]).all()


def test_gravity_goes_and_movement_stays():
    t = np.arange(3840) / 64
    out = remove_gravity(np.stack([1 + 0 * t, 0.01 * np.sin(2 * np.pi * 6 * t)]), 64)
    np.testing.assert_allclose(out[0], 0, atol=1e-9)
    np.testing.assert_allclose(out[1, 300:-300], 0.01 * np.sin(2 * np.pi * 6 * t)[300:-300], atol=1e-5)


def test_dataarray_and_empty_batch():
    data = xr.DataArray(
        np.random.default_rng(0).normal(size=(300, 3)),
        dims=("time_accel", "axis"),
        coords={"time_accel": np.arange(300) / 32},
        attrs={"sampling_rate": 32.0, "units": "g"},
    )
    out = remove_gravity(data)
    assert out.dims == data.dims and out.attrs == data.attrs
    np.testing.assert_array_equal(out.values.T, remove_gravity(data.values.T, 32))
    assert remove_gravity(np.empty((0, 3, 100)), 64).shape == (0, 3, 100)


def test_threads_do_not_change_the_result():
    x = np.random.default_rng(0).normal(size=(50, 200))
    np.testing.assert_array_equal(bandpass(x, 64, n_jobs=1), bandpass(x, 64, n_jobs=3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: remove_gravity(x), "give sampling_rate"),
        (lambda x: remove_gravity(x, 64, cutoff=40), "Nyquist rate of 32 Hz"),
        (lambda x: bandpass(x, 12), "high is 8.0 Hz"),
        (lambda x: bandpass(x, 64, low=5, high=2), "low must be below high"),
        (lambda x: remove_gravity(x[:15], 64), "needs more than 15"),
        (lambda x: remove_gravity(x, 64, order=0), "order is 0"),
        (lambda x: remove_gravity(x, -1), "sampling_rate is -1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones(100))
