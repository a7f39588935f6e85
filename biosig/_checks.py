"""Checks shared by every folder: each message says what was given, what was expected and how to fix it."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np


def check_sampling_rate(value, name: str = "sampling_rate") -> float:
    """Return `value` in Hz as a float, or raise ValueError unless it is a finite positive number."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, np.number)):
        raise ValueError(f"{name} is {value!r}; expected a positive number of samples per second (Hz), such as 64")
    try:
        rate = float(value)
    except OverflowError:  # a whole number beyond the largest float
        rate = math.inf
    if not math.isfinite(rate) or rate <= 0:
        raise ValueError(f"{name} is {value!r} Hz; expected a positive, finite number of samples per second")
    return rate


LOSS = 1e-3  # of what a signal varies by; float32 may round off no more


def filled(x):
    """Return masked arrays as plain ones with NaN, the mark of a missing sample; anything else as it is.

    pandas' nullable columns of numbers are masked arrays too.
    """
    if type(x).__module__.partition(".")[0] == "pandas" and np.asarray(x).dtype.kind not in "fiubc":
        try:
            return x.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError, AttributeError):
            return x
    if not isinstance(x, np.ma.MaskedArray):
        return x
    keeps = x.dtype.kind == "f"
    return np.ma.filled(x if keeps else x.astype(np.float64), np.nan)


def centred(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take from rows (..., n) a constant each where float32 would round the signal away, and return the constants.

    That is so where the rounding of a row's largest value exceeds a thousandth of the range of its middle nine tenths:
    for counts near two billion, say. The constant is the median. Other rows stay as they are, to the last bit.
    """
    none = np.zeros(rows.shape[:-1])
    narrow = rows.dtype.kind == "b" or rows.dtype.itemsize <= 2 or (rows.dtype.kind == "f" and rows.dtype.itemsize == 4)
    if narrow or rows.dtype.kind not in "fiu" or not rows.size:
        return rows, none
    flat = rows.reshape(-1, rows.shape[-1])
    constants = np.zeros(len(flat))
    for i, row in enumerate(flat):
        with np.errstate(over="ignore", invalid="ignore"):
            magnitudes = np.abs(row.astype(np.float64))
            magnitudes = magnitudes[np.isfinite(magnitudes)]
            largest = float(magnitudes.max()) if magnitudes.size else np.nan
            rounding = float(np.spacing(np.float32(largest)))
        if not np.isfinite(rounding) or rounding < 1e-12 * LOSS:
            continue
        some = row[:: max(1, row.size // 100_000)].astype(np.float64)
        some = some[np.isfinite(some)]
        if not some.size:
            continue
        low, middle, high = np.quantile(some, [0.05, 0.5, 0.95])
        if 0 < high - low < rounding / LOSS:
            constants[i] = np.round(middle) if rows.dtype.kind in "iu" else middle
    if not constants.any():
        return rows, none
    shaped = constants.reshape(none.shape)
    return rows.astype(np.float64) - shaped[..., np.newaxis], shaped


def check_windows(x, *, name: str = "X", n_channels: int | None = None) -> np.ndarray:
    """Return windows as a float32 array of shape (n_windows, n_channels, n_samples) in C order.

    Nothing is copied when the input already is such an array. NaN marks missing samples and is allowed; masked samples
    become NaN. A channel that float32 would round away loses its median first, see `centred`.

    Raises
    ------
    ValueError
        For another number of dimensions, for channels last, for a wrong number of channels, for text.
    """
    shape_wanted = f"(n_windows, {n_channels if n_channels else 'n_channels'}, n_samples)"
    try:
        array = np.asarray(filled(x))
        if array.dtype != np.float32:
            if array.ndim == 3:
                array = centred(array)[0]
            with np.errstate(over="ignore"):
                array = array.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} cannot be read as numbers ({error}); expected an array of shape {shape_wanted}"
        ) from None
    if array.ndim != 3:
        if array.ndim == 2 and array.shape[0] <= 4:
            fix = f"for one window write {name}[np.newaxis]; for one-channel windows write {name}[:, np.newaxis, :]"
        elif array.ndim == 2:
            fix = f"for one-channel windows write {name}[:, np.newaxis, :]; to cut a recording use biosig.segment"
        else:
            fix = "to cut a recording into windows use biosig.segment"
        raise ValueError(f"{name} has shape {array.shape}; expected {shape_wanted}: {fix}")
    if array.shape[0] and (
        (n_channels is not None and array.shape[1] != n_channels and array.shape[2] == n_channels)
        or (n_channels is None and array.shape[2] <= 4 < array.shape[1])
    ):
        raise ValueError(
            f"{name} has shape {array.shape}, which looks like channels last; expected {shape_wanted}: "
            f"write {name}.transpose(0, 2, 1)"
        )
    if n_channels is not None and array.shape[1] != n_channels:
        raise ValueError(f"{name} has {array.shape[1]} channels (shape {array.shape}); expected {shape_wanted}")
    return np.ascontiguousarray(array)


def check_groups(groups, n_windows: int, name: str = "groups") -> np.ndarray:
    """Return one participant label per window, or raise ValueError when the numbers differ."""
    labels = np.asarray(groups)
    if labels.ndim != 1 or len(labels) != n_windows:
        raise ValueError(
            f"{name} has shape {labels.shape}; expected one participant label per window, that is ({n_windows},)"
        )
    return labels
