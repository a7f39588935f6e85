"""Quality and polarity of photoplethysmograms, and every public function on hostile arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from biosig import heart
from biosig.heart import beat_quality, detect_beats, polarity, pulse_quality
from tests.heart.test_beats import irregular_beats, pulse_train


def windows():
    """A clean window, a noisy one, noise alone, flat, missing."""
    rng = np.random.default_rng(0)
    clean = pulse_train(irregular_beats(60), 64, 60)
    half = clean.copy()
    half[: 30 * 64] += 0.5 * rng.normal(size=30 * 64).cumsum() / 8
    return np.stack([5 + clean, 5 + half, rng.normal(size=3840), np.full(3840, 2.0), np.full(3840, np.nan)])


def test_clean_windows_are_told_from_noise():
    table = pulse_quality(windows(), 64)
    assert list(table.columns) == ["template", "good_beats", "skewness", "concentration", "perfusion", "reason"]
    assert table["template"][0] > 0.95 > table["template"][2]
    assert table["good_beats"][0] > 0.95 > table["good_beats"][1] > table["good_beats"][2]
    assert table["skewness"][0] > 0.3 and abs(table["skewness"][2]) < 0.3
    assert table["concentration"][0] > 0.6 > table["concentration"][2]
    assert 10 < table["perfusion"][0] < 40 and np.isnan(pulse_quality(-windows(), 64)["perfusion"][0])
    assert table["reason"].tolist() == ["", "", "", "flat", "missing samples"]
    assert table.iloc[3:, :5].isna().all().all()
    assert (pulse_quality(windows()[0], 64)["template"] == table["template"][0]).all()
    assert pulse_quality(windows()[:, :100], 64)["reason"].str.startswith("too short").all()


def test_beats_are_judged_one_by_one():
    x = windows()[0]
    beats = detect_beats(x, 64)
    good = beat_quality(x, 64)
    assert good.shape == beats.shape and np.nanmin(good) > 0.86
    at = int(64 * beats[20])
    x[at - 15 : at + 30] = np.random.default_rng(1).normal(size=45) + x[at]
    spoiled = beat_quality(x, 64, beats=beats)
    assert np.nanargmin(spoiled) in (19, 20, 21) and spoiled[20] < 0.8
    assert np.nanmedian(np.delete(spoiled, slice(18, 23))) > 0.9
    x[at - 15 : at + 30] = np.nan
    assert np.isnan(beat_quality(x, 64, beats=beats)[20])
    batch = windows()
    rows = detect_beats(batch, 64)
    assert beat_quality(batch, 64, n_jobs=2).shape == rows.shape
    np.testing.assert_array_equal(np.isnan(beat_quality(batch, 64))[3:], True)


@pytest.mark.parametrize("rate", [25.0, 64.0, 500.0])
def test_polarity(rate):
    t = np.arange(int(60 * rate)) / rate
    after = [t - irregular_beats(60, mean)[:, None] for mean in (0.6, 0.9, 1.3)]  # rise for 0.2 s, fall for longer
    x = np.stack([np.where(a > 0, a * np.exp(-np.maximum(a, 0) / 0.2), 0).sum(axis=0) for a in after])
    up, down = polarity(x, rate), polarity(-x, rate)
    assert (up["polarity"] == 1).all() and (down["polarity"] == -1).all()
    assert (up["confidence"] > 0.8).all() and (down["confidence"] > 0.8).all()
    noise = polarity(np.random.default_rng(0).normal(size=(50, 3840)), 64)
    assert noise["confidence"].mean() < 0.5
    nothing = polarity(windows()[3:], 64)
    assert nothing["polarity"].isna().all() and (nothing["confidence"] == 0).all()
    assert polarity(np.ones(5), 64)["polarity"].isna().all()


def test_polarity_of_patients(data_folder):
    wfdb = pytest.importorskip("wfdb")
    folder = data_folder / "bidmc"
    if not folder.is_dir():
        pytest.skip(f"no BIDMC recordings at {folder}")
    headers = sorted(folder.glob("*.hea"))[::4]
    whole = np.stack([wfdb.rdrecord(str(h.with_suffix(""))).p_signal[: 60 * 125, 0] for h in headers])
    assert (polarity(whole, 125)["polarity"] == 1).all()
    assert (polarity(-whole, 125)["polarity"] == -1).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: pulse_quality(x), "give sampling_rate"),
        (lambda x: pulse_quality(x, 5), "at least 10 Hz"),
        (lambda x: pulse_quality(x[None, None], 64), "expected .n_samples"),
        (lambda x: beat_quality(x, 64, beats=[[1.0], [2.0]]), "beats of 2 windows"),
        (lambda x: beat_quality(x, 64, beats=[2.0, 1.0]), "do not increase"),
        (lambda x: polarity(x, np.nan), "sampling_rate is nan"),
        (lambda x: polarity(x, -1), "sampling_rate is -1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.sin(np.arange(640) / 10))


HOSTILE = st.sampled_from([0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e-300, 1e300, 3e38, 32767.0])
FUNCTIONS = {
    "detect_beats": lambda x: heart.detect_beats(x, 25.0),
    "elgendi": lambda x: heart.detect_beats(x, 25.0, method="elgendi"),
    "ppg_targets": lambda x: heart.ppg_targets(x, 25.0),
    "beat_quality": lambda x: heart.beat_quality(x, 25.0),
    "pulse_quality": lambda x: heart.pulse_quality(x, 25.0),
    "polarity": lambda x: heart.polarity(x, 25.0),
    "respiration_rate": lambda x: heart.respiration_rate(x, 25.0),
}


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", list(FUNCTIONS))
@settings(max_examples=25)
@given(data=st.data())
def test_hostile_arrays_give_a_row_each_or_a_reason(name, data):
    kind = data.draw(st.sampled_from(["<f8", "<f4", ">f4", ">f8", "<i2", ">i4", "u1", "?"]))
    shape = data.draw(st.sampled_from([(0, 100), (1, 0), (1, 1), (2, 80), (3, 200), (1, 700)]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x = np.sin(np.arange(shape[1]) * 2 * np.pi * 1.3 / 25) * 100 + np.zeros(shape)
    for _ in range(data.draw(st.integers(0, 4))):
        x[rng.random(shape) < rng.choice([0.01, 0.1, 0.9])] = data.draw(HOSTILE)
    with np.errstate(all="ignore"):
        x = np.nan_to_num(x, posinf=0, neginf=0).astype(kind) if np.dtype(kind).kind in "iub" else x.astype(kind)
    layout = data.draw(st.sampled_from(["C", "F", "reversed", "strided"]))
    x = {"C": x, "F": np.asfortranarray(x), "reversed": x[:, ::-1], "strided": np.repeat(x, 2, axis=1)[:, ::2]}[layout]
    before = x.copy()
    x.setflags(write=False)
    try:
        found = FUNCTIONS[name](x)
    except ValueError as error:
        assert shape[1] == 0 and "shape" in str(error)
        return
    np.testing.assert_array_equal(x, before)
    assert len(found) == shape[0]


@given(
    hnp.arrays(st.sampled_from(["<f8", ">f8", "i4", "O", "U3"]), hnp.array_shapes(min_dims=0, max_dims=3, max_side=6))
)
def test_hostile_beats_are_measured_or_refused(beats):
    for call in (
        heart.heart_rate,
        heart.heart_rate_variability,
        heart.hrv,
        heart.correct_beats,
        lambda b: heart.respiration_rate(beats=b),
        lambda b: heart.match_beats(b, b),
    ):
        try:
            call(beats)
        except ValueError as error:
            assert str(error).startswith(("beats", "reference", "detected"))
