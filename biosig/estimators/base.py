"""What every encoder estimator shares: windows in, embeddings out, weights to and from a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from biosig._checks import check_sampling_rate
from biosig.estimators.windows import TakesWindows, like_input, wants_table

MODALITIES = ("accel", "ppg")
SIGNAL = ("modality", "sampling_rate", "n_channels", "n_samples")
SETTINGS = (*SIGNAL, "front_end", "normalisation", "encoder", "embedding")
"""What of a config makes an encoder, see `biosig.training.make_config`."""


class Encoder(TakesWindows, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of the estimators that hold a fitted encoder in ``config_`` and ``weights_`` (a dict of NumPy arrays).

    The fitted state is plain data, so fitted estimators pickle and copy without any deep-learning object inside.
    """

    def transform(self, X):
        """Embed windows.

        Parameters
        ----------
        X : array or xarray.DataArray of shape (n_windows, n_channels, n_samples)
            At the sampling rate and window length the encoder was trained on. In memory, or on disk and then read
            batch by batch, see `biosig.training.sources.open_windows`.

        Returns
        -------
        embedding : array of shape (n_windows, n_features), float32
            NaN rows for windows without a single real sample. An `xarray.DataArray` over ``window`` in gives one over
            ``(window, feature)`` out, coordinates kept; a table instead where ``set_output`` or
            ``sklearn.set_config(transform_output=...)`` wants one.
        """
        embedding = self._embed(X)
        return embedding if wants_table(self) else like_input(embedding, X, self.get_feature_names_out())

    def _embed(self, X) -> np.ndarray:
        """Return the embedding as an array, whatever the container of the windows and the configured output."""
        from biosig.training import embed

        check_is_fitted(self, "weights_")
        return embed(self._check_input(X), self.config_, self.weights_, n_jobs=getattr(self, "n_jobs", None))

    def _check_input(self, X, name: str = "X"):
        """Return the windows, those on disk left there, or raise ValueError when the encoder does not take them."""
        from biosig.training.frontends import check_input

        return check_input(X, self.config_, name)

    @property
    def n_channels_in_(self) -> int:  # type: ignore[override]
        """Channels of the windows that the encoder takes."""
        return self.config_["n_channels"]

    @property
    def _n_features_out(self) -> int:
        return self.config_["embedding"]

    def save(self, folder) -> None:
        """Write the encoder as a folder: ``model.safetensors``, ``config.json`` and a model card, whole or not at all.

        `biosig.load_encoder` reads it back.
        """
        from biosig.estimators.cards import model_card
        from biosig.nets.weights import save_weights_folder

        check_is_fitted(self, "weights_")
        save_weights_folder(os.fspath(folder), self.weights_, self.config_, model_card(self.config_, self))


@dataclass(eq=False, repr=False, kw_only=True)
class TrainedEncoder(Encoder):
    """Base of the encoders that learn: the parameters they share, and how a training is asked for and kept.

    The parameters are the fields of dataclasses, which write the constructor that scikit-learn wants: every parameter
    by name in its signature, stored and nothing else.

    Parameters
    ----------
    architecture : {"conv", "transformer", "efficientnet"}, default="conv"
        Family of the encoder. Convolutions learn faster on small budgets.
    size : str, default="tiny"
        Named size of the encoder.
    front_end : {"samples", "envelopes"}, optional
        What the encoder is shown: the samples as they are, or log band envelopes at a low rate (see
        `biosig.estimators.BandEnvelope`). None takes envelopes for acceleration and samples for PPG.
    n_steps : int, default=400
        Training steps.
    batch_size : int, default=64
        Windows a step.
    learning_rate : float, default=3e-3
        Highest learning rate of AdamW; linear warm-up, then cosine.
    weight_decay : float, default=0.05
        Decoupled weight decay.
    dropout : float, optional
        Share of features dropped while training; None takes what is usual for the family.
    augment : bool, Augmentation or dict, default=True
        Whether windows are augmented while training, or how: settings for all sensors, or by sensor, see
        `biosig.training.TrainingOptions`.
    validation_fraction : float, default=0.0
        Share of the participants held out; the weights kept are then those with the lowest loss on their windows.
    initial : path, name or fitted encoder, optional
        Whose weights the training begins from, such as ``"accel-small"``, to adapt it to another device; it also
        decides `architecture`, `size`, `front_end` and `dropout`. The windows must be of the shape that it takes.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last ``fit`` instead of new ones.
    checkpoint : path, optional
        Folder from which the same ``fit``, interrupted or killed, goes on; it ends with the weights it would have had.
        One folder a fit; needs a `random_state`.
    options : dict, optional
        Further fields of `biosig.training.TrainingOptions`, such as ``{"patience": 5, "schedule": "step"}``.
    random_state : int, RandomState instance or None, default=None
        Seed; an int makes runs repeat exactly on one machine with the same number of threads.
    n_jobs : int, optional
        Threads; None uses all cores.
    verbose : int, default=0
        1 shows a progress bar.
    """

    architecture: str = "conv"
    size: str = "tiny"
    front_end: str | None = None
    n_steps: int = 400
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    dropout: float | None = None
    augment: Any = True
    validation_fraction: float = 0.0
    initial: Any = None
    warm_start: bool = False
    checkpoint: str | os.PathLike | None = None
    options: dict[str, Any] | None = None
    random_state: Any = None
    n_jobs: int | None = None
    verbose: int = 0

    def _options(self, modality: str):
        from biosig.training import TrainingOptions

        if self.checkpoint is not None and self.random_state is None:
            raise ValueError("checkpoint needs a random_state, such as 0: without it the next fit would be another one")
        own = {
            "steps": self.n_steps,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "augment": self.augment,
            "validation_fraction": self.validation_fraction,
            "checkpoint": self.checkpoint,
            "random_state": int(check_random_state(self.random_state).randint(2**31 - 1)),
            "n_jobs": self.n_jobs,
            "progress": bool(self.verbose),
            "label": f"{type(self).__name__} ({modality})",
        }
        known = {field.name for field in fields(TrainingOptions)} - own.keys()
        unknown = sorted((self.options or {}).keys() - known)
        if unknown:
            raise ValueError(f"options has {unknown}; expected some of {sorted(known)}, the rest are parameters")
        return TrainingOptions(**own, **(self.options or {}))

    def _prepared(self, X, modality: str, go_on: bool) -> tuple[dict, Any, dict | None]:
        """Return what to build for these windows, the state to go on from, and the weights to begin from, if any.

        Acceleration is seen as band envelopes unless told otherwise.
        """
        from biosig.training import SimulatedStream, make_config
        from biosig.training.sources import open_windows

        if go_on and hasattr(self, "state_"):
            return self.config_, self.state_, None
        shape = X.shape(modality) if isinstance(X, SimulatedStream) else open_windows(X, name="X").shape[1:]
        signal = dict(zip(SIGNAL, (modality, check_sampling_rate(self.sampling_rate), *shape), strict=True))
        if self.initial is not None:
            return self._begun(signal)
        config = make_config(
            **signal,
            architecture=self.architecture,
            size=self.size,
            front_end=self.front_end or ("envelopes" if modality == "accel" else "samples"),
            dropout=self.dropout,
        )
        return config, None, None

    def _begun(self, signal: dict) -> tuple[dict, None, dict]:
        """Return the config of `initial`, without what only its own training was about, and its weights."""
        from biosig.estimators.pretrained import as_encoder

        encoder = as_encoder(self.initial, "initial")
        check_is_fitted(encoder, "weights_")
        config = {key: encoder.config_[key] for key in SETTINGS}
        for key, value in signal.items():
            if config[key] != value:
                raise ValueError(
                    f"initial is an encoder with {key} {config[key]!r}, the windows have {value!r}: cut or resample "
                    "them as it was trained (biosig.segment), or train without initial"
                )
        return config, None, encoder.weights_

    def _keep(self, fitted):
        self.config_ = fitted.config
        self.weights_ = fitted.weights
        self.history_ = fitted.history
        self.heads_ = fitted.heads
        self.state_ = fitted.state
        return self


def check_modality(modality: str) -> str:
    """Return `modality`, or raise ValueError unless it is one that encoders know."""
    if modality not in MODALITIES:
        raise ValueError(f"modality is {modality!r}; expected one of {', '.join(map(repr, MODALITIES))}")
    return modality
