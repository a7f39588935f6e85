from __future__ import annotations

import threading

import numpy as np
import pytest

from biosig.nets.backend import from_numpy
from biosig.nets.parameters import parameter
from biosig.training.augmentation import Augmentation
from biosig.training.loop import TrainingOptions, train
from biosig.training.schedule import learning_rate


def options(**changed):
    return TrainingOptions(**{"steps": 30, "learning_rate": 0.1, "weight_decay": 0.0, "progress": False} | changed)


def fit(make_batch, **changed):
    weight = parameter(np.zeros((2, 1)))
    history = train(lambda x, y: (x @ weight - y).square().mean(), [weight], make_batch, options(**changed), 8)
    return weight.numpy().ravel(), history


def regression(step):
    x = np.random.default_rng(step).standard_normal((8, 2)).astype(np.float32)
    return x, x @ np.array([[0.7], [-0.4]], np.float32)


def test_loss_falls_and_history_is_plain():
    weight, history = fit(regression, steps=80)
    np.testing.assert_allclose(weight, [0.7, -0.4], atol=0.05)
    assert history["loss"][-1] < 0.01 * history["loss"][0]
    assert history["step"] == list(range(80)) and all(type(v) is float for v in history["loss"])
    assert history["learning_rate"] == [learning_rate(step, 80, 0.1, 0.1) for step in range(80)]
    assert 0 <= history["wait_share"] <= 1 and history["windows_per_second"] > 0


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_short_trainings(steps):
    _, history = fit(regression, steps=steps)
    assert len(history["loss"]) == steps and 0 <= history["wait_share"] <= 1


def test_no_steps_change_nothing():
    weight, history = fit(regression, steps=0)
    assert (weight == 0).all() and history["loss"] == []


def test_a_loss_that_is_no_number_stops_with_its_step():
    def broken(step):
        x, y = regression(step)
        return x, y * np.float32(np.nan if step == 4 else 1)

    with pytest.raises(FloatingPointError, match="nan at step 4 of 30"):
        fit(broken)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_interruptions_pass_through_and_leave_no_thread(error):
    def interrupted(step):
        if step == 5:
            raise error
        return regression(step)

    with pytest.raises(error):
        fit(interrupted)
    assert not any(thread.name.startswith("biosig-batches") for thread in threading.enumerate())
    assert fit(regression, steps=2)[1]["loss"]  # and the lock is free


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": -1},
        {"batch_size": 1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"weight_decay": -1.0},
        {"warmup": 1.5},
        {"random_state": -3},
        {"random_state": None},
        {"augment": {"ecg": Augmentation()}},
    ],
)
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        options(**wrong)


def test_carried_tensors_change_with_every_step():
    weight = parameter(np.zeros((2, 1)))
    average, queue = (from_numpy(np.zeros(shape, np.float32)) for shape in [(2, 1), (7, 2)])

    def objective(x, y):
        loss = (x @ weight - y).square().mean()
        now = weight.detach()
        return loss, [average.assign(0.5 * average + now), queue.assign(queue[1:].cat(now.reshape(1, 2)))]

    train(objective, [weight], regression, options(steps=7), 8, carried={"average": average, "queue": queue})
    expected = np.zeros((2, 1), np.float32)
    for weights in queue.numpy():  # those before each of the seven steps
        expected = 0.5 * expected + weights[:, np.newaxis]
    assert not queue.numpy()[0].any() and len(np.unique(queue.numpy(), axis=0)) == 7
    assert not np.allclose(weight.numpy().ravel(), queue.numpy()[-1])
    np.testing.assert_allclose(average.numpy(), expected, rtol=1e-5)
