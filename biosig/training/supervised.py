"""Supervised training from scratch: what distillation has to be measured against."""

from __future__ import annotations

from typing import Any

import numpy as np
from tinygrad import Tensor

from biosig._checks import check_groups
from biosig.nets.backend import lock
from biosig.nets.encoders import build_encoder
from biosig.nets.heads import LinearHead
from biosig.nets.parameters import get_weights
from biosig.training import objectives
from biosig.training._steps import RowsOf, draw_for, finish, fit, rows_with_data, seen_by_net
from biosig.training.checkpoint import State
from biosig.training.fitted import Fitted
from biosig.training.frontends import check_input, with_data
from biosig.training.loop import TrainingOptions
from biosig.training.sources import fingerprint


def train_supervised(
    x, y, config: dict[str, Any], *, options: TrainingOptions, groups=None, start: State | None = None
) -> Fitted:
    """Train an encoder with a linear head on targets, from scratch: what distillation has to be measured against.

    Parameters
    ----------
    x : array (n_windows, n_channels, n_samples)
    y : array (n_windows,) or (n_windows, n_targets)
        NaN where a target is not known. Windows without any target, or without data, are left out.
    config : dict
        From `biosig.training.make_config`.
    options : TrainingOptions
    groups : array (n_windows,), optional
        Participant of each window; batches are balanced over them, and participants are held out whole.
    start : State, optional
        Of a `Fitted`, to train its encoder and head further. Targets are scaled anew by the mean and spread of `y`.

    Returns
    -------
    Fitted
        With a regression head, so that ``fitted.predict`` works. A target that no window has, is predicted as NaN.

    Raises
    ------
    ValueError
        For windows or targets that do not fit, or fewer than two windows with both.
    FloatingPointError
        When the loss is no longer a number.
    """
    x = check_input(x, config)
    y = np.asarray(y, dtype=np.float32)
    y = y[:, np.newaxis] if y.ndim == 1 else y
    if y.ndim != 2 or len(y) != len(x):
        raise ValueError(f"y has shape {y.shape} for {len(x)} windows; expected ({len(x)},) or ({len(x)}, n_targets)")
    groups = None if groups is None else check_groups(groups, len(x))
    known = np.isfinite(y)
    rows = rows_with_data(with_data(x, options.n_jobs, options.progress) & known.any(axis=1), "x with a target")
    exact = np.where(known, y, np.nan).astype(np.float64)[rows]
    told = known[rows].any(axis=0)
    mean, scale = np.full(y.shape[1], np.nan), np.full(y.shape[1], np.nan)
    mean[told], scale[told] = np.nanmean(exact[:, told], axis=0), np.nanstd(exact[:, told], axis=0)
    scale[scale == 0] = 1.0  # a constant target is predicted as that constant
    standardised = np.where(known, (y - mean) / scale, 0.0).astype(np.float32)

    with lock:
        rng = np.random.default_rng(options.random_state)
        net = build_encoder(config["encoder"], rng)
        head = LinearHead(net.n_features, y.shape[1], rng)

        def loss(seen: Tensor, target: Tensor, mask: Tensor) -> Tensor:
            return objectives.masked_regression(head(net(seen)), target, mask)

        def make_batch(rows_of: RowsOf, step: int, options: TrainingOptions) -> tuple[np.ndarray, ...]:
            chosen = rows_of(step)
            seen = seen_by_net(x, chosen, config, draw_for(config, options, step, len(chosen)), options.n_jobs)
            return seen, standardised[chosen], known[chosen].astype(np.float32)

        identity = {
            "training": "supervised",
            "config": config,
            "data": fingerprint({"x": x}, {"y": y, "groups": groups, "rows": rows}),
        }
        modules = {"net": net, "head": head}
        history = fit(loss, modules, make_batch, options, rows=rows, groups=groups, identity=identity, start=start)
        scaling = {"mean": mean.astype(np.float32), "scale": scale.astype(np.float32)}
        return finish(config, net, history, {"regression": get_weights(head) | scaling})
