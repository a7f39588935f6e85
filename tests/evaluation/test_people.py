import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from biosig.evaluation import person_means, probe_people
from biosig.evaluation.people import area

FOLDS = np.arange(40) % 4


def people(seed=0, n=40):
    rng = np.random.default_rng(seed)
    age, female = rng.uniform(20, 75, n), rng.random(n) < 0.5
    good = np.stack([age + rng.normal(0, 3, n), female + rng.normal(0, 0.3, n), rng.normal(size=n)], axis=1)
    labels = pd.DataFrame({"age": age, "sex": np.where(female, "female", "male")})
    return {"good": [np.stack([good] * 4)], "noise": [rng.normal(size=(4, n, 5))]}, labels


def cell(table, encoder, target):
    return table[(table["encoder"] == encoder) & (table["target"] == target)].iloc[0]


def test_regression_and_classes():
    embeddings, labels = people()
    table = probe_people(embeddings, labels, FOLDS, n_boot=200, random_state=0)
    age, sex = cell(table, "good", "age"), cell(table, "good", "sex")
    assert age["measure"] == "mae" and 1 < age["ci95_low"] < age["value"] < age["ci95_high"] < 6
    assert sex["measure"] == "auc" and sex["value"] > 0.9 and sex["ci95_high"] <= 1
    assert 0.2 < cell(table, "noise", "sex")["value"] < 0.8
    assert cell(table, "training mean", "age")["value"] > 2 * age["value"]
    assert (table["n_participants"] == 40).all() and (table["reason"] == "").all()
    again = probe_people(embeddings, labels, FOLDS, n_boot=200, random_state=0)
    pd.testing.assert_frame_equal(table, again)


def test_area_is_the_usual_one_in_one_fold_and_counts_no_pair_across_folds():
    rng = np.random.default_rng(1)
    scores, y = np.round(rng.normal(size=30), 1), (rng.random(30) < 0.4).astype(float)
    estimate, low, high = area(scores, y, np.zeros(30), n_boot=300, random_state=0)
    assert estimate == pytest.approx(roc_auc_score(y, scores)) and low < estimate < high
    # Perfect in each fold; the level of the folds would spoil it when pooled.
    fold = np.array([0, 0, 1, 1])
    assert area(np.array([0.0, 1, 10, 11]), np.array([0.0, 1, 0, 1]), fold, random_state=0)[0] == 1


def test_means_leave_out_rows_that_are_not_finite():
    x = np.array([[1.0, 2], [3, 4], [np.nan, 0], [5, np.inf]])
    found = person_means(x, np.array(["a", "a", "a", "b"]), np.array(["a", "b", "c"]))
    assert found[0].tolist() == [2, 3] and np.isnan(found[1:]).all()


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (["x"] * 40, "one class only: x"),
        ([1] * 40, "one class only: 1"),
        ([33.0] * 40, "constant target: 33.0"),
        ([None] * 40, "no participant has this label"),
        (list("abcd") * 10, "4 classes"),
        (["a", None, None, None] * 10, "one class only"),
        ([1.0, 2.0, 5.0] + [np.nan] * 37, "training participants with this label; 5 needed"),
        (["a"] * 39 + ["b"], "no fold tests both classes|one class only|no test"),
    ],
)
def test_what_cannot_be_probed_says_why(column, reason):
    embeddings, labels = people()
    labels["odd"] = pd.Series(column)
    table = probe_people({"good": embeddings["good"]}, labels, FOLDS, n_boot=50, random_state=0)
    odd = cell(table, "good", "odd")
    assert pd.Series([odd["reason"]]).str.contains(reason).all() or np.isfinite(odd["value"])
    assert np.isfinite(cell(table, "good", "age")["value"])


def test_one_class_in_training_or_test():
    embeddings, labels = people()
    folds = np.where(labels["sex"] == "male", -1, 0)
    row = cell(probe_people(embeddings, labels, folds, n_boot=50, random_state=0), "good", "sex")
    assert row["reason"] == "one class only among the training participants" and np.isnan(row["value"])
    folds = np.where((labels["sex"] == "male") & (np.arange(40) < 20), 0, -1)
    row = cell(probe_people(embeddings, labels, folds, n_boot=50, random_state=0), "good", "sex")
    assert row["reason"] == "one class only among the test participants"
