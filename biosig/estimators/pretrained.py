"""Encoders read from a folder, frozen: they survive ``clone`` and cross-validation as they are."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from sklearn.frozen import FrozenEstimator

from biosig.estimators.base import Encoder

SHIPPED = ("accel-small", "ppg-small")
"""Encoders inside the package: a PPG teacher and the accelerometer student distilled from it."""


class PretrainedEncoder(Encoder):
    """A frozen encoder from a folder written by ``save``.

    ``fit`` learns nothing, so the encoder may stand in any Pipeline and any cross-validation. The weights are kept in
    the estimator: once made, it no longer needs the folder.

    Parameters
    ----------
    source : str or path
        The folder, or the name of a shipped encoder (see `load_encoder`).
    n_jobs : int, optional
        Threads; None uses all cores.
    """

    _read_from: object

    def __init__(self, source, *, n_jobs=None):
        self.source = source
        self.n_jobs = n_jobs

    def fit(self, X=None, y=None):
        """Read the weights unless those of `source` are there already; nothing is learnt."""
        if not hasattr(self, "weights_") or getattr(self, "_read_from", self.source) != self.source:
            from biosig.nets.weights import load_weights_folder
            from biosig.training.stored import check_stored

            self.weights_, self.config_ = load_weights_folder(_find(self.source), check_stored)
            self._read_from = self.source
        if X is not None:
            self._check_input(X)
        return self

    def __sklearn_clone__(self):
        """Keep the weights: they are not learnt from the data of a fold."""
        twin = super().__sklearn_clone__()
        for name in ("weights_", "config_", "_read_from"):
            if hasattr(self, name):
                setattr(twin, name, getattr(self, name))
        return twin


def load_encoder(source) -> PretrainedEncoder:
    """Read an encoder from a folder, or one that comes with the package.

    Parameters
    ----------
    source : str or path
        Folder with ``model.safetensors`` and ``config.json``; or ``"accel-small"`` or ``"ppg-small"``, which need no
        download: a student of acceleration and the PPG teacher it was distilled from, with their model cards in
        ``biosig/weights``. Where a folder of that very name exists, the folder is read.

    Returns
    -------
    encoder : PretrainedEncoder
        Ready for ``transform``; ``config_`` says what windows it expects.

    Raises
    ------
    FileNotFoundError
        There is neither such a folder nor such a name.
    ValueError
        A file of the folder is missing, altered or foreign, its config is not that of an encoder, or its weights are
        not those that the config describes, or not finite; the message names it. Nothing is built from a config before
        it was checked, and nothing is larger than the weights that are there.
    """
    return PretrainedEncoder(source).fit()


def as_encoder(source, name: str) -> Encoder:
    """Return the encoder that a parameter called `name` means: one as it is or frozen, or read from a folder."""
    encoder = source.estimator if isinstance(source, FrozenEstimator) else source
    if isinstance(encoder, str | os.PathLike):
        encoder = load_encoder(encoder)
    if not isinstance(encoder, Encoder):
        raise ValueError(
            f"{name} is {type(encoder).__name__}; expected an encoder such as MaskedAutoencoder, what "
            f"biosig.load_encoder returns, a folder written by save(), or one of {', '.join(map(repr, SHIPPED))}"
        )
    return encoder


def _find(source) -> Path:
    if not isinstance(source, str | bytes | os.PathLike):
        raise ValueError(
            f"source is {type(source).__name__}; expected a folder written by an encoder's save(), or one of the names "
            f"{', '.join(map(repr, SHIPPED))}"
        )
    folder = Path(os.fsdecode(source))
    if folder.is_dir():
        return folder
    if folder.exists():
        raise ValueError(f"{folder} is no folder; expected one with model.safetensors and config.json in it")
    if str(folder) in SHIPPED:
        return Path(str(resources.files("biosig") / "weights" / str(folder)))
    raise FileNotFoundError(
        f"no encoder folder at {str(folder)!r}; expected a folder written by an encoder's save(), with "
        f"model.safetensors and config.json in it, or one of the names {', '.join(map(repr, SHIPPED))}"
    )
