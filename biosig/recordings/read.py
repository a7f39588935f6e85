"""One door for all formats, and the walk through folders of sessions."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import xarray as xr

from biosig.recordings.embraceplus import is_embraceplus, read_embraceplus
from biosig.recordings.empatica import is_empatica, read_empatica
from biosig.recordings.netcdf import read_netcdf
from biosig.recordings.physionet import read_wfdb
from biosig.recordings.table import read_table

_READERS: dict[str, Callable[..., xr.Dataset]] = {
    "e4": read_empatica,
    "embraceplus": read_embraceplus,
    "wfdb": read_wfdb,
    "table": read_table,
    "netcdf": read_netcdf,
}
_SUFFIXES = {
    ".hea": "wfdb",
    ".dat": "wfdb",
    ".csv": "table",
    ".tsv": "table",
    ".parquet": "table",
    ".pq": "table",
    ".nc": "netcdf",
}
_PACKED = (".csv.gz", ".tsv.gz")
_FORMATS = (
    "an Empatica E4 session (zip or folder with ACC.csv or BVP.csv), an EmbracePlus session (.avro, or a folder of "
    "them), a WFDB record (.hea), a table (.csv, .tsv, also .gz, .parquet) or a recording written by biosig (.nc)"
)


def read(path: str | os.PathLike, *, format: str | None = None, **options) -> xr.Dataset:
    """Read one recording; the format is recognised from name and content.

    Parameters
    ----------
    path : path
        File, or folder of one session.
    format : {"e4", "embraceplus", "wfdb", "table", "netcdf"}, optional
        Instead of recognising it.
    **options
        Of the reader: `biosig.recordings.read_empatica`, `read_embraceplus`, `read_wfdb`, `read_table`,
        `read_netcdf`.

    Returns
    -------
    xarray.Dataset
        A Recording that passed `biosig.recordings.validate`.

    Raises
    ------
    FileNotFoundError
        When `path` does not exist.
    ValueError
        When the format is not known, or the file is not what its format demands.
    """
    path = Path(path)
    if format is not None and format not in _READERS:
        raise ValueError(f"format is {format!r}; expected one of {list(_READERS)}")
    if not _exists(path) and not _exists(path.with_name(path.name + ".hea")):
        raise FileNotFoundError(f"{path} does not exist; expected {_FORMATS}")
    kind = format or _recognise(path)
    if kind is None:
        raise ValueError(f"{path} is in no format that biosig knows; expected {_FORMATS}")
    return _READERS[kind](path, **options)


def read_all(
    folders: str | os.PathLike | Iterable[str | os.PathLike],
    *,
    format: str | None = None,
    participant: Callable[[Path], str] | None = None,
    progress: bool = True,
    **options: Any,
) -> tuple[list[xr.Dataset], list[tuple[Path, str]]]:
    """Read all sessions in some folders, leaving out those that cannot be read.

    Sessions are the direct children of a folder: zip files, session folders, ``.hea`` and ``.nc`` files. Only when
    there are none are the folders below searched, so that an unpacked example beside the archives is not read twice.
    Tables are often indices or questionnaires and count only with ``format="table"``, at any depth.

    Parameters
    ----------
    folders : path or iterable of paths
        A path that is itself a session, or a file, is read as such.
    format : {"e4", "embraceplus", "wfdb", "table", "netcdf"}, optional
        Read only sessions of this format.
    participant : callable, optional
        Gives the participant of a session's path; without it, the reader takes the file name. Sessions of one name are
        taken for one person, whatever their folders, and a warning tells when folders differ.
    progress : bool
        Show a progress bar.
    **options
        Passed to the reader.

    Returns
    -------
    recordings : list of xarray.Dataset
        In the order of the folders, then of the names.
    skipped : list of (Path, str)
        Sessions that could not be read, and why.

    Raises
    ------
    FileNotFoundError
        When a folder does not exist.
    ValueError
        When there is no session, or none could be read. A session that fails in any other way, out of memory included,
        is skipped as well; only an interrupt ends the reading.
    """
    given = [folders] if isinstance(folders, str | os.PathLike) else folders
    roots = [Path(folder) for folder in given]
    if format is not None and format not in _READERS:
        raise ValueError(f"format is {format!r}; expected one of {list(_READERS)}")
    sessions: dict[Path, None] = {}
    skipped: list[tuple[Path, str]] = []
    for folder in roots:
        if not folder.exists():
            raise FileNotFoundError(f"{folder} does not exist; expected a folder of sessions")
        sessions.update(dict.fromkeys(_sessions(folder, format, skipped) if folder.is_dir() else [folder]))
    if not sessions and not skipped:
        hint = "" if format == "table" else "; tables (.csv, .tsv, .parquet) count only with format='table'"
        raise ValueError(f"no recordings in {', '.join(map(str, roots))}; expected {_FORMATS}{hint}")
    from tqdm import tqdm

    recordings: list[xr.Dataset] = []
    folder_of: dict[str, set[Path]] = {}
    for path in tqdm(sessions, desc="reading", unit="session", disable=not progress, leave=False):
        try:
            recording = read(path, format=format, **options)
            if participant is not None:
                recording.attrs["participant"] = str(participant(path))
            folder_of.setdefault(recording.attrs["participant"], set()).add(path.parent)
            recordings.append(recording)
        except Exception as error:  # one recording, however broken, never ends the batch
            skipped.append((path, _reason(error)))
    if not recordings:
        reasons = "\n".join(f"  {path}: {reason}" for path, reason in skipped)
        raise ValueError(f"none of {len(skipped)} recordings could be read:\n{reasons}")
    shared = sorted(name for name, parents in folder_of.items() if len(parents) > 1)
    if shared and participant is None:
        warnings.warn(
            f"{len(shared)} participants ({', '.join(shared[:5])}) occur in several folders and are taken for the same "
            "person; if they are not, give participant=lambda path: f'{path.parent.name}/{path.stem}'",
            stacklevel=2,
        )
    return recordings, skipped


def _recognise(path: Path) -> str | None:
    if is_empatica(path):
        return "e4"
    if is_embraceplus(path):
        return "embraceplus"
    if path.is_dir():
        return None
    if path.name.lower().endswith(_PACKED):
        return "table"
    if path.suffix.lower() in _SUFFIXES:
        return _SUFFIXES[path.suffix.lower()]
    return "wfdb" if path.with_name(path.name + ".hea").exists() else None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or holds a null character
        return False


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) if isinstance(error, ValueError | OSError) else ""
    return text or f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _sessions(folder: Path, format: str | None, skipped: list[tuple[Path, str]]) -> list[Path]:
    """Sessions in a folder: itself, its direct children, or else those of the folders below.

    What cannot be looked at is added to `skipped`.
    """
    sessions: list[Path] = []
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        found, below = _look_into(here, format, skipped)
        sessions += found
        if not found or format == "table":
            waiting += reversed(below)
    return sessions


def _look_into(folder: Path, format: str | None, skipped: list[tuple[Path, str]]) -> tuple[list[Path], list[Path]]:
    """Sessions that are the folder itself or its direct children, and the other folders in it."""
    found: list[Path] = []
    below: list[Path] = []
    try:
        kind = _recognise(folder)
        children = sorted((child for child in folder.iterdir() if not child.name.startswith(".")), key=_natural)
        if kind is not None and format in (None, kind):
            beside = (child for child in children if child.is_file() and _recognise(child) in ("netcdf", "wfdb"))
            return [folder, *(child for child in beside if _is_session(child, format))], []
    except OSError as error:
        skipped.append((folder, _reason(error)))
        return [], []
    for child in children:
        try:
            if _is_session(child, format):
                found.append(child)
            elif child.is_dir() and not child.is_symlink():
                below.append(child)
        except OSError as error:
            skipped.append((child, _reason(error)))
    return found, below


def _is_session(path: Path, format: str | None) -> bool:
    kind = _recognise(path)
    if kind is None or path.suffix.lower() == ".dat" or (kind == "wfdb" and path.suffix.lower() != ".hea"):
        return False
    return kind == format if format is not None else kind != "table"


def _natural(path: Path) -> tuple:
    """Sorting key that puts S2 before S10."""
    digits, parts = "", []
    for character in path.name.lower():
        if character.isdigit():
            digits += character
            continue
        if digits:
            parts.append((0, int(digits), ""))
            digits = ""
        parts.append((1, 0, character))
    return (*parts, (0, int(digits), "")) if digits else tuple(parts)
