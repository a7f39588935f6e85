"""What programs write: gzip, preambles, decimal commas, Parquet of all types, intervals between beats."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from biosig.recordings import read, read_all, read_table, safe_files

N = 300


def wrist(n=N, rate=50.0):
    rng = np.random.default_rng(2)
    t = np.arange(n) / rate
    tilt = 0.7 * np.sin(2 * np.pi * t / 97)
    return np.stack([np.sin(tilt), 0 * t, np.cos(tilt)], 1) + 0.02 * rng.standard_normal((n, 3))


def rows(values=None, start="0", separator=",", decimal="."):
    values = wrist() if values is None else values
    lines = [separator.join([f"{i / 50:.2f}", *(f"{v:.4f}" for v in row)]) for i, row in enumerate(values)]
    return "\n".join(lines).replace(".", decimal) + "\n"


def check(recording):
    assert recording.accel.attrs["sampling_rate"] == pytest.approx(50)
    np.testing.assert_allclose(recording.accel, wrist(), atol=1e-4)


TABLE = "time_s,x,y,z\n" + rows()


@pytest.mark.parametrize("name", ["walk.csv.gz", "walk.tsv.gz", "walk.csv"])
def test_gzip(tmp_path, name):
    text = TABLE.replace(",", "\t") if "tsv" in name else TABLE
    (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    recording = read(tmp_path / name)
    check(recording)
    assert recording.attrs["participant"] == "walk"
    assert read_all(tmp_path, format="table", progress=False)[1] == []


def test_bad_gzip(tmp_path, monkeypatch):
    path = tmp_path / "a.csv.gz"
    whole = gzip.compress(TABLE.encode())
    for wrong in (whole[: len(whole) // 2], whole[:200] + bytes(50) + whole[250:], whole + b"\x1f\x8bxx"):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match="the gzip file is damaged or truncated"):
            read(path)
    monkeypatch.setattr(safe_files, "RATIO_FROM", 2**16)
    path.write_bytes(gzip.compress(b"time_s,x,y,z\n" + b"0,0,0,1\n" * 10**6))
    with pytest.raises(ValueError, match=r"expands from .* refused"):
        read(path)


@pytest.mark.parametrize(
    "preamble",
    [
        "# recorded by a watch\n# at home\n",
        "Device: watch\nSerial: 12345\nStarted, at noon\n\n",
        "Device,Watch\nSampling rate,50\n\n",
        'A "quoted name, never closed\n',
        "sep=,\n",
        "1,2,3\n",
    ],
)
def test_preambles_are_passed_over(tmp_path, preamble):
    (tmp_path / "a.csv").write_text(preamble + TABLE)
    check(read(tmp_path / "a.csv"))
    check(read(tmp_path / "a.csv", skip_rows=preamble.count("\n")))


def test_text_in_every_row_below_a_preamble(tmp_path):
    text = "Device,Watch\nRate,50\ntime_s,x,y,z,label\n" + rows().replace("\n", ",walking\n")
    (tmp_path / "a.csv").write_text(text)
    check(read(tmp_path / "a.csv"))


def test_skip_rows_that_are_no_number(tmp_path):
    (tmp_path / "a.csv").write_text(TABLE)
    for wrong in (-1, True, 1.5, "2", 10**6):
        with pytest.raises(ValueError, match="skip_rows is"):
            read(tmp_path / "a.csv", skip_rows=wrong)


def test_a_line_of_units_below_the_names(tmp_path):
    text = "Timestamp,Accel_X,Accel_Y,Accel_Z\nms,mg,mg,mg\n"
    values = np.round(wrist() * 1000)
    text += "\n".join(f"{20 * i},{x:.0f},{y:.0f},{z:.0f}" for i, (x, y, z) in enumerate(values))
    (tmp_path / "a.csv").write_text(text)
    recording = read(tmp_path / "a.csv")
    np.testing.assert_allclose(recording.accel, values / 1000, atol=1e-6)
    assert recording.attrs["accel_units_from"] == "header"
    assert recording.accel.attrs["sampling_rate"] == pytest.approx(50)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_comma(tmp_path, separator):
    (tmp_path / "a.csv").write_text(
        separator.join(["time_s", "x", "y", "z"]) + "\n" + rows(separator=separator, decimal=",")
    )
    with pytest.raises(
        ValueError, match=r"line 2: '0,00[0-9]*' where a number was expected: for a decimal comma state decimal=','"
    ):
        read(tmp_path / "a.csv")
    check(read(tmp_path / "a.csv", decimal=","))
    with pytest.raises(ValueError, match="decimal is ':'"):
        read(tmp_path / "a.csv", decimal=":")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path, encoding, end):
    text = ("time_s,x [m/s²],y [m/s²],z [m/s²]\n" + rows(9.80665 * wrist())).replace("\n", end)
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    recording = read(tmp_path / "a.csv")
    assert recording.attrs["accel_units_in_file"] == "m/s2"
    assert recording.sizes["time_accel"] == N


ACTILIFE = (
    "------------ Data File Created By ActiGraph GT9X ActiLife v6.13.4 Firmware v1.7.2 date format {order} at 50 Hz  "
    "Filter Normal -----------\nSerial Number: TAS1\nStart Time 08:30:00\nStart Date {date}\n"
    "Epoch Period (hh:mm:ss) {epoch}\nDownload Time 10:00:00\nDownload Date {date}\nCurrent Memory Address: 0\n"
    "Current Battery Voltage: 4.06     Mode = 12\n--------------------------------------------------\n"
)


@pytest.mark.parametrize(
    ("order", "date"), [("dd/MM/yyyy", "02/01/2024"), ("M/d/yyyy", "1/2/2024"), ("yyyy-MM-dd", "2024/01/02")]
)
@pytest.mark.parametrize("names", ["Accelerometer X,Accelerometer Y,Accelerometer Z\n", ""])
@pytest.mark.parametrize("tail", ["", ",,"])
def test_actilife(tmp_path, order, date, names, tail):
    preamble = ACTILIFE.format(order=order, date=date, epoch="00:00:00").replace("\n", tail + "\n")
    values = "\n".join(",".join(f"{v:.3f}" for v in row) for row in wrist())
    (tmp_path / "raw.csv").write_text(preamble + names + values)
    recording = read(tmp_path / "raw.csv")
    np.testing.assert_allclose(recording.accel, wrist(), atol=1e-3)
    assert recording.accel.attrs["sampling_rate"] == 50
    assert recording.attrs["start_time"] == "2024-01-02T08:30:00Z"
    assert recording.attrs["start_time_from"] == "preamble, taken for UTC"
    zoned = read(tmp_path / "raw.csv", timezone="America/New_York").attrs
    assert (zoned["start_time"], zoned["start_time_from"]) == ("2024-01-02T13:30:00Z", "preamble, in America/New_York")
    with pytest.warns(UserWarning, match="sampling_rate=100 Hz, but its preamble says 50 Hz"):
        assert read(tmp_path / "raw.csv", sampling_rate=100).accel.attrs["sampling_rate"] == 100


def test_actilife_with_time_stamps(tmp_path):
    preamble = ACTILIFE.format(order="dd/MM/yyyy", date="02/01/2024", epoch="00:00:00")
    stamps = pd.date_range("2024-01-02T08:30:00", periods=N, freq="20ms").strftime("%d/%m/%Y %H:%M:%S.%f").str[:-3]
    lines = [f"{s},{x:.3f},{y:.3f},{z:.3f}" for s, (x, y, z) in zip(stamps, wrist(), strict=True)]
    head = "Timestamp,Accelerometer X,Accelerometer Y,Accelerometer Z\n"
    (tmp_path / "raw.csv").write_text(preamble + head + "\n".join(lines))
    recording = read(tmp_path / "raw.csv")
    np.testing.assert_allclose(recording.time_accel, np.arange(N) / 50, atol=1e-6)
    assert recording.attrs["start_time"] == "2024-01-02T08:30:00Z"


def test_actilife_epochs_and_dates_that_do_not_fit(tmp_path):
    counts = "TimeStamp,axis1,axis2,axis3\n" + "0,1,2,3\n" * 9
    (tmp_path / "a.csv").write_text(ACTILIFE.format(order="dd/MM/yyyy", date="02/01/2024", epoch="00:01:00") + counts)
    with pytest.raises(ValueError, match=r"counts per epoch of 60 s, no acceleration; export the raw data"):
        read(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text(ACTILIFE.format(order="dd/MM/yyyy", date="13/31/2024", epoch="00:00:00") + counts)
    with pytest.raises(ValueError, match="does not fit its format"):
        read(tmp_path / "a.csv")


class TestParquet:
    """Types of Arrow, and metadata that is never interpreted."""

    pa = pytest.importorskip("pyarrow")

    def frame(self, **columns):
        values = wrist()
        return pd.DataFrame({**columns, **{axis: values[:, i] for i, axis in enumerate("xyz")}})

    stamps = pd.date_range("2024-05-01T08:30:00", periods=N, freq="20ms")

    @pytest.mark.parametrize(
        "time",
        [
            stamps,
            stamps.tz_localize("UTC"),
            stamps.tz_localize("UTC").tz_convert("Asia/Kolkata"),
            stamps.as_unit("us"),
            [stamp.isoformat() for stamp in stamps],
            pd.Categorical([stamp.isoformat() + "Z" for stamp in stamps]),
            pd.array([stamp.isoformat() for stamp in stamps], dtype="string"),
            [stamp.isoformat() + "+00:00[Europe/London]" for stamp in stamps],
            stamps.as_unit("ns").asi8,
            (stamps.as_unit("ns").asi8 // 10**6).astype("uint64"),
        ],
    )
    def test_time_columns(self, tmp_path, time):
        self.frame(time=time).to_parquet(tmp_path / "a.parquet")
        recording = read(tmp_path / "a.parquet")
        check(recording)
        assert recording.attrs["start_time"] == "2024-05-01T08:30:00Z"

    @pytest.mark.parametrize("name", ["time", None, "stamp of the sample"])
    def test_time_index(self, tmp_path, name):
        self.frame().set_index(self.stamps.rename(name)).to_parquet(tmp_path / "a.parquet")
        recording = read(tmp_path / "a.parquet")
        check(recording)
        assert recording.attrs["start_time"] == "2024-05-01T08:30:00Z"

    def test_local_times_in_a_stated_zone(self, tmp_path):
        local = pd.date_range("2024-10-27T00:59:58", periods=N, freq="20ms", tz="UTC").tz_convert("Europe/London")
        self.frame(time=local.tz_localize(None)).to_parquet(tmp_path / "a.parquet")
        recording = read(tmp_path / "a.parquet", timezone="Europe/London")
        check(recording)
        assert recording.attrs["start_time"] == "2024-10-27T00:59:58Z"

    @pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
    def test_durations(self, tmp_path, unit):
        freq = {"s": "1s"}.get(unit, "20ms")
        time = pd.timedelta_range("1s", periods=N, freq=freq).as_unit(unit)
        self.frame(elapsed=time).to_parquet(tmp_path / "a.parquet")
        recording = read(tmp_path / "a.parquet")
        assert recording.accel.attrs["sampling_rate"] == pytest.approx(1 if unit == "s" else 50)
        assert recording.attrs["start_time_from"] == "not known"

    @pytest.mark.parametrize("dtype", ["Int32", "UInt16", "Float32", "float16", "int8", "float64"])
    def test_missing_values_of_any_type(self, tmp_path, dtype):
        values = np.arange(N) % 100
        ppg = pd.array(values, dtype=dtype) if dtype[0].isupper() else values.astype(dtype)
        frame = pd.DataFrame({"time": self.stamps, "ppg": ppg})
        if dtype[0].isupper():
            frame.loc[[3, 7], "ppg"] = pd.NA
        try:
            frame.to_parquet(tmp_path / "a.parquet")
        except self.pa.ArrowNotImplementedError:
            pytest.skip(f"this version of pyarrow cannot write {dtype}")
        found = read(tmp_path / "a.parquet").ppg.values[:, 0]
        missing = [3, 7] if dtype[0].isupper() else []
        assert np.flatnonzero(np.isnan(found)).tolist() == missing
        np.testing.assert_array_equal(np.delete(found, missing), np.delete(values, missing))

    @pytest.mark.parametrize("column", [["a"] * N, [True] * N, [[1.0]] * N, [b"x"] * N, [{"a": 1}] * N])
    def test_other_types_are_refused(self, tmp_path, column):
        pd.DataFrame({"time": self.stamps, "ppg": column}).to_parquet(tmp_path / "a.parquet")
        with pytest.raises(ValueError, match="holds something else than numbers: column 'ppg' is of type"):
            read(tmp_path / "a.parquet")

    def test_missing_and_absurd_times(self, tmp_path):
        time = self.stamps.to_series(index=range(N))
        time[5] = pd.NaT
        self.frame(time=time).to_parquet(tmp_path / "a.parquet")
        with pytest.raises(ValueError, match="row 6 of column 'time' has no time"):
            read(tmp_path / "a.parquet")
        table = self.pa.table(
            {"time": self.pa.array(np.arange(N) + 2**62, self.pa.timestamp("ms")), "ppg": np.arange(N)}
        )
        self.pa.parquet.write_table(table, tmp_path / "a.parquet")
        with pytest.raises(ValueError, match="outside the years 1678 to 2262"):
            read(tmp_path / "a.parquet")
        long = self.pa.table({"time": ["x" * 10**6] * N, "ppg": np.arange(N)})
        self.pa.parquet.write_table(long, tmp_path / "a.parquet")
        with pytest.raises(ValueError, match="holds long texts; expected times"):
            read(tmp_path / "a.parquet")

    @pytest.mark.parametrize(
        "metadata",
        [
            b"no json",
            b"\xff\xfe",
            b"[" * 100_000,
            json.dumps({"index_columns": ["absent"], "columns": [{"name": None, "numpy_type": "object"}]}).encode(),
            json.dumps({"index_columns": [{"kind": "range", "start": 0, "stop": 10**18, "step": 1}]}).encode(),
            json.dumps({"columns": [{"field_name": "x", "numpy_type": "datetime64[ns, Mars/Olympus]"}]}).encode(),
        ],
    )
    def test_hostile_metadata_is_not_read(self, tmp_path, metadata):
        import pyarrow.parquet as pq

        table = self.pa.Table.from_pandas(self.frame(time=self.stamps)).replace_schema_metadata({b"pandas": metadata})
        pq.write_table(table, tmp_path / "a.parquet")
        check(read(tmp_path / "a.parquet"))

    def test_more_rows_than_a_file_can_hold(self, tmp_path):
        import pyarrow.parquet as pq

        table = self.pa.table({"time_ms": np.zeros(40_000_000, np.int8), "ppg": np.zeros(40_000_000, np.int8)})
        pq.write_table(table, tmp_path / "a.parquet")
        with pytest.raises(ValueError, match=r"promises 40000000 rows in \d+ bytes"):
            read(tmp_path / "a.parquet")

    def test_columns_of_the_same_name(self, tmp_path):
        import pyarrow.parquet as pq

        table = self.pa.Table.from_arrays([self.pa.array(np.arange(9.0))] * 2, names=["ppg", "ppg"])
        pq.write_table(table, tmp_path / "a.parquet")
        with pytest.raises(ValueError, match="several columns named 'ppg'"):
            read(tmp_path / "a.parquet", sampling_rate=10)


class TestIntervals:
    """Tables of RR, NN, PP and IBI intervals become `ibi`."""

    beats = 0.5 + np.cumsum(0.9 + 0.05 * np.sin(np.arange(60)))
    ibi = np.diff(beats)

    def write(self, tmp_path, head, **columns):
        path = tmp_path / "a.csv"
        path.write_text(
            head + "\n" + "".join(",".join(map(str, row)) + "\n" for row in zip(*columns.values(), strict=True))
        )
        return path

    @pytest.mark.parametrize(
        ("head", "scale"),
        [
            ("rr [ms]", 1e3),
            ("RR-interval", 1e3),
            ("ibi", 1.0),
            ("RR_interval_ms", 1e3),
            ("nn (s)", 1.0),
            ("PP-interval [ms]", 1e3),
        ],
    )
    def test_without_times(self, tmp_path, head, scale):
        recording = read(self.write(tmp_path, head, rr=np.round(self.ibi * scale, 6)))
        np.testing.assert_allclose(recording.ibi, self.ibi, atol=1e-6)
        np.testing.assert_allclose(recording.time_ibi, self.beats[1:] - self.beats[0], atol=1e-5)
        assert recording.attrs["ibi_times_from"] == "intervals added up"

    @pytest.mark.parametrize("head", ["time_s,rr", "time,rr", "timestamp (ms),rr"])
    def test_with_times(self, tmp_path, head):
        scale = 1e3 if "ms" in head else 1.0
        path = self.write(tmp_path, head, t=np.round(self.beats[1:] * scale, 6), rr=np.round(self.ibi * 1e3, 4))
        recording = read(path)
        np.testing.assert_allclose(recording.time_ibi, self.beats[1:] - self.beats[1], atol=1e-5)
        assert recording.attrs["ibi_times_from"] == "rows end the intervals"

    def test_rows_that_begin_their_interval(self, tmp_path):
        stamps = [(pd.Timestamp("2024-05-01T08:30:00") + pd.Timedelta(seconds=t)).isoformat() for t in self.beats[:-1]]
        recording = read(self.write(tmp_path, "time,ibi", t=stamps, rr=np.round(self.ibi, 6)))
        np.testing.assert_allclose(recording.time_ibi, self.beats[1:] - self.beats[0], atol=1e-5)
        assert recording.attrs["ibi_times_from"] == "rows begin the intervals"

    def test_missing_intervals(self, tmp_path):
        rr = np.round(self.ibi * 1e3).astype(object)
        rr[[10, 11]] = 0, ""
        with pytest.raises(ValueError, match=r"row 11 has no interval and there is no time column"):
            read(self.write(tmp_path, "rr", rr=rr))
        recording = read(self.write(tmp_path, "time_s,rr", t=self.beats[1:], rr=rr))
        assert np.flatnonzero(np.isnan(recording.ibi)).tolist() == [10, 11]

    @pytest.mark.parametrize(
        ("head", "values", "message"),
        [
            ("rr", [12.0, 13.0], "median interval is 12.5; expected intervals between beats"),
            ("rr [s]", [800, 900], "median interval is 850 s by the column name"),
            ("rr [ms]", [0.8, 0.9], "0.85 ms by the column name"),
            ("rr", ["", ""], "median interval is nan"),
            ("rr", [-800, -900], "median interval is nan"),
            ("rr", [800, 810, 1e308], "row 3 is .* s long"),
        ],
    )
    def test_bad_intervals(self, tmp_path, head, values, message):
        with pytest.raises(ValueError, match=message):
            read(self.write(tmp_path, head + ",other", rr=values, other=[0] * len(values)))

    def test_beside_other_sensors(self, tmp_path):
        n = 60 * 25
        t = np.arange(n) / 25
        rr = np.full(n, "", dtype=object)
        rr[np.searchsorted(t, self.beats[1:])] = np.round(self.ibi, 4)
        path = self.write(tmp_path, "time_s,ppg,rr", t=t, ppg=np.sin(t), rr=rr)
        assert "ibi" not in read(path)
        both = read(path, columns={"ppg": "ppg", "ibi": "rr"})
        assert both.ppg.attrs["sampling_rate"] == pytest.approx(25)
        np.testing.assert_allclose(both.ibi, self.ibi, atol=1e-4)
        np.testing.assert_allclose(both.time_ibi, t[np.searchsorted(t, self.beats[1:])])

    def test_intervals_have_no_rate(self, tmp_path):
        with pytest.raises(ValueError, match="intervals between beats, which have no sampling rate"):
            read(self.write(tmp_path, "rr", rr=self.ibi), sampling_rate=4)


@pytest.mark.parametrize("level", [1.9e9, -4.2e9, 2.0**40])
@pytest.mark.parametrize("invert", [False, True])
def test_counts_on_a_big_offset_keep_their_pulse(tmp_path, level, invert):
    pulse = np.round(300 * np.sin(np.arange(N) / 8))
    text = "time_s,green,ir,ecg\n" + "".join(
        f"{i / 50:.2f},{int(level + p)},{int(p)},{int(level + 2 * p)}\n" for i, p in enumerate(pulse)
    )
    (tmp_path / "a.csv").write_text(text)
    recording = read_table(tmp_path / "a.csv", invert_ppg=invert)
    sign = -1 if invert else 1
    offsets = recording.ppg.attrs["offset_removed"]
    np.testing.assert_array_equal(recording.ppg[:, 0].astype(float) + offsets[0], sign * (level + pulse))
    np.testing.assert_array_equal(recording.ppg[:, 1], sign * pulse)
    assert offsets[1] == 0
    ecg = recording.ecg.astype(float) + recording.ecg.attrs["offset_removed"]
    np.testing.assert_array_equal(ecg, level + 2 * pulse)


def test_unknown_units_of_intervals_are_refused(tmp_path):
    path = tmp_path / "rr.csv"
    path.write_text("time_s,rr [1/1024 s]\n" + "".join(f"{0.9 * i:.1f},{900 + i % 7}\n" for i in range(1, 60)))
    with pytest.raises(ValueError, match=r"intervals in units of '1/1024 s'; expected s or ms"):
        read(path)


@pytest.mark.parametrize("at", [0, -1])
def test_a_stray_time_at_either_end_is_dropped(tmp_path, at):
    t = 1714551000 + np.arange(3000) / 50
    t[at] = 0.0 if at == 0 else 4.1e9
    x = 0.01 * np.random.default_rng(0).standard_normal(3000)
    path = tmp_path / "log.csv"
    path.write_text(
        "timestamp,x [g],y [g],z [g]\n" + "".join(f"{a:.2f},{b:.4f},0,1\n" for a, b in zip(t, x, strict=True))
    )
    recording = read(path)
    assert recording.attrs["n_stray_times"] == 1 and recording.start_time.startswith("2024-05-01")
    assert recording["accel"].attrs["sampling_rate"] == pytest.approx(50, rel=1e-3)
