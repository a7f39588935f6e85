"""Recordings on disk: netCDF 3, read and written through SciPy, so that no further package is needed."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from biosig._files import atomic_path
from biosig.recordings.contract import validate
from biosig.recordings.safe_files import check_file, raise_if_out_of_files

MAX_BYTES = 2**31
_MAGIC = (b"CDF\x01", b"CDF\x02")


def write(recording: xr.Dataset, path: str | os.PathLike) -> Path:
    """Write a Recording as netCDF 3 (``.nc``), whole or not at all; `biosig.read` gives it back unchanged.

    Raises
    ------
    ValueError
        When `recording` breaks the contract, when `path` does not end in ``.nc``, or when an attribute is neither text
        nor a number.
    """
    path = Path(path)
    if path.suffix != ".nc":
        raise ValueError(f"cannot write a recording to {path.name!r}; expected a name that ends in .nc")
    validate(recording)
    with atomic_path(path) as temporary:
        try:
            recording.to_netcdf(temporary, engine="scipy", format="NETCDF3_64BIT")
        except (TypeError, ValueError) as error:
            raise ValueError(f"the recording cannot be written as netCDF 3: {error}") from None
    return path


def read_netcdf(path: str | os.PathLike, *, max_bytes: int = MAX_BYTES) -> xr.Dataset:
    """Read a Recording that `write` wrote.

    Parameters
    ----------
    path : path
    max_bytes : int
        Larger files are refused.

    Raises
    ------
    ValueError
        For files that are too large, not netCDF 3, damaged, or not a Recording.
    """
    path = Path(path)
    check_file(path, max_bytes)
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise_if_out_of_files(error)
        raise
    if magic not in _MAGIC:
        kind = "netCDF 4 (HDF5)" if magic == b"\x89HDF" else "not netCDF"
        raise ValueError(f"{path} is {kind}; expected netCDF 3, as biosig.recordings.write makes it")
    options: dict[str, Any] = {"decode_times": False, "decode_timedelta": False, "mask_and_scale": False}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Duplicate dimension names")
            with xr.open_dataset(path, engine="scipy", **options) as stored:
                recording = stored.load()
    except Exception as error:  # a damaged header can make SciPy's parser fail in any way
        raise_if_out_of_files(error)
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} is a damaged netCDF file ({type(error).__name__}: {said})") from None
    return validate(_tidy(recording))


def _tidy(recording: xr.Dataset) -> xr.Dataset:
    """Undo what netCDF 3 does to attributes: numbers come back as NumPy scalars, empty text as bytes."""
    holders: list[Any] = [recording, *recording.variables.values()]
    for holder in holders:
        holder.attrs.pop("_FillValue", None)
        for name, value in holder.attrs.items():
            if isinstance(value, bytes):
                holder.attrs[name] = value.decode("utf-8", "replace")
            elif isinstance(value, np.generic):
                holder.attrs[name] = value.item()
            elif isinstance(value, np.ndarray) and value.size == 1:
                holder.attrs[name] = value.reshape(-1)[0].item()
        holder.encoding = {}
    for name in list(recording.variables):
        values = recording[name].values
        if values.dtype.kind == "O":
            recording[name] = recording[name].astype(str)
        elif not values.dtype.isnative:
            recording[name] = recording[name].astype(values.dtype.newbyteorder("="), keep_attrs=True)
    return recording
