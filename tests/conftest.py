"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No timing in the tests: the first example of a property test also compiles its kernel.
settings.register_profile("biosig", deadline=None, max_examples=40, print_blob=True)
settings.load_profile("biosig")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of real recordings; set BIOSIG_DATA to use another. Tests that need it are skipped without it."""
    folder = Path(os.environ.get("BIOSIG_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder} (set BIOSIG_DATA)")
    return folder


@pytest.fixture(params=["host", "plain"])
def road(request, monkeypatch) -> str:
    """Both roads of the layers: host kernels and plain tinygrad operations."""
    monkeypatch.setenv("BIOSIG_HOST_KERNELS", "1" if request.param == "host" else "0")
    return request.param
