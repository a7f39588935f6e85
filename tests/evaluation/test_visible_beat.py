"""A beat is seen where it is, and in one minute of twenty where it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from biosig.evaluation.cohort import Cohort
from biosig.evaluation.visible_beat import HIDDEN, VISIBLE, apart, beat_envelope, visible_minutes, visible_people
from biosig.signals import Gate

RATE = 32.0


def wrists(size: float, n_people=4, n_windows=16, seed=0) -> Cohort:
    """Minutes of noise with an oscillation of `size` (g) at each beat of the PPG."""
    rng = np.random.default_rng(seed)
    n, t = n_people * n_windows, np.arange(int(60 * RATE)) / RATE
    accel, ppg = 0.002 * rng.normal(size=(n, 3, len(t))), np.zeros((n, 1, len(t)))
    for window in range(n):
        beats = np.cumsum(rng.normal(0.9, 0.06, 80)) + rng.uniform(0, 1)
        since = t - beats[np.maximum(np.searchsorted(beats, t) - 1, 0)]
        ppg[window, 0] = np.where(since >= 0, np.exp(-(((since - 0.15) / 0.08) ** 2)), 0.0)
        accel[window, 0] += size * np.where(since >= 0, np.sin(2 * np.pi * 8 * since) * np.exp(-since / 0.1), 0.0)
    people = np.repeat([f"p{i}" for i in range(n_people)], n_windows)
    table = pd.DataFrame(
        {"participant": people, "session": people, "start": np.tile(60.0 * np.arange(n_windows), n_people)}
    )
    return Cohort(accel.astype(np.float32), ppg.astype(np.float32), table.assign(still=True), RATE, 60.0, Gate())


def test_a_beat_is_found_and_its_absence_is_chance():
    there = visible_minutes(wrists(0.006), np.arange(64))
    assert len(there) == 64 and (there["p_value"] <= 0.05).mean() > 0.9
    assert set(visible_people(there)["group"]) == {VISIBLE}
    none = visible_minutes(wrists(0.0, n_people=16), np.arange(256))
    assert 0.01 < (none["p_value"] <= 0.05).mean() < 0.10  # two and a half standard deviations around 0.05
    assert 0.4 < none["p_value"].mean() < 0.6


def test_ppg_of_other_minutes_shows_nothing_and_a_seed_repeats():
    data = wrists(0.006)
    swapped = replace(data, ppg=data.ppg.reshape(4, 16, 1, -1)[:, ::-1].reshape(data.ppg.shape))
    found = visible_minutes(swapped, np.arange(64))
    assert (found["p_value"] <= 0.05).mean() < 0.2
    pd.testing.assert_frame_equal(found, visible_minutes(swapped, np.arange(64)))


def test_people_are_told_apart_by_the_binomial_law():
    minutes = pd.DataFrame(
        {
            "window": range(60),
            "participant": np.repeat(["a", "b", "c"], 20),
            "p_value": np.r_[[0.01] * 4, [0.5] * 16].tolist() + [0.05] * 3 + [0.06] * 17 + [0.9] * 20,
        }
    )
    found = visible_people(minutes).set_index("participant")
    assert found.loc["a", "p_value"] == pytest.approx(0.0159, abs=1e-4)  # four or more of 20, by the tables
    assert found.loc["b", "p_value"] == pytest.approx(0.0755, abs=1e-4)
    assert list(found["group"]) == [VISIBLE, HIDDEN, HIDDEN] and found.loc["c", "share"] == 0


def test_minutes_that_share_samples_count_once():
    data = wrists(0.0, n_people=2, n_windows=6)
    data.table["start"] = np.tile([0.0, 30.0, 60.0, 119.0, 130.0, 500.0], 2)
    np.testing.assert_array_equal(apart(data, np.arange(12)), [0, 2, 4, 5, 6, 8, 10, 11])
    assert not len(apart(data, np.arange(0)))


@pytest.mark.parametrize("value", [0.0, np.nan, 1e3])
def test_hopeless_windows_are_left_out_or_show_nothing(value):
    data = wrists(0.006, n_people=1, n_windows=4)
    data.accel[1] = value
    data.ppg[2] = value
    found = visible_minutes(data, np.arange(4))
    assert list(found["window"]) == [0, 1, 3]
    assert found["p_value"].iloc[1] == 1.0
    assert np.isfinite(beat_envelope(data.accel, RATE)).all()
    alone = visible_minutes(data, np.array([0]))
    assert len(alone) == 1 and 0 < alone["p_value"].iloc[0] <= 1
    assert visible_people(visible_minutes(data, np.array([2]))).empty
