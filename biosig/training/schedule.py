"""How the learning rate changes over a training."""

from __future__ import annotations

import math

FLOOR = 0.01  # last learning rate, as a share of the peak


def learning_rate(step: int, n_steps: int, peak: float, warmup: float) -> float:
    """Return the learning rate of `step`: linear warm-up, then half a cosine down to `FLOOR` times the peak.

    Loshchilov & Hutter (2017), "SGDR", equation 5 without restarts, after the linear warm-up of Goyal et al. (2017).

    Parameters
    ----------
    step : int
        0 to n_steps - 1.
    n_steps : int
        Length of the training.
    peak : float
        Learning rate reached at the end of the warm-up.
    warmup : float
        Share of the training spent warming up, 0 to 1.
    """
    rising = round(warmup * n_steps)
    if step < rising:
        return peak * (step + 1) / rising
    progress = (step - rising) / max(n_steps - 1 - rising, 1)
    return peak * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * progress)))
