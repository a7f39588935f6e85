"""scikit-learn's own checks of every public estimator.

Estimators of windows declare that they take no tables, so that of the checks only the one of ``clone`` applies to them
as they are. All the others try them through `tests.estimators.tables`; what cannot hold is listed with its reason.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import SkipTestWarning
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from sklearn.utils.validation import _num_samples

import biosig.estimators
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
from biosig.nets.weights import save_weights_folder
from biosig.training import make_config, random_encoder
from tests.estimators.tables import on_tables

RATE, SAMPLES = 16.0, 128
SMALL = {"n_steps": 0, "batch_size": 8, "random_state": 0, "augment": False, "front_end": "samples", "n_jobs": 1}
TEACHER = MaskedAutoencoder(RATE, **SMALL)

_folder = tempfile.TemporaryDirectory()
STORED = Path(_folder.name) / "encoder"
_config = make_config(modality="accel", n_channels=3, n_samples=SAMPLES, sampling_rate=RATE)
save_weights_folder(STORED, random_encoder(_config, 0).weights, _config, "")

AS_THEY_ARE = [
    BandEnvelope(),
    BandpassFilter(),
    ContrastiveEncoder(),
    DistilledEncoder(TEACHER),
    GravityRemover(),
    MaskedAutoencoder(),
    OrientationFree(),
    PPGTargets(),
    PretrainedEncoder(STORED),
    Resampler(50.0),
    SupervisedEncoder(),
    WindowNormalizer(),
]


def pairs(windows):
    return {"groups": np.arange(len(windows)) // 2}


def first_channel(windows):
    return {"ppg": np.ascontiguousarray(windows[:, :1])}


class ParticipantMeanOnTables(ParticipantMean):
    """As it is, with every row as a participant where none are given: the mean of one row is that row."""

    def fit(self, X, y=None, groups=None):
        return super().fit(X, groups=np.arange(_num_samples(X)) if groups is None else groups)

    def transform(self, X, groups=None):
        return super().transform(X, np.arange(_num_samples(X)) if groups is None else groups)


STEP = {"n_channels": 3, "n_samples": 256}
ENCODER = {"n_channels": 3, "n_samples": SAMPLES}
ON_TABLES = [
    on_tables(BandEnvelope, **STEP)(n_jobs=1),
    on_tables(BandpassFilter, **STEP)(n_jobs=1),
    on_tables(GravityRemover, **STEP)(n_jobs=1),
    on_tables(OrientationFree, **STEP)(n_jobs=1),
    on_tables(Resampler, **STEP)(50.0, n_jobs=1),
    on_tables(WindowNormalizer, **STEP)(n_jobs=1),
    on_tables(PPGTargets, n_channels=1, n_samples=960)(n_jobs=1),
    ParticipantMeanOnTables(keep_windows=True),
    on_tables(PretrainedEncoder, **ENCODER)(STORED, n_jobs=1),
    on_tables(MaskedAutoencoder, **ENCODER)(RATE, **SMALL),
    on_tables(ContrastiveEncoder, named=pairs, **ENCODER)(RATE, **SMALL),
    on_tables(DistilledEncoder, named=first_channel, **ENCODER)(TEACHER, RATE, **SMALL),
    on_tables(SupervisedEncoder, **ENCODER)(RATE, **SMALL),
]
ON_TABLES.append(type(ON_TABLES[-1])(RATE, task="classification", **SMALL))

TWO_WINDOWS = {
    "check_fit2d_1sample": "a training needs two windows, and says so: a sample is what windows consist of here",
}
REASONS = {
    ("PPGTargets", None): {"check_dict_unchanged": "report_ is the full table of the last transform, as documented"},
    ("ContrastiveEncoder", None): TWO_WINDOWS,
    ("DistilledEncoder", None): TWO_WINDOWS,
    ("MaskedAutoencoder", None): TWO_WINDOWS,
    ("SupervisedEncoder", "regression"): TWO_WINDOWS
    | {"check_regressor_multioutput": "several targets are predicted in float32, the type of windows and weights"},
    ("SupervisedEncoder", "classification"): {
        "check_supervised_y_2d": "a column of labels is refused with the shape it should have, not flattened"
    },
}


def exceptions(estimator):
    """Return for an estimator the checks that cannot hold, each with the reason."""
    return REASONS.get((type(estimator).__name__.removesuffix("OnTables"), getattr(estimator, "task", None)), {})


def test_every_public_estimator_is_checked():
    classes = [getattr(biosig.estimators, name) for name in biosig.estimators.__all__]
    public = {cls.__name__ for cls in classes if isinstance(cls, type) and issubclass(cls, BaseEstimator)}
    assert {type(estimator).__name__ for estimator in AS_THEY_ARE} | {"ParticipantMean"} == public
    assert {type(estimator).__name__.removesuffix("OnTables") for estimator in ON_TABLES} == public


@pytest.mark.parametrize("estimator", AS_THEY_ARE, ids=lambda estimator: type(estimator).__name__)
def test_as_they_are(estimator):
    with pytest.warns(SkipTestWarning, match="requires input"):
        checks = list(estimator_checks_generator(estimator))
    assert checks
    for tried, check in checks:
        check(tried)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(ON_TABLES, expected_failed_checks=exceptions)
def test_on_tables(estimator, check):
    check(estimator)
