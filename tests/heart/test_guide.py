"""The user guide of the heart runs from top to bottom, on a simulation and on a file."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "ppg_to_hrv.py"
PICTURES = {"ppg_quality.png", "ppg_beats.png", "ppg_intervals.png", "ppg_hrv.png"}


def run(monkeypatch, capsys, *arguments) -> str:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    return capsys.readouterr().out


def test_guide_says_what_its_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(SCRIPT.parents[1])
    told = run(monkeypatch, capsys, "--images", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == PICTURES
    page = (SCRIPT.parents[1] / "docs" / "ppg_to_hrv.md").read_text(encoding="utf-8")
    frame = lambda text: [line for line in text.splitlines() if line.startswith(("#", "heart.", "|  |"))]
    assert frame(told) == frame(page)
    rows = {line.split("|")[1].strip(): line.split("|")[2:] for line in told.splitlines() if line.count("|") == 7}
    for name in ("SDNN", "RMSSD", "pNN50", "SD1", "SampEn"):
        theirs, ours = (float(value) for value in rows[name][:2])
        assert ours == pytest.approx(theirs, rel=2e-3)


def test_guide_takes_a_file(tmp_path, monkeypatch, capsys, data_folder):
    record = data_folder / "bidmc" / "bidmc_06.hea"
    if not record.is_file():
        pytest.skip(f"no {record}")
    monkeypatch.chdir(SCRIPT.parents[1])
    told = run(monkeypatch, capsys, record, "--images", tmp_path)
    assert "of bidmc_06.hea at 125 Hz" in " ".join(told.split()) and "minute 8" in told and "simulated" not in told
