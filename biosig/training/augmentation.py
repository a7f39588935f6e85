"""Random changes that keep what a window says about the heart: odds and strengths as data, draws, use.

Drawing (NumPy, one generator a batch) and applying (one Numba pass a window) are apart, so that the result depends on
the generator alone and not on the number of threads, and so that two sensors can share part of a draw.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from biosig_kernels import augmentation as kernels
from biosig_kernels.threads import over_rows

CHANGES = ("shift", "time_warp", "permutation", "rotation", "amplitude", "magnitude_warp", "noise", "cut_out")


@dataclass(frozen=True)
class Augmentation:
    """Odds (0 to 1, for each window on its own) and strengths of the random changes.

    The odds and strengths of `cut_out`, `magnitude_warp`, `noise`, `permutation` and `time_warp` are those of the
    public trainer of the sister paper (Abbaspourazad et al. 2024, arXiv 2312.05409). That trainer has no rotation,
    amplitude change or time shift: their defaults are this project's.

    Parameters
    ----------
    cut_out, cut_out_share : float, (float, float)
        Odds of losing one stretch, and its least and greatest share of the window. The stretch becomes NaN (missing).
    magnitude_warp, magnitude_sigma : float, float
        Odds of multiplying each channel, about its mean, by a smooth curve through knots drawn from N(1, sigma).
    noise, noise_sigma : float, (float, float)
        Odds of Gaussian noise, and its least and greatest size in standard deviations of the channel.
    permutation : float
        Odds of a random order of the channels. For acceleration this includes mirror images: the other wrist.
    time_warp, time_sigma : float, float
        Odds of a clock of varying speed, a smooth curve through knots drawn from N(1, sigma); the mean speed stays 1.
    knots : int
        Knots of the magnitude and speed curves, ends included.
    rotation : float
        Odds of a random rotation of three axes, uniform over all rotations (a device worn any way round).
    amplitude, amplitude_range : float, (float, float)
        Odds of multiplying all channels by one factor, drawn log-uniformly. Without effect on z-scored windows.
    shift, shift_share : float, float
        Odds of moving the window in time, and the greatest move as a share of the window.
    circular : bool
        Whether what a shift pushes out at one end comes in at the other; if not, what comes in is NaN (missing).
    """

    cut_out: float = 0.4
    cut_out_share: tuple[float, float] = (0.4, 0.6)
    magnitude_warp: float = 0.25
    magnitude_sigma: float = 0.2
    noise: float = 0.25
    noise_sigma: tuple[float, float] = (0.05, 0.1)
    permutation: float = 0.25
    time_warp: float = 0.15
    time_sigma: float = 0.1
    knots: int = 5
    rotation: float = 0.0
    amplitude: float = 0.0
    amplitude_range: tuple[float, float] = (0.7, 1.4)
    shift: float = 0.0
    shift_share: float = 0.5
    circular: bool = True

    def __post_init__(self):
        for name in CHANGES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected odds between 0 (never) and 1 (always)")
        for name, limit in (("cut_out_share", 1.0), ("noise_sigma", np.inf), ("amplitude_range", np.inf)):
            low, high = getattr(self, name)
            if not 0.0 <= low <= high <= limit:
                raise ValueError(f"{name} is {(low, high)}; expected two numbers, 0 <= least <= greatest <= {limit}")
        if self.amplitude_range[0] == 0.0:
            raise ValueError(f"amplitude_range is {self.amplitude_range}; a factor of 0 leaves no signal")
        if self.magnitude_sigma < 0 or self.time_sigma < 0 or not 0.0 <= self.shift_share <= 1.0:
            raise ValueError(
                "magnitude_sigma and time_sigma must not be negative, shift_share must lie between 0 and 1"
            )
        if self.knots < 2:
            raise ValueError(f"knots is {self.knots}; a curve needs at least 2")


PRESETS: Mapping[str, Augmentation] = {"ppg": Augmentation(), "accel": Augmentation(rotation=0.5)}
"""Augmentation by sensor; only acceleration has axes that can be turned."""


@dataclass(frozen=True)
class Draw:
    """What the dice said for each window of a batch; the fields are those of `biosig_kernels.augmentation.augment`."""

    shift: np.ndarray
    circular: bool
    speed: np.ndarray
    mix: np.ndarray
    gain: np.ndarray
    noise_level: np.ndarray
    noise_row: np.ndarray
    noise: np.ndarray
    cut: np.ndarray


def random_rotations(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return (n, 3, 3) rotation matrices, uniform over all rotations: random unit quaternions (Shoemake 1992)."""
    quaternions = rng.standard_normal((n, 4))
    w, x, y, z = quaternions.T / np.linalg.norm(quaternions, axis=1)
    matrices = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return matrices.transpose(2, 0, 1)


def draw_changes(
    augmentation: Augmentation, rng: np.random.Generator, n_windows: int, n_channels: int, n_samples: int
) -> Draw:
    """Throw the dice for a batch of windows of shape (n_windows, n_channels, n_samples).

    Raises
    ------
    ValueError
        If windows that do not have three axes are to be rotated.
    """
    a = augmentation
    if a.rotation and n_channels != 3:
        raise ValueError(f"rotation is {a.rotation}, but windows have {n_channels} channels; a rotation needs 3 axes")
    happens = {name: rng.random(n_windows) < getattr(a, name) for name in CHANGES}
    move = np.rint(rng.uniform(-a.shift_share, a.shift_share, n_windows) * n_samples)
    speed = rng.normal(1.0, a.time_sigma, (n_windows, a.knots))
    mix = np.broadcast_to(np.eye(n_channels), (n_windows, n_channels, n_channels)).copy()
    orders = rng.permuted(np.tile(np.arange(n_channels), (n_windows, 1)), axis=1)
    mix[happens["permutation"]] = np.eye(n_channels)[orders[happens["permutation"]]]
    if n_channels == 3:
        turned = happens["rotation"]
        mix[turned] = random_rotations(rng, n_windows)[turned] @ mix[turned]
    lowest, highest = np.log(a.amplitude_range)
    factor = np.exp(rng.uniform(lowest, highest, n_windows))
    mix *= np.where(happens["amplitude"], factor, 1.0)[:, None, None]
    gain = rng.normal(1.0, a.magnitude_sigma, (n_windows, n_channels, a.knots))
    level = rng.uniform(*a.noise_sigma, n_windows)
    length = np.rint(rng.uniform(*a.cut_out_share, n_windows) * n_samples)
    first = np.floor(rng.random(n_windows) * (n_samples - length + 1))
    cut = np.where(happens["cut_out"][:, None], np.stack([first, first + length], axis=1), 0.0)
    noisy = happens["noise"]  # noise itself is drawn last, and for noisy windows only: it is by far the most numbers
    return Draw(
        shift=np.where(happens["shift"], move, 0.0).astype(np.int64),
        circular=a.circular,
        speed=np.where(happens["time_warp"][:, None], speed, 1.0),
        mix=mix.astype(np.float32),
        gain=np.where(happens["magnitude_warp"][:, None, None], gain, 1.0),
        noise_level=level.astype(np.float32),
        noise_row=np.where(noisy, np.cumsum(noisy) - 1, -1),
        noise=rng.standard_normal((int(noisy.sum()), n_channels, n_samples), dtype=np.float32),
        cut=cut.astype(np.int64),
    )


def with_clock_of(draw: Draw, other: Draw | None, *, warp: bool = False) -> Draw:
    """Return `draw` with the time shift of `other`, and with its time warp too: two sensors of one minute.

    Parameters
    ----------
    draw, other : Draw
        Of the same windows; None for windows of the other sensor that are not changed at all.
    warp : bool
        Whether moments, not only minutes, must stay simultaneous.
    """
    if other is None:
        still = dataclasses.replace(draw, shift=np.zeros_like(draw.shift))
        return dataclasses.replace(still, speed=np.ones_like(draw.speed)) if warp else still
    shifted = dataclasses.replace(draw, shift=other.shift, circular=other.circular)
    return dataclasses.replace(shifted, speed=other.speed) if warp else shifted


def apply_changes(x: np.ndarray, rows: np.ndarray, draw: Draw, n_jobs: int | None = None) -> np.ndarray:
    """Return changed copies of the windows ``x[rows]``, (len(rows), n_channels, n_samples) float32; `x` stays."""
    x = np.asarray(x)  # a memory map too is read in place
    out = np.empty((len(rows), *x.shape[1:]), dtype=np.float32)
    rows = np.asarray(rows, dtype=np.int64)
    over_rows(lambda start, stop: kernels.augment(x, rows, *vars(draw).values(), out, start, stop), len(rows), n_jobs)
    return out
