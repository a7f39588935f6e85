"""Estimators of windows made to take tables, so that scikit-learn's own checks, which feed tables, can try them.

Every row of a table becomes a window: its values, repeated, times a wave. What comes out is flattened to rows again.
Everything between is the estimator itself.
"""

from __future__ import annotations

import sys

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

METHODS = ("predict", "predict_proba")


def windows_of(X: np.ndarray, n_channels: int, n_samples: int) -> np.ndarray:
    """Return windows (n_rows, n_channels, n_samples), float32, each from one row of a table alone."""
    place = np.arange(n_channels * n_samples)
    wave = 1 + 0.5 * np.sin(place * 0.37) + 0.25 * np.cos(place * 0.011)
    return (X[:, place % X.shape[1]] * wave).reshape(len(X), n_channels, n_samples).astype(np.float32)


def on_tables(cls, n_channels: int, n_samples: int, named=None):
    """Return a subclass of an estimator that takes tables, in the module that asks, so that it can be pickled.

    ``named(X)`` gives what ``fit`` and ``score`` need beyond X and y, from the windows.
    """

    def shown(self, X, reset):
        if getattr(X, "ndim", 0) == 3:  # windows already: one method of the estimator calls another
            return X
        rows = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=reset)
        return windows_of(rows, n_channels, n_samples)

    def fit(self, X, y=None):
        windows = shown(self, X, True)
        return cls.fit(self, windows, y, **(named(windows) if named else {}))

    def partial_fit(self, X, y=None, **more):
        windows = shown(self, X, not hasattr(self, "_width"))
        return cls.partial_fit(self, windows, y, **(named(windows) if named else {}), **more)

    def transform(self, X):
        check_is_fitted(self)
        rows = cls.transform(self, shown(self, X, False))
        return rows.reshape(len(rows), -1)

    def score(self, X, y=None):
        windows = shown(self, X, False)
        return cls.score(self, windows, y, **(named(windows) if named else {}))

    def calling(name):
        @available_if(lambda self: hasattr(super(made, self), name))
        def method(self, X):
            check_is_fitted(self)
            return getattr(super(made, self), name)(shown(self, X, False))

        return method

    def width(self):
        return self._width

    def set_width(self, value):
        self._width = value

    def tags(self):
        tags = cls.__sklearn_tags__(self)
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = True, False
        for about in (tags.regressor_tags, tags.classifier_tags):
            if about is not None:
                about.poor_score = True  # nothing is trained here
        return tags

    body = {"fit": fit, "n_features_in_": property(width, set_width), "__sklearn_tags__": tags}
    body |= {"partial_fit": partial_fit} if hasattr(cls, "partial_fit") else {}
    body |= {"transform": transform} if hasattr(cls, "transform") else {}
    body |= {"score": score} if hasattr(cls, "score") else {}
    body |= {name: calling(name) for name in METHODS if name in vars(cls)}
    caller = sys._getframe(1).f_globals["__name__"]
    made = type(
        f"{cls.__name__}OnTables", (cls,), body | {"__module__": caller, "__qualname__": f"{cls.__name__}OnTables"}
    )
    setattr(sys.modules[caller], made.__name__, made)
    return made
