"""Finished parts of a long run on disk, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import biosig_kernels
import numpy as np

import biosig
from biosig._files import atomic_path
from biosig.evaluation.results import collect_provenance, plain


@functools.cache
def code_fingerprint() -> str:
    """Digest of this library's sources and of the versions it runs on: other code makes other cells."""
    digest = hashlib.sha256(json.dumps(collect_provenance()["versions"], sort_keys=True).encode())
    for package in (biosig, biosig_kernels):
        for path in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


class Store:
    """Arrays by key in a folder.

    Parameters
    ----------
    folder : path
        Made when the first part is finished.
    **facts
        What all parts have in common, such as the digest of the data.
    """

    def __init__(self, folder: Path, **facts: Any):
        self.folder = Path(folder)
        self.facts = {"code": code_fingerprint(), **plain(facts)}

    def path(self, name: str, **key: Any) -> Path:
        """Where the part `name` is kept: everything its content depends on is in the key, and so in the file's name."""
        text = json.dumps({**self.facts, "name": name, **plain(key)}, sort_keys=True)
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
        return self.folder / f"{slug}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def arrays(self, name: str, compute: Callable[[], Mapping[str, Any]], **key: Any) -> dict[str, Any]:
        """Return the part as it was kept, or compute and keep it.

        Parameters
        ----------
        name : str
        compute : callable
            Returns arrays by name; other values must be plain enough for JSON.
        **key
            What the part depends on, beside the facts of the store.

        Returns
        -------
        dict
            A file that cannot be read is computed again.
        """
        path = self.path(name, **key).with_suffix(".npz")
        kept = _read(path)
        if kept is not None:
            return kept
        found = dict(compute())
        arrays = {key: value for key, value in found.items() if isinstance(value, np.ndarray)}
        rest = {key: plain(value) for key, value in found.items() if key not in arrays}
        with atomic_path(path) as temporary:
            np.savez(temporary, **arrays, **{_REST: np.array(json.dumps(rest))})  # type: ignore[arg-type]
        return {**arrays, **rest}


_REST = "__json__"


def _read(path: Path) -> dict[str, Any] | None:
    """Contents of a part, None where there is none or it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
        return {**found, **json.loads(str(found.pop(_REST)))}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
