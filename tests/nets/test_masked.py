"""The masked autoencoder: what it may see, what it is asked, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
from tinygrad import Tensor, TinyJit

from biosig.nets import AdamW, MaskedAutoencoderNet, backend, encoder_config
from biosig.nets.parameters import named_parameters

SMALL = {
    "conv": {"widths": [8, 12], "depths": [1, 1], "n_samples": 64},
    "efficientnet": {"width": 36, "embedding": 12, "expansion": 2, "depths": [1, 1, 1, 1, 1, 1, 1], "n_samples": 64},
    "transformer": {"width": 16, "depth": 1, "n_heads": 2, "n_samples": 160, "dropout": 0.1},
}


FAMILIES = sorted(SMALL)


def net_of(architecture, change=None, **options):
    config = encoder_config(architecture, n_channels=2, sampling_rate=16, **{**SMALL[architecture], **(change or {})})
    return MaskedAutoencoderNet(config, 0, **{"mask_ratio": 0.5, "decoder_width": 16, "decoder_depth": 1, **options})


def windows(net, n=4, seed=0):
    shape = (n, 2, net.encoder.config["n_samples"])
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_longer_patches_hide_whole_stretches_of_tokens():
    for architecture in FAMILIES:
        stretch = net_of(architecture).patch_length
        net = net_of(architecture, patch=2 * stretch)
        assert net.patch_length == 2 * stretch and net.n_patches * 2 == net.encoder.n_tokens
        x, (visible, hidden) = windows(net), masks(net)
        before = backend.to_numpy(net.reconstruct(*tensors(x, visible, hidden)))
        assert before.shape == (4, 2 * net.n_hidden, 2 * stretch)
        cut = x.reshape(4, 2, net.n_patches, net.patch_length)
        wanted = np.stack(
            [
                np.concatenate([cut[b, :, p].reshape(2, 2, stretch).swapaxes(0, 1).reshape(2, -1) for p in hidden[b]])
                for b in range(4)
            ]
        )
        loss = net.loss(*tensors(x, visible, hidden)).item()
        assert loss == pytest.approx(np.mean((before - wanted) ** 2), rel=1e-4)
        for b in range(4):
            cut[b][:, hidden[b]] += 100
        np.testing.assert_array_equal(backend.to_numpy(net.reconstruct(*tensors(x, visible, hidden))), before)


@pytest.mark.parametrize("patch", [0, 7, 30, 60])
def test_unsuitable_patches_are_refused(patch):
    with pytest.raises(ValueError, match=f"patch is {patch} samples; expected a multiple of the 20"):
        net_of("transformer", patch=patch)


@pytest.mark.parametrize("architecture", FAMILIES)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_depth_of_the_decoder(architecture, depth):
    net = net_of(architecture, decoder_depth=depth)
    assert len(net.decoder.blocks) == depth
    x, (visible, hidden) = windows(net), masks(net)
    assert np.isfinite(net.loss(*tensors(x, visible, hidden)).item())


@pytest.mark.parametrize("options", [{"decoder_depth": -1}, {"decoder_width": 6}])
def test_impossible_decoders_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        net_of("conv", **options)


def masks(net, n=4, seed=0):
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(net.n_patches, dtype=np.int32), (n, 1)), axis=1)
    return order[:, : net.n_visible], order[:, net.n_visible :]


def tensors(*arrays):
    return [backend.from_numpy(a) for a in arrays]


@pytest.mark.parametrize("architecture", FAMILIES)
def test_hidden_samples_never_reach_the_reconstruction(architecture):
    net = net_of(architecture)
    x, (visible, hidden) = windows(net), masks(net)
    before = backend.to_numpy(net.reconstruct(*tensors(x, visible, hidden)))
    assert before.shape == (4, net.n_hidden, 2 * net.patch_length)
    cut = x.reshape(4, 2, net.n_patches, net.patch_length)
    for b in range(4):
        cut[b][:, hidden[b]] += 100
    np.testing.assert_array_equal(backend.to_numpy(net.reconstruct(*tensors(x, visible, hidden))), before)
    for b in range(4):
        cut[b][:, visible[b]] += 1
    assert not np.allclose(backend.to_numpy(net.reconstruct(*tensors(x, visible, hidden))), before)


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("architecture", FAMILIES)
def test_loss_is_the_mean_squared_error_over_hidden_patches(architecture, normalise):
    net = net_of(architecture, normalise_patches=normalise)
    x, (visible, hidden) = windows(net), masks(net)
    told = backend.to_numpy(net.reconstruct(*tensors(x, visible, hidden)))
    errors = []
    for b in range(4):
        for k, place in enumerate(hidden[b]):
            wanted = x[b, :, place * net.patch_length : (place + 1) * net.patch_length].ravel()
            if normalise:
                wanted = (wanted - wanted.mean()) / np.sqrt(wanted.var() + 1e-6)
            errors.append((told[b, k] - wanted) ** 2)
    loss = net.loss(*tensors(x, visible, hidden))
    assert loss.shape == ()
    assert loss.item() == pytest.approx(np.mean(errors), rel=1e-4)


def train(architecture, n_steps=40, change=None):
    net = net_of(architecture, change)
    parameters = [p for name, p in named_parameters(net).items()]
    optimiser = AdamW(parameters, clip_norm=1.0)
    rate = backend.from_numpy(np.array([3e-3], np.float32))

    @TinyJit
    def step(x, visible, hidden):
        optimiser.zero_grad()
        loss = net.loss(x, visible, hidden)
        loss.backward()
        return loss.realize(*optimiser.schedule_step(rate))

    t = np.arange(net.encoder.config["n_samples"]) / 16
    losses = []
    with backend.training_mode():
        Tensor.manual_seed(0)  # of dropout
        for i in range(n_steps):
            phase = np.random.default_rng(i).uniform(0, 6, (8, 1, 1))
            x = np.sin(2 * np.pi * 1.0 * t + phase).astype(np.float32).repeat(2, axis=1)
            losses.append(step(*tensors(x, *masks(net, 8, i))).item())
    return losses


@pytest.mark.parametrize("architecture", FAMILIES)
def test_it_learns_and_repeats_bit_for_bit(architecture):
    losses = train(architecture, 120 if architecture == "transformer" else 40)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert train(architecture, 6) == losses[:6]


def test_the_roads_agree_while_training(monkeypatch):
    monkeypatch.setenv("BIOSIG_HOST_KERNELS", "1")
    small = {"widths": [8], "depths": [1], "n_samples": 32}  # plain operations take long to compile
    host = train("conv", 6, small)
    monkeypatch.setenv("BIOSIG_HOST_KERNELS", "0")
    np.testing.assert_allclose(train("conv", 6, small), host, rtol=1e-4)


@pytest.mark.parametrize("ratio", [0.001, 0.3, 0.7, 0.999])
def test_at_least_one_patch_is_hidden_and_one_visible(ratio):
    net = net_of("conv", mask_ratio=ratio)
    assert net.n_hidden >= 1 and net.n_visible >= 1 and net.n_hidden + net.n_visible == net.n_patches


@pytest.mark.parametrize("ratio", [0, 1, -1, float("nan")])
def test_impossible_ratios_are_refused(ratio):
    with pytest.raises(ValueError, match="mask_ratio"):
        net_of("conv", mask_ratio=ratio)


def test_a_window_of_one_patch_is_refused():
    config = encoder_config("transformer", n_channels=1, n_samples=20, sampling_rate=16, width=16, n_heads=2)
    with pytest.raises(ValueError, match="single patch"):
        MaskedAutoencoderNet(config, 0)
