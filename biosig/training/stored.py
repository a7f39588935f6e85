"""The config of an encoder that comes from a file, checked before anything is built from it.

Whoever wrote the file may have made a mistake, or mean harm. So each setting is of the kind and within the limits of
the table below, the settings fit one another, and what they describe is no larger than the weights beside them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from biosig.nets.encoders import check_encoder_config, embedding_size, weight_shapes
from biosig.signals.envelope import envelope_size
from biosig.training.fitted import MODALITIES
from biosig.training.frontends import FRONT_ENDS, NORMALISATIONS, front_end_shape

MAX_SAMPLES = 2**20  # of one window of one channel: four hours at 64 Hz
MAX_FILTERING = 2**33  # multiplications for the envelopes of one window, some seconds
Check = Callable[[str, Any], None]


def check_stored(config: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Check the config of a stored encoder and return the weights that it needs.

    Parameters
    ----------
    config : dict
        As `biosig.training.make_config` returns it; further keys on the top level are not looked at, but for those that
        shipped encoders have.

    Returns
    -------
    iterator of (name, shape)
        Of all weights, made one after the other: whoever compares them with those that are there can stop in time.

    Raises
    ------
    ValueError
        For a setting that is missing, of another kind, out of its limits, or that does not fit the others.
    """
    _check_table("the config", config, _CONFIG, _ABOUT)
    front_end, encoder = config["front_end"], config["encoder"]
    if front_end["name"] == "envelopes":
        _check_filtering(config)
    complete = check_encoder_config(encoder)
    if lacking := sorted(complete.keys() - encoder.keys()):
        raise ValueError(f"encoder lacks {lacking}")
    seen = front_end_shape(front_end, config["n_channels"], config["n_samples"], config["sampling_rate"])
    if (complete["n_channels"], complete["n_samples"]) != seen:
        raise ValueError(
            f"encoder takes {complete['n_channels']} x {complete['n_samples']} values, the front end "
            f"{front_end['name']!r} makes {seen[0]} x {seen[1]} of a window of {config['n_channels']} x "
            f"{config['n_samples']}"
        )
    rate = config["sampling_rate"] * seen[1] / config["n_samples"]
    if not math.isclose(complete["sampling_rate"], rate, rel_tol=1e-6):
        raise ValueError(
            f"encoder.sampling_rate is {complete['sampling_rate']:g} Hz; behind its front end it is {rate:g}"
        )
    if config["embedding"] != embedding_size(complete):
        raise ValueError(f"embedding is {config['embedding']}; this encoder has {embedding_size(complete)} features")
    return weight_shapes(complete)


def _check_filtering(config: dict[str, Any]) -> None:
    """Refuse bands and rates that make no sense, or more work than any window is worth."""
    front_end = config["front_end"]
    bands = [tuple(band) for band in front_end["bands"]]
    _, n_out, n_taps = envelope_size(
        config["n_samples"], config["sampling_rate"], bands=bands, envelope_rate=front_end["envelope_rate"]
    )
    work = config["n_channels"] * n_out * n_taps
    if work > MAX_FILTERING:
        raise ValueError(
            f"front_end.bands {bands} take {work:.1e} multiplications a window, more than the {MAX_FILTERING:.1e} "
            "allowed: bands that begin higher, or shorter windows, take fewer"
        )


def _check_table(where: str, given: Any, needed: dict[str, Check], also: dict[str, Check] | None) -> None:
    """Check the settings of a dict by name; without `also`, no further ones are allowed."""
    if not isinstance(given, dict):
        raise ValueError(f"{where} is {_short(given)}; expected settings by name")
    prefix = "" if where == "the config" else f"{where}."
    if missing := sorted(needed.keys() - given.keys()):
        raise ValueError(f"{where} lacks {', '.join(missing)}")
    if also is None and (unknown := sorted(given.keys() - needed.keys())):
        raise ValueError(f"{where} has unknown settings {_short(unknown)}; expected {', '.join(sorted(needed))}")
    for name, check in (needed | (also or {})).items():
        if name in given:
            check(prefix + name, given[name])


def _short(value: Any) -> str:
    """Return a value as text of at most some ten words."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits, lists within lists
        text = f"a {type(value).__name__} too large to show"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _one_of(*names: str) -> Check:
    def check(name: str, value: Any) -> None:
        if not isinstance(value, str) or value not in names:
            raise ValueError(f"{name} is {_short(value)}; expected one of {', '.join(map(repr, names))}")

    return check


def _whole(most: int) -> Check:
    def check(name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise ValueError(f"{name} is {_short(value)}; expected a whole number from 1 to {most}")

    return check


def _number(least: float, most: float) -> Check:
    def check(name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise ValueError(f"{name} is {_short(value)}; expected a number from {least:g} to {most:g}")

    return check


def _kind(kind: type, wanted: str) -> Check:
    def check(name: str, value: Any) -> None:
        if not isinstance(value, kind):
            raise ValueError(f"{name} is {_short(value)}; expected {wanted}")

    return check


def _front_end(name: str, value: Any) -> None:
    _check_table(name, value, {"name": _one_of(*FRONT_ENDS)}, {})
    _check_table(name, value, _FRONT_ENDS[value["name"]], None)


def _bands(name: str, value: Any) -> None:
    if not isinstance(value, list) or not 1 <= len(value) <= _MAX_BANDS:
        raise ValueError(f"{name} is {_short(value)}; expected a list of 1 to {_MAX_BANDS} bands")
    for number, band in enumerate(value):
        if not isinstance(band, list) or len(band) != 2:
            raise ValueError(f"{name}[{number}] is {_short(band)}; expected [low, high] in Hz")
        for edge in band:
            _RATE(f"{name}[{number}]", edge)


def _encoder(name: str, value: Any) -> None:
    _check_table(name, value, _ENCODER, {})  # the rest depends on the family


_MAX_BANDS = 64
_RATE = _number(1e-3, 1e6)  # Hz
_FRONT_ENDS: dict[str, dict[str, Check]] = {
    "samples": {"name": _one_of("samples")},
    "envelopes": {"name": _one_of("envelopes"), "bands": _bands, "envelope_rate": _RATE},
}
_SIGNAL: dict[str, Check] = {"n_channels": _whole(1024), "n_samples": _whole(MAX_SAMPLES), "sampling_rate": _RATE}
_ENCODER = _SIGNAL | {"architecture": _kind(str, "a name"), "size": _kind(str, "a name")}
_CONFIG = _SIGNAL | {
    "modality": _one_of(*MODALITIES),
    "front_end": _front_end,
    "normalisation": _one_of(*NORMALISATIONS),
    "encoder": _encoder,
    "embedding": _whole(2**17),
}
_ABOUT: dict[str, Check] = {
    "library_version": _kind(str, "text"),
    "training_data": _kind(str, "text"),
    "gate": _kind(dict, "limits by name"),
    "units": _kind(dict, "units by sensor"),
}
