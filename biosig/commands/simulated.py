"""Options of ``biosig pretrain`` and ``distill`` for training on simulated participants instead of windows on disk."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biosig.commands.arguments import count, positive, share

if TYPE_CHECKING:
    from biosig.training.stream import SimulatedStream

_FURTHER = ("minutes", "device", "length", "stride", "rate", "max_motion", "uses", "buffer", "mix", "mix_fraction")


def add_stream(parser: argparse.ArgumentParser) -> None:
    """Add the options of a stream."""
    group = parser.add_argument_group(
        "simulated participants", "made while training, in place of WINDOWS; --seed also chooses the participants"
    )
    group.add_argument("--simulate", type=count, metavar="N", help="participants; after the last, the first again")
    group.add_argument("--minutes", type=positive, help="length of each recording (30)")
    group.add_argument(
        "--device", nargs="+", type=_device, metavar="NAME", help="watch, e4, or several: watch:0.7 e4:0.3 (watch)"
    )
    group.add_argument("--length", type=positive, help="of the windows, seconds (60)")
    group.add_argument("--stride", type=positive, help="seconds between windows; the length without it")
    group.add_argument("--rate", type=positive, help="sampling rate of the windows, Hz (64)")
    group.add_argument("--max-motion", type=positive, help="stillness gate, mg (50)")
    group.add_argument("--uses", type=count, help="times that each window is used, each time augmented differently (4)")
    group.add_argument("--buffer", type=count, metavar="WINDOWS", help="size of the shuffle buffer (4096)")
    group.add_argument("--mix", type=Path, nargs="+", metavar="DIR", help="windows of recordings to mix in")
    group.add_argument("--mix-fraction", type=share, metavar="FRACTION", help="fraction of windows from --mix (0.1)")
    group.add_argument("--workers", type=_workers, help="processes that simulate; one a core without it")


def stream_of(options: argparse.Namespace) -> SimulatedStream | None:
    """Return the stream that the options describe, or None for windows on disk.

    Raises
    ------
    ValueError
        When both were given, or neither.
    """
    given = {name: getattr(options, name) for name in _FURTHER if getattr(options, name) is not None}
    if options.simulate is None:
        if not options.windows:
            raise ValueError("neither WINDOWS nor --simulate is given; name files of windows, or say --simulate 50000")
        if given or options.workers is not None:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in (*given, *(["workers"] * (not given))))
            raise ValueError(f"{names} without --simulate; add --simulate 50000, or leave out")
        return None
    if options.windows:
        raise ValueError(
            f"both windows ({options.windows[0]}) and --simulate are given; leave one out, or mix the windows in with "
            "--mix"
        )
    return _stream(options, given)


def _stream(options: argparse.Namespace, given: dict[str, Any]) -> SimulatedStream:
    from biosig.signals import Gate
    from biosig.training import SimulatedStream

    settings: dict[str, Any] = {
        name: given[name] for name in ("minutes", "length", "stride", "uses", "buffer") if name in given
    }
    if "rate" in given:
        settings["sampling_rate"] = given["rate"]
    if "max_motion" in given:
        settings["gate"] = Gate(max_motion=given["max_motion"] / 1000)
    if "device" in given:
        named = [fraction for _, fraction in given["device"] if fraction is not None]
        if named and len(named) < len(given["device"]):
            raise ValueError(
                "some of --device have a fraction, others none; give one to each, such as watch:0.7 e4:0.3"
            )
        names = [name for name, _ in given["device"]]
        if len(set(names)) < len(names):
            raise ValueError(f"--device names {', '.join(names)}; expected each once")
        settings["device"] = dict(given["device"]) if named else names
    if "mix_fraction" in given and "mix" not in given:
        raise ValueError("--mix-fraction without --mix; name the windows to mix in")
    if "mix" in given:
        from biosig.signals.storage import open_window_files

        settings["mix"], settings["mix_fraction"] = open_window_files(given["mix"]), given.get("mix_fraction", 0.1)
    return SimulatedStream(
        n_participants=options.simulate, random_state=options.seed, n_workers=options.workers, **settings
    )


def _device(text: str) -> tuple[str, float | None]:
    name, colon, fraction = text.partition(":")
    return name, positive(fraction) if colon else None


def _workers(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 up")
    return value
