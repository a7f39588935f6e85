"""E4 sessions, whole and broken."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from biosig.recordings import archives, read, read_empatica

START = 1495437325.0
ACC = f"{START}, {START}, {START}\n32.000000, 32.000000, 32.000000\n" + "64,-32,16\n0,0,-128\n" * 32
BVP = f"{START + 2.5}\n64.000000\n" + "0.50\n-1.25\n" * 64
FILES = {
    "ACC.csv": ACC,
    "BVP.csv": BVP,
    "IBI.csv": f"{START + 1}, IBI\n3.5,0.8\n4.4,0.9\n",
    "tags_S01.csv": f"{START + 9}\n{START + 5.5}\n",
    "HR.csv": "whatever",
}


def pack(path, files, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_zip_with_all_files(tmp_path):
    recording = read(pack(tmp_path / "S01.zip", FILES))
    assert recording.attrs == {
        "participant": "S01",
        "session": "S01",
        "device": "Empatica E4",
        "source": "S01.zip",
        "start_time": "2017-05-22T07:15:25Z",
    }
    np.testing.assert_allclose(recording.accel[:2], [[1.0, -0.5, 0.25], [0.0, 0.0, -2.0]])
    assert recording.accel.attrs["sampling_rate"] == 32.0
    np.testing.assert_allclose(recording.time_ppg[:2], [2.5, 2.5 + 1 / 64])
    np.testing.assert_allclose(recording.ppg[:2, 0], [0.5, -1.25])
    np.testing.assert_allclose(recording.time_ibi, [4.5, 5.4])
    np.testing.assert_allclose(recording.ibi, [0.8, 0.9])
    np.testing.assert_allclose(recording.time_tag, [5.5, 9.0])


def test_folder_and_nested_zip_give_the_same(tmp_path):
    folder = tmp_path / "S2_E4_Data"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    nested = {f"S2_E4_Data/{name}": text for name, text in FILES.items()} | {"__MACOSX/._ACC.csv": "x"}
    from_folder = read(folder)
    from_zip = read(pack(tmp_path / "S2.zip", nested))
    assert from_folder.attrs["participant"] == from_zip.attrs["participant"] == "S2"
    assert from_folder.drop_attrs().identical(from_zip.drop_attrs())


def test_names_can_be_given(tmp_path):
    attrs = read(pack(tmp_path / "S01.zip", FILES), participant="Ann", session="night 2").attrs
    assert (attrs["participant"], attrs["session"]) == ("Ann", "night 2")


@pytest.mark.parametrize("missing", [["ACC.csv"], ["BVP.csv"], ["IBI.csv", "tags_S01.csv", "HR.csv"]])
def test_a_session_may_lack_files(tmp_path, missing):
    recording = read(pack(tmp_path / "a.zip", {n: t for n, t in FILES.items() if n not in missing}))
    assert ("accel" in recording, "ppg" in recording) == ("ACC.csv" not in missing, "BVP.csv" not in missing)
    assert ("ibi" in recording) == ("IBI.csv" not in missing)


def test_signals_may_be_flat_missing_or_odd_in_form(tmp_path):
    flat = f"{START}\r\n64\r\n" + "0\r\n" * 100 + "\r\n"
    recording = read(pack(tmp_path / "a.zip", {"bvp.csv": "\ufeff" + flat, "IBI.csv": "", "tags.csv": "\n"}))
    assert recording.ppg.shape == (100, 1)
    assert "ibi" not in recording
    assert recording.sizes["time_tag"] == 0
    holes = f"{START},{START},{START}\n32,32,32\n1,,3\nnan,NaN,\n\n5,6,7\n"
    accel = read(pack(tmp_path / "b.zip", {"ACC.csv": holes, "IBI.csv": f"{START}, IBI\n"})).accel
    np.testing.assert_array_equal(np.isnan(accel).sum("axis"), [1, 3, 3, 0])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"HR.csv": "1\n1\n"}, "neither ACC.csv nor BVP.csv"),
        ({}, "neither ACC.csv nor BVP.csv"),
        ({"BVP.csv": ""}, "BVP.csv is empty or too short"),
        ({"BVP.csv": f"{START}\n64\n"}, "no samples"),
        ({"BVP.csv": f"{START}\n64\n1\nabc\n"}, "BVP.csv, line 4: 'abc' where a number was expected"),
        ({"BVP.csv": f"{START}\n64\n1\n1,2\n"}, "BVP.csv, line 4: 2 fields; expected 1"),
        ({"ACC.csv": ACC + "1,2,x\n"}, "ACC.csv, line 67: 'x'"),
        ({"BVP.csv": f"{START}\n0\n1\n"}, r"line 2: sampling rate 0.0 Hz"),
        ({"BVP.csv": f"{START}\n-64\n1\n"}, r"line 2: sampling rate -64.0 Hz"),
        ({"BVP.csv": f"{START}\nnan\n1\n"}, "line 2: 'nan'"),
        ({"BVP.csv": f"{START}\ninf\n1\n"}, "line 2: 'inf'"),
        ({"BVP.csv": f"{START}\nfast\n1\n"}, "line 2: 'fast'; expected the sampling rate"),
        ({"BVP.csv": "12\n64\n1\n"}, "line 1: start time 12.0; expected Unix time"),
        ({"BVP.csv": "noon\n64\n1\n"}, "line 1: 'noon'; expected the start time"),
        ({"ACC.csv": f"{START}\n32,32,50\n1,2,3\n"}, "line 2: '32,32,50'; expected the same"),
        ({"BVP.csv": bytes(range(256)) * 10}, "line 1"),
        ({"BVP.csv": BVP, "IBI.csv": f"{START}, IBI\n1,one\n"}, "IBI.csv, line 2: 'one'"),
        ({"BVP.csv": BVP, "tags.csv": "later\n"}, "tags.csv, line 1: 'later'"),
        ({"a/BVP.csv": BVP, "b/BVP.csv": BVP}, r"several sessions \(a, b\)"),
        ({"BVP.csv": BVP, "bvp.csv": BVP}, "both BVP.csv and bvp.csv"),
        ({"BVP.csv": BVP, "../evil.csv": "x"}, "'../evil.csv', which leads outside"),
        ({"BVP.csv": BVP, "/etc/passwd": "x"}, "'/etc/passwd', which leads outside"),
        ({"BVP.csv": BVP, "a\\..\\..\\b.csv": "x"}, "which leads outside"),
        ({"BVP.csv": BVP, "C:/b.csv": "x"}, "which leads outside"),
    ],
)
def test_bad_sessions_are_refused(tmp_path, files, message):
    with pytest.raises(ValueError, match=message):
        read(pack(tmp_path / "bad.zip", files))


def test_bad_archives_are_refused(tmp_path):
    path = pack(tmp_path / "bad.zip", FILES)
    content = path.read_bytes()
    at = content.index(b"BVP.csv")
    damaged = {
        "not a readable zip": b"this is no zip file",
        "truncated": content[: len(content) // 2],
        "damaged": content[: at + 12] + bytes(20) + content[at + 32 :],
    }
    for message, wrong in damaged.items():
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=message):
            read(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="not a readable zip"):
        read(path)


def test_encrypted_archive(tmp_path):
    content = bytearray(pack(tmp_path / "a.zip", {"BVP.csv": BVP}).read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ValueError, match="encrypted"):
        read(tmp_path / "a.zip")


def test_absurd_sizes(tmp_path, monkeypatch):
    path = pack(tmp_path / "a.zip", {"BVP.csv": f"{START}\n64\n" + "0\n" * 100_000, "ACC.csv": ACC})
    assert read(path).sizes["time_ppg"] == 100_000
    monkeypatch.setattr(archives, "RATIO_FROM", 1000)
    with pytest.raises(ValueError, match=r"more than 200-fold; refused"):
        read(path)
    monkeypatch.setattr(archives, "MAX_RATIO", 10**6)
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", 200_000)
    with pytest.raises(ValueError, match="expected at most"):
        read(path)
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 1000)
    with pytest.raises(ValueError, match="expected at most 1000 a file"):
        read(path)


def test_a_stream_longer_than_declared_is_refused(tmp_path):
    content = bytearray(pack(tmp_path / "a.zip", {"BVP.csv": BVP}).read_bytes())
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = content.index(signature) + at
        content[place : place + 4] = (40).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be unpacked|declares; refused"):
        read(tmp_path / "a.zip")


def test_real_sessions(data_folder):
    paths = sorted(data_folder.glob("*_e4/S*.zip"))
    if not paths:
        pytest.skip("no E4 sessions among the real recordings")
    for path in paths[::8]:
        recording = read_empatica(path)
        assert recording.accel.attrs["sampling_rate"] == 32.0
        assert recording.ppg.attrs["sampling_rate"] == 64.0
        magnitude = np.sqrt((recording.accel**2).sum("axis"))
        assert 0.95 < float(magnitude.median()) < 1.08
        assert 0.4 < float(recording.ibi.median()) < 1.5


def test_polarity_of_real_bvp(data_folder):
    """Blood volume up is value up: in clear pulses the rise is steeper than the fall."""
    from scipy import signal, stats

    sessions = [data_folder / "wesad_e4" / f"{name}.zip" for name in ("S4", "S6", "S9")]
    if not all(path.exists() for path in sessions):
        pytest.skip("the E4 sessions with the clearest pulses are not among the real recordings")
    band = signal.butter(3, (0.5, 8.0), "bandpass", fs=64.0, output="sos")
    for path in sessions:
        ppg = signal.sosfiltfilt(band, read_empatica(path).ppg.values[:, 0])
        windows = ppg[: len(ppg) // 1920 * 1920].reshape(-1, 1920)
        calm = windows.std(1) < np.median(windows.std(1))
        assert np.median(stats.skew(np.diff(windows[calm]), axis=1)) > 0.3
