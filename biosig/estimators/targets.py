"""Reference heart rate and variability from PPG windows, as a scikit-learn transformer."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from biosig._checks import check_sampling_rate, check_windows
from biosig.estimators.windows import TakesWindows
from biosig.heart.targets import ppg_targets, wavelength_polarity

COLUMNS = ("heart_rate", "sdnn", "rmssd")


class PPGTargets(TakesWindows, TransformerMixin, BaseEstimator):
    """Heart rate, SDNN and RMSSD of each PPG window.

    Parameters
    ----------
    sampling_rate : float, default=64.0
        Hz.
    cleaning : {"reject", "correct", "none"}, default="reject"
        What is done about wrong and ectopic beats before SDNN and RMSSD, see `biosig.heart.hrv`.
    n_jobs : int, optional
        Threads; None uses all cores.

    Attributes
    ----------
    polarity_ : ndarray of shape (n_wavelengths,)
        -1 for wavelengths that are clearly inverted in the windows given to ``fit``, else 1. Each is turned upright
        before beats are looked for, so that a window's targets do not depend on the windows beside it.
    report_ : pandas.DataFrame
        The full table of the last ``transform``: ``heart_rate`` (beats/min), ``sdnn`` and ``rmssd`` (ms), ``n_beats``,
        ``timing_noise`` (ms), ``quality`` (0 to 1), ``reason`` where all targets are NaN, ``variability_reason`` where
        SDNN or RMSSD is, and ``polarity`` (-1 where the wavelength used is inverted).

    Notes
    -----
    A window that does not pass quality control gives NaN, never an error; leave such rows out before fitting a probe
    (``keep = np.isfinite(y).all(axis=1)``).

    See Also
    --------
    biosig.heart.ppg_targets : the function behind it.
    """

    def __init__(self, sampling_rate=64.0, *, cleaning="reject", n_jobs=None):
        self.sampling_rate = sampling_rate
        self.cleaning = cleaning
        self.n_jobs = n_jobs

    def fit(self, X, y=None):
        """Settle which wavelengths of the PPG windows, (n_windows, n_wavelengths, n_samples), are inverted."""
        ppg = self._windows(X)
        rate = check_sampling_rate(self.sampling_rate)
        self.n_channels_in_ = ppg.shape[1]
        self.polarity_ = wavelength_polarity(ppg, rate, n_jobs=self.n_jobs)
        return self

    def transform(self, X):
        """Return an array of shape (n_windows, 3): heart rate (beats/min), SDNN (ms), RMSSD (ms)."""
        check_is_fitted(self, "n_channels_in_")
        ppg = self._windows(X, self.n_channels_in_)
        rate = check_sampling_rate(self.sampling_rate)
        self.report_ = ppg_targets(ppg, rate, cleaning=self.cleaning, polarity=self.polarity_, n_jobs=self.n_jobs)
        return self.report_[list(COLUMNS)].to_numpy(dtype=np.float64)

    def _windows(self, X, n_channels=None):
        """The windows, checked, as they came where they can: float32 would lose the pulse on a large offset."""
        checked = check_windows(X, n_channels=n_channels)
        return X if isinstance(X, np.ndarray) and X.dtype.kind in "fiu" else checked

    def get_feature_names_out(self, input_features=None):
        """Names of the targets."""
        check_is_fitted(self, "n_channels_in_")
        return np.asarray(COLUMNS, dtype=object)
