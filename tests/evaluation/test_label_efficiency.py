import numpy as np
import pandas as pd
import pytest

from biosig.evaluation import label_errors, label_table
from biosig.evaluation.label_efficiency import labelled_people

N, EACH = 20, 8
GROUPS = np.repeat([f"p{i:02d}" for i in range(N)], EACH)
TEST = GROUPS >= "p12"


def material(seed=0):
    rng = np.random.default_rng(seed)
    y = 70 + 8 * rng.normal(size=len(GROUPS))
    clear = np.stack([y + rng.normal(0, 1, len(y)), rng.normal(size=len(y))], axis=1)
    wide = np.concatenate([clear + rng.normal(0, 3, clear.shape), rng.normal(size=(len(y), 20))], axis=1)
    return {"clear": clear, "wide": wide}, pd.DataFrame({"heart_rate": y, "sdnn": np.where(GROUPS < "p05", np.nan, y)})


def test_more_people_include_the_fewer():
    people = np.arange(100)
    few, more = (set(labelled_people(people, share, 3, 0)) for share in (0.1, 0.4))
    assert few < more and (len(few), len(more)) == (10, 40)
    assert len(labelled_people(people, 0.0, 0, 0)) == 1
    assert set(labelled_people(people, 0.1, 4, 0)) != few
    with pytest.raises(ValueError, match="share"):
        labelled_people(people, 10, 0, 0)


def test_errors_fall_with_labels_and_the_clearer_encoder_needs_fewer():
    features, targets = material()
    errors = label_errors(features, targets, GROUPS, TEST, shares=(0.0, 0.5, 1.0), n_draws=3)
    assert np.isnan(errors["clear", "heart_rate", 0.0][:, ~TEST]).all()
    table = label_table([errors], GROUPS, 12, "clear", n_boot=100, random_state=0)
    cell = table.set_index(["encoder", "target", "share"]).sort_index()
    assert set(table["n_labelled"]) == {1, 6, 12} and (table["n_windows"] == TEST.sum()).sum() > 6
    for name in ("clear", "wide"):
        assert cell.loc[(name, "heart_rate", 1.0), "mae"] < cell.loc[(name, "heart_rate", 1 / 12), "mae"]
    gap = cell.loc[("wide", "heart_rate", 0.5)]
    assert gap["relative_low"] < gap["relative"] < gap["relative_high"] < 0
    assert np.isnan(cell.loc[("clear", "heart_rate", 0.5), "relative"])
    mean = np.abs(targets["heart_rate"][TEST] - targets["heart_rate"][~TEST].mean()).mean()
    assert cell.loc[("training mean", "heart_rate", 1.0), "mae"] == pytest.approx(mean)


def test_an_encoder_that_learns_from_labels_is_given_only_those():
    features, targets = material()
    given = []

    def supervised(labelled):
        given.append(labelled)
        return features["wide"]

    errors = label_errors({"wide": features["wide"], "own": supervised}, targets, GROUPS, TEST, shares=(0.0, 1.0))
    assert [len(np.unique(GROUPS[mask])) for mask in given] == [1, 12]
    assert not any((mask & TEST).any() for mask in given)
    assert np.isnan(errors["own", "heart_rate", 0.0][1:]).all()
    table = label_table([errors], GROUPS, 12, "wide", n_boot=50, random_state=0)
    table = table.set_index(["encoder", "target", "share"])
    # Compared on the one draw that both have, where they are the same.
    assert table.loc[("own", "heart_rate", 1 / 12), "relative"] == 0


def test_labels_that_are_missing_leave_a_gap_only():
    features, targets = material()
    targets["none"] = np.nan
    errors = label_errors(features, targets, GROUPS, TEST, shares=(1.0,), n_draws=1)
    table = label_table([errors], GROUPS, 12, "clear", n_boot=50, random_state=0).set_index(["encoder", "target"])
    assert np.isnan(table.loc[("clear", "none"), "mae"]) and np.isfinite(table.loc[("clear", "sdnn"), "mae"])
