"""Recordings become windows: resampling, filters, quality, segmentation."""

from biosig.signals.envelope import band_envelope
from biosig.signals.filters import bandpass, remove_gravity
from biosig.signals.gate import Gate
from biosig.signals.quality import spectral_quality
from biosig.signals.resampling import resample, resample_irregular
from biosig.signals.windows import segment

__all__ = [
    "Gate",
    "band_envelope",
    "bandpass",
    "remove_gravity",
    "resample",
    "resample_irregular",
    "segment",
    "spectral_quality",
]
