"""AdamW (Loshchilov and Hutter 2019) with clipping of the global gradient norm, usable inside ``TinyJit``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from tinygrad import Tensor

from .backend import from_numpy, lock, to_numpy


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
        self._step = from_numpy(np.zeros(1, np.float32))
        self._m = [from_numpy(np.zeros(p.shape, np.float32)) for p in self._parameters]
        self._v = [from_numpy(np.zeros(p.shape, np.float32)) for p in self._parameters]

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
        grads = [p.grad for p in self._parameters]
        scale: Tensor | float = 1.0
        if self._clip is not None:
            norm = sum(((g * g).sum() for g in grads if g is not None), start=Tensor.zeros(1)).sqrt()
            scale = (self._clip / (norm + 1e-6)).minimum(1.0)
        step = self._step.assign(self._step + 1)
        c1 = 1 / (1 - (step * math.log(self._b1)).exp())
        c2 = 1 / (1 - (step * math.log(self._b2)).exp())
        changed = [step]
        for p, g, m, v in zip(self._parameters, grads, self._m, self._v, strict=True):
            if g is None:
                continue
            g = g * scale
            m.assign(self._b1 * m + (1 - self._b1) * g)
            v.assign(self._b2 * v + (1 - self._b2) * (g * g))
            update = m * c1 / ((v * c2).sqrt() + self._eps)
            if p.ndim > 1:
                update = update + self._decay * p.detach()
            p.assign(p.detach() - lr * update)
            changed += [m, v, p]
        return changed

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of the step count and of both moments, laid end to end in the order of the parameters."""
        with lock:
            return {
                "step": to_numpy(self._step),
                "m": np.concatenate([to_numpy(t).ravel() for t in self._m]),
                "v": np.concatenate([to_numpy(t).ravel() for t in self._v]),
            }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned.

        Raises
        ------
        ValueError
            When it belongs to other parameters.
        """
        sizes = [math.prod(int(s) for s in p.shape) for p in self._parameters]
        edges = np.cumsum([0, *sizes])
        for name in ("m", "v"):
            if name not in state or np.shape(state[name]) != (edges[-1],):
                raise ValueError(
                    f"the optimiser state {name!r} has shape {np.shape(state.get(name, ()))}; these parameters expect "
                    f"({edges[-1]},): it was saved from another net"
                )
        with lock:
            self._step.assign(from_numpy(np.asarray(state["step"], np.float32).reshape(1))).realize()
            for tensors, flat in ((self._m, state["m"]), (self._v, state["v"])):
                for i, tensor in enumerate(tensors):
                    part = np.asarray(flat[edges[i] : edges[i + 1]], np.float32).reshape(tensor.shape)
                    tensor.assign(from_numpy(part)).realize()
