"""Slow, obvious twins of the training objectives."""

from __future__ import annotations

import numpy as np


def info_nce(query, key, excluded, temperature, balance):
    n, m = len(query), len(key)
    q = [row / np.linalg.norm(row) for row in query.astype(np.float64)]
    k = [row / np.linalg.norm(row) for row in key.astype(np.float64)]
    total = 0.0
    for i in range(n):
        own = np.exp(q[i] @ k[i] / temperature)
        to_key = own / sum(np.exp(q[i] @ k[j] / temperature) for j in range(m) if not excluded[i, j])
        to_query = own / sum(np.exp(q[j] @ k[i] / temperature) for j in range(n) if not excluded[j, i])
        total -= balance * np.log(to_key) + (1 - balance) * np.log(to_query)
    return total / n


def koleo(x):
    u = [row / np.linalg.norm(row) for row in x.astype(np.float64)]
    nearest = [min(np.linalg.norm(u[i] - u[j]) for j in range(len(u)) if j != i) for i in range(len(u))]
    return -np.mean(np.log(nearest))


def resampled(tokens, n_to):
    """Tokens (n_from, n_features) of one window at the middles of `n_to` equal stretches of it."""
    n_from = len(tokens)
    middles, wanted = (np.arange(n_from) + 0.5) / n_from, (np.arange(n_to) + 0.5) / n_to
    return np.stack([np.interp(wanted, middles, column) for column in tokens.T.astype(np.float64)], axis=1)


def token_distillation(student, teacher):
    errors = []
    for own, other in zip(student, teacher, strict=True):
        for said, told in zip(resampled(own, len(other)), other.astype(np.float64), strict=True):
            errors.append(np.mean((said - (told - told.mean()) / np.sqrt(told.var() + 1e-5)) ** 2))
    return np.mean(errors)


def l2_regression(student, teacher):
    return np.mean([np.mean((s - t) ** 2) for s, t in zip(student, teacher, strict=True)])


def cosine_regression(student, teacher):
    cosines = [s @ t / np.linalg.norm(s) / np.linalg.norm(t) for s, t in zip(student, teacher, strict=True)]
    return 1 - np.mean(cosines)


def masked_regression(predicted, target, known):
    errors = [
        (predicted[i, k] - target[i, k]) ** 2
        for i in range(predicted.shape[0])
        for k in range(predicted.shape[1])
        if known[i, k]
    ]
    return np.mean(errors) if errors else 0.0


def masked_cross_entropy(logits, labels):
    errors = []
    for row, label in zip(logits.astype(np.float64), labels, strict=True):
        if label.any():
            errors.append(-np.log(np.exp(row[label.argmax()]) / np.exp(row).sum()))
    return np.mean(errors) if errors else 0.0


def gelu_head(x, head):
    hidden = x @ head["in_weight"] + head["in_bias"]
    hidden = 0.5 * hidden * (1 + np.tanh(np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3)))
    return hidden @ head["out_weight"] + head["out_bias"]
