"""AdamW on both roads against its twin and torch; state out and in."""

from __future__ import annotations

import numpy as np
import pytest
from tinygrad import TinyJit

from biosig.nets import AdamW, backend, set_weights
from tests.naive import nets as naive


def values(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


START = [values(6, 5), values(5, seed=1), values(40, 500, seed=2)]
BATCHES = [[values(*w.shape, seed=10 * k + i) for i, w in enumerate(START)] for k in range(1, 6)]


def trainer(start, **options):
    """Parameters, optimiser and a jitted step whose gradients are the arrays that it is given."""
    parameters = [backend.from_numpy(w).is_param_(True) for w in start]
    optimiser = AdamW(parameters, **options)

    @TinyJit
    def step(rate, *gradients):
        optimiser.zero_grad()
        loss = sum((p * g).sum() for p, g in zip(parameters, gradients, strict=True))
        loss.backward()
        return loss.realize(*optimiser.schedule_step(rate))

    def take(batch, rate=0.01):
        with backend.training_mode():
            return step(backend.from_numpy(np.array([rate], np.float32)), *map(backend.from_numpy, batch)).item()

    return parameters, optimiser, take


@pytest.mark.parametrize("clip_norm", [None, 3.0, 1e6])
def test_agrees_with_the_twin(road, clip_norm):
    parameters, _, take = trainer(START, weight_decay=0.1, clip_norm=clip_norm)
    for batch in BATCHES:
        take(batch)
    expected = naive.adamw(START, BATCHES, 0.01, 0.9, 0.999, 1e-8, 0.1, clip_norm)
    for p, e in zip(parameters, expected, strict=True):
        np.testing.assert_allclose(backend.to_numpy(p), e, atol=2e-6)


def test_agrees_with_torch(road):
    torch = pytest.importorskip("torch", reason="torch comes with the extra 'torch'")
    theirs = [torch.tensor(w, requires_grad=True) for w in START]
    groups = [
        {"params": [t for t in theirs if t.ndim > 1], "weight_decay": 0.1},
        {"params": [t for t in theirs if t.ndim == 1], "weight_decay": 0.0},
    ]
    reference = torch.optim.AdamW(groups, lr=0.01)
    parameters, _, take = trainer(START, weight_decay=0.1, clip_norm=2.0)
    for batch in BATCHES:
        take(batch)
        for t, g in zip(theirs, batch, strict=True):
            t.grad = torch.tensor(g)
        torch.nn.utils.clip_grad_norm_(theirs, 2.0)
        reference.step()
    for p, t in zip(parameters, theirs, strict=True):
        np.testing.assert_allclose(backend.to_numpy(p), t.detach().numpy(), atol=2e-6)


def test_the_learning_rate_is_not_frozen_into_the_jitted_step(road):
    parameters, _, take = trainer(START, weight_decay=0.0)
    for batch in BATCHES[:3]:
        take(batch)
    before = [backend.to_numpy(p) for p in parameters]
    take(BATCHES[3], rate=0.0)
    for p, b in zip(parameters, before, strict=True):
        np.testing.assert_array_equal(backend.to_numpy(p), b)


def test_weights_that_the_loss_itself_reads_are_updated_after_it(road):
    parameters = [backend.from_numpy(w).is_param_(True) for w in START]
    set_weights(parameters, {str(i): w / 2 for i, w in enumerate(START)})
    optimiser = AdamW(parameters, weight_decay=0.1)
    rate = backend.from_numpy(np.array([0.01], np.float32))

    @TinyJit
    def step():
        optimiser.zero_grad()
        loss = sum((p * p).sum() for p in parameters)
        loss.backward()
        return loss.realize(*optimiser.schedule_step(rate))

    expected, losses, batches = [w / 2 for w in START], [], []
    with backend.training_mode():
        for _ in range(5):
            losses.append(float(sum((w.astype(np.float64) ** 2).sum() for w in expected)))
            assert step().item() == pytest.approx(losses[-1], rel=1e-5)
            batches.append([2 * w for w in expected])
            expected = naive.adamw([w / 2 for w in START], batches, 0.01, 0.9, 0.999, 1e-8, 0.1)
    for p, e in zip(parameters, expected, strict=True):
        np.testing.assert_allclose(backend.to_numpy(p), e, atol=1e-5)


def test_loss_is_that_of_the_weights_before_the_step(road):
    _, _, take = trainer(START)
    assert take(BATCHES[0]) == pytest.approx(
        sum(float((w * g).sum()) for w, g in zip(START, BATCHES[0], strict=True)), rel=1e-4
    )


def test_parameters_without_gradient_stay(road):
    used, idle = (backend.from_numpy(START[0]).is_param_(True) for _ in range(2))
    optimiser = AdamW([idle, used], weight_decay=0.5)
    rate = backend.from_numpy(np.array([0.1], np.float32))
    with backend.training_mode():
        loss = (used * used).sum()
        loss.backward()
        loss.realize(*optimiser.schedule_step(rate))
    np.testing.assert_array_equal(backend.to_numpy(idle), START[0])
    assert not np.allclose(backend.to_numpy(used), START[0])
    n = START[0].size
    assert not optimiser.state_dict()["m"][:n].any() and optimiser.state_dict()["m"][n:].all()


def test_state_continues_where_it_stopped(road):
    parameters, optimiser, take = trainer(START, weight_decay=0.1)
    for batch in BATCHES[:2]:
        take(batch)
    weights, state = [backend.to_numpy(p) for p in parameters], optimiser.state_dict()
    for batch in BATCHES[2:]:
        take(batch)
    others, fresh, go_on = trainer(weights, weight_decay=0.1)
    fresh.load_state_dict(state)
    for batch in BATCHES[2:]:
        go_on(batch)
    for p, o in zip(parameters, others, strict=True):
        np.testing.assert_array_equal(backend.to_numpy(p), backend.to_numpy(o))


def test_state_of_another_net_is_refused():
    _, optimiser, _ = trainer(START)
    _, other, _ = trainer(START[:1])
    with pytest.raises(ValueError, match="another net"):
        optimiser.load_state_dict(other.state_dict())
    with pytest.raises(ValueError, match="'v' has no values"):
        optimiser.load_state_dict({k: v for k, v in optimiser.state_dict().items() if k != "v"})


def test_clipping_does_not_depend_on_the_number_of_threads():
    results = []
    for n in (1, 3):
        with backend.limit_threads(n):
            parameters, _, take = trainer(START, clip_norm=0.5)
            take(BATCHES[0])
            results.append([backend.to_numpy(p) for p in parameters])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="no parameters"):
        AdamW([])
    w = backend.from_numpy(START[0]).is_param_(True)
    with pytest.raises(ValueError, match="clip_norm"):
        AdamW([w], clip_norm=0)
    with pytest.raises(ValueError, match="no parameter has a gradient"):
        AdamW([w]).schedule_step(backend.from_numpy(np.array([0.1], np.float32)))
