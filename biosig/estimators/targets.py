"""Reference heart rate and variability from PPG windows, as a scikit-learn transformer."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from biosig._checks import check_sampling_rate, check_windows
from biosig.estimators.windows import TakesWindows
from biosig.heart import ppg_targets

COLUMNS = ("heart_rate", "sdnn", "rmssd")


class PPGTargets(TakesWindows, TransformerMixin, BaseEstimator):
    """Heart rate, SDNN and RMSSD of each PPG window.

    Parameters
    ----------
    sampling_rate : float, default=64.0
        Hz.
    n_jobs : int, optional
        Threads; None uses all cores.

    Attributes
    ----------
    report_ : pandas.DataFrame
        The full table of the last ``transform``: ``heart_rate`` (beats/min), ``sdnn`` and ``rmssd`` (ms), ``n_beats``,
        ``quality`` (0 to 1) and, where a target is NaN, the ``reason``.

    Notes
    -----
    A window in which no rhythm can be trusted gives NaN, never an error; leave such rows out before fitting a probe
    (``keep = np.isfinite(y).all(axis=1)``).

    See Also
    --------
    biosig.heart.ppg_targets : the function behind it.
    """

    def __init__(self, sampling_rate=64.0, *, n_jobs=None):
        self.sampling_rate = sampling_rate
        self.n_jobs = n_jobs

    def fit(self, X, y=None):
        """Check the PPG windows, (n_windows, n_wavelengths, n_samples); nothing is learnt."""
        self.n_channels_in_ = check_windows(X).shape[1]
        check_sampling_rate(self.sampling_rate)
        return self

    def transform(self, X):
        """Return an array of shape (n_windows, 3): heart rate (beats/min), SDNN (ms), RMSSD (ms)."""
        check_is_fitted(self, "n_channels_in_")
        X = check_windows(X, n_channels=self.n_channels_in_)
        self.report_ = ppg_targets(X, check_sampling_rate(self.sampling_rate), n_jobs=self.n_jobs)
        return self.report_[list(COLUMNS)].to_numpy(dtype=np.float64)

    def get_feature_names_out(self, input_features=None):
        """Names of the targets."""
        check_is_fitted(self, "n_channels_in_")
        return np.asarray(COLUMNS, dtype=object)
