"""Where ``biosig windows`` writes: one file, or a file for each recording, never mixed with windows cut otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import xarray as xr

from biosig._files import check_target_file, check_target_folder
from biosig.signals.storage import window_attributes, window_form, write_windows

_MADE_BY = "biosig_windows"
_WORDS = {
    "length": "length of {} s",
    "stride": "stride of {} s",
    "rate": "rate of {} Hz",
    "max_motion": "motion gate of {} mg",
    "min_quality": "quality gate of {}",
}


class WindowsOut:
    """The target of one run, looked at before any recording is read.

    Parameters
    ----------
    path : path
        A name that ends in ``.nc``, or a folder.
    settings : dict
        All that the windows depend on, as JSON can hold it; kept in each file.
    overwrite : bool
        Whether windows of other settings are replaced, and not refused.

    Raises
    ------
    ValueError
        For windows of other settings, and for other netCDF files in the folder.
    OSError
        Where nothing can be written.
    """

    def __init__(self, path: Path, settings: dict[str, Any], *, overwrite: bool):
        self._path, self._settings, self._overwrite = path, settings, overwrite
        self._in_one = path.suffix == ".nc"
        self._kept: list[xr.Dataset] = []
        self._form = ""
        self._written: set[Path] = set()
        self.n_windows = 0
        self.participants: set[str] = set()
        if self._in_one:
            check_target_file(path, (".nc",), "windows")
            self._old = [path] if path.exists() else []
        else:
            check_target_folder(path, "the windows")
            self._old = sorted(path.glob("*.nc")) if path.is_dir() else []
        for file in self._old:
            self._check_old(file)
        if self._old and not overwrite:
            print(f"{path} holds {len(self._old)} file(s) of an earlier run of this command; they are made again")

    def _check_old(self, file: Path) -> None:
        try:
            attributes = window_attributes(file)
        except ValueError as error:
            raise ValueError(f"{file} stands where windows are to be put ({error}); give another --out") from None
        if self._overwrite:
            return
        fix = "give another --out, or --overwrite to replace what is there"
        try:
            settings = json.loads(attributes[_MADE_BY])
            differing = [name for name in self._settings if settings[name] != self._settings[name]]
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"{file} holds windows that do not say how they were cut; {fix}") from None
        if not differing:
            return
        if differing == ["recordings"]:
            raise ValueError(f"{file} holds windows of another run, cut from other recordings; {fix}")
        there, here = (
            ", ".join(_WORDS[name].format(one[name]) for name in differing if name in _WORDS)
            for one in (settings, self._settings)
        )
        raise ValueError(f"{file} holds windows cut with a {there}, this run has a {here}; {fix}")

    def put(self, session: str, windows: xr.Dataset) -> None:
        """Take the windows of one recording; ValueError where they cannot stand beside those of the others."""
        form = window_form(windows)
        if self._form and form != self._form:
            raise ValueError(f"its windows hold {form}, those before {self._form}; they cannot be used together")
        windows = windows.assign_attrs({_MADE_BY: json.dumps(self._settings)})
        if self._in_one:
            self._kept.append(windows)
        else:
            file = self._path / f"{session.replace('/', '_')}.nc"
            if file in self._written:
                raise ValueError(
                    f"another recording of this run is called {session!r} too; put its windows in a folder of their own"
                )
            self._remove_old()
            self._written.add(write_windows(windows, file))
        self._form = form
        self.n_windows += windows.sizes["window"]
        self.participants |= set(map(str, windows["participant"].values))

    def finish(self) -> None:
        """Write what goes in one file; name the files of an earlier run that this one did not make again."""
        if self._in_one:
            windows = xr.concat(self._kept, "window", combine_attrs="drop_conflicts")
            write_windows(windows, self._path)
        elif left := [file.name for file in self._old if file not in self._written and file.exists()]:
            names = ", ".join(left[:5]) + (", ..." if len(left) > 5 else "")
            print(f"{len(left)} file(s) of an earlier run stay, whose recordings gave no window now: {names}")

    def _remove_old(self) -> None:
        """Before the first new file: what is to be overwritten, so that old and new never stand side by side."""
        if self._overwrite:
            for file in self._old:
                file.unlink(missing_ok=True)
            self._old = []
