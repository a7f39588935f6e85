"""How the learning rate changes over a training."""

from __future__ import annotations

import math

SCHEDULES = ("cosine", "step", "constant")
FLOOR = 0.01  # last learning rate of the cosine, as a share of the peak
N_LEVELS = 3  # equally long stretches of the step decay
DROP = 0.1  # the rate of each stretch, as a share of the one before


def learning_rate(step: int, n_steps: int, peak: float, warmup: float, schedule: str = "cosine") -> float:
    """Return the learning rate of `step`: a linear warm-up (Goyal et al. 2017), then what `schedule` says.

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
    schedule : {"cosine", "step", "constant"}
        Half a cosine down to `FLOOR` times the peak (Loshchilov & Hutter 2017, "SGDR", equation 5 without restarts);
        `N_LEVELS` equally long stretches, each at `DROP` times the rate of the one before; or the peak throughout.
    """
    rising = round(warmup * n_steps)
    if step < rising:
        return peak * (step + 1) / rising
    if schedule == "constant":
        return peak
    if schedule == "step":
        return peak * DROP ** (N_LEVELS * (step - rising) // (n_steps - rising))
    progress = (step - rising) / max(n_steps - 1 - rising, 1)
    return peak * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * progress)))
