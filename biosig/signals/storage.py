"""Windows on disk: netCDF 3 through SciPy, written whole, opened without reading the signals into memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xarray as xr

from biosig._files import atomic_path

COLUMNS = ("participant", "session", "start")
_SIGNALS = ("accel", "ppg")


def write_windows(windows: xr.Dataset, path: str | os.PathLike) -> Path:
    """Write the Dataset that `biosig.segment` returns as netCDF 3 (``.nc``), whole or not at all.

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
        windows.to_netcdf(temporary, engine="scipy", format="NETCDF3_64BIT")
    return path


def open_window_files(paths: Iterable[str | os.PathLike]) -> list[xr.Dataset]:
    """Open files of windows that `write_windows` wrote; signals stay on disk and are read where they are indexed.

    Parameters
    ----------
    paths : iterable of path
        Files, or folders whose ``.nc`` files are taken by name.

    Returns
    -------
    list of xarray.Dataset
        One a file, all with the same sensors, sampling rate, channels and samples.

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
    if not files:
        raise ValueError(
            f"no .nc files of windows in {', '.join(map(str, paths)) or 'no paths'}; make them with 'biosig windows' "
            "or biosig.signals.write_windows"
        )
    opened = [_open(file) for file in files]
    for file, windows in zip(files, opened, strict=True):
        if _form(windows) != _form(opened[0]):
            raise ValueError(
                f"{file} holds {_form(windows)}, {files[0]} {_form(opened[0])}; cut all recordings into equal windows"
            )
    return opened


def _open(path: Path) -> xr.Dataset:
    try:
        windows = xr.open_dataset(
            path, engine="scipy", decode_times=False, decode_timedelta=False, mask_and_scale=False
        )
    except Exception as error:  # a damaged header can make SciPy's parser fail in any way
        raise ValueError(f"{path} is no netCDF 3 file, or a damaged one ({type(error).__name__}: {error})") from None
    signals = [name for name in _SIGNALS if name in windows]
    missing = [name for name in COLUMNS if name not in windows]
    if not signals or missing or any(windows[name].dims[::2] != ("window", "sample") for name in signals):
        raise ValueError(f"{path} holds no windows; make them with 'biosig windows' or biosig.signals.write_windows")
    if not np.ndim(windows.attrs.get("sampling_rate", [])) == 0:
        raise ValueError(f"{path} does not tell the sampling_rate of its windows; write them again")
    return windows


def _form(windows: xr.Dataset) -> str:
    signals = [f"{name} of {windows[name].shape[1]} x {windows[name].shape[2]}" for name in _SIGNALS if name in windows]
    return f"{' and '.join(signals)} samples at {float(windows.attrs['sampling_rate']):g} Hz"
