"""Distillation inside Pipelines, searches and cross-validation: PPG, participants and starts arrive, row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
import xarray as xr
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import biosig.training
from biosig.estimators import (
    ContrastiveEncoder,
    DistilledEncoder,
    MaskedAutoencoder,
    ParticipantMean,
    PretrainedEncoder,
    SupervisedEncoder,
    WindowNormalizer,
)
from biosig.training.sources import open_windows

RATE, SAMPLES, N = 16.0, 128, 24
SMALL = {"n_steps": 0, "batch_size": 8, "random_state": 0, "augment": False, "front_end": "samples", "n_jobs": 1}
PEOPLE = np.repeat(["a", "b", "c", "d"], N // 4)
STARTS = np.tile(np.arange(N // 4) * 8.0, 4)


@pytest.fixture(scope="module")
def data():
    """Acceleration, PPG and rate; the first sample of every window is its number, so that rows can be told."""
    rng = np.random.default_rng(0)
    rate = rng.uniform(50, 110, N)
    phase = 2 * np.pi * np.arange(SAMPLES) / RATE * (rate / 60)[:, np.newaxis]
    ppg = np.sin(phase)[:, np.newaxis].astype(np.float32)
    accel = (ppg * rng.normal(size=(N, 3, 1)) + rng.normal(0, 0.1, (N, 3, SAMPLES))).astype(np.float32)
    accel[:, 0, 0] = ppg[:, 0, 0] = np.arange(N)
    return accel, ppg, rate


@pytest.fixture
def given(monkeypatch):
    """What reached each distillation: the numbers of the windows of both sensors, groups and starts."""
    calls, train = [], biosig.training.train_distilled

    def recorded(accel, ppg, *args, groups=None, starts=None, **settings):
        numbers = [open_windows(x)[:][:, 0, 0].astype(int).tolist() for x in (accel, ppg)]
        calls.append({"accel": numbers[0], "ppg": numbers[1], "groups": groups, "starts": starts})
        return train(accel, ppg, *args, groups=groups, starts=starts, **settings)

    monkeypatch.setattr(biosig.training, "train_distilled", recorded)
    return calls


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def student(**settings):
    return DistilledEncoder(MaskedAutoencoder(RATE, **SMALL), RATE, **{**SMALL, **settings})


def check(calls, n_calls):
    assert len(calls) == n_calls
    for call in calls:
        assert call["accel"] == call["ppg"]
        if call["groups"] is not None:
            assert np.asarray(call["groups"]).tolist() == PEOPLE[call["accel"]].tolist()
        if call["starts"] is not None:
            assert np.asarray(call["starts"]).tolist() == STARTS[call["accel"]].tolist()


def test_one_pipeline_from_the_accelerometer_to_the_heart_rate(routing, data, given):
    accel, ppg, rate = data
    encoder = student(n_steps=2).set_fit_request(ppg=True, groups=True, starts=True)
    pipeline = make_pipeline(WindowNormalizer(), encoder, StandardScaler(), RidgeCV())
    pipeline.fit(accel, rate, ppg=ppg, groups=PEOPLE, starts=STARTS)
    assert pipeline.predict(accel).shape == (N,)
    assert given[0]["ppg"] == list(range(N)) and len(given) == 1
    expected = student(n_steps=2).fit(WindowNormalizer().fit_transform(accel), ppg, groups=PEOPLE, starts=STARTS)
    for name, weights in pipeline[1].weights_.items():
        np.testing.assert_array_equal(weights, expected.weights_[name])


CONTAINERS = {
    "array": lambda ppg: ppg,
    "float64 in another order": lambda ppg: np.asfortranarray(ppg.astype(np.float64)),
    "xarray": lambda ppg: xr.DataArray(ppg, dims=("window", "wavelength", "sample")),
    "list of windows": list,
    "nested lists": lambda ppg: ppg.tolist(),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_searches_slice_the_ppg_by_rows(routing, data, given, container):
    accel, ppg, rate = data
    encoder = student().set_fit_request(ppg=True, groups=True, starts=True)
    search = GridSearchCV(
        make_pipeline(encoder, StandardScaler(), Ridge()),
        {"distilledencoder__temperature": [0.04, 0.2], "ridge__alpha": [1.0]},
        cv=GroupKFold(2),
        error_score="raise",
        scoring="neg_mean_absolute_error",
    )
    search.fit(accel, rate, ppg=CONTAINERS[container](ppg), groups=PEOPLE, starts=STARTS)
    check(given, 5)  # two folds of two candidates, and the best again on all
    assert sorted(len(call["accel"]) for call in given) == [12, 12, 12, 12, 24]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(accel).shape == (N,)


@pytest.mark.parametrize(("windows", "labels"), [("array", pd.Series), ("xarray", list), ("xarray", np.asarray)])
def test_cross_validation_slices_the_ppg_by_rows(routing, data, given, windows, labels):
    accel, ppg = (CONTAINERS[windows](x) for x in data[:2])
    encoder = student().set_fit_request(ppg=True, groups=True)
    cv = cross_validate(
        make_pipeline(encoder, StandardScaler(), Ridge()),
        accel, data[2], cv=GroupKFold(2), params={"ppg": ppg, "groups": labels(PEOPLE)}, error_score="raise",
    )  # fmt: skip
    check(given, 2)
    assert np.isfinite(cv["test_score"]).all()


def test_without_routing_parameters_of_steps_do_the_same(data, given):
    accel, ppg, rate = data
    pipeline = make_pipeline(student(), StandardScaler(), Ridge())
    pipeline.fit(accel, rate, distilledencoder__ppg=ppg)
    search = GridSearchCV(pipeline, {"ridge__alpha": [1.0]}, cv=GroupKFold(2), error_score="raise")
    search.fit(accel, rate, groups=PEOPLE, distilledencoder__ppg=ppg, distilledencoder__groups=PEOPLE)
    check(given, 4)


def test_a_search_by_retrieval_needs_no_labels(routing, data, given):
    accel, ppg, _ = data
    encoder = student().set_fit_request(ppg=True, groups=True).set_score_request(ppg=True)
    search = GridSearchCV(encoder, {"objective": ["infonce", "l2"]}, cv=GroupKFold(2), error_score="raise")
    search.fit(accel, ppg=ppg, groups=PEOPLE)
    check(given, 5)
    scores = np.stack([search.cv_results_[f"split{i}_test_score"] for i in range(2)])
    assert ((scores >= 0) & (scores <= 1)).all()
    assert search.score(accel, ppg=ppg) == search.best_estimator_.score(accel, ppg)


def test_frozen_teachers_keep_their_weights_through_a_search(routing, data):
    accel, ppg, rate = data
    teacher = MaskedAutoencoder(RATE, **{**SMALL, "random_state": 7}).fit(ppg)
    encoder = DistilledEncoder(FrozenEstimator(teacher), RATE, **SMALL).set_fit_request(ppg=True)
    search = GridSearchCV(make_pipeline(encoder, Ridge()), {"ridge__alpha": [1.0, 2.0]}, cv=2).fit(accel, rate, ppg=ppg)
    kept = search.best_estimator_[0].teacher_.weights_
    for name, weights in teacher.weights_.items():
        np.testing.assert_array_equal(kept[name], weights)


def test_both_ways_to_give_the_ppg_are_one(data, given):
    accel, ppg, rate = data
    ways = [
        student().fit(accel, ppg),
        student().fit(accel, y=ppg),
        student().fit(accel, ppg=ppg),
        student().fit(accel, rate, ppg=ppg),
        student().fit(accel, ppg[::-1], ppg=ppg),  # the one with the name counts
        student().fit([accel[:10], accel[10:]], [ppg[:10], ppg[10:]]),
        student().partial_fit(accel, rate, ppg=ppg),
    ]
    positional = student().fit(accel, ppg, PEOPLE, STARTS)
    assert positional.config_ == ways[0].config_
    for other in ways[1:]:
        for name, weights in ways[0].weights_.items():
            np.testing.assert_array_equal(weights, other.weights_[name])
    np.testing.assert_array_equal(student().fit_transform(accel, rate, ppg=ppg), student().fit_transform(accel, ppg))
    assert ways[0].score(accel, ppg) == ways[0].score(accel, rate, ppg=ppg)


def test_participants_reach_the_others_too(routing, data):
    accel, _, rate = data
    contrastive = ContrastiveEncoder(RATE, modality="accel", **SMALL).set_fit_request(groups=True)
    contrastive.set_score_request(groups=True)
    supervised = SupervisedEncoder(RATE, **SMALL).set_fit_request(groups=True)
    mean = ParticipantMean(keep_windows=True).set_fit_request(groups=True).set_transform_request(groups=True)
    for encoder in (contrastive, supervised):
        averaged = make_pipeline(encoder, clone(mean), StandardScaler(), Ridge()).fit(accel, rate, groups=PEOPLE)
        assert len(np.unique(np.round(averaged.predict(accel, groups=PEOPLE), 3))) <= len(np.unique(PEOPLE))
        pipeline = make_pipeline(encoder, StandardScaler(), Ridge())
        cv = cross_validate(pipeline, accel, rate, cv=GroupKFold(2), params={"groups": PEOPLE}, error_score="raise")
        assert np.isfinite(cv["test_score"]).all()
    search = GridSearchCV(contrastive, {"koleo": [0.0, 0.1]}, cv=GroupKFold(2), error_score="raise")
    assert 0 <= search.fit(accel, groups=PEOPLE).best_score_ <= 1


def test_a_search_over_stored_encoders_reads_each(data, tmp_path):
    accel, _, rate = data
    for seed in (0, 1):
        masked = MaskedAutoencoder(RATE, modality="accel", **{**SMALL, "random_state": seed})
        masked.fit(accel).save(tmp_path / str(seed))
    encoder = PretrainedEncoder(tmp_path / "0", n_jobs=1).fit()
    embeddings = [biosig.load_encoder(tmp_path / str(seed)).transform(accel) for seed in (0, 1)]
    assert (embeddings[0] != embeddings[1]).any()
    np.testing.assert_array_equal(clone(encoder).transform(accel), embeddings[0])
    other = clone(encoder).set_params(source=tmp_path / "1").fit(accel)
    np.testing.assert_array_equal(other.transform(accel), embeddings[1])
    search = GridSearchCV(
        make_pipeline(encoder, Ridge()), {"pretrainedencoder__source": [tmp_path / "0", tmp_path / "1"]}, cv=2
    ).fit(accel, rate)
    assert len(set(search.cv_results_["mean_test_score"])) == 2


class TestBadInput:
    @pytest.mark.parametrize("method", ["fit", "partial_fit", "score"])
    def test_no_ppg(self, data, method):
        accel, ppg, rate = data
        call = getattr(student().fit(accel, ppg), method)
        with pytest.raises(ValueError, match=r"ppg is missing; .*set_fit_request\(ppg=True\)"):
            call(accel)
        for y in (rate, rate.tolist(), pd.Series(rate), np.stack([rate, rate], axis=1), pd.DataFrame({"rate": rate})):
            with pytest.raises(ValueError, match=r"y has shape \(24,.*no PPG windows.*fit\(accel, y, ppg=ppg\)"):
                call(accel, y)
        with pytest.raises(ValueError, match=r"write ppg\[:, np\.newaxis, :\]"):
            call(accel, ppg[:, 0])
        with pytest.raises(ValueError, match="no PPG windows"):
            call(accel, [ppg[0], ppg[1, 0]])

    def test_ppg_of_another_length_or_shape(self, data):
        accel, ppg, rate = data
        with pytest.raises(ValueError, match=r"accel has shape \(24, 3, 128\) and ppg \(20, 1, 128\)"):
            student().fit(accel, rate, ppg=ppg[:20])
        with pytest.raises(ValueError, match="expected the same windows"):
            student().fit(accel, ppg).score(accel, rate, ppg=ppg[:20])
        with pytest.raises(ValueError, match=r"(ppg|X) has shape \(24, 128\)"):
            student().fit(accel, rate, ppg=ppg[:, 0])

    def test_a_list_of_recordings_cannot_be_sliced(self, routing, data):
        accel, ppg, rate = data
        pipeline = make_pipeline(student().set_fit_request(ppg=True), Ridge())
        with pytest.raises(ValueError, match=r"accel has shape \(12, 3, 128\) and ppg \(24, 1, 128\)"):
            cross_validate(pipeline, accel, rate, cv=2, params={"ppg": [ppg[:9], ppg[9:]]}, error_score="raise")

    def test_an_unasked_ppg_is_scikit_learns_to_refuse(self, routing, data):
        accel, ppg, rate = data
        with pytest.raises((ValueError, TypeError), match=r"ppg"):
            make_pipeline(student(), Ridge()).fit(accel, rate, ppg=ppg)
