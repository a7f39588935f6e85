"""In whose acceleration can the beat be seen at all? Told from the signals, before and without any encoder.

The PPG says when the heart beat. If the beat moves the wrist by more than the sensor hides, the envelope of the
acceleration around these moments, averaged over the minute, keeps a shape; beats of another minute of the same person,
laid over this one at any offset, average to nothing. The size of that shape is ranked among those of such shifted
beats, so that by chance 5 % of the minutes stand out: what is more, in a person, is a visible beat. The measure is a
cautious one: where the heart beats like a clock, shifted beats fall in step with the true ones and hide them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import uniform_filter1d
from scipy.stats import binom
from tqdm import tqdm

from biosig.evaluation.cohort import Cohort
from biosig.heart import detect_beats
from biosig.signals import band_envelope

CHANCE = 0.05
BAND = (4.0, 11.0)  # Hz, where the heart moves a still wrist
ENVELOPE_RATE = 16.0  # Hz
FLOOR = 5e-4  # g
SLOWEST = 2.0  # s; envelopes that change more slowly are movement
REACH = 0.4  # s around a beat, in which its oscillation lies whatever the transit of the pulse
N_DRAWS = 199
LEAST_BEATS = 20
VISIBLE, HIDDEN = "visible beat", "no visible beat"


def beat_envelope(accel: np.ndarray, sampling_rate: float) -> np.ndarray:
    """One envelope a window, (n_windows, n_frames) at 16 Hz: how much is going on in the band of the beat.

    The power of the three axes is summed, so that it does not matter how the arm lies; of its logarithm, what changes
    more slowly than the heart is taken off, and single jolts are cut.

    Parameters
    ----------
    accel : array of shape (n_windows, 3, n_samples)
        g, without gravity.
    sampling_rate : float
        Hz, at least 22.
    """
    logs = band_envelope(accel, sampling_rate, bands=(BAND,), envelope_rate=ENVELOPE_RATE, floor=FLOOR)
    logs = np.nan_to_num(logs.astype(np.float64), nan=float(np.log(FLOOR)))
    envelope = 0.5 * np.log(np.exp(2 * logs).sum(axis=1))
    fast = envelope - uniform_filter1d(envelope, round(SLOWEST * ENVELOPE_RATE), axis=1)
    spread = fast.std(axis=1, keepdims=True)
    return np.clip(np.divide(fast, spread, out=np.zeros_like(fast), where=spread > 1e-9), -3.0, 3.0)


def _trains(ppg: np.ndarray, sampling_rate: float, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Beats as counts a frame of the envelope, (n_windows, n_frames), and their number in each window."""
    trains = np.zeros((len(ppg), n_frames))
    for row, wave in zip(trains, ppg, strict=True):
        frames = np.round(np.asarray(detect_beats(wave, sampling_rate)) * ENVELOPE_RATE).astype(int)
        np.add.at(row, frames[(frames >= 0) & (frames < n_frames)], 1.0)
    return trains, trains.sum(axis=1)


def _locked(spectrum: np.ndarray, train: np.ndarray, n_beats, n: int) -> np.ndarray:
    """Spread of the average envelope around the beats, for the beats shifted by each number of frames, (n,).

    `spectrum` and `train` are Fourier transforms, of the envelope and of the beats.
    """
    average = np.fft.irfft(spectrum * np.conj(train), n) / n_beats
    width = 2 * round(REACH * ENVELOPE_RATE) + 1
    mean, square = (uniform_filter1d(x, width, mode="wrap") for x in (average, average * average))
    return n_beats * (square - mean * mean)


def visible_minutes(cohort: Cohort, rows: np.ndarray, *, random_state: int = 0) -> pd.DataFrame:
    """Test each minute for a component of the acceleration envelope that is locked to the beats of the PPG.

    Parameters
    ----------
    cohort : Cohort
    rows : array of int
        Windows to be looked at; of those that overlap the first is taken.
    random_state : int
        Seed of the shifted beats: each of 199 times those of another minute of the same person (of this one, where
        there is no other) at an offset of at least a second.

    Returns
    -------
    pandas.DataFrame
        One row a minute: `window` (row number), `participant`, `p_value`; under the null hypothesis a twentieth of the
        minutes has at most 0.05.
    """
    rows = apart(cohort, rows)
    envelope = beat_envelope(cohort.accel[rows], cohort.sampling_rate)
    n = envelope.shape[1]
    trains, n_beats = _trains(cohort.ppg[rows, 0], cohort.sampling_rate, n)
    people = cohort.participants[rows]
    spectra, beats = np.fft.rfft(envelope), np.fft.rfft(trains)
    margin, found = round(ENVELOPE_RATE), []
    for person in tqdm(np.unique(people), desc="visible beats", unit="person", delay=2, leave=False):
        own = np.flatnonzero((people == person) & (n_beats >= LEAST_BEATS))
        rng = np.random.default_rng([random_state, *str(person).encode()])
        for window in own:
            locked = lambda other, window=window: _locked(spectra[window], beats[other], n_beats[other], n)
            others, times = np.unique(
                rng.choice(own[own != window] if len(own) > 1 else own, N_DRAWS), return_counts=True
            )
            shifted = [
                locked(other)[rng.integers(margin, n - margin, count)]
                for other, count in zip(others, times, strict=True)
            ]
            larger = np.count_nonzero(np.concatenate(shifted) >= locked(window)[0])
            found.append([int(rows[window]), person, (1 + larger) / (1 + N_DRAWS)])
    return pd.DataFrame(found, columns=["window", "participant", "p_value"])


def apart(cohort: Cohort, rows: np.ndarray) -> np.ndarray:
    """Return those of the windows that share no sample with one taken before."""
    table = cohort.table.iloc[rows]
    kept: list[int] = []
    for _, part in table.groupby(["participant", "session"], sort=False):
        last = -np.inf
        for row, start in part["start"].sort_values(kind="stable").items():
            if start - last >= cohort.length - 1e-6:
                kept.append(int(row))
                last = start
    return np.sort(np.array(kept, dtype=np.int64))


def visible_people(minutes: pd.DataFrame) -> pd.DataFrame:
    """Sort people by whether more of their minutes stand out than chance explains.

    Parameters
    ----------
    minutes : pandas.DataFrame
        From `visible_minutes`.

    Returns
    -------
    pandas.DataFrame
        One row a person: `participant`, `n_minutes`, `share` that stands out, `chance` (0.05), `p_value` (binomial, of
        so many or more by chance), `group`: `VISIBLE` where that is at most 0.05, `HIDDEN` otherwise.
    """
    stands_out = minutes.assign(out=minutes["p_value"] <= CHANCE).groupby("participant")["out"].agg(["sum", "count"])
    p_value = binom.sf(stands_out["sum"] - 1, stands_out["count"], CHANCE)
    return pd.DataFrame(
        {
            "participant": stands_out.index,
            "n_minutes": stands_out["count"].to_numpy(),
            "share": (stands_out["sum"] / stands_out["count"]).to_numpy(),
            "chance": CHANCE,
            "p_value": p_value,
            "group": np.where(p_value <= CHANCE, VISIBLE, HIDDEN),
        }
    )
