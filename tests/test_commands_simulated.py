"""``biosig pretrain`` and ``distill`` on simulated participants; what does not go together is refused in one line."""

from __future__ import annotations

import pytest

import biosig
from biosig.cli import main

SMALL = ["--minutes", "3", "--length", "20", "--rate", "32", "--buffer", "32", "--uses", "2", "--batch-size", "8"]


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("windows")
    assert main(["simulate", "--out", str(folder / "r"), "--participants", "2", "--minutes", "4", "--seed", "7"]) == 0
    assert main(["windows", str(folder / "r"), "--out", str(folder / "w"), "--length", "20", "--rate", "32"]) == 0
    return folder / "w"


def test_teacher_and_student_from_a_stream_with_recordings_mixed_in(tmp_path, windows, capsys):
    common = ["--simulate", "30", *SMALL, "--steps", "4", "--workers", "0"]
    mixed = ["--mix", str(windows), "--mix-fraction", "0.25", "--device", "watch:0.7", "e4:0.3"]
    teacher, student = str(tmp_path / "teacher"), str(tmp_path / "student")
    assert main(["pretrain", *common, *mixed, "--out", teacher]) == 0
    assert "of the time waiting for windows" in capsys.readouterr().out
    assert main(["distill", *common, "--teacher", teacher, "--out", student]) == 0
    assert biosig.load_encoder(student).config_["sampling_rate"] == 32
    assert main(["distill", *common, "--teacher", teacher, "--out", student]) == 0  # finished: nothing is repeated
    capsys.readouterr()
    assert main(["distill", *common, "--seed", "1", "--teacher", teacher, "--out", student]) == 2
    error = capsys.readouterr().err
    assert "data.simulated.seed is 0 there and 1 here" in error and error.count("biosig: error") == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "neither WINDOWS nor --simulate is given"),
        (["w.nc", "--simulate", "9"], "both windows (w.nc) and --simulate are given"),
        (["w.nc", "--uses", "2", "--mix-fraction", "0.5"], "--uses, --mix-fraction without --simulate"),
        (["w.nc", "--workers", "2"], "--workers without --simulate"),
        (["--simulate", "9", "--mix-fraction", "0.5"], "--mix-fraction without --mix"),
        (["--simulate", "9", "--device", "watch:0.5", "e4"], "some of --device have a fraction"),
        (["--simulate", "9", "--device", "watch:1", "watch:2"], "expected each once"),
        (["--simulate", "9", "--device", "clock"], "device is 'clock'"),
        (["--simulate", "9", "--minutes", "0.5"], "give no window"),
        (["--simulate", "9", "--mix", "nowhere"], "nowhere does not exist"),
    ],
)
def test_what_does_not_go_together(tmp_path, capsys, given, message):
    assert main(["pretrain", *given, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
