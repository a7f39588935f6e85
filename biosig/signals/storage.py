"""Windows on disk: netCDF 3 through SciPy, written whole, opened without reading the signals into memory.

Windows are the records of the file, so that its size is bounded by the disk alone (netCDF 3 keeps any other variable
under 2 GiB). An opened file holds no file handle: signals are mapped into memory for as long as rows are read, so that
ten thousand files of windows can be trained on.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from biosig._files import atomic_path, check_regular
from biosig._reasons import reason

COLUMNS = ("participant", "session", "start")
_SIGNALS = ("accel", "ppg")


def write_windows(windows: xr.Dataset, path: str | os.PathLike) -> Path:
    """Write the Dataset that `biosig.segment` returns as netCDF 3 (``.nc``), whole or not at all, of any size.

    Raises
    ------
    ValueError
        For a name that does not end in ``.nc``, or a Dataset without windows.
    """
    path = Path(path)
    if path.suffix != ".nc":
        raise ValueError(f"cannot write windows to {path.name!r}; expected a name that ends in .nc")
    if not windows.sizes.get("window"):
        raise ValueError(f"there are no windows to be written to {path}; see whether the gate lets any pass")
    with atomic_path(path) as temporary:
        windows.to_netcdf(temporary, engine="scipy", format="NETCDF3_64BIT", unlimited_dims=["window"])
    return path


def open_window_files(
    paths: Iterable[str | os.PathLike], left_out: list[tuple[str, str]] | None = None
) -> list[xr.Dataset]:
    """Open files of windows that `write_windows` wrote; signals stay on disk and are read where they are indexed.

    Parameters
    ----------
    paths : iterable of path
        Files, or folders whose ``.nc`` files are taken by name.
    left_out : list of (name, reason), optional
        Takes files that cannot be used, which then do not end the work unless no other is left.

    Returns
    -------
    list of xarray.Dataset
        One a file, all with the same sensors, sampling rate, channels and samples. No file stays open.

    Raises
    ------
    FileNotFoundError
        When a path does not exist.
    ValueError
        When a file is damaged, holds no windows, or other ones than the first file; it is named.
    """
    paths, files = list(paths), []
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist; expected a file of windows, or a folder of such")
        files += sorted(path.glob("*.nc")) if path.is_dir() else [path]
    files = list({file.resolve(): file for file in files}.values())  # a file given twice counts once
    if not files:
        raise ValueError(
            f"no .nc files of windows in {', '.join(map(str, paths)) or 'no paths'}; make them with 'biosig windows' "
            "or biosig.signals.write_windows"
        )
    opened: list[tuple[Path, xr.Dataset]] = []
    for file in files:
        try:
            windows = _open(file)
            if opened and window_form(windows) != window_form(opened[0][1]):
                raise ValueError(
                    f"{file} holds {window_form(windows)}, {opened[0][0]} {window_form(opened[0][1])}; cut all "
                    "recordings into equal windows"
                )
        except (ValueError, OSError) as error:
            if left_out is None or getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
                raise
            left_out.append((str(file), reason(error)))
            continue
        opened.append((file, windows))
    if not opened:
        assert left_out
        raise ValueError(f"none of the {len(files)} files can be used ({left_out[0][1]})")
    return [windows for _, windows in opened]


def window_attributes(path: str | os.PathLike) -> dict[str, Any]:
    """Return the attributes of a file of windows; ValueError where it is none."""
    return dict(_open(Path(path)).attrs)


def window_form(windows: xr.Dataset) -> str:
    """Sensors, channels, samples and rate of windows in words: files of equal words can be used together."""
    signals = [f"{name} of {windows[name].shape[1]} x {windows[name].shape[2]}" for name in _SIGNALS if name in windows]
    return f"{' and '.join(signals)} samples at {float(windows.attrs['sampling_rate']):g} Hz"


def _open(path: Path) -> xr.Dataset:
    check_regular(path)
    try:
        stored = xr.open_dataset(
            path, engine="scipy", decode_times=False, decode_timedelta=False, mask_and_scale=False, cache=False
        )
        with stored:
            small = [name for name in stored.variables if name not in _SIGNALS]
            windows = stored[small].load()
            for name in _SIGNALS:
                if name in stored:
                    windows[name] = (stored[name].dims, _on_disk(path, name), stored[name].attrs)
    except Exception as error:  # a damaged header can make SciPy's parser fail in any way
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            raise
        raise ValueError(f"{path} is no netCDF 3 file, or a damaged one ({type(error).__name__}: {error})") from None
    signals = [name for name in _SIGNALS if name in windows]
    missing = [name for name in COLUMNS if name not in windows or windows[name].dims != ("window",)]
    if not signals or missing or any(windows[name].dims[::2] != ("window", "sample") for name in signals):
        raise ValueError(f"{path} holds no windows; make them with 'biosig windows' or biosig.signals.write_windows")
    rate = windows.attrs.get("sampling_rate")
    if not isinstance(rate, (int, float, np.number)) or not 0 < rate < np.inf:
        raise ValueError(f"{path} gives no sampling_rate of its windows; write them again")
    return windows


def _on_disk(path: Path, name: str) -> indexing.LazilyIndexedArray:
    """Find out where in a netCDF 3 file a variable lies."""
    from scipy.io import netcdf_file

    with netcdf_file(path, "r", mmap=True) as file:
        data = file.variables[name].data
        whole = data
        while isinstance(whole.base, np.ndarray):  # views of views of the mapped file
            whole = whole.base
        place = data.ctypes.data - whole.ctypes.data, data.shape, data.strides, data.dtype
        del data, whole
    return indexing.LazilyIndexedArray(_Rows(path, *place))


class _Rows(BackendArray):
    """A variable at a known place of a file, which is open only while rows of it are copied."""

    def __init__(self, path: Path, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], stored: np.dtype):
        self._path, self._offset, self._strides, self._stored = path, offset, strides, stored
        self.shape, self.dtype = shape, stored.newbyteorder("=")
        self._end = offset + stored.itemsize + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple) -> np.ndarray:
        if check_regular(self._path) < self._end:
            raise ValueError(f"{self._path} was cut short after it was opened; make the windows again")
        whole = np.memmap(self._path, np.uint8, "r")
        rows = np.ndarray(self.shape, self._stored, whole, self._offset, self._strides)  # type: ignore[arg-type]
        axis = 0
        for part in key:  # one axis after the other, the windows first
            rows = rows[(slice(None),) * axis + (part,)]
            axis += not isinstance(part, (int, np.integer))
        return np.array(rows, self.dtype)
