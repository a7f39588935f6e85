"""Training of encoders: augmentation, batches, objectives, the loop, and the trainings built from them.

Windows go in as NumPy arrays and encoders come out as plain data. tinygrad loads when one of these names is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Augmentation": "augmentation",
    "Fitted": "fitted",
    "SimulatedStream": "stream",
    "TrainingOptions": "loop",
    "embed": "embedding",
    "make_config": "fitted",
    "project": "embedding",
    "project_in_time": "embedding",
    "random_encoder": "fitted",
    "reconstruction_error": "autoencoding",
    "train_contrastive": "contrastive",
    "train_distilled": "distillation",
    "train_masked_autoencoder": "autoencoding",
    "train_supervised": "supervised",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"biosig.training.{_HOME[name]}"), name)
    raise AttributeError(f"module 'biosig.training' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
