from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
import xarray as xr
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from biosig.estimators import ParticipantMean

PEOPLE = np.array(["b", "a", "b", "c", "a", "b"])
ROWS = np.arange(12, dtype=np.float32).reshape(6, 2)
ROWS[2] = np.nan
ROWS[3, 1] = np.nan
MEANS = np.float32([[5.0, 6.0], [5.0, 6.0], [np.nan, np.nan]])  # a: rows 1 and 4, b: 0 and 5, c has no whole row


def test_one_row_a_participant_without_the_hopeless_windows():
    mean = ParticipantMean()
    out = mean.fit_transform(ROWS, groups=PEOPLE)
    np.testing.assert_array_equal(out, MEANS)
    assert out.dtype == np.float32 and mean.participants_.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(mean.transform(ROWS[:1] + 7, groups=["new"]), [[7.0, 8.0]])
    kept = ParticipantMean(keep_windows=True).fit_transform(ROWS, groups=PEOPLE)
    np.testing.assert_array_equal(kept, MEANS[[1, 0, 1, 2, 0, 1]])


def test_many_rows_against_the_obvious_loop():
    rng = np.random.default_rng(0)
    x, groups = rng.standard_normal((200, 5)), rng.integers(0, 9, 200)
    out = ParticipantMean().fit_transform(x, groups=groups)
    np.testing.assert_allclose(out, [x[groups == g].mean(axis=0) for g in range(9)], rtol=1e-12)


def test_tables_come_back_as_tables():
    frame = pd.DataFrame(ROWS, columns=["x", "y"])
    out = ParticipantMean().fit_transform(frame, groups=PEOPLE)
    assert list(out.columns) == ["x", "y"] and list(out.index) == ["a", "b", "c"]
    wrapped = ParticipantMean().set_output(transform="pandas").fit(frame, groups=PEOPLE).transform(frame, groups=PEOPLE)
    pd.testing.assert_frame_equal(out, wrapped)
    kept = ParticipantMean(keep_windows=True).fit_transform(frame, groups=PEOPLE)
    assert list(kept.index) == list(frame.index)
    array = xr.DataArray(
        ROWS, dims=("window", "feature"), coords={"participant": ("window", PEOPLE), "feature": ["x", "y"]}
    )
    out = ParticipantMean().fit_transform(array)
    assert out.dims == ("participant", "feature") and out.sel(participant="a", feature="y") == 6
    kept = ParticipantMean(keep_windows=True).fit_transform(array)
    assert kept.dims == array.dims and (kept["participant"] == PEOPLE).all()
    assert ParticipantMean().fit(frame, groups=PEOPLE).get_feature_names_out().tolist() == ["x", "y"]


def test_groups_reach_it_in_a_pipeline_by_routing():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 5)
    age = rng.uniform(20, 80, 12)[groups]
    x = age[:, None] / 20 + 3 * rng.standard_normal((60, 1))
    mean = ParticipantMean(keep_windows=True)
    with sklearn.config_context(enable_metadata_routing=True):
        mean.set_fit_request(groups=True).set_transform_request(groups=True)
        predicted = make_pipeline(mean, Ridge()).fit(x, age, groups=groups).predict(x, groups=groups)
    assert np.mean((predicted - age) ** 2) < 0.8 * np.mean((Ridge().fit(x, age).predict(x) - age) ** 2)


@pytest.mark.parametrize(
    ("groups", "says"), [(None, "groups is missing"), (PEOPLE[:-1], "one participant label per window")]
)
def test_missing_groups_are_refused(groups, says):
    with pytest.raises(ValueError, match=says):
        ParticipantMean().fit(ROWS, groups=groups)
