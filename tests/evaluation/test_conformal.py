import numpy as np
import pandas as pd
import pytest

from biosig.evaluation import conformal_coverage, conformal_radius, error_against_coverage


def predictions(n_people=40, n_windows=30, seed=0, unsure=True):
    """People whose errors differ in size, with expected errors that know it (or not)."""
    rng = np.random.default_rng(seed)
    size = np.repeat(np.exp(rng.normal(0, 0.5, n_people)), n_windows) * np.exp(rng.normal(0, 0.5, n_people * n_windows))
    true = rng.normal(70, 8, len(size))
    return pd.DataFrame(
        {
            "window": np.arange(len(size)),
            "participant": np.repeat([f"p{i}" for i in range(n_people)], n_windows),
            "motion": 0.01,
            "encoder": "e",
            "target": "heart_rate",
            "run": 0,
            "true": true,
            "predicted": true + size * rng.normal(size=len(size)),
            "expected_error": size if unsure else np.nan,
        }
    )


def test_radius_by_hand():
    # Three people of mass 1/4 each: the windows of "a" weigh 1/8.
    scores, groups = [1.0, 5.0, 2.0, 3.0], ["a", "a", "b", "c"]
    assert conformal_radius(scores, groups, 0.125) == 1
    assert conformal_radius(scores, groups, 0.3) == 2
    assert conformal_radius(scores, groups, 0.6) == 3
    assert conformal_radius(scores, groups, 0.75) == 5
    assert conformal_radius(scores, groups, 0.76) == np.inf
    assert conformal_radius([np.nan, 1.0], ["a", "b"], 0.5) == 1
    assert conformal_radius([], [], 0.9) == np.inf
    with pytest.raises(ValueError, match="level"):
        conformal_radius(scores, groups, 1.0)


def test_many_windows_of_one_person_do_not_decide():
    groups = np.repeat(["easy", *(f"p{i}" for i in range(19))], [1000, *[5] * 19])
    scores = np.where(groups == "easy", 0.1, 1.0)
    assert np.quantile(scores, 0.9) == pytest.approx(0.1)
    assert conformal_radius(scores, groups, 0.9) == 1


def test_intervals_hold_on_new_people_and_known_size_makes_them_shorter():
    known = conformal_coverage(predictions(), random_state=0, n_boot=200).iloc[0]
    blind = conformal_coverage(predictions(unsure=False), random_state=0, n_boot=200).iloc[0]
    for row in (known, blind):
        assert 0.87 < row["coverage"] < 0.98 and row["ci95_low"] < row["coverage"] < row["ci95_high"]
        assert row["n_calibration"] == 20 and row["reason"] == "" and row["worst_participant"] <= row["coverage"]
    assert known["scaled"] and not blind["scaled"]
    assert known["half_width"] < blind["half_width"]


def test_too_few_people_give_a_reason():
    row = conformal_coverage(predictions(n_people=10), random_state=0).iloc[0]
    assert np.isnan(row["coverage"]) and "18 needed" in row["reason"]
    nothing = predictions(n_people=2)
    nothing["predicted"] = np.nan
    assert "0 participants" in conformal_coverage(nothing, random_state=0).iloc[0]["reason"]


def test_error_falls_when_the_least_certain_are_left_out():
    table = error_against_coverage(predictions(), random_state=0, n_boot=50, shares=(1.0, 0.5, 0.1)).set_index("kept")
    assert table.loc[0.1, "mae"] < table.loc[0.5, "mae"] < table.loc[1.0, "mae"]
    assert table["n_windows"].tolist() == [1200, 600, 120]
    assert table.loc[1.0, "most_error_expected"] == predictions()["expected_error"].max()
    assert error_against_coverage(predictions(unsure=False)).empty
    assert error_against_coverage(predictions().assign(expected_error=1.0)).empty


def test_runs_of_an_encoder_are_averaged_window_by_window():
    one = predictions()
    two = pd.concat([one, one.assign(run=1, predicted=one["true"])], ignore_index=True)
    found = error_against_coverage(two, random_state=0, n_boot=50, shares=(1.0,)).iloc[0]
    alone = error_against_coverage(one, random_state=0, n_boot=50, shares=(1.0,)).iloc[0]
    assert found["mae"] == pytest.approx(alone["mae"] / 2) and found["n_windows"] == 1200
