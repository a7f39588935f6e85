"""Encoders that learn from one sensor without labels: masked and contrastive."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from sklearn.utils.validation import check_is_fitted

from biosig._checks import check_groups
from biosig.estimators.base import TrainedEncoder, check_modality
from biosig.estimators.scores import nearest_of_same_group


@dataclass(eq=False, repr=False)
class MaskedAutoencoder(TrainedEncoder):
    """Encoder trained to rebuild hidden stretches of a signal, without labels.

    On PPG this is a teacher of the method; on acceleration it is the single-sensor comparison.

    Parameters
    ----------
    sampling_rate : float, default=64.0
        Rate of the windows (Hz).
    modality : {"ppg", "accel"}, default="ppg"
        What the windows hold; decides the augmentations (acceleration is also rotated) and the default front end.
    mask_ratio : float, optional
        Share of each window that is hidden; None takes 0.8 for "transformer" and 0.7 for the others.
    patch : int, optional
        Samples, as the front end gives them, that are hidden together: a multiple of what one token of the encoder
        stands for. None hides token by token; longer patches cannot be told from their edges.
    decoder_width : int, default=64
        Features of the decoder, which is dropped after training; a multiple of 4.
    decoder_depth : int, optional
        Blocks of the decoder; None takes 2 for "transformer" and 0, one linear layer, for the others.
    architecture, size, front_end, n_steps, batch_size, learning_rate, weight_decay, dropout, augment, \
validation_fraction, initial, warm_start, checkpoint, options, random_state, n_jobs, verbose
        What all encoders that learn have in common, see `biosig.estimators.base.TrainedEncoder`.

    Attributes
    ----------
    config_ : dict
        Architecture and input, as stored beside the weights.
    weights_ : dict of str to ndarray
    history_ : dict
        Learning curves.
    state_ : biosig.training.checkpoint.State
        From which ``partial_fit`` goes on: all weights and the moments of the optimiser, as NumPy arrays.

    References
    ----------
    He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022. Abbaspourazad et al., arXiv 2412.11276.
    """

    sampling_rate: float = 64.0
    _: KW_ONLY
    modality: str = "ppg"
    mask_ratio: float | None = None
    patch: int | None = None
    decoder_width: int = 64
    decoder_depth: int | None = None

    def fit(self, X, y=None, groups=None):
        """Train on windows.

        Parameters
        ----------
        X : array of shape (n_windows, n_channels, n_samples)
            In memory or on disk, see `biosig.training.sources.open_windows`; or a `biosig.training.SimulatedStream`,
            which brings its participants.
        y : ignored
        groups : array of shape (n_windows,), optional
            Participant of each window; batches are then balanced over participants, and participants are held out.
        """
        return self._fit(X, groups, self.warm_start)

    def partial_fit(self, X, y=None, groups=None):
        """Train ``n_steps`` further steps, from where the last call stopped; otherwise as ``fit``."""
        return self._fit(X, groups, True)

    def _fit(self, X, groups, go_on: bool):
        from biosig.training import train_masked_autoencoder

        config, start, initial = self._prepared(X, check_modality(self.modality), go_on)
        options = self._options(self.modality)
        return self._keep(
            train_masked_autoencoder(
                X,
                config,
                options=options,
                groups=groups,
                mask_ratio=self.mask_ratio,
                patch=self.patch,
                decoder_width=self.decoder_width,
                decoder_depth=self.decoder_depth,
                start=start,
                initial=initial,
            )
        )

    def score(self, X, y=None) -> float:
        """Return the negative mean squared error of hidden segments, reconstructed from the visible ones.

        What is hidden is the same for every encoder of one `mask_ratio` and `patch`. Encoders that differ in these or
        in `front_end` are given tasks that differ, so their scores must not be compared.

        Parameters
        ----------
        X : array of shape (n_windows, n_channels, n_samples)
            Windows without a real sample are left out.
        y : ignored

        Returns
        -------
        float
            At most 0, higher is better; about -1 for an untrained encoder, as windows have variance 1.

        Raises
        ------
        ValueError
            For windows that the encoder does not take, or none with data.
        """
        from biosig.training import reconstruction_error

        check_is_fitted(self, "weights_")
        return -reconstruction_error(
            X,
            self.config_,
            self.state_.weights,
            mask_ratio=self.mask_ratio,
            patch=self.patch,
            decoder_width=self.decoder_width,
            decoder_depth=self.decoder_depth,
            n_jobs=self.n_jobs,
        )


@dataclass(eq=False, repr=False)
class ContrastiveEncoder(TrainedEncoder):
    """Encoder trained to find windows of the same participant among those of others, without labels.

    Parameters
    ----------
    sampling_rate : float, default=64.0
        Rate of the windows (Hz).
    modality : {"ppg", "accel"}, default="ppg"
        What the windows hold.
    temperature : float, default=0.04
        Of the InfoNCE objective.
    koleo : float, default=0.1
        Weight of the KoLeo regulariser.
    momentum : float, default=0.99
        Of the copy that the encoder is compared with; 0 compares it with itself.
    queue_size : int, default=0
        Keys of earlier batches kept as further negatives.
    architecture, size, front_end, n_steps, batch_size, learning_rate, weight_decay, dropout, augment, \
validation_fraction, initial, warm_start, checkpoint, options, random_state, n_jobs, verbose
        What all encoders that learn have in common, see `biosig.estimators.base.TrainedEncoder`.

    Attributes
    ----------
    config_, weights_, history_, state_
        As in `MaskedAutoencoder`.

    References
    ----------
    Abbaspourazad et al., Large-scale Training of Foundation Models for Wearable Biosignals, arXiv 2312.05409.
    """

    sampling_rate: float = 64.0
    _: KW_ONLY
    modality: str = "ppg"
    temperature: float = 0.04
    koleo: float = 0.1
    momentum: float = 0.99
    queue_size: int = 0

    def fit(self, X, y=None, groups=None):
        """Train on windows of which several are of one participant.

        Parameters
        ----------
        X : array of shape (n_windows, n_channels, n_samples)
            In memory or on disk, see `biosig.training.sources.open_windows`; or a `biosig.training.SimulatedStream`,
            which brings its participants.
        y : ignored
        groups : array of shape (n_windows,)
            Participant of each window; needed, but of a stream. Those with a single window are left out. In a Pipeline
            they arrive by metadata routing, ``set_fit_request(groups=True)``.
        """
        return self._fit(X, groups, self.warm_start)

    def partial_fit(self, X, y=None, groups=None):
        """Train ``n_steps`` further steps, from where the last call stopped; otherwise as ``fit``."""
        return self._fit(X, groups, True)

    def _fit(self, X, groups, go_on: bool):
        from biosig.training import SimulatedStream, train_contrastive

        if groups is None and not isinstance(X, SimulatedStream):
            raise ValueError("groups is missing; a ContrastiveEncoder learns from which windows are of one participant")
        config, start, initial = self._prepared(X, check_modality(self.modality), go_on)
        fitted = train_contrastive(
            X,
            config,
            options=self._options(self.modality),
            groups=groups,
            temperature=self.temperature,
            koleo=self.koleo,
            momentum=self.momentum,
            queue_size=self.queue_size,
            start=start,
            initial=initial,
        )
        return self._keep(fitted)

    def score(self, X, y=None, groups=None) -> float:
        """Return the fraction of windows whose most similar other window is of the same participant.

        Similar by the cosine of the embeddings, after their mean is taken away.

        Parameters
        ----------
        X : array of shape (n_windows, n_channels, n_samples)
            Windows without a real sample are left out.
        y : ignored
        groups : array of shape (n_windows,)
            Participant of each window; needed. In a search: ``set_score_request(groups=True)``.

        Returns
        -------
        float
            0 to 1, higher is better.

        Raises
        ------
        ValueError
            Without `groups`, or without two participants of whom one has two windows with data.
        """
        check_is_fitted(self, "weights_")
        if groups is None:
            raise ValueError("groups is missing; the score counts how often windows of one participant are alike")
        embedding = self._embed(X)
        return nearest_of_same_group(embedding, check_groups(groups, len(embedding)))
