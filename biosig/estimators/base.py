"""What every encoder estimator shares: windows in, embeddings out, weights to and from a folder."""

from __future__ import annotations

import os

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from biosig._checks import check_sampling_rate, check_windows

MODALITIES = ("accel", "ppg")


class Encoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of the estimators that hold a fitted encoder in ``config_`` and ``weights_`` (a dict of NumPy arrays).

    The fitted state is plain data, so fitted estimators pickle and copy without any deep-learning object inside.
    """

    def transform(self, X):
        """Embed windows.

        Parameters
        ----------
        X : array or xarray.DataArray of shape (n_windows, n_channels, n_samples)
            At the sampling rate and window length the encoder was trained on.

        Returns
        -------
        embedding : array of shape (n_windows, n_features), float32
            NaN rows for windows without a single real sample. An `xarray.DataArray` over ``window`` in gives one over
            ``(window, feature)`` out, coordinates kept.
        """
        from biosig.training import embed

        check_is_fitted(self, "weights_")
        windows = self._check_input(X)
        embedding = embed(windows, self.config_, self.weights_, n_jobs=getattr(self, "n_jobs", None))
        return _like_input(embedding, X, self.get_feature_names_out())

    def _check_input(self, X, name: str = "X") -> np.ndarray:
        windows = check_windows(X, name=name, n_channels=self.config_["n_channels"])
        expected = self.config_["n_samples"]
        if windows.shape[2] != expected:
            rate = self.config_["sampling_rate"]
            raise ValueError(
                f"{name} has {windows.shape[2]} samples a window; this encoder was trained on {expected} "
                f"({expected / rate:g} s at {rate:g} Hz): use Resampler, or biosig.segment with that length and rate"
            )
        return windows

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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True
        tags.non_deterministic = False
        return tags


class TrainedEncoder(Encoder):
    """Base of the encoders that learn; subclasses name their parameters and give ``fit``."""

    def _options(self, modality: str):
        from biosig.training import TrainingOptions

        return TrainingOptions(
            steps=self.n_steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            augment=self.augment,
            random_state=int(check_random_state(self.random_state).randint(2**31 - 1)),
            n_jobs=self.n_jobs,
            progress=bool(self.verbose),
            label=f"{type(self).__name__} ({modality})",
        )

    def _config(self, windows: np.ndarray, modality: str) -> dict:
        """Return what to build for these windows; acceleration is seen as band envelopes unless told otherwise."""
        from biosig.training import make_config

        front_end = self.front_end or ("envelopes" if modality == "accel" else "samples")
        return make_config(
            architecture=self.architecture,
            size=self.size,
            modality=modality,
            n_channels=windows.shape[1],
            n_samples=windows.shape[2],
            sampling_rate=check_sampling_rate(self.sampling_rate),
            front_end=front_end,
            dropout=self.dropout,
        )

    def _keep(self, fitted) -> None:
        self.config_ = fitted.config
        self.weights_ = fitted.weights
        self.history_ = fitted.history


def check_modality(modality: str) -> str:
    """Return `modality`, or raise ValueError unless it is one that encoders know."""
    if modality not in MODALITIES:
        raise ValueError(f"modality is {modality!r}; expected one of {', '.join(map(repr, MODALITIES))}")
    return modality


def _like_input(embedding: np.ndarray, X, names: np.ndarray):
    """Return a DataArray where windows came as one (no import of xarray needed to find out)."""
    if not hasattr(X, "dims") or not hasattr(X, "coords"):
        return embedding
    window = X.dims[0]
    coords = {name: value for name, value in X.coords.items() if value.dims == (window,)}
    return type(X)(embedding, dims=(window, "feature"), coords={**coords, "feature": names.astype(str)})
