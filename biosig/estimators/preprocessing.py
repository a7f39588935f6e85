"""Signal steps as scikit-learn transformers on arrays of windows, (n_windows, n_channels, n_samples).

None of them learns anything from the data: ``fit`` checks the shape and the parameters, so that a Pipeline fails early,
and ``transform`` may be called on windows never seen before. Missing samples (NaN) pass through.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from biosig._checks import check_sampling_rate, check_windows
from biosig.estimators.windows import TakesWindows
from biosig.signals import band_envelope, bandpass, normalise_windows, orientation_free, remove_gravity, resample


class WindowTransformer(TakesWindows, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Base of the steps that map windows to windows.

    Subclasses give ``_apply(X)``. Output is always a three-dimensional float32 array, which no table can hold: neither
    ``set_output`` nor ``sklearn.set_config(transform_output=...)`` changes it. Both are accepted, because a Pipeline
    passes them on to every step.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**{"auto_wrap_output_keys": None, **kwargs})  # decided for each subclass

    def fit(self, X, y=None):
        """Check the windows and the parameters.

        Parameters
        ----------
        X : array of shape (n_windows, n_channels, n_samples)
        y : ignored
        """
        X = check_windows(X)
        self._apply(X[:1])
        self.n_channels_in_ = X.shape[1]
        return self

    def transform(self, X):
        """Return the processed windows, float32 of shape (n_windows, n_channels_out, n_samples_out)."""
        check_is_fitted(self, "n_channels_in_")
        return self._apply(check_windows(X, n_channels=self.n_channels_in_))

    def get_feature_names_out(self, input_features=None):
        """Channel names out, ``channel0`` and so on: samples of a window have no names."""
        check_is_fitted(self, "n_channels_in_")
        return np.asarray([f"channel{i}" for i in range(self.n_channels_in_)], dtype=object)

    def set_output(self, *, transform=None):
        """Accept a Pipeline's request; windows stay three-dimensional arrays whatever it is."""
        return self

    def _apply(self, X: np.ndarray) -> np.ndarray:
        raise TypeError(f"{type(self).__name__} defines no _apply(X)")


class Resampler(WindowTransformer):
    """Change the sampling rate of windows, with anti-aliasing.

    Parameters
    ----------
    sampling_rate : float
        Rate of the windows that come in (Hz).
    target_rate : float, default=64.0
        Rate of the windows that go out (Hz).
    n_jobs : int, optional
        Threads; None uses all cores.

    See Also
    --------
    biosig.resample : the function behind it.
    """

    def __init__(self, sampling_rate, target_rate=64.0, *, n_jobs=None):
        self.sampling_rate = sampling_rate
        self.target_rate = target_rate
        self.n_jobs = n_jobs

    def _apply(self, X):
        return resample(
            X,
            target_rate=check_sampling_rate(self.target_rate, "target_rate"),
            sampling_rate=check_sampling_rate(self.sampling_rate),
            n_jobs=self.n_jobs,
        )


class GravityRemover(WindowTransformer):
    """Take slow acceleration (gravity and posture) away with a zero-phase high-pass filter.

    Parameters
    ----------
    sampling_rate : float, default=64.0
        Hz.
    cutoff : float, default=0.5
        Hz. Slower changes than this count as gravity.
    order : int, default=4
        Order of the Butterworth filter, applied forward and backward.
    n_jobs : int, optional
        Threads; None uses all cores.

    See Also
    --------
    biosig.remove_gravity : the function behind it.
    """

    def __init__(self, sampling_rate=64.0, *, cutoff=0.5, order=4, n_jobs=None):
        self.sampling_rate = sampling_rate
        self.cutoff = cutoff
        self.order = order
        self.n_jobs = n_jobs

    def _apply(self, X):
        rate = check_sampling_rate(self.sampling_rate)
        return remove_gravity(X, rate, cutoff=self.cutoff, order=self.order, n_jobs=self.n_jobs)


class BandpassFilter(WindowTransformer):
    """Keep a frequency band with a zero-phase Butterworth filter.

    Parameters
    ----------
    sampling_rate : float, default=64.0
        Hz.
    low, high : float, default=0.5, 8.0
        Edges of the band (Hz); the defaults suit PPG.
    order : int, default=3
        Order of the Butterworth filter, applied forward and backward.
    n_jobs : int, optional
        Threads; None uses all cores.

    See Also
    --------
    biosig.bandpass : the function behind it.
    """

    def __init__(self, sampling_rate=64.0, *, low=0.5, high=8.0, order=3, n_jobs=None):
        self.sampling_rate = sampling_rate
        self.low = low
        self.high = high
        self.order = order
        self.n_jobs = n_jobs

    def _apply(self, X):
        rate = check_sampling_rate(self.sampling_rate)
        return bandpass(X, rate, low=self.low, high=self.high, order=self.order, n_jobs=self.n_jobs)


class WindowNormalizer(WindowTransformer):
    """Scale each channel of each window to mean 0 and standard deviation 1.

    Constant channels become zeros. Missing samples are left out of the statistics and stay NaN.

    Parameters
    ----------
    n_jobs : int, optional
        Threads; None uses all cores.

    See Also
    --------
    biosig.signals.normalise_windows : the function behind it.
    """

    def __init__(self, *, n_jobs=None):
        self.n_jobs = n_jobs

    def _apply(self, X):
        return normalise_windows(X, n_jobs=self.n_jobs)


class OrientationFree(WindowTransformer):
    """Movement without gravity in a form that does not depend on how the sensor was put on.

    Parameters
    ----------
    sampling_rate : float, default=64.0
        Hz.
    form : {"magnitude", "axes", "vertical_horizontal"}, default="vertical_horizontal"
        Length of the acceleration less 1 g (one channel), the axes without gravity (three), or the movement along
        gravity and across it (two).
    cutoff, order : float, int, default=0.5, 4
        Of the filter that tells gravity from movement (Hz).
    n_jobs : int, optional
        Threads; None uses all cores.

    See Also
    --------
    biosig.orientation_free : the function behind it.

    Notes
    -----
    The windows must still hold gravity: those of `biosig.segment` do not.
    """

    def __init__(self, sampling_rate=64.0, *, form="vertical_horizontal", cutoff=0.5, order=4, n_jobs=None):
        self.sampling_rate = sampling_rate
        self.form = form
        self.cutoff = cutoff
        self.order = order
        self.n_jobs = n_jobs

    def _apply(self, X):
        return orientation_free(
            X,
            check_sampling_rate(self.sampling_rate),
            form=self.form,
            cutoff=self.cutoff,
            order=self.order,
            n_jobs=self.n_jobs,
        )

    def get_feature_names_out(self, input_features=None):
        """Names of the outgoing channels."""
        check_is_fitted(self, "n_channels_in_")
        names = {"magnitude": ["magnitude"], "axes": ["x", "y", "z"], "vertical_horizontal": ["vertical", "horizontal"]}
        return np.asarray(names[self.form], dtype=object)


class BandEnvelope(WindowTransformer):
    """Log envelopes of a few frequency bands at a low rate: the default view of acceleration for small encoders.

    Parameters
    ----------
    sampling_rate : float, default=64.0
        Hz.
    bands : sequence of (low, high), optional
        Hz; None takes the default bands of `biosig.signals.band_envelope`.
    envelope_rate : float, default=16.0
        Rate of the envelopes (Hz).
    n_jobs : int, optional
        Threads; None uses all cores.
    """

    def __init__(self, sampling_rate=64.0, *, bands=None, envelope_rate=16.0, n_jobs=None):
        self.sampling_rate = sampling_rate
        self.bands = bands
        self.envelope_rate = envelope_rate
        self.n_jobs = n_jobs

    def _apply(self, X):
        options = {} if self.bands is None else {"bands": self.bands}
        return band_envelope(
            X,
            check_sampling_rate(self.sampling_rate),
            envelope_rate=check_sampling_rate(self.envelope_rate, "envelope_rate"),
            n_jobs=self.n_jobs,
            **options,
        )

    def get_feature_names_out(self, input_features=None):
        """Names of the outgoing channels."""
        check_is_fitted(self, "n_channels_in_")
        n_out = self._apply(np.zeros((1, self.n_channels_in_, 256), np.float32)).shape[1]
        return np.asarray([f"channel{i}" for i in range(n_out)], dtype=object)
