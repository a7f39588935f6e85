"""Slow, obvious twins of the training objectives."""

from __future__ import annotations

import numpy as np


def info_nce(student, teacher, excluded, temperature, balance):
    n = len(student)
    s = [row / np.linalg.norm(row) for row in student.astype(np.float64)]
    t = [row / np.linalg.norm(row) for row in teacher.astype(np.float64)]
    total = 0.0
    for i in range(n):
        own = np.exp(s[i] @ t[i] / temperature)
        candidates = [j for j in range(n) if not excluded[i, j]]
        to_teacher = own / sum(np.exp(s[i] @ t[j] / temperature) for j in candidates)
        to_student = own / sum(np.exp(s[j] @ t[i] / temperature) for j in candidates)
        total -= balance * np.log(to_teacher) + (1 - balance) * np.log(to_student)
    return total / n


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


def gelu_head(x, head):
    hidden = x @ head["in_weight"] + head["in_bias"]
    hidden = 0.5 * hidden * (1 + np.tanh(np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3)))
    return hidden @ head["out_weight"] + head["out_bias"]
