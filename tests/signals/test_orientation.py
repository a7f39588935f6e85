"""Orientation-free forms, posture, calibration and wear."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from biosig.signals import (
    calibrate,
    estimate_gravity,
    non_wear,
    orientation_free,
    posture_angles,
    remove_gravity,
)


def turn(rng):
    return np.linalg.qr(rng.normal(size=(3, 3)))[0]


@given(st.integers(0, 2**32 - 1))
def test_forms_do_not_depend_on_the_orientation(seed):
    rng = np.random.default_rng(seed)
    x = np.array([[0.0], [0.0], [1.0]]) + 0.05 * rng.normal(size=(3, 640))
    rotation = turn(rng)
    for form in ("magnitude", "vertical_horizontal"):
        before, after = orientation_free(x, 64, form=form), orientation_free(rotation @ x, 64, form=form)
        np.testing.assert_allclose(after, before, atol=1e-9)
    apart = orientation_free(rotation @ x, 64, form="axes") - rotation @ remove_gravity(x, 64)
    np.testing.assert_allclose(apart, 0, atol=1e-9)


def test_vertical_and_horizontal_movement():
    t = np.arange(6400) / 64
    shake = 0.1 * np.sin(2 * np.pi * 5 * t)
    rotation = turn(np.random.default_rng(1))
    up = orientation_free(rotation @ np.stack([0 * t, 0 * t, 1 + shake]), 64, form="vertical_horizontal")
    side = orientation_free(rotation @ np.stack([0 * t, shake, 0 * t + 1]), 64, form="vertical_horizontal")
    inner = slice(300, -300)
    np.testing.assert_allclose(up[0, inner], shake[inner], atol=1e-4)
    np.testing.assert_allclose(up[1, inner], 0, atol=1e-4)
    np.testing.assert_allclose(side[0, inner], 0, atol=1e-4)
    np.testing.assert_allclose(side[1, inner], np.abs(shake[inner]), atol=1e-4)


def test_forms_keep_shapes_kinds_and_labels():
    x = np.random.default_rng(0).normal(size=(4, 3, 200)).astype(np.float32)
    for form, n in (("magnitude", 1), ("axes", 3), ("vertical_horizontal", 2)):
        out = orientation_free(x, 64, form=form)
        assert out.shape == (4, n, 200) and out.dtype == np.float32
    data = xr.DataArray(
        x[0].T,
        dims=("time_accel", "axis"),
        coords={"axis": list("xyz"), "time_accel": np.arange(200) / 64},
        attrs={"sampling_rate": 64.0},
    )
    out = orientation_free(data, form="vertical_horizontal")
    assert out.dims == data.dims and out["axis"].values.tolist() == ["vertical", "horizontal"]
    np.testing.assert_array_equal(out.values.T, orientation_free(x[0], 64, form="vertical_horizontal"))
    np.testing.assert_array_equal(orientation_free(data, form="axes")["axis"], list("xyz"))


def test_low_pass_and_high_pass_add_up():
    x = np.random.default_rng(0).normal(size=(3, 2400)).cumsum(axis=1) / 30
    x[1, 700] = np.nan
    low = estimate_gravity(x, 64)
    np.testing.assert_allclose(remove_gravity(x, 64, method="lowpass"), x - low)
    high = remove_gravity(x, 64)
    np.testing.assert_allclose((low + high)[[0, 2], 800:-800], x[[0, 2], 800:-800], atol=1e-6)
    with pytest.raises(ValueError, match="method is 'median'"):
        remove_gravity(x, 64, method="median")


def test_posture_angles():
    angles = posture_angles([[0, 0, 1], [0, 0, -2], [1, 1, 0], [0, 0, 0], [np.nan, 0, 1]])
    np.testing.assert_allclose(angles[:3], [[0, 0, 90], [0, 0, -90], [45, 45, 0]], atol=1e-9)
    assert np.isnan(angles[3:]).all()


def resting(rng, n_poses=60, seconds=20, rate=20, scale=(1, 1, 1), offset=(0, 0, 0)):
    """Still stretches in many directions, as a sensor with the given errors reads them."""
    directions = rng.normal(size=(n_poses, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    true = np.repeat(directions, seconds * rate, axis=0).T + 0.002 * rng.normal(size=(3, n_poses * seconds * rate))
    return (true - np.array(offset)[:, None]) / np.array(scale)[:, None]


def test_calibration_finds_the_sensors_errors():
    x = resting(np.random.default_rng(0), scale=(1.02, 0.97, 1.01), offset=(0.03, -0.05, 0.02))
    found = calibrate(x, 20)
    assert found.reason == "" and found.n_still > 50
    np.testing.assert_allclose(found.scale, (1.02, 0.97, 1.01), atol=2e-3)
    np.testing.assert_allclose(found.offset, (0.03, -0.05, 0.02), atol=2e-3)
    assert found.error_before > 0.02 and found.error_after < 0.002
    again = calibrate(found.apply(x), 20)
    assert again.error_before == pytest.approx(found.error_after, rel=1e-3)
    data = xr.DataArray(x.T.astype(np.float32), dims=("time_accel", "axis"), attrs={"sampling_rate": 20.0})
    labelled = calibrate(data)
    np.testing.assert_allclose(labelled.offset, found.offset, atol=1e-5)
    applied = labelled.apply(data)
    assert applied.dims == data.dims and applied.dtype == np.float32
    np.testing.assert_allclose(applied.values.T, found.apply(x), atol=1e-5)
    assert labelled.apply(x[None, None]).shape == (1, 1, *x.shape)


def test_calibration_refuses_what_is_no_evidence():
    rng = np.random.default_rng(0)
    x = resting(rng)
    one_side = np.abs(x)
    found = calibrate(one_side, 20)
    assert found.reason.startswith("too few orientations: no still stretch beyond 0.3 g towards -x, -y, -z")
    assert found.scale == (1.0, 1.0, 1.0) and found.error_before == found.error_after
    np.testing.assert_array_equal(found.apply(x), x)
    stopped = np.repeat(x[:, ::400], 400, axis=1)  # every stretch repeats one value
    assert calibrate(stopped, 20).n_still == 0
    assert "0 still stretches" in calibrate(stopped, 20).reason
    assert calibrate(rng.normal(size=(3, 4000)), 20).n_still == 0
    assert np.isnan(calibrate(np.full((3, 4000), np.nan), 20).error_before)
    zeros = np.zeros((3, 24000))
    assert calibrate(np.concatenate([x, zeros], axis=1), 20).n_still == calibrate(x, 20).n_still


def test_non_wear():
    rng = np.random.default_rng(0)
    rate = 10
    x = np.array([[0.0], [0.0], [1.0]]) + 0.1 * rng.normal(size=(3, 3 * 3600 * rate))
    x[:, 3600 * rate : 2 * 3600 * rate] = np.array([[0.0], [0.0], [1.0]]) + 0.002 * rng.normal(size=(3, 3600 * rate))
    np.testing.assert_array_equal(non_wear(x, rate), [0] * 4 + [1] * 4 + [0] * 4)
    # One axis that moves does not matter, two do.
    x[0] += 0.1 * rng.normal(size=x.shape[1])
    assert non_wear(x, rate).sum() == 4
    x[1] += 0.1 * rng.normal(size=x.shape[1])
    assert non_wear(x, rate).sum() == 0
    assert np.isnan(non_wear(x[:, : 1800 * rate], rate)).all()
    data = xr.DataArray(x.T, dims=("time", "axis"), attrs={"sampling_rate": rate})
    np.testing.assert_array_equal(non_wear(data), non_wear(x, rate))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: orientation_free(x[:2], 64), "expected \\(..., 3, n_samples\\)"),
        (lambda x: orientation_free(x, 64, form="polar"), "form is 'polar'"),
        (lambda x: orientation_free(xr.DataArray(x, dims=("a", "time")), 64), "axis_dim='axis'"),
        (lambda x: posture_angles(x[:, :2]), "expected numbers \\(..., 3\\)"),
        (lambda x: calibrate(x[:2], 64), "expected numbers of shape \\(3"),
        (lambda x: calibrate(x), "sampling rate of data is not known"),
        (lambda x: calibrate(x, 64, max_sd=0), "max_sd is 0"),
        (lambda x: calibrate(x, 64).apply(x[:2]), "expected 3 axes"),
        (lambda x: non_wear(x, np.nan), "sampling_rate is nan"),
        (lambda x: non_wear(x[0], 64), "expected numbers of shape"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((3, 200)))
