"""Weights on disk: a folder of ``model.safetensors``, ``config.json`` and ``README.md``. Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from biosig._files import atomic_path, check_regular, read_json, write_json, write_text

_TENSORS, _CONFIG, _CARD = "model.safetensors", "config.json", "README.md"
_MOST_CONFIG_BYTES = 2**20
_MOST_TENSOR_BYTES = 2 * 2**30
_LONGEST = 600  # characters of a message
MAX_WEIGHT = 1e6  # trained weights stay around 1
Layout = Callable[[dict[str, Any]], Iterable[tuple[str, tuple[int, ...]]]]
_AGAIN = "get the folder again from where it came, or save the encoder anew"


def content_hash(weights: dict[str, np.ndarray], config: dict[str, Any]) -> str:
    """Return the SHA-256 of names, types, shapes and bytes of all tensors and of the config, in hexadecimal.

    A ``content_hash`` inside the config is left out.
    """
    digest = hashlib.sha256()
    plain = {name: value for name, value in config.items() if name != "content_hash"}
    digest.update(json.dumps(plain, sort_keys=True, allow_nan=False).encode())
    for name in sorted(weights):
        array = np.ascontiguousarray(weights[name])
        digest.update(json.dumps([name, array.dtype.str, list(array.shape)]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save_weights_folder(
    folder: str | os.PathLike, weights: dict[str, np.ndarray], config: dict[str, Any], card: str
) -> None:
    """Write a folder of weights.

    A new folder appears whole or not at all. In a folder that exists, each file is replaced whole, the config last;
    should that be cut short, the hash in the old config no longer fits and loading says so.

    Parameters
    ----------
    weights : dict of str to ndarray
    config : dict
        Anything JSON can hold; ``content_hash`` is added.
    card : str
        Model card in Markdown.

    Raises
    ------
    ValueError
        For a config that JSON cannot hold, NaN included.
    OSError
        Where the folder cannot be written.
    """
    folder = Path(folder)
    arrays = {name: np.array(values, order="C") for name, values in weights.items()}
    try:
        complete = {**config, "content_hash": content_hash(arrays, config)}
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the config cannot be written as JSON ({error}); use plain numbers, text, lists, dicts"
        ) from None
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give the name of a folder for the weights")
    if folder.is_dir():
        _write_files(folder, arrays, complete, card)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _write_files(temporary, arrays, complete, card)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)  # mkdtemp gives 0700; weights are meant to be shared
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_files(folder: Path, arrays: dict[str, np.ndarray], config: dict[str, Any], card: str) -> None:
    with atomic_path(folder / _TENSORS) as path:
        path.write_bytes(safetensors.numpy.save(arrays))  # so that a full disk is an OSError
    write_text(folder / _CARD, card)
    write_json(folder / _CONFIG, config)


def load_weights_folder(
    folder: str | os.PathLike, layout: Layout | None = None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a folder of weights and check it against the hash in its config.

    Parameters
    ----------
    folder : path
    layout : callable, optional
        ``layout(config)`` checks a config and returns names and shapes of the weights that belong to it. They are
        compared with those that the file declares before any is read, and weights must be finite float32 then.

    Returns
    -------
    weights : dict of str to ndarray
    config : dict

    Raises
    ------
    ValueError
        When a file is missing, unreadable, far too large or was altered, and for weights that are not those of the
        config, or no sound numbers; it names the file and what to do.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; expected one with {_TENSORS} and {_CONFIG}")
    try:
        config = _read_config(folder / _CONFIG)
        check_regular(folder / _TENSORS, _MOST_TENSOR_BYTES)
        expected = None if layout is None else layout(config)
    except FileNotFoundError as error:
        raise ValueError(f"{error.filename} is missing; {_AGAIN}") from None
    except ValueError as error:
        where = "" if str(folder) in str(error) else f"{folder / _CONFIG}: "
        raise ValueError(f"{where}{str(error)[:_LONGEST]}; {_AGAIN}") from None
    weights = _read_tensors(folder / _TENSORS, expected)
    try:
        found = content_hash(weights, config)
    except (ValueError, RecursionError) as error:  # infinity, which JSON written here never holds
        raise ValueError(f"{folder / _CONFIG} holds what JSON does not ({error}); {_AGAIN}") from None
    if found != config["content_hash"]:
        raise ValueError(
            f"{folder / _TENSORS} or {folder / _CONFIG} was altered after it was saved: content hash {found[:12]}, "
            f"expected {config['content_hash'][:12]}; {_AGAIN}"
        )
    return weights, config


def _read_config(path: Path) -> dict[str, Any]:
    config = read_json(path, _MOST_CONFIG_BYTES)
    if not isinstance(config, dict) or not isinstance(config.get("content_hash"), str):
        raise ValueError(f"{path} holds no content_hash, so it was not written by biosig")
    return config


def _read_tensors(path: Path, expected: Iterable[tuple[str, tuple[int, ...]]] | None) -> dict[str, np.ndarray]:
    """Read a safetensors file; with `expected`, only one that declares exactly these tensors."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            if expected is not None:
                _compare(path, file, expected)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (safetensors.SafetensorError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{path} is not a safetensors file ({error}); {_AGAIN}") from None
    for name, values in weights.items() if expected is not None else ():
        if not np.abs(values).max(initial=0.0) <= MAX_WEIGHT:  # not so for NaN either
            raise ValueError(
                f"weight {name!r} in {path} has values that are not finite, or beyond {MAX_WEIGHT:g} in size; {_AGAIN}"
            )
    return weights


def _compare(path: Path, file: Any, expected: Iterable[tuple[str, tuple[int, ...]]]) -> None:
    """Raise ValueError unless an open safetensors file declares exactly the expected tensors; none is read."""
    unknown = set(file.keys())
    for name, shape in expected:
        if name not in unknown:
            raise ValueError(f"{path} lacks the weight {name!r} that {_CONFIG} describes; {_AGAIN}")
        unknown.remove(name)
        declared = file.get_slice(name)
        if tuple(declared.get_shape()) != shape or declared.get_dtype() != "F32":
            raise ValueError(
                f"weight {name!r} in {path} is {declared.get_dtype()} of shape {tuple(declared.get_shape())}; "
                f"{_CONFIG} describes F32 of shape {shape}; {_AGAIN}"
            )
    if unknown:
        names = ", ".join(repr(name[:80]) for name in sorted(unknown)[:3])
        raise ValueError(f"{path} holds {len(unknown)} weight(s) that {_CONFIG} knows nothing of ({names}); {_AGAIN}")
