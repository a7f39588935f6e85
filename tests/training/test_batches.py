from __future__ import annotations

import threading

import numpy as np
import pytest

from biosig.training.batches import ParticipantBatches, Prefetcher
from biosig.training.schedule import FLOOR, learning_rate

GROUPS = np.repeat(["a", "b", "c", "d"], [40, 20, 10, 7])


def test_an_epoch_holds_no_window_twice_and_the_next_has_another_order():
    batches = ParticipantBatches(GROUPS, 8, random_state=3)
    assert batches.batches_per_epoch == 9
    epochs = [np.concatenate([batches.batch(9 * e + b) for b in range(9)]) for e in range(2)]
    for rows in epochs:
        assert len(np.unique(rows)) == 72 and rows.max() < len(GROUPS)
    assert not np.array_equal(*epochs)


def test_batches_repeat_with_the_seed_in_any_order():
    forward = [ParticipantBatches(GROUPS, 8, random_state=3).batch(step) for step in range(20)]
    batches = ParticipantBatches(GROUPS, 8, random_state=3)
    for step in reversed(range(20)):
        np.testing.assert_array_equal(batches.batch(step), forward[step])
    assert not np.array_equal(ParticipantBatches(GROUPS, 8, random_state=4).batch(0), forward[0])


def test_every_batch_holds_the_participants_in_their_share():
    groups = np.repeat(np.arange(4), [400, 200, 100, 100])
    batches = ParticipantBatches(groups, 64, random_state=0)
    counts = np.array([np.bincount(groups[batches.batch(step)], minlength=4) for step in range(12)])
    assert np.abs(counts - [32, 16, 8, 8]).max() <= 2


def test_windows_of_one_participant_come_together():
    groups = np.repeat(np.arange(16), 32)
    batches = ParticipantBatches(groups, 32, random_state=0, together=4)
    for step in range(batches.batches_per_epoch):
        people, counts = np.unique(groups[batches.batch(step)], return_counts=True)
        assert (counts % 4 == 0).all() and len(people) == 8


def test_batch_size_must_fit():
    with pytest.raises(ValueError, match="77 windows"):
        ParticipantBatches(GROUPS, 78, random_state=0)
    assert len(ParticipantBatches(GROUPS, 77, random_state=0).batch(5)) == 77
    with pytest.raises(ValueError, match="together"):
        ParticipantBatches(GROUPS, 7, random_state=0, together=0)


def test_prefetcher_keeps_the_order_and_works_in_another_thread():
    threads = set()

    def make(step):
        threads.add(threading.get_ident())
        return (np.full(3, step),)

    with Prefetcher(make, 20) as batches:
        seen = [int(batch[0][0]) for batch in batches]
    assert seen == list(range(20))
    assert threading.get_ident() not in threads
    assert batches.waited >= 0.0


def test_prefetcher_raises_what_making_a_batch_raised():
    def make(step):
        if step == 3:
            raise ValueError("no batch 3")
        return (np.zeros(1),)

    seen = []
    with pytest.raises(ValueError, match="no batch 3"), Prefetcher(make, 6) as batches:
        for _ in batches:
            seen.append(1)
    assert len(seen) == 3


def test_prefetcher_leaves_no_work_behind_when_the_consumer_stops():
    made = []
    with pytest.raises(KeyboardInterrupt), Prefetcher(lambda step: (made.append(step),), 1000) as batches:
        for _ in batches:
            raise KeyboardInterrupt
    assert len(made) <= 3
    assert not any(thread.name.startswith("biosig-batches") for thread in threading.enumerate())


def test_learning_rate_rises_then_falls_to_the_floor():
    rates = [learning_rate(step, 100, 2e-3, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(2e-4) and rates[9] == rates[10] == max(rates) == pytest.approx(2e-3)
    assert rates[-1] == pytest.approx(2e-3 * FLOOR)
    assert (np.diff(rates[10:]) < 0).all() and rates[54] == pytest.approx(2e-3 * (1 + FLOOR) / 2, rel=0.02)


@pytest.mark.parametrize(("n_steps", "warmup"), [(1, 0.0), (1, 1.0), (2, 0.5), (5, 1.0), (3, 0.0)])
def test_learning_rate_of_short_trainings_is_positive(n_steps, warmup):
    rates = [learning_rate(step, n_steps, 1.0, warmup) for step in range(n_steps)]
    assert all(0 < rate <= 1 for rate in rates) and max(rates) == 1
