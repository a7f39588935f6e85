"""Two lists of beats of one heart beside each other, such as R peaks and pulses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from biosig.heart._checks import check_beat_list, check_positive

MOST_LAG = 1.0  # s, from the electrocardiogram to a pulse at the finger, delays of monitors included
LAG_STEP = 0.01  # s


@dataclass(frozen=True)
class BeatMatch:
    """How well detected beats agree with reference beats; see `match_beats`.

    Attributes
    ----------
    lag : float
        Seconds by which the detected beats come after the reference beats (median over pairs); NaN without pairs.
    f1, sensitivity, ppv : float
        Shares, 0 to 1; NaN where there is nothing to share out.
    n_reference, n_detected, n_matched : int
        Beats.
    interval_bias, interval_sd, interval_mae : float
        Mean, standard deviation and mean absolute value of detected minus reference interval in ms, over the intervals
        whose two beats are matched and neighbours in both lists; NaN without any.
    n_intervals : int
        Number of those.
    pairs : ndarray of int64, shape (n_matched, 2)
        Positions of each matched reference beat and its detected beat in the two lists.
    """

    lag: float
    f1: float
    sensitivity: float
    ppv: float
    n_reference: int
    n_detected: int
    n_matched: int
    interval_bias: float
    interval_sd: float
    interval_mae: float
    n_intervals: int
    pairs: np.ndarray


def match_beats(reference, detected, tolerance=0.15, *, lag=None) -> BeatMatch:
    """Match detected beats with reference beats, one to one, after taking a constant delay away.

    Parameters
    ----------
    reference, detected : array_like, shape (n_beats,)
        Seconds, increasing, on one clock; NaN (padding) is left out.
    tolerance : float, default 0.15
        Seconds that two beats may lie apart after the delay has been taken away.
    lag : float or (float, float), optional
        Seconds by which the detected beats come after the reference beats, or the least and most of it to search; by
        default anything from 0 to 1 s, which suits pulses after R peaks. Give 0 for beats that mean the same instant.

    Returns
    -------
    BeatMatch
        Two beats are matched when each is the other's nearest and they lie within `tolerance`. The lag searched for is
        the one with most matches; among lags with nearly as many (99.5 %), the one around which the pairs lie closest.

    Raises
    ------
    ValueError
        For beats that are not one list of increasing times, for a tolerance or lag that is not a number.

    Notes
    -----
    Beats within 150 ms, as in P. H. Charlton et al., Physiol. Meas. 43(8), 085007, 2022.
    """
    reference = check_beat_list(reference, "reference")
    detected = check_beat_list(detected, "detected")
    tolerance = check_positive(tolerance, "tolerance", "s")
    low, high = _lag_range(lag)
    candidates = np.arange(low, high + LAG_STEP / 2, LAG_STEP) if high > low else np.array([low])
    if reference.size and detected.size:
        found = [_pairs(reference, detected, candidate, tolerance) for candidate in candidates]
        counts = np.array([len(pairs) for pairs in found])
        near = np.flatnonzero((counts > 0) & (counts >= 0.995 * counts.max()))
        if near.size:
            spreads = [_spread(detected[found[i][:, 1]] - reference[found[i][:, 0]], candidates[i]) for i in near]
            pairs = found[near[int(np.argmin(spreads))]]
        else:
            pairs = np.empty((0, 2), np.int64)
    else:
        pairs = np.empty((0, 2), np.int64)
    delays = detected[pairs[:, 1]] - reference[pairs[:, 0]]
    if high > low and len(pairs):  # once more from the middle of the pairs, between the steps of the search
        pairs = _pairs(reference, detected, float(np.clip(np.median(delays), low, high)), tolerance)
        delays = detected[pairs[:, 1]] - reference[pairs[:, 0]]
    neighbours = (np.diff(pairs, axis=0) == 1).all(axis=1)
    errors = 1000.0 * np.diff(delays)[neighbours]
    n = len(pairs)
    share = lambda whole: n / whole if whole else np.nan
    return BeatMatch(
        lag=float(np.median(delays)) if n else np.nan,
        f1=2 * n / (reference.size + detected.size) if reference.size + detected.size else np.nan,
        sensitivity=share(reference.size),
        ppv=share(detected.size),
        n_reference=reference.size,
        n_detected=detected.size,
        n_matched=n,
        interval_bias=float(errors.mean()) if errors.size else np.nan,
        interval_sd=float(errors.std(ddof=1)) if errors.size > 1 else np.nan,
        interval_mae=float(np.abs(errors).mean()) if errors.size else np.nan,
        n_intervals=errors.size,
        pairs=pairs,
    )


def _pairs(reference, detected, lag, tolerance):
    """Positions (n_pairs, 2) of the beats that are each other's nearest and within the tolerance."""
    shifted = detected - lag
    mine = _nearest(reference, shifted)
    theirs = _nearest(shifted, reference)
    at = np.arange(reference.size)
    good = (theirs[mine] == at) & (np.abs(shifted[mine] - reference) <= tolerance)
    return np.stack([at[good], mine[good]], axis=1)


def _nearest(points, others):
    """Position of the nearest of `others` for each point; both increase and are not empty."""
    after = np.clip(np.searchsorted(others, points), 1, others.size - 1) if others.size > 1 else np.zeros(0, int)
    if not after.size:
        return np.zeros(points.size, np.int64)
    return np.where(points - others[after - 1] <= others[after] - points, after - 1, after)


def _spread(delays, lag):
    """Median distance of the pairs from their middle, and a little for a middle that is not the lag."""
    return float(np.median(np.abs(delays - np.median(delays))) + 0.01 * abs(np.median(delays) - lag))


def _lag_range(lag) -> tuple[float, float]:
    if lag is None:
        return 0.0, MOST_LAG
    try:
        values = np.asarray(lag, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.size not in (1, 2) or not np.isfinite(values).all() or values[-1] < values[0] or np.ptp(values) > 60:
        raise ValueError(f"lag is {lag!r}; expected seconds, or (least, most) at most a minute apart, such as (0, 1)")
    return float(values[0]), float(values[-1])
