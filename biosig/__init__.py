"""Heart rate, heart rate variability and distilled embeddings from wearable acceleration and PPG.

The functions named here load their modules when first used, so that ``import biosig`` stays quick.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "read": "biosig.recordings",
    "simulate_cohort": "biosig.recordings",
    "segment": "biosig.signals",
    "resample": "biosig.signals",
    "remove_gravity": "biosig.signals",
    "bandpass": "biosig.signals",
    "orientation_free": "biosig.signals",
    "calibrate": "biosig.signals",
    "non_wear": "biosig.signals",
    "Gate": "biosig.signals",
    "detect_beats": "biosig.heart",
    "heart_rate": "biosig.heart",
    "heart_rate_variability": "biosig.heart",
    "wrist_heart_rate": "biosig.heart",
    "track_heart_rate": "biosig.heart",
    "BeatTemplates": "biosig.heart",
    "load_encoder": "biosig.estimators",
}
_FOLDERS = ("recordings", "signals", "heart", "nets", "training", "estimators", "evaluation")

__all__ = ["__version__", *_FOLDERS, *_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _FOLDERS:
        return importlib.import_module(f"biosig.{name}")
    raise AttributeError(f"module 'biosig' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
