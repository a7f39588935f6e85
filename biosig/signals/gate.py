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

    Notes
    -----
    A limit on a sensor that the windows do not hold is not applied. Where the sensor is there but its column is NaN
    (nothing was measured), the window is refused.
    """

    max_motion: float = 0.05
    min_valid: float = 0.95
    min_ppg_quality: float = 0.4

    def mask(self, windows) -> np.ndarray:
        """Return one bool per window of the Dataset that `segment` returns: whether it keeps all limits."""
        kept = np.ones(windows.sizes["window"], np.bool_)
        for passed in self._passed(windows).values():
            kept &= passed
        return kept

    def coverage(self, windows) -> dict[str, float]:
        """Count what the gate keeps, and the share of windows that each limit alone would refuse.

        Returns
        -------
        dict
            ``n_windows``, ``n_kept``, ``coverage`` (share kept; NaN without windows), and for each limit applied the
            share refused: ``incomplete``, ``moving``, ``poor_ppg``.
        """
        kept = self.mask(windows)
        share = lambda flags: float(flags.mean()) if flags.size else float("nan")
        told = {"n_windows": int(kept.size), "n_kept": int(kept.sum()), "coverage": share(kept)}
        return told | {name: share(~passed) for name, passed in self._passed(windows).items()}

    def _passed(self, windows) -> dict[str, np.ndarray]:
        passed = {"incomplete": np.asarray(windows["valid"].values >= self.min_valid)}
        if "accel" in windows:
            passed["moving"] = np.asarray(windows["motion"].values <= self.max_motion)
        if "ppg" in windows:
            passed["poor_ppg"] = np.asarray(windows["ppg_quality"].values >= self.min_ppg_quality)
        return passed
