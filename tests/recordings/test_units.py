"""Units of acceleration: stated, in a header, or told by gravity, never by the size of movements."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biosig.recordings.units import acceleration_unit, header_unit, is_counts, to_g

PER_G = {"g": 1.0, "m/s2": 9.80665, "mg": 1000.0}


def wrist(n=2000, rate=50.0, seed=0, noise=0.02, moving=0.0):
    """Gravity that turns slowly, white noise, and movement in the second half."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / rate
    tilt, roll = 0.7 * np.sin(2 * np.pi * t / 97), 0.9 * np.sin(2 * np.pi * t / 61)
    gravity = np.stack([np.sin(tilt), np.cos(tilt) * np.sin(roll), np.cos(tilt) * np.cos(roll)], 1)
    move = moving * (t > t[-1] / 2)[:, np.newaxis] * np.sin(2 * np.pi * np.outer(t, [1.7, 2.3, 3.1]))
    return gravity + move + noise * rng.standard_normal((n, 3))


def linear(n=3000, rate=50.0, seed=0, size=1.0, resting=0.0):
    """Movement without gravity, at rest for a part of the time."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / rate
    move = np.sin(2 * np.pi * np.outer(t, [1.8, 3.6, 1.1]) + rng.uniform(0, 6, 3)) + 0.3 * rng.standard_normal((n, 3))
    move[: int(resting * n)] = 0.02 * rng.standard_normal((int(resting * n), 3))
    return size * move


@pytest.mark.parametrize("unit", list(PER_G))
@pytest.mark.parametrize("moving", [0.0, 1.5])
def test_gravity_tells_the_unit(unit, moving):
    values = wrist(moving=moving)
    converted, attrs = to_g(values * PER_G[unit], None, "file", sampling_rate=50)
    np.testing.assert_allclose(converted, values, rtol=1e-12)
    assert attrs["accel_units_in_file"] == unit
    assert attrs["accel_units_from"].startswith("inferred from ")


@given(
    st.sampled_from(list(PER_G)),
    st.floats(0.05, 30),
    st.floats(0, 0.9),
    st.integers(0, 100),
    st.sampled_from([12.5, 50.0, 100.0]),
)
def test_acceleration_without_gravity_is_never_taken_for_g(unit, size, resting, seed, rate):
    values = linear(seed=seed, rate=rate, resting=resting)
    target = PER_G[unit] * size
    values *= target / np.median(np.linalg.norm(values, axis=1))
    with pytest.raises(ValueError, match=r"state the unit with units='g'.*counts per g.*linear acceleration"):
        to_g(values, None, "file", sampling_rate=rate)


def test_exact_zeros_and_gaps_are_no_evidence():
    values = wrist()
    values[:900] = 0.0  # idle sleep
    values[900:1100] = np.nan
    assert to_g(values, None, "file", sampling_rate=50)[1]["accel_units_in_file"] == "g"
    values[1100:] = 0.0
    with pytest.raises(ValueError, match="show no still segment"):
        to_g(values, None, "file", sampling_rate=50)


@pytest.mark.parametrize("per_g", [64.0, 256.0, 4096.0, 16384.0])
def test_counts_per_g(per_g):
    counts = np.round(wrist() * per_g)
    converted, attrs = to_g(counts, per_g, "file")
    np.testing.assert_allclose(converted, counts / per_g)
    assert attrs["accel_units_in_file"] == f"counts ({per_g:g} per g)"
    with pytest.raises(ValueError, match=r"median length of the acceleration in \d+ still segments is"):
        to_g(counts, None, "file", sampling_rate=50)
    with pytest.raises(ValueError, match="in counts of the converter"):
        to_g(wrist() * 1000, None, "file", header="counts")


def test_1024_is_mg_or_counts():
    with pytest.raises(ValueError, match="state units='mg' or units=1024"):
        to_g(np.round(wrist() * 1024), None, "file", sampling_rate=50)
    assert to_g(np.round(wrist() * 1000), None, "file", sampling_rate=50)[1]["accel_units_in_file"] == "mg"


@pytest.mark.parametrize(
    "units", [["g"], {"x": "g"}, True, np.True_, -1.0, 0, float("nan"), float("inf"), "", "ft", 1j, b"g", object()]
)
def test_wrong_units_are_refused(units):
    with pytest.raises(ValueError, match=r"units of acceleration are .*; expected one of"):
        to_g(wrist(), units, "file")


@pytest.mark.parametrize(
    ("texts", "names", "expected"),
    [
        (["mg"] * 3, list("xyz"), "mg"),
        (["G"] * 3, list("xyz"), "g"),
        (["m/s²"] * 3, list("xyz"), "m/s2"),
        (["m s^-2"] * 3, list("xyz"), "m/s2"),
        (["m·s⁻²"] * 3, list("xyz"), "m/s2"),
        (["LSB"] * 3, list("xyz"), "counts"),
        (["ADC counts"] * 3, list("xyz"), "counts"),
        ([""] * 3, ["acc_x_raw", "acc_y_raw", "acc_z_raw"], "counts"),
        ([""] * 3, ["rawX", "rawY", "rawZ"], "counts"),
        (["g"] * 3, ["raw_x", "raw_y", "raw_z"], "g"),
        ([""] * 3, list("xyz"), None),
        (["a.u."] * 3, list("xyz"), None),
        ([""] * 3, ["straw_x", "accounts_y", "z"], None),
    ],
)
def test_header_units(texts, names, expected):
    assert header_unit(texts, names, "file") == expected


def test_headers_that_cannot_be_used():
    with pytest.raises(ValueError, match="differ in their units"):
        header_unit(["g", "g", "mg"], list("xyz"), "file")
    with pytest.raises(ValueError, match="states 'furlong/fortnight2' for the acceleration, an unknown unit"):
        header_unit(["furlong/fortnight2"] * 3, list("xyz"), "file")


def test_a_unit_against_gravity_warns():
    with pytest.warns(UserWarning, match="header's units are g, but the still segments have a length of 9.8"):
        to_g(wrist() * 9.80665, None, "file", header="g", sampling_rate=50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_g(wrist(), "g", "file", sampling_rate=50)
        to_g(linear(), "m/s2", "file", sampling_rate=50)


def test_spellings():
    assert [acceleration_unit(text) for text in ("g", " G ", "mG", "m/s^2", "m/s**2", "milli-g")] == [
        *("g", "g", "mg", "m/s2", "m/s2", "mg")
    ]
    assert acceleration_unit(None) is None
    assert acceleration_unit("kg") is None
    assert is_counts("acc [LSB]")
    assert not is_counts("Accelerometer X")
