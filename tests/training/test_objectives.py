"""Each objective against its slow twin in value, and against torch in value and gradient."""

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


def some_excluded(n, m):
    excluded = np.zeros((n, m))
    excluded[0, 1] = excluded[1, 0] = excluded[4, 6] = excluded[6, 4] = 1
    excluded[2, n:] = 1
    return excluded


@pytest.mark.parametrize("queued", [0, 4])
@pytest.mark.parametrize(("temperature", "balance"), [(0.1, 0.5), (0.04, 1.0), (1.0, 0.2), (0.1, 0.0)])
def test_info_nce_agrees_with_the_twin(pair, temperature, balance, queued):
    query, key = pair
    key = np.concatenate([key, np.random.default_rng(1).standard_normal((queued, 5))])
    settings = {"temperature": temperature, "balance": balance}
    for excluded in (some_excluded(7, 7 + queued), np.zeros((7, 7 + queued))):
        expected = naive.info_nce(query, key, excluded, **settings)
        assert value(objectives.info_nce, query, key, excluded, **settings) == pytest.approx(expected, rel=1e-4)
    masked = naive.info_nce(query, key, some_excluded(7, 7 + queued), **settings)
    assert masked != expected
    if queued and balance:
        assert expected > naive.info_nce(query, key[:7], excluded[:, :7], **settings)  # more negatives, harder


def test_excluded_pairs_get_no_gradient():
    # window 0 and 1 overlap and nothing else is in the batch: there is no negative, so nothing to learn
    query, key = (from_numpy(a) for a in np.random.default_rng(0).standard_normal((2, 2, 4)).astype(np.float32))
    query.is_param_(True)
    loss = objectives.info_nce(query, key, from_numpy(np.array([[0, 1], [1, 0]], np.float32)), 0.1)
    loss.backward()
    assert float(to_numpy(loss)) == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(to_numpy(query.grad), 0.0, atol=1e-6)


def test_koleo_agrees_with_the_twin_and_spreads(pair):
    for x in pair:
        assert value(objectives.koleo, x) == pytest.approx(naive.koleo(x), rel=1e-4)
    corners = np.concatenate([np.eye(5), -np.eye(5)])
    assert value(objectives.koleo, corners) == pytest.approx(-np.log(np.sqrt(2)), rel=1e-5)
    assert value(objectives.koleo, 1 + 0.1 * corners) > value(objectives.koleo, corners)


def test_koleo_of_equal_rows_is_finite_and_still():
    x = from_numpy(np.ones((3, 4), np.float32)).is_param_(True)
    loss = objectives.koleo(x)
    loss.backward()
    assert float(to_numpy(loss)) == pytest.approx(-np.log(objectives.TOUCHING), rel=1e-4)
    np.testing.assert_allclose(to_numpy(x.grad), 0.0, atol=1e-6)


def test_regressions_agree_with_their_twins(pair):
    assert value(objectives.l2_regression, *pair) == pytest.approx(naive.l2_regression(*pair), rel=1e-5)
    assert value(objectives.cosine_regression, *pair) == pytest.approx(naive.cosine_regression(*pair), rel=1e-4)
    assert value(objectives.cosine_regression, pair[0], 3 * pair[0]) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(("n_student", "n_teacher"), [(6, 6), (4, 8), (5, 3), (7, 12), (1, 4), (4, 1)])
def test_token_distillation_agrees_with_the_twin(n_student, n_teacher):
    rng = np.random.default_rng(0)
    student, teacher = rng.standard_normal((2, n_student, 5)), 3 * rng.standard_normal((2, n_teacher, 5)) + 1
    matrix = objectives.interpolation(n_student, n_teacher)
    np.testing.assert_allclose(matrix.sum(axis=0), 1.0, rtol=1e-6)
    np.testing.assert_allclose(matrix.T @ student[0], naive.resampled(student[0], n_teacher), rtol=1e-4, atol=1e-6)
    expected = naive.token_distillation(student, teacher)
    assert value(objectives.token_distillation, student, teacher, matrix) == pytest.approx(expected, rel=1e-4)
    if n_student == n_teacher:
        assert value(objectives.token_distillation, student, teacher) == pytest.approx(expected, rel=1e-4)


def test_unknown_targets_do_not_count(pair):
    known = np.random.default_rng(1).integers(0, 2, pair[0].shape)
    expected = naive.masked_regression(*pair, known)
    assert value(objectives.masked_regression, *pair, known) == pytest.approx(expected, rel=1e-5)
    changed = np.where(known, pair[1], 77.0)
    assert value(objectives.masked_regression, pair[0], changed, known) == pytest.approx(expected, rel=1e-5)
    assert value(objectives.masked_regression, *pair, np.zeros_like(known)) == 0.0


def test_unknown_labels_do_not_count(pair):
    labels = np.eye(5)[[0, 2, 4, 1, 0, 3, 2]]
    labels[[1, 4]] = 0
    expected = naive.masked_cross_entropy(pair[0], labels)
    assert value(objectives.masked_cross_entropy, pair[0], labels) == pytest.approx(expected, rel=1e-5)
    changed = np.where(labels.any(axis=1)[:, None], pair[0], 77.0)
    assert value(objectives.masked_cross_entropy, changed, labels) == pytest.approx(expected, rel=1e-5)
    assert value(objectives.masked_cross_entropy, pair[0], np.zeros_like(labels)) == 0.0


def in_torch(torch, name, inputs):
    """The same objective from torch's own losses."""
    functional = torch.nn.functional
    first, second, *rest = inputs
    if name == "info_nce":
        excluded, temperature = rest
        logits = functional.normalize(first) @ functional.normalize(second).T / temperature
        logits = logits.masked_fill(excluded.bool(), -torch.inf)
        own = torch.arange(len(first))
        to_key = functional.cross_entropy(logits, own)
        return 0.3 * to_key + 0.7 * functional.cross_entropy(logits[:, : len(first)].T, own)
    if name == "koleo":
        distances = torch.cdist(functional.normalize(first), functional.normalize(first))
        return -(distances + 9 * torch.eye(len(first))).min(dim=1).values.log().mean() + 0 * second.sum()
    if name == "l2_regression":
        return functional.mse_loss(first, second)
    if name == "cosine_regression":
        return functional.cosine_embedding_loss(first, second, torch.ones(len(first)))
    if name == "token_distillation":
        same = functional.interpolate(first.transpose(1, 2), second.shape[1], mode="linear").transpose(1, 2)
        return functional.mse_loss(same, functional.layer_norm(second, second.shape[-1:]))
    if name == "masked_regression":
        known = rest[0].bool()
        return functional.mse_loss(first[known], second[known])
    return functional.cross_entropy(first, torch.where(second.any(1), second.argmax(1), -100))


@pytest.mark.parametrize(
    "name",
    ["info_nce", "koleo", "l2_regression", "cosine_regression", "token_distillation", "masked_regression",
     "masked_cross_entropy"],
)  # fmt: skip
def test_value_and_gradient_agree_with_torch(road, name):
    torch = pytest.importorskip("torch", reason="torch comes with the extra 'torch'")
    rng = np.random.default_rng(3)
    arrays = [rng.standard_normal((7, 5)), rng.standard_normal((9 if name == "info_nce" else 7, 5))]
    more, settings = [], {}
    if name == "info_nce":
        more, settings = [some_excluded(7, 9), np.array([0.1])], {"balance": 0.3}
    elif name == "token_distillation":
        arrays = [rng.standard_normal((3, 4, 5)), rng.standard_normal((3, 6, 5))]
        more = [objectives.interpolation(4, 6)]
    elif name == "masked_regression":
        more = [rng.integers(0, 2, (7, 5))]
    elif name == "masked_cross_entropy":
        arrays[1] = np.eye(5)[[0, 2, 4, 1, 0, 3, 2]]
        arrays[1][2] = 0
    arrays = [a.astype(np.float32) for a in (*arrays, *more)]
    ours, theirs = [from_numpy(a) for a in arrays], [torch.tensor(a) for a in arrays]
    ours[0].is_param_(True)
    theirs[0].requires_grad_(True)
    loss = getattr(objectives, name)(*(ours[:1] if name == "koleo" else ours), **settings)
    loss.backward()
    expected = in_torch(torch, name, theirs)
    expected.backward()
    assert float(to_numpy(loss).item()) == pytest.approx(expected.item(), rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(to_numpy(ours[0].grad), theirs[0].grad.numpy(), rtol=1e-4, atol=1e-6)
