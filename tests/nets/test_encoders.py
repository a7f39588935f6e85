"""The families of encoder, the heads, and reading and replacing their weights."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from biosig.nets import (
    backend,
    build_encoder,
    encoder_config,
    encoders,
    get_weights,
    heads,
    n_parameters,
    set_weights,
)
from biosig.nets.efficientnet import strides
from biosig.nets.parameters import named_parameters

SMALL = {
    "conv": {"widths": [8, 12], "depths": [1, 1]},
    "efficientnet": {"width": 36, "embedding": 12, "expansion": 2, "depths": [1, 1, 1, 1, 1, 2, 1]},
    "transformer": {"width": 16, "depth": 2, "n_heads": 2},
}
FAMILIES = sorted(SMALL)


def config_of(architecture, **more):
    signal = {"n_channels": 2, "n_samples": 160, "sampling_rate": 16.0}
    return encoder_config(architecture, "tiny", **{**signal, **SMALL[architecture], **more})


def windows(n=3, n_channels=2, n_samples=160, seed=0):
    return np.random.default_rng(seed).standard_normal((n, n_channels, n_samples)).astype(np.float32)


def embed(encoder, x):
    return backend.to_numpy(encoder(backend.from_numpy(x)))


@pytest.mark.parametrize("architecture", FAMILIES)
def test_shapes_and_attributes(architecture):
    encoder = build_encoder(config_of(architecture), 0)
    x = backend.from_numpy(windows())
    assert encoder(x).shape == (3, encoder.n_features)
    assert encoder.tokens(x).shape == (3, encoder.n_tokens, encoder.token_width)
    assert encoder.n_tokens * encoder.stretch == 160
    assert encoder.config == config_of(architecture)


@pytest.mark.parametrize("architecture", FAMILIES)
def test_config_survives_json_and_builds_the_same_net(architecture):
    config = config_of(architecture)
    again = json.loads(json.dumps(config))
    assert again == config
    x = windows()
    np.testing.assert_array_equal(embed(build_encoder(config, 5), x), embed(build_encoder(again, 5), x))
    assert not np.allclose(embed(build_encoder(config, 5), x), embed(build_encoder(config, 6), x))


@pytest.mark.parametrize("architecture", FAMILIES)
def test_the_roads_agree(architecture, monkeypatch):
    x = windows()
    monkeypatch.setenv("BIOSIG_HOST_KERNELS", "1")
    host = embed(build_encoder(config_of(architecture), 0), x)
    monkeypatch.setenv("BIOSIG_HOST_KERNELS", "0")
    plain = embed(build_encoder(config_of(architecture), 0), x)
    np.testing.assert_allclose(host, plain, atol=1e-4)


@pytest.mark.parametrize("architecture", FAMILIES)
def test_an_embedding_does_not_depend_on_its_batch(architecture):
    encoder, x = build_encoder(config_of(architecture), 0), windows(5)
    np.testing.assert_allclose(embed(encoder, x)[3:4], embed(encoder, x[3:4]), atol=1e-5)


@pytest.mark.parametrize("architecture", FAMILIES)
def test_flat_and_huge_windows_give_finite_embeddings(architecture):
    encoder = build_encoder(config_of(architecture), 0)
    x = windows(4)
    x[0], x[1], x[2] = 0, 1e4 * x[1], 1e-12 * x[2]
    assert np.isfinite(embed(encoder, x)).all()


@pytest.mark.parametrize("architecture", FAMILIES)
def test_the_tables_of_sizes_are_true(architecture):
    family, _ = encoders._FAMILIES[architecture]
    for size in family.SIZES:
        config = encoder_config(architecture, size, n_channels=1, n_samples=3840, sampling_rate=64)
        count = n_parameters(build_encoder(config, 0))
        assert re.search(rf"^{size} +{count:,} ", family.__doc__, re.MULTILINE), f"{size} has {count:,} parameters"


@pytest.mark.parametrize(
    ("architecture", "n_tokens", "millions"), [("transformer", 192, 6.3), ("efficientnet", 60, 3.3)]
)
def test_sizes_of_the_paper(architecture, n_tokens, millions):
    nets = [
        build_encoder(encoder_config(architecture, size, n_channels=1, n_samples=3840, sampling_rate=64), 0)
        for size in ("paper", "student")
    ]
    assert [net.n_tokens for net in nets] == [n_tokens, n_tokens]
    counts = [n_parameters(net) for net in nets]
    assert round(counts[0] / 1e6, 1) == millions
    assert counts[1] / counts[0] == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("rate", [0.5, 1.0, 16.0, 25.0, 50.0, 64.0, 500.0])
def test_efficientnet_keeps_a_token_a_second(rate):
    config = encoder_config("efficientnet", n_channels=1, n_samples=960, sampling_rate=rate)
    stride = config["stride"]
    assert 1 <= stride <= 64 and (rate / stride >= 1 or stride == 1)
    assert np.prod(strides(stride)) == stride


def test_efficientnet_has_the_plan_of_the_paper():
    encoder = build_encoder(encoder_config("efficientnet", "paper", n_channels=1, n_samples=64, sampling_rate=64), 0)
    assert len(encoder.blocks) == 16 and encoder.stretch == 64 and encoder.n_features == 256
    assert [len(b.filter_weight.numpy()) for b in encoder.blocks] == [3] * 8 + [5] * 8


def test_transformer_sees_only_the_visible_patches():
    encoder = build_encoder(config_of("transformer", n_samples=80), 0)
    x = windows(1, n_samples=80)
    visible = backend.from_numpy(np.array([[2, 0]], np.int32))
    before = backend.to_numpy(encoder.tokens(backend.from_numpy(x), visible))
    x[:, :, 20:40] += 7  # patch 1
    x[:, :, 60:] -= 7  # patch 3
    np.testing.assert_array_equal(backend.to_numpy(encoder.tokens(backend.from_numpy(x), visible)), before)
    x[:, :, :20] += 1
    assert not np.allclose(backend.to_numpy(encoder.tokens(backend.from_numpy(x), visible)), before)


def test_positions_matter_to_the_transformer_and_may_be_learned():
    x = windows(1)
    swapped = np.roll(x, 20, axis=2)
    for positions in ("sinusoidal", "learned"):
        encoder = build_encoder(config_of("transformer", positions=positions), 0)
        assert not np.allclose(embed(encoder, x), embed(encoder, swapped), atol=1e-5)
        assert ("positions" in get_weights(encoder)) == (positions == "learned")


def test_conv_embedding_carries_variability():
    encoder = build_encoder(config_of("conv"), 0)
    tokens = backend.to_numpy(encoder.tokens(backend.from_numpy(windows())))
    pooled = np.concatenate([tokens.mean(1), np.sqrt(tokens.var(1) + 1e-5)], axis=1)
    np.testing.assert_allclose(embed(encoder, windows()), pooled, atol=1e-5)


def test_conv_frames_overlap_by_half():
    encoder = build_encoder(config_of("conv", n_channels=1, n_samples=16), 0)
    stride = encoder.config["stride"]
    x = np.arange(1, 17, dtype=np.float32)[None, None]
    frames = backend.to_numpy(encoder._frames(backend.from_numpy(x)))
    padded = np.concatenate([np.zeros(stride // 2), x[0, 0], np.zeros(stride - stride // 2)])
    expected = [padded[i * stride : i * stride + 2 * stride] for i in range(16 // stride)]
    np.testing.assert_array_equal(frames[0], expected)


@pytest.mark.parametrize(
    ("architecture", "n_samples", "lengths"),
    [
        ("transformer", 3841, ("3840", "3860")),
        ("transformer", 7, ("20", "40")),
        ("conv", 965, ("960", "976")),
        ("efficientnet", 970, ("960", "976")),
    ],
)
def test_unsuitable_lengths_are_refused_with_suitable_ones(architecture, n_samples, lengths):
    with pytest.raises(ValueError, match="n_samples is") as caught:
        encoder_config(architecture, n_channels=1, n_samples=n_samples, sampling_rate=16)
    for length in lengths:
        assert length in str(caught.value)
        encoder_config(architecture, n_channels=1, n_samples=int(length), sampling_rate=16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "rnn"}, "architecture is 'rnn'"),
        ({"size": "giant"}, "size is 'giant'"),
        ({"n_channels": 0}, "n_channels is 0"),
        ({"n_samples": 1.5}, "n_samples is 1.5"),
        ({"sampling_rate": -1}, "sampling_rate is -1"),
        ({"banana": 1}, "unknown settings"),
        ({"taps": 4}, "taps is 4"),
        ({"taps": "7"}, "taps is '7'"),
        ({"widths": 32}, "widths is 32"),
        ({"widths": [32, 0, 8]}, "widths is 0"),
        ({"dropout": "much"}, "dropout is 'much'"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"depths": [1]}, "widths"),
        ({"architecture": "efficientnet", "taps": [3, 3]}, "taps is"),
        ({"architecture": "efficientnet", "taps": [3, 3, 3, 4, 5, 5, 5]}, "taps is"),
        ({"architecture": "efficientnet", "depths": [1]}, "depths is"),
        ({"architecture": "efficientnet", "stride": 24}, "stride is 24"),
        ({"architecture": "efficientnet", "stride": 128}, "stride is 128"),
        ({"architecture": "efficientnet", "squeeze": 0.0}, "squeeze is 0"),
        ({"architecture": "transformer", "width": 10}, "width is 10"),
        ({"architecture": "transformer", "positions": "none"}, "positions is 'none'"),
    ],
)
def test_wrong_settings_are_refused(change, message):
    arguments = {"architecture": "conv", "n_channels": 1, "n_samples": 960, "sampling_rate": 16, **change}
    with pytest.raises(ValueError, match=message):
        encoder_config(arguments.pop("architecture"), **arguments)


def test_an_incomplete_config_is_refused():
    with pytest.raises(ValueError, match="lacks"):
        build_encoder({"architecture": "conv"}, 0)


@pytest.mark.parametrize("rate", [1.0, 2.0, 5.0, 16.0, 25.0, 64.0, 500.0])
def test_the_stem_leaves_frames_enough_to_see_a_heart(rate):
    stride = encoder_config("conv", n_channels=1, n_samples=960, sampling_rate=rate)["stride"]
    assert 1 <= stride <= 8 and (rate / stride >= 4 or stride == 1)


def test_weights_can_be_read_and_replaced():
    one, two = build_encoder(config_of("conv"), 1), build_encoder(config_of("conv"), 2)
    weights = get_weights(one)
    assert sum(w.size for w in weights.values()) == n_parameters(one)
    assert {w.dtype for w in weights.values()} == {np.dtype(np.float32)}
    set_weights(two, weights)
    np.testing.assert_array_equal(embed(one, windows()), embed(two, windows()))
    weights["norm_bias"][:] = 100  # a copy: the net does not change
    assert embed(two, windows()).max() < 50


def test_unfitting_weights_are_refused_and_change_nothing():
    encoder = build_encoder(config_of("conv"), 1)
    before, weights = get_weights(encoder), get_weights(encoder)
    weights["stem_weight"] = weights["stem_weight"] + 1
    weights["norm_bias"] = np.zeros(7, np.float32)
    with pytest.raises(ValueError, match=r"'norm_bias' has shape \(7,\).*expects \(12,\)"):
        set_weights(encoder, weights)
    del weights["norm_bias"]
    weights["extra"] = np.zeros(1, np.float32)
    with pytest.raises(ValueError, match=r"missing \['norm_bias'\].*unknown \['extra'\]"):
        set_weights(encoder, weights)
    for name, values in get_weights(encoder).items():
        np.testing.assert_array_equal(values, before[name])


def test_heads():
    x = backend.from_numpy(windows(4)[:, 0, :10])
    assert heads.ProjectionHead(10, 32, 5, 0)(x).shape == (4, 5)
    head = heads.LinearHead(10, 2, 0)
    weights = get_weights(head)
    np.testing.assert_allclose(
        backend.to_numpy(head(x)), backend.to_numpy(x) @ weights["weight"] + weights["bias"], atol=1e-5
    )
    assert n_parameters(heads.ProjectionHead(10, 32, 5, 0)) == 10 * 32 + 32 + 32 * 5 + 5
    assert all(t.is_param for t in named_parameters(head).values())
