"""All windows of many people in memory, with what is known of each: the material of an experiment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from tqdm import tqdm

from biosig._reasons import reason
from biosig.heart import ppg_targets
from biosig.signals import Gate, segment

TARGETS = ("heart_rate", "sdnn", "rmssd")
TRAITS = ("age", "sex", "bmi")
"""Attributes of recordings that say something of the person."""


_COLUMNS = ("participant", "session", "start", "valid", "motion", "ppg_quality", "non_wear")


@dataclass(frozen=True)
class Cohort:
    """Windows of many recordings, row by row.

    Attributes
    ----------
    accel : array of shape (n_windows, 3, n_samples), float32, g without gravity
    ppg : array of shape (n_windows, 1, n_samples), float32, device units
    table : pandas.DataFrame
        ``participant``, ``session``, ``start`` (s), ``valid``, ``motion`` (g), ``ppg_quality``, ``non_wear``, the
        targets ``heart_rate`` (beats/min), ``sdnn`` and ``rmssd`` (ms) with ``reason``, and ``still``: whether
        the window passed the gate.
    sampling_rate : float
        Hz, of both sensors.
    length : float
        s, of a window.
    gate : Gate
        What ``still`` means.
    people : pandas.DataFrame
        What is known of the participants (the index): the `TRAITS` that recordings carry, and further labels.
    notes : tuple of str
        What a reader should know of how the recordings differ.
    """

    accel: np.ndarray
    ppg: np.ndarray
    table: pd.DataFrame
    sampling_rate: float
    length: float
    gate: Gate
    people: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()

    @property
    def targets(self) -> pd.DataFrame:
        """Heart rate, SDNN and RMSSD of each window."""
        return self.table[list(TARGETS)]

    @property
    def participants(self) -> np.ndarray:
        """Participant of each window."""
        return self.table["participant"].to_numpy()

    @property
    def still(self) -> np.ndarray:
        """Whether each window passed the gate."""
        return self.table["still"].to_numpy()


def collect(
    recordings: Iterable,
    *,
    gate: Gate,
    length: float = 60.0,
    stride: float = 60.0,
    sampling_rate: float = 64.0,
    progress: bool = True,
) -> tuple[Cohort, list[tuple[str, str]]]:
    """Cut recordings into windows and take the reference targets from their PPG.

    Parameters
    ----------
    recordings : iterable of Recording
        Each needs ``accel`` and ``ppg``. With several wavelengths the first is used.
    gate : Gate
        Which windows count as still and clean.
    length, stride : float
        Of the windows (s).
    sampling_rate : float
        Hz.
    progress : bool
        Show a progress bar.

    Returns
    -------
    cohort : Cohort
    skipped : list of (session, reason)
        Recordings that cannot be used: a sensor is missing, or they are shorter than a window.

    Raises
    ------
    ValueError
        Not one recording can be used.
    """
    accel, ppg, tables, skipped = [], [], [], []
    people: dict[str, dict] = {}
    rates: Counter[float] = Counter()
    for recording in tqdm(list(recordings), desc="cutting windows", unit="recording", disable=not progress):
        name = str(recording.attrs.get("session", "a recording without a session"))
        missing = [sensor for sensor in ("accel", "ppg") if sensor not in recording]
        if missing:
            skipped.append((name, f"has no {' and no '.join(missing)}; both sensors are needed"))
            continue
        if recording["accel"].shape.count(3) == 0 or recording["accel"].ndim != 2:
            skipped.append((name, f"acceleration of shape {recording['accel'].shape}; three axes are needed"))
            continue
        try:
            windows = segment(recording, length=length, stride=stride, sampling_rate=sampling_rate)
            pulse = np.ascontiguousarray(windows["ppg"].to_numpy()[:, :1])
            table = windows[list(_COLUMNS)].to_dataframe().reset_index(drop=True)[list(_COLUMNS)]
            table["still"] = gate.mask(windows)
            targets = ppg_targets(pulse, sampling_rate).reset_index(drop=True)
        except Exception as error:  # of whatever kind: one recording does not end the others' run
            skipped.append((name, reason(error)))
            continue
        tables.append(pd.concat([table, targets], axis=1))
        rates[round(float(recording["accel"].attrs["sampling_rate"]))] += 1
        known = people.setdefault(str(recording.attrs["participant"]), {})
        known |= {trait: recording.attrs[trait] for trait in TRAITS if trait in recording.attrs}
        accel.append(windows["accel"].to_numpy())
        ppg.append(pulse)
    if not accel:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped[:3])
        raise ValueError(f"none of the {len(skipped)} recordings can be used ({reasons})")
    table = pd.concat(tables, ignore_index=True)
    notes = []
    if len(rates) > 1:
        counts = ", ".join(f"{rate:g} Hz in {rates[rate]} recording(s)" for rate in sorted(rates))
        notes.append(
            f"The acceleration was measured at different rates ({counts}) and brought to {sampling_rate:g} Hz. What "
            "only the faster sensors show can tell devices apart: no device should stand on one side of a split only."
        )
    about = pd.DataFrame.from_dict(people, orient="index").rename_axis("participant")
    return (
        Cohort(np.concatenate(accel), np.concatenate(ppg), table, sampling_rate, length, gate, about, tuple(notes)),
        skipped,
    )


def with_labels(cohort: Cohort, labels: pd.DataFrame) -> Cohort:
    """Return the cohort with further labels of its participants.

    Parameters
    ----------
    cohort : Cohort
    labels : pandas.DataFrame
        A column ``participant`` and one column a label; empty cells are unknown. Participants who have no recording
        are named in the notes and left out.

    Raises
    ------
    ValueError
        Without a column ``participant``, with a participant in two rows, or when no row belongs to a recording.
    """
    if "participant" not in labels.columns or labels.shape[1] < 2:
        raise ValueError(
            f"the labels have the columns {list(map(str, labels.columns))}; expected 'participant' and a label or more"
        )
    table = labels.assign(participant=labels["participant"].astype(str)).set_index("participant")
    twice = sorted(set(table.index[table.index.duplicated()]))
    if twice:
        raise ValueError(f"participant(s) {', '.join(twice[:8])} have several rows of labels; give one row a person")
    known = np.unique(cohort.participants.astype(str))
    strangers = sorted(set(table.index) - set(known))
    if len(strangers) == len(table):
        raise ValueError(
            f"no row of the labels belongs to a recording: labels of {', '.join(strangers[:5])}; recordings of "
            f"{', '.join(known[:5])}"
        )
    notes = list(cohort.notes)
    if strangers:
        names = ", ".join(strangers[:8]) + (", ..." if len(strangers) > 8 else "")
        notes.append(f"Labels of {len(strangers)} participant(s) without a recording were left out: {names}.")
    kept = cohort.people.drop(columns=[name for name in table.columns if name in cohort.people.columns])
    people = kept.reindex(known).join(table.reindex(known))
    return replace(cohort, people=people.rename_axis("participant"), notes=tuple(notes))
