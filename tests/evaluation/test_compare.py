import numpy as np
import pandas as pd
import pytest

from biosig.evaluation import Prediction, compare, error_by_motion, error_by_participant, participant_folds, probe_folds
from biosig.evaluation.compare import OWN_MEDIAN, TRAINING_MEAN


def cohort(n_people=6, n_windows=20, seed=0):
    rng = np.random.default_rng(seed)
    groups = np.repeat([f"p{i}" for i in range(n_people)], n_windows)
    rate = (
        60 + 5 * rng.normal(size=n_people)[np.unique(groups, return_inverse=True)[1]] + 3 * rng.normal(size=len(groups))
    )
    good = np.stack([rate + rng.normal(size=len(rate)), rng.normal(size=len(rate))], axis=1)
    targets = pd.DataFrame({"heart_rate": rate, "sdnn": rng.normal(50, 10, len(rate)), "reason": ""})
    return {"good": good, "noise": rng.normal(size=(len(rate), 4))}, targets, groups


def row(frame, encoder, target="heart_rate"):
    return frame[(frame["encoder"] == encoder) & (frame["target"] == target)].iloc[0]


def test_trivial_predictors_and_counts_by_hand():
    groups = np.array(["a", "a", "b", "b", "b", "c"])
    targets = pd.DataFrame({"heart_rate": [50.0, 70.0, 80.0, 84.0, 94.0, np.nan]})
    ready = Prediction({"heart_rate": np.array([0, 0, 81.0, np.nan, 90.0, 77.0])})
    found = compare({"ready": ready}, targets, groups, train=[0, 1], test=[2, 3, 4, 5], n_boot=50, random_state=0)
    mean, oracle, own = (row(found.table, name) for name in (TRAINING_MEAN, OWN_MEDIAN, "ready"))
    assert mean["mae"] == pytest.approx((20 + 24 + 34) / 3)
    assert oracle["mae"] == pytest.approx((4 + 0 + 10) / 3)
    assert own["mae"] == pytest.approx((1 + 4) / 2)
    assert (own["n_windows"], own["n_participants"], own["coverage"], mean["coverage"]) == (2, 1, 0.5, 0.75)
    assert own["seed"] == 0
    # Paired on the two windows that both have: (1 + 4) / 2 against (20 + 34) / 2.
    difference = row(found.differences, TRAINING_MEAN)
    assert difference["difference"] == pytest.approx(2.5 - 27)
    assert difference["relative"] == pytest.approx((2.5 - 27) / 27)
    assert difference["n_windows"] == 2


def test_probes_out_of_fold_and_finds_the_better_encoder():
    features, targets, groups = cohort()
    found = compare(features, targets, groups, folds=3, random_state=0, n_boot=300)
    good = row(found.table, "good")
    predicted = probe_folds(features["good"], targets["heart_rate"], groups, 3)
    assert good["mae"] == pytest.approx(np.abs(predicted - targets["heart_rate"]).mean())
    assert good["ci95_low"] < good["mae"] < good["ci95_high"] and good["coverage"] == 1
    better = row(found.differences, "noise")
    assert better["reference"] == "good" and better["difference_high"] < 0 and better["relative_high"] < 0
    assert row(found.table, "good")["r"] > 0.8 > row(found.table, "noise")["r"]
    assert set(found.table["target"]) == {"heart_rate", "sdnn"}
    assert np.isnan(row(found.table, TRAINING_MEAN)["r"])
    # The same folds given one by one, and the same seed, are the same comparison.
    again = compare(features, targets, groups, folds=participant_folds(groups, 3), random_state=0, n_boot=300)
    pd.testing.assert_frame_equal(found.table, again.table)


def test_train_and_test_sharing_people_is_refused_by_name():
    features, targets, groups = cohort()
    with pytest.raises(ValueError, match=r"2 participant\(s\) .*: p1, p3;"):
        compare(features, targets, groups, train=groups < "p4", test=np.isin(groups, ["p1", "p3", "p5"]))
    with pytest.raises(ValueError, match="p0"):
        compare(features, targets, groups, folds=np.arange(len(groups)) % 2)


def test_gate_counts_in_coverage_and_keeps_windows_out_of_training():
    features, targets, groups = cohort()
    train, test = groups < "p4", groups >= "p4"
    passed = np.ones(len(groups), dtype=bool)
    passed[::4] = False
    broken = targets.copy()
    broken.loc[~passed, "heart_rate"] = 1e6
    found = compare(features, broken, groups, train=train, test=test, passed=passed, random_state=0, n_boot=50)
    good = row(found.table, "good")
    assert good["mae"] < 5 and good["coverage"] == good["gate_coverage"] == 0.75
    assert set(found.predictions["window"]) == set(np.flatnonzero(test & passed))


def test_missing_features_lower_the_coverage_only():
    features, targets, groups = cohort()
    features["good"][::2] = np.nan
    found = compare(features, targets, groups, folds=3, n_boot=50, random_state=0)
    assert row(found.table, "good")["coverage"] == 0.5
    assert row(found.differences, "noise")["n_windows"] == 60
    assert row(found.table, "noise")["coverage"] == 1


def test_a_failing_cell_says_why_and_leaves_the_others_alone():
    features, targets, groups = cohort()
    train, test = groups < "p4", groups == "p5"
    targets["sdnn"] = np.nan
    targets["rmssd"] = np.where(train, np.nan, 30.0)
    features["lost"] = np.full((len(groups), 2), np.nan)
    features["rate only"] = Prediction({"heart_rate": np.full(len(groups), 60.0)})
    table = compare(features, targets, groups, train=train, test=test, n_boot=50).table
    assert row(table, "good")["reason"] == "one participant: no interval" and row(table, "good")["mae"] < 3
    assert np.isnan(row(table, "good")["ci95_low"])
    assert row(table, "good", "sdnn")["reason"] == "no test window has this target"
    assert row(table, "good", "rmssd")["reason"] == "no training window has this target"
    assert row(table, OWN_MEDIAN, "rmssd")["mae"] == 0
    assert row(table, "lost")["reason"].startswith("no prediction") and np.isnan(row(table, "lost")["mae"])
    assert not ((table["encoder"] == "rate only") & (table["target"] != "heart_rate")).any()
    nothing = compare(features, targets, groups, train=train, test=test, passed=groups == "none", n_boot=50)
    assert (nothing.table["reason"] == "no test window passed the gate").all() and len(nothing.predictions) == 0


def test_constant_features_and_targets():
    _, targets, groups = cohort()
    targets["sdnn"] = 40.0
    table = compare({"flat": np.ones((len(groups), 3))}, targets, groups, folds=3, n_boot=50).table
    assert row(table, "flat")["mae"] == pytest.approx(row(table, TRAINING_MEAN)["mae"])
    assert row(table, "flat", "sdnn")["mae"] == pytest.approx(0, abs=1e-9)
    assert np.isnan(row(table, "flat", "sdnn")["r"])


def test_correlation_is_not_fooled_by_fold_means():
    # Predicting the mean of the others is anticorrelated with the truth when folds are pooled.
    _, targets, groups = cohort(n_people=4)
    table = compare({"flat": np.ones((len(groups), 1))}, targets, groups, folds=4, n_boot=50).table
    assert np.isnan(row(table, "flat")["r"])


def test_breakdown_by_motion_and_participant():
    predictions = pd.DataFrame(
        {
            "window": range(6),
            "participant": ["a", "a", "a", "b", "b", "c"],
            "motion": [0.001, 0.01, 0.011, 0.2, np.nan, 0.001],
            "encoder": "e",
            "target": "heart_rate",
            "true": [60.0, 60, 60, 60, 60, np.nan],
            "predicted": [61.0, 58, 54, 70, 62, 60],
        }
    )
    table = error_by_motion(predictions, random_state=0)
    assert table["mae"].tolist() == [1.0, 4.0, 10.0]
    assert table["motion_low"].tolist() == [0.0, 0.01, 0.05] and table["n_windows"].tolist() == [1, 2, 1]
    people = error_by_participant(predictions).set_index("participant")
    assert people.loc["a", "mae"] == 3 and people.loc["a", "bias"] == pytest.approx(-7 / 3)
    assert people.loc["b", "bias"] == 6 and people.loc["c", "n_windows"] == 0 and np.isnan(people.loc["c", "mae"])
    assert error_by_motion(predictions.assign(motion=np.nan)).empty


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": {}}, "0 encoder"),
        ({"targets": pd.DataFrame({"reason": [""] * 120})}, "0 numeric"),
        ({"features": {"a": np.ones((7, 2))}}, "120 windows"),
        ({"features": {"a": np.ones(120)}}, "newaxis"),
        ({"features": {"a": Prediction({"heart_rate": np.ones(3)})}}, "a: heart_rate has shape"),
        ({"features": {TRAINING_MEAN: np.ones((120, 2))}}, "choose another"),
        ({"reference": "missing"}, "expected one of"),
        ({"folds": None}, "train and test"),
        ({"train": [0]}, "folds were given together"),
        ({"folds": None, "train": [0], "test": [500]}, "windows 0 to 119"),
        ({"folds": None, "train": [0.5], "test": [1]}, "a mask or window numbers"),
        ({"passed": np.ones(3, bool)}, "mask of shape"),
        ({"motion": np.ones(3)}, "motion has shape"),
        ({"groups": ["a"] * 120}, "need two of each"),
    ],
)
def test_what_does_not_belong_together_is_refused(change, message):
    features, targets, groups = cohort()
    options = {"features": features, "targets": targets, "groups": groups, "folds": 3} | change
    with pytest.raises(ValueError, match=message):
        compare(options.pop("features"), options.pop("targets"), options.pop("groups"), **options)
