"""The encoder of acceleration that learns from an encoder of PPG."""

from __future__ import annotations

import copy
from dataclasses import KW_ONLY, dataclass
from typing import Any

from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from biosig.estimators.base import Encoder, TrainedEncoder
from biosig.estimators.pretrained import as_encoder
from biosig.estimators.scores import top1
from biosig.estimators.windows import is_windows, shape_of


@dataclass(eq=False, repr=False)
class DistilledEncoder(TrainedEncoder):
    """Accelerometer encoder trained to match a frozen PPG encoder on simultaneous windows.

    Parameters
    ----------
    teacher : estimator or path
        The PPG encoder. A fitted `MaskedAutoencoder` or `ContrastiveEncoder`, or what `biosig.load_encoder` returns,
        is used frozen. An unfitted one (which is what a clone in cross-validation is) is first fitted on the PPG
        windows given to ``fit``, with their `groups`. ``sklearn.frozen.FrozenEstimator(teacher)`` and
        `biosig.load_encoder` keep their weights through clones. A path is loaded.
    sampling_rate : float, default=64.0
        Rate of the windows (Hz).
    temperature : float, default=0.04
        Of the multi-modal InfoNCE objective.
    objective : {"infonce", "l2", "cosine"}, default="infonce"
        "l2" and "cosine" regress the teacher's embedding instead: the plain baselines.
    balance : float, default=0.5
        Weight of the acceleration looking for its PPG in InfoNCE, 0 to 1; the rest is for the other direction.
    learn_temperature : bool, default=False
        Whether the temperature is trained too, beginning at `temperature`.
    windows_per_participant : int, default=4
        Windows of one participant put into a batch together, the hardest negatives of each other.
    queue_size : int, default=0
        Windows of earlier batches whose PPG gives further negatives: a pool larger than a batch.
    token_weight : float, default=0.0
        Weight of a distillation of the tokens, stretch by stretch, beside that of the pooled embedding.
    time_weight : float, optional
        Weight of a second InfoNCE that compares windows stretch by stretch, in the order of time: it teaches when the
        beats fall, not only how fast they follow. None takes 1 beside "infonce" and 0 beside the regressions.
    joint : bool, default=False
        Whether a copy of the teacher is trained with the student, from its weights (`n_steps=0` leaves those of a
        teacher as drawn: both then begin from scratch). An ablation: it tells what freezing the teacher is worth.
    architecture, size, front_end, n_steps, batch_size, learning_rate, weight_decay, dropout, augment, \
validation_fraction, initial, warm_start, checkpoint, options, random_state, n_jobs, verbose
        What all encoders that learn have in common, see `biosig.estimators.base.TrainedEncoder`.

    Attributes
    ----------
    teacher_ : estimator
        The frozen teacher; with `joint`, the copy as it ended.
    config_, weights_, history_, state_
        As in `MaskedAutoencoder`.
    heads_ : dict
        Weights of the projection heads that lead into the shared spaces used for retrieval.

    References
    ----------
    Abbaspourazad et al., Wearable Accelerometer Foundation Models for Health via Knowledge Distillation,
    arXiv 2412.11276.
    """

    teacher: Any
    sampling_rate: float = 64.0
    _: KW_ONLY
    temperature: float = 0.04
    objective: str = "infonce"
    balance: float = 0.5
    learn_temperature: bool = False
    windows_per_participant: int = 4
    queue_size: int = 0
    token_weight: float = 0.0
    time_weight: float | None = None
    joint: bool = False

    def fit(self, X, y=None, groups=None, starts=None, *, ppg=None):
        """Train the student.

        Parameters
        ----------
        X : array of shape (n_windows, 3, n_samples)
            Acceleration, in memory or on disk, see `biosig.training.sources.open_windows`; or a
            `biosig.training.SimulatedStream`, which brings PPG, participants and starts.
        y : array of shape (n_windows, n_wavelengths, n_samples), or ignored
            The PPG of the same windows, row by row. With `ppg`, y is ignored: in a Pipeline it holds the targets of the
            probe.
        groups : array of shape (n_windows,), optional
            Participant of each window. With it, other windows of the same participant serve as hard negatives, and
            participants are held out.
        starts : array of shape (n_windows,), optional
            Start of each window (s). With it, overlapping neighbours of one participant are never negatives.
        ppg : array of shape (n_windows, n_wavelengths, n_samples), optional
            The PPG by its name, which is how it passes through Pipelines and searches: as one array, which they slice
            by rows together with X, after ``set_fit_request(ppg=True)``.

        Raises
        ------
        ValueError
            Without PPG windows, or for windows that are not paired or do not fit.
        """
        return self._fit(X, paired_ppg(X, y, ppg), groups, starts, self.warm_start)

    def partial_fit(self, X, y=None, groups=None, starts=None, *, ppg=None):
        """Train ``n_steps`` further steps, from where the last call stopped; otherwise as ``fit``."""
        return self._fit(X, paired_ppg(X, y, ppg), groups, starts, True)

    def _fit(self, X, ppg, groups, starts, go_on: bool):
        from biosig.training import Fitted, train_distilled

        config, start, initial = self._prepared(X, "accel", go_on)
        if start is None:
            self.teacher_ = self._given_teacher = self._frozen_teacher(X if ppg is None else ppg, groups)
        fitted = train_distilled(
            X,
            ppg,
            config,
            Fitted(self._given_teacher.config_, self._given_teacher.weights_, {}),
            options=self._options("accel"),
            groups=groups,
            starts=starts,
            temperature=self.temperature,
            objective=self.objective,
            balance=self.balance,
            learn_temperature=self.learn_temperature,
            windows_per_participant=self.windows_per_participant,
            queue_size=self.queue_size,
            token_weight=self.token_weight,
            time_weight=self.time_weight,
            joint=self.joint,
            start=start,
            initial=initial,
        )
        if self.joint:
            self.teacher_ = copy.copy(self.teacher_)
            self.teacher_.weights_ = fitted.heads.pop("joint_teacher")
        return self._keep(fitted)

    def _frozen_teacher(self, ppg, groups) -> Encoder:
        teacher = as_encoder(self.teacher, "teacher")
        if not hasattr(teacher, "weights_"):
            teacher = clone(teacher).fit(ppg, groups=groups)
        if teacher.config_["modality"] != "ppg":
            raise ValueError(
                f"teacher was trained on {teacher.config_['modality']!r}; expected an encoder of PPG "
                "(MaskedAutoencoder(modality='ppg'))"
            )
        return teacher

    def project(self, X, *, in_time: bool = False):
        """Place acceleration windows in a space shared with PPG: unit rows, so that a dot product is a similarity.

        Parameters
        ----------
        X : array of shape (n_windows, 3, n_samples)
        in_time : bool, default=False
            Whether the space is the one in which windows are compared stretch by stretch, by when the beats fall: by
            far the better one to find the simultaneous PPG. Otherwise it is that of the pooled embedding, which knows
            what a window is like and not when. It takes a `time_weight` other than 0 in ``fit``.
        """
        check_is_fitted(self, "weights_")
        return self._placed(self, X, "student", in_time)

    def project_ppg(self, X, *, in_time: bool = False):
        """Place PPG windows in the shared space, through the frozen teacher; otherwise as ``project``."""
        check_is_fitted(self, "weights_")
        return self._placed(self.teacher_, X, "teacher", in_time)

    def score(self, X, y=None, *, ppg=None) -> float:
        """Return the fraction of windows whose acceleration finds its own PPG first among all windows given (top-1).

        Compared stretch by stretch where the encoder was trained for it (see `project`), otherwise by the pooled
        embedding. The more windows, the harder: compare scores over pools of one size only, as a search over folds
        does.

        Parameters
        ----------
        X, y, ppg : arrays
            As in ``fit``. Windows without a real sample in either sensor are left out.

        Returns
        -------
        float
            0 to 1, higher is better; chance is one over the number of windows. Ties count in part.

        Raises
        ------
        ValueError
            Without PPG windows, or with fewer than two windows with data in both sensors.
        """
        check_is_fitted(self, "weights_")
        ppg = paired_ppg(X, y, ppg)
        in_time = "student_in_time" in self.heads_
        return top1(self.project(X, in_time=in_time), self.project_ppg(ppg, in_time=in_time), "accel and ppg")

    def _placed(self, encoder: Encoder, X, side: str, in_time: bool):
        from biosig.training import project, project_in_time

        if not in_time:
            return project(encoder._embed(X), self.heads_[side])
        if f"{side}_in_time" not in self.heads_:
            raise ValueError(
                "in_time was asked for, but the encoder was fitted without: give a time_weight such as 1.0"
            )
        head = self.heads_[f"{side}_in_time"]
        return project_in_time(encoder._check_input(X), encoder.config_, encoder.weights_, head, n_jobs=self.n_jobs)


def paired_ppg(X, y, ppg):
    """Return the PPG windows meant by `y` and `ppg`, None beside a stream, which brings its own; ValueError without."""
    from biosig.training import SimulatedStream

    if ppg is not None:
        return ppg
    if isinstance(X, SimulatedStream) or is_windows(y):
        return y
    shape = shape_of(y)
    given = "ppg is missing" if y is None else f"y has shape {shape}, which are no PPG windows, and ppg is missing"
    if len(shape) == 2 and shape[1:] == shape_of(X)[-1:]:
        given += " (for one-channel windows write ppg[:, np.newaxis, :])"
    raise ValueError(
        f"{given}; a DistilledEncoder learns from the PPG of the same windows, (n_windows, n_wavelengths, n_samples): "
        "give fit(accel, ppg), or fit(accel, y, ppg=ppg) beside the targets of a probe. In a Pipeline or a search the "
        "PPG arrives by metadata routing: sklearn.set_config(enable_metadata_routing=True), "
        "DistilledEncoder(...).set_fit_request(ppg=True), then fit(accel, y, ppg=ppg)"
    )
