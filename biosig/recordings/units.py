"""Acceleration in g, whatever a file holds; a unit is inferred only from gravity itself, never assumed."""

from __future__ import annotations

import re

import numpy as np

# Standard gravity (CGPM 1901) is 9.80665 m/s2.
_PER_G = {"g": 1.0, "mg": 1000.0, "m/s2": 9.80665}
_SPELLINGS = {"m/s2": "m/s2", "m/s/s": "m/s2", "ms-2": "m/s2", "g": "g", "mg": "mg"}
_TOLERANCE = 0.25


def acceleration_unit(text: str | None) -> str | None:
    """One of "g", "mg" and "m/s2" for a spelling such as "m/s^2" or "G"; None for anything else."""
    return _SPELLINGS.get(re.sub(r"[\s^*]", "", (text or "").lower()).replace("²", "2"))


def to_g(values: np.ndarray, units: str | None, name: str) -> tuple[np.ndarray, dict[str, str]]:
    """Convert acceleration to g.

    Parameters
    ----------
    values : numpy.ndarray of shape (n_samples, 3)
    units : {"g", "mg", "m/s2"} or None
        None infers the unit: the median magnitude must lie within 25 % of that of gravity in one of the three.
    name : str
        The file, for messages.

    Returns
    -------
    values : numpy.ndarray of shape (n_samples, 3)
        In g.
    attrs : dict
        ``accel_units_in_file`` and ``accel_units_from`` ("stated" or "inferred from the median magnitude ...").

    Raises
    ------
    ValueError
        For an unknown unit, or when the magnitude does not tell.
    """
    if units is not None:
        unit = acceleration_unit(units)
        if unit is None:
            raise ValueError(f"{name}: units of acceleration are {units!r}; expected one of {sorted(_PER_G)}")
        return values / _PER_G[unit], {"accel_units_in_file": unit, "accel_units_from": "stated"}
    magnitude = np.sqrt(np.sum(np.square(values), axis=1))
    known = magnitude[np.isfinite(magnitude)]
    median = float(np.median(known)) if len(known) else float("nan")
    for unit, per_g in _PER_G.items():
        if abs(median / per_g - 1.0) <= _TOLERANCE:
            said = f"inferred from the median magnitude {median:.4g}"
            return values / per_g, {"accel_units_in_file": unit, "accel_units_from": said}
    raise ValueError(
        f"{name}: the median magnitude of the acceleration is {median:.4g}, which is gravity in none of g (1), m/s2 "
        "(9.81), mg (1000); state the unit with units='g', 'mg' or 'm/s2'"
    )
