import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biosig.evaluation import bootstrap_difference, bootstrap_mean
from tests.evaluation import twins


def test_estimate_and_counts_by_hand():
    found = bootstrap_mean([1.0, 3.0, np.nan, 8.0], ["a", "a", "b", "b"], random_state=0)
    assert found.estimate == 4.0
    assert (found.n_windows, found.n_participants) == (3, 2)
    # Two participants: a draw is (a, a), (b, b) or both, so its mean is 2, 8 or 4.
    assert (found.low, found.high) == (2.0, 8.0)


def test_interval_is_that_of_all_possible_draws():
    rng = np.random.default_rng(1)
    groups = np.array(["a"] * 3 + ["b"] * 9 + ["c"] * 5 + ["d"] * 2)
    values = rng.normal(size=len(groups)) + np.unique(groups, return_inverse=True)[1]
    exact = twins.bootstrap_means(values, groups, list(itertools.product("abcd", repeat=4)))
    found = bootstrap_mean(values, groups, n_boot=40_000, level=0.8, random_state=0)
    np.testing.assert_allclose([found.low, found.high], np.quantile(exact, [0.1, 0.9]), atol=0.06)


def test_windows_of_a_person_do_not_narrow_the_interval():
    people = np.arange(8.0)
    once = bootstrap_mean(people, people, random_state=0)
    often = bootstrap_mean(np.repeat(people, 50), np.repeat(people, 50), random_state=0)
    assert once[:3] == pytest.approx(often[:3])


def test_seed_repeats_and_matters():
    values, groups = np.random.default_rng(0).normal(size=40), np.repeat(np.arange(10), 4)
    assert bootstrap_mean(values, groups, random_state=3) == bootstrap_mean(values, groups, random_state=3)
    assert bootstrap_mean(values, groups, random_state=3) != bootstrap_mean(values, groups, random_state=4)


def test_one_participant_has_no_interval_and_nothing_is_nan():
    found = bootstrap_mean([1.0, 2.0], ["a", "a"])
    assert found.estimate == 1.5 and np.isnan(found.low) and np.isnan(found.high)
    assert np.isnan(bootstrap_mean([np.nan], ["a"]).estimate)
    assert np.isnan(bootstrap_mean([], []).estimate)
    assert bootstrap_difference([np.nan, 1.0], [1.0, np.nan], ["a", "b"]).absolute.n_windows == 0


def test_difference_is_paired():
    # What is hard for both cancels: the difference is exactly one for everybody.
    hard = np.repeat([1.0, 10.0, 100.0, 1000.0], 3)
    found = bootstrap_difference(hard + 1, hard, np.repeat(np.arange(4), 3), random_state=0)
    assert found.absolute[:3] == pytest.approx((1.0, 1.0, 1.0))
    assert bootstrap_mean(hard, np.repeat(np.arange(4), 3), random_state=0).high > 300


def test_relative_difference_by_hand():
    found = bootstrap_difference([3.0, 3.0, 6.0, 9.0], [4.0, 4.0, 8.0, np.nan], ["a", "b", "c", "c"], random_state=0)
    assert found.relative[:3] == pytest.approx((-0.25, -0.25, -0.25))
    assert found.absolute.estimate == pytest.approx(-4 / 3)
    assert found.relative.n_windows == 3
    assert np.isnan(bootstrap_difference([1.0, 2.0], [0.0, 0.0], ["a", "b"]).relative.estimate)


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(0, 4)), min_size=1, max_size=30),
    st.integers(0, 2**31 - 1),
)
def test_interval_lies_between_the_extremes(pairs, seed):
    values, groups = map(np.array, zip(*pairs, strict=True))
    found = bootstrap_mean(values, groups, n_boot=50, random_state=seed)
    if len(np.unique(groups)) > 1:
        slack = 1e-9 * (1 + np.abs(values).max())
        assert values.min() - slack <= found.low <= found.high <= values.max() + slack


@pytest.mark.parametrize("options", [{"n_boot": 0}, {"level": 1.0}, {"level": 0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match="expected"):
        bootstrap_mean([1.0, 2.0], ["a", "b"], **options)
    with pytest.raises(ValueError, match="paired"):
        bootstrap_difference([1.0], [1.0, 2.0], ["a", "b"])
