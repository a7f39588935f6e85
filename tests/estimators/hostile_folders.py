"""Folders of encoders that someone got wrong, or made to do harm: a few hundred, from three sound ones."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from biosig.nets.weights import content_hash
from biosig.training import make_config, random_encoder

Weights = dict[str, np.ndarray]
Case = tuple[str, Callable[[Path], None]]
VALUES = [
    None,
    True,
    -1,
    0,
    1,
    2,
    2**20,
    2**31,
    2**62,
    10**400,
    -1e9,
    0.5,
    1e-300,
    1e300,
    "",
    "x",
    [],
    {},
    [[]],
    [1],
    [-1],
]
VALUES += ["samples", {"name": "samples"}, [2**40], ["a"], [10**30, 10**30], [None], {"a": {"b": [1]}}]


def sound() -> Iterator[tuple[str, dict[str, Any], Weights]]:
    """Small encoders of all families and front ends."""
    signal = {"n_channels": 1, "n_samples": 640, "sampling_rate": 64.0}
    for name, settings in {
        "conv": {"modality": "ppg", "architecture": "conv", "size": "micro", **signal},
        "envelopes": {"modality": "accel", "size": "micro", "front_end": "envelopes", **signal, "n_channels": 3},
        "transformer": {
            "modality": "ppg",
            "architecture": "transformer",
            "size": "tiny",
            "positions": "learned",
            **signal,
        },
        "efficientnet": {"modality": "ppg", "architecture": "efficientnet", "size": "tiny", **signal},
    }.items():
        config = make_config(**settings)
        yield name, config, random_encoder(config, 0).weights


def write(folder: Path, config: Any, weights: Weights, *, text: str | None = None) -> None:
    """Write a folder whose hash fits, whatever is in it."""
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(safetensors.numpy.save(weights))
    if text is None:
        text = json.dumps(config)
        if isinstance(config, dict) and "NaN" not in text and "Infinity" not in text:
            text = json.dumps({**config, "content_hash": content_hash(weights, config)})
    (folder / "config.json").write_text(text)


def places(tree: Any, path: tuple = ()) -> Iterator[tuple]:
    """Paths to everything in nested dicts and lists."""
    for key in tree if isinstance(tree, dict) else range(len(tree)):
        yield (*path, key)
        if isinstance(tree[key], (dict, list)):
            yield from places(tree[key], (*path, key))


def changed(config: dict[str, Any], path: tuple, value: Any) -> dict[str, Any]:
    """Return a copy with another value at one place; `...` removes it."""
    copied = copy.deepcopy(config)
    part: Any = copied
    for key in path[:-1]:
        part = part[key]
    if value is ...:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return copied


def of_configs() -> Iterator[Case]:
    """Every setting removed, of a wrong kind, huge, negative, nested, not a number; further ones; none at all."""
    for family, config, weights in sound():
        for path in places(config):
            values = [..., float("nan"), float("inf"), *VALUES]
            for value in values if family in ("conv", "envelopes") or "encoder" in path else values[:5]:
                name = f"{family} {'.'.join(map(str, path))} = {str(value)[:20]}"
                other = changed(config, path, value)
                if other == config:
                    continue
                yield name, lambda folder, other=other, weights=weights: write(folder, other, weights)
        for key in ("encoder", "front_end"):
            for extra in ("n_layers", "__class__", "self", ""):
                other = changed(config, (key, extra), 3)
                yield (
                    f"{family} {key}.{extra}",
                    lambda folder, other=other, weights=weights: write(folder, other, weights),
                )
    for value in VALUES:
        yield f"config {str(value)[:20]}", lambda folder, value=value: write(folder, value, {})


def of_tensors() -> Iterator[Case]:
    """Every weight missing, of another shape, type or name, not finite, huge; further ones."""
    for family, config, weights in sound():
        chosen = list(weights) if family == "conv" else [*list(weights)[:3], *list(weights)[-3:]]
        for name in chosen:
            values = weights[name]
            broken = values.copy()
            broken.flat[-1] = np.nan
            others = {
                "missing": None, "longer": np.concatenate([values, values]), "flat": values.reshape(-1)[:, np.newaxis],
                "empty": np.zeros(0, np.float32), "double": values.astype(np.float64), "whole": values.astype(np.int32),
                "nan": broken, "infinite": np.full_like(values, np.inf), "huge": np.full_like(values, 1e38),
            }  # fmt: skip
            for what, value in others.items():
                given = {key: one for key, one in weights.items() if key != name}
                given |= {} if value is None else {name: value}
                yield f"{family} {name} {what}", lambda folder, c=config, given=given: write(folder, c, given)
        more = {**weights, "layers.99.weight": np.ones(3, np.float32)}
        yield f"{family} further", lambda folder, c=config, more=more: write(folder, c, more)
        yield f"{family} no weights", lambda folder, c=config: write(folder, c, {})


def of_sizes() -> Iterator[Case]:
    """Settings that fit each other, and would need far more than the weights that are there."""
    made = {family: (config, weights) for family, config, weights in sound()}
    conv, weights = made["conv"]
    for path, value in {
        ("depths",): [65536, 65536, 65536], ("widths",): [65536, 65536, 65536], ("expansion",): 65536,
        ("taps",): 65535, ("widths", 0): 65536, ("depths", 2): 60000,
    }.items():  # fmt: skip
        other = changed(conv, ("encoder", *path), value)
        yield f"conv {path} huge", lambda folder, other=other: write(folder, other, weights)
    for n in (2**20, 2**21, 2**34, 640 * 10**9):
        other = changed(changed(conv, ("n_samples",), n), ("encoder", "n_samples"), n)
        yield f"conv n_samples {n}", lambda folder, other=other: write(folder, other, weights)
    former, former_weights = made["transformer"]
    for n in (2**19, 640 * 10**6):
        other = changed(changed(former, ("n_samples",), n), ("encoder", "n_samples"), n)
        other["encoder"]["positions"] = "sinusoidal"
        bare = {name: value for name, value in former_weights.items() if name != "positions"}
        yield f"transformer n_samples {n}", lambda folder, other=other, bare=bare: write(folder, other, bare)
    envelopes, their_weights = made["envelopes"]
    for bands in ([[1e-3, 4.0]] * 4, [[1e-300, 1e-299]] * 4, [[4.0, 1.0]] * 4, [[1.0, 400.0]] * 4, [[1, 2, 3]] * 4):
        other = changed(envelopes, ("front_end", "bands"), bands)
        yield f"bands {bands[0]}", lambda folder, other=other: write(folder, other, their_weights)
    for rate in (1e-3, 1e6, 1e-320, 1e308):
        other = changed(changed(conv, ("sampling_rate",), rate), ("encoder", "sampling_rate"), rate)
        yield f"rate {rate}", lambda folder, other=other: write(folder, other, weights)


def of_files() -> Iterator[Case]:
    """Files that are not what they should be."""
    _, config, weights = next(iter(sound()))
    texts = {
        "empty": "", "cut": json.dumps(config)[:50], "deep": "[" * 200_000,
        "deep within": '{"a":' * 5000 + "1" + "}" * 5000,
        "list": "[]", "number": "1", "twice": '{"modality": "ppg", "modality": "accel"}',
        "digits": '{"x": ' + "9" * 9999 + "}",
        "large": '{"x": "' + "y" * 2**21 + '"}', "nul": "\0" * 50, "surrogate": '{"\\ud800": 1}',
    }  # fmt: skip
    for what, text in texts.items():
        yield f"config.json {what}", lambda folder, text=text: write(folder, config, weights, text=text)
    header = lambda body: len(body).to_bytes(8, "little") + body
    content = {
        "empty": b"", "no header": b"\1", "long header": b"\xff" * 7 + b"\x7f" + b"{}",
        "not JSON": header(b"{nonsense"),
        "beyond": header(b'{"a":{"dtype":"F32","shape":[99999999],"data_offsets":[0,399999996]}}'),
        "overflow": header(b'{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}'),
        "type": header(b'{"a":{"dtype":"Q7","shape":[1],"data_offsets":[0,4]}}') + b"\0" * 4,
        "brain": header(b'{"stem_bias":{"dtype":"BF16","shape":[8],"data_offsets":[0,16]}}') + b"\0" * 16,
        "deep": header(b"[" * 100_000), "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    }  # fmt: skip
    for what, data in content.items():

        def spoil(folder, data=data):
            write(folder, config, weights)
            (folder / "model.safetensors").write_bytes(data)

        yield f"model.safetensors {what}", spoil
    for name in ("config.json", "model.safetensors"):
        for what, make in {
            "folder": lambda path: path.mkdir(),
            "pipe": os.mkfifo,
            "endless": lambda path: path.symlink_to("/dev/zero"),
            "loop": lambda path: path.symlink_to(path),
            "nowhere": lambda path: path.symlink_to("/nonexistent"),
            "sparse": lambda path: (path.touch(), os.truncate(path, 2**40)),
        }.items():

            def replace(folder, name=name, make=make):
                write(folder, config, weights)
                (folder / name).unlink()
                make(folder / name)

            yield f"{name} {what}", replace
    yield "a file", lambda folder: folder.write_text("no folder")
    yield "a pipe", lambda folder: os.mkfifo(folder)
    yield "a loop", lambda folder: folder.symlink_to(folder)
    yield "nothing", lambda folder: None
