"""Tables of intervals and Recordings straight to `hrv`; spectra of slow hearts; default cleaning."""

from __future__ import annotations

import neurokit2 as nk
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biosig.heart import heart_rate_variability, hrv
from biosig.recordings import make_recording
from tests.heart.test_hrv import breathing_beats
from tests.heart.test_rates import swinging


def same(a, b):
    pd.testing.assert_frame_equal(a, b, rtol=1e-6)


@pytest.mark.parametrize("cleaning", ["reject", "correct", "none"])
def test_intervals_are_their_beats(cleaning):
    beats = breathing_beats(300) / 1000
    wanted = hrv(beats - beats[0], cleaning=cleaning)
    intervals = np.diff(beats)
    same(hrv(intervals=intervals, cleaning=cleaning), wanted)
    same(hrv(intervals=1000 * intervals, unit="ms", cleaning=cleaning), wanted)
    same(hrv(intervals=pd.Series(intervals), times=beats[1:] - beats[0], cleaning=cleaning), wanted)
    recording = make_recording(ibi=intervals, time={"ibi": beats[1:] - beats[0]})
    same(hrv(recording, cleaning=cleaning), wanted)
    same(hrv(recording["ibi"], cleaning=cleaning), wanted)
    same(hrv(intervals=recording["ibi"], cleaning=cleaning), wanted)
    theirs = nk.hrv_time({"RRI": 1000 * intervals, "RRI_Time": beats[1:]}).iloc[0]
    found = hrv(intervals=intervals, cleaning="none").iloc[0]
    for name in ("HRV_SDNN", "HRV_RMSSD", "HRV_MeanNN", "HRV_MadNN"):
        assert found[name] == pytest.approx(theirs[name])


@pytest.mark.parametrize("cleaning", ["reject", "correct", "none"])
def test_no_difference_spans_a_gap(cleaning):
    beats = breathing_beats(300) / 1000
    intervals, ends = np.diff(beats), beats[1:]
    kept = np.ones(300, bool)
    kept[[50, 51, 120, 200]] = False  # gaps of one and two beats
    found = hrv(intervals=intervals[kept], times=ends[kept], cleaning=cleaning).iloc[0]
    pairs = kept[1:] & kept[:-1]
    assert found["HRV_RMSSD"] == pytest.approx(1000 * np.sqrt(np.mean(np.diff(intervals)[pairs] ** 2)), rel=0.02)
    assert found["n_intervals"] >= 290 and 0.95 < found["valid"] < 1
    missing = np.where(kept, intervals, np.nan)
    assert hrv(intervals=missing, cleaning=cleaning)["HRV_RMSSD"][0] == pytest.approx(found["HRV_RMSSD"], rel=0.02)


def test_times_of_whole_seconds_are_no_gaps():
    beats = breathing_beats(300) / 1000
    found = hrv(intervals=np.diff(beats), times=np.floor(beats[1:])).iloc[0]
    assert found["HRV_RMSSD"] == pytest.approx(hrv(beats)["HRV_RMSSD"][0], rel=1e-6)


def test_rows_of_intervals():
    rows = np.full((3, 80), np.nan)
    for k in range(3):
        rows[k, : 60 + 10 * k] = np.diff(breathing_beats(60 + 10 * k, seed=k)) / 1000
    table = hrv(intervals=rows)
    for k in range(3):
        assert table["HRV_RMSSD"][k] == pytest.approx(hrv(intervals=rows[k])["HRV_RMSSD"][0])


@given(
    st.lists(st.one_of(st.floats(0.3, 2), st.sampled_from([0.0, -1.0, np.nan, np.inf, 9.0])), max_size=60),
    st.booleans(),
    st.sampled_from(["reject", "correct", "none"]),
)
def test_any_intervals_give_a_row(intervals, stamped, cleaning):
    times = np.cumsum(np.nan_to_num(np.abs(intervals), posinf=5.0)) + 0.1 if stamped else None
    table = hrv(intervals=np.array(intervals), times=times, cleaning=cleaning)
    assert len(table) == 1 and 0 <= table["valid"][0] <= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hrv(), "give either beats"),
        (lambda: hrv([1.0, 2.0], intervals=[1.0]), "give either beats"),
        (lambda: hrv([1.0, 2.0], unit="ms"), "belong to intervals"),
        (lambda: hrv(intervals=[800.0] * 20), "give unit='ms'"),
        (lambda: hrv(intervals=[0.8] * 20, unit="ms"), "give unit='s'"),
        (lambda: hrv(intervals=[0.8] * 20, unit="min"), "expected 's' or 'ms'"),
        (lambda: hrv(intervals=[8e5] * 20), "median of 8e.05 s; expected"),
        (lambda: hrv(intervals=["a"]), "cannot be read as numbers"),
        (lambda: hrv(intervals=[0.8, 0.8], times=[1.0]), "times has shape"),
        (lambda: hrv(intervals=[0.8, 0.8], times=[2.0, 1.0]), "times decrease"),
        (lambda: hrv(make_recording(ppg=np.ones(640), time=np.arange(640) / 64)), "detect_beats.recording"),
        (lambda: hrv(make_recording(ppg=np.ones(640), time=np.arange(640) / 64)["ppg"]), "expected beat times"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("rate", [32, 36, 40, 45, 50, 60, 80, 110])
@pytest.mark.parametrize("breath", [0.2, 0.25, 0.3])
@pytest.mark.parametrize("minutes", [5, 16])
def test_bands_stop_at_half_the_rate_and_add_up(rate, breath, minutes):
    rng = np.random.default_rng(0)
    t, beats = 0.0, []
    while t < 60 * minutes:
        beats.append(t)
        t += 60 / rate + 0.03 * (np.sin(0.2 * np.pi * t) + np.sin(2 * np.pi * breath * t)) + 0.003 * rng.normal()
    found = hrv(np.array(beats)).iloc[0]
    assert found["HRV_TP"] == pytest.approx(1e6 * np.var(np.diff(beats)), rel=0.1)
    if breath < rate / 120 - 0.03:
        assert found["HRV_HF"] == pytest.approx(450, rel=0.15)
        assert found["HRV_LF"] == pytest.approx(450, rel=0.15)
    assert np.isnan(found["HRV_VHF"]) == (60 / np.mean(np.diff(beats)) <= 48)


def test_hearts_too_slow_for_breathing_have_no_hf():
    found = hrv(swinging(27, 0.05, 0.1, 200, 0.003)).iloc[0]
    assert np.isnan(found[["HRV_HF", "HRV_LFHF", "HRV_HFn", "HRV_LnHF"]].astype(float)).all()
    assert found["reason"] == "no HF: half of the heart rate is 0.23 Hz" and np.isfinite(found["HRV_LF"])


@pytest.mark.parametrize("kind", ["ventricular", "atrial", "interpolated", "missed"])
@pytest.mark.parametrize("swing", [0.01, 0.04, 0.08])
def test_one_premature_beat_in_forty_changes_little(kind, swing):
    beats = swinging(70, swing, 0.25, 42, 0.01, seed=3)
    intervals = list(np.diff(beats))
    now, after = intervals[20:22]
    intervals[20:22] = {
        "ventricular": [0.65 * now, 0.35 * now + after],
        "atrial": [0.65 * now, after],
        "interpolated": [0.5 * now, 0.5 * now, after],
        "missed": [now + after],
    }[kind]
    true = 1000 * np.sqrt(np.mean(np.diff(beats, 2) ** 2))
    spoiled = np.cumsum(intervals)
    assert heart_rate_variability(spoiled, cleaning="none")["rmssd"] > true + 15
    assert heart_rate_variability(spoiled)["rmssd"] == pytest.approx(true, abs=4 + 0.1 * true)
    assert hrv(spoiled)["HRV_RMSSD"][0] == pytest.approx(heart_rate_variability(spoiled)["rmssd"])
