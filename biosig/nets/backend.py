"""The one door to tinygrad: importing this module prepares it.

On a CPU (the default) kernels are compiled by the LLVM inside llvmlite, run on several threads, and whole layers are
handed to BLAS and Numba through `host_call`. On any other device, named by the environment variable ``DEV``
(``DEV=CUDA``, ``DEV=METAL``, ...), the same layers are plain tinygrad operations; ``BIOSIG_HOST_KERNELS=0`` asks for
those on a CPU too.

tinygrad is not thread safe: hold `lock` around everything that builds or runs tensors.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

import llvmlite
import llvmlite.binding
import numpy as np

from biosig.nets import _backend_compiler
from biosig.nets._forking import ForkSafeLock, set_right
from biosig.nets._threads import limit_threads, n_threads, single_threaded_blas

__all__ = [
    "describe",
    "free_memory",
    "from_numpy",
    "host_call",
    "in_training_mode",
    "limit_threads",
    "lock",
    "n_threads",
    "product_type",
    "products_in",
    "spread_over",
    "to_numpy",
    "training_mode",
    "uses_host_kernels",
]

_backend_compiler.require_hooks()

from tinygrad import Context, Device, Tensor, dtypes  # noqa: E402
from tinygrad.engine.realize import runtime_cache  # noqa: E402
from tinygrad.helpers import DEV, TRAINING, ContextVar, Target  # noqa: E402
from tinygrad.renderer import Estimates  # noqa: E402
from tinygrad.uop.ops import KernelInfo, Ops, ProgramInfo, UOp  # noqa: E402

lock = ForkSafeLock()
PRECISIONS = ("float32", "bfloat16")
_HOST = "CPU"
_NUMPY_TYPES = {dtypes.float32: np.dtype(np.float32), dtypes.int32: np.dtype(np.int32)}
_TENSOR_TYPES = {numpy_type: kind for kind, numpy_type in _NUMPY_TYPES.items()}
_programs: dict[tuple, Any] = {}
_product_type = dtypes.float32
_devices: tuple[str, ...] = ()


def _prepare() -> None:
    """Choose the device and open it, or raise one error that says what to do."""
    chosen_before = Device.__dict__.get("_select_device", "")  # set when the user's own code already asked tinygrad
    device = DEV.device or chosen_before or _HOST
    compiler = DEV.renderer
    if device == _HOST and compiler in ("", "LLVM"):
        _backend_compiler.install()
        compiler = "LLVM"
        DEV.value = Target(_HOST, compiler, DEV.arch)
    try:
        Device[device].renderer  # noqa: B018 - opens the device and its compiler
    except Exception as error:
        raise RuntimeError(
            f"tinygrad {version('tinygrad')} cannot open device {device!r} with compiler {compiler or 'default'!r} "
            f"({type(error).__name__}: {str(error)[:200]}). Unset the environment variable DEV to use the processor "
            f"through llvmlite {llvmlite.__version__}, before tinygrad is first imported; or {_backend_compiler.REMEDY}"
        ) from error


_prepare()
_settings = {name: variable.value for name, variable in ContextVar._cache.items()}


@set_right
def _forget_another_thread() -> None:
    """Undo, in a forked child, what the thread that calculated in the parent had set for that time."""
    global _product_type, _devices
    _product_type, _devices = dtypes.float32, ()
    for name, value in _settings.items():
        ContextVar._cache[name].value = value
    _backend_compiler.forget_parents_work()


def uses_host_kernels() -> bool:
    """Whether layers run on BLAS and Numba (on a CPU) instead of plain tinygrad operations."""
    return Device.DEFAULT == _HOST and os.environ.get("BIOSIG_HOST_KERNELS", "1") != "0"


def describe() -> dict[str, Any]:
    """What this machine calculates with: device, compiler, threads, versions. Values are plain text and numbers."""
    with lock:
        device = Device[Device.DEFAULT]
        return {
            "device": Device.DEFAULT,
            "compiler": type(device.compiler).__name__,
            "tinygrad": version("tinygrad"),
            "llvmlite": llvmlite.__version__,
            "llvm": ".".join(map(str, llvmlite.binding.llvm_version_info)),
            "threads": n_threads(),
            "host_kernels": uses_host_kernels(),
        }


@contextlib.contextmanager
def training_mode() -> Iterator[None]:
    """Hold the lock with dropout switched on; optimiser steps are taken inside."""
    with lock, Context(TRAINING=1):
        yield


def in_training_mode() -> bool:
    """Whether dropout is on, and with it all that a training step does and a look at held-out windows does not."""
    return bool(TRAINING)


@contextlib.contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Calculate the matrix products of layers in ``"float32"`` or ``"bfloat16"`` inside the block.

    In bfloat16 both factors are rounded (and their products, where a device has no unit that multiplies and adds in
    one), and the sums over their products stay float32 (Micikevicius et al. 2018,
    arXiv 1710.03740, with the number format of Kalamkar et al. 2019, arXiv 1905.12322, which needs no loss scaling).
    Weights, sums, norms, losses and the optimiser are float32 always.

    Raises
    ------
    ValueError
        For another precision, and for bfloat16 on the host kernels of a processor, which have none.
    """
    global _product_type
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; expected one of {', '.join(map(repr, PRECISIONS))}")
    if precision != "float32" and uses_host_kernels():
        raise ValueError(
            f"precision is {precision!r}, but nets run on this processor's host kernels, which are float32 alone; "
            "leave precision='float32', or choose a device that has it with the environment variable DEV "
            "(CUDA or NV from compute capability 8.0 on, AMD, METAL) before tinygrad is first imported"
        )
    before, _product_type = _product_type, getattr(dtypes, precision)
    try:
        yield
    finally:
        _product_type = before


def product_type() -> Any:
    """Return tinygrad's type for the factors of matrix products, see `products_in`."""
    return _product_type


@contextlib.contextmanager
def spread_over(devices: Sequence[str] | None) -> Iterator[tuple[str, ...]]:
    """Give every tensor that `from_numpy` makes inside the block to all of these devices; None changes nothing.

    Yields
    ------
    tuple of str
        The devices, empty for the default device alone.

    Raises
    ------
    ValueError
        For fewer than two devices, the same one twice, devices of another kind than the default one, or host kernels,
        which share a processor's cores by themselves.
    """
    global _devices
    before, chosen = _devices, tuple(map(Device.canonicalize, devices or ()))
    if chosen and len(set(chosen)) < max(2, len(chosen)):
        raise ValueError(f"devices is {tuple(devices or ())}; expected two or more different ones, or None")
    kinds = {name.split(":")[0] for name in chosen}
    if chosen and (kinds != {Device.DEFAULT} or uses_host_kernels()):
        raise ValueError(
            f"devices is {tuple(devices or ())}, but nets run on {Device.DEFAULT}"
            f"{' with host kernels (which use all cores by n_jobs)' if uses_host_kernels() else ''}; "
            f"set the environment variable DEV={min(kinds)} before tinygrad is first imported, or leave devices=None"
        )
    _devices = chosen or before
    try:
        yield _devices
    finally:
        _devices = before


def from_numpy(array: np.ndarray, *, split: bool = False) -> Tensor:
    """Return a realised tensor that owns a copy of `array`, so that a jitted function accepts it.

    Inside `spread_over`, every device holds all of it, or with `split` an equal part of its rows.
    """
    array = np.asarray(array)
    with lock:
        if _devices:
            whole = Tensor(np.array(array, order="C"), device=_devices[0])
            return whole.shard(_devices, 0 if split else None).contiguous().realize()
        kind = _TENSOR_TYPES.get(array.dtype)
        if Device.DEFAULT != _HOST or kind is None or not array.size:
            return Tensor(np.array(array, order="C"), device=Device.DEFAULT).contiguous().realize()
        # straight into the new memory: tinygrad's own way schedules a copy, which takes milliseconds
        tensor = Tensor.empty(*array.shape, dtype=kind, device=_HOST)
        buffer: Any = tensor.uop.base.buffer
        memory = (ctypes.c_char * array.nbytes).from_address(buffer.ensure_allocated()._buf.va_addr)
        np.copyto(np.ndarray(array.shape, array.dtype, memory), array)  # type: ignore[arg-type]
        return tensor


def to_numpy(tensor: Tensor) -> np.ndarray:
    """Return a copy of the values; a jitted function may then reuse its buffer."""
    with lock:
        return np.array(tensor.numpy())


def free_memory() -> None:
    """Give back the buffers that tinygrad keeps for reuse, after warm-up or when a net is done."""
    with lock:
        for name in _devices or (Device.DEFAULT,):
            allocator = Device[name].allocator
            if hasattr(allocator, "free_cache"):
                allocator.free_cache()


class _HostProgram:
    """Stands where tinygrad keeps a loaded kernel; calls Python on NumPy views of the buffers."""

    def __init__(self, function: Callable[..., None], options: tuple, layouts: list[tuple[tuple[int, ...], np.dtype]]):
        self._function, self._options = function, options
        self._layouts = [
            (shape, dtype, ctypes.c_char * (math.prod(shape) * dtype.itemsize)) for shape, dtype in layouts
        ]

    def __call__(self, *buffers, global_size=None, local_size=None, vals=(), wait=False, timeout=None):
        views = [
            np.ndarray(shape, dtype, memory.from_address(buffer.va_addr))  # type: ignore[arg-type]
            for buffer, (shape, dtype, memory) in zip(buffers, self._layouts, strict=True)
        ]
        with single_threaded_blas():
            self._function(*views, *self._options)


def _host_program(
    function: Callable[..., None],
    options: tuple,
    layouts: list[tuple[tuple[int, ...], np.dtype]],
    n_results: int,
    n_written: int,
) -> UOp:
    key = (function, options, tuple(layouts), n_results, n_written)
    if key not in _programs:
        label = f"host_{function.__name__}_{len(_programs)}"
        n = len(layouts)
        sink = UOp(Ops.SINK, src=(), arg=KernelInfo(name=label, estimates=Estimates()))
        info = ProgramInfo(
            name=label,
            globals=tuple(range(n)),
            outs=tuple(range(n_written)),
            ins=tuple(range(n_results, n)),
            target=Target(_HOST),
        )
        sources = (UOp(Ops.LINEAR, src=()), UOp(Ops.SOURCE, arg=label), UOp(Ops.BINARY, arg=label.encode()))
        program = UOp(Ops.PROGRAM, src=(sink, *sources), arg=info)
        runtime_cache[(program.key, _HOST)] = _HostProgram(function, options, layouts)
        _programs[key] = program
    return _programs[key]


def _whole_buffer(tensor: Tensor) -> UOp:
    base = tensor.uop.base
    if base.op is not Ops.BUFFER or math.prod(base.shape) != tensor.numel():
        raise ValueError("only a realised tensor that owns its whole buffer can be overwritten; use from_numpy(...)")
    return base


def host_call(
    function: Callable[..., None],
    outputs: Sequence[tuple[int, ...]],
    inputs: Sequence[Any],
    *,
    options: tuple = (),
    gradient: Callable[[Tensor, list[Tensor]], Sequence[Tensor | None]] | None = None,
    overwrites: Sequence[Tensor] = (),
) -> list[Any]:
    """Run a Python function on the memory of tensors, lazily, under autograd and inside ``TinyJit``.

    On NumPy arrays it runs at once, and arrays come back.

    Parameters
    ----------
    function : callable
        ``function(*outputs, *overwrites, *inputs, *options)`` on NumPy views; it fills every element of the outputs
        and must keep no view. It is called with BLAS on one thread. A module-level function: it is part of the key
        under which the program is kept.
    outputs : sequence of tuple of int
        Shapes of the results, float32.
    inputs : sequence of Tensor, or of array
        float32 or int32.
    options : tuple
        Hashable constants handed on to `function`.
    gradient : callable, optional
        ``gradient(upstream, inputs)`` returns one tensor (or None) per input; for calls of a single output.
    overwrites : sequence of Tensor
        Realised tensors that `function` changes in place.

    Returns
    -------
    list of Tensor, or of array
        The outputs, then the overwritten tensors in their new state; realise all of them.
    """
    if isinstance(inputs[0], np.ndarray):
        arrays = [np.empty(shape, np.float32) for shape in outputs]
        function(*arrays, *inputs, *options)
        return arrays
    results = [Tensor.empty(*shape, dtype=dtypes.float32, device=_HOST) for shape in outputs]
    # The flat buffer itself: of a reshaped one the scheduler may hand over a copy, and what is written there is lost.
    buffers = [Tensor(_whole_buffer(t)) for t in overwrites]
    n_written = len(results) + len(overwrites)
    layouts = [(tuple(int(s) for s in t.shape), _NUMPY_TYPES[t.dtype]) for t in (*results, *overwrites, *inputs)]
    tensors = [*results, *buffers, *inputs]
    program = _host_program(function, options, layouts, len(results), n_written)

    def backward(upstream: UOp, call: UOp) -> tuple[UOp | None, ...]:
        sources = call.src[1:]
        grads = gradient(Tensor(upstream), [Tensor(s) for s in sources[n_written:]]) if gradient else ()
        return (*([None] * n_written), *[None if g is None else g.uop for g in grads])

    after = tensors[0].custom_kernel(
        *tensors[1:], fxn=lambda *_: program, grad_fxn=backward if gradient is not None else None
    )
    return [t.reshape(shape) for t, (shape, _) in zip(after, layouts[:n_written], strict=False)]
