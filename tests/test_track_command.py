"""``biosig track``: a table and a figure, or one line that says what is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from biosig.cli import main
from biosig.recordings import make_recording, write
from tests.heart.test_tracking import RATE, recording, true_rate


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    x, beats = recording(7.0, size=0.008)
    made = make_recording(
        accel=x.T,
        ibi=np.diff(beats),
        sampling_rate={"accel": RATE},
        time={"ibi": beats[1:]},
        participant="P",
        session="rest",
    )
    path = tmp_path_factory.mktemp("session") / "rest.nc"
    write(made, path)
    return path, beats


def test_table_and_figure(session, tmp_path, capsys):
    path, beats = session
    table_path, plot = tmp_path / "out" / "rest.csv", tmp_path / "out" / "rest.png"
    assert main(["track", str(path), "--out", str(table_path), "--plot", str(plot)]) == 0
    table = pd.read_csv(table_path)
    assert list(table.columns) == ["start", "heart_rate", "low", "high", "confidence", "reason"]
    truth = true_rate(beats, table["start"].to_numpy())
    assert np.abs(table["heart_rate"] - truth).mean() < 1.5
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in table_path.parent.iterdir()) == ["rest.csv", "rest.png"]
    assert "coverage 100%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "rest.txt"], "ends in .csv"),
        (["--out", "rest.csv", "--plot", "rest.docx"], "ends in .png"),
        (["--out", "rest.csv", "--ppg-minutes", "5"], "holds no PPG"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(session, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    assert main(["track", str(session[0]), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("biosig: error: ") and message in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_missing_recording(tmp_path, capsys):
    assert main(["track", str(tmp_path / "none"), "--out", str(tmp_path / "a.csv")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_table_is_not_written_over_the_recording(session, tmp_path, capsys):
    folder = tmp_path / "E4"
    folder.mkdir()
    (folder / "ACC.csv").write_text("1.7e9,1.7e9,1.7e9\n32,32,32\n" + "1,2,64\n" * 320)
    before = (folder / "ACC.csv").read_bytes()
    assert main(["track", str(folder), "--out", str(folder / "ACC.csv")]) == 2
    assert "one of the files to be read" in capsys.readouterr().err
    assert (folder / "ACC.csv").read_bytes() == before
    (tmp_path / "table.csv").mkdir()
    assert main(["track", str(session[0]), "--out", str(tmp_path / "table.csv")]) == 2
    assert "is a folder" in capsys.readouterr().err
