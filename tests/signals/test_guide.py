"""The user guide of the signals runs from top to bottom, on a simulation and on a file."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "imu_to_windows.py"
PICTURES = {"imu_resampling.png", "imu_gravity.png", "imu_windows.png"}


def run(monkeypatch, capsys, *arguments) -> str:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    return capsys.readouterr().out


def test_guide_says_what_its_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(SCRIPT.parents[1])
    told = run(monkeypatch, capsys, "--images", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == PICTURES
    page = (SCRIPT.parents[1] / "docs" / "imu_to_windows.md").read_text(encoding="utf-8")
    frame = lambda text: [
        line for line in text.splitlines() if not (line.startswith("![") or set(line) & set("0123456789"))
    ]
    assert frame(told) == frame(page)
    assert "48 quarters of an hour: 8 not worn" in told


def test_guide_takes_a_file(tmp_path, monkeypatch, capsys, data_folder):
    session = data_folder / "wesad_e4" / "S10.zip"
    if not session.is_file():
        pytest.skip(f"no {session}")
    monkeypatch.chdir(SCRIPT.parents[1])
    told = run(monkeypatch, capsys, session, "--images", tmp_path)
    assert "on S10.zip" in told and "too few orientations" in told and "coverage" in told
