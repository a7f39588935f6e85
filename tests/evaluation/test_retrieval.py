import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biosig.evaluation import control_queries, retrieval
from tests.evaluation import twins


def cosine(a, b):
    a, b = (np.asarray(x, dtype=float) for x in (a, b))
    norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    # Rounded: the twin compares for equality, and equal similarities differ by rounding errors.
    return np.round(np.divide(a @ b.T, norms, out=np.zeros((len(a), len(b))), where=norms > 0), 9)


@given(
    seed=st.integers(0, 2**31 - 1),
    n=st.integers(2, 8),
    people=st.integers(1, 3),
    pool=st.integers(2, 6),
    timed=st.booleans(),
    coarse=st.booleans(),
)
def test_agrees_with_writing_down_every_pool(seed, n, people, pool, timed, coarse):
    rng = np.random.default_rng(seed)
    gallery = rng.normal(size=(n, 3))
    queries = gallery + rng.normal(size=(n, 3))
    if coarse:  # few distinct directions, and rows of zeros: many ties
        gallery, queries = rng.integers(-1, 2, (n, 2)), rng.integers(-1, 2, (n, 2))
    groups = rng.integers(0, people, n)
    starts = rng.integers(0, 4, n) * 40.0 if timed else None
    table = retrieval(queries, gallery, groups=groups, starts=starts, pool_sizes=[pool], n_boot=10, random_state=0)
    for scope in ("across", "within"):
        rows = twins.retrieval(cosine(queries, gallery), groups, starts, 60.0, pool, scope)
        rows = rows[np.isfinite(rows[:, 0])]
        found = table[table["scope"] == scope]
        assert len(found) == (len(rows) > 0)
        if len(rows):
            names = ["top1", "top3", "top5", "mean_rank"]
            np.testing.assert_allclose(found[names].to_numpy()[0], rows.mean(axis=0), atol=1e-9)
            assert found["median_rank"].item() == pytest.approx(np.median(rows[:, 3]))
            assert found["n_queries"].item() == len(rows)


def cohort(n_people=6, n_windows=40, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    n = n_people * n_windows
    gallery = rng.normal(size=(n, 8))
    queries = gallery + noise * rng.normal(size=(n, 8))
    return queries, gallery, np.repeat(np.arange(n_people), n_windows), np.tile(np.arange(n_windows) * 30.0, n_people)


@pytest.mark.parametrize("value", [0.0, 1.0, -3e-20, 7e30])
def test_constant_embeddings_are_at_chance(value):
    _, _, groups, starts = cohort()
    flat = np.full((len(groups), 5), value, dtype=np.float32)
    table = retrieval(flat, flat, groups=groups, starts=starts, random_state=0)
    assert len(table) > 5
    for name in ("top1", "top3", "top5"):
        np.testing.assert_allclose(table[name], table[f"chance_{name}"], atol=1e-9)
    np.testing.assert_allclose(table["mean_rank"], table["chance_rank"])


def test_perfect_and_shuffled_embeddings():
    _, gallery, groups, starts = cohort()
    perfect = retrieval(5 * gallery, gallery, groups=groups, starts=starts, random_state=0)
    assert (perfect[["top1", "top3", "top5", "mean_rank", "median_rank"]] == 1).all(axis=None)
    worst = retrieval(-gallery, gallery, groups=groups, starts=starts, random_state=0)
    assert (worst["top1"] == 0).all()
    np.testing.assert_allclose(worst["mean_rank"], worst["pool"])


def test_result_does_not_depend_on_order_blocks_or_seed(monkeypatch):
    import importlib

    queries, gallery, groups, starts = cohort()
    whole = retrieval(queries, gallery, groups=groups, starts=starts, random_state=0)
    order = np.random.default_rng(5).permutation(len(groups))
    options = {"groups": groups[order], "starts": starts[order], "random_state": 0}
    monkeypatch.setattr(importlib.import_module("biosig.evaluation.retrieval"), "_BLOCK_BYTES", 8 * 7 * len(groups))
    shuffled = retrieval(queries[order], gallery[order], **options)
    np.testing.assert_allclose(whole.iloc[:, 1:].astype(float), shuffled.iloc[:, 1:].astype(float), atol=1e-9)
    other = retrieval(queries, gallery, groups=groups, starts=starts, random_state=1)
    assert (other["top1"] == whole["top1"]).all() and (other["top1_low"] != whole["top1_low"]).any()


def test_overlapping_windows_are_no_distractors():
    # Neighbours share half their samples and are all but the same: without the rule they would win half the time.
    groups, starts = np.zeros(6, int), np.arange(6) * 30.0
    gallery = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [-1, 0], [-1, 0]], float)
    kept = retrieval(gallery, gallery, groups=groups, starts=starts, scopes=["within"], pool_sizes=[4])
    assert kept["top1"].item() == 1
    naive = retrieval(gallery, gallery, groups=groups, scopes=["within"], pool_sizes=[4])
    assert naive["top1"].item() < 1
    apart = retrieval(
        gallery, gallery, groups=groups, starts=starts * 0, sessions=np.arange(6), scopes=["within"], pool_sizes=[4]
    )
    assert apart["top1"].item() == naive["top1"].item()


def test_pools_are_never_shrunk():
    queries, gallery, groups, _ = cohort(3, 10)
    table = retrieval(queries, gallery, groups=groups, pool_sizes=[2, 10, 11, 30, 31])
    assert table.groupby("scope")["pool"].apply(list).to_dict() == {"across": [2, 10, 11, 30], "within": [2, 10]}
    few = np.array([0] * 9 + [1] * 2)
    within = retrieval(queries[:11], gallery[:11], groups=few, scopes=["within"], pool_sizes=[2, 4])
    assert within["n_participants"].tolist() == [2, 1] and within["n_queries"].tolist() == [11, 9]
    assert np.isnan(within["top1_low"].iloc[1])


def test_nan_windows_are_left_out_and_all_nan_gives_an_empty_table():
    queries, gallery, groups, starts = cohort()
    queries[::2, 3] = np.nan
    table = retrieval(queries, gallery, groups=groups, starts=starts, pool_sizes=[4])
    assert (table["n_queries"] == len(groups) // 2).all()
    assert len(retrieval(queries * np.nan, gallery, groups=groups)) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gallery": np.ones((3, 4))}, "row i"),
        ({"queries": np.ones((4, 1)), "gallery": np.ones((4, 1))}, "control_queries"),
        ({"groups": [0, 1]}, "participant label"),
        ({"starts": [0, 1]}, "starts has shape"),
        ({"pool_sizes": [1, 4]}, "2 or more"),
        ({"scopes": ["near"]}, "unknown scopes"),
    ],
)
def test_what_does_not_belong_together_is_refused(change, message):
    options = {"queries": np.ones((4, 3)), "gallery": np.ones((4, 3)), "groups": [0, 0, 1, 1]} | change
    with pytest.raises(ValueError, match=message):
        retrieval(options.pop("queries"), options.pop("gallery"), **options)


def test_control_finds_what_motion_alone_can_find():
    rng = np.random.default_rng(0)
    motion = rng.normal(size=400)
    carried = np.stack([np.cos(motion), np.sin(motion), 0 * motion], axis=1) + 0.05 * rng.normal(size=(400, 3))
    groups = np.repeat(np.arange(8), 50)
    train, test = groups < 4, groups >= 4
    queries = control_queries(motion[train], carried[train], motion[test])
    found = retrieval(queries, carried[test], groups=groups[test], pool_sizes=[16], scopes=["across"], random_state=0)
    assert found["top1"].item() > 0.4
    unrelated = control_queries(rng.permutation(motion[train]), carried[train], motion[test])
    lost = retrieval(unrelated, carried[test], groups=groups[test], pool_sizes=[16], scopes=["across"], random_state=0)
    assert lost["top1"].item() < 0.2


def test_gap_to_the_control_is_paired():
    rng = np.random.default_rng(3)
    gallery, groups = rng.normal(size=(60, 4)), np.repeat(np.arange(6), 10)
    queries, control = gallery + 0.5 * rng.normal(size=(60, 4)), gallery + rng.normal(size=(60, 4))
    control[7] = np.nan
    settings = {"groups": groups, "pool_sizes": [8], "scopes": ["across"], "n_boot": 500, "random_state": 0}
    found = retrieval(queries, gallery, control=(control, gallery), **settings).iloc[0]
    known = np.arange(60) != 7
    alone = [
        retrieval(q[known], gallery[known], **{**settings, "groups": groups[known]}).iloc[0]["top1"]
        for q in (queries, control)
    ]
    assert found["gap"] == pytest.approx(alone[0] - alone[1]) and found["n_queries"] == 59
    assert found["gap_low"] < found["gap"] < found["gap_high"]
    same = retrieval(queries, gallery, control=(queries, gallery), **settings).iloc[0]
    assert same["gap"] == same["gap_low"] == same["gap_high"] == 0
    with pytest.raises(ValueError, match="control has 59 windows"):
        retrieval(queries, gallery, control=(control[known], gallery[known]), **settings)


def test_control_without_anything_to_bend():
    gallery = np.eye(3)
    assert control_queries([1.0, 1.0, 1.0], gallery, [1.0, np.nan])[0] == pytest.approx([1 / 3] * 3)
    many = np.repeat(gallery, 20, axis=0)
    skewed = control_queries(np.r_[np.zeros(50), np.arange(10.0)], many, [0.0, 100.0, np.nan])
    assert np.isfinite(skewed[:2]).all() and np.isnan(skewed[2]).all()
    with pytest.raises(ValueError, match="nothing to fit"):
        control_queries([np.nan] * 3, gallery, [1.0])
    with pytest.raises(ValueError, match="train_gallery has shape"):
        control_queries([1.0], gallery, [1.0])


def test_folds_are_searched_apart():
    """Distractors never come from another encoder's fold: two folds together are the two alone, weighted by queries."""
    rng = np.random.default_rng(3)
    queries, gallery = rng.normal(size=(2, 40, 5))
    groups, folds = np.repeat(np.arange(8), 5), np.repeat([0, 1], 20)
    options = {"pool_sizes": (4, 8), "scopes": ("across",), "n_boot": 50, "random_state": 0}
    both = retrieval(queries, gallery, groups=groups, folds=folds, **options)
    apart = [
        retrieval(queries[folds == fold], gallery[folds == fold], groups=groups[folds == fold], **options)
        for fold in (0, 1)
    ]
    for column in ("top1", "mean_rank"):
        np.testing.assert_allclose(both[column], (apart[0][column] + apart[1][column]) / 2)
    assert (both["n_participants"] == 8).all()
