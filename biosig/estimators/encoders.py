"""Encoders that learn: the masked autoencoder, the distilled student, the supervised comparison."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from biosig._checks import check_groups, check_windows
from biosig.estimators.base import Encoder, TrainedEncoder, check_modality
from biosig.estimators.pretrained import load_encoder


class MaskedAutoencoder(TrainedEncoder):
    """Encoder trained to rebuild hidden stretches of a signal, without labels.

    On PPG this is the teacher of the method; on acceleration it is the single-sensor comparison.

    Parameters
    ----------
    sampling_rate : float, default=64.0
        Rate of the windows (Hz).
    modality : {"ppg", "accel"}, default="ppg"
        What the windows hold; decides the augmentations (acceleration is also rotated) and the default front end.
    mask_ratio : float, optional
        Share of each window that is hidden; None takes 0.8 for "transformer" and 0.7 for the others.
    architecture : {"conv", "efficientnet", "transformer"}, default="conv"
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
    dropout : float, default=0.2
        Share of features dropped while training.
    augment : bool, default=True
        Whether windows are augmented while training.
    random_state : int, RandomState instance or None, default=None
        Seed; an int makes runs repeat exactly on one machine.
    n_jobs : int, optional
        Threads that prepare batches; None uses all cores.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    config_ : dict
        Architecture and input, as stored beside the weights.
    weights_ : dict of str to ndarray
    history_ : dict
        Learning curves.

    References
    ----------
    He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022. Abbaspourazad et al., arXiv 2412.11276.
    """

    def __init__(
        self,
        sampling_rate=64.0,
        *,
        modality="ppg",
        mask_ratio=None,
        architecture="conv",
        size="tiny",
        front_end=None,
        n_steps=400,
        batch_size=64,
        learning_rate=3e-3,
        weight_decay=0.05,
        dropout=0.2,
        augment=True,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.sampling_rate = sampling_rate
        self.modality = modality
        self.mask_ratio = mask_ratio
        self.architecture = architecture
        self.size = size
        self.front_end = front_end
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.augment = augment
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X, y=None, groups=None):
        """Train on windows.

        Parameters
        ----------
        X : array of shape (n_windows, n_channels, n_samples)
        y : ignored
        groups : array of shape (n_windows,), optional
            Participant of each window; batches are then balanced over participants.
        """
        from biosig.training import train_masked_autoencoder

        X = check_windows(X)
        fitted = train_masked_autoencoder(
            X,
            self._config(X, check_modality(self.modality)),
            options=self._options(self.modality),
            groups=None if groups is None else check_groups(groups, len(X)),
            mask_ratio=self.mask_ratio,
        )
        self._keep(fitted)
        return self


class DistilledEncoder(TrainedEncoder):
    """Accelerometer encoder trained to match a frozen PPG encoder on simultaneous windows.

    Parameters
    ----------
    teacher : estimator or path
        The PPG encoder. A fitted `MaskedAutoencoder`, or what `biosig.load_encoder` returns, is used frozen. An
        unfitted one (which is what a clone in cross-validation is) is first fitted on the PPG windows given to
        ``fit``. A path is loaded.
    temperature : float, default=0.04
        Of the multi-modal InfoNCE objective.
    objective : {"infonce", "l2", "cosine"}, default="infonce"
        "l2" and "cosine" regress the teacher's embedding instead: the plain baselines.
    sampling_rate, architecture, size, front_end, n_steps, batch_size, learning_rate, weight_decay, dropout, augment, \
random_state, n_jobs, verbose
        As in `MaskedAutoencoder`.

    Attributes
    ----------
    teacher_ : estimator
        The frozen teacher.
    config_, weights_, history_
        As in `MaskedAutoencoder`.
    heads_ : dict
        Weights of the two projection heads that lead into the shared space used for retrieval.

    References
    ----------
    Abbaspourazad et al., Wearable Accelerometer Foundation Models for Health via Knowledge Distillation,
    arXiv 2412.11276.
    """

    def __init__(
        self,
        teacher,
        sampling_rate=64.0,
        *,
        temperature=0.04,
        objective="infonce",
        architecture="conv",
        size="tiny",
        front_end=None,
        n_steps=400,
        batch_size=64,
        learning_rate=3e-3,
        weight_decay=0.05,
        dropout=0.2,
        augment=True,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.teacher = teacher
        self.sampling_rate = sampling_rate
        self.temperature = temperature
        self.objective = objective
        self.architecture = architecture
        self.size = size
        self.front_end = front_end
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.augment = augment
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X, y, groups=None, starts=None):
        """Train the student.

        Parameters
        ----------
        X : array of shape (n_windows, 3, n_samples)
            Acceleration.
        y : array of shape (n_windows, n_wavelengths, n_samples)
            The PPG of the same windows, row by row.
        groups : array of shape (n_windows,), optional
            Participant of each window. With it, other windows of the same participant serve as hard negatives.
        starts : array of shape (n_windows,), optional
            Start of each window (s). With it, overlapping neighbours of one participant are never negatives.
        """
        from biosig.training import Fitted, train_distilled

        X, y = check_windows(X, name="X (acceleration)"), check_windows(y, name="y (PPG)")
        groups = None if groups is None else check_groups(groups, len(X))
        self.teacher_ = self._frozen_teacher(y, groups)
        fitted = train_distilled(
            X,
            y,
            self._config(X, "accel"),
            Fitted(self.teacher_.config_, self.teacher_.weights_, {}),
            options=self._options("accel"),
            groups=groups,
            starts=starts,
            temperature=self.temperature,
            objective=self.objective,
        )
        self._keep(fitted)
        self.heads_ = fitted.heads
        return self

    def _frozen_teacher(self, ppg: np.ndarray, groups) -> Encoder:
        teacher = self.teacher.estimator if isinstance(self.teacher, FrozenEstimator) else self.teacher
        if isinstance(teacher, str) or hasattr(teacher, "__fspath__"):
            teacher = load_encoder(teacher)
        if not isinstance(teacher, Encoder):
            raise ValueError(
                f"teacher is {type(teacher).__name__}; expected a MaskedAutoencoder on PPG, what biosig.load_encoder "
                "returns, or a path to a saved encoder"
            )
        if not hasattr(teacher, "weights_"):
            teacher = clone(teacher).fit(ppg, groups=groups)
        if teacher.config_["modality"] != "ppg":
            raise ValueError(
                f"teacher was trained on {teacher.config_['modality']!r}; expected an encoder of PPG "
                "(MaskedAutoencoder(modality='ppg'))"
            )
        return teacher

    def project(self, X):
        """Place acceleration windows in the space shared with PPG: unit rows, so that a dot product is a similarity."""
        from biosig.training import project

        return project(np.asarray(self.transform(np.asarray(X))), self.heads_["student"])

    def project_ppg(self, X):
        """Place PPG windows in the shared space, through the frozen teacher."""
        from biosig.training import project

        check_is_fitted(self, "weights_")
        return project(np.asarray(self.teacher_.transform(np.asarray(X))), self.heads_["teacher"])


class SupervisedEncoder(TrainedEncoder):
    """The same encoder trained on labels, from scratch: the comparison that distillation has to be measured against.

    Parameters
    ----------
    modality : {"accel", "ppg"}, default="accel"
        What the windows hold.
    sampling_rate, architecture, size, front_end, n_steps, batch_size, learning_rate, weight_decay, dropout, augment, \
random_state, n_jobs, verbose
        As in `MaskedAutoencoder`.

    Attributes
    ----------
    config_, weights_, history_
        As in `MaskedAutoencoder`.
    """

    def __init__(
        self,
        sampling_rate=64.0,
        *,
        modality="accel",
        architecture="conv",
        size="tiny",
        front_end=None,
        n_steps=400,
        batch_size=64,
        learning_rate=3e-3,
        weight_decay=0.05,
        dropout=0.2,
        augment=True,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.sampling_rate = sampling_rate
        self.modality = modality
        self.architecture = architecture
        self.size = size
        self.front_end = front_end
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.augment = augment
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X, y, groups=None):
        """Train on windows and their targets.

        Parameters
        ----------
        X : array of shape (n_windows, n_channels, n_samples)
        y : array of shape (n_windows,) or (n_windows, n_targets)
            NaN marks a missing target; it is left out of the loss.
        groups : array of shape (n_windows,), optional
            Participant of each window; batches are then balanced over participants.
        """
        from biosig.training import train_supervised

        X = check_windows(X)
        y = np.asarray(y, dtype=np.float32)
        self._one_target = y.ndim == 1
        self._fitted = train_supervised(
            X,
            y.reshape(len(y), -1),
            self._config(X, check_modality(self.modality)),
            options=self._options(self.modality),
            groups=None if groups is None else check_groups(groups, len(X)),
        )
        self._keep(self._fitted)
        return self

    def predict(self, X):
        """Return the targets of windows, in the units given to ``fit``; NaN for windows without data."""
        check_is_fitted(self, "weights_")
        predicted = self._fitted.predict(self._check_input(X), n_jobs=self.n_jobs)
        return predicted[:, 0] if self._one_target else predicted
