from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import biosig
from biosig.estimators import (
    BandEnvelope,
    BandpassFilter,
    GravityRemover,
    OrientationFree,
    PPGTargets,
    Resampler,
    WindowNormalizer,
)

RATE = 64.0
STEPS = {
    "resample": Resampler(50.0, RATE),
    "gravity": GravityRemover(RATE),
    "band": BandpassFilter(RATE, low=0.7, high=6.0),
    "normalise": WindowNormalizer(),
    "envelope": BandEnvelope(RATE),
    "magnitude": OrientationFree(RATE, form="magnitude"),
    "axes": OrientationFree(RATE, form="axes"),
    "vertical": OrientationFree(RATE),
}


@pytest.fixture(scope="module")
def windows():
    rng = np.random.default_rng(5)
    return rng.normal(0, 0.02, (4, 3, 1280)).astype(np.float32) + np.float32([[0.1], [0.2], [0.97]])


@pytest.mark.parametrize("name", STEPS)
class TestEveryStep:
    def test_survives_clone_params_and_pickle(self, name, windows):
        step = clone(STEPS[name])
        assert step.get_params() == STEPS[name].get_params()
        expected = step.fit(windows).transform(windows)
        assert expected.ndim == 3 and expected.dtype == np.float32 and len(expected) == len(windows)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(step)).transform(windows), expected)

    def test_windows_do_not_touch_each_other(self, name, windows):
        step = clone(STEPS[name]).fit(windows)
        np.testing.assert_array_equal(step.transform(windows[2:3])[0], step.transform(windows)[2])

    def test_refuses_other_shapes_with_the_mend(self, name, windows):
        step = clone(STEPS[name])
        with pytest.raises(ValueError, match=r"shape \(4, 1280\).*n_samples\).*np\.newaxis"):
            step.fit(windows[:, 0])
        with pytest.raises(ValueError, match=r"transpose\(0, 2, 1\)"):
            step.fit(windows.transpose(0, 2, 1))
        with pytest.raises(ValueError, match="1 channels"):
            step.fit(windows).transform(windows[:, :1])
        with pytest.raises(ValueError, match="cannot be read as numbers"):
            step.fit(np.full((2, 3, 4), "a"))

    def test_unfitted_is_refused(self, name, windows):
        with pytest.raises(ValueError, match="not fitted"):
            clone(STEPS[name]).transform(windows)

    def test_names_a_name_for_each_channel(self, name, windows):
        step = clone(STEPS[name]).fit(windows)
        assert len(step.get_feature_names_out()) == step.transform(windows).shape[1]

    def test_input_is_left_alone(self, name, windows):
        before = windows.copy()
        frozen = windows.copy()
        frozen.setflags(write=False)
        clone(STEPS[name]).fit(frozen).transform(frozen)
        np.testing.assert_array_equal(frozen, before)


def test_steps_do_what_their_functions_do(windows):
    pipeline = make_pipeline(Resampler(50.0, RATE), GravityRemover(RATE))
    expected = biosig.remove_gravity(biosig.resample(windows, target_rate=RATE, sampling_rate=50.0), RATE)
    np.testing.assert_array_equal(pipeline.fit_transform(windows), expected)


def test_a_turned_sensor_sees_the_same_movement(windows):
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0].astype(np.float32)
    for form in ("magnitude", "vertical_horizontal"):
        step = OrientationFree(RATE, form=form).fit(windows)
        np.testing.assert_allclose(step.transform(turn @ windows), step.transform(windows), atol=1e-5)
    with pytest.raises(ValueError, match="one row each for x, y and z"):
        OrientationFree(RATE).fit(windows[:, :2])


class TestWindowNormalizer:
    def test_does_what_its_function_does(self, windows):
        gappy = windows.copy()
        gappy[1, 0, 30:90] = np.nan
        gappy[2, 1] = 0.25
        expected = biosig.signals.normalise_windows(gappy)
        np.testing.assert_array_equal(WindowNormalizer(n_jobs=1).fit_transform(gappy), expected)

    def test_mean_zero_and_sd_one(self, windows):
        z = WindowNormalizer().fit_transform(windows)
        np.testing.assert_allclose(z.mean(axis=-1), 0, atol=1e-5)
        np.testing.assert_allclose(z.std(axis=-1), 1, rtol=1e-4)

    @pytest.mark.parametrize("value", [0.0, 0.1, -1e6, 1e-30])
    def test_constant_channels_become_zero(self, value):
        assert not WindowNormalizer().fit_transform(np.full((2, 1, 50), value, np.float32)).any()

    def test_missing_samples_stay_missing_and_count_for_nothing(self, windows):
        gappy = windows.copy()
        gappy[:, :, 100:300] = np.nan
        z = WindowNormalizer().fit_transform(gappy)
        assert np.isnan(z[:, :, 100:300]).all()
        np.testing.assert_allclose(np.nanstd(z, axis=-1), 1, rtol=1e-4)

    def test_tiny_signals_are_not_taken_for_constants(self):
        x = np.sin(np.arange(200, dtype=np.float32))[np.newaxis, np.newaxis]
        np.testing.assert_allclose(
            WindowNormalizer().fit_transform(x * np.float32(1e-12)), WindowNormalizer().fit_transform(x), atol=1e-4
        )


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), "64", None, True])
def test_rates_that_are_no_rates_are_refused_by_name(windows, rate):
    with pytest.raises(ValueError, match="sampling_rate is"):
        GravityRemover(rate).fit(windows)
    with pytest.raises(ValueError, match="target_rate is"):
        Resampler(50.0, rate).fit(windows)


class TestPPGTargets:
    @pytest.fixture
    def ppg(self):
        rhythm = 60 / 72 + 0.03 * np.sin(np.arange(80))  # s, breathing in the intervals
        beats = 0.3 + np.cumsum(rhythm)
        t = np.arange(60 * RATE) / RATE
        pulse = np.exp(-0.5 * ((t[:, np.newaxis] - beats) / 0.09) ** 2).sum(axis=1)
        return np.stack([pulse, np.zeros_like(pulse), np.full_like(pulse, np.nan)])[:, np.newaxis].astype(np.float32)

    def test_rate_of_a_known_rhythm_and_nan_with_a_reason(self, ppg):
        targets = PPGTargets(RATE)
        y = targets.fit_transform(ppg)
        assert y.shape == (3, 3)
        rhythm = 30 * np.sin(np.arange(70))
        assert abs(y[0, 0] - 72) < 0.2
        assert y[0, 1] == pytest.approx(rhythm.std(), rel=0.1)
        assert y[0, 2] == pytest.approx(np.sqrt(np.mean(np.diff(rhythm) ** 2)), rel=0.1)
        assert np.isnan(y[1:]).all()
        assert targets.report_["reason"][0] == "" and (targets.report_["reason"][1:] != "").all()

    def test_inverted_wavelengths_are_settled_when_fitted(self, ppg):
        ppg = np.repeat(ppg[:1], 4, axis=0)
        targets = PPGTargets(RATE).fit(-ppg)
        assert targets.polarity_.tolist() == [-1] and PPGTargets(RATE).fit(ppg).polarity_.tolist() == [1]
        np.testing.assert_array_equal(targets.transform(-ppg[:1]), PPGTargets(RATE).fit_transform(ppg)[:1])

    def test_pandas_output_has_names(self, ppg):
        frame = PPGTargets(RATE).set_output(transform="pandas").fit_transform(ppg)
        assert list(frame.columns) == ["heart_rate", "sdnn", "rmssd"]
