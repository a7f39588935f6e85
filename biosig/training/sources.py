"""Windows where they are: in memory, in a file larger than memory, or in the files of many recordings.

What is in memory as float32 stays a NumPy array. Anything else that can be indexed by rows (a memory map of another
type, an `xarray.DataArray` opened lazily, a Zarr or HDF5 array, a sequence of these) is read batch by batch.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from biosig._checks import check_windows

BLOCK_BYTES = 2**24  # of windows read at a time, where all are
SAMPLED = 64  # windows by whose content data are recognised again


class StoredWindows:
    """Windows outside memory, end to end, read where rows are asked for.

    Parameters
    ----------
    parts : list
        Each with ``shape`` (n_windows, n_channels, n_samples), and rows by index or slice.
    """

    def __init__(self, parts: list[Any]):
        self.parts = parts
        self._edges = np.cumsum([0, *[int(part.shape[0]) for part in parts]])
        self.shape = (int(self._edges[-1]), int(parts[0].shape[1]), int(parts[0].shape[2]))
        self.ndim = 3

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows) -> np.ndarray:
        """Return copies of windows, float32; `rows` is a slice, or an array of numbers or of bool."""
        rows = np.arange(len(self))[rows]
        windows = np.empty((len(rows), *self.shape[1:]), dtype=np.float32)
        for part, first, stop in zip(self.parts, self._edges[:-1], self._edges[1:], strict=True):
            here = np.flatnonzero((rows >= first) & (rows < stop))
            if len(here):
                _read(part, rows[here] - first, windows, here)
        return windows


def _read(part: Any, rows: np.ndarray, windows: np.ndarray, here: np.ndarray) -> None:
    """Write the windows `rows` of one part into ``windows[here]``."""
    with np.errstate(over="ignore"):  # beyond float32 is infinite, so missing
        if (np.diff(rows) == 1).all():
            windows[here] = np.asarray(part[int(rows[0]) : int(rows[-1]) + 1])
            return
        wanted, place = np.unique(rows, return_inverse=True)  # HDF5 insists on order
        by_rows = getattr(part, "oindex", part)  # how Zarr calls it
        windows[here] = np.asarray(by_rows[wanted])[place]


def open_windows(x: Any, *, name: str = "x", n_channels: int | None = None) -> np.ndarray | StoredWindows:
    """Check the shape of windows and return them in a form that gives float32 by rows.

    Parameters
    ----------
    x : array-like, or sequence of such
        (n_windows, n_channels, n_samples); of a sequence, the windows of all parts one after the other.
    name : str
        What an error calls them.
    n_channels : int, optional
        What is expected.

    Returns
    -------
    array or StoredWindows
        An array in memory, or a memory map of float32, comes back uncopied; arrays of other types in memory are
        converted.

    Raises
    ------
    ValueError
        For windows of another shape, or parts that differ in theirs.
    """
    if isinstance(x, StoredWindows):
        parts = x.parts
    elif _is_array(x) and x.ndim == 3 and not _is_in_memory(x):
        parts = [x]
    elif isinstance(x, (list, tuple)) and x and all(_is_array(part) and part.ndim == 3 for part in x):
        parts = list(x)
    else:
        return check_windows(x, name=name, n_channels=n_channels)
    for number, part in enumerate(parts):
        told = name if len(parts) == 1 else f"{name}[{number}]"
        shape = tuple(map(int, part.shape))
        check_windows(np.broadcast_to(np.float32(0), shape)[:1], name=told, n_channels=n_channels)  # of their shape
        if not np.issubdtype(part.dtype, np.number):
            raise ValueError(f"{told} holds {part.dtype}; expected numbers")
        if shape[1:] != tuple(parts[0].shape[1:]):
            raise ValueError(
                f"{told} has shape {shape}, {name}[0] has {tuple(parts[0].shape)}; expected equal channels and samples"
            )
    return StoredWindows(parts)


def _is_array(x: Any) -> bool:
    return all(hasattr(x, attribute) for attribute in ("shape", "dtype", "ndim", "__getitem__"))


def _is_in_memory(x: Any) -> bool:
    if isinstance(x, np.memmap):
        return x.dtype == np.float32 and x.dtype.isnative and x.flags.c_contiguous
    return isinstance(x, np.ndarray)


def blocks(x: np.ndarray | StoredWindows) -> list[slice]:
    """Return slices that cover all windows, each small enough to be read at once."""
    size = max(1, BLOCK_BYTES // max(1, 4 * x.shape[1] * x.shape[2]))
    return [slice(start, min(start + size, len(x))) for start in range(0, len(x), size)]


def fingerprint(windows: dict[str, np.ndarray | StoredWindows], columns: dict[str, np.ndarray | None]) -> str:
    """Return a hash by which data are recognised again: all of the columns, and a sample of the windows.

    Parameters
    ----------
    windows : dict of str to windows
        `SAMPLED` of each are read, spread over the data.
    columns : dict of str to array (n_windows, ...) or None
        Labels, starts or targets; labels count by which of them are equal.
    """
    digest = hashlib.sha256()
    for name, x in windows.items():
        some = np.unique(np.linspace(0, max(len(x) - 1, 0), SAMPLED).astype(np.int64))[: len(x)]
        _add(digest, name, np.ascontiguousarray(x[some], dtype=np.float32))
        digest.update(json.dumps(x.shape).encode())
    for name, column in columns.items():
        values = np.zeros(0) if column is None else np.asarray(column)
        _add(digest, name, values if values.dtype.kind == "f" else np.unique(values, return_inverse=True)[1])
    return digest.hexdigest()


def _add(digest: Any, name: str, values: np.ndarray) -> None:
    digest.update(json.dumps([name, values.shape, values.dtype.str]).encode())
    digest.update(np.ascontiguousarray(values).tobytes())
