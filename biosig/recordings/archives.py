"""Zip archives and folders read as sets of small text files, with zip files treated as hostile."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath

from biosig.recordings.safe_files import MAX_RATIO, RATIO_FROM, check_file, raise_if_out_of_files, read_plain

MAX_FILE_BYTES = 512 * 2**20
MAX_TOTAL_BYTES = 2**30
MAX_ARCHIVE_BYTES = 2**31
MAX_DIRECTORY_BYTES = 16 * 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what exports use; others may claim gigabytes for themselves


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
            size = check_file(path / name, MAX_FILE_BYTES)
            _check_size(path / name, size, sum(map(len, contents.values())))
            contents[name] = read_plain(path / name, size)
        return contents
    with _open(path) as archive:
        _safe_names(archive, path)
        for name in names:
            contents[name] = _read_member(archive, path, name, sum(map(len, contents.values())))
    return contents


def _open(path: Path) -> zipfile.ZipFile:
    check_file(path, MAX_ARCHIVE_BYTES)
    _check_directory(path)
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise_if_out_of_files(error)
        raise ValueError(f"{path} is not a readable zip file ({error}): truncated, or another format") from None


def _check_directory(path: Path) -> None:
    """Refuse an archive whose list of files alone would fill the memory; what is broken is left to zipfile."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 2**16 - 22))
        tail = file.read(2**16 + 22)
    end = tail.rfind(b"PK\x05\x06")
    if 0 <= end <= len(tail) - 16:
        (listed,) = struct.unpack_from("<I", tail, end + 12)
        if min(listed, size) > MAX_DIRECTORY_BYTES:
            raise ValueError(
                f"{path} has a list of files of {listed} bytes; expected at most {MAX_DIRECTORY_BYTES}: no E4 session"
            )


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
    if info.compress_type not in _METHODS:
        raise ValueError(
            f"{inside} is packed by method {info.compress_type}; expected deflate, as the E4's exports are"
        )
    _check_size(inside, info.file_size, before)
    if info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * max(1, info.compress_size):
        raise ValueError(
            f"{inside} expands from {info.compress_size} to {info.file_size} bytes, more than {MAX_RATIO}-fold; refused"
        )
    try:
        with archive.open(info) as file:
            content = file.read(info.file_size + 1)  # what the entry declares, whatever the stream would expand to
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise_if_out_of_files(error)
        raise ValueError(f"{inside} cannot be unpacked ({error}): the archive is damaged or truncated") from None
    if len(content) != info.file_size:
        raise ValueError(f"{inside} has other than the {info.file_size} bytes that the archive declares; refused")
    return content
