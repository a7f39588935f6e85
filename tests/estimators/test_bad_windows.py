"""Every signal step on windows of every kind: the right shape, or a ValueError that says what to do; nothing else."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given

from biosig.estimators import (
    BandEnvelope,
    BandpassFilter,
    GravityRemover,
    OrientationFree,
    Resampler,
    WindowNormalizer,
)
from tests.hostile import arrays

STEPS = {
    "resample": Resampler(50.0, 64.0, n_jobs=1),
    "gravity": GravityRemover(64.0, n_jobs=1),
    "band": BandpassFilter(64.0, n_jobs=1),
    "normalise": WindowNormalizer(n_jobs=1),
    "envelope": BandEnvelope(64.0, bands=[(4.0, 7.0)], n_jobs=1),
    "magnitude": OrientationFree(64.0, form="magnitude", n_jobs=1),
    "vertical": OrientationFree(64.0, n_jobs=1),
}


@pytest.mark.parametrize("name", STEPS)
@given(x=arrays())
def test_windows_of_anything(name, x):
    windows = x[np.newaxis]
    before = windows.copy()
    step = STEPS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            out = step.fit(windows).transform(windows)
        except ValueError as error:
            assert any(word in str(error) for word in ("at least one sample", "needs more than")), error
            assert x.shape[1] < 40
            return
    assert out.dtype == np.float32
    assert out.shape[:2] == (1, len(step.get_feature_names_out()))
    np.testing.assert_array_equal(windows, before)
    with np.errstate(over="ignore"):
        nothing = not np.isfinite(x.astype(np.float32)).any()
    if x.shape[1] and nothing and name != "envelope":
        assert np.isnan(out).all()


@pytest.mark.parametrize("step", [Resampler, GravityRemover, BandpassFilter, BandEnvelope, OrientationFree])
@pytest.mark.parametrize("rate", [0, -1, np.nan, np.inf, "64", True, None])
def test_impossible_rates_are_refused_by_name(step, rate):
    with pytest.raises(ValueError, match="sampling_rate is "):
        step(rate).fit(np.ones((1, 3, 100), np.float32))
