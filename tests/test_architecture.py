"""The rules of the house: who may import whom, what loads when, how long a file may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = ["recordings", "signals", "heart", "nets", "training", "estimators", "evaluation", "commands", "cli"]
SOURCES = sorted((ROOT / "biosig").rglob("*.py")) + sorted((ROOT / "kernels").rglob("*.py"))
HEAVY = (
    "tinygrad",
    "neurokit2",
    "matplotlib",
    "dask",
    "torch",
    "wfdb",
    "pandas",
    "sklearn",
    "xarray",
    "numba",
    "scipy",
)


def imports_of(path: Path) -> set[str]:
    """Dotted names of everything a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def room(path: Path) -> str | None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "biosig" and parts[1] in ORDER else None


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_from_left_to_right(path):
    names = imports_of(path)
    top = {name.split(".")[0] for name in names}
    if path.is_relative_to(ROOT / "kernels"):
        outside = top - {"biosig_kernels", "numpy", "numba", "llvmlite"} - sys.stdlib_module_names
        assert not outside, f"kernels import {outside}"
        return
    here = room(path)
    for name in names:
        parts = name.split(".")
        if here and parts[0] == "biosig" and len(parts) > 1 and parts[1] in ORDER:
            assert ORDER.index(parts[1]) <= ORDER.index(here), f"{here} imports {name}"
    if here not in ("nets", "training"):
        assert "tinygrad" not in top
    else:
        assert not top & {"sklearn", "xarray", "wfdb"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_tinygrad_internals_stay_in_the_backend(path):
    public = ("tinygrad", "tinygrad.nn")
    if "backend" in path.stem:
        return
    for name in imports_of(path):
        if name.startswith("tinygrad"):
            module, _, _ = name.rpartition(".")
            assert module.startswith(public[1]) or module in ("", *public), f"private API {name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def test_import_loads_nothing_heavy():
    code = f"import sys, biosig; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_exist():
    import biosig

    for name in biosig.__all__:
        assert getattr(biosig, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        biosig.nonsense  # noqa: B018
