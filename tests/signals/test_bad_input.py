"""Every public function on arrays of every kind: a right shape, or a ValueError that says what to do; nothing else."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given
from hypothesis import strategies as st

import biosig.signals as signals
from tests.hostile import arrays


def small(x):
    """Whether samples are held exactly by float32, so that float32 comes back."""
    return x.dtype.itemsize <= 2 or (x.dtype.kind == "f" and x.dtype.itemsize == 4)


CALLS = {
    "resample": lambda x: signals.resample(x, target_rate=64, sampling_rate=50, n_jobs=1),
    "resample any ratio": lambda x: signals.resample(x, target_rate=64, sampling_rate=51.723, n_jobs=1),
    "resample_irregular": lambda x: signals.resample_irregular(
        np.arange(x.shape[1]) / 50 + 0.004 * (np.arange(x.shape[1]) % 3), x, 64
    ),
    "remove_gravity": lambda x: signals.remove_gravity(x, 64),
    "remove_gravity lowpass": lambda x: signals.remove_gravity(x, 64, method="lowpass"),
    "estimate_gravity": lambda x: signals.estimate_gravity(x, 64),
    "bandpass": lambda x: signals.bandpass(x, 64),
    "magnitude": lambda x: signals.orientation_free(x, 64),
    "axes": lambda x: signals.orientation_free(x, 64, form="axes"),
    "vertical_horizontal": lambda x: signals.orientation_free(x, 64, form="vertical_horizontal"),
    "cut": lambda x: signals.cut(x, 10, length=2, normalise=True),
}


@pytest.mark.parametrize("name", CALLS)
@given(x=arrays())
@example(x=np.full((3, 64), 2.9e29, np.float32))  # its square is beyond float32
def test_rows_of_anything(name, x):
    before = x.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a right answer needs no warning
        try:
            out = CALLS[name](x)
        except ValueError as error:
            needs = any(word in str(error) for word in ("at least one sample", "needs more than", "distinct"))
            assert needs and x.shape[1] < 30, error
            return
    assert out.dtype == (np.float32 if small(x) else np.float64)
    n = x.shape[1]
    lengths = {"resample": int(n * 64 / 50 + 0.5), "resample any ratio": int(n * 64 / 51.723 + 0.5)}
    if name == "cut":
        assert out.shape == (max(0, (n - 20) // 20 + 1), 3, 20)
    elif name != "resample_irregular":
        assert out.shape[-1] == max(1, lengths.get(name, n))
    np.testing.assert_array_equal(x, before)  # the input is left alone
    missing = ~np.isfinite(x.astype(np.float64))
    directed = name != "vertical_horizontal" or (x != 0).any(axis=0).all()  # no gravity, no direction
    if not missing.any() and np.abs(x.astype(np.float64)).max(initial=0) < 1e30 and n > 40 and directed:
        assert np.isfinite(out).all()
    if missing.all() and n:
        assert np.isnan(out).all()


@given(x=arrays())
def test_streams_take_anything_too(x):
    stream = signals.ResampleStream(50, 64, n_jobs=1)
    parts = [stream.push(x[:, i : i + 37]) for i in range(0, x.shape[1], 37)]
    if not x.shape[1]:
        with pytest.raises(ValueError, match="received no samples"):
            stream.finish()
        return
    joined = np.concatenate([*parts, stream.finish()], axis=1)
    np.testing.assert_array_equal(joined, signals.resample(x, target_rate=64, sampling_rate=50))


@given(x=arrays())
def test_calibration_and_wear_of_anything(x):
    found = signals.calibrate(x, 1.0)
    assert found.reason or found.error_after < found.error_before
    if x.shape[1]:
        assert found.apply(x).shape == x.shape
    verdict = signals.non_wear(x, 0.1)
    assert verdict.shape == (-(-x.shape[1] // 90),)
    assert np.isin(verdict[np.isfinite(verdict)], [0, 1]).all()


@given(x=arrays())
def test_windows_of_anything(x):
    if x.shape[1]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            quality = signals.spectral_quality(x, 20)
        assert quality.shape == (3,) and ((quality >= 0) & (quality <= 1) | np.isnan(quality)).all()
    out = signals.normalise_windows(x[None])
    assert out.shape == (1, *x.shape) and out.dtype == np.float32
    assert signals.posture_angles(x.T).shape == (x.shape[1], 3)
    envelopes = signals.band_envelope(x[None], 64, bands=[(4, 7)])
    assert envelopes.shape == (1, 3, int(x.shape[1] / 4 + 0.5))


@given(x=arrays(min_samples=2), y=arrays(min_samples=2), jitter=st.sampled_from([0.0, 0.01, 0.2, 30.0]))
def test_recordings_of_anything(x, y, jitter):
    n, m = x.shape[1], y.shape[1]
    rng = np.random.default_rng(n)
    recording = xr.Dataset(
        {"accel": (("axis", "time_accel"), x), "ppg": (("time_ppg", "wavelength"), y.T)},
        coords={"time_accel": np.arange(n) / 20 + jitter * rng.random(n), "time_ppg": 0.3 + np.arange(m) / 50},
    ).assign_coords(axis=list("xyz"), wavelength=list("rgb"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            windows = signals.segment(recording, length=1.0, stride=0.5, across_gaps=True, n_jobs=1)
    except ValueError as error:
        assert any(word in str(error) for word in ("share no time", "in common", "needs more than", "at least two"))
        return
    assert windows["accel"].shape[1:] == windows["ppg"].shape[1:] == (3, 64)
    assert windows["accel"].dtype == windows["ppg"].dtype == np.float32
    for name in ("valid", "clipped"):
        assert ((windows[name] >= 0) & (windows[name] <= 1)).all()
    assert signals.Gate().mask(windows).shape == (windows.sizes["window"],)


RATE_CALLS = {
    "resample": lambda x, r: signals.resample(x, target_rate=64, sampling_rate=r),
    "resample to": lambda x, r: signals.resample(x, target_rate=r, sampling_rate=64),
    "resample_irregular": lambda x, r: signals.resample_irregular(np.arange(100), x, r),
    "ResampleStream": lambda x, r: signals.ResampleStream(r, 64),
    "remove_gravity": signals.remove_gravity,
    "estimate_gravity": signals.estimate_gravity,
    "bandpass": signals.bandpass,
    "orientation_free": signals.orientation_free,
    "spectral_quality": signals.spectral_quality,
    "band_envelope": lambda x, r: signals.band_envelope(x[None], r),
    "calibrate": signals.calibrate,
    "non_wear": signals.non_wear,
    "cut": signals.cut,
    "segment": lambda x, r: signals.segment(recording_of(x), length=1.0, sampling_rate=r),
}


def recording_of(x):
    return xr.Dataset({"accel": (("axis", "time_accel"), x)}, coords={"time_accel": np.arange(x.shape[1]) / 50})


@pytest.mark.parametrize("name", RATE_CALLS)
@pytest.mark.parametrize("rate", [0, -1, np.nan, np.inf, "64", True, 1j])
def test_impossible_rates_are_refused_by_name(name, rate):
    with pytest.raises(ValueError, match=r"(sampling|target)_rate is "):
        RATE_CALLS[name](np.ones((3, 100)), rate)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", ["U3", "c16", "O", "M8[s]"])
def test_other_things_than_numbers_are_refused(name, kind):
    x = np.array([["1", "2", "3"] * 20] * 3, object).astype(int).astype(kind)
    with pytest.raises(ValueError, match=r"real numbers|expected"):
        CALLS[name](x)


@given(x=arrays())
def test_gates_count_windows_of_anything(x):
    if x.shape[1] < 100:
        return
    windows = signals.segment(recording_of(x), length=1.0, across_gaps=True, n_jobs=1)
    kept = signals.Gate().mask(windows)
    told = signals.Gate().coverage(windows)
    assert told["n_kept"] == kept.sum() and told["n_windows"] == kept.size
    gated = signals.segment(recording_of(x), length=1.0, across_gaps=True, gate=signals.Gate(), n_jobs=1)
    assert gated.sizes["window"] == kept.sum()
    if not np.isfinite(x.astype(np.float64)).any():
        assert not kept.any()


@pytest.mark.parametrize("limit", ["max_motion", "min_valid", "min_ppg_quality", "max_non_wear"])
def test_gates_need_numbers(limit):
    with pytest.raises(ValueError, match=f"{limit} is nan"):
        signals.Gate(**{limit: float("nan")})
    with pytest.raises(ValueError, match=f"{limit} is None"):
        signals.Gate(**{limit: None})
