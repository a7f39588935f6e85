"""Missing samples of any kind, and counts on offsets that float32 cannot hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from biosig.recordings import make_recording, read, write

N = 60


def masked(dtype):
    values = np.ma.MaskedArray(np.arange(N).astype(dtype), mask=np.zeros(N, dtype=bool), fill_value=99)
    values[[3, 7]] = np.ma.masked
    return values


@pytest.mark.parametrize("dtype", ["int16", "int64", "uint8", "float32", "float64"])
def test_masked_values_are_missing(dtype):
    for ppg in (masked(dtype), np.ma.stack([masked(dtype)] * 2, axis=1)):
        recording = make_recording(ppg=ppg, sampling_rate=20, wavelengths=["red", "green"][: ppg.ndim])
        assert np.flatnonzero(np.isnan(recording.ppg[:, 0])).tolist() == [3, 7]
        np.testing.assert_array_equal(np.delete(recording.ppg.values[:, 0], [3, 7]), np.delete(np.arange(N), [3, 7]))
    accel = 1 + np.ma.stack([masked(dtype)] * 3, axis=1)
    assert np.isnan(make_recording(accel=accel, sampling_rate=20).accel).sum() == 6


def test_a_mask_of_nothing_changes_nothing():
    values = np.ma.MaskedArray(np.arange(N))
    np.testing.assert_array_equal(make_recording(ppg=values, sampling_rate=20).ppg[:, 0], np.arange(N))


@pytest.mark.parametrize("dtype", ["Int64", "UInt8", "Float32"])
@pytest.mark.parametrize("kind", [pd.Series, pd.Index, pd.array, pd.DataFrame])
def test_pandas_missing_values_are_missing(dtype, kind):
    values = pd.array([None if i in (3, 7) else i for i in range(N)], dtype=dtype)
    recording = make_recording(ppg=kind(values), sampling_rate=20)
    assert np.flatnonzero(np.isnan(recording.ppg[:, 0])).tolist() == [3, 7]


def test_pandas_text_is_refused():
    with pytest.raises(ValueError, match="ppg cannot be read as numbers"):
        make_recording(ppg=pd.Series(["a"] * N), sampling_rate=20)


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_the_offset_is_an_attribute_and_survives_the_disk(tmp_path, dtype):
    pulse = np.round(300 * np.sin(np.arange(N) / 3))
    counts = np.stack([1.9e9 + pulse, pulse], axis=1).astype(dtype)
    recording = make_recording(ppg=counts, ecg=counts[:, 0], sampling_rate=20, wavelengths=["green", "red"])
    write(recording, tmp_path / "a.nc")
    for each in (recording, read(tmp_path / "a.nc")):
        offsets = np.asarray(each.ppg.attrs["offset_removed"])
        np.testing.assert_array_equal(each.ppg.values.astype(float) + offsets, counts)
        assert offsets[1] == 0
        np.testing.assert_array_equal(each.ecg.values.astype(float) + each.ecg.attrs["offset_removed"], counts[:, 0])
