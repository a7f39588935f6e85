"""Going on, holding out, stopping and storing: what the encoders share beyond one fit."""

from __future__ import annotations

import copy
import inspect
import pickle

import numpy as np
import pytest
import sklearn
import xarray as xr
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline

from biosig.estimators import (
    ContrastiveEncoder,
    DistilledEncoder,
    MaskedAutoencoder,
    SupervisedEncoder,
    WindowNormalizer,
)
from biosig.estimators.base import TrainedEncoder

RATE, SAMPLES = 16.0, 128
SMALL = {"n_steps": 4, "batch_size": 8, "random_state": 0, "augment": False, "front_end": "samples", "n_jobs": 1}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    rate = rng.uniform(50, 110, 24)
    phase = 2 * np.pi * np.arange(SAMPLES) / RATE * (rate / 60)[:, np.newaxis]
    ppg = np.sin(phase)[:, np.newaxis].astype(np.float32)
    accel = ppg * rng.normal(size=(24, 3, 1)) + rng.normal(0, 0.1, (24, 3, SAMPLES))
    return accel.astype(np.float32), ppg, rate, np.repeat(["a", "b", "c", "d"], 6)


@pytest.fixture(scope="module")
def teacher(data):
    return MaskedAutoencoder(RATE, **SMALL).fit(data[1], groups=data[3])


def estimators(teacher):
    return {
        "masked": (MaskedAutoencoder(RATE, modality="accel", **SMALL), lambda accel, ppg, rate: (accel,)),
        "contrastive": (ContrastiveEncoder(RATE, **SMALL), lambda accel, ppg, rate: (ppg,)),
        "distilled": (DistilledEncoder(teacher, RATE, **SMALL), lambda accel, ppg, rate: (accel, ppg)),
        "supervised": (SupervisedEncoder(RATE, **SMALL), lambda accel, ppg, rate: (accel, rate)),
    }


KINDS = ["masked", "contrastive", "distilled", "supervised"]


@pytest.fixture(scope="module", params=KINDS)
def kind(request, data, teacher):
    """A fitted estimator of each kind, and what its ``fit`` was given."""
    estimator, choose = estimators(teacher)[request.param]
    arguments = choose(*data[:3])
    return estimator.fit(*arguments, groups=data[3]), arguments


@pytest.mark.parametrize("name", KINDS)
def test_constructors_name_their_parameters_and_store_them(teacher, name):
    estimator = estimators(teacher)[name][0]
    signature = inspect.signature(type(estimator))
    assert set(signature.parameters) == set(estimator.get_params(deep=False))
    assert [p.kind for p in signature.parameters.values()].count(inspect.Parameter.POSITIONAL_OR_KEYWORD) <= 2
    for value in estimator.get_params(deep=False).values():
        assert value is None or not isinstance(value, type)
    estimator.set_params(n_steps=7)
    assert clone(estimator).n_steps == 7 and "n_steps=7" in repr(estimator)
    documented = (type(estimator).__doc__ + TrainedEncoder.__doc__).replace("\\\n", "")
    assert all(parameter in documented for parameter in signature.parameters)


def same(one, other):
    for name, weights in one.weights_.items():
        np.testing.assert_array_equal(weights, other.weights_[name], err_msg=name)


def test_partial_fit_goes_on(kind, data):
    fitted, arguments = kind
    stored, copied = pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted).set_params(warm_start=True)
    stored.partial_fit(*arguments, groups=data[3])
    copied.fit(*arguments, groups=data[3])
    same(stored, copied)
    assert stored.history_["step"] == list(range(8)) and stored.state_.step == 8
    assert stored.history_["loss"][:4] == fitted.history_["loss"]
    assert any((weights != fitted.weights_[name]).any() for name, weights in stored.weights_.items())


def test_the_first_partial_fit_is_a_fit_and_fit_begins_anew(teacher, data):
    first = clone(teacher).partial_fit(data[1], groups=data[3])
    same(first, teacher)
    same(first.partial_fit(data[1], groups=data[3]).fit(data[1], groups=data[3]), teacher)


def test_fitted_encoders_hold_no_object_of_tinygrad(kind):
    fitted, arguments = kind
    content = pickle.dumps(fitted)
    assert b"tinygrad" not in content
    expected = fitted.transform(arguments[0])
    for other in (pickle.loads(content), copy.copy(fitted), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(other.transform(arguments[0]), expected)


def test_held_out_participants_choose_the_weights(data):
    settings = {**SMALL, "validation_fraction": 0.25, "options": {"validate_every": 2, "patience": 9}}
    held = SupervisedEncoder(RATE, **settings).fit(data[0], data[2], groups=data[3])
    history = held.history_
    assert history["validation_step"] == [2, 4] and np.isfinite(history["validation_loss"]).all()
    assert held.state_.step == history["validation_step"][int(np.argmin(history["validation_loss"]))]


def test_a_checkpoint_is_gone_on_from(teacher, data, tmp_path):
    def interrupt(progress):
        if progress.step == 2:
            raise KeyboardInterrupt

    keeping = {"checkpoint": tmp_path, "options": {"checkpoint_every": 0.0, "callback": interrupt}}
    with pytest.raises(KeyboardInterrupt):
        clone(teacher).set_params(**keeping).fit(data[1], groups=data[3])
    assert (tmp_path / "last.safetensors").exists()
    fitted = clone(teacher).set_params(checkpoint=tmp_path).fit(data[1], groups=data[3])
    assert fitted.history_["loss"] == teacher.history_["loss"]
    same(fitted, teacher)
    with pytest.raises(ValueError, match="checkpoint needs a random_state"):
        clone(teacher).set_params(checkpoint=tmp_path, random_state=None).fit(data[1])


def test_participants_travel_by_metadata_routing(data):
    accel, _, rate, people = data
    with sklearn.config_context(enable_metadata_routing=True):
        encoder = SupervisedEncoder(RATE, **SMALL).set_params(n_steps=1, validation_fraction=0.4)
        encoder.set_fit_request(groups=True)
        pipeline = make_pipeline(WindowNormalizer(), encoder, Ridge())
        found = cross_validate(
            pipeline, accel, rate, params={"groups": people}, cv=GroupKFold(2), error_score="raise",
            return_estimator=True,
        )  # fmt: skip
    assert np.isfinite(found["test_score"]).all()
    for fitted in found["estimator"]:  # 1 of the 2 participants held out: 6 windows to train on
        assert fitted[1].history_["batch_size"] == 6


def test_windows_on_disk_give_the_weights_of_memory(data, teacher, tmp_path):
    names = ["accel", "ppg"]
    variables = {name: (("window", name, "sample"), x) for name, x in zip(names, data[:2], strict=True)}
    xr.Dataset(variables).to_netcdf(tmp_path / "windows.nc", engine="scipy")
    model = estimators(teacher)["distilled"][0]
    with xr.open_dataset(tmp_path / "windows.nc", engine="scipy") as stored:
        fitted = clone(model).fit(stored["accel"], stored["ppg"], groups=data[3])
        embedding = fitted.transform(stored["accel"])
    expected = clone(model).fit(data[0], data[1], groups=data[3])
    same(fitted, expected)
    assert embedding.dims == ("window", "feature")
    np.testing.assert_array_equal(embedding, expected.transform(data[0]))


def test_classification_in_the_words_of_scikit_learn(data):
    labels = np.where(data[2] > 80, "fast", "slow")
    model = SupervisedEncoder(RATE, **SMALL, task="classification").fit(data[0], labels)
    probabilities = model.predict_proba(data[0])
    assert list(model.classes_) == ["fast", "slow"] and probabilities.shape == (24, 2)
    np.testing.assert_array_equal(model.predict(data[0]), model.classes_[probabilities.argmax(axis=1)])


class TestBadInput:
    @pytest.fixture
    def model(self):
        return MaskedAutoencoder(RATE, **{**SMALL, "n_steps": 1})

    def test_unknown_options(self, model, data):
        with pytest.raises(ValueError, match=r"options has \['momentum', 'steps'\]"):
            model.set_params(options={"steps": 3, "momentum": 0.9}).fit(data[1])

    def test_one_participant_cannot_be_held_out(self, model, data):
        with pytest.raises(ValueError, match=r"validation_fraction is 0\.5, but 1 participant\(s\) with 24 usable"):
            clone(model).set_params(validation_fraction=0.5).fit(data[1], groups=np.zeros(24))
        assert model.fit(data[1], groups=np.zeros(24)).history_["batch_size"] == 8

    def test_a_batch_larger_than_the_data_takes_all_that_can_be_used(self, model, data):
        broken = data[1].copy()
        broken[0], broken[1] = np.nan, 3.0  # missing is left out, constant is not
        fitted = model.set_params(batch_size=500).fit(broken)
        assert fitted.history_["batch_size"] == 23 and np.isfinite(fitted.history_["loss"]).all()
        embedding = fitted.transform(broken)
        assert np.isnan(embedding[0]).all() and np.isfinite(embedding[1:]).all()

    def test_nothing_but_missing_windows(self, model, data):
        with pytest.raises(ValueError, match="0 of 24 windows can be used"):
            model.fit(np.full_like(data[1], np.nan))

    def test_another_length_in_partial_fit(self, teacher, data):
        with pytest.raises(ValueError, match="64 samples a window"):
            copy.deepcopy(teacher).partial_fit(data[1][:, :, :64])

    def test_contrast_needs_participants_with_two_windows(self, data):
        model = ContrastiveEncoder(RATE, **SMALL)
        with pytest.raises(ValueError, match="groups is missing"):
            model.fit(data[1])
        for people in (np.arange(24), np.zeros(24)):
            with pytest.raises(ValueError, match="participant"):
                model.fit(data[1], groups=people)

    def test_unpaired_lengths(self, data, teacher):
        with pytest.raises(ValueError, match=r"accel has shape \(24, 3, 128\) and ppg \(20, 1, 128\)"):
            DistilledEncoder(teacher, RATE, **SMALL).fit(data[0], data[1][:20])
        with pytest.raises(ValueError, match=r"y has shape \(20, 1\) for 24 windows"):
            SupervisedEncoder(RATE, **SMALL).fit(data[0], data[2][:20])

    def test_a_teacher_of_another_rate(self, data, teacher):
        with pytest.raises(ValueError, match="teacher was trained with sampling_rate 16, the student's is 32"):
            DistilledEncoder(teacher, 32.0, **SMALL).fit(data[0], data[1])

    def test_a_loss_that_is_no_number(self, model, data, tmp_path):
        model.set_params(n_steps=30, learning_rate=1e30, checkpoint=tmp_path)
        model.set_params(options={"clip_norm": None, "checkpoint_every": 0.0})
        with pytest.raises(FloatingPointError, match=r"at step \d+ of 30 \(batch \d+ of windows"):
            model.fit(data[1])
        assert not hasattr(model, "weights_")
