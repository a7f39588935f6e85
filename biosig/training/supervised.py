"""Supervised training from scratch: what distillation has to be measured against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tinygrad import Tensor

from biosig.nets.backend import lock, spread_over
from biosig.nets.encoders import build_encoder
from biosig.nets.heads import LinearHead
from biosig.nets.parameters import get_weights
from biosig.nets.weights import content_hash
from biosig.training import objectives
from biosig.training._steps import RowsOf, begin_from, draw_for, finish, fit, seen_by_net
from biosig.training.checkpoint import State
from biosig.training.fitted import Fitted
from biosig.training.loop import TrainingOptions
from biosig.training.material import open_material
from biosig.training.stream import SimulatedStream
from biosig.training.streamed import StreamMaterial

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
        In memory or on disk, see `biosig.training.sources.open_windows`. Or a `biosig.training.SimulatedStream`, whose
        true targets are regressed; `y` is then None.
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
    if isinstance(x, SimulatedStream) and (y is not None or task != "regression"):
        raise ValueError(
            "a stream brings its own targets, the simulated truth, to be regressed; leave y out and choose targets of "
            "the stream"
        )
    with open_material({"x": x}, {"x": config}, options, groups) as material, lock, spread_over(options.devices):
        if isinstance(material, StreamMaterial):
            told = _streamed(material)
        else:
            told = (
                _to_regress(y, material.usable) if task == "regression" else _to_classify(y, material.usable, classes)
            )
            material.only(told.known, "x with a target")
        data = material.identity(told.column | told.kept)
        rng = np.random.default_rng(options.random_state)
        net = build_encoder(config["encoder"], rng)
        begin_from(net, initial)
        head = LinearHead(net.n_features, told.n_outputs, rng)

        def loss(seen: Tensor, *targets: Tensor) -> Tensor:
            return told.objective(head(net(seen)), *targets)

        def make_batch(rows_of: RowsOf, step: int, options: TrainingOptions) -> tuple[np.ndarray, ...]:
            chosen = rows_of(step)
            draw = draw_for(config, options, step, len(chosen))
            seen = seen_by_net(material.signals["x"], chosen, config, draw, options.n_jobs)
            return seen, *told.arrays(chosen)

        identity = {
            "training": "supervised",
            "config": config,
            "task": task,
            "data": data,
            "initial": None if initial is None else content_hash(initial, config),
        }
        modules = {"net": net, "head": head}
        history = fit(loss, modules, make_batch, options, material=material, identity=identity, start=start)
        return finish(config, net, history, {task: get_weights(head) | told.kept})


@dataclass(frozen=True)
class _Told:
    """What the head is to say: which windows are told it, as arrays by rows, and what it takes to read the answer."""

    known: np.ndarray
    arrays: Callable[[np.ndarray], tuple[np.ndarray, ...]]
    n_outputs: int
    objective: Callable[..., Tensor]
    kept: dict[str, np.ndarray]
    column: dict[str, Any]  # by which the targets are recognised again


def _to_regress(y, usable: np.ndarray) -> _Told:
    """Scale targets to mean 0 and variance 1 over the usable windows; which are known is told beside."""
    n = len(usable)
    y = np.asarray(y, dtype=np.float32)
    y = y[:, np.newaxis] if y.ndim == 1 else y
    if y.ndim != 2 or len(y) != n:
        raise ValueError(f"y has shape {y.shape} for {n} windows; expected ({n},) or ({n}, n_targets)")
    mean, scale = _scaling(y[usable])
    standardised, known = _standardised(y, mean, scale)
    return _regressed(
        np.isfinite(y).any(axis=1), lambda rows: (standardised[rows], known[rows]), mean, scale, {"y": standardised}
    )


def _streamed(material: StreamMaterial) -> _Told:
    """Scale the true targets of a stream by its first windows."""
    mean, scale = _scaling(material.some_targets())
    names = {"targets": list(material.stream.targets)}
    return _regressed(
        np.ones(0, bool), lambda rows: _standardised(material.targets(rows), mean, scale), mean, scale, names
    )


def _scaling(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each target; NaN where no window has it."""
    known = np.isfinite(y)
    exact, somewhere = np.where(known, y, np.nan).astype(np.float64), known.any(axis=0)
    mean, scale = np.full(y.shape[1], np.nan), np.full(y.shape[1], np.nan)
    mean[somewhere], scale[somewhere] = np.nanmean(exact[:, somewhere], axis=0), np.nanstd(exact[:, somewhere], axis=0)
    scale[scale == 0] = 1.0  # a constant target is predicted as that constant
    return mean, scale


def _standardised(y: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return scaled targets, 0 where they are not known, and 1 where they are."""
    known = np.isfinite(y)
    return np.where(known, (y - mean) / scale, 0.0).astype(np.float32), known.astype(np.float32)


def _regressed(known, arrays, mean: np.ndarray, scale: np.ndarray, column: dict[str, Any]) -> _Told:
    scaling = {"mean": mean.astype(np.float32), "scale": scale.astype(np.float32)}
    return _Told(known, arrays, len(mean), objectives.masked_regression, scaling, column)


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
    cross_entropy, kept = objectives.masked_cross_entropy, {"classes": classes}
    known = one_hot.sum(axis=1) > 0
    return _Told(known, lambda rows: (one_hot[rows],), len(classes), cross_entropy, kept, {"y": one_hot})
