from __future__ import annotations

import numpy as np
import pytest

from biosig.training.pairs import EMPTY, ParticipantPairs, no_negatives, recent_rows

GROUPS = np.array(list("aaaaaaaabbbbbbbcccccd"))  # 8, 7, 5 and 1


def test_pairs_are_two_windows_of_one_participant_and_none_comes_twice_in_an_epoch():
    pairs = ParticipantPairs(GROUPS, 6, random_state=0)
    assert pairs.batch_size == 6
    epochs = [np.concatenate([pairs.batch(3 * e + b) for b in range(3)]).reshape(-1, 2) for e in range(12)]
    for epoch in epochs:
        assert (GROUPS[epoch[:, 0]] == GROUPS[epoch[:, 1]]).all() and len(np.unique(epoch)) == 18
    assert set(np.unique(epochs)) == set(range(20))  # all but the lone window of d take part in time
    assert len({tuple(sorted(pair)) for epoch in epochs for pair in epoch.tolist()}) > 30


def test_pairs_repeat_with_the_seed_in_any_order():
    forward = [ParticipantPairs(GROUPS, 6, random_state=1).batch(step) for step in range(12)]
    pairs = ParticipantPairs(GROUPS, 6, random_state=1)
    for step in reversed(range(12)):
        np.testing.assert_array_equal(pairs.batch(step), forward[step])
    assert not np.array_equal(ParticipantPairs(GROUPS, 6, random_state=2).batch(0), forward[0])


def test_batches_are_no_larger_than_the_pairs_there_are():
    assert ParticipantPairs(GROUPS, 64, random_state=0).batch_size == 18
    assert ParticipantPairs(GROUPS, 7, random_state=0).batch_size == 6


@pytest.mark.parametrize("groups", [["a"] * 9, list("abcdef"), list("aaab"), []])
def test_too_few_participants_are_refused(groups):
    with pytest.raises(ValueError, match="two windows"):
        ParticipantPairs(np.array(groups, dtype=str), 8, random_state=0)


def test_recent_rows_are_those_of_a_queue():
    steps = [np.array([3 * s, 3 * s + 1, 3 * s + 2]) for s in range(5)]
    queue = np.full(7, EMPTY)
    for step, rows in enumerate(steps):
        queue = np.concatenate([rows, queue])[:7]
        np.testing.assert_array_equal(recent_rows(steps.__getitem__, step, 7), queue)


@pytest.mark.parametrize(("with_starts", "length"), [(True, 60.0), (False, 0.0), (True, None)])
def test_no_negatives_against_the_obvious_loop(with_starts, length):
    rng = np.random.default_rng(0)
    groups, starts = rng.integers(0, 3, 40), 1.7e9 + rng.integers(0, 20, 40) * 10.0
    queries = rng.permutation(40)[:12]
    keys = np.concatenate([queries, queries[:3], rng.permutation(40)[:8], [EMPTY, EMPTY]])
    marked = no_negatives(queries, keys, groups, starts if with_starts else None, length)
    assert marked.dtype == np.float32 and marked.shape == (12, 25)
    for i, query in enumerate(queries):
        for j, key in enumerate(keys):
            near = length is None or query == key or (with_starts and abs(starts[query] - starts[key]) < length)
            expected = key == EMPTY or (groups[query] == groups[key] and near and i != j)
            assert marked[i, j] == expected
    assert 0 < marked[:, :23].mean() < 1
