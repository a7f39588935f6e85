"""What the heart did: beats, rate and variability from the photoplethysmogram."""

from biosig.heart.beats import detect_beats
from biosig.heart.targets import ppg_targets
from biosig.heart.variability import heart_rate, heart_rate_variability

__all__ = ["detect_beats", "heart_rate", "heart_rate_variability", "ppg_targets"]
