"""The README's example runs as written, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).parents[1] / "README.md"
PAGES = [README, *sorted((README.parent / "docs").glob("*.md"))]


def test_example_runs_as_written(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.S)
    assert len(blocks) == 1
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(blocks[0], "README.md", "exec"), names)
    errors = np.array(capsys.readouterr().out.strip(" []\n").split(), dtype=float)
    assert errors.shape == (4,) and (errors > 0).all() and (errors < 30).all()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def test_commands_are_those_that_ci_runs():
    text = README.read_text(encoding="utf-8")
    assert "pip install . && biosig demo" in text
    command = "pip install '.[test]' && pytest"
    assert command in text and command in (README.parent / ".ci" / "run").read_text(encoding="utf-8")
