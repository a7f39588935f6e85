"""Simulated cohorts: seeds, truth, and the physics that makes them honest."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import signal

from biosig.recordings import DEVICES, Device, read, simulate_cohort, truth_targets, validate, write
from biosig.recordings.physiology import draw_traits
from biosig.recordings.processes import band_noise, bumps, wander


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(16, 600.0, random_state=7)


@pytest.fixture(scope="module")
def truth(cohort):
    return [truth_targets(recording, np.arange(0.0, 600.0, 60.0)) for recording in cohort]


def test_recordings_keep_the_contract(cohort, tmp_path):
    for recording in cohort:
        validate(recording)
        assert recording.accel.attrs["sampling_rate"] == 50.0
        assert recording.ppg.attrs["sampling_rate"] == 64.0
        assert np.isfinite(recording.accel).all() and np.isfinite(recording.ppg).all()
        assert recording.attrs["sex"] in ("female", "male")
    xr.testing.assert_identical(read(write(cohort[0], tmp_path / "a.nc")), cohort[0])


def test_participants_do_not_depend_on_company(cohort):
    again = simulate_cohort(3, 600.0, random_state=7, n_jobs=1)
    for one, other in zip(again, cohort, strict=False):
        xr.testing.assert_identical(one, other)
    other_seed = simulate_cohort(1, 600.0, random_state=8)[0]
    assert other_seed.attrs["age"] != cohort[0].attrs["age"]


def test_generators_and_none():
    one, other = (simulate_cohort(1, 20.0, random_state=np.random.default_rng(3))[0] for _ in range(2))
    xr.testing.assert_identical(one, other)
    fresh = simulate_cohort(1, 20.0)[0]
    assert fresh.attrs["source"] != one.attrs["source"]


def test_beats_are_where_the_pulse_rises(cohort):
    for recording in cohort[:4]:
        ppg, t = recording.ppg.values[:, 0].astype(float), recording.time_ppg.values
        smooth = signal.sosfiltfilt(signal.butter(2, 8.0, fs=64.0, output="sos"), ppg)
        steepness = np.gradient(smooth, t)
        beats = recording.true_beat.values
        steps = np.diff(beats, prepend=beats[0] - 1)
        beats = beats[(steps > 0.6) & (beats > 2) & (beats < 595)]
        around = np.arange(-16, 17)
        at = np.searchsorted(t, beats)[:, np.newaxis] + around
        late = around[np.argmax(steepness[at], axis=1)] / 64
        assert abs(np.median(late)) < 0.03
        assert np.mean(np.abs(late) < 0.06) > 0.75


def test_heart_is_in_the_acceleration(cohort):
    """Averaged over the beats of still times, the 4 to 14 Hz acceleration rises above its level between beats."""
    band = signal.butter(3, (4.0, 14.0), "bandpass", fs=50.0, output="sos")
    ratios = []
    for recording in cohort:
        power = np.square(signal.sosfiltfilt(band, recording.accel.values.astype(float), axis=0)).sum(1)
        envelope = np.log(signal.sosfiltfilt(signal.butter(2, 5.0, fs=50.0, output="sos"), power).clip(1e-8))
        beats = recording.true_beat.values[5:-5]
        shares = (np.arange(8) + 0.5) / 8
        at = beats[:-1, np.newaxis] + shares * np.diff(beats)[:, np.newaxis]
        profile = np.median(np.interp(at, recording.time_accel.values, envelope), axis=0)
        ratios.append(np.ptp(profile))
    assert np.median(ratios) > 0.5
    assert min(ratios) > 0.05


def test_truth_follows_the_traits(cohort, truth):
    for recording, targets in zip(cohort, truth, strict=True):
        assert abs(targets["heart_rate"].median() - recording.attrs["true_resting_rate"]) < 25
        assert (targets["n_beats"] / targets["heart_rate"]).between(0.93, 1.07).all()
    asked = np.array([recording.attrs["true_rmssd"] for recording in cohort])
    found = np.array([targets["rmssd"].median() for targets in truth])
    assert np.corrcoef(np.log(asked), np.log(found))[0, 1] > 0.9
    assert 0.7 < np.median(found / asked) < 1.3


def test_rate_varies_within_and_between_people(truth):
    rates = np.array([targets["heart_rate"] for targets in truth])
    assert 2.0 < np.median(rates.std(axis=1)) < 9.0
    assert rates.mean(axis=1).std() > 4.0


def test_truth_by_hand():
    beats = np.array([0.5, 1.5, 2.5, 3.0, 4.5, 5.5, 6.6, 7.6])
    recording = xr.Dataset(
        {
            "true_beat": ("true_beat_index", beats),
            "true_ectopic": ("true_beat_index", np.array([0, 0, 0, 1, 0, 0, 0, 0], dtype=np.int8)),
        }
    )
    targets = truth_targets(recording, [0.0, 100.0], 8.0)
    assert targets["n_beats"].tolist() == [8, 0]
    assert targets["heart_rate"][0] == pytest.approx(60 * 7 / 7.1)
    normal = [1.0, 1.0, 1.0, 1.1, 1.0]
    assert targets["sdnn"][0] == pytest.approx(1000 * np.std(normal, ddof=1))
    assert targets["rmssd"][0] == pytest.approx(1000 * np.sqrt((0.0 + 0.1**2 + 0.1**2) / 3))
    assert targets.loc[1, ["heart_rate", "sdnn", "rmssd"]].isna().all()


def test_traits_are_drawn_jointly_but_the_recoil_apart():
    people = [draw_traits(np.random.default_rng(k)) for k in range(2000)]
    column = {
        name: np.array([getattr(person, name) for person in people])
        for name in people[0].__annotations__
        if name != "sex"
    }
    assert np.corrcoef(column["age"], np.log(column["rmssd"]))[0, 1] < -0.4
    assert np.corrcoef(column["age"], column["pulse_wave_velocity"])[0, 1] > 0.6
    assert np.corrcoef(column["resting_rate"], np.log(column["rmssd"]))[0, 1] < -0.2
    for name in ("cardiac_amplitude", "cardiac_frequency", "still_time", "breathing_tilt", "noise_factor"):
        assert abs(np.corrcoef(column["resting_rate"], column[name])[0, 1]) < 0.08
    assert column["cardiac_amplitude"].min() >= 0.001 and column["cardiac_amplitude"].max() <= 0.005


def test_movement_is_no_key_to_the_rate(cohort, truth):
    correlations = []
    for recording, targets in zip(cohort, truth, strict=True):
        moved = recording.accel.values.reshape(10, -1, 3).std(axis=1).sum(axis=1)
        correlations.append(np.corrcoef(np.log(moved), targets["heart_rate"])[0, 1])
    assert abs(np.mean(correlations)) < 0.45


def test_mostly_still_and_movement_disturbs_the_light(cohort):
    calm, ratio = [], []
    for recording in cohort:
        moved = recording.accel.values[:29500].reshape(-1, 500, 3).std(axis=1).max(axis=1)
        light = recording.ppg.values[: 59 * 640, 0].reshape(59, 640).std(axis=1)
        calm.append(np.mean(moved < 0.02))
        if (moved > 0.05).any():
            ratio.append(np.median(light[moved > 0.05]) / np.median(light[moved < 0.01]))
    assert 0.6 < np.mean(calm) < 0.95
    assert np.median(ratio) > 2.0


@pytest.mark.parametrize("name", ["watch", "e4"])
def test_devices_limit_and_quantise(name):
    device = DEVICES[name]
    accel = simulate_cohort(1, 60.0, device=name, random_state=0)[0].accel
    assert accel.attrs["sampling_rate"] == device.accel_rate
    steps = accel.values.astype(float) / device.accel_step
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
    assert np.abs(accel).max() <= device.accel_range
    assert 0.9 < float(np.sqrt((accel**2).sum("axis")).median()) < 1.1


def test_the_same_people_wear_any_device():
    own = Device("mine", 100.0, 25.0, 0.0, 0.0005, 4.0, 0.0, 0.02)
    worn = [simulate_cohort(1, 60.0, device=device, random_state=5)[0] for device in ("watch", "e4", own)]
    for other in worn[1:]:
        np.testing.assert_array_equal(other.true_beat, worn[0].true_beat)
        assert other.attrs["age"] == worn[0].attrs["age"]


def test_wavelengths_share_the_pulse():
    ppg = simulate_cohort(1, 120.0, n_wavelengths=4, random_state=2)[0].ppg
    assert ppg.wavelength.values.tolist() == ["green", "infrared", "red", "blue"]
    together = np.corrcoef(ppg.values.T)
    assert together[0, 1:].min() > 0.4
    assert together[0, 1:].max() < 0.999


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_participants": 0}, "n_participants is 0"),
        ({"n_participants": 1.5}, "n_participants is 1.5"),
        ({"duration": 1.0}, "duration is 1.0 s; expected at least 10 s"),
        ({"duration": float("nan")}, "duration is nan"),
        ({"n_wavelengths": 5}, "n_wavelengths is 5; expected 1 to 4"),
        ({"device": "phone"}, "device is 'phone'; expected one of"),
        ({"random_state": -1}, "random_state is -1"),
        ({"n_jobs": 0}, "n_jobs is 0"),
    ],
)
def test_bad_requests(options, message):
    with pytest.raises(ValueError, match=message):
        simulate_cohort(**{"n_participants": 1, "duration": 20.0, **options})


def test_device_is_checked():
    with pytest.raises(ValueError, match="accel_range"):
        Device("bad", 50.0, 64.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="accel_noise"):
        Device("bad", 50.0, 64.0, 0.0, float("nan"), 2.0, 0.0, 0.0)


def test_truth_needs_a_simulated_recording(cohort):
    with pytest.raises(ValueError, match="true_beat"):
        truth_targets(cohort[0].drop_vars("true_beat"), [0.0])
    with pytest.raises(ValueError, match="length"):
        truth_targets(cohort[0], [0.0], -1.0)


@pytest.mark.parametrize("time_constant", [1.0, 10.0])
def test_processes_have_unit_deviation(time_constant):
    rng = np.random.default_rng(0)
    paths = wander(rng, 4000, time_constant, 60)
    assert paths.std() == pytest.approx(1.0, abs=0.1)
    assert band_noise(rng, 20000, 50.0, 1.0, 5.0, 3).std() == pytest.approx(1.0, abs=0.1)
    assert band_noise(rng, 20000, 10.0, 7.0, 12.0, 1).std() == pytest.approx(1.0, abs=0.25)


def test_bumps():
    t = np.arange(0.0, 10.0, 0.125)
    shape = bumps(t, np.array([2.0]), np.array([4.0]), np.array([3.0]), 1.0)
    assert shape[(t <= 2) | (t >= 6)].max() == 0.0
    np.testing.assert_allclose(shape[(t >= 3) & (t <= 5)], 3.0)
