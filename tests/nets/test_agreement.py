"""The nets and their twins in torch: the same outputs, and the same losses over fifty steps; runs that repeat."""

from __future__ import annotations

import numpy as np
import pytest
from tinygrad import Tensor, TinyJit

from biosig.nets import AdamW, MaskedAutoencoderNet, backend, build_encoder, encoder_config, get_weights
from biosig.nets.parameters import named_parameters

SMALL = {
    "conv": {"widths": [12, 16], "depths": [1, 2], "stride": 4},
    "efficientnet": {"width": 36, "embedding": 16, "expansion": 3, "stride": 16, "depths": [1, 1, 1, 1, 1, 2, 1]},
    "transformer": {"width": 16, "depth": 2, "n_heads": 2, "patch": 16},
}
FAMILIES = sorted(SMALL)
N_STEPS, N_BATCH, N_SAMPLES = 50, 4, 96


def config_of(architecture, **more):
    signal = {"n_channels": 2, "n_samples": N_SAMPLES, "sampling_rate": 16.0, "dropout": 0.0}
    return encoder_config(architecture, "tiny", **{**signal, **SMALL[architecture], **more})


@pytest.fixture
def twins():
    torch = pytest.importorskip("torch", reason="torch comes with the extra 'torch'")
    from examples.benchmarks import torch_twins

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # these nets are too small for more
    yield torch_twins
    torch.set_num_threads(before)


def batches(net):
    rng = np.random.default_rng(0)
    t = np.arange(N_SAMPLES) / 16
    for _ in range(N_STEPS):
        phase = rng.uniform(0, 6, (N_BATCH, 2, 1))
        x = np.sin(2 * np.pi * rng.uniform(0.5, 2, (N_BATCH, 1, 1)) * t + phase) + 0.1 * rng.standard_normal(len(t))
        order = rng.permuted(np.tile(np.arange(net.n_patches, dtype=np.int32), (N_BATCH, 1)), axis=1)
        yield x.astype(np.float32), order[:, : net.n_visible].copy(), order[:, net.n_visible :].copy()


def train(net, n_steps=N_STEPS):
    optimiser = AdamW(list(named_parameters(net).values()), weight_decay=0.05, clip_norm=1.0)
    rate = backend.from_numpy(np.array([1e-3], np.float32))

    @TinyJit
    def step(*arrays):
        optimiser.zero_grad()
        loss = net.loss(*arrays)
        loss.backward()
        return loss.realize(*optimiser.schedule_step(rate))

    with backend.training_mode():
        Tensor.manual_seed(0)
        steps = zip(range(n_steps), batches(net), strict=False)
        return [step(*map(backend.from_numpy, arrays)).item() for _, arrays in steps]


@pytest.mark.parametrize("architecture", FAMILIES)
def test_embeddings_agree(twins, architecture):
    torch = pytest.importorskip("torch")
    encoder = build_encoder(config_of(architecture), 0)
    twin = twins.TorchEncoder(encoder.config, get_weights(encoder))
    x = np.random.default_rng(1).standard_normal((5, 2, N_SAMPLES)).astype(np.float32)
    with torch.inference_mode():
        expected = twin.embed(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(backend.to_numpy(encoder(backend.from_numpy(x))), expected, atol=1e-4)


@pytest.mark.parametrize("architecture", FAMILIES)
def test_losses_of_masked_autoencoders_agree_over_fifty_steps(twins, architecture):
    net = MaskedAutoencoderNet(config_of(architecture), 0, 0.7, decoder_width=16)
    twin = twins.TorchMaskedAutoencoder(net.encoder.config, get_weights(net), net.patch_length)
    trainer = twins.TorchTrainer(twin.weights.values(), twin.loss, 1e-3, 0.05, 1.0)
    expected = [trainer.step(*arrays) for arrays in batches(net)]
    losses = train(net)
    assert np.ptp(losses) > 0.01  # so that agreement says something
    np.testing.assert_allclose(losses, expected, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("architecture", FAMILIES)
def test_runs_repeat_bit_for_bit(architecture, threads):
    runs = []
    for _ in range(2):
        net = MaskedAutoencoderNet(config_of(architecture, dropout=0.1), 0, 0.7, decoder_width=16)
        with backend.limit_threads(threads):
            runs.append((train(net, 6), get_weights(net)))
    assert runs[0][0] == runs[1][0]
    for name, values in runs[0][1].items():
        np.testing.assert_array_equal(values, runs[1][1][name])


@pytest.mark.parametrize("architecture", FAMILIES)
def test_company_does_not_change_an_embedding(architecture):
    encoder = build_encoder(config_of(architecture), 0)
    x = np.random.default_rng(2).standard_normal((7, 2, N_SAMPLES)).astype(np.float32)
    alone = np.concatenate([backend.to_numpy(encoder(backend.from_numpy(x[i : i + 1]))) for i in range(7)])
    x[3] = 1e5
    together = backend.to_numpy(encoder(backend.from_numpy(x)))
    others = np.arange(7) != 3
    np.testing.assert_allclose(together[others], alone[others], atol=1e-5)
