"""Uneven logs put right: windows, resampled signals and heart rates as on perfect stamps; work follows the samples."""

from __future__ import annotations

import time

import numpy as np
import pytest
import xarray as xr
from biosig_kernels.gaps import mark_zeros, repeated_runs
from hypothesis import given
from hypothesis import strategies as st

from biosig.heart import detect_beats, heart_rate_variability, ppg_targets, wrist_heart_rate
from biosig.recordings import make_recording
from biosig.signals import Gate, even_clock, non_wear, resample, resample_irregular, segment
from tests.naive import clocks as twin

SECONDS = 300


def pulse(t, rng):
    """Photoplethysmogram at the times `t`: a skewed pulse at beats whose intervals vary by 20 ms."""
    beats = np.cumsum(0.86 + 0.02 * rng.normal(size=round(t[-1] / 0.86) + 5))
    phase = np.interp(t, beats, np.arange(len(beats)))
    return np.exp(2 * np.cos(2 * np.pi * phase)) / 3 + 0.01 * rng.normal(size=t.size)


def log(kind, rate=64.0):
    """Samples and stamps of a device, the same samples with perfect stamps, and the number of samples lost."""
    rng = np.random.default_rng(5)
    options = {
        "jitter": {"jitter": 0.005},
        "much jitter": {"jitter": 0.015},
        "packets": {"packet": 18, "inner": 2e-5},
        "one stamp a packet": {"packet": 18},
        "packets and loss": {"packet": 18, "inner": 2e-5, "lost": 0.01},
        "jitter and loss": {"jitter": 0.004, "lost": 0.01},
        "drift": {"jitter": 0.005, "drift": 3e-4},
    }[kind]
    numbers, stamps = twin.device(rng, rate, SECONDS, **options)
    t = np.arange(round(rate * SECONDS)) / rate
    signal = pulse(t, np.random.default_rng(6))
    return signal[numbers], stamps, signal, numbers[-1] + 1 - numbers[0] - numbers.size


@pytest.mark.parametrize(
    "kind",
    ["jitter", "much jitter", "packets", "one stamp a packet", "packets and loss", "jitter and loss", "drift"],
)
def test_variability_is_that_of_perfect_stamps(kind):
    samples, stamps, whole, n_lost = log(kind)
    uneven = segment(make_recording(ppg=samples, time=stamps), length=60)
    perfect = segment(make_recording(ppg=whole, sampling_rate=64.0), length=60)
    rmssd = lambda windows: float(np.nanmean(ppg_targets(windows["ppg"].values, 64.0)["rmssd"]))
    assert rmssd(uneven) == pytest.approx(rmssd(perfect), rel=0.1)
    told = uneven["ppg"].attrs
    assert told["clock"] == "device" and told["n_lost"] == n_lost and (told["n_gaps"] > 0) == (n_lost > 0)
    if "jitter" in kind or kind == "drift":
        assert 2 < told["jitter_ms"] < 16
    assert "clock" not in perfect["ppg"].attrs


def test_stamps_are_left_alone_on_request():
    samples, stamps, whole, _ = log("much jitter")
    recording = make_recording(ppg=samples, time=stamps)
    alone = segment(recording, length=60, evenly=False)
    assert alone["ppg"].attrs["clock"] == "stamps" and "jitter_ms" not in alone["ppg"].attrs
    beats = lambda windows: detect_beats(windows["ppg"].values[:, 0], 64.0, fiducial="upslope")
    rmssd = lambda windows: float(np.nanmean(heart_rate_variability(beats(windows))["rmssd"]))
    assert rmssd(alone) > 1.15 * rmssd(segment(make_recording(ppg=whole, sampling_rate=64.0), length=60))
    assert resample(recording["ppg"], target_rate=64, evenly=False).attrs["clock"] == "stamps"


def test_a_steady_clock_stays_as_it_is():
    samples = pulse(np.arange(64 * SECONDS) / 64, np.random.default_rng(0))
    t = np.arange(samples.size) / 64
    barely = t + np.random.default_rng(1).uniform(-0.2, 0.2, t.size) / 64
    steady, near = (segment(make_recording(ppg=samples, time=each), length=60) for each in (t, barely))
    np.testing.assert_array_equal(steady["ppg"].values[:4], near["ppg"].values[:4])
    even, record = even_clock(t)
    np.testing.assert_allclose(even, t, atol=1e-9)
    assert record["sampling_rate"] == pytest.approx(64) and record["n_lost"] == 0


def test_resampled_signals_lie_on_the_clock():
    samples, stamps, whole, _ = log("packets")
    even = resample(make_recording(ppg=samples, time=stamps)["ppg"], target_rate=64)
    n = min(even.sizes["time_ppg"], whole.size)
    np.testing.assert_allclose(even.values[:n, 0], whole[:n], atol=1e-3)
    assert even.attrs["clock"] == "device" and even.attrs["jitter_ms"] > 50


def test_recordings_are_put_right_as_a_whole():
    samples, stamps, _, _ = log("one stamp a packet")
    accel = np.random.default_rng(0).normal(size=(6400, 3))
    recording = make_recording(ppg=samples, accel=accel, time={"ppg": stamps}, sampling_rate={"accel": 50})
    even = even_clock(recording)
    np.testing.assert_allclose(np.diff(even["time_ppg"]), 1 / 64, rtol=1e-3)
    np.testing.assert_allclose(even["time_accel"], recording["time_accel"], atol=1e-9)
    assert even["ppg"].attrs["clock"] == "device" and (np.diff(recording["time_ppg"]) == 0).any()
    plain = segment(even, length=60)
    np.testing.assert_allclose(plain["ppg"], segment(recording, length=60)["ppg"], atol=2e-3)


def walking(n, rate=50):
    rng = np.random.default_rng(2)
    return np.array([0.1, 0.2, 0.97]) + 0.004 * rng.normal(size=(n, 3))


@pytest.mark.parametrize("jump", [4163949.0, 3.15e8, 1.2e10])
def test_jumps_cost_nothing(jump):
    stamps = np.arange(30_000) / 50
    stamps[15_000:] += jump
    recording = make_recording(accel=walking(30_000), time=stamps)
    begin = time.perf_counter()
    windows = segment(recording, length=60)
    even = resample(recording["accel"], target_rate=64)
    table = wrist_heart_rate(recording["accel"], max_motion=np.inf)
    assert time.perf_counter() - begin < 120  # with compiling; the grid of the span would take hours
    assert windows.sizes["window"] >= 8 and windows.attrs["n_without_samples"] == pytest.approx(jump / 60, abs=3)
    np.testing.assert_allclose(np.round((windows["start"] / 60) % 1, 6) % 1, 0)  # one grid
    after = windows["start"].values > 1000
    assert after.sum() >= 4 and (windows["start"].values[after] >= 300 + jump - 1e-3).all()
    assert even.sizes["time_accel"] < 64 * 605 and np.diff(even["time_accel"]).max() > jump - 10
    assert np.isnan(even.values).any() and even.attrs["n_gaps"] == 1
    starts = table["start"].to_numpy()
    assert (starts < 280).sum() > 20 and (starts >= 300 + jump - 2).sum() > 20 and len(starts) < 60


@pytest.mark.parametrize("stamp", [2.2e9, -1.7e9])
def test_one_sample_far_off(stamp):
    stamps = np.arange(30_000) / 50
    stamps[-1 if stamp > 0 else 0] = stamp
    windows = segment(make_recording(accel=walking(30_000), time=stamps), length=60)
    assert windows.sizes["window"] >= 9 and (windows["valid"] > 0.99).all()


def test_many_lonely_samples():
    stamps = np.sort(np.random.default_rng(0).uniform(0, 1e9, 300))
    recording = xr.Dataset(
        {"accel": (("time_accel", "axis"), walking(300))}, coords={"time_accel": stamps, "axis": list("xyz")}
    )
    assert segment(recording, length=60, across_gaps=True).sizes["window"] <= 600
    assert resample(recording["accel"], target_rate=64, sampling_rate=50).sizes["time_accel"] < 300 * 200


def test_irregular_grids_over_a_jump_are_refused():
    stamps = np.arange(1000) / 50
    stamps[500:] += 1e7
    with pytest.raises(ValueError, match=r"jump from 9.98 s to 1e\+07 s.*give start and n_samples"):
        resample_irregular(stamps, stamps, 64)
    assert resample_irregular(stamps, stamps, 64, start=0.0, n_samples=64).shape == (64,)


def test_wear_follows_the_stamps():
    n = 3600 * 10
    rng = np.random.default_rng(0)
    accel = np.array([0.0, 0.0, 1.0]) + 0.1 * rng.normal(size=(2 * n, 3))
    accel[n:] = np.array([0.0, 0.0, 1.0]) + 0.002 * rng.normal(size=(n, 3))
    stamps = np.arange(2 * n) / 10
    stamps[n:] += 7200
    verdict = non_wear(make_recording(accel=accel, time=stamps)["accel"])
    np.testing.assert_array_equal(verdict, [0] * 4 + [np.nan] * 8 + [1] * 4)


def test_zeros_and_stuck_values_are_missing():
    accel = walking(30_000)
    accel[5000:8000] = 0.0
    accel[12_000:14_000] = accel[12_000]
    recording = make_recording(accel=accel, sampling_rate=50)
    told = recording["accel"].attrs
    assert (told["n_zero"], told["n_stuck"], told["stuck_from"]) == (3000, 2000, 40.0)
    windows = segment(recording, length=60, across_gaps=True)
    np.testing.assert_allclose(windows["valid"].values[:5], [1, 2 / 3, 1 / 3, 1, 1 / 3], atol=1e-3)
    assert Gate().mask(windows).sum() == 7
    raw = recording.assign(accel=recording["accel"].copy(data=accel.astype(np.float32)))
    again = segment(raw, length=60, across_gaps=True)
    np.testing.assert_array_equal(again["valid"], windows["valid"])
    assert again["accel"].attrs["n_zero"] == 3000
    low = segment(raw.drop_attrs(deep=False), length=60)
    assert low.attrs["n_across_gaps"] == 3


def test_a_coarse_sensor_on_a_quiet_wrist_is_not_stuck():
    rng = np.random.default_rng(0)
    breathing = 0.006 * np.sin(2 * np.pi * np.arange(32 * 1800) / 32 / 4)[:, None] * [1, 0.5, 0.2]
    still = np.array([0.2, 0.3, 0.93]) + 0.3 * breathing + 0.001 * rng.normal(size=(32 * 1800, 3))
    accel = np.round(still * 64) / 64  # steps of 16 mg, which repeat for seconds
    accel[::500] += 1 / 64
    recording = make_recording(accel=accel, sampling_rate=32)
    assert "n_stuck" not in recording["accel"].attrs and np.isfinite(recording["accel"]).all()


def test_movement_without_gravity_may_be_zero():
    accel = np.round(0.02 * np.random.default_rng(0).normal(size=(2000, 3)), 2)
    assert (accel == 0).all(axis=1).any()
    assert np.isfinite(make_recording(accel=accel, sampling_rate=50)["accel"]).all()


def test_masked_arrays():
    accel = np.ma.masked_array(walking(3000))
    accel[100:300] = np.ma.masked
    recording = make_recording(accel=accel, sampling_rate=50)
    assert int(recording["accel"].isnull().sum()) == 600
    assert np.isnan(resample(accel.T, sampling_rate=50, target_rate=50)[:, 100:300]).all()
    ppg = np.ma.masked_array(log("jitter")[2][:3840])
    ppg[: 20 * 64] = np.ma.masked
    assert "missing" in ppg_targets(ppg[np.newaxis], 64.0)["reason"][0]


def test_big_offsets_lose_nothing():
    signal = log("jitter")[2]
    counts = np.round(1.9e9 + 300 * signal).astype(np.int64)
    recording = make_recording(ppg=counts, sampling_rate=64)
    offset = recording["ppg"].attrs["offset_removed"]
    np.testing.assert_array_equal(recording["ppg"].values[:, 0].astype(np.float64) + offset, counts)
    small = segment(make_recording(ppg=np.round(300 * signal), sampling_rate=64), length=60)
    big = segment(recording, length=60)
    np.testing.assert_allclose(
        ppg_targets(big["ppg"].values, 64.0)["rmssd"], ppg_targets(small["ppg"].values, 64.0)["rmssd"], rtol=0.02
    )
    assert "offset_removed" not in make_recording(ppg=signal, sampling_rate=64)["ppg"].attrs


def test_copies_and_steps_back_are_told_apart():
    t = np.array([0.0, 1, 2, 2, 3, 4]) / 50
    accel = walking(6)
    accel[3] = accel[2]
    with pytest.raises(ValueError, match="exact copies of the sample"):
        make_recording(accel=accel, time=t)
    with pytest.raises(ValueError, match=r"does not increase at sample 3.*sort the samples"):
        make_recording(accel=accel, time=np.array([0.0, 1, 2, 1.5, 3, 4]) / 50)
    with pytest.raises(ValueError, match="goes back at sample 3"):
        even_clock([0.0, 1, 2, 1.5])
    with pytest.raises(ValueError, match="at least two"):
        even_clock([1.0, 1.0])
    with pytest.raises(ValueError, match="finite seconds"):
        even_clock([1.0, np.nan])


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, np.nan]), st.sampled_from([0.0, 1.0])), max_size=60),
    st.integers(2, 5),
)
def test_runs_of_equal_samples(samples, shortest):
    x = np.array(samples, np.float32).reshape(-1, 2)
    begins, lengths = (np.empty(len(x) // shortest + 1, np.int64) for _ in range(2))
    n_runs, longest = repeated_runs(x, shortest, begins, lengths) if len(x) else (0, 0)
    wanted, others = twin.repeated_runs(x, shortest)
    assert list(zip(begins[:n_runs].tolist(), lengths[:n_runs].tolist(), strict=True)) == wanted and longest == others
    marks = np.zeros(len(x), np.bool_)
    assert mark_zeros(x, marks) == marks.sum() and marks.tolist() == [(row == 0).all() for row in x]
