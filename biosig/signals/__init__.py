"""Recordings become windows: resampling, filters, quality, segmentation."""

from biosig.signals.calibration import Calibration, calibrate
from biosig.signals.clocks import even_clock
from biosig.signals.cutting import cut, normalise_windows
from biosig.signals.envelope import band_envelope
from biosig.signals.filters import bandpass, estimate_gravity, remove_gravity
from biosig.signals.gate import Gate
from biosig.signals.orientation import orientation_free, posture_angles
from biosig.signals.quality import spectral_quality
from biosig.signals.resampling import resample, resample_irregular
from biosig.signals.streaming import ResampleStream
from biosig.signals.wear import non_wear
from biosig.signals.windows import segment

__all__ = [
    "Calibration",
    "Gate",
    "ResampleStream",
    "band_envelope",
    "bandpass",
    "calibrate",
    "cut",
    "estimate_gravity",
    "even_clock",
    "non_wear",
    "normalise_windows",
    "orientation_free",
    "posture_angles",
    "remove_gravity",
    "resample",
    "resample_irregular",
    "segment",
    "spectral_quality",
]
