"""Encoders that learn from one sensor: masked, contrastive, and the supervised comparison."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from biosig._checks import check_groups
from biosig.estimators.base import TrainedEncoder, check_modality
from biosig.estimators.scores import check_labels, nearest_of_same_group, supervised_score


def _classifies(estimator) -> bool:
    return estimator.task == "classification"


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
            In memory or on disk, see `biosig.training.sources.open_windows`.
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
        """Return the negative mean squared error of the hidden stretches of windows, told from the visible ones.

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
            At most 0, higher is better; about -1 for an encoder that tells nothing, as windows have variance 1.

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
            In memory or on disk, see `biosig.training.sources.open_windows`.
        y : ignored
        groups : array of shape (n_windows,)
            Participant of each window; needed. Those with a single window are left out. In a Pipeline they arrive by
            metadata routing, ``set_fit_request(groups=True)``.
        """
        return self._fit(X, groups, self.warm_start)

    def partial_fit(self, X, y=None, groups=None):
        """Train ``n_steps`` further steps, from where the last call stopped; otherwise as ``fit``."""
        return self._fit(X, groups, True)

    def _fit(self, X, groups, go_on: bool):
        from biosig.training import train_contrastive

        if groups is None:
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


@dataclass(eq=False, repr=False)
class SupervisedEncoder(TrainedEncoder):
    """The same encoder trained on labels, from scratch: the comparison that distillation has to be measured against.

    Parameters
    ----------
    sampling_rate : float, default=64.0
        Rate of the windows (Hz).
    modality : {"accel", "ppg"}, default="accel"
        What the windows hold.
    task : {"regression", "classification"}, default="regression"
        Whether targets are numbers or labels.
    architecture, size, front_end, n_steps, batch_size, learning_rate, weight_decay, dropout, augment, \
validation_fraction, initial, warm_start, checkpoint, options, random_state, n_jobs, verbose
        What all encoders that learn have in common, see `biosig.estimators.base.TrainedEncoder`.

    Attributes
    ----------
    config_, weights_, history_, state_
        As in `MaskedAutoencoder`.
    heads_ : dict
        Weights of the head that stands on the embedding.
    classes_ : array of shape (n_classes,)
        The labels, for classification.
    """

    sampling_rate: float = 64.0
    _: KW_ONLY
    modality: str = "accel"
    task: str = "regression"

    def fit(self, X, y, groups=None):
        """Train on windows and their targets.

        Parameters
        ----------
        X : array of shape (n_windows, n_channels, n_samples)
            In memory or on disk, see `biosig.training.sources.open_windows`.
        y : array of shape (n_windows,) or (n_windows, n_targets)
            Numbers, or one label a window for classification. NaN (of labels also None) marks a missing target; it is
            left out of the loss.
        groups : array of shape (n_windows,), optional
            Participant of each window; batches are then balanced over participants, and participants are held out.
        """
        return self._fit(X, y, groups, self.warm_start)

    def partial_fit(self, X, y, groups=None, *, classes=None):
        """Train ``n_steps`` further steps, from where the last call stopped; otherwise as ``fit``.

        Parameters
        ----------
        X, y, groups : arrays
            As in ``fit``.
        classes : array of shape (n_classes,), optional
            All labels of later calls too, for classification; read by the first call.
        """
        return self._fit(X, y, groups, True, classes)

    def _fit(self, X, y, groups, go_on: bool, classes=None):
        from biosig.training import train_supervised

        if y is None:
            raise ValueError(
                "SupervisedEncoder requires y to be passed, but the target y is None; give one target or label a "
                "window: fit(X, y)"
            )
        if _classifies(self):
            check_labels(y)
        config, start, initial = self._prepared(X, check_modality(self.modality), go_on)
        fitted = train_supervised(
            X,
            y,
            config,
            options=self._options(self.modality),
            groups=groups,
            task=self.task,
            classes=classes if start is None else getattr(self, "classes_", None),
            start=start,
            initial=initial,
        )
        if self.task == "classification":
            self.classes_ = fitted.heads["classification"]["classes"]
        self._one_target = np.asarray(y).ndim == 1
        return self._keep(fitted)

    def predict(self, X):
        """Return the targets of windows, in the units given to ``fit``, or their labels; NaN for those without data."""
        predicted = self._trained().predict(X, n_jobs=self.n_jobs)
        return predicted[:, 0] if self._one_target and self.task == "regression" else predicted

    @available_if(_classifies)
    def predict_proba(self, X):
        """Return the probability of each of ``classes_``, (n_windows, n_classes); NaN rows for windows without data."""
        return self._trained().probabilities(X, n_jobs=self.n_jobs)

    def score(self, X, y, sample_weight=None) -> float:
        """Return the coefficient of determination R² of the predictions, or for classification their accuracy.

        Parameters
        ----------
        X : array of shape (n_windows, n_channels, n_samples)
        y : array of shape (n_windows,) or (n_windows, n_targets)
            As in ``fit``. Windows without data and missing targets are left out; of several targets the mean R² counts.
        sample_weight : array of shape (n_windows,), optional
            Weights of the windows.

        Returns
        -------
        float
            At most 1, higher is better.

        Raises
        ------
        ValueError
            For targets that do not fit the windows, or not one of them known for a window with data.
        """
        predicted = self.predict(X)
        return supervised_score(np.asarray(y), predicted, sample_weight, classes=_classifies(self))

    def _trained(self):
        from biosig.training import Fitted

        check_is_fitted(self, "weights_")
        return Fitted(self.config_, self.weights_, {}, self.heads_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        if _classifies(self):
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        else:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
            tags.target_tags.multi_output = True
        return tags
