"""Windows of arrays: exact cuts, z-scores, selections, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from biosig.signals import cut, normalise_windows


@given(st.integers(1, 3), st.integers(1, 400), st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_cut_equals_sliding_windows(n_rows, n, length, stride, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 2, size=(n_rows, n)).astype(np.float32)
    out = cut(x, 10, length=length / 10, stride=stride / 10)
    if n < length:
        assert out.shape == (0, n_rows, length)
        return
    views = np.lib.stride_tricks.sliding_window_view(x, length, axis=1)[:, ::stride].transpose(1, 0, 2)
    assert out.dtype == np.float32 and out.flags.c_contiguous
    np.testing.assert_array_equal(out, views)
    keep = rng.random(len(views)) < 0.5
    np.testing.assert_array_equal(cut(x, 10, length=length / 10, stride=stride / 10, keep=keep), views[keep])
    scaled = cut(x, 10, length=length / 10, stride=stride / 10, normalise=True)
    np.testing.assert_array_equal(scaled, normalise_windows(views))


def test_normalise():
    x = np.random.default_rng(0).normal(5, 3, size=(4, 2, 300)).astype(np.float32)
    x[0, 0, 10:20] = np.nan
    x[1, 1] = 1e6
    x[2, 0] = np.nan
    x[3, 0, 0] = np.inf
    out = normalise_windows(x)
    assert np.isnan(out[0, 0, 10:20]).all() and np.isnan(out[2, 0]).all() and np.isnan(out[3, 0, 0])
    np.testing.assert_array_equal(out[1, 1], 0)
    rest = np.delete(out.reshape(8, 300), [3, 4], axis=0)
    np.testing.assert_allclose(np.nanmean(rest, axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(np.nanstd(rest, axis=1), 1, rtol=1e-6)


def test_dataarrays_and_single_rows():
    x = np.arange(100.0)
    assert cut(x, 10, length=2).shape == (5, 1, 20)
    data = xr.DataArray(np.stack([x, -x], axis=1), dims=("time", "axis"), attrs={"sampling_rate": 10.0})
    np.testing.assert_array_equal(cut(data, length=2)[3], [x[60:80], -x[60:80]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": np.zeros((2, 2, 50))}, "data has 3 dimensions"),
        ({"length": 0}, "length is 0"),
        ({"stride": "a"}, "stride is 'a'"),
        ({"keep": [True]}, "one bool for each of 5 windows"),
        ({"keep": [0, 1, 2, 3, 4]}, "holds int64"),
        ({"sampling_rate": 0}, "sampling_rate is 0"),
        ({"sampling_rate": None}, "sampling rate of data is not known"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        cut(**({"data": np.zeros((2, 100)), "sampling_rate": 10, "length": 2} | options))
    with pytest.raises(ValueError, match="write windows"):
        normalise_windows(np.zeros((2, 50)))
