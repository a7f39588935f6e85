"""The encoder that learns from labels: a regressor or classifier whose embedding can be had too."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from biosig.estimators.base import TrainedEncoder, check_modality
from biosig.estimators.scores import check_labels, supervised_score


def _classifies(estimator) -> bool:
    return estimator.task == "classification"


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

    def fit(self, X, y=None, groups=None):
        """Train on windows and their targets.

        Parameters
        ----------
        X : array of shape (n_windows, n_channels, n_samples)
            In memory or on disk, see `biosig.training.sources.open_windows`; or a `biosig.training.SimulatedStream`,
            which brings participants and targets, the simulated truth; `y` is then None.
        y : array of shape (n_windows,) or (n_windows, n_targets)
            Numbers, or one label a window for classification. NaN (of labels also None) marks a missing target; it is
            left out of the loss.
        groups : array of shape (n_windows,), optional
            Participant of each window; batches are then balanced over participants, and participants are held out.
        """
        return self._fit(X, y, groups, self.warm_start)

    def partial_fit(self, X, y=None, groups=None, *, classes=None):
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
        from biosig.training import SimulatedStream, train_supervised

        streamed = isinstance(X, SimulatedStream)
        if y is None and not streamed:
            raise ValueError(
                "SupervisedEncoder requires y to be passed, but the target y is None; give one target or label a "
                "window: fit(X, y)"
            )
        if _classifies(self) and not streamed:
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
        self._one_target = len(X.targets) == 1 if streamed else np.asarray(y).ndim == 1
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
