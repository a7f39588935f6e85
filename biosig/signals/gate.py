"""Which windows are still and complete enough to be used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Gate:
    """Limits a window must keep.

    Parameters
    ----------
    max_motion : float, default 0.05
        g, largest robust standard deviation of the acceleration without gravity.
    min_valid : float, default 0.95
        Least share of measured samples.
    min_ppg_quality : float, default 0.4
        Least spectral concentration of the photoplethysmogram.

    max_non_wear : float, default 0.5
        Largest share of the window in which the sensor was not worn: a table lies still too.

    Notes
    -----
    A limit on a sensor that the windows do not hold is not applied. Where the sensor is there but its column is NaN
    (nothing was measured), the window is refused; only wear that cannot be told (NaN) counts as worn.
    """

    max_motion: float = 0.05
    min_valid: float = 0.95
    min_ppg_quality: float = 0.4
    max_non_wear: float = 0.5

    def __post_init__(self):
        for name in ("max_motion", "min_valid", "min_ppg_quality", "max_non_wear"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or np.isnan(value):
                raise ValueError(f"{name} is {value!r}; expected a number")

    def mask(self, windows) -> np.ndarray:
        """Return one bool per window of the Dataset that `segment` returns: whether it keeps all limits."""
        return _all_of(self.passed(windows), windows.sizes["window"])

    def coverage(self, windows) -> dict[str, float]:
        """Count what the gate keeps, and the share of windows that each limit alone would refuse.

        Returns
        -------
        dict
            ``n_windows``, ``n_kept``, ``coverage`` (share kept; NaN without windows), and for each limit applied the
            share refused: ``incomplete``, ``moving``, ``not_worn``, ``poor_ppg``. Of windows that `segment` gated
            already, the same figures for all windows stand in their attributes.
        """
        return tally(self.passed(windows), windows.sizes["window"])

    def passed(self, windows) -> dict[str, np.ndarray]:
        """Return per limit one bool per window: whether it is kept. `windows` may be a mapping of the columns too."""
        column = lambda name: np.asarray(windows[name])
        passed = {"incomplete": column("valid") >= self.min_valid}
        if "accel" in windows:
            passed["moving"] = column("motion") <= self.max_motion
            if "non_wear" in windows:
                passed["not_worn"] = ~(column("non_wear") > self.max_non_wear)
        if "ppg" in windows:
            passed["poor_ppg"] = column("ppg_quality") >= self.min_ppg_quality
        return passed


def _all_of(passed: dict[str, np.ndarray], n_windows: int) -> np.ndarray:
    kept = np.ones(n_windows, np.bool_)
    for each in passed.values():
        kept &= each
    return kept


def tally(passed: dict[str, np.ndarray], n_windows: int) -> dict[str, float]:
    """Coverage of `n_windows` windows, see `Gate.coverage`."""
    kept = _all_of(passed, n_windows)
    share = lambda flags: float(flags.mean()) if flags.size else float("nan")
    told = {"n_windows": int(kept.size), "n_kept": int(kept.sum()), "coverage": share(kept)}
    return told | {name: share(~each) for name, each in passed.items()}
