"""One training step of a masked autoencoder: biosig's nets against the same nets in torch.

Both start from the same weights, see the same windows and masks, take the same AdamW steps and use the same number of
threads; their steps alternate, so that both meet the machine in the same state. Printed are the milliseconds of a
step (median and least), their ratio, and how far the losses of the two drift apart.

    python -m pip install 'biosig-wear[bench]'
    python examples/benchmarks/training_step.py --threads 2
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
import torch.nn.functional as functional
from tinygrad import TinyJit

from biosig.nets import AdamW, MaskedAutoencoderNet, backend, encoder_config, get_weights, n_parameters
from biosig.nets.parameters import named_parameters
from biosig.nets.transformer import sinusoids

CASES = {
    "conv, 12 channels at 16 Hz": ("conv", 12, 960, 16.0),
    "conv, 3 channels at 64 Hz": ("conv", 3, 3840, 64.0),
    "transformer, 4 channels at 64 Hz": ("transformer", 4, 3840, 64.0),
}
RATE, DECAY, CLIP = 1e-3, 0.05, 1.0


class TorchTwin:
    """The same net as functions of torch, over the same named weights."""

    def __init__(self, net: MaskedAutoencoderNet):
        self.net, self.config = net, net.encoder.config
        self.weights = {name: torch.tensor(w, requires_grad=True) for name, w in get_weights(net).items()}
        matrices = [w for w in self.weights.values() if w.ndim > 1]
        vectors = [w for w in self.weights.values() if w.ndim == 1]
        groups = [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=RATE)

    def linear(self, x, name):
        return functional.linear(x, self.weights[f"{name}weight"].t(), self.weights[f"{name}bias"])

    def norm(self, x, name):
        return functional.layer_norm(x, x.shape[-1:], self.weights[f"{name}weight"], self.weights[f"{name}bias"])

    def mlp(self, x, name):
        hidden = functional.gelu(self.linear(x, f"{name}mlp_in_"), approximate="tanh")
        return self.linear(hidden, f"{name}mlp_out_")

    def patches(self, x):
        n_batch, n_channels, _ = x.shape
        cut = x.reshape(n_batch, n_channels, self.net.n_patches, self.net.patch_length)
        return cut.permute(0, 2, 1, 3).reshape(n_batch, self.net.n_patches, -1)

    def transformer_block(self, x, name, n_heads):
        n_batch, n_tokens, width = x.shape
        qkv = self.linear(self.norm(x, f"{name}norm1_"), f"{name}qkv_")
        q, k, v = qkv.reshape(n_batch, n_tokens, 3, n_heads, width // n_heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n_batch, n_tokens, width)
        x = x + self.linear(mixed, f"{name}out_")
        return x + self.mlp(self.norm(x, f"{name}norm2_"), name)

    def conv_block(self, x, name):
        weight = self.weights[f"{name}filter_weight"].t()[:, None]
        bias, n_taps = self.weights[f"{name}filter_bias"], weight.shape[-1]
        y = functional.conv1d(x.transpose(1, 2), weight, bias, padding=n_taps // 2, groups=len(weight))
        return x + self.mlp(self.norm(y.transpose(1, 2), f"{name}norm_"), name)

    def conv_loss(self, x, visible, hidden):
        n_batch, n_channels, n_samples = x.shape
        shown = torch.zeros(n_batch, self.net.n_patches).scatter(1, visible, 1.0)
        masked = x * shown.repeat_interleave(self.net.patch_length, dim=1)[:, None]
        stride = self.config["stride"]
        padded = functional.pad(masked, (stride // 2, stride - stride // 2))
        frames = padded.unfold(2, 2 * stride, stride).reshape(n_batch, n_channels, -1, 2, stride)
        # the frames of all channels side by side, as the stem's weight expects them
        frames = frames.permute(0, 2, 1, 3, 4).reshape(n_batch, n_samples // stride, -1)
        y = self.norm(self.linear(frames, "encoder.stem_"), "encoder.stem_norm_")
        for i, layer in enumerate(self.net.encoder.layers):
            name = f"encoder.layers.{i}."
            if hasattr(layer, "filter_weight"):
                y = self.conv_block(y, name)
            else:
                y = self.linear(self.norm(y, f"{name}norm_").reshape(n_batch, y.shape[1] // 2, -1), name)
        y = self.norm(y, "encoder.norm_")
        told = self.linear(y.gather(1, hidden[:, :, None].expand(-1, -1, y.shape[2])), "decoder.")
        return functional.mse_loss(told, self.wanted(x, hidden))

    def wanted(self, x, hidden):
        cut = self.patches(x)
        return cut.gather(1, hidden[:, :, None].expand(-1, -1, cut.shape[2]))

    def transformer_loss(self, x, visible, hidden):
        n_batch, n_visible = visible.shape
        decoder = self.net.decoder
        y = self.linear(self.wanted(x, visible), "encoder.embed_")
        y = y + torch.tensor(sinusoids(self.net.n_patches, y.shape[2]))[visible]
        for i in range(self.config["depth"]):
            y = self.transformer_block(y, f"encoder.blocks.{i}.", self.config["n_heads"])
        y = self.linear(self.norm(y, "encoder.norm_"), "decoder.in_")
        asked = self.weights["decoder.hidden_token"].expand(n_batch, hidden.shape[1], -1)
        y = torch.cat([y, asked], dim=1)
        y = y + torch.tensor(sinusoids(self.net.n_patches, y.shape[2]))[torch.cat([visible, hidden], dim=1)]
        for i in range(len(decoder.blocks)):
            y = self.transformer_block(y, f"decoder.blocks.{i}.", 4)
        told = self.linear(self.norm(y[:, n_visible:], "decoder.norm_"), "decoder.out_")
        return functional.mse_loss(told, self.wanted(x, hidden))

    def step(self, x, visible, hidden):
        x, visible, hidden = torch.from_numpy(x), torch.from_numpy(visible).long(), torch.from_numpy(hidden).long()
        self.optimiser.zero_grad()
        loss = getattr(self, f"{self.config['architecture']}_loss")(x, visible, hidden)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([w for w in self.weights.values() if w.grad is not None], CLIP)
        self.optimiser.step()
        return loss.item()


class Ours:
    def __init__(self, net: MaskedAutoencoderNet):
        optimiser = AdamW(list(named_parameters(net).values()), weight_decay=DECAY, clip_norm=CLIP)
        rate = backend.from_numpy(np.array([RATE], np.float32))

        @TinyJit
        def step(x, visible, hidden):
            optimiser.zero_grad()
            loss = net.loss(x, visible, hidden)
            loss.backward()
            return loss.realize(*optimiser.schedule_step(rate))

        self._step = step

    def step(self, *arrays):
        with backend.training_mode():
            return self._step(*map(backend.from_numpy, arrays)).item()


def batch_of(net, n, rng):
    config = net.encoder.config
    t = np.arange(config["n_samples"]) / config["sampling_rate"]
    shape = (n, config["n_channels"], 1)
    waves = np.sin(2 * np.pi * rng.uniform(0.8, 2.0, (n, 1, 1)) * t + rng.uniform(0, 6, shape))
    x = (waves + 0.1 * rng.standard_normal((*shape[:2], config["n_samples"]))).astype(np.float32)
    order = rng.permuted(np.tile(np.arange(net.n_patches, dtype=np.int32), (n, 1)), axis=1)
    return x, order[:, : net.n_visible].copy(), order[:, net.n_visible :].copy()


def compare(name, batch, n_steps, warm_up=3):
    architecture, n_channels, n_samples, rate = CASES[name]
    config = encoder_config(architecture, "tiny", n_channels=n_channels, n_samples=n_samples, sampling_rate=rate)
    net = MaskedAutoencoderNet(config, 0, 0.7)
    rng = np.random.default_rng(0)
    batches = [batch_of(net, batch, rng) for _ in range(n_steps + warm_up)]
    theirs = TorchTwin(net)
    contenders, losses, seconds = (Ours(net), theirs), ([], []), ([], [])
    for arrays in batches:
        for i, contender in enumerate(contenders):
            start = time.perf_counter()
            losses[i].append(contender.step(*arrays))
            seconds[i].append(time.perf_counter() - start)
    first = sum(seconds[0][:warm_up])
    ms = [1e3 * np.array(s[warm_up:]) for s in seconds]
    drift = np.abs(np.subtract(*losses))
    print(
        f"{name}, batch {batch}, {n_parameters(net) / 1e6:.2f} M parameters\n"
        f"  biosig  median {np.median(ms[0]):6.1f} ms  least {ms[0].min():6.1f} ms  (first three {first:.1f} s)\n"
        f"  torch   median {np.median(ms[1]):6.1f} ms  least {ms[1].min():6.1f} ms\n"
        f"  ratio   median {np.median(ms[0] / ms[1]):6.2f}     least {ms[0].min() / ms[1].min():6.2f}\n"
        f"  loss    {losses[0][0]:.4f} -> {losses[0][-1]:.4f}, greatest difference over {len(drift)} steps "
        f"{drift.max():.1e}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}; biosig: {backend.describe()}")
    with backend.limit_threads(options.threads):
        for name in CASES:
            compare(name, options.batch, options.steps)


if __name__ == "__main__":
    main()
