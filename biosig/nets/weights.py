"""Weights on disk: a folder of ``model.safetensors``, ``config.json`` and ``README.md``. Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from biosig._files import atomic_path, write_json, write_text

_TENSORS, _CONFIG, _CARD = "model.safetensors", "config.json", "README.md"
_MOST_CONFIG_BYTES = 10 * 2**20
_MOST_TENSOR_BYTES = 2 * 2**30
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


def load_weights_folder(folder: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a folder of weights and check it against the hash in its config.

    Returns
    -------
    weights : dict of str to ndarray
    config : dict

    Raises
    ------
    ValueError
        When a file is missing, unreadable, far too large or was altered; it names the file and what to do.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; expected one with {_TENSORS} and {_CONFIG}")
    for name, limit in ((_CONFIG, _MOST_CONFIG_BYTES), (_TENSORS, _MOST_TENSOR_BYTES)):
        path = folder / name
        if not path.is_file():
            raise ValueError(f"{path} is missing; {_AGAIN}")
        if path.stat().st_size > limit:
            raise ValueError(f"{path} has {path.stat().st_size} bytes, more than the {limit} allowed; {_AGAIN}")
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{folder / _CONFIG} is not JSON ({error}); {_AGAIN}") from None
    if not isinstance(config, dict) or not isinstance(config.get("content_hash"), str):
        raise ValueError(f"{folder / _CONFIG} holds no content_hash, so it was not written by biosig; {_AGAIN}")
    try:
        weights = safetensors.numpy.load_file(folder / _TENSORS)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / _TENSORS} is not a safetensors file ({error}); {_AGAIN}") from None
    try:
        found = content_hash(weights, config)
    except ValueError as error:  # NaN or infinity, which JSON written here never holds
        raise ValueError(f"{folder / _CONFIG} holds what JSON does not ({error}); {_AGAIN}") from None
    if found != config["content_hash"]:
        raise ValueError(
            f"{folder / _TENSORS} or {folder / _CONFIG} was altered after it was saved: content hash {found[:12]}, "
            f"expected {config['content_hash'][:12]}; {_AGAIN}"
        )
    return weights, config
