"""The example that maps beat sizes and sensors: what is read off the map, and a very small run of it."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pandas as pd

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "semi_synthetic_map.py")


def test_a_requirement_holds_from_a_size_on_and_not_by_a_lucky_cell_below():
    works = {
        "coarse": (True, False, False, False),
        "fine": (False, True, False, True),
        "fair": (False, False, True, True),
    }
    found = pd.DataFrame(
        {"size_mg": size, "sensor": sensor, "n_labelled": n, "works": n == 9 and held[at], "relative": -size / 100}
        for sensor, held in works.items()
        for at, size in enumerate((1.0, 2.0, 4.0, 8.0))
        for n in (1, 9)
    )
    text = runpy.run_path(EXAMPLE)["requirement"](found, "works", "relative")
    assert text.splitlines()[0] == "| sensor | labels of 1 person | labels of 9 people |"
    assert text.splitlines()[2:] == ["| coarse | - | - |", "| fine | - | 8 mg (-8 %) |", "| fair | - | 4 mg (-4 %) |"]


def test_a_small_map_is_made_and_not_made_twice(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [EXAMPLE, "--quick", "--out", str(tmp_path)])
    example = runpy.run_path(EXAMPLE)
    example["main"]()
    text = capsys.readouterr().out
    assert "With labels of 1 person" in text and "With labels of 5 people" in text
    table = pd.read_csv(tmp_path / "map.csv")
    assert len(table) == 2 * 2 * 2 and (table["mae_low"] <= table["mae"]).all()
    assert (tmp_path / "map.svg").stat().st_size > 1000
    cells = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()}
    example["main"]()
    assert capsys.readouterr().out == text
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()} == cells
