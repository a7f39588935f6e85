"""Enter an encoder of your own into the comparison: ``python examples/own_encoder.py [OUT] [--quick]``.

A contender is a small class: it may learn from the training windows (`fit`), and it turns windows into rows of numbers
(`embed`). Windows, splits, probes, intervals and the report are the same for all. Here a torch model written on the
spot takes part: untrained convolutions, the plainest thing that could work. Put your own network in its place, or one
that was trained elsewhere: then `fit` has nothing to do. Torch is optional: `pip install torch`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from biosig.evaluation import Contender
from biosig.evaluation.experiment import demo


class TorchEncoder(Contender):
    """Convolutions of the z-scored acceleration, trained for a moment to tell the heart rate."""

    name = "my torch model"
    learns_from_labels = True

    def __init__(self, n_steps: int = 200):
        self.n_steps = n_steps

    def fit(self, training):
        import torch
        from torch import nn

        torch.manual_seed(training.random_state)
        layers = [nn.Conv1d(3, 16, 16, stride=4), nn.GELU(), nn.Conv1d(16, 32, 16, stride=4), nn.GELU()]
        self.body = nn.Sequential(*layers, nn.Conv1d(32, 64, 16, stride=4), nn.GELU())
        head = nn.Linear(128, 1)
        rate = training.targets["heart_rate"].to_numpy(dtype=np.float32)
        known = np.flatnonzero(np.isfinite(rate))
        goal = torch.from_numpy((rate[known] - rate[known].mean()) / max(rate[known].std(), 1e-6))
        optimiser = torch.optim.AdamW([*self.body.parameters(), *head.parameters()], lr=1e-3)
        rng = np.random.default_rng(training.random_state)
        for _ in range(self.n_steps):
            rows = rng.choice(len(known), min(training.budget.batch_size, len(known)), replace=False)
            said = head(self._pooled(training.accel[known[rows]]))[:, 0]
            loss = nn.functional.mse_loss(said, goal[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return self

    def embed(self, windows, sampling_rate):
        import torch

        with torch.no_grad():
            parts = [self._pooled(windows[i : i + 64]).numpy() for i in range(0, len(windows), 64)]
        return np.concatenate(parts)

    def _pooled(self, windows):
        import torch

        x = np.nan_to_num(windows)
        x = (x - x.mean(axis=2, keepdims=True)) / (x.std(axis=2, keepdims=True) + 1e-6)
        tokens = self.body(torch.from_numpy(x))
        return torch.cat([tokens.mean(dim=2), tokens.std(dim=2)], dim=1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?", default=Path("own-encoder"), help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="a very small run that only shows that it works")
    options = parser.parse_args()
    try:
        import torch  # noqa: F401
    except ImportError:
        print("this example enters a torch model, and torch is not installed: pip install torch", file=sys.stderr)
        return 2
    size = {"n_participants": 10, "duration": 300.0, "n_steps": 10} if options.quick else {}
    demo(
        options.out,
        **{"n_participants": 64, "duration": 1200.0, **size},
        own=[TorchEncoder(n_steps=10 if options.quick else 200)],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
