"""R peaks, and beats of two sensors beside each other."""

from __future__ import annotations

import neurokit2 as nk
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from biosig.heart import detect_beats, ecg_beats, match_beats
from biosig.recordings import make_recording
from tests.heart.test_beats import irregular_beats, pulse_train

RATE = 250


@pytest.fixture(scope="module")
def ecg():
    return nk.ecg_simulate(duration=60, sampling_rate=RATE, heart_rate=70, random_state=3)


def slow_match(reference, detected, lag, tolerance):
    """Pairs of beats that are each other's nearest, one by one."""
    pairs = []
    for i, r in enumerate(reference):
        j = int(np.argmin(np.abs(detected - lag - r)))
        back = int(np.argmin(np.abs(reference - (detected[j] - lag))))
        if back == i and abs(detected[j] - lag - r) <= tolerance:
            pairs.append((i, j))
    return np.array(pairs).reshape(-1, 2)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.floats(-0.5, 0.5))
def test_pairs_are_mutual_neighbours(seed, n, m, lag):
    rng = np.random.default_rng(seed)
    reference, detected = np.sort(rng.uniform(0, 30, n)), np.sort(rng.uniform(0, 30, m))
    found = match_beats(reference, detected, lag=lag)
    np.testing.assert_array_equal(found.pairs, slow_match(reference, detected, lag, 0.15))
    assert found.n_matched == len(found.pairs)
    assert found.f1 == pytest.approx(2 * found.n_matched / (n + m))


def test_lag_scores_and_interval_errors():
    rng = np.random.default_rng(0)
    reference = irregular_beats(120) + 2
    noise = 0.004 * rng.normal(size=reference.size)
    detected = reference + 0.37 + noise
    found = match_beats(reference, detected)
    assert found.lag == pytest.approx(0.37, abs=0.002)
    assert found.f1 == found.sensitivity == found.ppv == 1
    assert found.n_intervals == reference.size - 1
    assert found.interval_sd == pytest.approx(1000 * np.diff(noise).std(ddof=1))
    assert found.interval_mae == pytest.approx(1000 * np.abs(np.diff(noise)).mean())
    assert found.interval_bias == pytest.approx(1000 * np.diff(noise).mean())
    worse = match_beats(reference, np.sort(np.append(np.delete(detected, [10, 40, 41]), detected[20] + 0.4)))
    n = reference.size
    assert worse.sensitivity == pytest.approx((n - 3) / n)
    assert worse.ppv == pytest.approx((n - 3) / (n - 2))
    assert worse.n_intervals == n - 1 - 2 - 3 - 1
    assert match_beats(reference, detected, lag=0).n_matched < 0.5 * n
    assert match_beats(reference, detected - 0.6, lag=(-0.5, 0.5)).lag == pytest.approx(-0.23, abs=0.002)


def test_nothing_to_match():
    for a, b in (([], []), ([1.0], []), ([], [1.0, 2.0]), ([1.0], [9.0])):
        found = match_beats(a, b)
        assert found.n_matched == 0 and np.isnan(found.lag) and np.isnan(found.interval_mae)
    assert np.isnan(match_beats([], []).f1) and match_beats([1.0], [9.0]).f1 == 0
    assert match_beats([1.0, np.nan], [1.2, 2.0, np.nan]).n_detected == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: match_beats([1, 0.5], [1]), "reference do not increase"),
        (lambda: match_beats([1], [[1]]), "detected has shape"),
        (lambda: match_beats([1], [2], 0), "tolerance is 0"),
        (lambda: match_beats([1], [2], lag="late"), "lag is 'late'"),
        (lambda: match_beats([1], [2], lag=(1, 0)), "least, most"),
        (lambda: match_beats(["a"], [2]), "cannot be read as numbers"),
        (lambda: ecg_beats(np.zeros((2, 100)), 250), "one lead"),
        (lambda: ecg_beats(np.zeros(100)), "give sampling_rate"),
        (lambda: ecg_beats(np.zeros(100), 10), "at least 50 Hz"),
        (lambda: ecg_beats(np.zeros(100), 0), "sampling_rate is 0"),
        (lambda: ecg_beats(np.sin(np.arange(2500)), 250, method="magic"), "method is 'magic'"),
        (lambda: ecg_beats(xr.Dataset({"ppg": ("time_ppg", [1.0])})), "no electrocardiogram, only ppg"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("method", ["rodrigues2021", "neurokit", "elgendi2010"])
def test_r_peaks(ecg, method):
    found = ecg_beats(ecg, RATE, method=method)
    _, info = nk.ecg_peaks(nk.ecg_clean(ecg, sampling_rate=RATE), sampling_rate=RATE)
    match = match_beats(np.asarray(info["ECG_R_Peaks"]) / RATE, found, lag=0)
    assert match.f1 > 0.98 and match.interval_mae < 5


def test_r_peaks_of_recordings_and_across_gaps(ecg):
    whole = ecg_beats(ecg, RATE)
    recording = make_recording(ecg=ecg, sampling_rate={"ecg": RATE})
    found = ecg_beats(recording)
    np.testing.assert_allclose(found - recording["time_ecg"].values[0], whole, atol=1e-6)
    np.testing.assert_allclose(ecg_beats(recording["ecg"]), found)
    gap = ecg.copy()
    gap[20 * RATE : 30 * RATE] = np.nan
    found = ecg_beats(gap, RATE)
    assert not ((found > 20) & (found < 30)).any()
    assert match_beats(whole[(whole < 19) | (whole > 31)], found, lag=0).sensitivity > 0.97
    np.testing.assert_allclose(ecg_beats(1e-4 * ecg + 7, RATE), whole, atol=2e-3)


@given(
    hnp.arrays(
        st.sampled_from(["<f8", ">f8", "<f4", "i2", "?"]),
        st.integers(0, 600),
        elements=st.sampled_from([0.0, 1.0]),
        fill=st.nothing(),
    ),
    st.booleans(),
)
def test_any_electrocardiogram_gives_increasing_times(values, holes):
    if holes and values.dtype.kind == "f":
        values[::97] = np.nan
        values[50:51] = np.inf
    values.setflags(write=False)
    for x in (values, values[::-1]):
        found = ecg_beats(x, 100.0)
        assert (np.diff(found) > 0).all() and np.isfinite(found).all()


def test_pulses_match_r_peaks_of_a_person(data_folder):
    file = data_folder / "neurokit_resting" / "bio_resting_5min_100hz.npz"
    if not file.is_file():
        pytest.skip(f"no recording at {file}")
    with np.load(file) as data:
        match = match_beats(ecg_beats(data["ecg"], 100), detect_beats(data["ppg"], 100))
    assert match.f1 > 0.99
    assert 0.1 < match.lag < 0.6
    assert match.interval_sd < 20 and abs(match.interval_bias) < 0.5


def test_dicrotic_waves_are_no_beats():
    beats = irregular_beats(60, 0.9, 0.03)
    t = np.arange(60 * 64) / 64
    wave = pulse_train(beats, 64, 60, 0.07)
    for beat in beats:  # as high a second wave as half the first, with a deep notch between
        wave += 0.45 * np.exp(-0.5 * ((t - beat - 0.45) / 0.06) ** 2)
    found = match_beats(beats[(beats > 0) & (beats < 59)], detect_beats(wave, 64), lag=(-0.1, 0.1))
    assert found.f1 > 0.98
