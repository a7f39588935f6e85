"""What every estimator of windows declares to scikit-learn, and in which container its rows go out."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import get_config


class TakesWindows:
    """Mixin of the estimators whose X has shape (n_windows, n_channels, n_samples), NaN where samples are missing.

    Those who use it set ``n_channels_in_`` when they are fitted.
    """

    n_channels_in_: int

    @property
    def n_features_in_(self) -> int:
        """Channels of the windows given to ``fit``: the second dimension of X, as scikit-learn counts features."""
        return self.n_channels_in_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []  # windows are float32, and so is what is made of them
        return tags


def wants_table(estimator) -> bool:
    """Whether ``set_output`` or scikit-learn's configuration wants a DataFrame, which scikit-learn then makes."""
    own = getattr(estimator, "_sklearn_output_config", {}).get("transform")
    return (own or get_config()["transform_output"]) != "default"


def like_input(rows: np.ndarray, X: Any, names: np.ndarray):
    """Return a DataArray where windows came as one (no import of xarray needed to find out)."""
    if not hasattr(X, "dims") or not hasattr(X, "coords"):
        return rows
    window = X.dims[0]
    coords = {name: value for name, value in X.coords.items() if value.dims == (window,)}
    return type(X)(rows, dims=(window, "feature"), coords={**coords, "feature": names.astype(str)})


def shape_of(x: Any) -> tuple[int, ...]:
    """Return the shape of an array, or of nested lists as far as it is regular."""
    if hasattr(x, "shape"):
        return tuple(x.shape)
    try:
        return np.asarray(x).shape
    except ValueError:
        return (len(x),)


def is_windows(x: Any) -> bool:
    """Whether `x` is an array of three dimensions, or a list of such: windows rather than targets."""
    if isinstance(x, (list, tuple)) and any(hasattr(part, "ndim") for part in x):
        return all(len(shape_of(part)) == 3 for part in x)
    return len(shape_of(x)) == 3
