"""The example that prints a run as Markdown: every part, every table of one width, names from outside kept harmless."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest

from biosig.evaluation import as_json
from tests.evaluation.report_cases import hostile_results

EXAMPLE = Path(__file__).parents[2] / "examples" / "results_to_markdown.py"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    results = hostile_results()
    results.provenance |= {"minutes": 1.0, "n_participants": 12, "n_windows": 192, "n_still": 192, "budget": {}}
    path = tmp_path_factory.mktemp("markdown") / "results.json"
    path.write_text(json.dumps(as_json(results)), encoding="utf-8")
    return str(path)


def test_all_parts_are_printed_in_tables_of_one_width(path, capsys):
    example = runpy.run_path(str(EXAMPLE))
    example["main"](path)
    text = capsys.readouterr().out
    for words in ("motion gate", "beat shows", "Retrieval of the simultaneous acceleration", "stillest", "conformal"):
        assert words in text
    for words in ("labelled people", "most certain first", "Missing cells", "Left out", "windows covered"):
        assert words in text
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines()]
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    assert max(widths) == 12
    row = next(line for line in text.splitlines() if line.startswith("| distilled | "))
    mae = hostile_results().comparison.table["mae"].iloc[0]
    assert f"| {mae:.2f} |" in row


def test_parts_can_be_chosen_and_unknown_ones_are_refused(path, capsys):
    example = runpy.run_path(str(EXAMPLE))
    example["main"](path, "visible")
    text = capsys.readouterr().out
    assert "beat shows" in text and "Retrieval" not in text
    with pytest.raises(SystemExit, match="unknown part"):
        example["main"](path, "everything")
