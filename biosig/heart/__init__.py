"""What the heart did: beats, rate and variability from the photoplethysmogram, with the electrocardiogram beside."""

from biosig.heart.beats import detect_beats
from biosig.heart.correction import CorrectedBeats, correct_beats
from biosig.heart.ecg import ecg_beats
from biosig.heart.hrv import hrv
from biosig.heart.matching import BeatMatch, match_beats
from biosig.heart.personal_templates import BeatTemplates
from biosig.heart.pulse_quality import beat_quality, polarity, pulse_quality
from biosig.heart.pulse_times import PulseTimes, pulse_times
from biosig.heart.respiration import respiration_rate
from biosig.heart.targets import ppg_targets
from biosig.heart.tracking import track_heart_rate
from biosig.heart.variability import heart_rate, heart_rate_variability
from biosig.heart.wrist import wrist_heart_rate

__all__ = [
    "BeatMatch",
    "BeatTemplates",
    "CorrectedBeats",
    "PulseTimes",
    "beat_quality",
    "correct_beats",
    "detect_beats",
    "ecg_beats",
    "heart_rate",
    "heart_rate_variability",
    "hrv",
    "match_beats",
    "polarity",
    "ppg_targets",
    "pulse_quality",
    "pulse_times",
    "respiration_rate",
    "track_heart_rate",
    "wrist_heart_rate",
]
