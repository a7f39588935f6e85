"""Variability by NeuroKit2's names, correction of beats, breathing."""

from __future__ import annotations

import neurokit2 as nk
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biosig.heart import correct_beats, heart_rate, heart_rate_variability, hrv, respiration_rate
from tests.heart.test_beats import pulse_train

RATIOS = ("LFHF", "LFn", "HFn")
POWERS = ("VLF", "LF", "HF", "VHF", "TP", "LnHF")


def breathing_beats(n=400, seed=0, breath=0.25, rate=1.0):
    """Whole milliseconds, with a slow rhythm of 0.1 Hz, breathing and noise."""
    rng = np.random.default_rng(seed)
    beats = [0]
    for _ in range(n):
        t = beats[-1] / 1000
        rhythm = 40 * np.sin(2 * np.pi * 0.1 * t) + 30 * np.sin(2 * np.pi * breath * t) + 10 * rng.normal()
        beats.append(beats[-1] + int(850 / rate + rhythm))
    return np.array(beats)


@pytest.mark.parametrize("cleaning", ["none", "reject"])
def test_names_and_values_are_those_of_neurokit(cleaning):
    samples = breathing_beats()
    ours = hrv(samples / 1000, cleaning=cleaning).iloc[0]
    theirs = nk.hrv(samples, sampling_rate=1000).iloc[0]
    names = [name for name in ours.index if name.startswith("HRV_")]
    assert set(names) <= set(theirs.index) and len(names) == 35
    assert ours["reason"] == "" and ours["valid"] == 1 and ours["n_intervals"] == 400
    for name in names:
        if name[4:] in POWERS:  # theirs are divided by the largest
            assert np.isfinite(ours[name])
        else:
            assert ours[name] == pytest.approx(theirs[name], rel=0.06 if name[4:] in RATIOS else 1e-6), name


def test_bands_add_up_to_the_variance():
    found = hrv(breathing_beats() / 1000).iloc[0]
    assert found["HRV_TP"] == pytest.approx(found["HRV_SDNN"] ** 2, rel=0.1)
    assert found["HRV_LF"] == pytest.approx(800, rel=0.2)
    assert found["HRV_HF"] == pytest.approx(450, rel=0.25)


def test_each_measure_needs_enough():
    beats = breathing_beats() / 1000
    minute = hrv(beats[beats < 60], duration=60).iloc[0]
    assert np.isfinite(minute[["HRV_RMSSD", "HRV_HF", "HRV_SampEn"]].astype(float)).all()
    assert np.isnan(minute["HRV_LF"]) and np.isnan(minute["HRV_VLF"])
    assert minute["reason"] == "no LF: 59 s; no VLF: 59 s"
    most = hrv(beats[beats < 60], duration=80).iloc[0]
    assert np.isfinite(most["HRV_MeanNN"]) and np.isnan(most["HRV_SDNN"]) and np.isnan(most["HRV_RMSSD"])
    assert most["valid"] == pytest.approx(0.75, abs=0.02)
    assert most["reason"].startswith(f"no spread: {most['valid']:.0%} good intervals")
    assert hrv(beats[beats < 60], duration=100)["reason"][0].startswith("no rate: 6")
    nothing = hrv(np.full((2, 5), np.nan))
    assert nothing.filter(like="HRV_").isna().all().all()
    assert nothing["reason"].str.startswith("no rate: 0 good intervals").all()
    assert hrv(np.empty((0, 3))).shape == (0, 38)
    assert hrv([]).shape == (1, 38)


def test_rejection_is_that_of_the_short_functions():
    beats = breathing_beats(80) / 1000
    beats = np.delete(beats, [20, 50])
    table, measures = hrv(beats).iloc[0], heart_rate_variability(beats)
    assert table["HRV_SDNN"] == pytest.approx(measures["sdnn"])
    assert table["HRV_RMSSD"] == pytest.approx(measures["rmssd"])
    assert 60000 / table["HRV_MeanNN"] == pytest.approx(heart_rate(beats))
    assert table["n_intervals"] == measures["n_good"] == 76


def spoil(beats, harm):
    if harm == "missed":
        return np.delete(beats, 100)
    if harm == "extra":
        return np.sort(np.append(beats, beats[100] + 0.4))
    spoiled = beats.copy()
    spoiled[100] += {"early": -0.35, "late": 0.3}[harm]
    return spoiled


@pytest.mark.parametrize(
    ("harm", "counted"), [("missed", "n_missed"), ("extra", "n_extra"), ("early", "n_ectopic"), ("late", "n_ectopic")]
)
def test_wrong_beats_are_put_right(harm, counted):
    beats = breathing_beats(200) / 1000
    clean, found = correct_beats(beats), correct_beats(spoil(beats, harm))
    assert getattr(clean, counted) == 0 and 1 <= getattr(found, counted) <= 2
    assert found.beats.size == beats.size
    assert np.abs(found.beats - beats).max() < 0.06
    measures, wanted = hrv(spoil(beats, harm), cleaning="correct").iloc[0], hrv(beats).iloc[0]
    for name in ("HRV_SDNN", "HRV_RMSSD", "HRV_HF"):
        assert measures[name] == pytest.approx(wanted[name], rel=0.1)
    assert hrv(spoil(beats, harm), cleaning="none")["HRV_RMSSD"][0] > 1.3 * wanted["HRV_RMSSD"]


def test_same_artefacts_as_neurokit():
    beats = breathing_beats(300, seed=2)
    spoiled = np.sort(np.append(np.delete(beats, [60, 200]), beats[120] + 400))
    info, _ = nk.signal_fixpeaks(spoiled, sampling_rate=1000, method="Kubios", iterative=False)
    found = correct_beats(spoiled / 1000)
    assert found.n_missed == len(info["missed"]) == 2
    assert found.n_extra == len(info["extra"]) == 1


def test_gaps_are_kept():
    beats = breathing_beats(100) / 1000
    both = np.append(beats, beats + beats[-1] + 20)
    found = correct_beats(both)
    assert found.beats.size == both.size
    assert np.diff(found.beats).max() > 19
    assert hrv(both, cleaning="none")["HRV_MaxNN"][0] < 2000
    assert hrv(both, cleaning="correct")["valid"][0] < 0.95


def test_batches_are_their_rows():
    rows = np.full((5, 90), np.nan)
    for k in range(5):
        beats = breathing_beats(60 + 5 * k, seed=k) / 1000
        rows[k, : beats.size] = beats
    for cleaning in ("reject", "correct"):
        table = hrv(rows, cleaning=cleaning, n_jobs=2)
        for k in range(5):
            one = hrv(rows[k], cleaning=cleaning, n_jobs=1)
            assert one.iloc[0].equals(table.iloc[k])


@pytest.mark.parametrize("breath", [0.2, 0.3])
def test_breathing_rate(breath):
    rng = np.random.default_rng(0)
    windows, beats = [], []
    for seed in range(3):
        train = breathing_beats(90, seed, breath) / 1000
        t = np.arange(64 * 60) / 64
        wave = pulse_train(train, 64, 60) * (1 + 0.1 * np.sin(2 * np.pi * breath * t))
        windows.append(wave + 0.2 * np.sin(2 * np.pi * breath * t + 1) + 0.01 * rng.normal(size=t.size))
        beats.append(train[train < 60])
    table = respiration_rate(np.stack(windows), 64)
    np.testing.assert_allclose(table["respiration_rate"], 60 * breath, atol=0.7)
    assert (table["reason"] == "").all() and table["confidence"].between(0.3, 1).all()
    alone = respiration_rate(beats=beats[0])
    assert alone["respiration_rate"][0] == pytest.approx(60 * breath, abs=0.7)
    assert alone["from_baseline"].isna().all()


def test_no_breathing_where_there_is_none():
    rng = np.random.default_rng(0)
    table = respiration_rate(rng.normal(size=(4, 3840)), 64)
    assert (table["respiration_rate"].isna() == (table["reason"] != "")).all()
    assert (table["confidence"] < 0.4).all()
    assert respiration_rate(np.zeros(3840), 64)["respiration_rate"].isna().all()
    with pytest.raises(ValueError, match="either ppg"):
        respiration_rate()


@given(st.lists(st.floats(0.01, 5), max_size=60), st.sampled_from(["reject", "correct", "none"]))
def test_any_beats_give_a_row(intervals, cleaning):
    beats = np.cumsum(intervals)
    beats = beats[np.insert(np.diff(beats) > 0, 0, True)] if beats.size else beats
    table = hrv(beats, cleaning=cleaning)
    assert len(table) == 1 and 0 <= table["valid"][0] <= 1
    incomplete = table.filter(regex="HRV_(MeanNN|SDNN|SD1|VLF)$").isna().any(axis=1)
    assert not (incomplete & (table["reason"] == "")).any()
    corrected = correct_beats(beats).beats
    assert (np.diff(corrected) > 0).all() and np.isfinite(corrected).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hrv([0.0, 1, 2], cleaning="magic"), "cleaning is 'magic'"),
        (lambda: hrv([0.0, 1, 2], duration=0), "duration is 0"),
        (lambda: hrv([0.8, 0.9, 0.7]), r"hrv.intervals="),
        (lambda: hrv([0.0, np.nan, 2.0]), "hold NaN"),
        (lambda: hrv([0.0, 1.0, np.inf]), "not finite"),
        (lambda: hrv(["a"]), "cannot be read as numbers"),
        (lambda: hrv(np.zeros((1, 1, 1))), "expected .n_beats"),
        (lambda: correct_beats([[0, 1, 2], [0, 2, 1]]), "in window 1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
