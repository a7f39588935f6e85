"""The steps one by one: windows, pretrain, distill, embed; killed and repeated, and given what is wrong."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import biosig
from biosig.cli import main
from biosig.signals.storage import open_window_files, write_windows
from tests.test_cli import BIOSIG, fails_in_one_line

QUICK = ["--steps", "3", "--batch-size", "8", "--jobs", "1"]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    assert main(["simulate", "--out", str(folder), "--participants", "3", "--minutes", "6"]) == 0
    return folder


@pytest.fixture(scope="module")
def windows(recordings, tmp_path_factory):
    """A folder with a file of windows for each recording."""
    folder = tmp_path_factory.mktemp("windows")
    assert main(["windows", str(recordings), "--out", str(folder), "--length", "20", "--rate", "32"]) == 0
    return folder


@pytest.fixture(scope="module")
def teacher(windows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoders") / "teacher"
    assert main(["pretrain", str(windows), "--out", str(folder), *QUICK]) == 0
    return folder


def test_windows_in_one_file_and_in_a_folder_are_the_same(recordings, windows, tmp_path, capsys):
    out = tmp_path / "all.nc"
    assert main(["windows", str(recordings), "--out", str(out), "--length", "20", "--rate", "32"]) == 0
    assert f"windows of 3 participants in {out}" in capsys.readouterr().out
    parts = open_window_files([windows])
    whole = open_window_files([out])[0]
    assert len(parts) == 3 and whole.sizes["sample"] == 640
    for name in ("accel", "ppg", "participant", "start"):
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), whole[name])
    assert (
        main(["windows", str(recordings), "--out", str(out), "--length", "20", "--rate", "32", "--all", "--overwrite"])
        == 0
    )
    assert open_window_files([out])[0].sizes["window"] == 3 * 17 > whole.sizes["window"]


def test_windows_come_back_as_they_were_cut(tmp_path):
    recording = biosig.simulate_cohort(1, 120, random_state=0)[0]
    cut = biosig.segment(recording, length=30)
    back = open_window_files([write_windows(cut, tmp_path / "w.nc")])[0]
    for name in ("accel", "ppg", "participant", "session", "start", "motion", "posture"):
        np.testing.assert_array_equal(back[name], cut[name])
    assert back.attrs["sampling_rate"] == 64


def test_encoders_and_embeddings(windows, teacher, tmp_path, capsys):
    student = tmp_path / "student"
    assert main(["distill", str(windows), "--teacher", str(teacher), "--out", str(student), *QUICK]) == 0
    assert "DistilledEncoder after 3 steps (last loss" in capsys.readouterr().out
    for suffix in ("nc", "csv"):
        assert main(["embed", str(windows), "--encoder", str(student), "--out", str(tmp_path / f"z.{suffix}")]) == 0
    encoder, parts = biosig.load_encoder(student), open_window_files([windows])
    expected = encoder.transform(np.concatenate([part["accel"] for part in parts]))
    with xr.open_dataset(tmp_path / "z.nc", engine="scipy") as stored:
        np.testing.assert_allclose(stored["embedding"], expected, atol=1e-5)
        assert list(stored["participant"].values) == [p for part in parts for p in part["participant"].values]
    table = pd.read_csv(tmp_path / "z.csv")
    assert list(table.columns[:3]) == ["participant", "session", "start"]
    np.testing.assert_allclose(table.iloc[:, 3:], expected, atol=1e-5)


def test_contrastive_pretraining(windows, tmp_path, capsys):
    arguments = ["pretrain", str(windows), "--out", str(tmp_path / "c"), "--modality", "accel", *QUICK]
    assert main([*arguments, "--method", "contrastive"]) == 0
    assert biosig.load_encoder(tmp_path / "c").config_["modality"] == "accel"


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
def test_a_killed_command_goes_on_when_repeated(windows, tmp_path, capsys):
    long = ["--steps", "25", "--batch-size", "8", "--jobs", "1", "--checkpoint-every", "0", "--validation", "0.3"]
    command = ["pretrain", str(windows), *long, "--out"]
    process = subprocess.Popen([*BIOSIG, *command, str(tmp_path / "killed")], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed" / "checkpoint" / "last.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=60) == -9 and not (tmp_path / "killed" / "config.json").exists()
    assert "config.json is missing" in fails_in_one_line(
        capsys, "embed", str(windows), "--encoder", str(tmp_path / "killed"), "--out", str(tmp_path / "z.nc")
    )
    for folder in ("killed", "whole"):
        assert main([*command, str(tmp_path / folder)]) == 0
    whole, killed = (biosig.load_encoder(tmp_path / folder).weights_ for folder in ("whole", "killed"))
    for name, values in whole.items():
        np.testing.assert_array_equal(values, killed[name])


class TestBadInput:
    def test_windows(self, recordings, windows, tmp_path, capsys):
        nowhere, out = str(tmp_path / "nowhere"), str(tmp_path / "out.nc")
        assert "nowhere does not exist" in fails_in_one_line(capsys, "windows", nowhere, "--out", out)
        said = fails_in_one_line(capsys, "windows", str(recordings), "--out", out, "--length", "9999")
        assert "none of the 3 recordings gave a window" in said and "shorter length" in said
        said = fails_in_one_line(capsys, "windows", str(recordings), "--out", out, "--max-motion", "1e-6")
        assert "no window passes the gate" in said
        again = ["windows", str(recordings), str(recordings), "--out", str(tmp_path / "twice"), "--length", "20"]
        assert main(again) == 0
        assert capsys.readouterr().out.count("another recording of this run is called") == 3
        assert not (tmp_path / "out.nc").exists()

    @pytest.mark.parametrize("content", [b"", b"nonsense", b"CDF\x01\x00\x00", b"\x89HDF\r\n\x1a\n"])
    def test_damaged_windows(self, tmp_path, capsys, content):
        (tmp_path / "bad.nc").write_bytes(content)
        said = fails_in_one_line(capsys, "pretrain", str(tmp_path), "--out", str(tmp_path / "encoder"))
        assert "bad.nc" in said and not (tmp_path / "encoder").exists()

    def test_no_windows(self, recordings, tmp_path, capsys):
        said = fails_in_one_line(capsys, "pretrain", str(recordings), "--out", str(tmp_path / "encoder"))
        assert "holds no windows" in said
        (tmp_path / "empty").mkdir()
        assert "no .nc files" in fails_in_one_line(capsys, "pretrain", str(tmp_path / "empty"), "--out", "x")

    def test_windows_of_different_forms(self, recordings, windows, tmp_path, capsys):
        shutil.copy(next(windows.iterdir()), tmp_path / "a.nc")
        assert main(["windows", str(recordings), "--out", str(tmp_path / "b.nc"), "--length", "30"]) == 0
        said = fails_in_one_line(capsys, "pretrain", str(tmp_path), "--out", str(tmp_path / "encoder"))
        assert "b.nc holds" in said and "at 64 Hz" in said and "at 32 Hz" in said

    def test_encoders(self, recordings, windows, teacher, tmp_path, capsys):
        out = str(tmp_path / "out")
        said = fails_in_one_line(capsys, "distill", str(windows), "--teacher", str(tmp_path), "--out", out)
        assert "config.json is missing" in said
        said = fails_in_one_line(capsys, "pretrain", str(windows), "--out", str(teacher), "--steps", "4")
        assert "another training" in said and "options.steps is 3 there and 4 here" in said
        shutil.copytree(teacher, tmp_path / "bare", ignore=shutil.ignore_patterns("checkpoint"))
        said = fails_in_one_line(capsys, "pretrain", str(windows), "--out", str(tmp_path / "bare"))
        assert "already holds an encoder" in said
        said = fails_in_one_line(capsys, "pretrain", str(windows), "--out", out, "--size", "gigantic")
        assert "gigantic" in said
        said = fails_in_one_line(capsys, "pretrain", str(windows), "--out", out, "--patience", "3")
        assert "nothing is held out" in said
        (tmp_path / "file").write_text("")
        assert "is a file" in fails_in_one_line(capsys, "pretrain", str(windows), "--out", str(tmp_path / "file"))

    def test_a_teacher_or_an_encoder_of_another_rate(self, recordings, teacher, tmp_path, capsys):
        out = str(tmp_path / "fast.nc")
        assert main(["windows", str(recordings), "--out", out, "--length", "20"]) == 0
        said = fails_in_one_line(capsys, "distill", out, "--teacher", str(teacher), "--out", str(tmp_path / "s"))
        assert "sampling_rate 32" in said
        said = fails_in_one_line(capsys, "embed", out, "--encoder", str(teacher), "--out", str(tmp_path / "z.nc"))
        assert "at 64 Hz, the encoder takes 32 Hz" in said
        said = fails_in_one_line(capsys, "embed", out, "--encoder", str(teacher), "--out", str(tmp_path / "z.txt"))
        assert ".nc or .csv" in said

    @pytest.mark.parametrize("wrong", [["--validation", "1.5"], ["--steps", "0"], ["--method", "magic"]])
    def test_wrong_words(self, windows, wrong, capsys):
        with pytest.raises(SystemExit) as caught:
            main(["pretrain", str(windows), "--out", "x", *wrong])
        assert caught.value.code == 2 and "Traceback" not in capsys.readouterr().err


def test_evaluate_measures_trained_encoders_without_training(recordings, tmp_path, capsys):
    given = ["--train", str(recordings), "--folds", "3"]
    assert main(["evaluate", "accel-small", "ppg-small", *given, "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["reference"] == "accel-small" and not found["training"] and not found["retrieval"]
    rows = {row["encoder"]: row for row in found["comparison"] if row["target"] == "heart_rate"}
    assert {"accel-small", "ppg-small", "hand-crafted features", "training mean"} <= rows.keys()
    assert rows["ppg-small"]["mae"] < rows["training mean"]["mae"]
    assert (tmp_path / "out" / "report.html").exists()


def test_evaluate_refuses_encoders_of_different_windows(recordings, teacher, tmp_path, capsys):
    out = str(tmp_path / "out")
    said = fails_in_one_line(capsys, "evaluate", "accel-small", str(teacher), "--train", str(recordings), "--out", out)
    assert "20 s at 32 Hz, 60 s at 64 Hz" in said


def test_evaluate_refuses_a_file_as_the_folder_for_results(recordings, tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    said = fails_in_one_line(
        capsys, "evaluate", "accel-small", "--train", str(recordings), "--out", str(tmp_path / "out")
    )
    assert "out is a file; give the name of a folder" in said and (tmp_path / "out").read_text() == "mine"
