from __future__ import annotations

import numpy as np
import pytest

from biosig.evaluation.semisynthetic import (
    SENSORS,
    Sensor,
    add_beats,
    as_measured_by,
    beat_times,
    movement_of,
    own_step,
)
from biosig.recordings import simulate_cohort


@pytest.fixture(scope="module")
def recording():
    return simulate_cohort(1, 120.0, device="e4", random_state=0)[0]


def test_the_step_of_the_sensor_is_found(recording):
    assert own_step(recording["accel"].to_numpy()) == pytest.approx(1 / 64)
    assert own_step(np.random.default_rng(0).normal(size=(5000, 3))) == 0
    assert own_step(np.full((10, 3), np.nan)) == 0


def test_movement_stays_and_the_staircase_goes():
    t = np.arange(3200) / 32
    slow, jerk = 0.05 * np.sin(2 * np.pi * 0.3 * t), np.where((t > 50) & (t < 51), np.sin(2 * np.pi * 8 * t), 0.0)
    true = np.stack([slow, slow + jerk, 0 * t], axis=1)
    measured = np.round(true * 64) / 64
    found = movement_of(measured, 32.0, 1 / 64)
    assert np.abs(found[:, 0] - slow)[50:-50].std() < 0.5 * np.abs(measured[:, 0] - slow).std()
    assert found[:, 1].max() > 0.8
    measured[100] = np.nan
    assert np.isnan(movement_of(measured, 32.0, 1 / 64)[100]).all()


def test_beats_have_the_size_asked_for_and_follow_the_pulse(recording):
    beats = beat_times(recording)
    true = recording["true_beat"].to_numpy()
    assert np.median(np.abs(beats[:, np.newaxis] - true).min(axis=1)) < 0.05
    t = np.arange(0, 60, 0.001)
    alone = add_beats(np.zeros((len(t), 3)), t, np.arange(1, 59.0), 0.004, np.random.default_rng(0))
    length = np.linalg.norm(alone, axis=1)
    assert np.median([length[(t >= s) & (t < s + 1)].max() for s in range(5, 55)]) == pytest.approx(0.004, rel=0.15)
    onset = t[length > 1e-4][0]
    assert 0.7 < onset < 1.0


def test_a_fine_sensor_shows_the_beat_and_a_coarse_one_hides_it(recording):
    fine, coarse = (as_measured_by(recording, sensor, 0.002, 0)["accel"].to_numpy() for sensor in SENSORS[::-4])
    assert own_step(coarse) == pytest.approx(1 / 64) and own_step(fine) < 1e-3
    quiet = Sensor("perfect", 1e-6, 0.0)
    with_beat, without = (as_measured_by(recording, quiet, size, 0)["accel"].to_numpy() for size in (0.002, 0.0))
    assert 0.0015 < np.abs(with_beat - without).max() < 0.004
    again = as_measured_by(recording, SENSORS[-1], 0.002, 0)["accel"].to_numpy()
    np.testing.assert_array_equal(fine, again)
    assert recording["accel"].attrs == as_measured_by(recording, quiet, 0.0, 0)["accel"].attrs
