"""Every public function on arrays of every kind: an answer for each window, or a ValueError that says what to do."""

from __future__ import annotations

import tracemalloc
import warnings

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import biosig.heart as heart
from tests.hostile import arrays

pytest.importorskip("neurokit2")  # loaded before warnings become errors: what its own imports announce is not ours

RATE = 20.0  # Hz
COMPILED = not numba.config.DISABLE_JIT  # without compiling, NumPy warns of what kernels expect


def detect(x, **options):
    found = heart.detect_beats(x, RATE, n_jobs=1, **options)
    last = x.shape[1] / RATE
    for row in found:
        beats = row[np.isfinite(row)]
        assert np.isnan(row[beats.size :]).all() and (np.diff(beats) > 0).all()
        assert beats.size == 0 or (beats[0] >= 0 and beats[-1] < last)
    return found


def reasons_stand_for_nan(table, column):
    assert ((table["reason"] != "") == table[column].isna()).all()
    return table


def targets(x):
    table = reasons_stand_for_nan(heart.ppg_targets(x, RATE, n_jobs=1), "heart_rate")
    assert ((table["variability_reason"] != "") == table["rmssd"].isna()).all()
    assert table["quality"].between(0, 1).all() and table["heart_rate"].dropna().between(24, 240).all()
    return table


def quality(x):
    table = reasons_stand_for_nan(heart.pulse_quality(x, RATE, n_jobs=1), "template")
    for column, low in (("template", -1), ("good_beats", 0), ("concentration", 0)):
        assert table[column].dropna().between(low, 1.000001).all()
    return table


def likeness(x):
    alike = heart.beat_quality(x, RATE, n_jobs=1)
    assert (np.abs(alike[np.isfinite(alike)]) <= 1).all()
    return alike


def direction(x):
    table = heart.polarity(x, RATE, n_jobs=1)
    assert table["polarity"].dropna().isin([-1, 1]).all() and table["confidence"].between(0, 1).all()
    return table


def breathing(x):
    table = reasons_stand_for_nan(heart.respiration_rate(x, RATE, n_jobs=1), "respiration_rate")
    assert table["respiration_rate"].dropna().between(6, 36).all()
    return table


def wrist(x, method="nightbeat"):
    table = reasons_stand_for_nan(heart.wrist_heart_rate(x[np.newaxis], RATE, method=method, n_jobs=1), "heart_rate")
    assert table["heart_rate"].dropna().between(40, 150).all()
    return [table] * 3  # one window of three axes


ROWS = {
    "detect_beats": detect,
    "detect_beats peak": lambda x: detect(x, fiducial="peak"),
    "detect_beats elgendi": lambda x: detect(x, method="elgendi", fiducial="mid_amplitude"),
    "detect_beats neurokit": lambda x: detect(x, method="neurokit:elgendi", fiducial="onset"),
    "ppg_targets": targets,
    "pulse_quality": quality,
    "beat_quality": likeness,
    "polarity": direction,
    "respiration_rate": breathing,
    "wrist_heart_rate": wrist,
    "wrist_heart_rate jerk": lambda x: wrist(x, "jerk"),
    "wrist_heart_rate pwr": lambda x: wrist(x, "pwr"),
    "wrist_heart_rate spectral": lambda x: wrist(x, "spectral"),
}


@pytest.mark.parametrize("name", ROWS)
@settings(max_examples=25)
@given(x=arrays())
def test_rows_of_anything(name, x):
    before = x.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error" if COMPILED else "ignore")
        try:
            out = ROWS[name](x)
        except ValueError as error:
            assert x.shape[1] == 0 and "shape (" in str(error), error
            return
    assert len(out) == 3
    np.testing.assert_array_equal(x, before)


@settings(max_examples=25)
@given(x=arrays())
def test_ecg_of_anything(x):
    before = x.copy()
    beats = heart.ecg_beats(x[0], 100.0)
    np.testing.assert_array_equal(x, before)
    assert np.isfinite(beats).all() and (np.diff(beats) > 0).all()
    assert beats.size == 0 or (beats[0] >= 0 and beats[-1] < x.shape[1] / 100.0)


def pulses(n=1280):
    rng = np.random.default_rng(0)
    t = np.arange(n) / 64.0
    return np.exp(2 * np.sin(2 * np.pi * (1.2 * t + 0.1 * np.sin(0.6 * t)))) + 0.01 * rng.normal(size=(3, n))


@pytest.mark.parametrize("name", ["detect_beats", "ppg_targets", "pulse_quality", "beat_quality", "respiration_rate"])
def test_memory_layout_does_not_matter(name):
    call = lambda x: np.asarray(getattr(heart, name)(x, 64.0)).tolist()
    x = pulses().astype(np.float32)
    locked = x.copy()
    locked.flags.writeable = False
    wanted = repr(call(x))
    for same in (
        locked,
        np.asfortranarray(x),
        np.repeat(x, 2, axis=1)[:, ::2],
        x[:, ::-1].copy()[:, ::-1],
        x.astype(">f4"),
    ):
        assert repr(call(same)) == wanted


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e30])
def test_tiny_and_huge_pulses_are_pulses(scale):
    x = pulses()
    np.testing.assert_allclose(heart.detect_beats(scale * x, 64), heart.detect_beats(x, 64), atol=2e-3)
    found, wanted = heart.ppg_targets(scale * x, 64), heart.ppg_targets(x, 64)
    assert (found["reason"] == "").all()
    np.testing.assert_allclose(found["heart_rate"], wanted["heart_rate"], rtol=1e-3)


def test_saturated_pulses_keep_their_rate():
    x = pulses()
    clipped = np.clip(x, *np.quantile(x, [0.1, 0.8]))
    np.testing.assert_allclose(
        heart.ppg_targets(clipped, 64)["heart_rate"], heart.ppg_targets(x, 64)["heart_rate"], rtol=0.01
    )


BEATS = {
    "heart_rate": heart.heart_rate,
    "heart_rate_variability": heart.heart_rate_variability,
    "hrv": heart.hrv,
    "hrv corrected": lambda b: heart.hrv(b, cleaning="correct", duration=60.0),
    "hrv none": lambda b: heart.hrv(b, cleaning="none"),
    "correct_beats": heart.correct_beats,
    "respiration_rate": lambda b: heart.respiration_rate(beats=b),
    "match_beats": lambda b: heart.match_beats(b, b),
}


@pytest.mark.parametrize("name", BEATS)
@settings(max_examples=30)
@given(
    beats=st.one_of(
        hnp.arrays(
            st.sampled_from(["<f8", ">f8", "f4", "i4", "?", "U3"]),
            hnp.array_shapes(min_dims=0, max_dims=3, max_side=6),
        ),
        hnp.arrays(
            np.dtype("O"),
            hnp.array_shapes(min_dims=0, max_dims=3, max_side=6),
            elements=st.one_of(st.floats(), st.integers(), st.none(), st.text(max_size=3)),
        ),
        st.lists(st.floats(), max_size=12),
        st.none(),
    )
)
def test_beats_of_anything(name, beats):
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "heart_rate is NaN")
            BEATS[name](beats)
    except ValueError as error:
        assert str(error).startswith(("beats", "reference", "detected", "give either"))


@pytest.mark.parametrize("name", [name for name in BEATS if name != "match_beats"])
@given(
    intervals=hnp.arrays(
        "f8", st.integers(0, 80), elements=st.sampled_from([1e-9, 0.01, 0.3, 0.8, 0.81, 0.9, 1.0, 2.5, 9.0, 1e5])
    ),
    start=st.sampled_from([0.0, -50.0, 1e9]),
)
def test_increasing_times_always_have_an_answer(name, intervals, start):
    times = start + np.cumsum(intervals)
    times = times[np.insert(np.diff(times) > 0, 0, True)] if times.size else times
    with warnings.catch_warnings():
        warnings.simplefilter("error" if COMPILED else "ignore")
        warnings.filterwarnings("ignore", "heart_rate is NaN")
        try:
            found = BEATS[name](times)
        except ValueError as error:
            assert "median interval" in str(error) and np.median(np.diff(times)) > 3
            return
    if name == "correct_beats":
        assert np.isfinite(found.beats).all() and (np.diff(found.beats) > 0).all()
    elif name == "heart_rate":
        assert np.isnan(found) or 23.9 < found < 240.1


RATES = {
    "detect_beats": heart.detect_beats,
    "ppg_targets": heart.ppg_targets,
    "pulse_quality": heart.pulse_quality,
    "beat_quality": heart.beat_quality,
    "polarity": heart.polarity,
    "respiration_rate": heart.respiration_rate,
    "ecg_beats": lambda x, rate: heart.ecg_beats(x[0], rate),
    "wrist_heart_rate": lambda x, rate: heart.wrist_heart_rate(x[np.newaxis], rate),
}


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("rate", [0, -1, np.nan, np.inf, 1.0, "64", True, 1j])
def test_impossible_rates_are_refused_by_name(name, rate):
    with pytest.raises(ValueError, match="sampling_rate is "):
        RATES[name](np.ones((3, 640)), rate)


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("kind", ["U3", "c16", "O", "M8[s]"])
def test_other_things_than_numbers_are_refused(name, kind):
    x = np.array([["1", "2", "3"] * 40] * 3, object).astype(int).astype(kind)
    with pytest.raises(ValueError, match=r"real numbers|expected"):
        RATES[name](x, 64.0)


@pytest.mark.parametrize("name", ["tolerance", "duration"])
@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf, "1", True])
def test_impossible_seconds_are_refused_by_name(name, value):
    beats = np.arange(20.0)
    call = {
        "tolerance": lambda: heart.match_beats(beats, beats, value),
        "duration": lambda: heart.hrv(beats, duration=value),
    }
    with pytest.raises(ValueError, match=f"{name} is "):
        call[name]()


@pytest.mark.skipif(not COMPILED, reason="too slow without compiling")
@pytest.mark.parametrize("name", ["detect_beats", "ppg_targets", "pulse_quality", "beat_quality", "polarity"])
def test_windows_are_not_copied_to_float64(name):
    x = np.tile(pulses(3840).astype(np.float32), (300, 1))
    call = getattr(heart, name)
    call(x[:3], 64.0, n_jobs=1)
    tracemalloc.start()
    try:
        call(x, 64.0, n_jobs=1)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < x.nbytes  # blocks, not batches


def test_a_column_of_beats_is_refused():
    beats = np.cumsum(np.full(20, 0.8))[:, np.newaxis]
    for name in ("heart_rate", "hrv", "correct_beats"):
        with pytest.raises(ValueError, match=r"a column of increasing times; expected \(n_beats,\): write beats"):
            getattr(heart, name)(beats)
    assert heart.detect_beats(np.zeros((9, 640)), 64.0).shape[0] == 9
