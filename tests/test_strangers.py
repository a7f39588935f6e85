"""The command among closed and broken streams, errors that nobody foresaw, and targets that cannot be written."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from biosig import cli
from biosig._reasons import one_line, reason
from biosig.cli import main
from biosig.commands.streams import Forgiving
from tests.signals.test_storage import cut
from tests.test_cli import BIOSIG, fails_in_one_line

posix = pytest.mark.skipif(sys.platform == "win32", reason="streams of POSIX")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    assert main(["simulate", "--out", str(folder), "--participants", "3", "--minutes", "3"]) == 0
    return folder


@posix
@pytest.mark.parametrize(
    ("redirect", "status"), [("2>&-", 0), (">&- 2>&- <&-", 0), ("2>/dev/full", 0), (">/dev/full", 2), ("| true", 0)]
)
def test_streams_do_not_stop_a_command(recordings, tmp_path, redirect, status):
    if "full" in redirect and not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    command = " ".join([*BIOSIG, "windows", str(recordings), "--out", str(tmp_path / "w"), "--length", "20"])
    done = subprocess.run(["bash", "-c", f"{command} {redirect}; exit ${{PIPESTATUS[0]}}"], capture_output=True)
    assert done.returncode == status, done.stderr
    assert len(list((tmp_path / "w").glob("*.nc"))) == 3


@posix
def test_a_pipe_that_nobody_reads_does_not_block_for_ever():
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        stream = Forgiving(pipe, patience=0.01)
        thread = threading.Thread(target=lambda: [stream.write("x" * 5000) for _ in range(50)], daemon=True)
        thread.start()
        thread.join(20)
        assert not thread.is_alive() and stream.failure() is None
        while len(os.read(reading, 65536)) == 65536:
            pass
        assert stream.write("y") == 1
        os.close(reading)
        assert stream.write("z" * 9000) == 9000 and stream.failure() is None


def test_what_nobody_foresaw_is_one_line_and_a_file(tmp_path, monkeypatch, capsys):
    def fail(options):
        raise KeyError("x" * 500_000)

    monkeypatch.setattr(cli, "_doctor", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["doctor"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and len(said) < 1000 and "unexpected error: KeyError" in said and "report it" in said
    (path,) = tmp_path.iterdir()
    assert str(path) in said and stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert "Traceback" in text and "Python" in text and len(text) < 200_000
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert main(["doctor"]) == 1 and "could not be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("a\nb"), 2), (RecursionError("deep"), 1), (AssertionError(), 1), (MemoryError(), 2)],
)
def test_exit_status_says_what_kind_of_error_it_was(error, status, monkeypatch, capsys):
    def fail(options):
        raise error

    monkeypatch.setattr(cli, "_doctor", fail)
    assert main(["doctor"]) == status and capsys.readouterr().err.count("\n") == 1


def test_reasons_name_what_was_not_foreseen_and_stop_at_what_is_of_the_machine():
    assert reason(KeyError("BVP")) == "KeyError: 'BVP'" and reason(ValueError("short\nline")) == "short line"
    for number in (24, 28):
        with pytest.raises(OSError, match=os.strerror(number)):
            reason(OSError(number, os.strerror(number)))
    assert "ulimit -n" in one_line(OSError(24, "Too many open files"))


class TestTargets:
    @pytest.mark.parametrize("command", ["simulate", "windows", "pretrain", "embed", "experiment", "demo"])
    def test_are_looked_at_before_the_work(self, command, recordings, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr("biosig.recordings.read_all", None)
        monkeypatch.setattr("biosig.recordings.simulate_cohort", None)
        cut().to_netcdf(tmp_path / "w.nc", engine="scipy")
        (tmp_path / "file").write_text("mine")
        given = {
            "simulate": [],
            "windows": [str(recordings)],
            "pretrain": [str(tmp_path / "w.nc")],
            "embed": ["nothing.nc", "--encoder", "nothing"],
            "experiment": ["--train", str(recordings)],
            "demo": [],
        }[command]
        name = "z.csv" if command == "embed" else "out"
        for target in (tmp_path / "file" / name, tmp_path / "file"):
            said = fails_in_one_line(capsys, command, *given, "--out", str(target))
            assert "file" in said and "expected a folder" not in said
        assert (tmp_path / "file").read_text() == "mine"

    def test_of_embed(self, tmp_path, capsys):
        (tmp_path / "folder.nc").mkdir()
        given = ["embed", "nothing.nc", "--encoder", "nothing", "--out"]
        assert "is a folder" in fails_in_one_line(capsys, *given, str(tmp_path / "folder.nc"))
        assert "ends in .nc or .csv" in fails_in_one_line(capsys, *given, str(tmp_path / "z.txt"))
        if hasattr(os, "mkfifo"):
            os.mkfifo(tmp_path / "pipe.csv")
            assert "is a pipe" in fails_in_one_line(capsys, *given, str(tmp_path / "pipe.csv"))


class TestWindowsOfAnotherRun:
    def test_are_refused_or_overwritten(self, recordings, tmp_path, capsys):
        out = tmp_path / "w"
        command = ["windows", str(recordings), "--out", str(out), "--length", "20"]
        assert main(command) == 0
        assert main(command) == 0 and "earlier run of this command" in capsys.readouterr().out
        others = {
            "length of 20": ["--length", "30"], "stride of 20": ["--stride", "10"], "rate of 64": ["--rate", "32"],
            "motion gate of 50": ["--max-motion", "20"], "quality gate of 0.4": ["--all"],
        }  # fmt: skip
        for said, further in others.items():
            error = fails_in_one_line(capsys, *command, *further)
            assert said in error and "--overwrite" in error
        one = sorted(recordings.glob("*.nc"))[0]
        again = ["windows", str(one), "--out", str(out), "--length", "20"]
        assert "another run" in fails_in_one_line(capsys, *again)
        assert len(list(out.glob("*.nc"))) == 3
        assert main([*again, "--overwrite"]) == 0 and len(list(out.glob("*.nc"))) == 1

    def test_foreign_files_are_never_replaced(self, recordings, tmp_path, capsys):
        foreign = tmp_path / "x.nc"
        foreign.write_bytes(b"something else")
        for further in ([], ["--overwrite"]):
            said = fails_in_one_line(capsys, "windows", str(recordings), "--out", str(tmp_path), *further)
            assert "x.nc" in said and foreign.read_bytes() == b"something else"
        cut().to_netcdf(tmp_path / "x.nc", engine="scipy")
        said = fails_in_one_line(capsys, "windows", str(recordings), "--out", str(tmp_path))
        assert "do not say how they were cut" in said

    def test_one_bad_recording_is_named_and_counted(self, recordings, tmp_path, capsys, monkeypatch):
        import biosig.signals

        segment = biosig.signals.segment

        def fragile(recording, **settings):
            if recording.attrs["participant"] == "P002":
                raise KeyError("nothing foreseen")
            return segment(recording, **settings)

        monkeypatch.setattr(biosig.signals, "segment", fragile)
        (tmp_path / "bad").mkdir()
        (tmp_path / "bad" / "bad.zip").write_bytes(b"PK\x03\x04")
        given = [str(tmp_path / "bad"), str(recordings)]
        assert main(["windows", *given, "--out", str(tmp_path / "w.nc"), "--length", "20"]) == 0
        said = capsys.readouterr().out
        assert "left out P002-1: KeyError: 'nothing foreseen'" in said and "(2 left out)" in said and "bad.zip" in said


def test_labels_that_are_no_table(recordings, tmp_path, capsys):
    given = ["experiment", "--train", str(recordings), "--out", str(tmp_path / "out"), "--labels"]
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00,\x01" * 9)
    for name in ("bytes.csv", "nothing.csv"):
        assert name in fails_in_one_line(capsys, *given, str(tmp_path / name))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.csv")
        assert "is a pipe" in fails_in_one_line(capsys, *given, str(tmp_path / "pipe.csv"))
        assert "is a device" in fails_in_one_line(capsys, *given, "/dev/zero")


def test_embeddings_as_csv_escape_formulas_and_a_bad_file_is_left_out(tmp_path, capsys):
    from biosig.signals.storage import write_windows

    rng = np.random.default_rng(0)
    windows = cut(2).drop_vars(["accel", "ppg"])
    windows["ppg"] = (("window", "wavelength", "sample"), rng.standard_normal((2, 1, 3840)).astype(np.float32))
    windows["participant"] = ("window", ["=1+1", "P1"])
    write_windows(windows.assign_attrs(sampling_rate=64.0), tmp_path / "w" / "a.nc")
    (tmp_path / "w" / "b.nc").write_bytes(b"CDF\x01")
    out = tmp_path / "z.csv"
    assert main(["embed", str(tmp_path / "w"), "--encoder", "ppg-small", "--out", str(out)]) == 0
    assert re.search(r"left out .*b\.nc", capsys.readouterr().out)
    assert list(pd.read_csv(out)["participant"]) == ["'=1+1", "P1"]
