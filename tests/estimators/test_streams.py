"""Estimators fitted on a stream in place of arrays."""

from __future__ import annotations

import numpy as np
import pytest

from biosig.estimators import ContrastiveEncoder, DistilledEncoder, MaskedAutoencoder, SupervisedEncoder
from biosig.signals import Gate
from biosig.signals.simulated import simulate_windows
from biosig.training import SimulatedStream

STREAM = SimulatedStream(
    n_participants=20, minutes=2.0, length=8.0, stride=10.0, sampling_rate=32.0, gate=Gate(min_ppg_quality=0.3),
    buffer=64, uses=2, random_state=5, n_workers=0,
)  # fmt: skip
SETTINGS = {"sampling_rate": 32.0, "n_steps": 6, "batch_size": 8, "random_state": 0, "n_jobs": 1}
SEEN = simulate_windows(STREAM.recipe(), 500).signals


def test_teacher_and_student_without_an_array():
    student = DistilledEncoder(MaskedAutoencoder(**SETTINGS), **SETTINGS).fit(STREAM)
    embedding = student.transform(SEEN["accel"])
    assert embedding.shape[0] == len(SEEN["accel"]) and np.isfinite(embedding).all()
    assert np.isfinite(student.teacher_.transform(SEEN["ppg"])).all()
    assert student.project(SEEN["accel"]).shape == student.project_ppg(SEEN["ppg"]).shape
    student.partial_fit(STREAM)
    assert student.history_["step"] == list(range(12))


def test_contrastive_and_supervised():
    contrastive = ContrastiveEncoder(**SETTINGS).fit(STREAM)
    assert np.isfinite(contrastive.transform(SEEN["ppg"])).all()
    supervised = SupervisedEncoder(**SETTINGS).fit(STREAM)
    assert supervised.predict(SEEN["accel"]).shape == (len(SEEN["accel"]), 3)
    one = SupervisedEncoder(**SETTINGS).fit(STREAM.with_settings(targets=("heart_rate",)))
    assert one.predict(SEEN["accel"]).shape == (len(SEEN["accel"]),)


def test_what_is_missing_and_what_does_not_fit():
    with pytest.raises(ValueError, match="SupervisedEncoder requires y"):
        SupervisedEncoder(**SETTINGS).fit(SEEN["accel"])
    with pytest.raises(ValueError, match="ppg is missing; a DistilledEncoder"):
        DistilledEncoder(MaskedAutoencoder(**SETTINGS), **SETTINGS).fit(SEEN["accel"])
    with pytest.raises(ValueError, match=r"at 32 Hz; the encoder \(x\) takes 1 x 256 at 64 Hz"):
        MaskedAutoencoder(**SETTINGS | {"sampling_rate": 64.0}).fit(STREAM)
