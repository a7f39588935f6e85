"""Both roads of the layers: host kernels and plain tinygrad operations."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["host", "plain"])
def road(request, monkeypatch):
    monkeypatch.setenv("BIOSIG_HOST_KERNELS", "1" if request.param == "host" else "0")
    return request.param
