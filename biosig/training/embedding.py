"""A trained encoder put to use: windows in; embeddings, or places in the spaces shared with the other sensor, out."""

from __future__ import annotations

import functools
import json
import math
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from biosig.nets._forking import set_right
from biosig.nets.backend import limit_threads, lock
from biosig.nets.encoders import build_encoder
from biosig.nets.heads import InTime, TimedHead
from biosig.nets.inference import Inference
from biosig.training.batches import Prefetcher
from biosig.training.frontends import check_input, prepare


@functools.lru_cache(maxsize=8)
def _inference(encoder: str, head: tuple[int, int, int] | None, batch_size: int) -> Inference:
    """Return a net of one architecture (as JSON) for one batch shape, kept between calls.

    With the widths of a timed head (in, between, out) that head is put on the tokens.
    """
    net: Any = build_encoder(json.loads(encoder), 0)
    if head is not None:
        net = InTime(net, TimedHead(net.n_tokens * net.token_width // head[0], *head))
    return Inference(net, batch_size)


set_right(_inference.cache_clear)  # weights may have been half replaced when a child was forked


def embed(
    x,
    config: dict[str, Any],
    weights: dict[str, np.ndarray],
    *,
    batch_size: int = 64,
    n_jobs: int | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Embed any number of windows in constant memory; `x` may be on disk, see `biosig.training.sources.open_windows`.

    Parameters
    ----------
    x : array (n_windows, n_channels, n_samples)
    config, weights : dict
        Of a `Fitted`.
    batch_size : int
        Windows read and embedded at a time.
    n_jobs : int, optional
        Threads; None uses all cores.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    array (n_windows, n_features), float32
        NaN rows for windows without a finite sample.

    Raises
    ------
    ValueError
        For windows of another shape, or weights of another encoder.
    """
    return _all_rows(x, config, None, weights, batch_size, n_jobs, progress)


def project_in_time(
    x,
    config: dict[str, Any],
    weights: dict[str, np.ndarray],
    head: dict[str, np.ndarray],
    *,
    batch_size: int = 64,
    n_jobs: int | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Place windows in the space in which student and teacher are compared stretch by stretch.

    Parameters
    ----------
    x, config, weights
        As for `embed`.
    head : dict
        ``fitted.heads["student_in_time"]`` for acceleration with the student, ``fitted.heads["teacher_in_time"]`` for
        PPG with the teacher.
    batch_size, n_jobs, progress
        As for `embed`.

    Returns
    -------
    array (n_windows, n_stretches * n_per_stretch), float32
        Rows of length 1, so that dot products are similarities: of the beats' moments, not only of their rate. NaN rows
        for windows without a finite sample.
    """
    whole = {f"encoder.{name}": values for name, values in weights.items()}
    whole |= {f"head.{name}": values for name, values in head.items()}
    widths = (*head["in_weight"].shape, head["out_weight"].shape[1])
    return _unit_rows(_all_rows(x, config, widths, whole, batch_size, n_jobs, progress))


def _all_rows(x, config, head, weights, batch_size, n_jobs, progress) -> np.ndarray:
    """Return what an encoder, with a timed head of these widths or none, says of all windows, a row each."""
    x = check_input(x, config)

    def make_batch(number: int) -> tuple[np.ndarray, ...]:
        return prepare(x[number * batch_size : (number + 1) * batch_size], config, n_jobs)

    n_batches = math.ceil(len(x) / batch_size)
    with lock, limit_threads(n_jobs), Prefetcher(make_batch, n_batches) as batches:
        forward = _inference(json.dumps(config["encoder"], sort_keys=True), head, batch_size)
        forward.set_weights(weights)
        said = np.full((len(x), forward.n_features), np.nan, dtype=np.float32)
        # without a bar no tqdm: even a hidden one takes a lock of all threads, which a forked child may find locked
        bar = tqdm(batches, total=n_batches, unit="batch", desc="embed") if progress else batches
        for number, (features, has_data) in enumerate(bar):
            rows = forward(features)
            rows[~has_data] = np.nan
            said[number * batch_size : number * batch_size + len(rows)] = rows
        return said


def project(embeddings: np.ndarray, head: dict[str, np.ndarray]) -> np.ndarray:
    """Place embeddings in the space that student and teacher share after distillation.

    Parameters
    ----------
    embeddings : array (n, n_features)
    head : dict
        ``fitted.heads["student"]`` for acceleration, ``fitted.heads["teacher"]`` for the teacher's embeddings of PPG.

    Returns
    -------
    array (n, n_shared), float32
        Rows of length 1, so that dot products are similarities; NaN rows stay NaN.
    """
    x = np.asarray(embeddings, dtype=np.float32)
    if "mean" in head:
        x = (x - head["mean"]) / head["scale"]
    if "in_weight" in head:
        x = x @ head["in_weight"] + head["in_bias"]
        x = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))  # GELU, as in the net
        x = x @ head["out_weight"] + head["out_bias"]
    return _unit_rows(x)


def _unit_rows(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt(np.sum(np.square(x), axis=1, keepdims=True) + 1e-12)
