"""The families of encoder behind one pair of functions: a config that JSON can hold, and a net built from it."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from types import ModuleType
from typing import Any

import numpy as np

from biosig._checks import check_sampling_rate
from biosig.nets import convolution, efficientnet, transformer
from biosig.nets.convolution import ConvEncoder
from biosig.nets.efficientnet import EfficientNetEncoder
from biosig.nets.transformer import TransformerEncoder

Encoder = ConvEncoder | EfficientNetEncoder | TransformerEncoder
_FAMILIES: dict[str, tuple[ModuleType, type[Encoder]]] = {
    "conv": (convolution, ConvEncoder),
    "efficientnet": (efficientnet, EfficientNetEncoder),
    "transformer": (transformer, TransformerEncoder),
}
_SIGNAL = ("n_channels", "n_samples", "sampling_rate")
_MOST = 65536  # of anything that is counted in a net
_MAX_STAGES = 16


def encoder_config(
    architecture: str = "conv",
    size: str = "tiny",
    *,
    n_channels: int,
    n_samples: int,
    sampling_rate: float,
    **overrides: Any,
) -> dict[str, Any]:
    """Return complete settings of an encoder, of plain JSON types.

    Parameters
    ----------
    architecture : {"conv", "efficientnet", "transformer"}
        ConvNeXt learns fastest on small data; EfficientNet and transformer are those of the paper, and the transformer
        encodes only what is visible of a masked window.
    size : str
        One of the sizes of the family: the tables at the top of `biosig.nets.convolution`,
        `biosig.nets.efficientnet` and `biosig.nets.transformer`.
    n_channels, n_samples : int
        Shape of one window.
    sampling_rate : float
        Of the windows, in Hz.
    **overrides
        Any of the settings that the function returns for this architecture, such as ``width`` or ``dropout``.

    Raises
    ------
    ValueError
        For an unknown name, or a window that does not suit the patch or stride; it says which lengths do.
    """
    if not isinstance(architecture, str) or architecture not in _FAMILIES:
        raise ValueError(f"architecture is {architecture!r}; expected one of {sorted(_FAMILIES)}")
    family, _ = _FAMILIES[architecture]
    if not isinstance(size, str) or size not in family.SIZES:
        raise ValueError(f"size is {size!r}; expected one of {sorted(family.SIZES)} for {architecture!r}")
    for name, value in (("n_channels", n_channels), ("n_samples", n_samples)):
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} is {value!r}; expected a positive whole number")
    rate = check_sampling_rate(sampling_rate)
    settings = family.configure(size, int(n_channels), int(n_samples), rate)
    unknown = sorted(overrides.keys() - settings.keys())
    if unknown:
        raise ValueError(f"unknown settings {unknown} for {architecture!r}; expected some of {sorted(settings)}")
    for name, value in overrides.items():
        _check_kind(name, value, settings[name])
    config = {
        "architecture": architecture,
        "size": size,
        "n_channels": int(n_channels),
        "n_samples": int(n_samples),
        "sampling_rate": rate,
        **settings,
        **{name: list(v) if isinstance(v, tuple) else v for name, v in overrides.items()},
    }
    family.check(config)
    return config


def embedding_size(config: dict[str, Any]) -> int:
    """Values per embedding of the encoder that `config` describes, without building it."""
    return _FAMILIES[config["architecture"]][0].n_features(config)


def weight_shapes(config: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the weights of the encoder that `config` describes, one after the other, without building it.

    Parameters
    ----------
    config : dict
        From `encoder_config`.
    """
    return _FAMILIES[config["architecture"]][0].shapes(config)


def check_encoder_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return the complete config of an encoder, or raise ValueError for missing, unknown or unfitting settings."""
    required = ("architecture", "size", *_SIGNAL)
    missing = [name for name in required if name not in config]
    if missing:
        raise ValueError(f"the encoder config lacks {missing}; make one with encoder_config(...)")
    return encoder_config(**config)


def _check_kind(name: str, value: Any, usual: Any) -> None:
    """Raise ValueError unless `value` is of the kind that the setting usually has; configs also come from files."""
    if isinstance(usual, list):
        if not isinstance(value, (list, tuple)) or len(value) > _MAX_STAGES:
            raise ValueError(f"{name} is {value!r}; expected a list such as {usual}")
        for item in value:
            _check_kind(name, item, usual[0])
    elif isinstance(usual, int):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
            raise ValueError(f"{name} is {value!r}; expected a whole number from 1 to {_MOST}")
    elif isinstance(usual, float) and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise ValueError(f"{name} is {value!r}; expected a number such as {usual}")
    elif isinstance(usual, str) and not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}; expected text such as {usual!r}")


def build_encoder(config: dict[str, Any], random_state: int | np.random.Generator | None = None) -> Encoder:
    """Return an untrained encoder with weights drawn from `random_state`.

    Parameters
    ----------
    config : dict
        From `encoder_config`, or read from a file that holds one.

    Returns
    -------
    Encoder
        Called with windows (n_batch, n_channels, n_samples) it returns embeddings (n_batch, n_features); ``tokens``
        returns (n_batch, n_tokens, token_width).

    Raises
    ------
    ValueError
        For a config with missing, unknown or unfitting settings.
    """
    complete = check_encoder_config(config)
    _, encoder = _FAMILIES[complete["architecture"]]
    return encoder(complete, np.random.default_rng(random_state))
