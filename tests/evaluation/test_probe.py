import numpy as np
import pytest
import sklearn
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from biosig.evaluation import choose_alpha, participant_folds, probe, probe_folds

ALPHAS = (0.1, 10.0, 1000.0, 1e5)


def cohort(n_people=8, n_windows=15, n_features=6, seed=0):
    rng = np.random.default_rng(seed)
    groups = np.repeat([f"p{i}" for i in range(n_people)], n_windows)
    x = rng.normal(size=(len(groups), n_features)) * 10.0 ** rng.integers(-3, 4, n_features) + 5
    y = (x - 5) @ (1 / x.std(axis=0)) + rng.normal(size=len(groups))
    return x, y, groups


@pytest.mark.parametrize("n_features", [6, 200])
def test_agrees_with_the_grid_search_of_scikit_learn(n_features):
    x, y, groups = cohort(n_features=n_features)
    train, test = groups < "p6", groups >= "p6"
    search = GridSearchCV(
        make_pipeline(StandardScaler(), Ridge()),
        {"ridge__alpha": ALPHAS},
        scoring="neg_mean_absolute_error",
        cv=GroupKFold(3),
    ).fit(x[train], y[train], groups=groups[train])
    # Folds of equal size: the mean over windows is the mean over folds.
    assert (
        choose_alpha(x[train], y[train], groups[train], alphas=ALPHAS, n_folds=3) == search.best_params_["ridge__alpha"]
    )
    predicted = probe(x[train], y[train], groups[train], x[test], alphas=ALPHAS, n_folds=3)
    np.testing.assert_allclose(predicted, search.predict(x[test]), rtol=1e-8)


def test_the_output_configured_for_scikit_learn_changes_nothing():
    x, y, groups = cohort()
    expected = probe(x[:90], y[:90], groups[:90], x[90:], alphas=ALPHAS)
    with sklearn.config_context(transform_output="pandas"):
        np.testing.assert_array_equal(probe(x[:90], y[:90], groups[:90], x[90:], alphas=ALPHAS), expected)


@pytest.mark.parametrize("n_features", [6, 200])
def test_all_penalties_at_once_are_single_ridges(n_features):
    from biosig.evaluation.probe import _path_predictions

    x, y, _ = cohort(n_features=n_features)
    together = _path_predictions(x[:90], y[:90], x[90:], np.array(ALPHAS))
    for column, alpha in zip(together.T, ALPHAS, strict=True):
        alone = make_pipeline(StandardScaler(), Ridge(alpha=alpha)).fit(x[:90], y[:90])
        np.testing.assert_allclose(column, alone.predict(x[90:]), rtol=1e-7)


def test_reads_a_linear_target_and_shrinks_noise_to_the_mean():
    x, _, groups = cohort()
    y = 3 + 2 * x[:, 0] / x[:, 0].std()
    train, test = groups < "p6", groups >= "p6"
    np.testing.assert_allclose(probe(x[train], y[train], groups[train], x[test]), y[test], atol=0.02)
    noise = np.random.default_rng(1).normal(size=len(y))
    predicted = probe(x[train], noise[train], groups[train], x[test])
    assert predicted.std() < 0.25 * noise.std()


def test_inner_folds_are_by_participant():
    # Features that tell who it is, targets that are personal: within a person prediction is perfect, across none.
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 20)
    x, y = np.eye(10)[groups] + 1e-3 * rng.normal(size=(200, 10)), rng.normal(size=10)[groups]
    assert choose_alpha(x, y, groups, alphas=(1e-3, 1e6)) == 1e6
    shuffled = rng.permutation(groups)
    assert choose_alpha(x, y, shuffled, alphas=(1e-3, 1e6)) == 1e-3


def test_nan_and_infinite_rows():
    x, y, groups = cohort()
    x[3, 2], x[100, 0], x[101, 0] = np.nan, np.nan, np.inf
    y[5] = np.nan
    train, test = groups < "p6", groups >= "p6"
    predicted = probe(x[train], y[train], groups[train], x[test])
    assert np.flatnonzero(np.isnan(predicted)).tolist() == [10, 11]
    keep = train & np.isfinite(x).all(axis=1) & np.isfinite(y)
    np.testing.assert_allclose(predicted, probe(x[keep], y[keep], groups[keep], x[test]))


def test_nothing_to_learn_or_to_predict():
    x, y, groups = cohort()
    assert np.isnan(probe(x, y * np.nan, groups, x)).all()
    assert np.isnan(probe(x * np.nan, y, groups, x)).all()
    assert np.isnan(probe(x, y, groups, x * np.nan)).all()
    assert probe(x, y, groups, x[:0]).shape == (0,)


def test_constant_target_features_and_few_participants():
    x, y, groups = cohort()
    np.testing.assert_allclose(probe(x, np.full(len(y), 7.0), groups, x), 7.0)
    np.testing.assert_allclose(probe(np.ones_like(x), y, groups, x), y.mean())
    assert np.isfinite(probe(x[:15], y[:15], groups[:15], x)).all()  # one participant: stretches of windows
    assert choose_alpha(x[:3], y[:3], groups[:3], alphas=ALPHAS) == 1e5  # too short even for that
    np.testing.assert_allclose(probe(x[:1], y[:1], groups[:1], x), y[0])


def test_out_of_fold_predictions_do_not_see_the_person():
    x, y, groups = cohort()
    predicted = probe_folds(x, y, groups, n_folds=4)
    fold = participant_folds(groups, 4)
    assert all(len(np.unique(fold[groups == person])) == 1 for person in np.unique(groups))
    changed = y.copy()
    changed[groups == "p3"] += 1000
    again = probe_folds(x, changed, groups, n_folds=4)
    mates = fold == fold[groups == "p3"][0]
    np.testing.assert_allclose(again[mates], predicted[mates])
    assert not np.allclose(again[~mates], predicted[~mates])


def test_folds_are_capped_at_the_number_of_participants():
    assert len(np.unique(participant_folds(["a", "a", "b", "c"], 10))) == 3
    with pytest.raises(ValueError, match="need two of each"):
        participant_folds(["a", "a"], 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(4), np.ones(4), np.arange(4), np.ones((2, 1))), r"train_x\[:, np.newaxis\]"),
        ((np.ones((4, 2)), np.ones(4), np.arange(4), np.ones((2, 3))), "2 features"),
        ((np.ones((4, 2)), np.ones(3), np.arange(4), np.ones((2, 2))), "train_y has shape"),
        ((np.ones((4, 2)), np.ones(4), np.arange(3), np.ones((2, 2))), "train_groups has shape"),
        (([["a"]], [1.0], [0], [[1.0]]), "cannot be read as numbers"),
    ],
)
def test_what_does_not_belong_together_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        probe(*arguments)


@pytest.mark.parametrize("options", [{"alphas": ()}, {"alphas": (0.0, 1.0)}, {"n_folds": 1}])
def test_impossible_penalties_are_refused(options):
    x, y, groups = cohort()
    with pytest.raises(ValueError, match="expected"):
        choose_alpha(x, y, groups, **options)
