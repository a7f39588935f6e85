"""What scikit-learn's checks ask of estimators of tables, asked of every estimator of windows as it is."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

import biosig
from biosig.estimators import (
    BandEnvelope,
    BandpassFilter,
    ContrastiveEncoder,
    DistilledEncoder,
    GravityRemover,
    MaskedAutoencoder,
    OrientationFree,
    PPGTargets,
    PretrainedEncoder,
    Resampler,
    SupervisedEncoder,
    WindowNormalizer,
)

RATE, SAMPLES, N = 16.0, 128, 8
SMALL = {"n_steps": 1, "batch_size": 4, "random_state": 0, "front_end": "samples", "n_jobs": 1}
PEOPLE = np.repeat(["a", "b"], N // 2)
KINDS = {
    "resample": lambda folder: Resampler(RATE, 8.0, n_jobs=1),
    "gravity": lambda folder: GravityRemover(RATE, n_jobs=1),
    "band": lambda folder: BandpassFilter(RATE, high=6.0, n_jobs=1),
    "normalise": lambda folder: WindowNormalizer(n_jobs=1),
    "envelope": lambda folder: BandEnvelope(RATE, bands=[(1.0, 4.0)], envelope_rate=8.0, n_jobs=1),
    "orientation": lambda folder: OrientationFree(RATE, n_jobs=1),
    "targets": lambda folder: PPGTargets(RATE, n_jobs=1),
    "masked": lambda folder: MaskedAutoencoder(RATE, modality="accel", **SMALL),
    "contrastive": lambda folder: ContrastiveEncoder(RATE, modality="accel", **SMALL),
    "distilled": lambda folder: DistilledEncoder(MaskedAutoencoder(RATE, **SMALL), RATE, **SMALL),
    "supervised": lambda folder: SupervisedEncoder(RATE, **SMALL),
    "pretrained": lambda folder: PretrainedEncoder(folder, n_jobs=1),
}
NAMED = {"contrastive": {"groups": PEOPLE}, "distilled": {"groups": PEOPLE}}


@pytest.fixture(scope="module")
def accel():
    x = np.random.default_rng(0).normal(0, 0.02, (N, 3, SAMPLES)).astype(np.float32)
    x[1, :, 20:40] = np.nan
    return x


@pytest.fixture(scope="module")
def ppg():
    return np.sin(np.arange(SAMPLES) / 3 + np.arange(N)[:, np.newaxis])[:, np.newaxis].astype(np.float32)


@pytest.fixture(scope="module")
def folder(accel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "stored"
    MaskedAutoencoder(RATE, modality="accel", **{**SMALL, "n_steps": 0}).fit(accel).save(folder)
    return folder


@pytest.fixture(scope="module", params=KINDS)
def kind(request, accel, ppg, folder):
    """An estimator, what ``fit`` is given, a fitted one, and what it makes of the windows."""
    estimator = KINDS[request.param](folder)
    named = dict(NAMED.get(request.param, {}))
    if request.param == "distilled":
        named["ppg"] = ppg
    y = np.arange(N, dtype=float)
    kept = [x.copy() for x in (accel, ppg, y)]
    fitted = clone(estimator).fit(accel, y, **named)
    out = fitted.transform(accel)
    for before, after in zip(kept, (accel, ppg, y), strict=True):
        np.testing.assert_array_equal(before, after)
    return estimator, (y, named), fitted, out


def test_tags_tell_what_goes_in(kind):
    tags = get_tags(kind[0])
    assert tags.input_tags.three_d_array and not tags.input_tags.two_d_array and tags.input_tags.allow_nan
    assert not tags.input_tags.sparse and tags.requires_fit and not tags.no_validation


def test_unfitted_ones_are_cloned_stored_and_refused(kind, accel):
    estimator, _, fitted, _ = kind
    for twin in (clone(estimator), pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator), clone(fitted)):
        assert type(twin) is type(estimator) and repr(twin) == repr(estimator)
        assert twin.get_params().keys() == estimator.get_params().keys()
        assert all(name in twin.get_params() for name in estimator.get_params(deep=False))
    fresh = clone(estimator)
    assert not [name for name in vars(fresh) if name.endswith("_") and not name.startswith("_")]
    assert not hasattr(fresh, "n_features_in_") and not hasattr(fresh, "n_channels_in_")
    for call in (lambda: fresh.transform(accel), fresh.get_feature_names_out):
        with pytest.raises(NotFittedError, match="not fitted"):
            call()
    assert fresh.set_params(**fresh.get_params(deep=False)) is fresh


def test_fitted_ones_are_stored_as_they_are(kind, accel):
    _, _, fitted, out = kind
    content = pickle.dumps(fitted)
    assert b"tinygrad" not in content
    for twin in (pickle.loads(content), copy.deepcopy(fitted), copy.copy(fitted)):
        np.testing.assert_array_equal(twin.transform(accel), out)


def test_fit_again_and_fit_transform_do_the_same(kind, accel):
    estimator, (y, named), fitted, out = kind
    again = copy.deepcopy(fitted)
    assert again.fit(accel, y, **named) is again
    np.testing.assert_array_equal(again.transform(accel), out)
    np.testing.assert_array_equal(clone(estimator).fit_transform(accel, y, **named), out)
    np.testing.assert_array_equal(fitted.transform(accel), out)
    assert again.get_params(deep=False).keys() == estimator.get_params(deep=False).keys()
    for name, value in estimator.get_params(deep=False).items():  # parameters are left as they were given
        now = again.get_params(deep=False)[name]
        assert repr(now) == repr(value), name


def test_rows_names_and_types(kind, accel):
    _, _, fitted, out = kind
    names = fitted.get_feature_names_out()
    assert fitted.n_features_in_ == fitted.n_channels_in_ == 3
    assert out.shape[:2] == (N, len(names)) and len(set(names)) == len(names)
    assert all(isinstance(name, str) for name in names) and names.dtype == object
    assert out.dtype == (np.float64 if isinstance(fitted, PPGTargets) else np.float32)


def test_windows_do_not_depend_on_their_neighbours_order_or_container(kind, accel):
    _, _, fitted, out = kind
    tolerance = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(fitted.transform(accel[::-1])[::-1], out, **tolerance)
    np.testing.assert_allclose(np.concatenate([fitted.transform(accel[i : i + 1]) for i in range(N)]), out, **tolerance)
    frozen = accel.copy()
    frozen.setflags(write=False)
    for same in (frozen, accel.astype(np.float64), np.asfortranarray(accel), accel.tolist()):
        np.testing.assert_array_equal(fitted.transform(same), out)
    assert len(fitted.transform(accel[:0])) == 0


def test_other_windows_are_refused(kind, accel):
    _, (y, named), fitted, _ = kind
    for wrong in (accel[:, :2], accel[:, 0], accel[0], accel[..., np.newaxis], np.full(accel.shape, "a")):
        with pytest.raises(ValueError, match=r"shape|channels|numbers"):
            fitted.transform(wrong)
        if not isinstance(wrong, np.ndarray) or wrong.ndim != 3 or wrong.dtype.kind == "U":
            with pytest.raises(ValueError, match=r"shape|channels|numbers"):
                copy.deepcopy(fitted).fit(wrong, y, **named)


@settings(max_examples=30)
@given(
    name=st.sampled_from(["accel-small", "ppg-small"]),
    seed=st.integers(0, 2**32 - 1),
    gap=st.one_of(
        st.tuples(st.just("every"), st.integers(2, 64)),
        st.tuples(st.just("random"), st.floats(0, 0.99)),
        st.tuples(st.just("stretch"), st.integers(1, 3839)),
        st.tuples(st.just("all but one"), st.integers(0, 3839)),
    ),
)
def test_shipped_encoders_give_numbers_wherever_there_is_a_sample(name, seed, gap):
    rng, encoder = np.random.default_rng(seed), biosig.load_encoder(name)
    x = rng.normal(0, 0.02, (2, encoder.config_["n_channels"], 3840)).astype(np.float32)
    where = np.zeros(3840, dtype=bool)
    how, value = gap
    if how == "every":
        where[rng.integers(value) :: value] = True
    elif how == "random":
        where[:] = rng.random(3840) < value
    elif how == "stretch":
        where[:value] = True
        where = np.roll(where, rng.integers(3840))
    else:
        where[:] = True
        where[value] = False
    channels = rng.permutation(x.shape[1])[: rng.integers(1, x.shape[1] + 1)]  # one axis, two or all
    x[1, channels[:, np.newaxis], where] = np.nan
    if where.all():
        return
    embedding = encoder.transform(x)
    assert np.isfinite(embedding).all()
    np.testing.assert_array_equal(embedding[0], encoder.transform(np.stack([x[0], x[0]]))[0])
    x[1] = np.nan
    assert np.isnan(encoder.transform(x)[1]).all()


@pytest.mark.parametrize(("every", "most"), [(2, 0.5), (3, 0.4), (4, 0.3), (16, 0.1)])
def test_a_window_with_short_gaps_is_still_like_itself(every, most):
    """Nearer to the whole window than another window is, by the fraction given."""
    encoder = biosig.load_encoder("ppg-small")
    t = np.arange(3840) / 64
    x = np.stack([np.sin(2 * np.pi * f * t) + 0.3 * np.sin(4 * np.pi * f * t) for f in (0.9, 1.0, 1.4)])[:, np.newaxis]
    gappy = x.copy()
    gappy[..., 1::every] = np.nan
    whole, found = encoder.transform(x.astype(np.float32)), encoder.transform(gappy.astype(np.float32))
    others = np.linalg.norm(whole[0] - whole[1])
    assert np.linalg.norm(found - whole, axis=1).max() < most * others
