"""All windows of many people in memory, with what is known of each: the material of an experiment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm import tqdm

from biosig.heart import ppg_targets
from biosig.signals import Gate, segment

TARGETS = ("heart_rate", "sdnn", "rmssd")


@dataclass(frozen=True)
class Cohort:
    """Windows of many recordings, row by row.

    Attributes
    ----------
    accel : array of shape (n_windows, 3, n_samples), float32, g without gravity
    ppg : array of shape (n_windows, 1, n_samples), float32, device units
    table : pandas.DataFrame
        ``participant``, ``session``, ``start`` (s), ``valid``, ``motion`` (g), ``ppg_quality``, the targets
        ``heart_rate`` (beats/min), ``sdnn`` and ``rmssd`` (ms) with ``reason``, and ``still``: whether the window
        passed the gate.
    sampling_rate : float
        Hz, of both sensors.
    length : float
        s, of a window.
    gate : Gate
        What ``still`` means.
    """

    accel: np.ndarray
    ppg: np.ndarray
    table: pd.DataFrame
    sampling_rate: float
    length: float
    gate: Gate

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
    for recording in tqdm(list(recordings), desc="cutting windows", unit="recording", disable=not progress):
        name = str(recording.attrs["session"])
        missing = [sensor for sensor in ("accel", "ppg") if sensor not in recording]
        if missing:
            skipped.append((name, f"has no {' and no '.join(missing)}; both sensors are needed"))
            continue
        try:
            windows = segment(recording, length=length, stride=stride, sampling_rate=sampling_rate)
        except ValueError as error:
            skipped.append((name, str(error)))
            continue
        pulse = np.ascontiguousarray(windows["ppg"].to_numpy()[:, :1])
        table = windows[["participant", "session", "start", "valid", "motion", "ppg_quality"]].to_dataframe()
        table = table.reset_index(drop=True)[["participant", "session", "start", "valid", "motion", "ppg_quality"]]
        table["still"] = gate.mask(windows)
        targets = ppg_targets(pulse, sampling_rate).reset_index(drop=True)
        tables.append(pd.concat([table, targets], axis=1))
        accel.append(windows["accel"].to_numpy())
        ppg.append(pulse)
    if not accel:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped[:3])
        raise ValueError(f"none of the {len(skipped)} recordings can be used ({reasons})")
    table = pd.concat(tables, ignore_index=True)
    return Cohort(np.concatenate(accel), np.concatenate(ppg), table, sampling_rate, length, gate), skipped
