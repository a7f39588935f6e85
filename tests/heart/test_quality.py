"""Quality and polarity of photoplethysmograms, and every public function on hostile arrays."""

from __future__ import annotations

import numpy as np
import pytest

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
    assert table["good_beats"][0] > 0.97 > table["good_beats"][1] > table["good_beats"][2]
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
