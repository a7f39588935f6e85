"""Masked autoencoder: an encoder learns from one sensor alone, without labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from tinygrad import Context

from biosig.nets.backend import from_numpy, limit_threads, lock, spread_over
from biosig.nets.masked import MaskedAutoencoderNet
from biosig.nets.parameters import set_weights
from biosig.nets.weights import content_hash
from biosig.training._steps import RowsOf, begin_from, draw_for, finish, fit, seen_by_net
from biosig.training.batches import generator
from biosig.training.checkpoint import State
from biosig.training.fitted import Fitted
from biosig.training.frontends import check_input, prepare, with_data
from biosig.training.loop import TrainingOptions
from biosig.training.material import open_material

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
        Or a `biosig.training.SimulatedStream`.
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
    mask_ratio = _mask_ratio(mask_ratio, config)
    with open_material({"x": x}, {"x": config}, options, groups) as material, lock, spread_over(options.devices):
        decoder: dict[str, Any] = {"patch": patch, "decoder_width": decoder_width, "decoder_depth": decoder_depth}
        net = MaskedAutoencoderNet(config["encoder"], options.random_state, mask_ratio, **decoder)
        begin_from(net.encoder, initial)

        def make_batch(rows_of: RowsOf, step: int, options: TrainingOptions) -> tuple[np.ndarray, ...]:
            chosen = rows_of(step)
            draw = draw_for(config, options, step, len(chosen))
            features = seen_by_net(material.signals["x"], chosen, config, draw, options.n_jobs)
            return features, *_places(net, generator(options.random_state, "mask", step), len(chosen))

        identity = {
            "training": "masked autoencoder",
            "config": config,
            "mask_ratio": mask_ratio,
            **decoder,
            "data": material.identity(),
            "initial": None if initial is None else content_hash(initial, config),
        }
        history = fit(net.loss, {"net": net}, make_batch, options, material=material, identity=identity, start=start)
        return finish(config, net.encoder, history, {})


def reconstruction_error(
    x,
    config: dict[str, Any],
    weights: dict[str, np.ndarray],
    *,
    mask_ratio: float | None = None,
    patch: int | None = None,
    decoder_width: int = 64,
    decoder_depth: int | None = None,
    batch_size: int = 64,
    n_jobs: int | None = None,
) -> float:
    """Return the mean squared error of the hidden parts of windows, as reconstructed by a trained masked autoencoder.

    What is hidden is drawn from one fixed seed, so that the same windows give the same figure, whoever is evaluated.

    Parameters
    ----------
    x : array (n_windows, n_channels, n_samples)
        In memory or on disk. Windows without a finite sample are left out.
    config : dict
        Of the `Fitted`.
    weights : dict of str to array
        Of encoder and decoder, ``fitted.state.weights``.
    mask_ratio, patch, decoder_width, decoder_depth
        As in `train_masked_autoencoder`.
    batch_size : int
        Windows evaluated at a time.
    n_jobs : int, optional
        Threads; None uses all cores.

    Returns
    -------
    float
        In units of what the net is shown: 1 is the variance within a window, unless the config has no normalisation.

    Raises
    ------
    ValueError
        For windows that do not fit the config, or none with data.
    """
    x = check_input(x, config)
    rows = np.flatnonzero(with_data(x, n_jobs))
    if not len(rows):
        raise ValueError(f"0 of {len(x)} windows have data (x); a reconstruction error needs at least one")
    rng, total = generator(0, "mask of a score", 0), 0.0
    with lock, limit_threads(n_jobs), Context(TRAINING=0):
        net = MaskedAutoencoderNet(
            config["encoder"],
            0,
            _mask_ratio(mask_ratio, config),
            patch=patch,
            decoder_width=decoder_width,
            decoder_depth=decoder_depth,
        )
        set_weights({"net": net}, weights)
        for start in range(0, len(rows), batch_size):
            chosen = rows[start : start + batch_size]
            arrays = prepare(x[chosen], config, n_jobs)[0], *_places(net, rng, len(chosen))
            total += len(chosen) * float(net.loss(*map(from_numpy, arrays)).item())
    return total / len(rows)


def _mask_ratio(mask_ratio: float | None, config: dict[str, Any]) -> float:
    return MASK_RATIOS[config["encoder"]["architecture"]] if mask_ratio is None else mask_ratio


def _places(net: MaskedAutoencoderNet, rng: np.random.Generator, n_windows: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the patches that are visible, and those that are hidden, in each of some windows."""
    patches = np.argsort(rng.random((n_windows, net.n_patches)), axis=1).astype(np.int32)
    return np.sort(patches[:, net.n_hidden :]), np.sort(patches[:, : net.n_hidden])
