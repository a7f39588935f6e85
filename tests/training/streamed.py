"""A training on a stream that kills itself after a step: ``python -m tests.training.streamed FOLDER STEP``."""

from __future__ import annotations

import os
import signal
import sys

from biosig.signals import Gate
from biosig.training import (
    SimulatedStream,
    TrainingOptions,
    make_config,
    random_encoder,
    train_contrastive,
    train_distilled,
    train_masked_autoencoder,
    train_supervised,
)

STEPS = 14


def stream(**changed):
    """Participants of two minutes with up to 12 windows, 24 windows in the buffer."""
    settings = {"n_participants": 9, "minutes": 2.0, "length": 8.0, "stride": 10.0, "sampling_rate": 16.0}
    settings |= {"gate": Gate(min_ppg_quality=0.3), "uses": 3, "buffer": 24, "random_state": 5, "n_workers": 1}
    return SimulatedStream(**settings | changed)


def config(modality="ppg", **changed):
    settings = {"n_channels": 1 if modality == "ppg" else 3, "n_samples": 128, "sampling_rate": 16.0, "dropout": 0.3}
    return make_config(modality=modality, **settings | {"widths": [8, 8], "depths": [1, 1]} | changed)


def options(**changed):
    settings = {"steps": STEPS, "batch_size": 8, "n_jobs": 1, "progress": False, "checkpoint_every": 0.0}
    return TrainingOptions(**settings | changed)


def masked(given=None, **changed):
    return train_masked_autoencoder(given or stream(), config(), options=options(**changed))


def contrastive(given=None, queue_size=8, **changed):
    return train_contrastive(given or stream(buffer=48), config(), options=options(**changed), queue_size=queue_size)


def supervised(given=None, **changed):
    return train_supervised(given or stream(), None, config("accel"), options=options(**changed))


def distilled(given=None, queue_size=16, **changed):
    """With all that a stream must bring: two sensors, a queue of earlier windows, neighbours, held-out participants."""
    changed = {"validation_fraction": 0.3, "validate_every": 5} | changed
    return train_distilled(
        given or stream(stride=4.0), None, config("accel"), random_encoder(config(), 1), options=options(**changed),
        windows_per_participant=3, queue_size=queue_size,
    )  # fmt: skip


def main(folder: str, step: str) -> None:
    def die(progress):
        if progress.step == int(step):
            os.kill(os.getpid(), signal.SIGKILL)

    distilled(checkpoint=folder, callback=die)


if __name__ == "__main__":
    main(*sys.argv[1:])
