"""The comparison below motion gates, on some people, within families: the same errors, fewer windows or rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from biosig.evaluation import Prediction, compare
from biosig.evaluation.subsets import errors_by_family, errors_by_gate, errors_on


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 10)
    y = rng.normal(60, 5, 120)
    motion = rng.uniform(0, 0.05, 120)
    near = Prediction({"rate": y + np.where(motion <= 0.02, 1.0, 4.0)})
    far = Prediction({"rate": np.where(np.arange(120) % 2, y + 2.0, np.nan)})
    targets = pd.DataFrame({"rate": y})
    folds = np.where(groups < 6, 0, 1)
    return compare({"near": near, "far": far}, targets, groups, folds=folds, motion=motion, random_state=0), motion


def test_gates_select_windows_and_tell_coverage(made):
    comparison, motion = made
    table = errors_by_gate(comparison, motion, 240, [0.05, 0.02], n_boot=100, random_state=0)
    near = table[table["encoder"] == "near"].set_index("gate")
    assert list(near.index) == [0.02, 0.05]
    assert near.loc[0.02, "mae"] == pytest.approx(1.0) and near.loc[0.02, "n_windows"] == (motion <= 0.02).sum()
    assert near.loc[0.05, "coverage"] == 0.5
    whole = comparison.table.set_index("encoder")
    for name in whole.index:  # the widest gate is the comparison itself
        row = table[(table["encoder"] == name) & (table["gate"] == 0.05)].iloc[0]
        assert row["mae"] == pytest.approx(whole.loc[name, "mae"]) and row["n_windows"] == whole.loc[name, "n_windows"]
    far = table[table["encoder"] == "far"].set_index("gate")
    assert far.loc[0.02, "relative"] == pytest.approx(-0.5) and far.loc[0.02, "relative_high"] == pytest.approx(-0.5)
    assert np.isnan(near["relative"]).all()


def test_within_a_family_its_own_student_is_the_reference(made):
    comparison, _ = made
    members = {"a": {"near": "student", "far": "rival"}, "b": {"far": "student", "near": "rival"}}
    table = errors_by_family(comparison, members, n_boot=100, random_state=0)
    assert list(table["family"]) == ["a", "a", "b", "b"] and set(table["reference"]) == {"student"}
    whole = comparison.table.set_index("encoder")["mae"]
    for family, names in members.items():
        rows = table[table["family"] == family].set_index("encoder")
        for name, shared in names.items():
            assert rows.loc[shared, "mae"] == pytest.approx(whole[name])
        assert np.isnan(rows.loc["student", "relative"])
    gaps = table.set_index(["family", "encoder"])["relative"]
    assert 1 + gaps["a", "rival"] == pytest.approx(1 / (1 + gaps["b", "rival"]))


def test_parts_without_a_window_are_left_out(made):
    table = errors_on(made[0], {"some": np.arange(20), "none": np.arange(0)}, "part", n_boot=10, random_state=0)
    assert set(table["part"]) == {"some"} and set(table["n_participants"]) == {2}
    assert errors_by_gate(made[0], made[1], 120, [1e-9], n_boot=10).empty
