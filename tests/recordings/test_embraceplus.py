"""EmbracePlus sessions made here as tiny Avro files, whole and broken; and the real ones, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from biosig.recordings import read, read_all, read_embraceplus, read_netcdf, write

fastavro = pytest.importorskip("fastavro", reason="the extra 'embrace' is not installed")

START = 1_600_000_000_000_000  # microseconds
REAL = Path(__file__).parents[3] / "shared" / "data" / "embraceplus_meditation"


def record(name, **fields):
    return {"type": "record", "name": name, "fields": [{"name": k, "type": t} for k, t in fields.items()]}


def numbers(kind):
    return {"type": "array", "items": kind}


SCHEMA = record(
    "empatica.format.avro.Session",
    timezone="int",
    enrollment=record("Enrollment", participantID="string"),
    deviceSn="string",
    rawData=record(
        "RawData",
        accelerometer=record(
            "InertialMeasurement",
            timestampStart="long",
            samplingFrequency="float",
            imuParams=record("ImuParams", physicalMin="int", physicalMax="int", digitalMin="int", digitalMax="int"),
            x=numbers("int"),
            y=numbers("int"),
            z=numbers("int"),
        ),
        bvp=record("Bvp", timestampStart="long", samplingFrequency="float", values=numbers("float")),
        systolicPeaks=record("SystolicPeaks", peaksTimeNanos=numbers("long")),
        tags=record("Tags", tagsTimeMicros=numbers("long")),
    ),
)


def pulse(seconds, rate=64.0, beat=1.25):
    """A pulse that rises in a fifth and falls in the rest of a beat."""
    phase = (np.arange(round(seconds * rate)) / rate * beat) % 1
    return np.where(phase < 0.2, phase / 0.2, (1 - phase) / 0.8)


def session(start=0.0, seconds=20.0, *, lead=0.5, inverted=True, peaks=None, rate=64.0, **changes):
    """Contents of one file that starts `start` s after START; the BVP starts `lead` s before the acceleration."""
    n = round(seconds * rate)
    at = START + round(start * 1e6)
    peaks = np.arange(0, seconds - 0.7, 0.8) if peaks is None else peaks
    content = {
        "timezone": -21600,
        "enrollment": {"participantID": "P1"},
        "deviceSn": "A",
        "rawData": {
            "accelerometer": {
                "timestampStart": at,
                "samplingFrequency": rate,
                "imuParams": {"physicalMin": -16, "physicalMax": 16, "digitalMin": -32768, "digitalMax": 32768},
                "x": list(range(n)),
                "y": [0] * n,
                "z": [2048] * n,
            },
            "bvp": {
                "timestampStart": at - round(lead * 1e6),
                "samplingFrequency": 64.0,
                "values": list((-1 if inverted else 1) * pulse(seconds)),
            },
            "systolicPeaks": {"peaksTimeNanos": [int(1000 * at + 1e9 * p) for p in peaks]},
            "tags": {"tagsTimeMicros": [at + 3_000_000]},
        },
    }
    for key, value in changes.items():
        holder = content
        *way, last = key.split("__")
        for step in way:
            holder = holder[step]
        holder[last] = value
    return content


def save(path, *contents, schema=SCHEMA, codec="deflate"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        fastavro.writer(stream, schema, contents, codec=codec)
    return path


NOTHING = {"timestampStart": 0, "samplingFrequency": 0.0, "values": []}
STILL = {
    "timestampStart": 0,
    "samplingFrequency": 0.0,
    "imuParams": dict.fromkeys(("physicalMin", "physicalMax", "digitalMin", "digitalMax"), 0),
    "x": [],
    "y": [],
    "z": [],
}


@pytest.mark.parametrize("inverted", [True, False])
def test_one_file(tmp_path, inverted):
    recording = read(save(tmp_path / "1-1-P1_1.avro", session(inverted=inverted)))
    assert recording.attrs["participant"] == "P1"
    assert recording.attrs["session"] == "1-1-P1_1"
    assert recording.attrs["device"] == "Empatica EmbracePlus"
    assert recording.attrs["start_time"] == "2020-09-13T12:26:39.500000Z"
    assert recording.attrs["utc_offset"] == -21600.0
    np.testing.assert_allclose(recording.accel[:3], [[0, 0, 1], [16 / 32768, 0, 1], [32 / 32768, 0, 1]], atol=1e-7)
    np.testing.assert_allclose(recording.time_accel[:2], [0.5, 0.5 + 1 / 64], atol=1e-6)
    np.testing.assert_allclose(recording.time_ppg[:2], [0.0, 1 / 64], atol=1e-6)
    np.testing.assert_allclose(recording.ppg[:, 0], pulse(20.0), atol=1e-6)
    assert recording.ppg.attrs["stored_polarity"] == ("inverted" if inverted else "upright")
    assert recording.ppg.attrs["polarity_confidence"] == 1.0
    np.testing.assert_allclose(recording.systolic_peak[:2], [0.5, 1.3], atol=1e-6)
    np.testing.assert_allclose(recording.ibi, 0.8, atol=1e-6)
    np.testing.assert_allclose(recording.time_ibi[0], 1.3, atol=1e-6)
    np.testing.assert_allclose(recording.time_tag, [3.5], atol=1e-6)


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_a_folder_keeps_gaps_and_drops_overlaps(tmp_path, codec):
    folder = tmp_path / "night"
    save(folder / "b.avro", session(19.9), codec=codec)  # overlaps the first by 0.1 s
    save(folder / "a.avro", session(0.0), codec=codec)
    save(folder / "c.avro", session(45.0), codec=codec)  # 5.1 s later than it could
    recording = read(folder)
    assert (recording.attrs["participant"], recording.attrs["session"]) == ("P1", "night")
    steps = np.diff(recording.time_accel)
    assert steps.min() > 0.5 / 64
    assert np.sum(steps > 1.5 / 64) == 1
    assert steps.max() == pytest.approx(5.1, abs=2 / 64)
    assert recording.sizes["time_accel"] in (3 * 1280 - 7, 3 * 1280 - 6)
    assert np.all(recording.ibi < 2.0)
    assert np.isclose(recording.ibi, 0.8, atol=1e-6).sum() >= 3 * 23
    reread = read_netcdf(write(recording, tmp_path / "night.nc") or tmp_path / "night.nc")
    np.testing.assert_array_equal(reread.systolic_peak, recording.systolic_peak)


def test_intervals_do_not_cross_gaps_of_the_bvp_nor_lost_beats(tmp_path):
    peaks = np.array([1.0, 2.0, 3.0, 8.0, 9.0])
    recording = read(save(tmp_path / "a.avro", session(peaks=peaks)))
    np.testing.assert_allclose(recording.time_ibi, [2.5, 3.5, 9.5], atol=1e-6)
    folder = tmp_path / "two"
    save(folder / "a.avro", session(0.0, 10.0, peaks=np.array([8.0, 9.0])))
    save(folder / "b.avro", session(11.0, 10.0, peaks=np.array([-0.3, 0.6])))
    recording = read(folder)
    np.testing.assert_allclose(recording.systolic_peak, [8.5, 9.5, 11.2, 12.1], atol=1e-6)
    np.testing.assert_allclose(recording.time_ibi, [9.5, 12.1], atol=1e-6)  # 9.5 to 11.2 encloses the gap


def test_a_beat_found_in_both_files_counts_once(tmp_path):
    save(tmp_path / "n" / "a.avro", session(0.0, 10.0, peaks=np.array([8.0, 9.0])))
    save(tmp_path / "n" / "b.avro", session(9.9, 10.0, peaks=np.array([-0.88, 0.1])))
    np.testing.assert_allclose(read(tmp_path / "n").systolic_peak, [8.5, 9.5, 10.5], atol=1e-6)


def test_a_file_twice_is_the_same_as_once(tmp_path):
    save(tmp_path / "n" / "a.avro", session())
    once = read(tmp_path / "n")
    save(tmp_path / "n" / "copy of a.avro", session())
    assert read(tmp_path / "n").identical(once)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"rawData__bvp": NOTHING}, (True, False)),
        ({"rawData__accelerometer": STILL}, (False, True)),
    ],
)
def test_a_session_may_lack_a_stream(tmp_path, changes, expected):
    recording = read(save(tmp_path / "a.avro", session(**changes)))
    assert ("accel" in recording, "ppg" in recording) == expected
    assert len(recording.ibi) > 20


def test_polarity_of_noise_and_of_a_flat_signal_stays_open(tmp_path):
    noise = np.random.default_rng(0).normal(size=1280).tolist()
    for name, values in {"noise": noise, "flat": [0.25] * 1280}.items():
        recording = read(save(tmp_path / f"{name}.avro", session(rawData__bvp__values=values)))
        assert recording.ppg.attrs["stored_polarity"] == "undetermined"
        np.testing.assert_allclose(recording.ppg[:, 0], values, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rawData__bvp__samplingFrequency": 0.0}, "BVP has 1280 samples at 0 Hz"),
        ({"rawData__accelerometer__samplingFrequency": 0.0}, "acceleration has 1280 samples at 0 Hz"),
        ({"rawData__accelerometer__samplingFrequency": float("nan")}, "at nan Hz"),
        ({"rawData__accelerometer__x": [1, 2]}, r"\[2, 1280, 1280\] samples in x, y, z"),
        ({"rawData__accelerometer__timestampStart": 0}, "starts at 0 s"),
        ({"rawData__bvp": NOTHING, "rawData__accelerometer": STILL}, "neither acceleration nor BVP"),
        ({"rawData__accelerometer__imuParams": STILL["imuParams"]}, "imuParams"),
    ],
)
def test_broken_streams_are_refused_with_what_was_expected(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(save(tmp_path / "a.avro", session(**changes)))
    assert "expected" in str(caught.value)


@pytest.mark.parametrize("cut", [0, 3, 600, 0.3, 0.9, -1])
def test_truncated_files_are_refused(tmp_path, cut):
    path = save(tmp_path / "a.avro", session())
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content)) if isinstance(cut, float) else cut])
    with pytest.raises(ValueError, match=r"a\.avro"):
        read(path)


def test_one_truncated_file_does_not_cost_the_night(tmp_path):
    save(tmp_path / "n" / "a.avro", session())
    broken = save(tmp_path / "n" / "b.avro", session(20.0))
    broken.write_bytes(broken.read_bytes()[:-200])
    with pytest.warns(UserWarning, match=r"1 of 2 files .* left out: b\.avro"):
        recording = read(tmp_path / "n")
    assert recording.attrs["left_out"].startswith("b.avro: ")
    assert recording.sizes["time_accel"] == 1280


def test_files_that_are_something_else_are_refused(tmp_path):
    other = record("Other", rate="int")
    with pytest.raises(ValueError, match="another schema: the record has the fields rate"):
        read(save(tmp_path / "a.avro", {"rate": 3}, schema=other))
    (tmp_path / "b.avro").write_text("time,x,y,z\n0,1,2,3\n")
    with pytest.raises(ValueError, match=r"b\.avro"):
        read(tmp_path / "b.avro")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"holds no \.avro file"):
        read_embraceplus(tmp_path / "empty")


def test_two_devices_or_participants_in_a_folder_are_refused(tmp_path):
    save(tmp_path / "d" / "a.avro", session())
    save(tmp_path / "d" / "b.avro", session(20.0, deviceSn="B"))
    with pytest.raises(ValueError, match=r"2 devices \(a.avro and b.avro\)"):
        read(tmp_path / "d")
    save(tmp_path / "p" / "a.avro", session())
    save(tmp_path / "p" / "b.avro", session(20.0, enrollment={"participantID": "P2"}))
    with pytest.raises(ValueError, match="2 participants"):
        read(tmp_path / "p")
    assert read(tmp_path / "p", participant="P1").attrs["participant"] == "P1"


def test_files_of_different_rates_are_refused(tmp_path):
    save(tmp_path / "d" / "a.avro", session())
    save(tmp_path / "d" / "b.avro", session(20.0, rate=32.0))
    with pytest.raises(ValueError, match="accelerometer at 64 and 32 Hz"):
        read(tmp_path / "d")


def test_all_sessions_of_a_folder(tmp_path):
    save(tmp_path / "day" / "a.avro", session())
    save(tmp_path / "P1-0" / "raw_data" / "v6" / "a.avro", session(500.0))
    recordings, skipped = read_all(tmp_path, progress=False)
    assert not skipped
    assert sorted(r.attrs["session"] for r in recordings) == ["day"]  # the nested one only without others beside it
    recordings, _ = read_all(tmp_path / "P1-0", progress=False)
    assert [r.attrs["session"] for r in recordings] == ["P1-0"]
    recordings, _ = read_all(tmp_path / "day", format="embraceplus", progress=False)
    assert len(recordings) == 1
    with pytest.raises(ValueError, match="no recordings"):
        read_all(tmp_path / "day", format="e4", progress=False)


def test_windows_of_such_a_session_are_cut(tmp_path):
    import biosig

    save(tmp_path / "n" / "a.avro", session(0.0, 40.0))
    save(tmp_path / "n" / "b.avro", session(40.0, 40.0))
    windows = biosig.segment(read(tmp_path / "n"), length=30.0, stride=10.0)
    assert windows.sizes["window"] >= 5
    assert np.isfinite(windows.accel).all()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real recordings are not at hand")
def test_real_sessions_are_read_whole():
    recordings, skipped = read_all(REAL, progress=False)
    assert not skipped
    for recording in recordings:
        assert recording.ppg.attrs["stored_polarity"] == "inverted"
        assert recording.accel.attrs["sampling_rate"] == pytest.approx(64.0, rel=1e-4)
        assert len(recording.ibi) > 0.99 * len(recording.systolic_peak)
        gravity = np.linalg.norm(np.median(recording.accel, axis=0))
        assert 0.3 < gravity < 1.3
