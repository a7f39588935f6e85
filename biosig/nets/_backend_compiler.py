"""tinygrad's CPU device without clang and without libLLVM: the LLVM inside llvmlite, which Numba brings, compiles.

Private parts of tinygrad 0.14 are used here and in `biosig.nets.backend`, nowhere else. What is mended:

* the CPU device compiles four helper programs with the program ``clang`` when it is opened, whatever compiler was
  asked for; only its second command queue (``HCQ2=1``) ever runs them, so a bare return instruction stands in;
* the slices of a kernel that are meant for several cores run one after another; here they run side by side;
* kernels are compiled in child processes, which would not know this compiler; here they are compiled in place;
* the cache of compiled kernels fails where the home folder cannot be written, or in a second thread; here such
  kernels are compiled again;
* the memory of tensors is shared with forked children, in which parent and children overwrite each other's values;
  here it is private to each process.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import importlib
import mmap
import platform
import sqlite3
import time
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import tinygrad.device
import tinygrad.helpers
from biosig_kernels.jit import compiler_lock

from biosig.nets._threads import n_threads, side_by_side

REMEDY = "install the supported version with: python -m pip install 'tinygrad>=0.14,<0.15'"
_HOOKS = {
    "tinygrad.device": ("Compiler", "CompileError", "Device"),
    "tinygrad.helpers": ("DEV", "PARALLEL", "TRAINING", "NUM_CPU_THREADS", "ContextVar", "Target", "getenv"),
    "tinygrad.runtime.ops_cpu": ("CPUProgram", "CPUDevice", "CPUAllocator._alloc", "do_to_program"),
    "tinygrad.runtime.support.compiler_llvm": ("CPULLVMCompiler",),
    "tinygrad.engine.realize": ("capturing", "runtime_cache"),
    "tinygrad.renderer": ("Estimates",),
    "tinygrad.uop.ops": ("UOp", "Ops", "KernelInfo", "ProgramInfo"),
}
_TRIPLES = {"x86_64": "x86_64-none-unknown-elf", "arm64": "aarch64-none-unknown-elf"}


def require_hooks() -> None:
    """Raise one RuntimeError that names every private part of tinygrad that is missing."""
    missing = []
    for name, attributes in _HOOKS.items():
        try:
            module = importlib.import_module(name)
        except ImportError:
            missing.append(name)
            continue
        missing += [f"{name}.{attribute}" for attribute in attributes if not _has(module, attribute)]
    if missing:
        raise RuntimeError(
            f"tinygrad {version('tinygrad')} lacks what biosig's CPU backend builds on ({', '.join(missing)}); {REMEDY}"
        )


def _has(module: Any, dotted: str) -> bool:
    """Whether a module has an attribute, or the attribute of an attribute."""
    for name in dotted.split("."):
        if not hasattr(module, name):
            return False
        module = getattr(module, name)
    return True


class LlvmliteCompiler(tinygrad.device.Compiler):
    """Compile the LLVM text that tinygrad renders into an object file, by llvmlite.

    Parameters
    ----------
    arch : sequence of str
        Architecture, processor and features as tinygrad gives them, such as ``["x86_64", "native"]``.
    """

    def __init__(self, arch, cache_key: str | None = None):
        machine, processor, *features = arch
        if machine not in _TRIPLES:
            raise RuntimeError(
                f"no compiler for processors of type {machine!r} (supported: {', '.join(_TRIPLES)}); "
                "set DEV to another tinygrad device"
            )
        wanted = [f if f.startswith("-") else "+" + f for f in features]
        if processor == "native":
            processor = llvm.get_host_cpu_name()
            wanted.append(llvm.get_host_cpu_features().flatten())
        if machine == "arm64":
            wanted.insert(0, "+reserve-x18")  # the platform keeps this register on macOS and Windows
        flags = ",".join(w for w in wanted if w)
        for part in ("target", "asmprinter", "asmparser"):
            getattr(llvm, f"initialize_native_{part}")()
        self._triple = _TRIPLES[machine]
        self._machine = llvm.Target.from_triple(self._triple).create_target_machine(
            cpu=processor, features=flags, opt=2, reloc="pic", codemodel="default"
        )
        self._tuning = llvm.create_pipeline_tuning_options(speed_level=2)
        self._tuning.loop_vectorization = self._tuning.slp_vectorization = self._tuning.loop_unrolling = True
        digest = hashlib.sha256(f"{processor} {flags}".encode()).hexdigest()[:12]
        super().__init__(cache_key or f"compile_llvmlite_{llvmlite.__version__}_{digest}")

    def compile(self, src: str) -> bytes:
        """Return the object file of one kernel."""
        with compiler_lock:  # so that no child is forked in the middle of it
            try:
                module = llvm.parse_assembly(src)
                module.verify()
            except RuntimeError as error:
                raise tinygrad.device.CompileError(f"llvmlite {llvmlite.__version__}: {error}") from error
            module.triple = self._triple
            module.data_layout = str(self._machine.target_data)
            builder = llvm.create_pass_builder(self._machine, self._tuning)
            builder.getModulePassManager().run(module, builder)
            return self._machine.emit_object(module)

    def compile_cached(self, src: str) -> bytes:
        """Return the object file from the disk cache, or compile where the cache cannot be used."""
        try:
            return super().compile_cached(src)
        except (OSError, sqlite3.Error):  # folder or file not writable, disk full, cache opened by another thread
            return self.compile(src)


_parents_connections: list[Any] = []


def forget_parents_work() -> None:
    """Let a child, forked while another thread was at work in tinygrad, begin without what that thread had begun."""
    from tinygrad.engine.realize import capturing

    capturing.clear()
    gc.enable()  # switched off while a step is compiled
    if (connection := getattr(tinygrad.helpers, "_db_connection", None)) is not None:
        _parents_connections.append(connection)  # closing it here would disturb the parent's
        tinygrad.helpers._db_connection = None


def install() -> None:
    """Put the compiler and the side-by-side slices into tinygrad; call before the CPU device is opened. Idempotent."""
    import tinygrad.runtime.ops_cpu as cpu
    import tinygrad.runtime.support.compiler_llvm as stock
    from tinygrad.helpers import PARALLEL, getenv
    from tinygrad.uop.ops import KernelInfo, Ops, ProgramInfo, UOp

    if getenv("HCQ2"):
        raise RuntimeError("biosig's CPU backend does not run with tinygrad's HCQ2=1; unset HCQ2 and start again")
    if stock.CPULLVMCompiler is LlvmliteCompiler:
        return
    return_only = b"\xc3" if platform.machine().lower() in ("x86_64", "amd64") else b"\xc0\x03\x5f\xd6"

    def never_run(ast: Any, renderer: Any) -> Any:
        name = ast.arg.name
        sources = (UOp(Ops.LINEAR, src=()), UOp(Ops.SOURCE, arg=""), UOp(Ops.BINARY, arg=return_only))
        sink = UOp(Ops.SINK, src=(), arg=KernelInfo(name=name))
        return UOp(Ops.PROGRAM, src=(sink, *sources), arg=ProgramInfo(name=name, target=renderer.target))

    allocate = cpu.CPUAllocator._alloc

    def allocate_privately(self, size: int, options: Any) -> Any:
        if options.external_ptr is not None or not hasattr(mmap, "MAP_PRIVATE"):
            return allocate(self, size, options)
        memory = mmap.mmap(-1, size, flags=mmap.MAP_ANON | mmap.MAP_PRIVATE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        buffer = allocate(self, size, replace(options, external_ptr=address))
        buffer.meta = memory  # lives as long as the buffer
        return buffer

    one_after_another = cpu.CPUProgram.__call__

    def run_program(self, *bufs, global_size=(1, 1, 1), local_size=(1, 1, 1), vals=(), wait=False, timeout=None):
        n = global_size[0]
        if n == 1 or n_threads() == 1 or self.lvp or "core_id" not in self.runtimevars:
            return one_after_another(
                self, *bufs, global_size=global_size, local_size=local_size, vals=vals, wait=wait, timeout=timeout
            )
        start = time.perf_counter()
        words = [ctypes.c_uint64(w or 0) for w in (*[b.va_addr for b in bufs], *vals)]
        slot = self.runtimevars["core_id"]
        # ctypes releases the GIL, so plain threads do
        side_by_side(lambda core: self.fxn(*words[:slot], ctypes.c_uint64(core), *words[slot + 1 :]), n)
        return time.perf_counter() - start if wait else None

    stock.CPULLVMCompiler = LlvmliteCompiler  # type: ignore[misc,assignment]
    cpu.CPUAllocator._alloc = allocate_privately  # type: ignore[method-assign]
    cpu.do_to_program = never_run
    cpu.CPUProgram.__call__ = run_program  # type: ignore[method-assign]
    PARALLEL.value = 0
