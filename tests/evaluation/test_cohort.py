"""Recordings that differ: rates, axes, sensors, and what is known of people."""

from __future__ import annotations

import pytest

from biosig.evaluation.cohort import collect
from biosig.recordings import simulate_cohort
from biosig.signals import Gate


@pytest.fixture(scope="module")
def recordings():
    return [simulate_cohort(1, 90.0, device=device, random_state=0)[0] for device in ("watch", "e4")]


def test_mixed_rates_are_brought_together_and_named(recordings):
    cohort, skipped = collect(recordings, gate=Gate(), stride=15.0, progress=False)
    assert not skipped and cohort.accel.shape[1:] == (3, 3840) and len(cohort.table) == 4
    assert "32 Hz in 1 recording(s), 50 Hz in 1 recording(s)" in cohort.notes[0]
    assert not collect(recordings[:1], gate=Gate(), progress=False)[0].notes
    assert set(cohort.people.columns) == {"age", "sex", "bmi"}


def test_other_axes_and_missing_sensors_are_skipped_with_the_reason(recordings):
    flat = recordings[0].isel(axis=[0, 1])
    blind = recordings[1].drop_vars("ppg")
    cohort, skipped = collect([flat, recordings[1], blind], gate=Gate(), progress=False)
    assert len(cohort.table) == 1
    assert "three axes are needed" in skipped[0][1] and "has no ppg" in skipped[1][1]
    with pytest.raises(ValueError, match=r"none of the 1 recordings.*three axes"):
        collect([flat], gate=Gate(), progress=False)
