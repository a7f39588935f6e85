"""Files appear whole or not at all: write beside the target, then rename."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_regular(path: str | os.PathLike, limit: int | None = None) -> int:
    """Return the size of an ordinary file in bytes.

    Raises
    ------
    FileNotFoundError
        There is none.
    ValueError
        For a folder, pipe or device, whose reading may never end, and for a file of more than `limit` bytes.
    """
    found = Path(path).stat()
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "no ordinary file")
        raise ValueError(f"{path} is {kind}; expected an ordinary file")
    if limit is not None and found.st_size > limit:
        raise ValueError(f"{path} has {found.st_size} bytes, more than the {limit} allowed")
    return found.st_size


def read_json(path: str | os.PathLike, limit: int) -> Any:
    """Read an ordinary file of strict JSON: no NaN, no name twice in one object.

    Raises
    ------
    FileNotFoundError
        There is none.
    ValueError
        For what is no ordinary file, or larger than `limit` bytes, or not such JSON.
    """
    check_regular(path, limit)
    try:
        return json.loads(
            Path(path).read_text(encoding="utf-8"), parse_constant=_no_number, object_pairs_hook=_each_once
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({str(error)[:200]})") from None


def _no_number(text: str) -> None:
    raise ValueError(f"it holds {text}, which JSON does not know")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise ValueError(f"{name[:80]!r} stands in it twice")
        content[name] = value
    return content


def check_target_file(
    target: str | os.PathLike, suffixes: Sequence[str], what: str, sources: Iterable[str | os.PathLike] = ()
) -> Path:
    """Return a path where a file can be written, or fail before the work and not after it.

    Parameters
    ----------
    target : path
    suffixes : sequence of str
        Endings that are known, such as ``(".nc", ".csv")``.
    what : str
        What is to be written, for the message.
    sources : iterable of path
        Files and folders that are read. None of them, and no file in these folders, is written over.

    Raises
    ------
    ValueError
        For another ending, where something other than an ordinary file has that name, or one of the sources.
    OSError
        Where the folder cannot be made or written to.
    """
    path = Path(target)
    if path.suffix not in suffixes:
        raise ValueError(f"cannot write {what} to {path.name!r}; expected a name that ends in {' or '.join(suffixes)}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the name of a file for {what}")
    if path.exists():
        check_regular(path)
        for source in map(Path, sources):
            if source.exists() and (path.samefile(source) or path.parent.samefile(source)):
                raise ValueError(f"{path} is one of the files to be read; give another name for {what}")
    _check_writable(path.parent)
    return path


def check_target_folder(target: str | os.PathLike, what: str) -> Path:
    """Return the path of a folder that is there and can be written to, or can be made; otherwise as for a file."""
    folder = Path(target)
    if (folder.exists() or folder.is_symlink()) and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give the name of a folder for {what}")
    _check_writable(folder)
    return folder


def _check_writable(folder: Path) -> None:
    """Write a file without a name into a folder, or into the next one above that exists."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not existing.is_dir():
        raise ValueError(f"{existing} is a file; {folder} cannot be a folder below it")
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"biosig")
    except OSError as error:
        raise type(error)(error.errno, f"{existing} cannot be written to ({error.strerror})") from None


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path in the folder of `target`; rename it to `target` when the block ends without an error.

    On any error, Ctrl-C included, the temporary file is removed and `target` is left as it was.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp gives 0600; results are meant to be shared
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(target: str | os.PathLike, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with atomic_path(target) as path:
        path.write_text(text, encoding="utf-8")


def write_json(target: str | os.PathLike, content) -> None:
    """Write `content` as strict JSON (NaN is refused: turn it into None first), whole or not at all."""
    write_text(target, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
