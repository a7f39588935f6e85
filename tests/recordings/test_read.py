"""Recognising formats and walking through folders."""

from __future__ import annotations

import numpy as np
import pytest

from biosig.recordings import make_recording, read, read_all, write
from tests.recordings.test_empatica import FILES, pack


def test_unknown_and_missing(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ValueError, match=r"no format that biosig knows; expected an Empatica E4 session"):
        read(tmp_path / "notes.txt")
    with pytest.raises(ValueError, match="no format"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"absent\.zip does not exist"):
        read(tmp_path / "absent.zip")
    with pytest.raises(ValueError, match="format is 'fitbit'; expected one of"):
        read(tmp_path / "notes.txt", format="fitbit")


def test_direct_children_first(tmp_path):
    for name in ("S10", "S2"):
        pack(tmp_path / f"{name}.zip", FILES)
    write(make_recording(ppg=np.arange(9.0), sampling_rate=3, participant="N"), tmp_path / "n.nc")
    (tmp_path / "index.csv").write_text("subject,minutes\nS2,3\n")
    (tmp_path / "S2_quest.csv").write_text("# Subj;S2\n")
    (tmp_path / "README.md").write_text("read me")
    (tmp_path / "._S2.zip").write_text("left by another system")
    example = tmp_path / "original_format_example" / "S2"
    example.mkdir(parents=True)
    (example / "BVP.csv").write_text(FILES["BVP.csv"])
    recordings, skipped = read_all(tmp_path, progress=False)
    assert [recording.attrs["participant"] for recording in recordings] == ["N", "S2", "S10"]
    assert skipped == []
    assert len(read_all(tmp_path, format="netcdf", progress=False)[0]) == 1
    below, _ = read_all(tmp_path / "original_format_example", progress=False)
    assert [recording.attrs["participant"] for recording in below] == ["S2"]
    assert len(read_all([example, tmp_path / "S10.zip"], progress=False)[0]) == 2


def test_one_bad_among_good(tmp_path):
    pack(tmp_path / "S1.zip", FILES)
    (tmp_path / "S2.zip").write_bytes(b"not a zip")
    recordings, skipped = read_all(tmp_path, progress=False)
    assert len(recordings) == 1
    assert [path.name for path, _ in skipped] == ["S2.zip"]
    assert "not a readable zip" in skipped[0][1]


def test_all_bad_empty_and_missing(tmp_path):
    with pytest.raises(ValueError, match="no recordings in"):
        read_all(tmp_path, progress=False)
    (tmp_path / "S1.zip").write_bytes(b"")
    pack(tmp_path / "S2.zip", {"HR.csv": ""})
    with pytest.raises(
        ValueError, match=r"none of 2 recordings could be read:\n.*S1\.zip: [^\n]*\n.*S2\.zip: .*neither"
    ):
        read_all(tmp_path, progress=False)
    with pytest.raises(FileNotFoundError):
        read_all(tmp_path / "absent", progress=False)
    with pytest.raises(ValueError, match="format is"):
        read_all(tmp_path, format="x")


def test_tables_count_only_when_asked_for(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one.csv").write_text("time_s,ppg\n0,1\n1,2\n")
    (tmp_path / "a" / "b" / "two.csv").write_text("time_s,ppg\n0,1\n1,2\n")
    (tmp_path / "index.csv").write_text("subject,minutes\nS2,3\n")
    with pytest.raises(ValueError, match="count only with format='table'"):
        read_all(tmp_path, progress=False)
    recordings, skipped = read_all(tmp_path, format="table", progress=False)
    assert [recording.attrs["participant"] for recording in recordings] == ["one", "two"]
    assert [path.name for path, _ in skipped] == ["index.csv"]


def test_same_name_in_two_folders(tmp_path):
    for folder in ("lab", "home"):
        (tmp_path / folder).mkdir()
        pack(tmp_path / folder / "S1.zip", FILES)
    with pytest.warns(UserWarning, match=r"S1\) occur in several folders"):
        read_all([tmp_path / "lab", tmp_path / "home"], progress=False)
    recordings, _ = read_all(tmp_path, participant=lambda path: f"{path.parent.name}/{path.stem}", progress=False)
    assert [recording.attrs["participant"] for recording in recordings] == ["home/S1", "lab/S1"]


def test_a_file_of_a_device_hides_no_recordings_beside_it(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("P1", "P2"):
        accel = np.array([0, 0, 1]) + 0.01 * rng.standard_normal((640, 3))
        write(make_recording(accel=accel, sampling_rate=64.0, participant=name, session=name), tmp_path / f"{name}.nc")
    (tmp_path / "ACC.csv").write_text("no numbers at all\n")
    recordings, skipped = read_all(tmp_path, progress=False)
    assert [recording.attrs["participant"] for recording in recordings] == ["P1", "P2"]
    assert [path for path, _ in skipped] == [tmp_path]
