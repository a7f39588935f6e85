"""The model card that travels with saved weights."""

from __future__ import annotations

import json

from biosig import __version__

TEMPLATE = """# {name}

A {architecture} encoder ({size}) of {modality} windows, made with biosig {version}.

| | |
|---|---|
| input | {n_channels} channel(s), {n_samples} samples ({seconds:g} s at {sampling_rate:g} Hz), {units} |
| front end | {front_end} |
| normalisation | {normalisation} |
| output | {embedding} features a window |
| parameters | {n_parameters:,} |
| training steps | {steps} |
| last training loss | {loss} |

Read it back with `biosig.load_encoder(folder)`.

**Limits.** For research. Not a medical device: do not use it to diagnose, treat or monitor anyone.
Results hold for the people, device and wearing conditions it was trained and tested on.
"""


def model_card(config: dict, encoder) -> str:
    """Return the model card of a fitted encoder as Markdown."""
    losses = getattr(encoder, "history_", {}).get("loss", [])
    return TEMPLATE.format(
        name=type(encoder).__name__,
        version=__version__,
        seconds=config["n_samples"] / config["sampling_rate"],
        units="acceleration in g, gravity removed" if config["modality"] == "accel" else "PPG in device units",
        n_parameters=sum(array.size for array in encoder.weights_.values()),
        steps=len(losses) or "unknown",
        loss=f"{losses[-1]:.4g}" if losses else "unknown",
        architecture=config["encoder"]["architecture"],
        size=config["encoder"]["size"],
        **{key: config[key] for key in ("modality", "n_channels", "n_samples", "embedding")},
        sampling_rate=config["sampling_rate"],
        front_end=json.dumps(config["front_end"]),
        normalisation=config["normalisation"],
    )
