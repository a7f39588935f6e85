"""From raw windows to what a net is shown, in NumPy and Numba: the front end, then scaling, then 0 for what is missing.

Everything needed to do the same again is in the config, plain data that is stored beside the weights.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from biosig_kernels import normalisation as kernels
from biosig_kernels.threads import over_rows
from tqdm.auto import tqdm

from biosig.signals.envelope import BANDS, band_envelope, envelope_size
from biosig.training.sources import StoredWindows, blocks, open_windows

FRONT_ENDS: dict[str, dict[str, Any]] = {
    "samples": {"name": "samples"},
    "envelopes": {"name": "envelopes", "bands": [list(band) for band in BANDS], "envelope_rate": 16.0},
}
"""What a net can be shown: the samples as they are, or log envelopes of frequency bands (Hz)."""

NORMALISATIONS = ("zscore", "none")
BRIDGED = 0.125  # s, an eighth of a beat at 60 beats/min; about what envelopes at 16 Hz bridge by themselves


def front_end_shape(
    front_end: dict[str, Any], n_channels: int, n_samples: int, sampling_rate: float
) -> tuple[int, int]:
    """Return the channels and samples that a net receives for raw windows of (n_channels, n_samples).

    Raises
    ------
    ValueError
        For an unknown front end, or a band that the sampling rate cannot hold.
    """
    name = front_end.get("name")
    if name not in FRONT_ENDS:
        raise ValueError(f"front end {front_end!r} is not known; expected 'name' to be one of {sorted(FRONT_ENDS)}")
    if name == "samples":
        return n_channels, n_samples
    n_bands, n_out, _ = envelope_size(n_samples, sampling_rate, **_of_envelopes(front_end))
    return n_channels * n_bands, n_out


def _of_envelopes(front_end: dict[str, Any]) -> dict[str, Any]:
    return {"bands": [tuple(band) for band in front_end["bands"]], "envelope_rate": front_end["envelope_rate"]}


def _envelopes(x: np.ndarray, front_end: dict[str, Any], sampling_rate: float, n_jobs: int | None) -> np.ndarray:
    return band_envelope(x, sampling_rate, **_of_envelopes(front_end), n_jobs=n_jobs)


def check_input(x, config: dict[str, Any], name: str = "x") -> np.ndarray | StoredWindows:
    """Return windows as `open_windows` does, after checking them against `config`; what is on disk stays there.

    Raises
    ------
    ValueError
        When channels or samples are not those that the config was made for.
    """
    windows = open_windows(x, name=name, n_channels=config["n_channels"])
    if windows.shape[2] != config["n_samples"]:
        n, rate = config["n_samples"], config["sampling_rate"]
        raise ValueError(
            f"{name} has {windows.shape[2]} samples a window (shape {windows.shape}); this encoder takes {n}, that is "
            f"{n / rate:g} s at {rate:g} Hz: cut windows of that length, or resample them to that rate"
        )
    return windows


def prepare(x: np.ndarray, config: dict[str, Any], n_jobs: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Turn raw windows into the input of a net.

    Parameters
    ----------
    x : array (n_windows, n_channels, n_samples), float32
    config : dict
        From `biosig.training.make_config`.
    n_jobs : int, optional
        Threads; None uses all cores.

    Returns
    -------
    features : array (n_windows, front-end channels, front-end samples), float32
        Scaled within each window and channel unless the config says ``"none"``, always after the front end. Gaps of at
        most `BRIDGED` seconds are bridged by a straight line, longer ones and channels without variance are 0; always
        finite.
    has_data : array (n_windows,) of bool
        False for windows without a finite sample; their features are all 0 and mean nothing.
    """
    front_end, rate = config["front_end"], config["sampling_rate"]
    has_data = with_data(x, n_jobs)
    max_gap = BRIDGED * rate
    if front_end["name"] == "envelopes":
        x, max_gap = _envelopes(x, front_end, rate, n_jobs), 0.0  # they have bridged as much already
    scale = kernels.standardise if config["normalisation"] == "zscore" else kernels.fill_missing
    features = np.empty(x.shape, dtype=np.float32)
    over_rows(lambda start, stop: scale(x, features, max_gap, start, stop), len(x), n_jobs)
    return features, has_data


def with_data(x: np.ndarray | StoredWindows, n_jobs: int | None = None, progress: bool = False) -> np.ndarray:
    """Return for each window, (n_windows,) bool, whether it has a finite sample at all; read in blocks."""
    found = np.empty(len(x), dtype=np.bool_)
    for block in tqdm(blocks(x), desc="looking for windows without data", delay=2, disable=not progress):
        look = functools.partial(kernels.any_finite, x[block], found[block])
        over_rows(look, block.stop - block.start, n_jobs)
    return found
