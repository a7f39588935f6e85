from __future__ import annotations

import threading

import numpy as np
import pytest

from biosig.nets.backend import from_numpy
from biosig.nets.parameters import parameter
from biosig.training.augmentation import Augmentation
from biosig.training.loop import TrainingOptions, Validation, train
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
        {"optimiser": "sgd"},
        {"schedule": "linear"},
        {"validation_fraction": 1.0},
        {"patience": 0, "validation_fraction": 0.1},
        {"validate_every": 5},
        {"checkpoint_every": -1.0},
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


@pytest.mark.parametrize("schedule", ["step", "constant"])
def test_other_schedules(schedule):
    rates = [learning_rate(step, 100, 2.0, 0.1, schedule) for step in range(100)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) * 0.2)
    levels = {"constant": [2.0], "step": [2.0, 0.2, 0.02]}[schedule]
    assert rates[10:] == pytest.approx(np.repeat(levels, 90 // len(levels)))
    _, history = fit(regression, steps=5, schedule=schedule)
    assert history["learning_rate"] == [learning_rate(step, 5, 0.1, 0.1, schedule) for step in range(5)]


def test_adam_against_torch():
    torch = pytest.importorskip("torch", reason="torch comes with the extra 'torch'")
    theirs = torch.zeros(2, 1, requires_grad=True)
    reference = torch.optim.Adam([theirs], lr=0.1, weight_decay=0.3)
    for step in range(8):
        x, y = map(torch.tensor, regression(step))
        reference.zero_grad()
        (x @ theirs - y).square().mean().backward()
        reference.step()
    same = {"steps": 8, "schedule": "constant", "warmup": 0.0, "clip_norm": None, "weight_decay": 0.3}
    weight, history = fit(regression, optimiser="adam", **same)
    np.testing.assert_allclose(weight, theirs.detach().numpy().ravel(), atol=2e-5)
    first = regression(0)[1]
    assert history["loss"][0] == pytest.approx(float(np.square(first).mean()), rel=1e-5)  # the decay is not in it
    assert not np.allclose(weight, fit(regression, optimiser="adamw", **same)[0], atol=1e-3)


class Overfitting:
    """Held-out windows of another truth: their loss falls while the weights pass it, then rises."""

    def __init__(self):
        self.weight = parameter(np.zeros((2, 1)))
        self.average = from_numpy(np.zeros((2, 1), np.float32))
        x = np.random.default_rng(99).standard_normal((8, 2)).astype(np.float32)
        self.held_out = x, x @ np.array([[0.3], [-0.2]], np.float32)

    def objective(self, x, y):
        moved = self.average.assign(0.5 * self.average + self.weight.detach())
        return (x @ self.weight - y).square().mean(), [moved]

    def train(self, start=None, **changed):
        plain = {"steps": 40, "learning_rate": 0.05, "validation_fraction": 0.1, "validate_every": 2}
        return train(
            self.objective,
            {"weight": self.weight},
            regression,
            options(**plain | changed),
            8,
            carried={"average": self.average},
            validation=Validation(lambda number: self.held_out, 1),
            start=start,
        )


def test_validation_keeps_the_best_weights_and_leaves_the_training_as_it_was():
    run, blind = Overfitting(), Overfitting()
    history = run.train()
    losses = history["validation_loss"]
    best = int(np.argmin(losses))
    assert 0 < best < len(losses) - 1 and history["validation_step"] == list(range(2, 41, 2))
    x, y = run.held_out
    assert np.square(x @ run.weight.numpy() - y).mean() == pytest.approx(losses[best], rel=1e-4)
    rarely = blind.train(validate_every=40)
    assert rarely["loss"] == history["loss"] and len(rarely["validation_loss"]) == 1


def test_early_stopping():
    history = Overfitting().train(patience=3)
    best = int(np.argmin(history["validation_loss"]))
    assert len(history["validation_loss"]) == best + 4 and history["step"][-1] + 1 == 2 * (best + 4) < 40
    assert history["state"].step == history["validation_step"][best]


def test_an_early_stop_is_remembered(tmp_path):
    first, again = Overfitting(), Overfitting()
    history = first.train(patience=3, checkpoint=tmp_path)
    assert again.train(patience=3, checkpoint=tmp_path)["loss"] == history["loss"]
    np.testing.assert_array_equal(again.weight.numpy(), first.weight.numpy())


def test_going_on_from_a_state_is_one_longer_training():
    plain = {"schedule": "constant", "warmup": 0.0, "validation_fraction": 0.0, "validate_every": None}
    whole, parts = Overfitting(), Overfitting()
    expected = whole.train(steps=12, **plain)
    state = parts.train(steps=5, **plain)["state"]
    other = Overfitting()
    history = other.train(start=state, steps=7, **plain)
    assert history["step"] == list(range(12)) and history["loss"] == expected["loss"]
    np.testing.assert_array_equal(other.weight.numpy(), whole.weight.numpy())
    np.testing.assert_array_equal(other.average.numpy(), whole.average.numpy())


def test_a_start_of_another_architecture_is_refused():
    state = Overfitting().train(steps=2)["state"]
    state.weights["weight"] = np.zeros((3, 1), np.float32)
    with pytest.raises(ValueError, match=r"weight has shape \(3, 1\), expected \(2, 1\)"):
        Overfitting().train(start=state)


def test_callbacks_are_told_and_may_stop():
    told = []
    _, history = fit(regression, callback=lambda progress: told.append(progress) or progress.step == 6)
    assert [progress.step for progress in told] == [1, 2, 3, 4, 5, 6] == [step + 1 for step in history["step"]]
    assert told[-1].loss == history["loss"][-1] and told[-1].end == 30 and told[-1].validation_loss is None


def test_no_number_names_step_batch_and_the_checkpoint_kept(tmp_path):
    def broken(step):
        x, y = regression(step)
        return x, y * np.float32(np.nan if step == 4 else 1)

    weight = parameter(np.zeros((2, 1)))
    with pytest.raises(
        FloatingPointError, match=r"loss is nan at step 4 of 30 .*windows 40, 41.*step 4 in .* was kept"
    ):
        train(
            lambda x, y: (x @ weight - y).square().mean(),
            [weight],
            broken,
            options(checkpoint=tmp_path, checkpoint_every=0.0),
            8,
            rows_of=lambda step: np.arange(8) + 10 * step,
        )


def test_weights_that_break_are_never_saved(tmp_path):
    weight = parameter(np.ones((2, 1)))
    with pytest.raises(FloatingPointError, match=r"weights are no numbers after it at step 3 .*step 3 in"):
        train(
            lambda x: (x * weight).square().sum().sqrt(),  # at 0 the loss is a number, its slope is none
            [weight],
            lambda step: (np.full((2, 1), float(step != 3), np.float32),),
            options(checkpoint=tmp_path, checkpoint_every=0.0, clip_norm=None),
            8,
        )
