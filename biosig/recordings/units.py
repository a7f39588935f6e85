"""Acceleration in g, whatever a file holds; a unit is inferred only from gravity in still segments, never assumed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from numbers import Real

import numpy as np

# Standard gravity (CGPM 1901) is 9.80665 m/s2.
_PER_G = {"g": 1.0, "mg": 1000.0, "m/s2": 9.80665}
_SPELLINGS = {
    **dict.fromkeys(("g", "gs", "g's", "gee", "gees", "gravity", "gforce", "gn", "g0"), "g"),
    **dict.fromkeys(("mg", "mgs", "millig", "milli-g", "mgee", "mgn"), "mg"),
    **dict.fromkeys(("m/s2", "m/s/s", "ms-2", "m.s-2", "m/sec2", "m/(s2)", "mps2", "m/ss"), "m/s2"),
    **dict.fromkeys(("meter/second2", "meters/second2", "metre/second2", "metres/second2"), "m/s2"),
}
_NO_UNIT = {"", "-", "nu", "au", "a.u.", "a.u", "arb.unit", "1", "n/a", "na", "unknown", "unitless", "none"}
_COUNTS = re.compile(
    r"(?<![a-z])(raw|counts?|cnts?|lsbs?|adc|adus?|digits?|ticks?|bits?|steps?)(?![a-z])", re.IGNORECASE
)
_TOLERANCE = 0.15
_STILL = 0.1  # standard deviation of a still segment, relative to the median magnitude of the whole recording
_AGREE = 0.75
_MIN_SEGMENTS = 3
_MIN_FRACTION = 0.005
_STATE = "state the unit with units='g', 'mg' or 'm/s2', or as a number of counts per g"


def acceleration_unit(text: str | None) -> str | None:
    """One of "g", "mg" and "m/s2" for a spelling such as "m/s^2" or "G"; None for anything else."""
    if not isinstance(text, str):
        return None
    plain = re.sub(r"[\s^*_]", "", text.lower())
    for sign, plain_sign in (("²", "2"), ("⁻", "-"), ("−", "-"), ("·", "."), ("⋅", ".")):
        plain = plain.replace(sign, plain_sign)
    return _SPELLINGS.get(plain)


def is_counts(text: str) -> bool:
    """Whether a column name or its unit says that the values are counts of a converter, in no physical unit."""
    return bool(_COUNTS.search(re.sub(r"[_\W]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text))))


def header_unit(texts: Sequence[str], names: Sequence[str], file: str) -> str | None:
    """Unit of acceleration that column names state: "g", "mg", "m/s2", "counts", or None when they state nothing.

    Parameters
    ----------
    texts : sequence of str
        Unit of each of the three columns as the header has it, "" for none.
    names : sequence of str
        The three column names.
    file : str
        For messages.

    Raises
    ------
    ValueError
        For units that differ between the axes, and units that are not known.
    """
    stated = {text for text in texts if text.strip().lower() not in _NO_UNIT}
    units = {"counts" if is_counts(text) else acceleration_unit(text) for text in stated}
    if len(units) > 1:
        raise ValueError(f"{file}: the axes {list(names)} differ in their units; expected one unit for all three")
    if units == {None}:
        raise ValueError(f"{file}: the header states {stated.pop()!r} for the acceleration, an unknown unit; {_STATE}")
    if not units and any(is_counts(text) for text in names):
        return "counts"
    return units.pop() if units else None


def to_g(
    values: np.ndarray,
    units: str | float | None,
    name: str,
    *,
    header: str | None = None,
    sampling_rate: float | None = None,
) -> tuple[np.ndarray, dict[str, str | float]]:
    """Convert acceleration to g.

    Parameters
    ----------
    values : numpy.ndarray of shape (n_samples, 3)
    units : {"g", "mg", "m/s2"}, float or None
        A number is counts per g. None takes the header's unit, or else infers it: at least three segments of 1 s and
        0.5 % of all must be still (standard deviation of the vector below 10 % of the recording's median magnitude),
        and three quarters of them must have a length within 15 % of 1 (g), 9.81 (m/s2) or 1000 (mg). Magnitudes of
        movement are no evidence: without gravity they can have any size.
    name : str
        The file, for messages.
    header : str, optional
        From `header_unit`.
    sampling_rate : float, optional
        Hz, for the length of the segments; 25 samples when absent.

    Returns
    -------
    values : numpy.ndarray of shape (n_samples, 3)
        In g.
    attrs : dict
        ``accel_units_in_file`` and ``accel_units_from``: "stated", "header" or "inferred from ...".

    Raises
    ------
    ValueError
        For an unknown unit or number, for counts without a scale, and when no still segment tells.
    """
    if units is not None:
        unit, per_g = _stated(units, name)
        _warn_of_other_unit(values, per_g, f"stated units are {unit}", name, sampling_rate)
        return values / per_g, {"accel_units_in_file": unit, "accel_units_from": "stated"}
    if header == "counts":
        raise ValueError(
            f"{name}: the header says that the acceleration is in counts of the converter, which no rule turns into g; "
            "state the counts per g, such as units=256 (from the device's data sheet)"
        )
    if header is not None:
        _warn_of_other_unit(values, _PER_G[header], f"the header's units are {header}", name, sampling_rate)
        return values / _PER_G[header], {"accel_units_in_file": header, "accel_units_from": "header"}
    lengths, n_segments = still_lengths(values, sampling_rate)
    unit_found = _unit_of(lengths, n_segments)
    if unit_found == "mg" and abs(np.median(lengths) / 1024 - 1.0) < 0.01 and _are_whole(values):
        raise ValueError(
            f"{name}: still segments have a length of {np.median(lengths):.4g} in whole numbers, which may be mg "
            "(1000) or counts of a sensor of 1024 per g; state units='mg' or units=1024"
        )
    if unit_found is not None:
        said = f"inferred from {len(lengths)} still segments of median length {np.median(lengths):.4g}"
        return values / _PER_G[unit_found], {"accel_units_in_file": unit_found, "accel_units_from": said}
    if not n_segments:
        seen = f"{len(values)} samples, of which {_n_known(values)} are known, show no still segment"
    elif len(lengths):
        seen = f"the median length of the acceleration in {len(lengths)} still segments is {np.median(lengths):.4g}"
    else:
        seen = f"none of {n_segments} segments is still"
    raise ValueError(
        f"{name}: {seen}, which is gravity in none of g (1), m/s2 (9.81), mg (1000); {_STATE} "
        "(linear acceleration, from which the device took gravity away, never shows its unit by itself)"
    )


def still_lengths(values: np.ndarray, sampling_rate: float | None) -> tuple[np.ndarray, int]:
    """Lengths of the mean vector in still segments of 1 s, and the number of whole segments in which anything is known.

    Exact zeros on all axes are idle sleep of the device, no measurement, and count as unknown.
    """
    n = len(values)
    rate = 25.0 if sampling_rate is None or not np.isfinite(sampling_rate) else sampling_rate
    size = int(np.clip(min(rate, n // _MIN_SEGMENTS), 4, 1000))
    if n < size:
        return np.empty(0), 0
    segments = values[: n // size * size].reshape(-1, size, 3).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = segments.mean(axis=1)
        spread = np.sqrt(np.square(segments - mean[:, np.newaxis]).mean(axis=1).sum(axis=1))
        magnitude = np.sqrt(np.square(segments).sum(axis=2))
        length = np.sqrt(np.square(mean).sum(axis=1))
    whole = np.isfinite(length) & np.isfinite(spread) & (magnitude > 0).all(axis=1)
    if not whole.any():
        return np.empty(0), 0
    still = whole & (spread <= _STILL * np.median(magnitude[whole]))
    return length[still], int(whole.sum())


def _unit_of(lengths: np.ndarray, n_segments: int) -> str | None:
    if not len(lengths) or len(lengths) < min(_MIN_SEGMENTS, n_segments) or len(lengths) < _MIN_FRACTION * n_segments:
        return None
    for unit, per_g in _PER_G.items():
        near = np.abs(lengths / per_g - 1.0) <= _TOLERANCE
        if near.mean() >= _AGREE and abs(np.median(lengths) / per_g - 1.0) <= _TOLERANCE:
            return unit
    return None


def _are_whole(values: np.ndarray) -> bool:
    known = values[np.isfinite(values)]
    return bool(np.all(known == np.round(known)))


def _n_known(values: np.ndarray) -> int:
    return int(np.isfinite(values).all(axis=1).sum())


def _stated(units, name: str) -> tuple[str, float]:
    """Name and size of 1 g of what ``units=`` states."""
    wanted = f"expected one of {sorted(_PER_G)}, or a positive number of counts per g"
    if isinstance(units, str):
        unit = acceleration_unit(units)
        if unit is None:
            raise ValueError(f"{name}: units of acceleration are {units!r}; {wanted}")
        return unit, _PER_G[unit]
    number = isinstance(units, (Real, np.number)) and not isinstance(units, (bool, np.bool_, np.complexfloating))
    if not number or not np.isfinite(units) or units <= 0:
        raise ValueError(f"{name}: units of acceleration are {units!r}; {wanted}")
    return f"counts ({float(units):g} per g)", float(units)


def _warn_of_other_unit(values: np.ndarray, per_g: float, said: str, name: str, sampling_rate: float | None) -> None:
    lengths, n_segments = still_lengths(values, sampling_rate)
    other = _unit_of(lengths, n_segments)
    if other is not None and abs(_PER_G[other] / per_g - 1.0) > 2 * _TOLERANCE:
        warnings.warn(
            f"{name}: {said}, but the still segments have a length of {np.median(lengths):.4g}, which is gravity in "
            f"{other}",
            stacklevel=4,
        )
