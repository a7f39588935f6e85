"""Tables: columns, units and clocks are recognised, or an error says what to state."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from biosig.recordings import read, read_table

N = 50


def table(**columns):
    rng = np.random.default_rng(0)
    still = np.array([0.0, 0.6, 0.8]) + 0.01 * rng.standard_normal((N, 3))
    base = {"time_ms": 20 * np.arange(N), "acc_x": still[:, 0], "acc_y": still[:, 1], "acc_z": still[:, 2]}
    return pd.DataFrame({**base, "ppg": np.sin(np.arange(N)), **columns})


@pytest.mark.parametrize(("suffix", "separator"), [("csv", ","), ("csv", ";"), ("csv", "\t"), ("tsv", "\t")])
def test_separators(tmp_path, suffix, separator):
    table().to_csv(tmp_path / f"walk.{suffix}", sep=separator, index=False)
    recording = read(tmp_path / f"walk.{suffix}")
    assert recording.accel.attrs["sampling_rate"] == pytest.approx(50.0)
    np.testing.assert_allclose(recording.accel, table()[["acc_x", "acc_y", "acc_z"]], rtol=1e-6)
    np.testing.assert_allclose(recording.ppg[:, 0], table()["ppg"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(recording.time_ppg, 0.02 * np.arange(N))
    assert recording.attrs["participant"] == "walk"
    assert recording.attrs["accel_units_from"].startswith("inferred from 3 still segments")


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    stamps = pd.date_range("2024-05-01T08:30:00Z", periods=N, freq="20ms")
    table(time_ms=stamps).rename(columns={"time_ms": "time"}).to_parquet(tmp_path / "a.parquet")
    recording = read(tmp_path / "a.parquet")
    assert recording.attrs["start_time"] == "2024-05-01T08:30:00Z"
    np.testing.assert_allclose(recording.time_accel, 0.02 * np.arange(N), atol=1e-6)
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-100])
    with pytest.raises(ValueError, match="cannot be read as a Parquet table"):
        read(tmp_path / "b.parquet")
    table(acc_x=["a"] * N).to_parquet(tmp_path / "c.parquet")
    with pytest.raises(ValueError, match="something else than numbers"):
        read(tmp_path / "c.parquet")


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"pip install 'biosig-wear\[parquet\]'"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)])
def test_unix_times_tell_their_unit(tmp_path, unit, per_second):
    stamps = (np.round((1714552200 + np.arange(N) / 50) * 1000) * (per_second / 1000)).tolist()
    frame = table(time_ms=stamps).rename(columns={"time_ms": "timestamp"})
    frame.to_csv(tmp_path / "a.csv", index=False, float_format="%.3f")
    recording = read(tmp_path / "a.csv")
    assert recording.attrs["start_time"] == "2024-05-01T08:30:00Z"
    np.testing.assert_allclose(np.diff(recording.time_accel), 0.02, atol=1e-4)


def test_iso_times(tmp_path):
    stamps = pd.date_range("2024-05-01T10:30:00", periods=N, freq="20ms", tz="Europe/Paris").map(
        lambda s: s.isoformat()
    )
    table(time_ms=stamps).rename(columns={"time_ms": "datetime"}).to_csv(tmp_path / "a.csv", index=False)
    recording = read(tmp_path / "a.csv")
    assert recording.attrs["start_time"] == "2024-05-01T08:30:00Z"
    np.testing.assert_allclose(recording.time_ppg, 0.02 * np.arange(N), atol=1e-6)


def test_stated_columns_units_and_rate(tmp_path):
    frame = pd.DataFrame({"a": [9.80665, 0.0], "b": [0.0, 0.0], "c": [0.0, 19.6133], "ir1": [1.0, 2.0], "r1": [3, 4]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    recording = read_table(
        tmp_path / "a.csv",
        columns={"accel": ["a", "b", "c"], "ppg": {"infrared": "ir1", "red": "r1"}},
        units="m/s2",
        sampling_rate=25,
        invert_ppg=True,
        participant="Ann",
        start_time="2020-01-01T00:00:00Z",
    )
    np.testing.assert_allclose(recording.accel, [[1, 0, 0], [0, 0, 2]], atol=1e-6)
    np.testing.assert_array_equal(recording.ppg, [[-1, -3], [-2, -4]])
    assert recording.wavelength.values.tolist() == ["infrared", "red"]
    assert recording.accel.attrs["nominal_rate"] == 25
    assert recording.attrs["accel_units_from"] == "stated"
    assert recording.attrs["participant"] == "Ann"


def test_units_in_the_header(tmp_path):
    (tmp_path / "a.csv").write_text(
        "Phone timestamp;sensor timestamp [ns];X [mg];Y [mg];Z [mg]\n"
        + "".join(
            f"2022-04-25T11:39:36.{870 + 20 * i};{704201974831254116 + 20_000_000 * i};50;20;{i}\n" for i in range(5)
        )
    )
    recording = read(tmp_path / "a.csv")
    assert recording.accel.attrs["sampling_rate"] == pytest.approx(50, rel=1e-4)
    np.testing.assert_allclose(recording.accel[0], [0.05, 0.02, 0.0], atol=1e-7)
    assert recording.attrs["start_time"] == "2022-04-25T11:39:36.870000Z"  # the phone's, not the sensor's 1992


def test_missing_values_stay_and_single_copies_go(tmp_path):
    frame = table()
    frame.loc[3, "ppg"] = np.nan
    frame.loc[7] = frame.loc[6]
    frame.to_csv(tmp_path / "a.csv", index=False)
    recording = read(tmp_path / "a.csv")
    assert np.flatnonzero(np.isnan(recording.ppg[:, 0])).tolist() == [3]
    assert recording.sizes["time_ppg"] == N - 1
    assert recording.attrs["n_copies_dropped"] == 1


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "is empty"),
        ("time_s,ppg\n", {}, "no rows"),
        ("0,1\n2,3\n", {}, "line 1: '0,1' are numbers; expected column names"),
        ("time,ppg\n0,1\n20,2\n", {}, "neither its name nor its size tells the unit; state time_unit="),
        ("time,ppg\n0,1\n20,2\n", {"time_unit": "min"}, "time_unit is 'min'; expected one of"),
        ("time_s,ppg\n0,1\n1,high\n", {}, "line 3: 'high' where a number was expected"),
        ("time_s,ppg\n0,1\nlater,2\n", {}, "line 3: 'later'"),
        ("time_s,ppg\nnoon,1\nlater,2\n", {}, "neither numbers nor ISO 8601"),
        ("time_s,ppg\n0,1\n,2\n", {}, "row 2 of column 'time_s' has no time"),
        ("time_s,ppg\n1,1\n0,2\n", {}, "time runs backwards at row 2"),
        ("time_s,ppg\n0,1\n0,2\n0,3\n", {}, "too coarse to be a clock; state sampling_rate"),
        ("ppg,acc\n0,1\n", {}, "no time column"),
        ("a,b\n0,1\n", {}, "none is known as acceleration"),
        ("a,b\n0,1\n", {"columns": {"ppg": "green"}}, "has no column 'green'"),
        ("a,b\n0,1\n", {"columns": {"light": "a"}}, r"keys \['light'\]; expected time, accel"),
        ("a,b\n0,1\n", {"columns": {"accel": ["a", "b"]}}, "names 2 columns; expected 3"),
        ("x,y,z\n0,0,3\n", {"sampling_rate": 10}, "gravity in none of g"),
        ("x,y,z\n0,0,3\n", {"sampling_rate": 10, "units": "ft"}, "units of acceleration are 'ft'"),
        ("x,y,z\nnan,nan,nan\n", {"sampling_rate": 10}, "1 samples, of which 0 are known, show no still segment"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, options, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.csv", **options)


def test_real_tables(data_folder):
    watch = data_folder / "wrist_watch_samples" / "samsung_gear_sport.csv"
    phone = data_folder / "welltory_ppg" / "subject_02" / "PPG.csv"
    if not watch.exists() or not phone.exists():
        pytest.skip("the tables are not among the real recordings")
    recording = read(watch)
    assert recording.accel.attrs["sampling_rate"] == pytest.approx(19.6, abs=0.1)
    assert recording.attrs["accel_units_in_file"] == "m/s2"
    with pytest.raises(ValueError, match="state time_unit"):
        read(phone, columns={"ppg": {"red": "R"}})
    camera = read(phone, columns={"ppg": {"red": "R"}}, time_unit="ms")
    assert 25 < camera.ppg.attrs["sampling_rate"] < 35
