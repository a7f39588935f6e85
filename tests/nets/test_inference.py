"""A net put to use on arrays: what training sees, whatever the batch, the threads and the road."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from biosig.nets import _host_blocks, backend, build_encoder, get_weights
from biosig.nets._threads import over_slices
from biosig.nets.inference import Inference
from tests.nets.test_encoders import FAMILIES, config_of, windows


def by_tensors(encoder, x):
    return backend.to_numpy(encoder(backend.from_numpy(x)))


@pytest.mark.parametrize("architecture", FAMILIES)
def test_says_what_the_training_path_says(architecture, road):
    encoder = build_encoder(config_of(architecture), 0)
    embed = Inference(encoder, 5)
    for n in (1, 3, 5):
        np.testing.assert_allclose(embed(windows(n)), by_tensors(encoder, windows(n)), atol=1e-5)


@pytest.mark.parametrize("architecture", FAMILIES)
def test_neither_blocks_nor_threads_matter(architecture, monkeypatch):
    embed, x = Inference(build_encoder(config_of(architecture), 0), 9), windows(9)
    with backend.limit_threads(1):
        expected = embed(x)
    monkeypatch.setattr(_host_blocks, "_BLOCK_VALUES", 1)  # window by window
    for threads in (1, 2, 4):
        with backend.limit_threads(threads):
            np.testing.assert_allclose(embed(x), expected, atol=1e-5)
            assert embed(x[:0]).shape == (0, expected.shape[1])


@pytest.mark.parametrize("architecture", FAMILIES)
def test_takes_the_weights_it_is_given(architecture, road):
    one, two = (build_encoder(config_of(architecture), seed) for seed in (1, 2))
    embed, x = Inference(one, 3), windows()
    weights = get_weights(two)
    for values in weights.values():
        values.flags.writeable = False  # as they come from a file
    expected = by_tensors(two, x)
    assert not np.allclose(embed(x), expected)
    embed.set_weights(weights)
    np.testing.assert_allclose(embed(x), expected, atol=1e-5)
    with pytest.raises(ValueError, match="missing"):
        embed.set_weights({name: w for name, w in weights.items() if name != "norm_bias"})
    with pytest.raises(ValueError, match="'norm_bias' has shape"):
        embed.set_weights({**weights, "norm_bias": np.zeros(3, np.float32)})
    np.testing.assert_allclose(embed(x), expected, atol=1e-5)


@pytest.mark.parametrize("architecture", FAMILIES)
def test_nothing_is_dropped_even_amid_a_training(architecture, road):
    embed, x = Inference(build_encoder(config_of(architecture, dropout=0.5), 0), 3), windows()
    expected = embed(x)
    with backend.training_mode():
        np.testing.assert_array_equal(embed(x), expected)


@pytest.mark.parametrize("architecture", FAMILIES)
def test_a_single_window_is_shared_by_blas_and_the_threads_come_back(architecture):
    embed, x = Inference(build_encoder(config_of(architecture), 0), 4), windows(4)
    blas = lambda: [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]
    before, seen = blas(), []
    with backend.limit_threads(2):
        forward = type(embed._arrays).__call__

        def watched(self, one):
            seen.append((backend.n_threads(), max(blas())))
            return forward(self, one)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(embed._arrays), "__call__", watched)
            alone = embed(x[:1])
        assert seen == [(1, 2)] and backend.n_threads() == 2
        np.testing.assert_allclose(alone, embed(x)[:1], atol=1e-5)
    assert blas() == before


def test_slices_within_slices_run_on_their_own_thread():
    seen = []

    def outer(_, start, stop):
        seen.append(backend.n_threads())
        over_slices(lambda slot, a, b: seen.append((slot, a, b)), 10)

    with backend.limit_threads(3):
        over_slices(outer, 3)
        assert backend.n_threads() == 3
    assert sorted(map(str, seen)) == sorted(["1"] * 3 + ["(0, 0, 10)"] * 3)
