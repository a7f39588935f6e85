"""What a trained encoder is: plain data."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from biosig._checks import check_sampling_rate
from biosig.nets.backend import lock
from biosig.nets.encoders import build_encoder, embedding_size, encoder_config
from biosig.nets.parameters import get_weights
from biosig.training.checkpoint import State
from biosig.training.embedding import embed
from biosig.training.frontends import FRONT_ENDS, NORMALISATIONS, front_end_shape

MODALITIES = ("ppg", "accel")


@dataclass
class Fitted:
    """A trained encoder as plain data.

    Attributes
    ----------
    config : dict
        From `make_config`; with `weights` all that `embed` needs.
    weights : dict of str to array
        Of the encoder alone.
    history : dict
        Of the training, see `biosig.training.loop.train`.
    heads : dict of str to dict of str to array
        What stood on the embedding while it was trained: ``"student"`` and ``"teacher"`` after distillation (for
        `project`), ``"regression"`` or ``"classification"`` after supervised training (for
        `predict`).
    state : State or None
        From which the training that made it can go on; None for an encoder that was not trained here.
    """

    config: dict[str, Any]
    weights: dict[str, np.ndarray]
    history: dict[str, Any]
    heads: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    state: State | None = None

    def predict(self, x, *, batch_size: int = 64, n_jobs: int | None = None, progress: bool = False) -> np.ndarray:
        """Return what the encoder was trained to tell of windows.

        Returns
        -------
        array
            Targets (n_windows, n_targets), float32 in the units given for training, NaN without data. Or labels
            (n_windows,), those of the most probable classes; where windows without data are among them, NaN for these
            if labels are numbers, None if not.

        Raises
        ------
        ValueError
            When the encoder was not trained on targets.
        """
        if "classification" in self.heads:
            probabilities = self.probabilities(x, batch_size=batch_size, n_jobs=n_jobs, progress=progress)
            classes = self.heads["classification"]["classes"]
            labels, hopeless = classes[probabilities.argmax(axis=1)], np.isnan(probabilities[:, 0])
            if hopeless.any():
                numbers = np.issubdtype(classes.dtype, np.number)
                labels = labels.astype(np.float64 if numbers else object)
                labels[hopeless] = np.nan if numbers else None
            return labels
        said = self._said("regression", x, batch_size=batch_size, n_jobs=n_jobs, progress=progress)
        head = self.heads["regression"]
        return said * head["scale"] + head["mean"]

    def probabilities(
        self, x, *, batch_size: int = 64, n_jobs: int | None = None, progress: bool = False
    ) -> np.ndarray:
        """Return the probability of each class, (n_windows, n_classes) float32; NaN rows without data.

        Raises
        ------
        ValueError
            When the encoder was not trained on classes.
        """
        said = self._said("classification", x, batch_size=batch_size, n_jobs=n_jobs, progress=progress)
        shares = np.exp(said - said.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def _said(self, task: str, x, **settings) -> np.ndarray:
        """Return what the head of a task makes of the embeddings of windows."""
        if task not in self.heads:
            raise ValueError(
                f"this encoder was not trained on targets for {task}; use train_supervised, or a probe on embed(...)"
            )
        head = self.heads[task]
        return embed(x, self.config, self.weights, **settings) @ head["weight"] + head["bias"]


def make_config(
    *,
    modality: str,
    n_channels: int,
    n_samples: int,
    sampling_rate: float,
    architecture: str = "conv",
    size: str = "tiny",
    front_end: str | dict[str, Any] = "samples",
    normalisation: str = "zscore",
    dropout: float | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Return complete settings of an encoder and of all that is done to a raw window before it; JSON can hold them.

    Parameters
    ----------
    modality : {"ppg", "accel"}
        What the windows hold; chooses the augmentation.
    n_channels, n_samples : int
        Shape of a raw window.
    sampling_rate : float
        Of the raw windows, in Hz.
    architecture, size : str
        See `biosig.nets.encoders.encoder_config`.
    front_end : str or dict
        ``"samples"``, ``"envelopes"``, or a dict like the values of `biosig.training.frontends.FRONT_ENDS`.
    normalisation : {"zscore", "none"}
        Scaling within each window and channel, after the front end.
    dropout : float, optional
        Share dropped in training: of the pooled features (convolutions), or of what each layer adds (transformer).
    **settings
        Further settings of `encoder_config`.

    Returns
    -------
    dict
        Keys ``modality``, ``sampling_rate``, ``n_channels``, ``n_samples``, ``front_end``, ``normalisation``,
        ``encoder`` (settings of the net, for the shape after the front end) and ``embedding`` (features).

    Raises
    ------
    ValueError
        For an unknown name, or a window that suits neither front end nor encoder.
    """
    if modality not in MODALITIES:
        raise ValueError(f"modality is {modality!r}; expected one of {MODALITIES}")
    if normalisation not in NORMALISATIONS:
        raise ValueError(f"normalisation is {normalisation!r}; expected one of {NORMALISATIONS}")
    if isinstance(front_end, str):
        if front_end not in FRONT_ENDS:
            raise ValueError(f"front_end is {front_end!r}; expected one of {sorted(FRONT_ENDS)}")
        front_end = FRONT_ENDS[front_end]
    shown: dict[str, Any] = json.loads(json.dumps(front_end))  # a copy of its own, tuples as lists
    rate = check_sampling_rate(sampling_rate)
    seen_channels, seen_samples = front_end_shape(shown, n_channels, n_samples, rate)
    if dropout is not None:
        settings["dropout"] = dropout
    encoder = encoder_config(
        architecture,
        size,
        n_channels=seen_channels,
        n_samples=seen_samples,
        sampling_rate=rate * seen_samples / n_samples,
        **settings,
    )
    return {
        "modality": modality,
        "sampling_rate": rate,
        "n_channels": int(n_channels),
        "n_samples": int(n_samples),
        "front_end": shown,
        "normalisation": normalisation,
        "encoder": encoder,
        "embedding": embedding_size(encoder),
    }


def random_encoder(config: dict[str, Any], random_state: int) -> Fitted:
    """Return an encoder with weights as they are drawn: what any training has to beat."""
    with lock:
        return Fitted(config, get_weights(build_encoder(config["encoder"], random_state)), {})
