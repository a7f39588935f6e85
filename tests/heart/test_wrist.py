"""Heart rate from wrist motion: recordings with known rates, hostile arrays, what is refused, the SciPy twin."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import biosig
from biosig.heart import wrist_heart_rate
from biosig.heart.wrist_carrier import RECIPES
from biosig.recordings import simulate_cohort, truth_targets

METHODS = list(RECIPES)
COLUMNS = ["start", "heart_rate", "confidence", "motion", "reason"]


def beating_wrist(rate_per_minute, rate, seconds, *, noise=0.001, seed=0, gravity=(0.3, -0.5, 0.81)):
    """Acceleration (3, n) with a damped oscillation of 4 mg at each beat, in all axes."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    since = t % (60 / rate_per_minute)
    wave = 0.004 * np.sin(2 * np.pi * 8 * since) * np.exp(-since / 0.08)
    x = np.outer([0.6, 0.64, -0.48], wave) + np.array(gravity)[:, None]
    return (x + rng.normal(0, noise, x.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(6, 420.0, device="watch", random_state=11)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rate", [32.0, 51.7, 100.0])
def test_a_steady_beat_is_found(method, rate):
    for beats in (48, 66, 90):
        recording = beating_wrist(beats, rate, 90, noise=0.0003, seed=beats)
        table = wrist_heart_rate(recording, rate, method=method, n_jobs=2)
        assert list(table.columns) == COLUMNS
        assert (table["reason"] == "").all()
        # The jerk is the noisiest estimator; the second harmonic of a steady train is as high as the first.
        found = table["heart_rate"].to_numpy()
        assert (np.minimum(abs(found - beats), abs(found - 2 * beats)) < 1.0).mean() > 0.8
        if method == "nightbeat":
            np.testing.assert_allclose(found, beats, atol=0.5)
            assert table["confidence"].min() > 0.5
        np.testing.assert_array_equal(table["start"], np.arange(7) * 10.0)


def test_windows_are_taken_each_for_itself():
    windows = np.stack([beating_wrist(beats, 50.0, 40, noise=0.0003, seed=beats) for beats in (50, 75, 61)])
    table = wrist_heart_rate(windows, 50.0, method="spectral")
    np.testing.assert_allclose(table["heart_rate"], [50, 75, 61], atol=0.6)
    assert table["start"].isna().all()
    one = wrist_heart_rate(windows[1:2], 50.0, method="spectral")
    assert one["heart_rate"][0] == table["heart_rate"][1]
    assert table["motion"].max() < 0.003


def test_gravity_does_not_matter_where_axes_are_filtered():
    for method in ("nightbeat", "pwr", "spectral"):
        still = wrist_heart_rate(beating_wrist(70, 50.0, 60, gravity=(0, 0, 0)), 50.0, method=method)
        heavy = wrist_heart_rate(beating_wrist(70, 50.0, 60), 50.0, method=method)
        np.testing.assert_allclose(still["heart_rate"], heavy["heart_rate"], atol=0.05)
        np.testing.assert_allclose(still["motion"], heavy["motion"], rtol=1e-3)


def test_simulated_people_nightbeat_finds_most_and_confidence_tells_which(cohort):
    errors, trust, constant = [], [], []
    for recording in cohort:
        table = wrist_heart_rate(recording["accel"])
        truth = truth_targets(recording, table["start"], 30.0)["heart_rate"]
        errors.append((table["heart_rate"] - truth).abs().to_numpy())
        trust.append(table["confidence"].to_numpy())
        constant.append((truth - 68.0).abs().to_numpy())
    errors, trust, constant = map(np.concatenate, (errors, trust, constant))
    covered = np.isfinite(errors)
    assert covered.mean() > 0.6
    assert np.median(errors[covered]) < 1.5
    confident = covered & (trust >= 0.4)
    assert confident.mean() > 0.2
    assert errors[confident].mean() < 0.5 * constant[confident].mean()
    assert errors[confident].mean() < errors[covered & ~confident].mean()


def test_noise_has_no_confidence():
    noise = np.random.default_rng(0).normal(0, 0.002, (40, 3, 1500)).astype(np.float32)
    for method in METHODS:
        table = wrist_heart_rate(noise, 50.0, method=method)
        assert table["confidence"].median() < 0.42
        assert wrist_heart_rate(noise, 50.0, method=method, min_confidence=0.7).attrs["coverage"] == 0.0


def test_path_stays_with_the_beat_through_a_movement():
    rate = 50.0
    x = beating_wrist(64, rate, 240)
    moving = slice(int(100 * rate), int(130 * rate))
    rng = np.random.default_rng(1)
    x[:, moving] += rng.normal(0, 0.3, x[:, moving].shape).astype(np.float32)
    table = wrist_heart_rate(x, rate)
    inside = table["reason"].str.startswith("moving")
    assert 1 <= inside.sum() <= 6
    assert table["heart_rate"][inside].isna().all()
    clear = (table["start"] + 30 <= 100) | (table["start"] >= 130)
    np.testing.assert_allclose(table["heart_rate"][clear], 64, atol=1.0)
    # The path itself stays near; within its reach, the peak of a window that is a third movement may not.
    np.testing.assert_allclose(table["heart_rate"][~inside], 64, atol=8.0)
    assert table.attrs["coverage"] == pytest.approx(1 - inside.mean())
    free = wrist_heart_rate(x, rate, max_motion=np.inf)
    assert free["heart_rate"].notna().all()


def test_reasons():
    x = np.stack([beating_wrist(60, 50.0, 30) for _ in range(5)])
    x[0] = 0.1
    x[1, 2, 300:600] = np.nan
    x[2, 0, 5] = np.inf
    x[3] += np.random.default_rng(0).normal(0, 0.2, x[3].shape)
    x[4] = np.nan
    table = wrist_heart_rate(x, 50.0)
    told = ["flat", "missing samples: 20%", "", "moving: 0.200 g", "missing samples: 100%"]
    for reason, wanted in zip(table["reason"], told, strict=True):
        assert reason.split(".")[0] == wanted.split(".")[0]
    assert table["heart_rate"].notna().tolist() == [False, False, True, False, False]
    weak = wrist_heart_rate(x[2:3], 50.0, min_confidence=1.0)
    assert weak["reason"][0].startswith("confidence 0.")
    assert np.isnan(weak["heart_rate"][0])
    short = wrist_heart_rate(x[:, :, :200], 50.0)
    assert (short["reason"] == "too short: 4.0 s").all()


def test_labelled_data_bring_their_rate_and_times(cohort):
    accel = cohort[0]["accel"]
    table = wrist_heart_rate(accel.assign_coords(time_accel=accel["time_accel"] + 7.5), method="pwr")
    plain = wrist_heart_rate(accel.values.T, accel.attrs["sampling_rate"], method="pwr")
    np.testing.assert_array_equal(table["heart_rate"], plain["heart_rate"])
    np.testing.assert_allclose(table["start"], plain["start"] + 7.5)
    windows = biosig.segment(cohort[0], length=30.0)
    cut = wrist_heart_rate(windows["accel"], method="spectral")
    np.testing.assert_array_equal(cut["start"], windows["start"])
    turned = wrist_heart_rate(windows["accel"].transpose("sample", "axis", "window"), method="spectral")
    np.testing.assert_array_equal(turned["heart_rate"], cut["heart_rate"])
    assert len(wrist_heart_rate(windows["accel"][:0])) == 0


def test_blocks_and_threads_change_nothing(monkeypatch):
    import biosig.heart.wrist as module

    x = np.stack([beating_wrist(50 + k, 40.0, 20, seed=k) for k in range(9)])
    whole = wrist_heart_rate(x, 40.0, method="pwr", n_jobs=1)
    monkeypatch.setattr(module, "BLOCK", 3 * x.shape[2] * 2)
    cut = wrist_heart_rate(x, 40.0, method="pwr", n_jobs=2)
    np.testing.assert_allclose(whole["heart_rate"], cut["heart_rate"], atol=1e-6)


@pytest.mark.parametrize("hours", [0.1])
def test_rates_are_those_of_scipy(hours):
    path = Path(__file__).parents[2] / "examples" / "benchmarks" / "parts" / "wrist_night.py"
    spec = importlib.util.spec_from_file_location("wrist_night", path)
    night = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(night)
    accel, _ = night.simulate_night(hours)
    table = wrist_heart_rate(accel, night.RATE, length=night.LENGTH, stride=night.STRIDE)
    wanted = night.scipy_nightbeat(accel, night.RATE, thin=True)
    np.testing.assert_array_equal(np.isfinite(wanted), table["heart_rate"].notna())
    np.testing.assert_allclose(table["heart_rate"], wanted, atol=0.1)


numbers = st.one_of(
    st.floats(width=32),
    st.sampled_from(np.float32([0.0, 1.0, np.nan, np.inf, -np.inf, 1e30, -3e38, 1e-40, 0.001]).tolist()),
)


@given(
    x=st.one_of(
        hnp.arrays(
            st.sampled_from([np.float32, ">f4"]),
            st.tuples(st.integers(0, 3), st.just(3), st.sampled_from([1, 2, 7, 119, 200, 333])),
            elements=numbers,
            fill=numbers,
        ),
        hnp.arrays(
            st.sampled_from([np.int16, np.uint8, np.bool_, np.int64]),
            st.tuples(st.integers(1, 2), st.just(3), st.sampled_from([1, 200])),
        ),
        hnp.arrays(np.float64, (1, 3, 240), elements=st.floats(), fill=st.sampled_from([0.0, 1e300, np.nan])),
    ),
    rate=st.sampled_from([20.0, 32.0, 40.0]),
    method=st.sampled_from(METHODS),
    recording=st.booleans(),
)
def test_any_array_gives_rates_or_reasons(x, rate, method, recording):
    x.flags.writeable = False
    before = x.copy()
    if recording and len(x) and x.shape[2] >= 5 * rate:
        table = wrist_heart_rate(x[0], rate, method=method, length=5.0, stride=0.5)
        assert len(table) == int((x.shape[2] - 5 * rate) // (0.5 * rate)) + 1
    else:
        table = wrist_heart_rate(x, rate, method=method)
        assert len(table) == len(x)
    np.testing.assert_array_equal(x, before)
    assert list(table.columns) == COLUMNS
    found = table["heart_rate"].notna()
    assert ((table["reason"] == "") == found).all()
    assert table["heart_rate"][found].between(40, 120 if method == "pwr" else 150).all()
    assert table["confidence"].dropna().between(0, 1).all()
    assert table["confidence"][found].notna().all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("length", "stride"), [(5.0, 0.5), (11.3, 2.0), (30.0, 10.0)])
def test_rates_stay_within_their_range(method, length, stride):
    rng = np.random.default_rng(3)
    for rate in (20.0, 33.3, 64.0):
        walk = 0.001 * rng.normal(size=(3, int(rate * 120))).cumsum(axis=1)
        steps = np.where(rng.random(walk.shape) < 0.01, rng.choice([0.5, 1.0, 9.0]), 0.0)
        slow, fast = beating_wrist(36, rate, 120), beating_wrist(160, rate, 120)
        for x in (walk, steps, slow, fast):
            table = wrist_heart_rate(x, rate, method=method, length=length, stride=stride, max_motion=np.inf)
            found = table["heart_rate"].dropna()
            assert found.between(40, 120 if method == "pwr" else 150).all()
    assert len(found)


def test_layout_in_memory_does_not_matter():
    x = beating_wrist(70, 50.0, 60)
    wanted = wrist_heart_rate(x, 50.0)["heart_rate"]
    for same in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x.astype(">f4"), x.astype(np.float64)):
        np.testing.assert_array_equal(wrist_heart_rate(same, 50.0)["heart_rate"], wanted)


@pytest.mark.parametrize("bad", [0, -50, np.nan, np.inf, 19.9, "50", True])
def test_rates_are_refused_by_name(bad):
    with pytest.raises(ValueError, match="sampling_rate"):
        wrist_heart_rate(np.zeros((1, 3, 2000)), bad)


@pytest.mark.parametrize(
    ("x", "options", "told"),
    [
        (np.zeros((3, 4000)), {"method": "magic"}, "method is 'magic'"),
        (np.zeros((3, 4000)), {"method": ["jerk"]}, "method is"),
        (np.zeros((3, 100)), {}, "a window of length=30 s needs"),
        (np.zeros((3, 4000)), {"length": 0}, "length is 0"),
        (np.zeros((3, 4000)), {"stride": np.nan}, "stride is nan"),
        (np.zeros((3, 4000)), {"stride": "ten"}, "stride is 'ten'"),
        (np.zeros((3, 4000)), {"max_motion": -1}, "max_motion is -1"),
        (np.zeros((3, 4000)), {"min_confidence": np.nan}, "min_confidence is nan"),
        (np.zeros((4000, 3)), {}, "write accel.T"),
        (np.zeros((2, 4000, 3)), {}, "transpose"),
        (np.zeros(4000), {}, "expected windows"),
        (np.zeros((3, 0)), {}, "at least one sample"),
        (np.full((3, 4000), "a"), {}, "expected real numbers"),
        (xr.Dataset(), {}, "accel"),
    ],
)
def test_errors_say_what_to_do(x, options, told):
    with pytest.raises(ValueError, match=told):
        wrist_heart_rate(x, 50.0, **options)


def test_polar_arm_band(data_folder):
    """One still person, whose device tells about 51 beats/min."""
    path = data_folder / "polar_verity_biobss" / "Polar_Sense_ACC.txt"
    if not path.is_file():
        pytest.skip(f"no {path}")
    columns = np.genfromtxt(path, delimiter=";", skip_header=1, usecols=(1, 2, 3, 4))
    rate = (len(columns) - 1) / (columns[-1, 0] - columns[0, 0]) * 1e9
    table = wrist_heart_rate(columns[:, 1:].T / 1000, rate)
    found = table["heart_rate"].dropna()
    assert len(found) > 0.8 * len(table)
    assert (found.between(46, 58)).mean() > 0.9
