"""Slow, obvious twins of the evaluation: every pool is written down, every participant drawn one by one."""

from __future__ import annotations

import itertools

import numpy as np


def rank_credit(match, others, k):
    """Chance to be among the first k when equals are ordered at random, and the expected rank."""
    before = sum(other > match for other in others)
    equal = sum(other == match for other in others)
    ranks = [before + 1 + j for j in range(equal + 1)]
    return np.mean([rank <= k for rank in ranks]), np.mean(ranks)


def retrieval(similarity, groups, starts, length, pool, scope):
    """For each query with enough distractors: top-1, top-3, top-5 and rank over all possible pools; NaN rows else."""
    n = len(similarity)
    rows = np.full((n, 4), np.nan)
    for i in range(n):
        eligible = []
        for j in range(n):
            same = groups[i] == groups[j]
            near = i == j or (same and starts is not None and abs(starts[i] - starts[j]) < length)
            if not near and (same or scope == "across"):
                eligible.append(j)
        pools = list(itertools.combinations(eligible, pool - 1))
        if len(eligible) < pool - 1:
            continue
        found = []
        for others in pools:
            credits = [rank_credit(similarity[i, i], [similarity[i, j] for j in others], k) for k in (1, 3, 5)]
            found.append([*(credit for credit, _ in credits), credits[0][1]])
        rows[i] = np.mean(found, axis=0)
    return rows


def bootstrap_means(values, groups, draws):
    """Mean over the windows of the participants drawn, for each draw (a list of participants, repeats counted)."""
    return np.array([np.concatenate([values[groups == person] for person in draw]).mean() for draw in draws])
