"""scikit-learn estimators: signal steps, PPG targets, encoders."""

from biosig.estimators.distilled import DistilledEncoder
from biosig.estimators.encoders import ContrastiveEncoder, MaskedAutoencoder
from biosig.estimators.participant_mean import ParticipantMean
from biosig.estimators.preprocessing import (
    BandEnvelope,
    BandpassFilter,
    GravityRemover,
    OrientationFree,
    Resampler,
    WindowNormalizer,
)
from biosig.estimators.pretrained import PretrainedEncoder, load_encoder
from biosig.estimators.supervised import SupervisedEncoder
from biosig.estimators.targets import PPGTargets

__all__ = [
    "BandEnvelope",
    "BandpassFilter",
    "ContrastiveEncoder",
    "DistilledEncoder",
    "GravityRemover",
    "MaskedAutoencoder",
    "OrientationFree",
    "PPGTargets",
    "ParticipantMean",
    "PretrainedEncoder",
    "Resampler",
    "SupervisedEncoder",
    "WindowNormalizer",
    "load_encoder",
]
