"""Encoders from strangers: refused in one clear line and at once, or working."""

from __future__ import annotations

import os
import time
import tracemalloc

import numpy as np
import pytest

import biosig
from biosig.nets.encoders import build_encoder, encoder_config, weight_shapes
from biosig.nets.parameters import get_weights
from tests.estimators import hostile_folders

KINDS = {"of_configs": 7, "of_tensors": 3, "of_sizes": 1, "of_files": 1}
"""Of the many that differ by one value only every so manyth is tried; all were, with BIOSIG_ALL_HOSTILE=1."""
MOST_BYTES = 64 * 2**20  # at loading, of folders under 2 MB
MOST_SECONDS = 10.0  # with all that a loaded machine may add


def refused(source) -> str | None:
    """Load an encoder, small and quick where that is refused, and use it; return the message of a refusal."""
    tracemalloc.start()
    began = time.perf_counter()
    try:
        encoder = biosig.load_encoder(source)
    except (ValueError, OSError) as error:
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
        assert time.perf_counter() - began < MOST_SECONDS
        return str(error)
    finally:
        tracemalloc.stop()
    shape = (2, encoder.config_["n_channels"], encoder.config_["n_samples"])
    embedding = encoder.transform(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    assert embedding.shape == (2, encoder.config_["embedding"]) and np.isfinite(embedding).all()
    return None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name on this system")
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_folders_are_refused_in_one_line_or_work(kind, tmp_path):
    biosig.load_encoder("ppg-small")  # what is imported at first is neither timed nor weighed
    every = 1 if os.environ.get("BIOSIG_ALL_HOSTILE") else KINDS[kind]
    cases = list(getattr(hostile_folders, kind)())[::every]
    n_refused = 0
    for number, (name, make) in enumerate(cases):
        folder = tmp_path / str(number)
        make(folder)
        try:
            message = refused(folder)
        except Exception as error:
            raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error
        if message is not None:
            n_refused += 1
            assert "\n" not in message and 10 < len(message) < 1000 and str(folder) in message, f"{name}: {message}"
    assert n_refused > 0.8 * len(cases) > 12


def test_sound_folders_are_read(tmp_path):
    for name, config, weights in hostile_folders.sound():
        hostile_folders.write(tmp_path / name, {**config, "made_for": {"anything": [1]}}, weights)
        assert refused(tmp_path / name) is None


@pytest.mark.parametrize("source", [3, None, [1]])
def test_what_cannot_name_a_folder(source):
    with pytest.raises(ValueError, match="source is"):
        biosig.load_encoder(source)


@pytest.mark.parametrize("settings", [{}, {"positions": "learned"}])
@pytest.mark.parametrize("family", ["conv", "efficientnet", "transformer"])
def test_the_weights_described_are_those_that_are_built(family, settings):
    settings = settings if family == "transformer" else {}
    for size in ("tiny", "small"):
        config = encoder_config(family, size, n_channels=3, n_samples=1280, sampling_rate=32.0, **settings)
        built = {name: values.shape for name, values in get_weights(build_encoder(config, 0)).items()}
        assert dict(weight_shapes(config)) == built
