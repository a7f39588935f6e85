from __future__ import annotations

import numpy as np
import pytest

from biosig.nets.backend import from_numpy, to_numpy
from biosig.training import objectives
from tests.naive import objectives as naive


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    return rng.standard_normal((7, 5)).astype(np.float32), 2 + rng.standard_normal((7, 5)).astype(np.float32)


def value(function, *arrays, **settings):
    return float(to_numpy(function(*[from_numpy(a.astype(np.float32)) for a in arrays], **settings)))


@pytest.mark.parametrize(("temperature", "balance"), [(0.1, 0.5), (0.04, 1.0), (1.0, 0.2)])
def test_info_nce_agrees_with_the_twin(pair, temperature, balance):
    excluded = np.zeros((7, 7))
    excluded[0, 1] = excluded[1, 0] = excluded[4, 6] = excluded[6, 4] = 1
    for mask in (excluded, np.zeros((7, 7))):
        expected = naive.info_nce(*pair, mask, temperature, balance)
        assert value(objectives.info_nce, *pair, mask, temperature=temperature, balance=balance) == pytest.approx(
            expected, rel=1e-4
        )
    assert naive.info_nce(*pair, excluded, 0.1, 0.5) != naive.info_nce(*pair, np.zeros((7, 7)), 0.1, 0.5)


def test_excluded_pairs_get_no_gradient():
    # window 0 and 1 overlap and nothing else is in the batch: there is no negative, so nothing to learn
    student, teacher = (from_numpy(a) for a in np.random.default_rng(0).standard_normal((2, 2, 4)).astype(np.float32))
    student.is_param_(True)
    loss = objectives.info_nce(student, teacher, from_numpy(np.array([[0, 1], [1, 0]], np.float32)), 0.1)
    loss.backward()
    assert float(to_numpy(loss)) == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(to_numpy(student.grad), 0.0, atol=1e-6)


def test_regressions_agree_with_their_twins(pair):
    assert value(objectives.l2_regression, *pair) == pytest.approx(naive.l2_regression(*pair), rel=1e-5)
    assert value(objectives.cosine_regression, *pair) == pytest.approx(naive.cosine_regression(*pair), rel=1e-4)
    assert value(objectives.cosine_regression, pair[0], 3 * pair[0]) == pytest.approx(0.0, abs=1e-5)


def test_unknown_targets_do_not_count(pair):
    known = np.random.default_rng(1).integers(0, 2, pair[0].shape)
    expected = naive.masked_regression(*pair, known)
    assert value(objectives.masked_regression, *pair, known) == pytest.approx(expected, rel=1e-5)
    changed = np.where(known, pair[1], 77.0)
    assert value(objectives.masked_regression, pair[0], changed, known) == pytest.approx(expected, rel=1e-5)
    assert value(objectives.masked_regression, *pair, np.zeros_like(known)) == 0.0
