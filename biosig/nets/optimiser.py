"""AdamW (Loshchilov and Hutter 2019) with clipping of the global gradient norm, usable inside ``TinyJit``."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from tinygrad import Tensor

from biosig.nets._host_adamw import adamw_step
from biosig.nets.backend import from_numpy, host_call, lock, to_numpy, uses_host_kernels


class AdamW:
    """Decoupled weight decay on matrices; biases, gains and other vectors are not decayed.

    Parameters
    ----------
    parameters : list of Tensor
        Realised float32 tensors. Those without a gradient in a step are left as they are.
    weight_decay : float
    b1, b2 : float
        Decay rates of the first and second moment.
    eps : float
    clip_norm : float, optional
        Gradients are scaled down together so that their Euclidean norm is at most this.
    """

    def __init__(
        self,
        parameters: list[Tensor],
        weight_decay: float = 0.01,
        b1: float = 0.9,
        b2: float = 0.999,
        eps: float = 1e-8,
        clip_norm: float | None = None,
    ) -> None:
        if not parameters:
            raise ValueError("AdamW was given no parameters; pass the trained tensors of a module")
        if clip_norm is not None and not clip_norm > 0:
            raise ValueError(f"clip_norm is {clip_norm!r}; expected a positive number, or None not to clip")
        self._parameters = list(dict.fromkeys(parameters))
        self._decay, self._b1, self._b2, self._eps, self._clip = weight_decay, b1, b2, eps, clip_norm
        self._edges = [int(e) for e in np.cumsum([0, *[p.numel() for p in self._parameters]])]
        self._step = from_numpy(np.zeros(1, np.float32))
        self._m, self._v = (from_numpy(np.zeros(self._edges[-1], np.float32)) for _ in range(2))

    def zero_grad(self) -> None:
        """Forget the gradients; call before ``backward``."""
        for p in self._parameters:
            p.grad = None

    def schedule_step(self, lr: Tensor) -> list[Tensor]:
        """Return the tensors whose realisation takes one step; realise them together with the loss.

        Parameters
        ----------
        lr : Tensor
            Learning rate, one realised float32 value, so that a jitted step can be given another.
        """
        learning = [
            (p, p.grad, start, self._decay if p.ndim > 1 else 0.0)
            for p, start in zip(self._parameters, self._edges[:-1], strict=True)
            if p.grad is not None
        ]
        if not learning:
            raise ValueError("no parameter has a gradient; call backward() on the loss before schedule_step")
        if not uses_host_kernels():
            return self._plain_step(learning, lr)
        parameters, gradients, starts, decays = zip(*learning, strict=True)
        return host_call(
            adamw_step,
            [],
            [*gradients, lr.reshape(1)],
            overwrites=[self._step, self._m, self._v, *parameters],
            options=(starts, decays, self._b1, self._b2, self._eps, self._clip),
        )

    def _plain_step(self, learning: list[tuple[Tensor, Tensor, int, float]], lr: Tensor) -> list[Tensor]:
        scale: Tensor | float = 1.0
        if self._clip is not None:
            first, *others = [(g * g).sum() for _, g, _, _ in learning]
            norm = sum(others, start=first).sqrt()
            scale = (self._clip / (norm + 1e-6)).minimum(1.0)
        step = self._step.assign(self._step + 1)
        c1 = 1 / (1 - (step * math.log(self._b1)).exp())
        c2 = 1 / (1 - (step * math.log(self._b2)).exp())
        gradient_at = {start: g.flatten() * scale for _, g, start, _ in learning}
        moments = []
        for state, rate, power in ((self._m, self._b1, 1), (self._v, self._b2, 2)):
            parts = []
            for start, stop in itertools.pairwise(self._edges):
                old, g = state[start:stop], gradient_at.get(start)
                parts.append(old if g is None else rate * old + (1 - rate) * (g if power == 1 else g * g))
            moments.append(Tensor.cat(*parts).contiguous())
        m, v = (state.assign(new) for state, new in zip((self._m, self._v), moments, strict=True))
        update = m * c1 / ((v * c2).sqrt() + self._eps)
        for p, _, start, decay in learning:
            change = update[start : start + p.numel()].reshape(p.shape) + decay * p.detach()
            p.assign(p.detach() - lr * change)
        return [step, m, v, *[p for p, _, _, _ in learning]]

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of the step count and of both moments, laid end to end in the order of the parameters."""
        return {"step": to_numpy(self._step), "m": to_numpy(self._m), "v": to_numpy(self._v)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned.

        Raises
        ------
        ValueError
            When it belongs to other parameters.
        """
        own = {"step": self._step, "m": self._m, "v": self._v}
        for name, tensor in own.items():
            if name not in state or np.size(state[name]) != tensor.numel():
                raise ValueError(
                    f"the optimiser state {name!r} has {np.size(state[name]) if name in state else 'no'} values; these "
                    f"parameters expect {tensor.numel()}: it was saved from another net"
                )
        with lock:
            for name, tensor in own.items():
                tensor.assign(from_numpy(np.asarray(state[name], np.float32).reshape(tensor.shape))).realize()
