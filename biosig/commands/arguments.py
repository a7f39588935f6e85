"""Numbers as arguments, and the options that several commands share."""

from __future__ import annotations

import argparse

ARCHITECTURES = ("conv", "efficientnet", "transformer")


def positive(text: str) -> float:
    """Return a positive, finite number."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def count(text: str) -> int:
    """Return a whole number from 1 up."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return value


def share(text: str) -> float:
    """Return a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to 1")
    return value


def add_training(parser: argparse.ArgumentParser, steps: int) -> None:
    """Add how one encoder is built and trained."""
    parser.add_argument("--architecture", choices=ARCHITECTURES, default="conv", help="(%(default)s)")
    parser.add_argument("--size", default="tiny", help="named size of the encoder (%(default)s)")
    parser.add_argument("--steps", type=count, default=steps, help="training steps (%(default)s)")
    parser.add_argument("--batch-size", type=count, default=64, help="windows a step (%(default)s)")
    parser.add_argument("--learning-rate", type=positive, default=3e-3, help="its peak (%(default)s)")
    parser.add_argument("--validation", type=share, default=0.0, help="share of the people held out (%(default)s)")
    parser.add_argument("--patience", type=count, help="looks at the people held out without progress before stopping")
    parser.add_argument(
        "--checkpoint-every", type=float, default=60.0, metavar="SECONDS", help="0 for every step (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="makes the run repeat exactly (%(default)s)")
    parser.add_argument("--jobs", type=int, help="threads; all cores without it")
