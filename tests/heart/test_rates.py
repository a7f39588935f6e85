"""Heart rates of slow, fast and irregular hearts: the right one, or NaN with a reason; never the double or the half."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biosig.heart import (
    beat_quality,
    correct_beats,
    detect_beats,
    heart_rate,
    heart_rate_variability,
    hrv,
    match_beats,
    ppg_targets,
    pulse_quality,
)


def rate_of(beats, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "heart_rate is NaN")
        return heart_rate(beats, **options)


def swinging(rate, swing, breath, n=300, spread=0.0, seed=0):
    rng = np.random.default_rng(seed)
    t, beats = 0.0, []
    for _ in range(n):
        beats.append(t)
        t += max(60 / rate + swing * np.sin(2 * np.pi * breath * t) + spread * rng.normal(), 0.3)
    return np.array(beats)


@pytest.mark.parametrize("rate", [45, 60, 75])
@pytest.mark.parametrize("breath", [0.08, 0.1, 0.15, 0.25])
@pytest.mark.parametrize("swing", [0.1, 0.2, 0.3])
def test_deep_breathing_does_not_bias_the_rate(rate, breath, swing):
    swing = min(swing, (18 if breath <= 0.15 else 14) / rate)
    beats = swinging(rate, swing, breath, spread=0.01)
    table = heart_rate(beats, full_output=True)
    assert table["heart_rate"][0] == pytest.approx(60 / np.diff(beats).mean(), abs=2)
    assert table["coverage"][0] > 0.85


@pytest.mark.parametrize(
    "pattern",
    [
        *[(0.6, 1.2), (0.5, 0.9), (0.7, 1.0), (0.8, 1.0), (0.8, 0.6, 1.0), (0.9, 0.5, 1.3), (0.9, 0.9, 0.5, 1.3)],
        *[(0.6, 0.6, 1.2), (0.7, 0.7, 1.2), (0.6, 0.6, 0.6, 1.2), (0.7, 0.68, 0.66, 1.3), (0.5, 0.9, 0.9)],
        *[(0.5, 1.2, 0.9), (0.9, 0.9, 0.9, 0.5, 0.5, 1.5), (1.2, 1.2, 0.6), (0.4, 0.8)],
    ],
)
@pytest.mark.parametrize("n", [25, 40, 300])
@pytest.mark.parametrize("spread", [0.0, 0.02])
def test_alternating_hearts(pattern, n, spread):
    rng = np.random.default_rng(0)
    intervals = np.resize(pattern, n) * (1 + spread * rng.normal(size=n))
    table = heart_rate(np.cumsum(intervals), full_output=True)
    true = 60 / np.mean(pattern)
    assert np.isnan(table["heart_rate"][0]) or table["heart_rate"][0] == pytest.approx(true, rel=0.2)
    assert (table["reason"][0] == "") == np.isfinite(table["heart_rate"][0])
    if len(pattern) == 2 and n == 300:
        assert np.isnan(table["heart_rate"][0]) or abs(table["heart_rate"][0] - true) < 2


@pytest.mark.parametrize("spread", [0.1, 0.15, 0.2, 0.25])
def test_irregular_hearts(spread):
    intervals = 0.75 * np.exp(spread * np.random.default_rng(1).normal(size=400))
    found = rate_of(np.cumsum(intervals))
    assert np.isnan(found) or found == pytest.approx(60 / intervals.mean(), rel=0.05)


def test_nan_comes_with_a_reason():
    beats = np.cumsum(np.resize([0.6, 1.2], 100))
    with pytest.warns(UserWarning, match="heart_rate is NaN: no rate: .*good intervals.*full_output"):
        assert np.isnan(heart_rate(beats))
    with pytest.warns(UserWarning, match="in 1 of 2 windows .window 0"):
        found = heart_rate(np.stack([beats, np.arange(100.0)]))
    np.testing.assert_allclose(found, [np.nan, 60])
    table = heart_rate(beats, full_output=True)
    assert table.columns.tolist() == ["heart_rate", "coverage", "n_good", "reason"]
    measures = heart_rate_variability(beats)
    assert measures["reason"].startswith("no spread") and np.isnan(measures["rmssd"]) and measures["coverage"] < 0.5
    assert np.isfinite(rate_of(np.append(np.arange(10.0), 14.0), min_coverage=0.6))
    assert np.isnan(rate_of(np.append(np.arange(10.0), 14.0)))
    with pytest.raises(ValueError, match="min_coverage is 70"):
        heart_rate(beats, min_coverage=70)


def pulse_wave(beats, rate, seconds, dicrotic, scaled):
    t = np.arange(round(rate * seconds)) / rate
    x = np.zeros(t.size)
    for beat, interval in zip(beats[:-1], np.diff(beats), strict=True):
        width = np.clip(interval, 0.3, 1.2) if scaled else min(0.8, interval)
        since = (t - beat) / width
        x += np.exp(-0.5 * ((since - 0.15) / 0.09) ** 2) + dicrotic * np.exp(-0.5 * ((since - 0.5) / 0.1) ** 2)
    return x


@pytest.mark.parametrize("sampling_rate", [25.0, 64.0, 125.0])
@pytest.mark.parametrize("seconds", [30, 60])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_never_the_double_or_the_half(sampling_rate, seconds, noise):
    rng = np.random.default_rng(7)
    rates = [25, 28, 31, 34, 38, 45, 60, 90, 130, 180, 190, 200, 210, 220]
    cases = [(rate, dicrotic, scaled) for rate in rates for dicrotic in (0, 0.3, 0.6) for scaled in (True, False)]
    windows, truth = [], []
    for rate, dicrotic, scaled in cases:
        beats = np.cumsum(60 / rate * (1 + 0.02 * rng.normal(size=5 * seconds))) - 2
        beats = beats[beats < seconds + 3]
        windows.append(pulse_wave(beats, sampling_rate, seconds, dicrotic, scaled))
        truth.append(60 / np.diff(beats[(beats > 0) & (beats < seconds)]).mean())
    windows = np.array(windows) + noise * rng.normal(size=(len(windows), len(windows[0])))
    found = {
        method: rate_of(detect_beats(windows, sampling_rate, method=method)) for method in ("msptdfast", "elgendi")
    }
    found["ppg_targets"] = ppg_targets(windows, sampling_rate)["heart_rate"].to_numpy()
    for name, rates_found in found.items():
        ratio = rates_found / np.array(truth)
        wrong = np.abs(ratio - 1) > 0.1
        doubled = wrong & (np.abs(ratio / 2 - 1) < 0.15) | wrong & (np.abs(2 * ratio - 1) < 0.15)
        assert not doubled.any(), (name, [(*cases[k], truth[k], rates_found[k]) for k in np.flatnonzero(doubled)])
        assert (np.abs(ratio - 1) < 0.05).mean() > (0.55 if name == "ppg_targets" else 0.7), name


UNITS = {"milliseconds": 1000.0, "sample numbers at 64 Hz": 64.0, "sample numbers at 25 Hz": 25.0, "at 500 Hz": 500.0}
PPG = np.sin(np.arange(3840) / 64 * 7)
CALLS = {
    "heart_rate": heart_rate,
    "heart_rate_variability": heart_rate_variability,
    "hrv": hrv,
    "correct_beats": correct_beats,
    "match_beats": lambda beats: match_beats(beats / beats[-1] * 50, beats),
    "beat_quality": lambda beats: beat_quality(PPG, 64, beats=beats),
    "pulse_quality": lambda beats: pulse_quality(PPG, 64, beats=beats),
}


@pytest.mark.parametrize("scale", UNITS.values(), ids=UNITS)
@pytest.mark.parametrize("name", CALLS)
def test_beats_in_other_units_are_refused(name, scale):
    beats = swinging(75, 0.03, 0.25, 60, 0.01)
    fix = "/ 1000" if scale >= 500 else "/ sampling_rate"
    with pytest.raises(ValueError, match=f"median interval.*{fix}"):
        CALLS[name](np.round(scale * beats))


@given(st.lists(st.floats(5, 600), max_size=8), st.integers(4, 40))
def test_beats_with_long_gaps_are_beats(gaps, n):
    beats = np.cumsum(np.concatenate([np.full(n, 0.8), *[[gap, 0.8, 0.8] for gap in gaps]]))
    table = heart_rate(beats, full_output=True)
    assert table["n_good"][0] >= n - 1
    assert heart_rate([1.0, 30.0], full_output=True)["reason"][0] == "no rate: 0 good intervals"
