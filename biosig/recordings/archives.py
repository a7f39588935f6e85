"""Zip archives and folders read as sets of small text files, with zip files treated as hostile."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath

MAX_FILE_BYTES = 512 * 2**20
MAX_TOTAL_BYTES = 2**30
MAX_RATIO = 200
_RATIO_FROM = 32 * 2**20  # a constant signal compresses hundreds of times; below this size that is harmless


def list_files(path: str | os.PathLike) -> list[str]:
    """Names of the files in a folder (direct children) or of all files in a zip archive.

    Raises
    ------
    ValueError
        For a zip archive that is broken or has unsafe names.
    """
    path = Path(path)
    if path.is_dir():
        return sorted(child.name for child in path.iterdir() if child.is_file())
    with _open(path) as archive:
        return _safe_names(archive, path)


def read_files(path: str | os.PathLike, names: list[str]) -> dict[str, bytes]:
    """Contents of the files `names` (as `list_files` gives them) of a folder or zip archive.

    Raises
    ------
    ValueError
        For files above 512 MiB (1 GiB together), for archives that are truncated, encrypted or expand more than
        200-fold to more than 32 MiB.
    """
    path = Path(path)
    contents: dict[str, bytes] = {}
    if path.is_dir():
        for name in names:
            _check_size(path / name, (path / name).stat().st_size, sum(map(len, contents.values())))
            contents[name] = (path / name).read_bytes()
        return contents
    with _open(path) as archive:
        _safe_names(archive, path)
        for name in names:
            contents[name] = _read_member(archive, path, name, sum(map(len, contents.values())))
    return contents


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ValueError(f"{path} is not a readable zip file ({error}): truncated, or another format") from None


def _safe_names(archive: zipfile.ZipFile, path: Path) -> list[str]:
    """Names of the files in the archive, refusing the whole archive when one of them leads outside of it."""
    names = []
    for info in archive.infolist():
        # ZipInfo cuts names at a null byte and turns the system's separator; the original name is judged as well.
        for name in {info.filename, info.orig_filename}:
            pure = PurePosixPath(name.replace("\\", "/"))
            if pure.is_absolute() or ".." in pure.parts or "\x00" in name or (len(name) > 1 and name[1] == ":"):
                raise ValueError(f"{path} holds an entry named {name!r}, which leads outside the archive; refused")
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(info.filename).parts)
        if not info.is_dir() and not hidden:
            names.append(info.filename)
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise ValueError(f"{path} holds several entries of the same name: {twice[:5]}; expected each once")
    return names


def _check_size(path: Path, size: int, before: int) -> None:
    if size > MAX_FILE_BYTES or size + before > MAX_TOTAL_BYTES:
        raise ValueError(
            f"{path} has {size} bytes uncompressed; expected at most {MAX_FILE_BYTES} a file and {MAX_TOTAL_BYTES} a "
            "session: split the session"
        )


def _read_member(archive: zipfile.ZipFile, path: Path, name: str, before: int) -> bytes:
    info = archive.getinfo(name)
    inside = path / name
    if info.flag_bits & 0x1:
        raise ValueError(f"{inside} is encrypted; unpack the archive with its password first")
    _check_size(inside, info.file_size, before)
    if info.file_size > _RATIO_FROM and info.file_size > MAX_RATIO * max(1, info.compress_size):
        raise ValueError(
            f"{inside} expands from {info.compress_size} to {info.file_size} bytes, more than {MAX_RATIO}-fold; refused"
        )
    try:
        with archive.open(info) as file:
            content = file.read(info.file_size + 1)  # what the entry declares, whatever the stream would expand to
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise ValueError(f"{inside} cannot be unpacked ({error}): the archive is damaged or truncated") from None
    if len(content) != info.file_size:
        raise ValueError(f"{inside} has other than the {info.file_size} bytes that the archive declares; refused")
    return content
