"""Masked autoencoder (He et al. 2022): most of a window is hidden, and what was there is to be told from the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
from tinygrad import Tensor

from biosig.nets import convolution, ops, parameters
from biosig.nets.backend import from_numpy
from biosig.nets.encoders import build_encoder
from biosig.nets.transformer import Block, TransformerEncoder, sinusoids

_CALM = 0.1  # a decoder that first tells next to nothing need not unlearn a guess, and convolutions learn much sooner


class _TransformerDecoder:
    """Visible tokens and a shared token for every hidden place go through a light transformer."""

    def __init__(self, n_in: int, n_tokens: int, width: int, depth: int, n_out: int, rng: np.random.Generator):
        self._n_tokens, self._width = n_tokens, width
        self.in_weight, self.in_bias = parameters.matrix(rng, n_in, width), parameters.zeros(width)
        self.hidden_token = parameters.parameter(0.02 * rng.standard_normal(width))
        self.positions = from_numpy(sinusoids(n_tokens, width)).is_param_(False)
        self.blocks = [Block(width, 4, 4, depth, rng) for _ in range(depth)]
        self.norm_weight, self.norm_bias = parameters.ones(width), parameters.zeros(width)
        self.out_weight, self.out_bias = parameters.matrix(rng, width, n_out, _CALM), parameters.zeros(n_out)

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


class _ConvolutionDecoder:
    """A convolutional token already looks at its neighbours: a few blocks, or none, then one linear layer."""

    def __init__(self, n_in: int, width: int, depth: int, n_out: int, rng: np.random.Generator):
        self.blocks = [convolution.Block(width, 7, 2, depth, rng) for _ in range(depth)]
        if depth:
            self.in_weight, self.in_bias = parameters.matrix(rng, n_in, width), parameters.zeros(width)
        n_last = width if depth else n_in
        self.weight, self.bias = parameters.matrix(rng, n_last, n_out, _CALM), parameters.zeros(n_out)

    def __call__(self, tokens: Tensor, hidden: Tensor) -> Tensor:
        if self.blocks:
            tokens = ops.linear(tokens, self.in_weight, self.in_bias)
        for block in self.blocks:
            tokens = block(tokens)
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
    patch : int, optional
        Samples that are hidden together, a multiple of what a token of the encoder stands for; None hides token by
        token. Longer patches cannot be told from their edges.
    decoder_width, decoder_depth : int
        Of the decoder: blocks of a transformer, or depthwise convolutions behind a convolutional encoder. A depth of
        None is 2 for a transformer and 0, one linear layer, for convolutions.
    normalise_patches : bool
        Whether each token's stretch to be told is first brought to mean 0 and variance 1.

    Attributes
    ----------
    encoder : Encoder
    n_patches, n_hidden, n_visible : int
        Patches per window, and how many are hidden and visible.
    patch_length : int
        Samples per patch.
    """

    def __init__(
        self,
        config: dict[str, Any],
        random_state: int | np.random.Generator | None = None,
        mask_ratio: float = 0.7,
        *,
        patch: int | None = None,
        decoder_width: int = 64,
        decoder_depth: int | None = None,
        normalise_patches: bool = False,
    ) -> None:
        if not 0 < mask_ratio < 1:
            raise ValueError(f"mask_ratio is {mask_ratio!r}; expected a share between 0 and 1")
        if decoder_width < 4 or decoder_width % 4:
            raise ValueError(f"decoder_width is {decoder_width}; expected a multiple of 4")
        if decoder_depth is not None and decoder_depth < 0:
            raise ValueError(f"decoder_depth is {decoder_depth}; expected 0 or more")
        rng = np.random.default_rng(random_state)
        self.encoder = build_encoder(config, rng)
        stretch, n_samples = self.encoder.stretch, self.encoder.config["n_samples"]
        self.patch_length = stretch if patch is None else patch
        if self.patch_length < stretch or self.patch_length % stretch or n_samples % self.patch_length:
            raise ValueError(
                f"patch is {patch} samples; expected a multiple of the {stretch} samples of a token of this encoder "
                f"that divides the window of {n_samples}"
            )
        self.n_patches, self._per_patch = n_samples // self.patch_length, self.patch_length // stretch
        if self.n_patches < 2:
            raise ValueError(
                f"a window of {n_samples} samples is a single patch of {self.patch_length}; "
                "masking needs two or more: give longer windows or a smaller patch or stride"
            )
        self.n_hidden = min(self.n_patches - 1, max(1, round(mask_ratio * self.n_patches)))
        self.n_visible = self.n_patches - self.n_hidden
        self._normalise = normalise_patches
        n_in, n_out = self.encoder.token_width, self.encoder.config["n_channels"] * stretch
        self.decoder: _TransformerDecoder | _ConvolutionDecoder
        if isinstance(self.encoder, TransformerEncoder):
            depth = 2 if decoder_depth is None else decoder_depth
            self.decoder = _TransformerDecoder(n_in, self.encoder.n_tokens, decoder_width, depth, n_out, rng)
        else:
            self.decoder = _ConvolutionDecoder(n_in, decoder_width, decoder_depth or 0, n_out, rng)

    def _tokens_of(self, places: Tensor) -> Tensor:
        """Positions of the tokens in patches: (n_batch, n) to (n_batch, n * tokens per patch)."""
        if self._per_patch == 1:
            return places
        n_batch, n = (int(s) for s in places.shape)
        within = Tensor.arange(self._per_patch, dtype=places.dtype).reshape(1, 1, self._per_patch)
        return (places.unsqueeze(-1) * self._per_patch + within).reshape(n_batch, n * self._per_patch)

    def reconstruct(self, x: Tensor, visible: Tensor, hidden: Tensor) -> Tensor:
        """Return what the net tells of the tokens in hidden patches.

        Parameters
        ----------
        x, visible, hidden
            As for `loss`.

        Returns
        -------
        Tensor, shape (n_batch, n_hidden * patch_length / stretch, n_channels * stretch)
            With the samples that a token of the encoder stands for, its stretch, channel by channel.
        """
        shown, asked = self._tokens_of(visible), self._tokens_of(hidden)
        if isinstance(self.encoder, TransformerEncoder) and isinstance(self.decoder, _TransformerDecoder):
            return self.decoder(self.encoder.tokens(x, shown), shown, asked)
        n_batch, n_channels, n_samples = (int(s) for s in x.shape)
        places = Tensor.arange(self.n_patches).reshape(1, 1, self.n_patches)
        mask = (visible.unsqueeze(-1) == places).cast(x.dtype).sum(1).reshape(n_batch, 1, self.n_patches, 1)
        # zeroed before the stem, so that no filter reaches a hidden sample
        cut = x.reshape(n_batch, n_channels, self.n_patches, self.patch_length) * mask
        assert isinstance(self.decoder, _ConvolutionDecoder)
        return self.decoder(self.encoder.tokens(cut.reshape(n_batch, n_channels, n_samples)), asked)

    def loss(self, x: Tensor, visible: Tensor, hidden: Tensor) -> Tensor:
        """Return the mean squared error over the hidden patches, a scalar.

        Parameters
        ----------
        x : Tensor, shape (n_batch, n_channels, n_samples)
        visible : Tensor of int32, shape (n_batch, n_visible)
        hidden : Tensor of int32, shape (n_batch, n_hidden)
            Positions of patches, every position in exactly one of the two.
        """
        stretch = self.encoder.stretch
        wanted = ops.gather_tokens(ops.frames(x, stretch, stretch), self._tokens_of(hidden))
        if self._normalise:
            centred = wanted - wanted.mean(-1, keepdim=True)
            wanted = centred * ((centred * centred).mean(-1, keepdim=True) + 1e-6).rsqrt()
        error = self.reconstruct(x, visible, hidden) - wanted.detach()
        return (error * error).mean()
