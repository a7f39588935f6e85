"""Masked autoencoder (He et al. 2022): most of a window is hidden, and what was there is to be told from the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
from tinygrad import Tensor

from biosig.nets import ops, parameters
from biosig.nets.backend import from_numpy
from biosig.nets.encoders import build_encoder
from biosig.nets.transformer import Block, TransformerEncoder, patches, sinusoids


class _TransformerDecoder:
    """Visible tokens and a shared token for every hidden place go through a light transformer."""

    def __init__(self, n_in: int, n_tokens: int, width: int, depth: int, n_out: int, rng: np.random.Generator):
        self._n_tokens, self._width = n_tokens, width
        self.in_weight, self.in_bias = parameters.matrix(rng, n_in, width), parameters.zeros(width)
        self.hidden_token = parameters.parameter(0.02 * rng.standard_normal(width))
        self.positions = from_numpy(sinusoids(n_tokens, width)).is_param_(False)
        self.blocks = [Block(width, 4, 4, depth, rng) for _ in range(depth)]
        self.norm_weight, self.norm_bias = parameters.ones(width), parameters.zeros(width)
        self.out_weight, self.out_bias = parameters.matrix(rng, width, n_out), parameters.zeros(n_out)

    def __call__(self, tokens: Tensor, visible: Tensor, hidden: Tensor) -> Tensor:
        n_batch, n_visible = (int(s) for s in visible.shape)
        n_hidden = int(hidden.shape[1])
        told = ops.linear(tokens, self.in_weight, self.in_bias)
        asked = self.hidden_token.reshape(1, 1, self._width).expand(n_batch, n_hidden, self._width)
        table = self.positions.reshape(1, self._n_tokens, self._width)
        y = told.cat(asked, dim=1) + ops.gather_tokens(table, visible.cat(hidden, dim=1))
        for block in self.blocks:
            y = block(y)
        y = ops.layer_norm(y[:, n_visible:], self.norm_weight, self.norm_bias)
        return ops.linear(y, self.out_weight, self.out_bias)


class _LinearDecoder:
    """A convolutional token already looks at its neighbours: one linear layer tells its stretch of signal."""

    def __init__(self, n_in: int, n_out: int, rng: np.random.Generator):
        self.weight, self.bias = parameters.matrix(rng, n_in, n_out), parameters.zeros(n_out)

    def __call__(self, tokens: Tensor, hidden: Tensor) -> Tensor:
        return ops.linear(ops.gather_tokens(tokens, hidden), self.weight, self.bias)


class MaskedAutoencoderNet:
    """An encoder with the decoder that trains it.

    Parameters
    ----------
    config : dict
        Of the encoder, from `biosig.nets.encoder_config`.
    random_state : int, Generator or None
    mask_ratio : float
        Share of the patches that is hidden; at least one is, and at least one is not.
    decoder_width, decoder_depth : int
        Of the decoder of a transformer; convolutions have a linear decoder.
    normalise_patches : bool
        Whether each patch to be told is first brought to mean 0 and variance 1.

    Attributes
    ----------
    encoder : Encoder
    n_patches, n_hidden, n_visible : int
        Patches per window, and how many are hidden and visible.
    patch_length : int
        Samples per patch: the encoder's patch, or the total stride of the convolutions.
    """

    def __init__(
        self,
        config: dict[str, Any],
        random_state: int | np.random.Generator | None = None,
        mask_ratio: float = 0.7,
        *,
        decoder_width: int = 64,
        decoder_depth: int = 2,
        normalise_patches: bool = False,
    ) -> None:
        if not 0 < mask_ratio < 1:
            raise ValueError(f"mask_ratio is {mask_ratio!r}; expected a share between 0 and 1")
        if decoder_width < 4 or decoder_width % 4:
            raise ValueError(f"decoder_width is {decoder_width}; expected a multiple of 4")
        rng = np.random.default_rng(random_state)
        self.encoder = build_encoder(config, rng)
        self.n_patches, self.patch_length = self.encoder.n_tokens, self.encoder.stretch
        if self.n_patches < 2:
            raise ValueError(
                f"a window of {config['n_samples']} samples is a single patch of {self.patch_length}; "
                "masking needs two or more: give longer windows or a smaller patch or stride"
            )
        self.n_hidden = min(self.n_patches - 1, max(1, round(mask_ratio * self.n_patches)))
        self.n_visible = self.n_patches - self.n_hidden
        self._normalise = normalise_patches
        n_in, n_out = self.encoder.token_width, self.encoder.config["n_channels"] * self.patch_length
        self.decoder: _TransformerDecoder | _LinearDecoder
        if isinstance(self.encoder, TransformerEncoder):
            self.decoder = _TransformerDecoder(n_in, self.n_patches, decoder_width, decoder_depth, n_out, rng)
        else:
            self.decoder = _LinearDecoder(n_in, n_out, rng)

    def reconstruct(self, x: Tensor, visible: Tensor, hidden: Tensor) -> Tensor:
        """Return what the net tells of the hidden patches, shape (n_batch, n_hidden, n_channels * patch_length)."""
        if isinstance(self.encoder, TransformerEncoder) and isinstance(self.decoder, _TransformerDecoder):
            return self.decoder(self.encoder.tokens(x, visible), visible, hidden)
        n_batch, n_channels, n_samples = (int(s) for s in x.shape)
        places = Tensor.arange(self.n_patches).reshape(1, 1, self.n_patches)
        shown = (visible.unsqueeze(-1) == places).cast(x.dtype).sum(1)
        shown = shown.reshape(n_batch, 1, self.n_patches, 1)
        # zeroed before the stem, so that no filter reaches a hidden sample
        cut = x.reshape(n_batch, n_channels, self.n_patches, self.patch_length) * shown
        assert isinstance(self.decoder, _LinearDecoder)
        return self.decoder(self.encoder.tokens(cut.reshape(n_batch, n_channels, n_samples)), hidden)

    def loss(self, x: Tensor, visible: Tensor, hidden: Tensor) -> Tensor:
        """Return the mean squared error over the hidden patches, a scalar.

        Parameters
        ----------
        x : Tensor, shape (n_batch, n_channels, n_samples)
        visible : Tensor of int32, shape (n_batch, n_visible)
        hidden : Tensor of int32, shape (n_batch, n_hidden)
            Positions of patches, every position in exactly one of the two.
        """
        wanted = ops.gather_tokens(patches(x, self.patch_length), hidden)
        if self._normalise:
            centred = wanted - wanted.mean(-1, keepdim=True)
            wanted = centred * ((centred * centred).mean(-1, keepdim=True) + 1e-6).rsqrt()
        error = self.reconstruct(x, visible, hidden) - wanted.detach()
        return (error * error).mean()
