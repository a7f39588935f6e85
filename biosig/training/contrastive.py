"""Contrastive training at participant level: windows of one person are to be told from those of all others."""

from __future__ import annotations

from typing import Any

import numpy as np
from tinygrad import Context, Tensor

from biosig.nets.backend import from_numpy, in_training_mode, lock, spread_over
from biosig.nets.encoders import build_encoder
from biosig.nets.heads import ProjectionHead
from biosig.nets.parameters import get_weights, named_parameters, set_weights
from biosig.nets.updates import moving_average, push
from biosig.nets.weights import content_hash
from biosig.training import objectives
from biosig.training._steps import (
    RowsOf,
    begin_from,
    draw_for,
    finish,
    fit,
    seen_by_net,
    trained_tensors,
)
from biosig.training.checkpoint import State
from biosig.training.fitted import Fitted
from biosig.training.loop import TrainingOptions
from biosig.training.material import open_material
from biosig.training.pairs import no_negatives, recent_rows
from biosig.training.stream import SimulatedStream

PROJECTED = 128  # width of the space in which windows are compared
HIDDEN = 4  # width of the projection head, in embeddings


def train_contrastive(
    x,
    config: dict[str, Any],
    *,
    options: TrainingOptions,
    groups=None,
    temperature: float = 0.04,
    koleo: float = 0.1,
    momentum: float = 0.99,
    queue_size: int = 0,
    start: State | None = None,
    initial: dict[str, np.ndarray] | None = None,
) -> Fitted:
    r"""Train an encoder to find a window of the same participant among those of others; no labels are needed.

    Every batch is made of pairs of different windows of one participant, each augmented. With f the encoder and its
    projection head, and g their momentum copy, the query f(a) is to find the key g(b) of its pair (a, b), and f(b) to
    find g(a), by `biosig.training.objectives.info_nce` with all other windows of the participant left out of the
    negatives. Added is `koleo` times the regulariser of that name, on the queries of each half of the pairs. The copy
    drops nothing out and follows :math:`g \leftarrow \mu g + (1 - \mu) f` at the beginning of every step.

    Abbaspourazad et al. (2024), arXiv 2312.05409: there with an EfficientNet, a temperature of 0.04, 0.1 times KoLeo, a
    momentum of 0.99, Adam at 1e-3 with a weight decay of 1e-5, and batches of 256.

    Parameters
    ----------
    x : array (n_windows, n_channels, n_samples)
        In memory or on disk, see `biosig.training.sources.open_windows`. Windows without a finite sample are left out.
        Or a `biosig.training.SimulatedStream`.
    config : dict
        From `biosig.training.make_config`.
    options : TrainingOptions
    groups : array (n_windows,)
        Participant of each window; needed, but of a stream. Participants with a single window are left out; some are
        held out whole where ``options.validation_fraction`` asks for it.
    temperature : float
        Of InfoNCE.
    koleo : float
        Weight of the regulariser.
    momentum : float
        mu, 0 (the copy is the encoder itself) to less than 1.
    queue_size : int
        Keys of earlier batches kept as further negatives.
    start : State, optional
        Of a `Fitted`, to train its encoder, head and copy further.
    initial : dict of str to array, optional
        Weights of an encoder of this config to begin from, instead of drawn ones; `start` goes before it.

    Returns
    -------
    Fitted
        With the encoder alone; head and copy have done their work.

    Raises
    ------
    ValueError
        For windows that do not fit the config, or fewer than two participants with two windows with data.
    FloatingPointError
        When the loss is no longer a number.
    """
    _check_settings(temperature, koleo, momentum, queue_size)
    if groups is None and not isinstance(x, SimulatedStream):
        raise ValueError("groups is missing; contrasting participants takes the participant of each window")
    n_keys = options.batch_size + queue_size if queue_size else 0

    with open_material({"x": x}, {"x": config}, options, groups) as material, lock, spread_over(options.devices):
        rng = np.random.default_rng(options.random_state)
        net = build_encoder(config["encoder"], rng)
        begin_from(net, initial)
        head = ProjectionHead(net.n_features, HIDDEN * net.n_features, PROJECTED, rng)
        copy_net = build_encoder(config["encoder"], 0)
        copy_head = ProjectionHead(net.n_features, HIDDEN * net.n_features, PROJECTED, 0)
        set_weights(copy_net, get_weights(net))
        set_weights(copy_head, get_weights(head))
        copied = {f"momentum.{n}": t for n, t in named_parameters([copy_net, copy_head]).items()}
        queues = {"queue": from_numpy(np.zeros((n_keys, PROJECTED), np.float32))} if queue_size else {}

        def loss(seen: Tensor, excluded: Tensor) -> tuple[Tensor, list[Tensor]]:
            assigned = []
            if in_training_mode():
                assigned += moving_average(list(copied.values()), trained_tensors(net, head), momentum)
            with Context(TRAINING=0):
                key = _partners(copy_head(copy_net(seen)).detach())
            for queue in queues.values():
                assigned.append(push(queue, key))
                key = queue.detach()
            query = head(net(seen))
            found = objectives.info_nce(query, key, excluded, temperature, balance=1)
            if koleo:  # among first and among second windows: a pair is not to be driven apart
                halves = query.reshape(query.shape[0] // 2, 2, PROJECTED)
                spread = objectives.koleo(halves[:, 0]) + objectives.koleo(halves[:, 1])
                found = found + 0.5 * koleo * spread
            return found, assigned

        def make_batch(rows_of: RowsOf, step: int, options: TrainingOptions) -> tuple[np.ndarray, ...]:
            chosen = rows_of(step)
            draw = draw_for(config, options, step, len(chosen))
            seen = seen_by_net(material.signals["x"], chosen, config, draw, options.n_jobs)
            return seen, no_negatives(chosen, recent_rows(rows_of, step, n_keys or len(chosen)), material.groups)

        identity = {
            "training": "contrastive",
            "config": config,
            "settings": {"temperature": temperature, "koleo": koleo, "momentum": momentum, "queue_size": queue_size},
            "data": material.identity(),
            "initial": None if initial is None else content_hash(initial, config),
        }
        history = fit(
            loss,
            {"net": net, "head": head},
            make_batch,
            options,
            material=material,
            identity=identity,
            in_pairs=True,
            recent=n_keys,
            carried=copied | queues,
            start=start,
        )
        return finish(config, net, history, {})


def _partners(x: Tensor) -> Tensor:
    """Exchange the two rows of each pair: (n, n_features), row 0 with row 1, row 2 with row 3, and so on."""
    n, width = int(x.shape[0]), int(x.shape[1])
    return x.reshape(n // 2, 2, width).flip(1).reshape(n, width)


def _check_settings(temperature: float, koleo: float, momentum: float, queue_size: int) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature!r}; expected a positive number such as 0.04")
    if not koleo >= 0:
        raise ValueError(f"koleo is {koleo!r}; expected a weight of 0 or more, such as 0.1")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum is {momentum!r}; expected 0 to less than 1, such as 0.99")
    if queue_size < 0:
        raise ValueError(f"queue_size is {queue_size!r}; expected the number of keys to keep, 0 for none")
