"""The contract of a Recording: building, checking, writing and reading back."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from biosig.recordings import make_recording, read, read_netcdf, validate, write
from biosig.recordings.contract import iso_time, measured_rate, parse_start


def example(**changes):
    rng = np.random.default_rng(0)
    options = {
        "accel": rng.standard_normal((64, 3)),
        "ppg": rng.standard_normal((128, 2)),
        "ibi": [0.8, 0.9],
        "tag": [1.5, 0.5],
        "time": {"ibi": [0.8, 1.7]},
        "sampling_rate": {"accel": 32.0, "ppg": 64.0},
        "offset": {"ppg": 0.25},
        "wavelengths": ["green", "infrared"],
        "participant": "Zoë",
        "start_time": "2024-05-01T08:30:00Z",
        "attrs": {"age": 33.5, "sex": "female", "n_children": 2},
    }
    return make_recording(**{**options, **changes})


def test_sensors_keep_their_own_clocks():
    recording = example()
    assert recording.accel.dims == ("time_accel", "axis")
    assert recording.ppg.dims == ("time_ppg", "wavelength")
    assert recording.accel.dtype == np.float32
    np.testing.assert_allclose(recording.time_accel, np.arange(64) / 32)
    np.testing.assert_allclose(recording.time_ppg, 0.25 + np.arange(128) / 64)
    assert recording.ppg.attrs == {"units": "a.u.", "sampling_rate": 64.0, "nominal_rate": 64.0}
    assert recording.time_tag.values.tolist() == [0.5, 1.5]


def test_one_column_ppg_is_green():
    recording = make_recording(ppg=np.arange(10.0), sampling_rate=50)
    assert recording.wavelength.values.tolist() == ["green"]
    assert recording.ppg.shape == (10, 1)


def test_infinite_and_huge_values_are_missing():
    recording = make_recording(accel=[[np.inf, 1e300, 1.0], [0.0, np.nan, 2.0]], sampling_rate=10)
    np.testing.assert_array_equal(np.isnan(recording.accel.values), [[True, True, False], [False, True, False]])


def test_the_given_array_stays_untouched():
    ppg = np.array([[np.inf], [1.0]], dtype=np.float32)
    make_recording(ppg=ppg, sampling_rate=1)
    assert np.isinf(ppg[0, 0])


@pytest.mark.parametrize("values", [np.full(100, np.nan), np.zeros(100), np.ones(1), np.zeros(0)])
def test_hopeless_signals_are_recordings(values):
    assert validate(make_recording(ppg=values, sampling_rate=64)).ppg.shape == (len(values), 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"accel": np.zeros((3, 64))}, r"accel has shape \(3, 64\); expected \(n_samples, 3\): transpose"),
        ({"accel": [["a", "b", "c"]]}, "accel cannot be read as numbers"),
        ({"sampling_rate": {"accel": 32}}, "no clock for ppg: give sampling_rate="),
        ({"sampling_rate": {"accel": -1, "ppg": 64}}, "sampling_rate of accel is -1"),
        ({"time": {}}, "no clock for ibi"),
        ({"time": {"ibi": [1.0]}}, r"time of ibi has shape \(1,\); expected one time for each sample: \(2,\)"),
        ({"time": {"ibi": [1.0, 2.0], "accel": np.zeros(64)}}, "time_accel does not increase at sample 1"),
        ({"time": {"ibi": [1.0, np.nan]}}, "time_ibi has 1 missing times"),
        ({"wavelengths": None}, "ppg has 2 columns; name them"),
        ({"wavelengths": ["green", "green"]}, "expected 2 different names"),
        ({"start_time": "yesterday"}, "start_time is 'yesterday'; expected ISO 8601"),
        ({"participant": 3}, "'participant' of the recording is 3; expected text"),
    ],
)
def test_builder_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        example(**changes)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda r: r.drop_vars(["accel", "ppg", "ibi"]), "has no sensor"),
        (lambda r: r.assign(accel=r.accel.astype("float64")), "accel holds float64; expected float32"),
        (lambda r: r.assign(accel=r.accel.transpose()), "accel has dimensions"),
        (lambda r: r.assign_coords(axis=["a", "b", "c"]), r"axis of accel is \['a', 'b', 'c'\]"),
        (lambda r: r.drop_vars("axis"), "axis of accel is None"),
        (lambda r: r.assign_coords(wavelength=[530, 940]), "wavelength of ppg"),
        (lambda r: r.drop_vars("wavelength"), "wavelength of ppg"),
        (lambda r: r.drop_vars("time_ppg"), "time coordinate time_ppg is missing"),
        (lambda r: r.assign_coords(time_ppg=np.arange(128)), "time_ppg holds int64"),
        (lambda r: r.assign(accel=r.accel.assign_attrs(units="m/s2")), "units of accel are 'm/s2'; expected 'g'"),
        (lambda r: r.assign(ppg=r.ppg.assign_attrs(sampling_rate=100.0)), "its timestamps run at 64 Hz"),
        (lambda r: r.assign(ppg=r.ppg.assign_attrs(sampling_rate="64")), "sampling_rate of ppg is '64'"),
        (lambda r: r.assign_attrs(source=None), "'source' of the recording is None"),
        (lambda r: r.accel, "a recording is a DataArray; expected an xarray.Dataset"),
    ],
)
def test_validate_refuses(harm, message):
    with pytest.raises(ValueError, match=message):
        validate(harm(example()))


@given(st.floats(0.5, 500), st.integers(3, 200), st.integers(0, 10**6))
def test_measured_rate_ignores_gaps(rate, n, gap):
    times = np.arange(2 * n) / rate
    times[n:] += gap
    assert measured_rate(times) == pytest.approx(rate, rel=0.05 if n < 20 else 1e-3)


def test_times():
    assert iso_time(0) == "1970-01-01T00:00:00Z"
    assert parse_start("2024-05-01T10:30:00+02:00").isoformat() == "2024-05-01T08:30:00+00:00"
    assert parse_start("2024-05-01T08:30:00").utcoffset().total_seconds() == 0


def test_netcdf_round_trip(tmp_path):
    recording = example()
    path = write(recording, tmp_path / "a.nc")
    xr.testing.assert_identical(read(path), recording)
    assert type(read(path).attrs["age"]) is float


def test_netcdf_keeps_missing_and_empty(tmp_path):
    recording = make_recording(ppg=np.full(5, np.nan), tag=[], sampling_rate=1)
    xr.testing.assert_identical(read_netcdf(write(recording, tmp_path / "a.nc")), recording)


def test_failed_write_leaves_the_old_file(tmp_path):
    path = write(example(), tmp_path / "a.nc")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="cannot be written"):
        write(example().assign_attrs(bad={"a": 1}), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.nc"]
    with pytest.raises(ValueError, match=r"ends in \.nc"):
        write(example(), tmp_path / "a.txt")


def test_damaged_netcdf(tmp_path):
    path = write(example(), tmp_path / "a.nc")
    content = path.read_bytes()
    half = content[: len(content) // 2]
    for damaged in (half, content[:40], b"", b"\x89HDF\r\n" + content, content[:8] + b"\xff" * 60):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="netCDF"):
            read(path)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="expected at most 10"):
        read(path, max_bytes=10)


@given(st.integers(0, 400), st.integers(0, 255))
def test_netcdf_with_a_changed_header_byte_never_crashes(position, value):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = write(make_recording(ppg=np.arange(8.0), sampling_rate=4), Path(folder) / "a.nc")
        content = bytearray(path.read_bytes())
        content[position] = value
        path.write_bytes(content)
        try:
            validate(read_netcdf(path))
        except ValueError as error:
            assert str(error)


@pytest.mark.parametrize("scale", [1e3, 1e6, 1e9])
def test_times_that_are_not_in_seconds_are_refused(scale):
    t, accel = np.arange(640) / 64, np.random.default_rng(0).standard_normal((640, 3))
    with pytest.raises(ValueError, match=r"expected seconds since start_time: of milliseconds write time / 1000"):
        make_recording(accel=accel, time=scale * t)


@pytest.mark.parametrize("kind", ["datetime64[ns]", "timedelta64[us]"])
def test_dates_are_refused_as_times(kind):
    dates = (np.arange(640) * 15_625).astype("timedelta64[us]")
    dates = (np.datetime64("2024-01-01") + dates).astype(kind) if kind.startswith("d") else dates
    with pytest.raises(ValueError, match=r"expected numbers, seconds since start_time: of dates write"):
        make_recording(ppg=np.zeros(640), time=dates)
