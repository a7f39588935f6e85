"""From one embedding a window to one a participant."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from biosig._checks import check_groups
from biosig.estimators.windows import wants_table


class ParticipantMean(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Average embeddings over the windows of each participant, for targets that belong to a person (age, sex, BMI).

    Nothing is learnt. Rows with NaN (windows without data) do not count; a participant without any other row gets NaN.

    Parameters
    ----------
    keep_windows : bool, default=False
        False returns one row a participant, in the order of `numpy.unique`. True keeps one row a window, that of its
        participant: the number of rows stays, so that the step may stand in a Pipeline, whose targets are one a window.
        `groups` reaches it there by metadata routing, ``ParticipantMean(keep_windows=True).set_fit_request(groups=True)
        .set_transform_request(groups=True)``.

    Attributes
    ----------
    participants_ : array
        Labels of the participants given to ``fit``, in the order of the rows that ``fit_transform`` returns.

    Examples
    --------
    >>> import numpy as np
    >>> ParticipantMean().fit_transform(np.array([[1.0], [3.0], [8.0]]), groups=["a", "a", "b"])
    array([[2.],
           [8.]])
    """

    def __init__(self, keep_windows=False):
        self.keep_windows = keep_windows

    def fit(self, X, y=None, groups=None):
        """Check the rows and remember who they belong to.

        Parameters
        ----------
        X : array, DataFrame or xarray.DataArray of shape (n_windows, n_features)
        y : ignored
        groups : array of shape (n_windows,), optional
            Participant of each window; None takes the coordinate ``participant`` of a DataArray.
        """
        rows = validate_data(self, X, ensure_all_finite=False, dtype=[np.float64, np.float32])
        self.participants_ = np.unique(_participants(X, groups, len(rows)))
        return self

    def transform(self, X, groups=None):
        """Return the means.

        Parameters
        ----------
        X : array, DataFrame or xarray.DataArray of shape (n_windows, n_features)
            Of any participants, not only those given to ``fit``.
        groups : array of shape (n_windows,), optional
            As in ``fit``.

        Returns
        -------
        array of shape (n_participants, n_features), or (n_windows, n_features) with `keep_windows`
            A DataFrame in gives a DataFrame out, a DataArray a DataArray, with the participants as index.
        """
        check_is_fitted(self, "participants_")
        rows = validate_data(self, X, ensure_all_finite=False, dtype=[np.float64, np.float32], reset=False)
        labels = _participants(X, groups, len(rows))
        people, codes = np.unique(labels, return_inverse=True)
        real = ~np.isnan(rows).any(axis=1)
        sums = np.zeros((len(people), rows.shape[1]))
        np.add.at(sums, codes[real], rows[real])
        counts = np.bincount(codes[real], minlength=len(people)).astype(np.float64)
        counts[counts == 0] = np.nan
        means = (sums / counts[:, np.newaxis]).astype(rows.dtype)
        if self.keep_windows:
            means = means[codes]
        if hasattr(X, "coords") and not wants_table(self):
            window, feature = X.dims
            kept = X[window].coords if self.keep_windows else {"participant": people}
            dims = (window if self.keep_windows else "participant", feature)
            return type(X)(means, dims=dims, coords={**kept, **X[feature].coords})
        if hasattr(X, "columns") and hasattr(X, "index"):
            return type(X)(means, columns=X.columns, index=X.index if self.keep_windows else people)
        if hasattr(X, "columns") and not wants_table(self):  # polars, which has no index
            return type(X)(means, schema=list(X.columns))
        return means

    def fit_transform(self, X, y=None, groups=None):
        """Return ``fit(X, groups=groups).transform(X, groups=groups)``."""
        return self.fit(X, groups=groups).transform(X, groups=groups)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _participants(X, groups, n_windows: int) -> np.ndarray:
    """Return one label a window, from `groups` or from the coordinate of a DataArray."""
    if groups is None:
        if "participant" not in getattr(X, "coords", ()):
            raise ValueError(
                "groups is missing; expected the participant of each window, as in fit(X, groups=...) and "
                "transform(X, groups=...), or X as an xarray.DataArray with the coordinate 'participant'"
            )
        groups = X["participant"].values
    return check_groups(groups, n_windows)
