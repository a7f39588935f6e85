"""A training in a process of its own, which can be made to kill itself: ``python -m tests.training.killed FOLDER HOW``.

HOW is ``step:7`` (after step 7, before it is saved), ``write:7`` (when the seventh file is half-written), ``rename:7``
(just after the seventh file got its name) or ``never``.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np

from biosig.training import TrainingOptions, make_config, train_supervised

STEPS = 12


def toy(n=40, length=64, seed=0):
    """Windows of noisy sines of eight participants, one of them without data."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0.6, 2.4, (n, 1)) * np.arange(length) / 2.5 + rng.uniform(0, 6, (n, 1))
    x = (np.sin(angle) + 0.1 * rng.standard_normal((n, length)))[:, np.newaxis].astype(np.float32)
    x[3] = np.nan
    return x, np.repeat(np.arange(8), n // 8)


def config(**changed):
    settings = {"modality": "ppg", "n_channels": 1, "n_samples": 64, "sampling_rate": 16.0, "dropout": 0.3}
    return make_config(**settings | {"widths": [8, 8], "depths": [1, 1]} | changed)


def options(**changed):
    """With all that must be restored: dropout, augmentation, an order of batches, held-out participants."""
    settings = {"steps": STEPS, "batch_size": 8, "n_jobs": 1, "progress": False, "checkpoint_every": 0.0}
    return TrainingOptions(**settings | {"validation_fraction": 0.25, "validate_every": 3} | changed)


def run(folder, x=None, groups=None, architecture=None, **changed):
    """Train with a target, because the dropout of convolutions stands behind their pooled features."""
    usual = toy()
    x, groups = usual[0] if x is None else x, usual[1] if groups is None else groups
    y = np.arange(len(x)) % 7.0
    return train_supervised(
        x, y, architecture or config(), options=options(checkpoint=folder, **changed), groups=groups
    )


def _die():
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: str, how: str) -> None:
    kind, _, number = how.partition(":")
    callback, seen = None, []
    if kind == "step":
        callback = lambda progress: _die() if progress.step == int(number) else None
    replace = Path.replace

    def dying(self, target):
        seen.append(target)
        if kind == "write" and len(seen) == int(number):
            self.write_bytes(self.read_bytes()[:100])
            _die()
        replace(self, target)
        if kind == "rename" and len(seen) == int(number):
            _die()

    Path.replace = dying
    run(folder, callback=callback)


if __name__ == "__main__":
    main(*sys.argv[1:])
