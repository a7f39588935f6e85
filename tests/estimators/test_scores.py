"""Scores of encoders: what they count, that higher is better, and what they leave out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import accuracy_score, r2_score

from biosig.estimators import ContrastiveEncoder, DistilledEncoder, MaskedAutoencoder, PPGTargets, SupervisedEncoder
from biosig.estimators.scores import BLOCK, nearest_of_same_group, supervised_score, top1

RATE, SAMPLES, N = 16.0, 128, 24
SMALL = {"n_steps": 0, "batch_size": 8, "random_state": 0, "augment": False, "front_end": "samples", "n_jobs": 1}
PEOPLE = np.repeat(["a", "b", "c", "d"], N // 4)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    rate = rng.uniform(50, 110, N)
    phase = 2 * np.pi * np.arange(SAMPLES) / RATE * (rate / 60)[:, np.newaxis] + rng.uniform(0, 6, (N, 1))
    ppg = np.sin(phase)[:, np.newaxis].astype(np.float32)
    accel = (ppg * rng.normal(size=(N, 3, 1)) + rng.normal(0, 0.1, (N, 3, SAMPLES))).astype(np.float32)
    return accel, ppg, rate


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


class TestTop1:
    @settings(max_examples=30)
    @given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.floats(0, 3))
    def test_agrees_with_the_obvious_loop(self, seed, n, noise):
        rng = np.random.default_rng(seed)
        keys = unit(rng.standard_normal((n, 6)))
        queries = unit(keys + noise * rng.standard_normal((n, 6)))
        expected = np.mean([np.argmax(keys @ query) == i for i, query in enumerate(queries)])
        assert top1(queries, keys, "x") == pytest.approx(expected)

    def test_ties_count_in_part_and_nan_rows_not_at_all(self):
        keys = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [np.nan, np.nan]])
        assert top1(keys, keys, "x") == pytest.approx((0.5 + 0.5 + 1) / 3)
        assert top1(keys, keys[[2, 2, 0, 3]], "x") == 0

    def test_in_blocks(self):
        keys = unit(np.random.default_rng(0).standard_normal((2 * BLOCK + 3, 8)))
        assert top1(keys, keys, "x") == 1
        assert top1(keys, np.roll(keys, 1, axis=0), "x") == 0

    def test_too_few(self):
        with pytest.raises(ValueError, match=r"1 of 2 windows have data \(accel and ppg\); a score needs at least 2"):
            top1(np.array([[1.0], [np.nan]]), np.ones((2, 1)), "accel and ppg")
        with pytest.raises(ValueError, match="3 and 2 windows"):
            top1(np.ones((3, 1)), np.ones((2, 1)), "accel and ppg")


class TestNearest:
    @settings(max_examples=30)
    @given(st.integers(0, 2**32 - 1), st.integers(6, 40))
    def test_agrees_with_the_obvious_loop(self, seed, n):
        rng = np.random.default_rng(seed)
        groups, x = np.r_[0, 0, 1, 1, rng.integers(0, 6, n - 4)], rng.standard_normal((n, 4))
        rows, hits = unit(x - x.mean(axis=0)), []
        for i in range(n):
            if (groups == groups[i]).sum() > 1:
                others = [j for j in range(n) if j != i]
                hits.append(groups[max(others, key=lambda j: rows[i] @ rows[j])] == groups[i])
        assert nearest_of_same_group(x, groups) == pytest.approx(np.mean(hits))

    def test_alike_is_better(self):
        rng = np.random.default_rng(0)
        groups = np.repeat(np.arange(6), 5)
        own, noise = rng.standard_normal((6, 8))[groups], rng.standard_normal((30, 8))
        scores = [nearest_of_same_group(own + size * noise, groups) for size in (0.1, 1.0, 100.0)]
        assert scores[0] == 1 > scores[1] > scores[2]
        spoilt = own + 0.1 * noise
        spoilt[3] = np.nan
        assert nearest_of_same_group(spoilt, groups) == 1

    def test_participants_are_needed(self):
        for groups in (np.zeros(6), np.arange(6)):
            with pytest.raises(ValueError, match="at least two participants"):
                nearest_of_same_group(np.random.default_rng(0).standard_normal((6, 2)), groups)


class TestSupervised:
    def test_agrees_with_scikit_learn_over_what_is_known(self):
        rng = np.random.default_rng(0)
        y, said, weight = rng.standard_normal((20, 2)), rng.standard_normal((20, 2)), rng.random(20)
        assert supervised_score(y, said, weight, classes=False) == pytest.approx(
            r2_score(y, said, sample_weight=weight)
        )
        y[:5, 0], said[10:12] = np.nan, np.nan
        keep = [~(np.isnan(y[:, i]) | np.isnan(said[:, i])) for i in range(2)]
        expected = np.mean([r2_score(y[k, i], said[k, i]) for i, k in enumerate(keep)])
        assert supervised_score(y, said, None, classes=False) == pytest.approx(expected)

    @pytest.mark.parametrize("missing", [None, np.nan])
    def test_labels(self, missing):
        y, said = np.array(["a", "b", missing, "a"], dtype=object), np.array(["a", "a", "a", None], dtype=object)
        assert supervised_score(y, said, None, classes=True) == 0.5
        assert supervised_score(y, said, [3, 1, 1, 1], classes=True) == 0.75
        numbers = np.array([0.0, 1.0, np.nan])
        assert supervised_score(numbers, np.array([0, 0, 0]), None, classes=True) == 0.5

    def test_bad_input(self):
        with pytest.raises(ValueError, match="expected the shape of the predictions"):
            supervised_score(np.zeros(3), np.zeros(4), None, classes=False)
        with pytest.raises(ValueError, match="sample_weight has shape"):
            supervised_score(np.zeros(3), np.zeros(3), np.ones(2), classes=False)
        with pytest.raises(ValueError, match="known for no window with data"):
            supervised_score(np.full(3, np.nan), np.zeros(3), None, classes=False)


def test_reconstruction_gets_better_with_training(data):
    _, ppg, _ = data
    drawn = MaskedAutoencoder(RATE, **SMALL).fit(ppg)
    trained = MaskedAutoencoder(RATE, **{**SMALL, "n_steps": 60}).fit(ppg)
    assert drawn.score(ppg) == drawn.score(ppg) < trained.score(ppg) < 0
    assert -1.3 < drawn.score(ppg) < -0.7  # tells nothing: windows have variance 1
    gappy = np.concatenate([ppg, np.full_like(ppg[:3], np.nan)])
    assert trained.score(gappy) == pytest.approx(trained.score(ppg), rel=1e-5)
    with pytest.raises(ValueError, match="0 of 3 windows have data"):
        trained.score(gappy[-3:])


def test_students_find_their_ppg_better_with_training(data):
    accel, ppg, rate = data
    teacher = MaskedAutoencoder(RATE, **{**SMALL, "n_steps": 60}).fit(ppg)
    drawn = DistilledEncoder(teacher, RATE, **SMALL).fit(accel, ppg)
    trained = DistilledEncoder(teacher, RATE, **{**SMALL, "n_steps": 80}).fit(accel, ppg)
    assert drawn.score(accel, ppg) < trained.score(accel, ppg) <= 1
    assert trained.score(accel, rate, ppg=ppg) == trained.score(accel, ppg)
    expected = top1(trained.project(accel, in_time=True), trained.project_ppg(ppg, in_time=True), "x")
    assert trained.score(accel, ppg) == expected
    gappy = accel.copy()
    gappy[:3] = np.nan
    assert trained.score(gappy, ppg) == trained.score(accel[3:], ppg[3:])
    plain = DistilledEncoder(teacher, RATE, time_weight=0.0, **SMALL).fit(accel, ppg)
    assert plain.score(accel, ppg) == top1(plain.project(accel), plain.project_ppg(ppg), "x")


def test_contrastive_and_supervised(data):
    accel, _, rate = data
    contrastive = ContrastiveEncoder(RATE, modality="accel", **SMALL).fit(accel, groups=PEOPLE)
    assert contrastive.score(accel, groups=PEOPLE) == nearest_of_same_group(contrastive.transform(accel), PEOPLE)
    with pytest.raises(ValueError, match="groups is missing"):
        contrastive.score(accel)
    supervised = SupervisedEncoder(RATE, **SMALL).fit(accel, rate)
    assert is_regressor(supervised) and not is_classifier(supervised) and not hasattr(supervised, "predict_proba")
    assert supervised.score(accel, rate) == pytest.approx(r2_score(rate, supervised.predict(accel)))
    gappy, known = accel.copy(), rate.copy()
    gappy[:2], known[3] = np.nan, np.nan
    keep = np.r_[2, 4:N]
    assert supervised.score(gappy, known) == pytest.approx(supervised.score(accel[keep], rate[keep]))
    labels = np.where(rate > 80, "fast", "slow")
    classifier = SupervisedEncoder(RATE, task="classification", **SMALL).fit(accel, labels)
    assert is_classifier(classifier) and not is_regressor(classifier)
    assert classifier.score(accel, labels) == accuracy_score(labels, classifier.predict(accel))
    assert 0 <= classifier.score(gappy, labels) <= 1
    with pytest.raises(ValueError, match=r"Unknown label type: continuous.*task='regression'"):
        classifier.fit(accel, rate)
    with pytest.raises(ValueError, match="requires y to be passed"):
        supervised.fit(accel, None)


def test_classes_may_be_named_before_all_are_seen(data):
    accel, _, _ = data
    model = SupervisedEncoder(RATE, task="classification", **{**SMALL, "n_steps": 1})
    model.partial_fit(accel[:12], np.repeat(["a", "b"], 6), classes=["a", "b", "c"])
    model.partial_fit(accel[12:], np.repeat(["b", "c"], 6))
    assert list(model.classes_) == ["a", "b", "c"] and model.predict_proba(accel).shape == (N, 3)


def test_targets_have_no_score():
    assert not hasattr(PPGTargets(), "score")


@pytest.mark.parametrize("kind", [MaskedAutoencoder, ContrastiveEncoder, SupervisedEncoder])
def test_unfitted_is_refused(kind, data):
    accel, _, rate = data
    with pytest.raises(ValueError, match="not fitted"):
        kind(RATE).score(accel, rate)
