"""What goes out of every transformer: arrays of windows under any configuration, tables with names from all others."""

from __future__ import annotations

import copy
import importlib.util

import numpy as np
import pandas as pd
import pytest
import sklearn
import xarray as xr
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from biosig.estimators import (
    BandEnvelope,
    BandpassFilter,
    ContrastiveEncoder,
    DistilledEncoder,
    GravityRemover,
    MaskedAutoencoder,
    OrientationFree,
    ParticipantMean,
    PPGTargets,
    PretrainedEncoder,
    Resampler,
    SupervisedEncoder,
    WindowNormalizer,
)

RATE, SAMPLES, N = 16.0, 128, 8
SMALL = {"n_steps": 0, "batch_size": 4, "random_state": 0, "front_end": "samples", "n_jobs": 1}
STEPS = {
    "resample": Resampler(RATE, 8.0, n_jobs=1),
    "gravity": GravityRemover(RATE, n_jobs=1),
    "band": BandpassFilter(RATE, high=6.0, n_jobs=1),
    "normalise": WindowNormalizer(n_jobs=1),
    "envelope": BandEnvelope(RATE, bands=[(1.0, 4.0)], envelope_rate=8.0, n_jobs=1),
    "orientation": OrientationFree(RATE, n_jobs=1),
}
CONTAINERS = [
    "pandas",
    pytest.param(
        "polars",
        marks=pytest.mark.skipif(importlib.util.find_spec("polars") is None, reason="polars is not installed"),
    ),
]
GROUPS = np.repeat(["a", "b"], N // 2)


@pytest.fixture(scope="module")
def accel():
    return np.random.default_rng(0).normal(0, 0.02, (N, 3, SAMPLES)).astype(np.float32)


@pytest.fixture(scope="module")
def ppg():
    return np.sin(np.arange(SAMPLES) / 3 + np.arange(N)[:, np.newaxis])[:, np.newaxis].astype(np.float32)


@pytest.fixture(scope="module")
def encoders(accel, ppg, tmp_path_factory):
    """Fitted encoders of acceleration."""
    folder = tmp_path_factory.mktemp("encoder") / "stored"
    masked = MaskedAutoencoder(RATE, modality="accel", **SMALL).fit(accel)
    masked.save(folder)
    return {
        "masked": masked,
        "contrastive": ContrastiveEncoder(RATE, modality="accel", **SMALL).fit(accel, groups=GROUPS),
        "distilled": DistilledEncoder(MaskedAutoencoder(RATE, **SMALL), RATE, **SMALL).fit(accel, ppg),
        "supervised": SupervisedEncoder(RATE, **SMALL).fit(accel, np.arange(N)),
        "pretrained": PretrainedEncoder(folder, n_jobs=1).fit(),
    }


KINDS = ["masked", "contrastive", "distilled", "supervised", "pretrained"]


def frame_type(container):
    return importlib.import_module(container).DataFrame


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", STEPS)
def test_windows_stay_arrays(name, container, accel):
    expected = clone(STEPS[name]).fit_transform(accel)
    with sklearn.config_context(transform_output=container):
        step = clone(STEPS[name])
        for out in (step.fit_transform(accel), step.transform(accel)):
            assert type(out) is np.ndarray and out.dtype == np.float32
            np.testing.assert_array_equal(out, expected)
    own = clone(STEPS[name]).set_output(transform=container)
    np.testing.assert_array_equal(clone(own).fit_transform(accel), expected)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("through", ["config", "set_output"])
def test_encoders_give_tables_with_names(kind, container, through, accel, encoders):
    encoder = encoders[kind]
    expected = encoder.transform(accel)
    lazy = xr.DataArray(accel, dims=("window", "axis", "sample"), coords={"participant": ("window", GROUPS)})
    asked = through == "config"
    if not asked:
        encoder = copy.copy(encoder).set_output(transform=container)
    with sklearn.config_context(transform_output=container if asked else "default"):
        for windows in (accel, lazy):
            frame = encoder.transform(windows)
            assert type(frame) is frame_type(container)
            assert list(frame.columns) == list(encoder.get_feature_names_out())
            np.testing.assert_array_equal(frame.to_numpy(), expected)
    assert isinstance(encoders[kind].transform(lazy), xr.DataArray)


@pytest.mark.parametrize("container", CONTAINERS)
def test_what_needs_no_embedding_table_works_all_the_same(container, accel, ppg, encoders):
    student = encoders["distilled"]
    places, heard = student.project(accel), student.project_ppg(ppg)
    scores = (
        student.score(accel, ppg),
        encoders["supervised"].score(accel, np.arange(N)),
        encoders["masked"].score(accel),
    )
    with sklearn.config_context(transform_output=container):
        np.testing.assert_array_equal(student.project(accel), places)
        np.testing.assert_array_equal(student.project_ppg(ppg), heard)
        again = (
            student.score(accel, ppg),
            encoders["supervised"].score(accel, np.arange(N)),
            encoders["masked"].score(accel),
        )
        assert scores == again
        assert encoders["contrastive"].score(accel, groups=GROUPS) >= 0
        fitted = clone(student).set_params(joint=True).fit(accel, ppg, groups=GROUPS)
    assert fitted.weights_.keys() == student.weights_.keys()


@pytest.mark.parametrize("container", CONTAINERS)
def test_targets_give_tables(container, ppg):
    expected = PPGTargets(RATE, n_jobs=1).fit_transform(ppg)
    with sklearn.config_context(transform_output=container):
        frame = PPGTargets(RATE, n_jobs=1).fit_transform(ppg)
    assert type(frame) is frame_type(container)
    assert list(frame.columns) == ["heart_rate", "sdnn", "rmssd"]
    np.testing.assert_array_equal(frame.to_numpy(), expected)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("keep_windows", [False, True])
@pytest.mark.parametrize("given", ["array", "pandas", "xarray", *CONTAINERS[1:]])
def test_participant_means_give_tables(container, keep_windows, given, accel):
    rows = accel[:, :, 0].astype(np.float64)
    names = ["x", "y", "z"]
    X = {
        "array": lambda: rows,
        "pandas": lambda: pd.DataFrame(rows, columns=names, index=np.arange(N) + 100),
        "xarray": lambda: xr.DataArray(rows, dims=("window", "feature"), coords={"feature": names}),
        "polars": lambda: frame_type("polars")(rows, schema=names),
    }[given]()
    mean = ParticipantMean(keep_windows)
    expected = ParticipantMean(keep_windows).fit_transform(rows, groups=GROUPS)
    with sklearn.config_context(transform_output=container):
        frame = mean.fit_transform(X, groups=GROUPS)
    assert type(frame) is frame_type(container)
    np.testing.assert_array_equal(frame.to_numpy(), expected)
    if given in ("pandas", "polars"):
        assert list(frame.columns) == names
    if given == container == "pandas":
        assert list(frame.index) == (list(X.index) if keep_windows else ["a", "b"])


def test_polars_in_gives_polars_out(accel):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(accel[:, :, 0], schema=["x", "y", "z"])
    out = ParticipantMean(keep_windows=True).fit_transform(frame, groups=GROUPS)
    assert isinstance(out, polars.DataFrame) and out.columns == ["x", "y", "z"] and len(out) == N
    assert ParticipantMean().fit_transform(frame, groups=GROUPS).shape == (2, 3)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_pipeline(container, kind, accel, ppg, encoders):
    y = np.arange(N, dtype=float)
    encoder = encoders["pretrained"] if kind == "pretrained" else sklearn.frozen.FrozenEstimator(encoders[kind])
    steps = [clone(STEPS["gravity"]), clone(STEPS["normalise"]), encoder, StandardScaler(), Ridge()]
    expected = make_pipeline(*map(clone, steps)).fit(accel, y).predict(accel)
    with sklearn.config_context(transform_output=container):
        pipeline = make_pipeline(*map(clone, steps)).fit(accel, y)
        np.testing.assert_allclose(pipeline.predict(accel), expected, atol=1e-4)  # a ridge in float64 or float32
        assert np.isfinite(cross_val_score(pipeline, accel, y, cv=2, error_score="raise")).all()
        frame = pipeline[:-1].transform(accel)
    assert type(frame) is frame_type(container)
    assert list(frame.columns) == list(encoders[kind].get_feature_names_out())
    assert list(pipeline[-1].feature_names_in_) == list(frame.columns)


def test_set_output_survives_clone(encoders, accel):
    encoder = clone(encoders["pretrained"]).set_output(transform="pandas")
    assert isinstance(clone(encoder).transform(accel), pd.DataFrame)
    assert isinstance(clone(encoders["pretrained"]).transform(accel), np.ndarray)


@pytest.mark.parametrize("container", CONTAINERS)
def test_unions_and_columns(container, accel, encoders):
    if container == "polars" and parse_version(sklearn.__version__) < parse_version("1.7"):
        pytest.skip("scikit-learn 1.6 joins polars frames before it makes their columns' names differ")
    both = FeatureUnion([("one", encoders["pretrained"]), ("other", clone(encoders["pretrained"]))])
    width = encoders["pretrained"].config_["embedding"]
    with sklearn.config_context(transform_output=container):
        frame = both.fit(accel).transform(accel)
        assert type(frame) is frame_type(container) and frame.shape == (N, 2 * width)
        assert frame.columns[0] == "one__pretrainedencoder0"
        # windows have no columns to choose from, embeddings have
        some = ColumnTransformer([("some", StandardScaler(), ["pretrainedencoder0", "pretrainedencoder3"])])
        frame = make_pipeline(encoders["pretrained"], some).fit(accel).transform(accel)
    assert type(frame) is frame_type(container)
    assert list(frame.columns) == ["some__pretrainedencoder0", "some__pretrainedencoder3"]
