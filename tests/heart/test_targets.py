"""Targets and their reasons, on simulated and on recorded photoplethysmograms."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biosig.heart import beat_quality, detect_beats, heart_rate, heart_rate_variability, hrv, ppg_targets, pulse_times
from tests.heart.test_beats import irregular_beats, pulse_train

COLUMNS = [
    "heart_rate",
    "sdnn",
    "rmssd",
    "n_beats",
    "timing_noise",
    "quality",
    "reason",
    "variability_reason",
    "polarity",
]


def test_good_windows():
    trains = [irregular_beats(60, mean, 0.04, seed) for seed, mean in enumerate((0.5, 0.8, 1.2))]
    table = ppg_targets(np.stack([pulse_train(b, 64, 60) for b in trains]), 64)
    assert list(table.columns) == COLUMNS
    assert table["reason"].tolist() == ["", "", ""]
    for row, beats in zip(table.itertuples(), trains, strict=True):
        beats = beats[(beats > 0) & (beats < 60)]
        true = heart_rate_variability(beats)
        assert row.heart_rate == pytest.approx(heart_rate(beats), abs=0.5)
        assert row.sdnn == pytest.approx(true["sdnn"], rel=0.1)
        assert row.rmssd == pytest.approx(true["rmssd"], rel=0.15)  # fast pulses run into each other
        assert abs(row.n_beats - beats.size) <= 2  # the window may cut the first and the last pulse
        assert row.quality > 0.8


def test_hopeless_windows_get_nan_and_a_reason():
    rng = np.random.default_rng(0)
    good = pulse_train(irregular_beats(60), 64, 60)
    windows = np.stack([good] * 7)
    windows[1] = 3.0
    windows[2] = np.nan
    windows[3, :640] = np.nan
    windows[4] = rng.normal(size=3840)
    windows[5, 1000:] = good[1000]
    half_time = pulse_train(np.cumsum(rng.uniform(0.35, 1.8, size=90)), 64, 60)
    windows[6] = half_time
    table = ppg_targets(windows, 64)
    assert table["reason"].tolist()[:5] == [
        "",
        "flat",
        "missing samples: 100%",
        "missing samples: 17%",
        "no pulse found",
    ]
    assert table["reason"][5].startswith(("irregular: only", "no pulse", "beats and spectrum"))
    assert table["reason"][6] != ""
    bad = table.iloc[1:]
    assert bad[["heart_rate", "sdnn", "rmssd"]].isna().all().all()
    assert bad["quality"].between(0, 1).all()
    assert table["quality"][1] == table["quality"][2] == 0


def test_the_best_wavelength_is_used():
    good = pulse_train(irregular_beats(60), 64, 60)
    noise = np.random.default_rng(0).normal(size=3840)
    table = ppg_targets(np.stack([[noise, good], [good, noise], [noise, noise]]), 64)
    assert table["reason"].tolist() == ["", "", "no pulse found"]
    assert table["heart_rate"][0] == table["heart_rate"][1] == ppg_targets(good[None], 64)["heart_rate"][0]


def asymmetric(seed=0, mean=0.85):
    """Pulses that rise fast and fall slowly, as blood does."""
    t = np.arange(3840) / 64
    after = t - irregular_beats(60, mean, 0.03, seed)[:, None]
    return np.where(after > 0, after * np.exp(-np.maximum(after, 0) / 0.15), 0).sum(axis=0)


def test_inverted_wavelengths_are_turned_before_the_best_is_chosen():
    good = np.stack([asymmetric(seed) for seed in range(4)])
    noisy = good + 0.03 * np.random.default_rng(0).normal(size=good.shape)
    upright = ppg_targets(good, 64)
    turned = ppg_targets(-good, 64)
    assert (upright["polarity"] == 1).all() and (turned["polarity"] == -1).all()
    np.testing.assert_allclose(turned[["heart_rate", "sdnn", "rmssd"]], upright[["heart_rate", "sdnn", "rmssd"]])
    both = ppg_targets(np.stack([noisy, -good], axis=1), 64)
    assert (both["polarity"] == -1).all()
    np.testing.assert_allclose(both["rmssd"], upright["rmssd"])
    assert (ppg_targets(-good, 64, polarity="upright")["polarity"] == 1).all()
    assert ppg_targets(-good, 64, polarity="inverted").equals(turned)
    nothing = ppg_targets(np.random.default_rng(1).normal(size=(5, 3840)), 64)
    assert (nothing["polarity"] == 1).all()


@pytest.mark.parametrize("kind", ["i4", "u4", "i8", "u8", ">i8", "f8"])
def test_counts_on_a_large_offset_lose_nothing(kind):
    counts = np.round(300 * np.stack([asymmetric(seed) for seed in range(3)]))
    large = (1.9e9 + counts).astype(kind)
    names = ["heart_rate", "sdnn", "rmssd"]
    np.testing.assert_allclose(ppg_targets(large, 64)[names], ppg_targets(counts, 64)[names], rtol=1e-3)
    np.testing.assert_allclose(detect_beats(large, 64), detect_beats(counts, 64), atol=1e-3)
    np.testing.assert_allclose(beat_quality(large, 64), beat_quality(counts, 64), atol=1e-3)
    from biosig.estimators import PPGTargets

    found = PPGTargets(64.0).fit_transform(large[:, np.newaxis])
    np.testing.assert_allclose(found, ppg_targets(counts, 64)[names], rtol=1e-3)


def test_masked_samples_are_missing():
    x = np.ma.masked_array(np.stack([asymmetric()] * 2), mask=False)
    x[0, 640:1280] = np.ma.masked
    assert ppg_targets(x, 64)["reason"].tolist() == ["missing samples: 17%", ""]


def test_short_windows_have_a_rate_but_no_variability():
    table = ppg_targets(asymmetric()[np.newaxis, :448], 64)
    assert np.isfinite(table["heart_rate"][0]) and table["reason"][0] == ""
    assert table[["sdnn", "rmssd"]].isna().all().all()
    assert (
        table["variability_reason"][0].startswith("no spread: ") and "good intervals" in table["variability_reason"][0]
    )


def test_cleaning_is_that_of_hrv():
    x = np.stack([asymmetric(seed) for seed in range(3)])
    for cleaning in ("reject", "correct", "none"):
        table = ppg_targets(x, 64, cleaning=cleaning)
        if cleaning == "none":  # every interval as it is
            wanted = heart_rate_variability(detect_beats(x, 64), cleaning=cleaning)
            np.testing.assert_allclose(table["rmssd"], wanted["rmssd"])
            continue
        times = pulse_times(x, 64)
        wanted = hrv(times.beats, cleaning=cleaning, timing_errors=times.errors)
        # hrv takes out the mean noise of the beats, ppg_targets that of each difference
        np.testing.assert_allclose(table["rmssd"], wanted["HRV_RMSSD"], rtol=2e-3)
    with pytest.raises(ValueError, match="cleaning is 'magic'"):
        ppg_targets(x, 64, cleaning="magic")
    with pytest.raises(ValueError, match="polarity is 'down'"):
        ppg_targets(x, 64, polarity="down")


@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.floats(10, 130))
def test_no_content_raises(seed, n, rate):
    rng = np.random.default_rng(seed)
    x = rng.choice([0.0, 1.0, np.nan, np.inf, 1e38, -1e-38], size=(2, n)) * rng.normal(size=(2, 1))
    table = ppg_targets(x, rate)
    assert len(table) == 2
    assert ((table["reason"] != "") == table["heart_rate"].isna()).all()
    assert table["quality"].between(0, 1).all()


def test_threads_blocks_and_empty_batches():
    x = np.stack([pulse_train(irregular_beats(20, seed=s), 64, 20) for s in range(60)])
    x = np.tile(x, (5, 1)).astype(np.float32)
    one = ppg_targets(x, 64, n_jobs=1)
    assert one.equals(ppg_targets(x, 64, n_jobs=2))
    assert one.iloc[:60].equals(one.iloc[240:].reset_index(drop=True))
    assert ppg_targets(np.empty((0, 1, 640)), 64).shape == (0, len(COLUMNS))


@pytest.mark.parametrize(
    ("x", "rate", "message"),
    [
        (np.ones(640), 64, "ppg\\[np.newaxis\\]"),
        (np.ones((2, 640, 1)), 64, "wavelengths last"),
        (np.ones((2, 0)), 64, "has shape \\(2, 0\\)"),
        (np.ones((2, 640)), 5, "at least 10 Hz"),
        (np.ones((2, 640)), None, "sampling_rate is None"),
        (np.array([["a"]]), 64, "expected numbers"),
    ],
)
def test_bad_input(x, rate, message):
    with pytest.raises(ValueError, match=message):
        ppg_targets(x, rate)


def bidmc_minutes(folder):
    """Targets of each believed minute beside what the R peaks say, where ECG and monitor agree on the rate."""
    nk, wfdb = pytest.importorskip("neurokit2"), pytest.importorskip("wfdb")
    pairs, scores = [], []
    for header in sorted(folder.glob("*.hea")):
        record = wfdb.rdrecord(str(header.with_suffix("")))
        rate, (ppg, ecg) = record.fs, record.p_signal.T
        _, info = nk.ecg_peaks(nk.ecg_clean(ecg, sampling_rate=rate), sampling_rate=rate)
        r_peaks = np.asarray(info["ECG_R_Peaks"]) / rate
        with header.with_name(f"{header.stem}_numerics.csv").open() as file:
            monitor = [float(row["hr"] or "nan") for row in csv.DictReader(file)]
        n = 60 * rate
        table = ppg_targets(ppg[: len(ppg) // n * n].reshape(-1, n), rate)
        for minute, row in enumerate(table.itertuples()):
            inside = r_peaks[(r_peaks >= 60 * minute) & (r_peaks < 60 * (minute + 1))]
            reference = heart_rate(inside)
            shown = np.nanmedian(monitor[60 * minute : 60 * (minute + 1)])
            if abs(reference - shown) <= 3:
                sdnn = heart_rate_variability(inside)["sdnn"]
                pairs.append((row.heart_rate, reference, row.sdnn, sdnn))
        if abs(60 * (len(r_peaks) - 1) / np.ptp(r_peaks) - np.nanmedian(monitor)) <= 3:
            beats = detect_beats(ppg, rate)
            lags = np.arange(0, 0.8, 0.02)
            hits = max((np.abs(r_peaks[:, None] + lag - beats).min(axis=1) <= 0.15).sum() for lag in lags)
            scores.append(2 * hits / (len(beats) + len(r_peaks)))
    return np.array(pairs), np.array(scores)


def test_bidmc_agrees_with_the_electrocardiogram(data_folder):
    folder = data_folder / "bidmc"
    if not folder.is_dir():
        pytest.skip(f"no BIDMC recordings at {folder}")
    pairs, scores = bidmc_minutes(folder)
    believed = np.isfinite(pairs[:, 0])
    error = np.abs(pairs[believed, 0] - pairs[believed, 1])
    assert believed.mean() > 0.8
    assert error.mean() <= 0.5
    assert np.median(error) <= 0.1
    assert np.nanmedian(np.abs(pairs[believed, 2] - pairs[believed, 3])) <= 3  # ms
    assert np.median(scores) >= 0.98
    assert scores.mean() >= 0.95
