"""The nets of biosig once more in torch, over the same weights: what benchmarks and agreement tests compare with.

Written as a torch user would for speed: weights in torch's own layouts, fused attention, a masked transformer that
encodes visible tokens only, and, of several ways to write the convolutions, the one that was fastest for each family.
Nothing of biosig is imported, so that a process can measure torch alone.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional


class TorchEncoder:
    """An encoder of biosig as functions of torch.

    Parameters
    ----------
    config : dict
        From `biosig.nets.encoder_config`.
    weights : dict of str to array
        From `biosig.nets.get_weights`.
    prefix : str
        Of the encoder's names among the weights.
    dtype : torch.dtype
        In which all is calculated.
    trained : bool
        Whether gradients of the weights are wanted.
    """

    def __init__(self, config, weights, prefix="", dtype=torch.float32, trained=True):
        self.config, self.prefix, self.dropout = config, prefix, 0.0
        self.weights = {}
        for name, values in weights.items():
            if name.endswith("filter_weight"):
                values = values.T[:, None]
            elif name.endswith("weight") and values.ndim == 2:
                values = values.T
            self.weights[name] = torch.tensor(np.ascontiguousarray(values), dtype=dtype, requires_grad=trained)

    def linear(self, x, name):
        return functional.linear(x, self.weights[f"{name}weight"], self.weights[f"{name}bias"])

    def norm(self, x, name):
        return functional.layer_norm(x, x.shape[-1:], self.weights[f"{name}weight"], self.weights[f"{name}bias"])

    def mlp(self, x, name):
        hidden = functional.gelu(self.linear(x, f"{name}mlp_in_"), approximate="tanh")
        return self.linear(hidden, f"{name}mlp_out_")

    def depthwise(self, x, name, stride=1):
        weight, bias = self.weights[f"{name}filter_weight"], self.weights[f"{name}filter_bias"]
        return functional.conv1d(x, weight, bias, stride=stride, padding=weight.shape[2] // 2, groups=len(weight))

    def patches(self, x, length):
        n_batch, n_channels, n_samples = x.shape
        cut = x.reshape(n_batch, n_channels, n_samples // length, length)
        return cut.permute(0, 2, 1, 3).reshape(n_batch, n_samples // length, n_channels * length)

    def positions(self, name, n_tokens, width):
        if name in self.weights:
            return self.weights[name]
        rates = torch.exp(-math.log(10000.0) * torch.arange(width // 2) / max(1, width // 2))
        angles = torch.arange(n_tokens)[:, None] * rates
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    # transformer

    def transformer_block(self, x, name, n_heads):
        n_batch, n_tokens, width = x.shape
        qkv = self.linear(self.norm(x, f"{name}norm1_"), f"{name}qkv_")
        q, k, v = qkv.reshape(n_batch, n_tokens, 3, n_heads, width // n_heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n_batch, n_tokens, width)
        x = x + self.linear(mixed, f"{name}out_")
        return x + self.mlp(self.norm(x, f"{name}norm2_"), name)

    def transformer_tokens(self, x, visible=None):
        p, patch, width = self.prefix, self.config["patch"], self.config["width"]
        cut = self.patches(x, patch)
        where = self.positions(f"{p}positions", cut.shape[1], width)
        if visible is not None:
            cut, where = take(cut, visible), where[visible]
        y = self.linear(cut, f"{p}embed_") + where
        for i in range(self.config["depth"]):
            y = self.transformer_block(y, f"{p}blocks.{i}.", self.config["n_heads"])
        return self.norm(y, f"{p}norm_")

    # ConvNeXt

    def conv_tokens(self, x):
        p, stride = self.prefix, self.config["stride"]
        n_batch, n_channels, n_samples = x.shape
        padded = functional.pad(x, (stride // 2, stride - stride // 2))
        frames = padded.unfold(2, 2 * stride, stride).reshape(n_batch, n_channels, -1, 2, stride)
        # the frames of all channels side by side, as the stem's weight expects them
        frames = frames.permute(0, 2, 1, 3, 4).reshape(n_batch, n_samples // stride, -1)
        y = self.norm(self.linear(frames, f"{p}stem_"), f"{p}stem_norm_")
        layer = 0
        for stage, depth in enumerate(self.config["depths"]):
            if stage:
                normed = self.norm(y, f"{p}layers.{layer}.norm_")
                y = self.linear(normed.reshape(n_batch, y.shape[1] // 2, -1), f"{p}layers.{layer}.")
                layer += 1
            for _ in range(depth):
                name = f"{p}layers.{layer}."
                filtered = self.depthwise(y.transpose(1, 2), name).transpose(1, 2)
                y = y + self.mlp(self.norm(filtered, f"{name}norm_"), name)
                layer += 1
        return self.norm(y, f"{p}norm_")

    # EfficientNet

    def pointwise(self, x, name):  # channels first, like `depthwise`
        return torch.matmul(self.weights[f"{name}weight"], x) + self.weights[f"{name}bias"][:, None]

    def residual_block(self, x, name, stride):
        y = self.norm(x.transpose(1, 2), f"{name}norm_").transpose(1, 2)
        y = functional.silu(self.pointwise(y, f"{name}expand_"))
        y = functional.silu(self.depthwise(y, name, stride))
        squeezed = functional.silu(self.linear(y.mean(2), f"{name}squeeze_"))
        y = y * self.linear(squeezed, f"{name}excite_").sigmoid()[:, :, None]
        y = self.pointwise(y, f"{name}project_")
        return x + y if x.shape == y.shape else y

    def efficientnet_tokens(self, x):
        p, config = self.prefix, self.config
        halvings, block = config["stride"].bit_length() - 1, 0
        steps = [2 if i > 6 - halvings else 1 for i in (1, 0, 2, 3, 4, 5, 6, 0)]  # stem, stages; the early go first
        # the stem's weight holds, for each of three samples, the channels side by side
        stem = self.weights[f"{p}stem_weight"]
        stem = stem.reshape(len(stem), 3, config["n_channels"]).transpose(1, 2)
        y = functional.silu(functional.conv1d(x, stem, self.weights[f"{p}stem_bias"], stride=steps[0], padding=1))
        for stage, depth in enumerate(config["depths"], start=1):
            for i in range(depth):
                y = self.residual_block(y, f"{p}blocks.{block}.", 1 if i else steps[stage])
                block += 1
        return functional.silu(self.linear(self.norm(y.transpose(1, 2), f"{p}norm_"), f"{p}head_"))

    # all

    def tokens(self, x, visible=None):
        if visible is not None:
            return self.transformer_tokens(x, visible)
        return getattr(self, f"{self.config['architecture']}_tokens")(x)

    def pool(self, tokens):
        mean = tokens.mean(1)
        if self.config["architecture"] != "conv":
            return mean
        return torch.cat([mean, (tokens.var(1, correction=0) + 1e-5).sqrt()], dim=1)

    def embed(self, x):
        return self.pool(self.tokens(x))


class TorchMaskedAutoencoder(TorchEncoder):
    """`biosig.nets.MaskedAutoencoderNet`, with its usual decoder, as functions of torch.

    Parameters
    ----------
    config : dict
        Of the encoder.
    weights : dict of str to array
        Of the whole net.
    patch_length : int
        Samples of a token, which are hidden together.
    decoder_depth : int
        Blocks of the decoder of a transformer.
    """

    def __init__(self, config, weights, patch_length, decoder_depth=2):
        super().__init__(config, weights, "encoder.")
        self.patch_length, self.n_patches = patch_length, config["n_samples"] // patch_length
        self.decoder_depth = decoder_depth

    def loss(self, x, visible, hidden):
        wanted = take(self.patches(x, self.patch_length), hidden)
        told = self.told_transformer if self.config["architecture"] == "transformer" else self.told_convolution
        return functional.mse_loss(told(x, visible, hidden), wanted)

    def told_convolution(self, x, visible, hidden):
        shown = torch.zeros(len(x), self.n_patches).scatter(1, visible, 1.0)
        y = self.tokens(x * shown.repeat_interleave(self.patch_length, dim=1)[:, None])
        return self.linear(take(y, hidden), "decoder.")

    def told_transformer(self, x, visible, hidden):
        y = self.linear(self.tokens(x, visible), "decoder.in_")
        asked = self.weights["decoder.hidden_token"].expand(*hidden.shape, -1)
        where = self.positions("decoder.positions", self.n_patches, y.shape[2])
        y = torch.cat([y, asked], dim=1) + where[torch.cat([visible, hidden], dim=1)]
        for i in range(self.decoder_depth):
            y = self.transformer_block(y, f"decoder.blocks.{i}.", 4)
        return self.linear(self.norm(y[:, visible.shape[1] :], "decoder.norm_"), "decoder.out_")


def take(x, index):
    """Tokens of `x` (n_batch, n_tokens, width) at the places `index` (n_batch, n_chosen)."""
    return x.gather(1, index[:, :, None].expand(-1, -1, x.shape[2]))


class TorchTrainer:
    """AdamW steps on ``loss(*tensors)``, with decay of matrices alone and a clipped norm.

    Parameters
    ----------
    weights : sequence of tensors
        What is trained.
    """

    def __init__(self, weights, loss, learning_rate, weight_decay, clip_norm):
        self._weights, self._loss, self._clip = list(weights), loss, clip_norm
        matrices = [w for w in self._weights if w.ndim > 1]
        vectors = [w for w in self._weights if w.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self._optimiser = torch.optim.AdamW(groups, lr=learning_rate)

    def step(self, *arrays, learning_rate=None):
        """Take a step, with a learning rate of its own where one is given; return the loss before it."""
        if learning_rate is not None:
            for group in self._optimiser.param_groups:
                group["lr"] = learning_rate
        tensors = [torch.from_numpy(a) for a in arrays]
        tensors = [t.long() if t.dtype == torch.int32 else t for t in tensors]
        self._optimiser.zero_grad()
        loss = self._loss(*tensors)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([w for w in self._weights if w.grad is not None], self._clip)
        self._optimiser.step()
        return loss.item()
