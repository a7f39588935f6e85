"""Encoders read from a folder, frozen: they survive ``clone`` and cross-validation as they are."""

from __future__ import annotations

import os

from biosig.estimators.base import Encoder


class PretrainedEncoder(Encoder):
    """A frozen encoder from a folder written by ``save``.

    ``fit`` learns nothing, so the encoder may stand in any Pipeline and any cross-validation. The weights are kept in
    the estimator: once made, it no longer needs the folder.

    Parameters
    ----------
    source : str or path
        The folder.
    n_jobs : int, optional
        Threads; None uses all cores.
    """

    def __init__(self, source, *, n_jobs=None):
        self.source = source
        self.n_jobs = n_jobs

    def fit(self, X=None, y=None):
        """Read the weights if they are not there yet; nothing is learnt."""
        if not hasattr(self, "weights_"):
            from biosig.nets.weights import load_weights_folder

            self.weights_, self.config_ = load_weights_folder(os.fspath(self.source))
        if X is not None:
            self._check_input(X)
        return self

    def __sklearn_clone__(self):
        """Keep the weights: they are not learnt from the data of a fold."""
        copy = type(self)(self.source, n_jobs=self.n_jobs)
        if hasattr(self, "weights_"):
            copy.weights_, copy.config_ = self.weights_, self.config_
        return copy


def load_encoder(source) -> PretrainedEncoder:
    """Read an encoder from a folder.

    Parameters
    ----------
    source : str or path
        Folder with ``model.safetensors`` and ``config.json``.

    Returns
    -------
    encoder : PretrainedEncoder
        Ready for ``transform``; ``config_`` says what windows it expects.

    Raises
    ------
    FileNotFoundError
        The folder does not exist.
    ValueError
        A file of the folder is missing, altered or foreign; the message names it.
    """
    if not os.path.isdir(source):  # noqa: PTH112 - source may be bytes or any path-like
        raise FileNotFoundError(
            f"no encoder folder at {os.fspath(source)!r}; expected a folder written by an encoder's save(), with "
            "model.safetensors and config.json in it"
        )
    return PretrainedEncoder(source).fit()
