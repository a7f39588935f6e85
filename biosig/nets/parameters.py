"""Parameters of a module: making, counting, reading and replacing them as NumPy arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from tinygrad import Tensor
from tinygrad.nn.state import get_state_dict

from biosig.nets.backend import from_numpy, lock, to_numpy


def parameter(values: np.ndarray) -> Tensor:
    """Return a realised float32 tensor that is trained."""
    return from_numpy(np.asarray(values, dtype=np.float32)).is_param_(True)


def matrix(rng: np.random.Generator, n_in: int, n_out: int, gain: float = 1.0) -> Tensor:
    """Return a weight (n_in, n_out), uniform with the variance of Glorot and Bengio (2010), eq. 16, times `gain`^2."""
    bound = gain * math.sqrt(6 / (n_in + n_out))
    return parameter(rng.uniform(-bound, bound, (n_in, n_out)))


def fan_in(rng: np.random.Generator, n_in: int, n_out: int, gain: float = 1.0) -> Tensor:
    """Return a weight (n_in, n_out), uniform with variance `gain`^2 / `n_in`: what comes out varies like what goes in.

    With a `gain` that makes up for the activation before it, that of He et al. (2015), section 2.2.
    """
    bound = gain * math.sqrt(3 / n_in)
    return parameter(rng.uniform(-bound, bound, (n_in, n_out)))


def zeros(n: int) -> Tensor:
    """Return a vector of zeros (a bias)."""
    return parameter(np.zeros(n))


def ones(n: int) -> Tensor:
    """Return a vector of ones (a gain)."""
    return parameter(np.ones(n))


def named_parameters(module: Any) -> dict[str, Tensor]:
    """Trained tensors of a module (an object, list or dict of such) by their dotted names."""
    return {name: t for name, t in get_state_dict(module).items() if t.is_param}


def n_parameters(module: Any) -> int:
    """Number of trained values in a module."""
    return sum(math.prod(int(s) for s in t.shape) for t in named_parameters(module).values())


def get_weights(module: Any) -> dict[str, np.ndarray]:
    """Copies of all trained values of a module by name, float32."""
    with lock:
        return {name: to_numpy(t) for name, t in named_parameters(module).items()}


def check_weights(module: Any, weights: dict[str, np.ndarray]) -> None:
    """Raise ValueError unless `weights` has all trained values of a module, in their shapes, and nothing else."""
    own = named_parameters(module)
    missing, unknown = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    if missing or unknown:
        raise ValueError(
            f"the weights do not belong to this {type(module).__name__}: missing {missing[:5]}, unknown {unknown[:5]}; "
            "build it from the config that was saved with the weights"
        )
    for name, tensor in own.items():
        wanted, given = tuple(int(s) for s in tensor.shape), tuple(np.shape(weights[name]))
        if wanted != given:
            raise ValueError(
                f"weight {name!r} has shape {given}; this {type(module).__name__} expects {wanted}; "
                "build it from the config that was saved with the weights"
            )


def set_weights(module: Any, weights: dict[str, np.ndarray]) -> None:
    """Replace all trained values of a module, in place, so that a step that was already jitted uses them.

    Raises
    ------
    ValueError
        When names are missing or unknown, or a shape differs; nothing is changed then.
    """
    check_weights(module, weights)
    with lock:
        new = {name: from_numpy(np.asarray(values, dtype=np.float32)) for name, values in weights.items()}
        Tensor.realize(*[tensor.assign(new[name]) for name, tensor in named_parameters(module).items()])
