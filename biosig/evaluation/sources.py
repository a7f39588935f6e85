"""Recordings of an experiment from folders, with every person on one side of the split."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from biosig._reasons import reason
from biosig.recordings import read_all


def read_people(
    train: Sequence[Path], test: Sequence[Path], *, same_people: bool = False
) -> tuple[list, set[str], list[tuple[str, str]], list[str]]:
    """Read all recordings below folders and settle who is who.

    Where several folders are given, a participant is a name within a folder, since studies number their people alike;
    `same_people` says that equal names mean the same person.

    Parameters
    ----------
    train, test : sequences of path
        Folders of recordings.
    same_people : bool

    Returns
    -------
    recordings : list of Recording
        With ``participant`` set accordingly.
    tested : set of str
        Participants of the test folders.
    skipped : list of (path, reason)
    notes : list of str

    Raises
    ------
    ValueError
        A person, or the very same recording, is in training and test or under two names; no folder holds a recording.
    """
    folders = [Path(folder) for folder in (*train, *test)]
    several = len(folders) > 1
    recordings: list = []
    skipped: list[tuple[str, str]] = []
    tested: set[str] = set()
    trained: set[str] = set()
    homes: dict[str, set[str]] = defaultdict(set)
    contents: dict[str, str] = {}
    unusable: list[Exception] = []
    for folder in folders:
        if not folder.exists():
            raise FileNotFoundError(f"{folder} does not exist; expected a folder of recordings")
    for number, folder in enumerate(folders):
        try:
            found, bad = read_all([folder])
        except Exception as error:  # none could be read: the other folders may hold some
            unusable.append(error)
            skipped.append((str(folder), reason(error)))
            continue
        skipped += [(str(path), why) for path, why in bad]
        for recording in found:
            name = str(recording.attrs["participant"])
            homes[name].add(folder.name)
            person = f"{folder.name}/{name}" if several and not same_people else name
            owner = contents.setdefault(_content(recording), person)
            if owner != person:
                raise ValueError(f"{person} and {owner} are the same recording; give it once")
            recording.attrs["participant"] = person
            (tested if number >= len(train) else trained).add(person)
            recordings.append(recording)
    if not recordings:
        raise unusable[0]
    shared = sorted(trained & tested)
    if shared:
        raise ValueError(
            f"{len(shared)} participant(s) are in training and test: {', '.join(shared[:8])}; move their recordings to "
            "one side"
        )
    notes = []
    twice = sorted(name for name, places in homes.items() if len(places) > 1)
    if twice and not same_people:
        notes.append(
            f"{', '.join(twice)}: names found in several folders, taken as different people; if they are the same "
            "people, use --same-people"
        )
    return recordings, tested, skipped, notes


def _content(recording) -> str:
    """Digest of what was measured, whatever the recording is called."""
    digest = hashlib.sha256()
    for sensor in ("accel", "ppg"):
        if sensor in recording:
            digest.update(recording[sensor].to_numpy().tobytes())
    return digest.hexdigest()
