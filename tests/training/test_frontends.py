from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from biosig.signals import band_envelope
from biosig.training import make_config
from biosig.training.frontends import FRONT_ENDS, check_input, front_end_shape, prepare, with_data
from tests.naive import augmentation as naive


def config(front_end="samples", **settings):
    return make_config(
        modality="accel", n_channels=3, n_samples=640, sampling_rate=64.0, front_end=front_end, **settings
    )


def windows(n=4):
    return np.random.default_rng(0).standard_normal((n, 3, 640)).astype(np.float32) * 0.01


def test_samples_are_scaled_by_window_and_channel():
    x = windows()
    x[1, 2] = 0.5
    x[2, 0, 100:300] = np.nan
    x[3] = np.nan
    features, has_data = prepare(x, config())
    np.testing.assert_allclose(features, naive.standardise(x), rtol=1e-4, atol=1e-5)
    assert has_data.tolist() == [True, True, True, False]
    assert (features[1, 2] == 0).all() and (features[2, 0, 100:300] == 0).all() and (features[3] == 0).all()


def test_envelopes_are_scaled_after_the_envelope():
    x = windows()
    x[2] = np.nan
    made = config("envelopes")
    features, has_data = prepare(x, made)
    envelopes = band_envelope(x, 64.0)
    np.testing.assert_allclose(features, naive.standardise(envelopes), rtol=1e-3, atol=1e-4)
    assert features.shape[1:] == front_end_shape(made["front_end"], 3, 640, 64.0)
    assert (made["encoder"]["n_channels"], made["encoder"]["n_samples"]) == features.shape[1:]
    assert made["encoder"]["sampling_rate"] == FRONT_ENDS["envelopes"]["envelope_rate"]
    assert has_data.tolist() == [True, True, False, True]


def gaps(kind, seed):
    """Windows (2, 3, 640) of which the second lacks samples, and which those are."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 3, 640)).astype(np.float32) * 0.01
    where = np.zeros((3, 640), dtype=bool)
    name, value = kind
    if name == "every":
        where[:, rng.integers(value) :: value] = True
    elif name == "random":
        where[:] = rng.random((1 if seed % 2 else 3, 640)) < value
    elif name == "stretch":
        first = rng.integers(0, 640 - value + 1)
        where[:, first : first + value] = True
    elif name == "axis":
        where[rng.permutation(3)[:value]] = True
    else:
        where[:] = True
        where[rng.integers(3), value if value >= 0 else 640 + value] = False
    x[1, where] = [np.nan, np.inf, -np.inf][seed % 3]
    return x, where


KINDS = st.one_of(
    st.tuples(st.just("every"), st.integers(2, 40)),
    st.tuples(st.just("random"), st.floats(0, 0.95)),
    st.tuples(st.just("stretch"), st.integers(1, 639)),
    st.tuples(st.just("axis"), st.integers(1, 2)),
    st.tuples(st.just("one sample"), st.integers(-640, 639)),
)


@pytest.mark.parametrize("front_end", ["samples", "envelopes"])
@pytest.mark.parametrize("normalisation", ["zscore", "none"])
@given(kind=KINDS, seed=st.integers(0, 999))
def test_whatever_is_missing_a_real_sample_gives_finite_features(front_end, normalisation, kind, seed):
    x, where = gaps(kind, seed)
    assume(not where.all())
    before = x.copy()
    made = config(front_end, normalisation=normalisation)
    features, has_data = prepare(x, made, 1)
    assert has_data.all() and np.isfinite(features).all()
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(features[:1], prepare(x[:1], made, 1)[0])  # a whole window knows nothing of the other
    if not where.any():
        np.testing.assert_array_equal(features[1], prepare(np.ascontiguousarray(x[1:]), made, 1)[0][0])
    x[1] = np.nan
    assert prepare(x, made, 1)[1].tolist() == [True, False]


@pytest.mark.parametrize("every", [2, 3, 4, 8])
def test_short_gaps_are_bridged_and_long_ones_are_zero(every):
    t = np.arange(640) / 64
    x = np.broadcast_to(np.sin(2 * np.pi * 1.2 * t), (2, 3, 640)).astype(np.float32).copy()
    x[1, :, 1:-1:every] = np.nan
    x[1, :, 200:240] = np.nan  # 0.6 s
    features, _ = prepare(x, config())
    far = np.r_[0:198, 242:640]
    np.testing.assert_allclose(features[1][:, far], features[0][:, far], atol=0.1)
    assert (features[1][:, 201:239] == 0).all()


def test_without_normalisation_only_missing_samples_change():
    x = windows()
    x[0, 0, :5] = np.nan
    features, _ = prepare(x, config(normalisation="none"))
    np.testing.assert_array_equal(features, np.where(np.isnan(x), 0, x))


@pytest.mark.parametrize("front_end", ["samples", "envelopes"])
def test_features_do_not_depend_on_threads_or_neighbours(front_end):
    x, made = windows(7), config(front_end)
    features, _ = prepare(x, made, 1)
    np.testing.assert_array_equal(features, prepare(x, made, 3)[0])
    np.testing.assert_array_equal(features[2:3], prepare(x[2:3], made)[0])


def test_windows_without_data_are_found():
    x = windows()
    x[0], x[2, :, 1:], x[2, 0, 0], x[3, 1] = np.nan, np.nan, np.inf, np.nan
    assert with_data(x).tolist() == [False, True, True, True]
    x[2] = np.inf
    assert with_data(x, 2).tolist() == [False, True, False, True]


def test_config_is_plain_and_complete():
    made = config({"name": "envelopes", "bands": ((2, 6), (6, 12)), "envelope_rate": 16})
    assert json.loads(json.dumps(made)) == made
    assert made["encoder"]["n_channels"] == 6 and made["embedding"] == 2 * made["encoder"]["widths"][-1]
    transformer = config(architecture="transformer", dropout=0.3)
    assert transformer["embedding"] == transformer["encoder"]["width"]
    assert config(dropout=0.3)["encoder"]["dropout"] == 0.3


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"front_end": "wavelets"}, "wavelets"),
        ({"front_end": {"name": "wavelets"}}, "wavelets"),
        ({"normalisation": "minmax"}, "minmax"),
        ({"modality": "ecg"}, "ecg"),
        ({"sampling_rate": 0}, "sampling_rate"),
        ({"n_samples": 641}, "641"),
    ],
)
def test_impossible_configs_are_refused(wrong, says):
    good = {"modality": "accel", "n_channels": 3, "n_samples": 640, "sampling_rate": 64.0}
    with pytest.raises(ValueError, match=says):
        make_config(**good | wrong)


def test_windows_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="600 samples"):
        check_input(np.zeros((2, 3, 600), np.float32), config())
    with pytest.raises(ValueError, match="channels"):
        check_input(np.zeros((2, 1, 640), np.float32), config())
