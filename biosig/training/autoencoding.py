"""Masked autoencoder: an encoder learns from one sensor alone, without labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from biosig._checks import check_groups
from biosig.nets.backend import lock, spread_over
from biosig.nets.masked import MaskedAutoencoderNet
from biosig.nets.weights import content_hash
from biosig.training._steps import RowsOf, begin_from, draw_for, finish, fit, rows_with_data, seen_by_net
from biosig.training.batches import generator
from biosig.training.checkpoint import State
from biosig.training.fitted import Fitted
from biosig.training.frontends import check_input, with_data
from biosig.training.loop import TrainingOptions
from biosig.training.sources import fingerprint

MASK_RATIOS = {"conv": 0.7, "efficientnet": 0.7, "transformer": 0.8}


def train_masked_autoencoder(
    x,
    config: dict[str, Any],
    *,
    options: TrainingOptions,
    groups=None,
    mask_ratio: float | None = None,
    patch: int | None = None,
    decoder_width: int = 64,
    decoder_depth: int | None = None,
    start: State | None = None,
    initial: dict[str, np.ndarray] | None = None,
) -> Fitted:
    """Train an encoder to tell the hidden parts of windows from the visible ones; no labels are needed.

    Parameters
    ----------
    x : array (n_windows, n_channels, n_samples)
        In memory or on disk, see `biosig.training.sources.open_windows`. Windows without a finite sample are left out.
    config : dict
        From `biosig.training.make_config`.
    options : TrainingOptions
    groups : array (n_windows,), optional
        Participant of each window; batches are balanced over them, and participants are held out whole.
    mask_ratio : float, optional
        Share of a window that is hidden; None takes 0.7 for convolutions and 0.8 for a transformer.
    patch, decoder_width, decoder_depth : int, optional
        What is hidden together, in samples behind the front end, and how large the decoder is: see
        `biosig.nets.masked.MaskedAutoencoderNet`.
    start : State, optional
        Of a `Fitted`, to train its encoder and decoder further.
    initial : dict of str to array, optional
        Weights of an encoder of this config to begin from, instead of drawn ones; `start` goes before it.

    Returns
    -------
    Fitted
        With the encoder alone; the decoder has done its work.

    Raises
    ------
    ValueError
        For windows that do not fit the config, a patch that does not fit the encoder, or fewer than two with data.
    FloatingPointError
        When the loss is no longer a number.
    """
    x = check_input(x, config)
    groups = None if groups is None else check_groups(groups, len(x))
    rows = rows_with_data(with_data(x, options.n_jobs, options.progress), "x")
    if mask_ratio is None:
        mask_ratio = MASK_RATIOS[config["encoder"]["architecture"]]
    with lock, spread_over(options.devices):
        decoder: dict[str, Any] = {"patch": patch, "decoder_width": decoder_width, "decoder_depth": decoder_depth}
        net = MaskedAutoencoderNet(config["encoder"], options.random_state, mask_ratio, **decoder)
        begin_from(net.encoder, initial)

        def make_batch(rows_of: RowsOf, step: int, options: TrainingOptions) -> tuple[np.ndarray, ...]:
            chosen = rows_of(step)
            features = seen_by_net(x, chosen, config, draw_for(config, options, step, len(chosen)), options.n_jobs)
            places = generator(options.random_state, "mask", step).random((len(chosen), net.n_patches))
            patches = np.argsort(places, axis=1).astype(np.int32)
            return features, np.sort(patches[:, net.n_hidden :]), np.sort(patches[:, : net.n_hidden])

        identity = {
            "training": "masked autoencoder",
            "config": config,
            "mask_ratio": mask_ratio,
            **decoder,
            "data": fingerprint({"x": x}, {"groups": groups, "rows": rows}),
            "initial": None if initial is None else content_hash(initial, config),
        }
        history = fit(
            net.loss, {"net": net}, make_batch, options, rows=rows, groups=groups, identity=identity, start=start
        )
        return finish(config, net.encoder, history, {})
