"""Segmentation, gate and spectral quality."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from biosig.signals import Gate, remove_gravity, resample, segment, spectral_quality
from biosig.signals import _blocks as blocks


def make_recording(seconds=150.0, accel_start=1.0, ppg_start=3.25, accel_rate=32.0, ppg_rate=64.0):
    rng = np.random.default_rng(0)
    ta = accel_start + np.arange(int(seconds * accel_rate)) / accel_rate
    tp = ppg_start + np.arange(int(seconds * ppg_rate)) / ppg_rate
    accel = np.array([0.1, 0.2, 0.97]) + 0.01 * rng.normal(size=(ta.size, 3))
    pulse = lambda t: np.sin(2 * np.pi * 1.2 * t) + 0.3 * np.sin(4 * np.pi * 1.2 * t)
    ppg = np.stack([pulse(tp), 0.1 * rng.normal(size=tp.size)], axis=1)
    return xr.Dataset(
        {
            "accel": (("time_accel", "axis"), accel.astype(np.float32), {"units": "g", "sampling_rate": accel_rate}),
            "ppg": (("time_ppg", "wavelength"), ppg.astype(np.float32), {"sampling_rate": ppg_rate}),
        },
        coords={"time_accel": ta, "time_ppg": tp, "axis": list("xyz"), "wavelength": ["green", "red"]},
        attrs={"participant": "p1", "session": "s1", "device": "none", "source": "made"},
    )


def test_windows_follow_the_contract():
    windows = segment(make_recording(), length=30, stride=10)
    assert windows["accel"].dims == ("window", "axis", "sample")
    assert windows["ppg"].dims == ("window", "wavelength", "sample")
    assert windows["accel"].shape == (12, 3, 1920) and windows["ppg"].shape == (12, 2, 1920)
    assert windows["accel"].dtype == windows["ppg"].dtype == np.float32
    assert windows["accel"].values.flags.c_contiguous
    np.testing.assert_allclose(windows["start"], 3.25 + 10 * np.arange(12))
    assert set(windows["participant"].values) == {"p1"} and set(windows["session"].values) == {"s1"}
    assert {k: windows.attrs[k] for k in ("sampling_rate", "length", "stride", "gravity_cutoff")} == {
        "sampling_rate": 64.0,
        "length": 30.0,
        "stride": 10.0,
        "gravity_cutoff": 0.5,
    }
    assert windows["axis"].values.tolist() == ["x", "y", "z"]
    np.testing.assert_array_equal(windows["valid"], 1)
    # White noise of 10 mg, less the lowest half and the highest of its 16 Hz.
    np.testing.assert_allclose(windows["motion"], 0.01 * np.sqrt((0.95 * 16 - 0.5) / 16), rtol=0.05)
    assert (windows["ppg_quality"] > 0.95).all()


def test_windows_are_cut_from_signals_processed_as_a_whole():
    recording = make_recording()
    windows = segment(recording, length=20)
    time = 3.25 + np.arange(windows.sizes["window"] * 1280) / 64
    whole = resample(recording["accel"], target_rate=64).interp(time_accel=time).values.T
    joined = np.concatenate(list(windows["accel"].values), axis=1)
    np.testing.assert_allclose(joined[:, 300:-300], remove_gravity(whole, 64)[:, 300:-300], atol=2e-3)
    pulse = windows["ppg"].values[:, 0].reshape(-1)
    wanted = np.sin(2 * np.pi * 1.2 * time) + 0.3 * np.sin(4 * np.pi * 1.2 * time)
    np.testing.assert_allclose(pulse[5:-5], wanted[5:-5], atol=1e-4)


@given(
    st.floats(0, 20),
    st.floats(0, 20),
    st.sampled_from([20.0, 51.7, 100.0]),
    st.sampled_from([25.0, 64.0]),
    st.floats(2, 30),
    st.floats(0.5, 30),
)
def test_any_start_rate_length_and_stride(accel_start, ppg_start, accel_rate, ppg_rate, length, stride):
    recording = make_recording(60, accel_start, ppg_start, accel_rate, ppg_rate)
    windows = segment(recording, length=length, stride=stride, sampling_rate=32)
    n, s = windows.sizes["sample"], round(windows.attrs["stride"] * 32)
    assert n == int(length * 32 + 0.5)
    shared = min(accel_start, ppg_start) + 60 - max(accel_start, ppg_start)
    assert abs(windows.sizes["window"] - ((shared * 32 - n) / s + 1)) <= 1 + 2 / s
    assert np.isfinite(windows["accel"]).all() and np.isfinite(windows["ppg"]).all()
    assert (windows["valid"] > 0.97).all()


def test_missing_samples_stay_and_are_counted():
    recording = make_recording()
    values = recording["ppg"].values
    values[64 * 70 : 64 * 75] = np.nan  # 5 s of the second window
    values[64 * 10 : 64 * 10 + 16] = np.nan  # a quarter second: bridged, but not valid
    windows = segment(recording, across_gaps=True)
    np.testing.assert_allclose(windows["valid"], [1 - 0.25 / 60, 1 - 5 / 60], atol=1e-3)
    missing = np.isnan(windows["ppg"].values[:, 0])
    np.testing.assert_array_equal(missing.sum(axis=1), [0, 320])
    assert np.isfinite(windows["accel"]).all()
    assert Gate().mask(windows).tolist() == [True, False]
    without = segment(recording)
    assert without.sizes["window"] == 1 and without.attrs["n_across_gaps"] == 1
    np.testing.assert_array_equal(without["ppg"], windows["ppg"][:1])


def test_a_hole_in_the_clock_is_missing_too():
    recording = make_recording().isel(time_accel=np.r_[0 : 32 * 20, 32 * 26 : 32 * 150])
    windows = segment(recording, across_gaps=True)
    np.testing.assert_allclose(windows["valid"], [1 - 6 / 60, 1], atol=2e-3)
    np.testing.assert_allclose(np.isnan(windows["accel"].values[0, 0]).mean(), 0.1, atol=2e-3)


def test_one_sensor_alone():
    recording = make_recording()
    accel = segment(recording.drop_vars(["ppg", "time_ppg", "wavelength"]))
    assert "ppg" not in accel and np.isnan(accel["ppg_quality"]).all() and np.isfinite(accel["motion"]).all()
    ppg = segment(recording.drop_vars(["accel", "time_accel", "axis"]))
    assert "accel" not in ppg and np.isnan(ppg["motion"]).all() and np.isfinite(ppg["ppg_quality"]).all()
    assert Gate().mask(accel).all() and Gate().mask(ppg).all()
    assert set(Gate().coverage(accel)) == {"n_windows", "n_kept", "coverage", "incomplete", "moving", "not_worn"}


def test_gate():
    windows = segment(make_recording(), length=10).isel(window=slice(0, 4))
    windows["motion"].values[:] = [0.01, 0.06, np.nan, 0.05]
    windows["ppg_quality"].values[:] = [0.9, 0.9, 0.9, 0.1]
    gate = Gate(max_motion=0.05)
    assert gate.mask(windows).tolist() == [True, False, False, False]
    assert gate.coverage(windows) == {
        "n_windows": 4,
        "n_kept": 1,
        "coverage": 0.25,
        "incomplete": 0.0,
        "moving": 0.5,
        "not_worn": 0.0,
        "poor_ppg": 0.25,
    }
    assert np.isnan(gate.coverage(windows.isel(window=slice(0, 0)))["coverage"])


def big_recording(seed=0):
    """Acceleration in turns still and moving with short and long gaps, and a PPG at another rate: several blocks."""
    recording = make_recording(1500.0, accel_rate=50.0, ppg_rate=40.0)
    rng = np.random.default_rng(seed)
    accel, ppg = recording["accel"].values, recording["ppg"].values
    for begin in range(0, len(accel), 20_000):
        accel[begin : begin + 8000] += 0.4 * rng.normal(size=(min(8000, len(accel) - begin), 3)).astype(np.float32)
    for values in (accel, ppg):
        for begin in rng.integers(0, len(values), 6):
            values[begin : begin + int(rng.choice([3, 15, 300]))] = np.nan
    return recording


@pytest.mark.parametrize("uneven", [False, True])
def test_blocks_do_not_show(monkeypatch, uneven):
    recording = big_recording()
    if uneven:  # a hole in the clock and jitter of a fifth of a sample
        time = recording["time_accel"].values
        jitter = np.random.default_rng(1).uniform(-0.2, 0.2, time.size) / 50
        recording = recording.assign_coords(time_accel=time + jitter).isel(
            time_accel=np.r_[0:30_000, 31_000 : time.size]
        )
    options = {"length": 20, "stride": 7, "across_gaps": True}
    whole = segment(recording, **options)
    monkeypatch.setattr(blocks, "BLOCK", 4096)
    monkeypatch.setattr(blocks, "MOST_CUT", 8192)
    parts = segment(recording, **options, n_jobs=3)
    assert len(whole["start"]) == len(parts["start"]) > 200
    np.testing.assert_array_equal(parts["ppg"], whole["ppg"])
    np.testing.assert_allclose(parts["accel"], whole["accel"], atol=2e-7)
    for name in ("start", "valid", "clipped", "posture", "non_wear", "ppg_quality"):
        np.testing.assert_allclose(parts[name], whole[name], atol=1e-6)
    np.testing.assert_allclose(parts["motion"], whole["motion"], atol=2e-7)


def test_gated_windows_are_those_the_gate_would_keep():
    recording = big_recording()
    gate = Gate(max_motion=0.02, min_ppg_quality=0.5)
    every = segment(recording, length=20)
    kept = segment(recording, length=20, gate=gate)
    mask = gate.mask(every)
    assert 0 < mask.sum() < len(mask)
    xr.testing.assert_identical(kept.drop_attrs(deep=False), every.isel(window=mask).drop_attrs(deep=False))
    told = gate.coverage(every)
    assert {k: kept.attrs[k] for k in told} == told
    assert kept.attrs["n_across_gaps"] == every.attrs["n_across_gaps"] > 0
    none = segment(recording, length=20, gate=Gate(max_motion=-1.0))
    assert none.sizes["window"] == 0 and none["accel"].shape[1:] == (3, 1280) and none.attrs["coverage"] == 0


def test_windows_never_cross_gaps_unless_allowed():
    recording = big_recording()
    closed, open_ = segment(recording, length=20), segment(recording, length=20, across_gaps=True)
    complete = np.isfinite(open_["accel"]).all(("axis", "sample")) & np.isfinite(open_["ppg"]).all(
        ("wavelength", "sample")
    )
    np.testing.assert_array_equal(closed["start"], open_["start"][complete])
    assert closed.attrs["n_across_gaps"] == (~complete).sum() > 0
    assert (closed["valid"] < 1).any()  # short gaps were bridged, and counted


def test_posture_clipping_and_wear():
    rate = 10.0
    rng = np.random.default_rng(0)
    n = int(2 * 3600 * rate)
    accel = np.array([0.0, 0.6, 0.8]) + 0.05 * rng.normal(size=(n, 3))
    accel[: n // 2] = np.array([0.0, -0.6, 0.8]) + 0.001 * rng.normal(size=(n // 2, 3))  # the first hour on a table
    accel[-600:-300, 0] = 2.0
    accel[-100, 1] = -2.0  # one sample alone is no flat top
    recording = xr.Dataset(
        {"accel": (("time_accel", "axis"), accel.astype(np.float32), {"units": "g"})},
        coords={"time_accel": np.arange(n) / rate, "axis": list("xyz")},
    )
    windows = segment(recording, length=60, sampling_rate=16)
    wanted = np.degrees(np.arctan2([0.0, 0.6, 0.8], [1.0, 0.8, 0.6]))
    np.testing.assert_allclose(windows["posture"][70], wanted, atol=0.3)
    np.testing.assert_allclose(windows["posture"][10], wanted * [1, -1, 1], atol=0.1)
    np.testing.assert_array_equal(windows["non_wear"], np.arange(120) < 60)
    assert Gate(max_motion=1).mask(windows).sum() == 60
    assert Gate(max_motion=1, max_non_wear=1).mask(windows).all()
    np.testing.assert_allclose(windows["clipped"].values[-1:], 0.5, atol=0.01)
    assert (windows["clipped"].values[:-1] == 0).all()
    recording["accel"].attrs["range"] = 2.0
    np.testing.assert_allclose(segment(recording, length=60, sampling_rate=16)["clipped"].values[-1], 0.5, atol=0.01)
    recording["accel"].attrs["range"] = 0.75
    assert segment(recording, length=60, sampling_rate=16)["clipped"].values[0] == 1


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda r: r, {"length": 200}, "147.8 s in common to accel and ppg.*length=200"),
        (lambda r: r.assign_coords(time_ppg=r["time_ppg"] + 500), {}, "share no time .accel from 1.0 to 151.0 s"),
        (lambda r: r.drop_vars(["accel", "ppg"]), {}, "expected accel or ppg"),
        (lambda r: r["ppg"], {}, "is a DataArray"),
        (lambda r: r, {"length": 0}, "length is 0"),
        (lambda r: r, {"stride": -1}, "stride is -1"),
        (lambda r: r, {"sampling_rate": 0}, "sampling_rate is 0"),
        (lambda r: r, {"gravity_cutoff": 50}, "cutoff is 50"),
        (lambda r: r, {"gravity_cutoff": None}, "cutoff is None"),
        (lambda r: r, {"max_gap": np.nan}, "max_gap is nan"),
        (lambda r: r, {"gate": 0.05}, "gate is a float"),
        (lambda r: r.isel(time_accel=slice(0, 1)), {}, "accel has 1 samples"),
        (lambda r: r.rename(time_ppg="t"), {}, "ppg has the dimensions"),
    ],
)
def test_bad_input(change, options, message):
    with pytest.raises(ValueError, match=message):
        segment(change(make_recording()), **options)


@pytest.mark.parametrize("f", [0.7, 1.2, 2.5])
def test_quality_tells_pulse_from_noise(f):
    rng = np.random.default_rng(0)
    t = np.arange(3840) / 64
    noise = rng.normal(size=(200, 3840))
    pulse = np.sin(2 * np.pi * f * t) + 0.5 * np.sin(4 * np.pi * f * t)
    assert spectral_quality(pulse, 64) > 0.95
    # All of the noise counts that lies below 8 Hz, a quarter of it: the pulse has half of the power there.
    assert 0.4 < spectral_quality(pulse + 1.6 * noise[0], 64) < 0.8
    values = spectral_quality(noise, 64)
    assert values.shape == (200,) and values.max() < 0.35


def test_quality_of_hopeless_windows():
    x = np.sin(2 * np.pi * 1.1 * np.arange(640) / 64)[None].repeat(5, axis=0)
    x[0] = 4.0
    x[1, :100] = np.nan
    x[2, :200] = np.nan
    x[3] = np.nan
    values = spectral_quality(x, 64)
    assert values[0] == 0
    assert values[1] > 0.6
    assert np.isnan(values[2:4]).all()
    assert isinstance(spectral_quality(x[4], 64), float)
    assert np.isnan(spectral_quality(x[4, :100], 64))
    np.testing.assert_allclose(spectral_quality(x[4] * 1e12 + 1e15, 64), 1, atol=0.1)


def test_quality_of_windows_keeps_their_labels():
    windows = segment(make_recording(), length=30)
    quality = spectral_quality(windows["ppg"])
    assert quality.dims == ("window", "wavelength")
    np.testing.assert_allclose(quality.max("wavelength"), windows["ppg_quality"])
