"""Supervised training from scratch: what distillation has to be measured against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tinygrad import Tensor

from biosig._checks import check_groups
from biosig.nets.backend import lock, spread_over
from biosig.nets.encoders import build_encoder
from biosig.nets.heads import LinearHead
from biosig.nets.parameters import get_weights
from biosig.nets.weights import content_hash
from biosig.training import objectives
from biosig.training._steps import RowsOf, begin_from, draw_for, finish, fit, rows_with_data, seen_by_net
from biosig.training.checkpoint import State
from biosig.training.fitted import Fitted
from biosig.training.frontends import check_input, with_data
from biosig.training.loop import TrainingOptions
from biosig.training.sources import fingerprint

TASKS = ("regression", "classification")


def train_supervised(
    x,
    y,
    config: dict[str, Any],
    *,
    options: TrainingOptions,
    groups=None,
    task: str = "regression",
    classes=None,
    start: State | None = None,
    initial: dict[str, np.ndarray] | None = None,
) -> Fitted:
    """Train an encoder with a linear head on targets or classes, from scratch: what distillation is measured against.

    Parameters
    ----------
    x : array (n_windows, n_channels, n_samples)
        In memory or on disk, see `biosig.training.sources.open_windows`.
    y : array (n_windows,) or (n_windows, n_targets)
        To regress: numbers, NaN where a target is not known. To classify: one label a window, numbers or text, NaN or
        None where it is not known. Windows without any target, or without data, are left out.
    config : dict
        From `biosig.training.make_config`.
    options : TrainingOptions
    groups : array (n_windows,), optional
        Participant of each window; batches are balanced over them, and participants are held out whole.
    task : {"regression", "classification"}
    classes : array (n_classes,), optional
        All classes, in the order of the probabilities; None takes those of `y`, sorted.
    start : State, optional
        Of a `Fitted`, to train its encoder and head further. Targets are scaled anew by the mean and spread of `y`.
    initial : dict of str to array, optional
        Weights of an encoder of this config to begin from, instead of drawn ones; `start` goes before it.

    Returns
    -------
    Fitted
        With a head of the name of the task, so that ``fitted.predict`` works. A target that no window has, is predicted
        as NaN.

    Raises
    ------
    ValueError
        For windows or targets that do not fit, fewer than two windows with both, or fewer than two classes.
    FloatingPointError
        When the loss is no longer a number.
    """
    if task not in TASKS:
        raise ValueError(f"task is {task!r}; expected one of {', '.join(map(repr, TASKS))}")
    if classes is not None and task != "classification":
        raise ValueError(
            "classes are given, but the task is 'regression'; give task='classification', or leave them out"
        )
    x = check_input(x, config)
    usable = with_data(x, options.n_jobs, options.progress)
    told = _to_regress(y, usable) if task == "regression" else _to_classify(y, usable, classes)
    groups = None if groups is None else check_groups(groups, len(x))
    rows = rows_with_data(usable & told.known, "x with a target")

    with lock, spread_over(options.devices):
        rng = np.random.default_rng(options.random_state)
        net = build_encoder(config["encoder"], rng)
        begin_from(net, initial)
        head = LinearHead(net.n_features, told.arrays[0].shape[1], rng)

        def loss(seen: Tensor, *targets: Tensor) -> Tensor:
            return told.objective(head(net(seen)), *targets)

        def make_batch(rows_of: RowsOf, step: int, options: TrainingOptions) -> tuple[np.ndarray, ...]:
            chosen = rows_of(step)
            seen = seen_by_net(x, chosen, config, draw_for(config, options, step, len(chosen)), options.n_jobs)
            return seen, *[array[chosen] for array in told.arrays]

        identity = {
            "training": "supervised",
            "config": config,
            "task": task,
            "data": fingerprint({"x": x}, {"y": told.arrays[0], **told.kept, "groups": groups, "rows": rows}),
            "initial": None if initial is None else content_hash(initial, config),
        }
        modules = {"net": net, "head": head}
        history = fit(loss, modules, make_batch, options, rows=rows, groups=groups, identity=identity, start=start)
        return finish(config, net, history, {task: get_weights(head) | told.kept})


@dataclass(frozen=True)
class _Told:
    """What the head is to say: which windows are told it, in which arrays, and what it takes to read the answer."""

    known: np.ndarray
    arrays: tuple[np.ndarray, ...]
    objective: Callable[..., Tensor]
    kept: dict[str, np.ndarray]


def _to_regress(y, usable: np.ndarray) -> _Told:
    """Scale targets to mean 0 and variance 1 over the usable windows; which are known is told beside."""
    n = len(usable)
    y = np.asarray(y, dtype=np.float32)
    y = y[:, np.newaxis] if y.ndim == 1 else y
    if y.ndim != 2 or len(y) != n:
        raise ValueError(f"y has shape {y.shape} for {n} windows; expected ({n},) or ({n}, n_targets)")
    known = np.isfinite(y)
    exact = np.where(known, y, np.nan).astype(np.float64)[usable]
    somewhere = known[usable].any(axis=0)
    mean, scale = np.full(y.shape[1], np.nan), np.full(y.shape[1], np.nan)
    mean[somewhere], scale[somewhere] = np.nanmean(exact[:, somewhere], axis=0), np.nanstd(exact[:, somewhere], axis=0)
    scale[scale == 0] = 1.0  # a constant target is predicted as that constant
    standardised = np.where(known, (y - mean) / scale, 0.0).astype(np.float32)
    scaling = {"mean": mean.astype(np.float32), "scale": scale.astype(np.float32)}
    return _Told(known.any(axis=1), (standardised, known.astype(np.float32)), objectives.masked_regression, scaling)


def _is_known(label: Any) -> bool:
    """Whether a label is there: not None, and equal to itself, as NaN is not; pandas' NA has no answer to that."""
    try:
        return label is not None and bool(label == label)
    except TypeError:
        return False


def _to_classify(y, usable: np.ndarray, classes) -> _Told:
    """Turn labels into rows with 1 at their class."""
    labels, n = np.asarray(y), len(usable)
    if labels.shape != (n,):
        raise ValueError(f"y has shape {labels.shape} for {n} windows; expected one label a window, ({n},)")
    known = np.array([_is_known(label) for label in labels], dtype=bool)
    told = np.array(labels[known].tolist())  # numbers or text, no longer objects
    classes = np.unique(told[usable[known]]) if classes is None else np.asarray(classes)
    one_hot = np.zeros((n, len(classes)), dtype=np.float32)
    one_hot[known] = told[:, np.newaxis] == classes
    if len(classes) < 2:
        raise ValueError(f"y has {len(classes)} class(es) {classes.tolist()}; expected at least two to tell apart")
    strange = np.unique(told[usable[known] & ~one_hot[known].any(axis=1)])
    if len(strange):
        raise ValueError(f"y has the labels {strange.tolist()[:5]}; expected some of {classes.tolist()}")
    return _Told(one_hot.sum(axis=1) > 0, (one_hot,), objectives.masked_cross_entropy, {"classes": classes})
