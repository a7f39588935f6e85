"""Opening files that strangers made: regular files only, bounded sizes, and the true reason when the system refuses."""

from __future__ import annotations

import errno
import gzip
import io
import os
import stat
import zlib
from pathlib import Path

MAX_RATIO = 200
RATIO_FROM = 32 * 2**20  # a constant signal compresses hundreds of times; below this size that is harmless
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE)
_CHUNK = 1 << 20


def check_file(path: str | os.PathLike, max_bytes: int) -> int:
    """Size of a regular file in bytes.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        For folders, named pipes, devices and sockets, which may never end, and for files above `max_bytes`.
    """
    found = Path(path).stat()
    if not stat.S_ISREG(found.st_mode):
        kind = next((word for test, word in _KINDS if test(found.st_mode)), "no regular file")
        raise ValueError(f"{path} is {kind}; expected a regular file")
    if found.st_size > max_bytes:
        raise ValueError(f"{path} has {found.st_size} bytes; expected at most {max_bytes}: split it")
    return found.st_size


def read_plain(path: str | os.PathLike, max_bytes: int) -> bytes:
    """Content of a regular file, never more than `max_bytes`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `check_file`.
    """
    check_file(path, max_bytes)
    try:
        with Path(path).open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise_if_out_of_files(error)
        raise
    if len(content) > max_bytes:  # such as a file of /proc, whose size is given as 0
        raise ValueError(f"{path} has more than {max_bytes} bytes; expected at most that: split it")
    return content


def read_bytes(path: str | os.PathLike, max_bytes: int) -> bytes:
    """Content of a regular file, unpacked when it is gzip; never more than `max_bytes`.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        As `check_file`; also for gzip that is damaged or expands more than 200-fold to more than 32 MiB.
    """
    content = read_plain(path, max_bytes)
    return _unpack(path, content, max_bytes) if content[:2] == b"\x1f\x8b" else content


def raise_if_out_of_files(error: BaseException) -> None:
    """Raise OSError with advice when `error`, or one that led to it, says that too many files are open."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            return
        if isinstance(seen, OSError) and seen.errno in _OUT_OF_FILES:
            raise OSError(
                seen.errno,
                "too many open files: close some (xarray keeps files open until .close()), or raise the limit with "
                "'ulimit -n 4096'",
                seen.filename,
            ) from None
        seen = seen.__cause__ or seen.__context__


def _unpack(path, content: bytes, max_bytes: int) -> bytes:
    limit = min(max_bytes, max(RATIO_FROM, MAX_RATIO * len(content)))
    unpacked = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            while chunk := file.read(_CHUNK):
                unpacked += chunk
                if len(unpacked) > limit:
                    raise ValueError(f"{path} expands from {len(content)} to more than {limit} bytes; refused")
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be unpacked ({error}): the gzip file is damaged or truncated") from None
    return bytes(unpacked)
