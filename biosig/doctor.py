"""What this machine can do: the lines that ``biosig doctor`` prints."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path

from biosig import __version__

CORE = (
    "numpy",
    "scipy",
    "numba",
    "llvmlite",
    "scikit-learn",
    "neurokit2",
    "xarray",
    "pandas",
    "tinygrad",
    "tqdm",
    "safetensors",
    "threadpoolctl",
    "matplotlib",
)
GRAPHICS = {"CUDA": "/dev/nvidia0", "AMD": "/dev/kfd"}  # value of DEV, and the node that shows such a GPU on Linux
EXTRAS = {"wfdb": ("wfdb", "WFDB records (PhysioNet)"), "pyarrow": ("parquet", "Parquet tables")}


def examine() -> Iterator[str]:
    """Yield one line per finding; a finding that needs the user's help says what to do."""
    yield _line("biosig", __version__)
    yield _line("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield from _packages()
    yield from _network_device()
    yield _line("other devices", _other_devices())
    yield _line("kernel cache", _kernel_cache())


def _line(name: str, finding: str) -> str:
    return f"{name:<14} {finding}"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _packages() -> Iterator[str]:
    for package in CORE:
        yield _line(package, _version(package) or f"MISSING: pip install {package}")
    for package, (extra, purpose) in EXTRAS.items():
        missing = f"not installed; only needed for {purpose}: pip install 'biosig-wear[{extra}]'"
        yield _line(package, _version(package) or missing)


def _network_device() -> Iterator[str]:
    """Open the device that encoders run on and put a small product through it."""
    try:
        import numpy as np

        from biosig.nets import backend

        findings = backend.describe()
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        with backend.lock:
            product = backend.to_numpy(backend.from_numpy(x) @ backend.from_numpy(x.T))
        findings["self-test"] = "passed" if np.array_equal(product, x @ x.T) else f"FAILED: wrong product {product}"
    except (RuntimeError, OSError, ImportError, ValueError) as error:
        findings = {"device": f"FAILED: {' '.join(str(error).split())}"}
    for name, finding in findings.items():
        yield _line(name, str(finding))
    if "host_kernels" in findings:
        road = "BLAS and Numba, float32" if findings["host_kernels"] else "plain tinygrad operations"
        yield _line("nets run on", f"{findings['device']}, by {road}")


def _other_devices() -> str:
    """Return which graphics processors show themselves, and what to set for nets to run there; none is opened."""
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    found = [name for name, node in GRAPHICS.items() if Path(node).exists()] + ["METAL"] * apple
    if not found:
        return "no GPU seen; with one, set the environment variable DEV: CUDA (NVIDIA), AMD or METAL (Apple)"
    if os.environ.get("DEV", "").split(":")[0] in found:
        return f"{', '.join(found)} seen, chosen by DEV; unset DEV for the processor"
    return f"{', '.join(found)} seen; to train there set the environment variable DEV={found[0]}"


def _kernel_cache() -> str:
    """Return where compiled kernels are kept between runs."""
    import biosig_kernels

    chosen = os.environ.get("NUMBA_CACHE_DIR")
    for folder in (chosen, str(Path(biosig_kernels.__file__).parent), str(Path.home() / ".cache")):
        if folder and _writable(Path(folder)):
            return f"in {folder}"
    return "none can be written: kernels are compiled in each process; set NUMBA_CACHE_DIR to a writable folder"


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
