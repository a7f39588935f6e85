"""Beats, rate and variability."""

from __future__ import annotations

import neurokit2 as nk
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from biosig.heart import detect_beats, heart_rate, heart_rate_variability

FIDUCIALS = ["template", "upslope", "mid_amplitude", "peak", "onset"]


def pulse_train(beats, rate, seconds, width=0.1):
    """Smooth pulses whose steepest upslope is at the beat, with a smaller wave after each."""
    t = np.arange(int(rate * seconds)) / rate
    peak = np.asarray(beats)[:, None] + width
    wave = np.exp(-0.5 * ((t - peak) / width) ** 2) + 0.3 * np.exp(-0.5 * ((t - peak - 0.3) / (1.5 * width)) ** 2)
    return wave.sum(axis=0)


def irregular_beats(seconds, mean=0.9, spread=0.05, seed=0):
    rng = np.random.default_rng(seed)
    return np.cumsum(mean * (1 + spread * rng.normal(size=int(2 * seconds / mean)))) - 1.5


@pytest.mark.parametrize("rate", [25.0, 30.0, 64.0, 125.0, 500.0])
@pytest.mark.parametrize("mean", [0.4, 0.9, 1.5])
def test_finds_every_beat_at_every_rate(rate, mean):
    truth = irregular_beats(60, mean, 0.04)
    found = detect_beats(pulse_train(truth, rate, 60, 0.09 * mean**0.5), rate)
    inner = truth[(truth > 1) & (truth < 59)]
    distance = np.abs(inner[:, None] - found).min(axis=1)
    assert distance.max() < 0.06  # a constant share of it is the filter's
    assert distance.std() < 0.008
    assert np.diff(found).min() > 0.6 * mean


@pytest.mark.parametrize("fiducial", FIDUCIALS)
def test_fiducials_come_in_their_order_and_vary_little(fiducial):
    truth = irregular_beats(60)
    x = pulse_train(truth, 64, 60)
    found = detect_beats(x, 64, fiducial=fiducial)
    truth = truth[(truth > 1) & (truth < 59)]
    lag = found[np.abs(truth[:, None] - found).argmin(axis=1)] - truth
    low, high = {
        "template": (-0.02, 0.02),
        "upslope": (-0.02, 0.02),
        "mid_amplitude": (-0.05, 0.05),
        "peak": (0.06, 0.15),
        "onset": (-0.4, -0.1),
    }[fiducial]
    assert low < np.median(lag) < high
    assert np.std(lag) < (0.03 if fiducial == "onset" else 0.006)


def test_variability_survives_a_low_sampling_rate():
    truth = irregular_beats(60, spread=0.03, seed=4)
    true = heart_rate_variability(truth[(truth > 0) & (truth < 60)])
    for rate in (30.0, 64.0):
        found = heart_rate_variability(detect_beats(pulse_train(truth, rate, 60), rate))
        assert found["sdnn"] == pytest.approx(true["sdnn"], rel=0.05)
        assert found["rmssd"] == pytest.approx(true["rmssd"], rel=0.05)


def test_batches_pad_with_nan_and_threads_agree():
    x = np.stack([pulse_train(irregular_beats(30, m), 64, 30) for m in np.linspace(0.5, 1.4, 40)])
    batch = detect_beats(x, 64, n_jobs=2)
    np.testing.assert_array_equal(batch, detect_beats(x, 64, n_jobs=1))
    for row, signal in zip(batch, x, strict=True):
        one = detect_beats(signal, 64)
        np.testing.assert_array_equal(row[: one.size], one)
        assert np.isnan(row[one.size :]).all()
    assert np.isfinite(batch[:, -1]).any()


@given(st.sampled_from([1e-12, 1e-3, 1.0, 1e6]), st.floats(-10, 10))
def test_scale_and_offset_do_not_matter(scale, offset):
    x = pulse_train(irregular_beats(20), 64, 20)
    np.testing.assert_allclose(detect_beats(scale * (x + offset), 64), detect_beats(x, 64), atol=2e-3)


@pytest.mark.parametrize("x", [np.zeros(640), np.full(640, 1e6), np.full(640, np.nan), np.ones(5), np.ones(1)])
def test_hopeless_windows_have_no_beats(x):
    assert detect_beats(x, 64).shape == (0,)
    assert detect_beats(np.stack([x, x]), 64).shape == (2, 0)
    assert detect_beats(x, 64, method="neurokit:elgendi").shape == (0,)


@given(st.integers(0, 2**32 - 1), st.integers(1, 700), st.floats(10, 200), st.sampled_from(FIDUCIALS))
def test_any_noise_gives_increasing_times_inside_the_window(seed, n, rate, fiducial):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n).cumsum()
    x[rng.random(n) < 0.05] = np.nan
    found = detect_beats(x, rate, fiducial=fiducial)
    assert np.isfinite(found).all() and (np.diff(found) > 0).all()
    assert found.size == 0 or (found[0] >= 0 and found[-1] <= n / rate)


def test_gaps_hold_no_beats():
    truth = irregular_beats(60)
    x = pulse_train(truth, 64, 60)
    whole = detect_beats(x, 64)
    x[64 * 20 : 64 * 30] = np.nan
    found = detect_beats(x, 64)
    assert not ((found > 20.2) & (found < 29.8)).any()
    away = whole[(whole < 18) | (whole > 32)]
    assert np.abs(away[:, None] - found).min(axis=1).max() < 0.02
    # The interval across the gap is left out.
    assert heart_rate(found) == pytest.approx(heart_rate(whole), rel=0.02)


@pytest.mark.parametrize("detector", ["elgendi", "charlton"])
def test_neurokit_detectors_pass_through(detector):
    x = pulse_train(irregular_beats(30), 64, 30)
    ours = detect_beats(x, 64)
    theirs = detect_beats(x, 64, method=f"neurokit:{detector}")
    assert abs(ours.size - theirs.size) <= 3
    assert np.abs(theirs[:, None] - ours).min(axis=1).max() < 0.01


def test_agrees_with_neurokit_on_its_own_simulation():
    x = nk.ppg_simulate(duration=60, sampling_rate=64, heart_rate=72, random_state=1)
    _, info = nk.ppg_peaks(nk.ppg_clean(x, sampling_rate=64), sampling_rate=64)
    theirs = np.asarray(info["PPG_Peaks"]) / 64
    ours = detect_beats(x, 64, fiducial="peak")
    assert abs(ours.size - theirs.size) <= 2
    assert np.median(np.abs(theirs[:, None] - ours).min(axis=1)) < 0.02


def test_variability_is_that_of_neurokit():
    rng = np.random.default_rng(0)
    samples = np.cumsum(rng.integers(850, 950, size=100))
    theirs = nk.hrv_time(samples, sampling_rate=1000).iloc[0]
    ours = heart_rate_variability(samples / 1000, cleaning="none")
    assert ours["sdnn"] == pytest.approx(theirs["HRV_SDNN"])
    assert ours["rmssd"] == pytest.approx(theirs["HRV_RMSSD"])
    assert heart_rate(samples / 1000) == pytest.approx(60000 / theirs["HRV_MeanNN"])


@pytest.mark.parametrize("harm", ["missed", "extra", "ectopic"])
def test_single_wrong_beats_hardly_change_the_result(harm):
    rng = np.random.default_rng(1)
    beats = np.cumsum(0.9 + 0.03 * rng.normal(size=70))
    clean = heart_rate_variability(beats)
    if harm == "missed":
        spoiled = np.delete(beats, 30)
    elif harm == "extra":
        spoiled = np.sort(np.append(beats, beats[30] + 0.35))
    else:
        spoiled = beats.copy()
        spoiled[30] -= 0.35
    found = heart_rate_variability(spoiled)
    assert found["rmssd"] == pytest.approx(clean["rmssd"], rel=0.1)
    assert found["sdnn"] == pytest.approx(clean["sdnn"], rel=0.1)
    assert heart_rate(spoiled) == pytest.approx(heart_rate(beats), rel=0.01)
    assert found["n_good"] < 70


def test_rate_of_batches_and_of_few_beats():
    rows = np.full((4, 10), np.nan)
    rows[0] = np.arange(10)
    rows[1, :5] = 0.5 * np.arange(5)
    rows[2, :1] = 3.0
    np.testing.assert_allclose(heart_rate(rows), [60, 120, np.nan, np.nan])
    rows = np.pad(rows, ((0, 0), (0, 1)), constant_values=np.nan)
    rows[0, -1] = 10.0
    measures = heart_rate_variability(rows)
    np.testing.assert_allclose(measures["sdnn"], [0, np.nan, np.nan, np.nan], atol=1e-9)
    np.testing.assert_array_equal(measures["n_good"], [10, 4, 0, 0])
    np.testing.assert_array_equal(measures["coverage"], [1, 1, 0, 0])
    assert measures["reason"].tolist() == ["", *(f"no spread: {n} good intervals" for n in (4, 0, 0))]
    assert np.isnan(heart_rate([]))
    assert np.isnan(heart_rate(np.empty((2, 0)))).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: detect_beats(x), "give sampling_rate"),
        (lambda x: detect_beats(x, 5), "at least 10 Hz"),
        (lambda x: detect_beats(x, 64, method="magic"), "method is 'magic'"),
        (lambda x: detect_beats(x, 64, method="neurokit:magic"), "neurokit:magic"),
        (lambda x: detect_beats(x, 64, fiducial="foot"), "fiducial is 'foot'"),
        (lambda x: detect_beats(x[None, None], 64), "choose one wavelength"),
        (lambda x: heart_rate([0.8, 0.9, 0.7]), r"hrv.intervals="),
        (lambda x: heart_rate([[0, 1, 2], [0, 2, 1]]), "in window 1"),
        (lambda x: heart_rate(np.zeros((1, 1, 1))), "expected .n_beats"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.sin(np.arange(640) / 10))


def test_dataarray():
    x = pulse_train(irregular_beats(30), 64, 30)
    data = xr.DataArray(x, dims="time_ppg", coords={"time_ppg": np.arange(x.size) / 64}, attrs={"sampling_rate": 64})
    np.testing.assert_array_equal(detect_beats(data), detect_beats(x, 64))
