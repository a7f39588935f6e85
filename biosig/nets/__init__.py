"""Neural networks on tinygrad: the backend, layers, two families of encoder, heads, weights on disk.

tinygrad loads when one of these names is first used; `biosig.nets.weights` never loads it.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "AdamW": "optimiser",
    "LearnedTemperature": "heads",
    "LinearHead": "heads",
    "MaskedAutoencoderNet": "masked",
    "ProjectionHead": "heads",
    "build_encoder": "encoders",
    "encoder_config": "encoders",
    "get_weights": "parameters",
    "load_weights_folder": "weights",
    "n_parameters": "parameters",
    "save_weights_folder": "weights",
    "set_weights": "parameters",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"biosig.nets.{_HOME[name]}"), name)
    raise AttributeError(f"module 'biosig.nets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
