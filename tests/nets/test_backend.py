"""The door to tinygrad: without a compiler, without a home, with tinygrad loaded before, with parts missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tinygrad import Tensor, TinyJit

from biosig.nets import _backend_compiler, backend

TRAIN = """
import json
import numpy as np
from biosig.nets import backend, MaskedAutoencoderNet, AdamW, encoder_config
from biosig.nets.parameters import named_parameters
from tinygrad import TinyJit
config = encoder_config("conv", n_channels=1, n_samples=64, sampling_rate=16, widths=[8], depths=[1])
net = MaskedAutoencoderNet(config, 0)
optimiser = AdamW(list(named_parameters(net).values()), clip_norm=1.0)
rng = np.random.default_rng(0)
order = rng.permuted(np.tile(np.arange(net.n_patches, dtype=np.int32), (4, 1)), axis=1)
x, visible, hidden = rng.standard_normal((4, 1, 64), np.float32), order[:, :net.n_visible], order[:, net.n_visible:]
rate = backend.from_numpy(np.array([1e-2], np.float32))
@TinyJit
def step(x, visible, hidden):
    optimiser.zero_grad()
    loss = net.loss(x, visible, hidden)
    loss.backward()
    return loss.realize(*optimiser.schedule_step(rate))
with backend.training_mode():
    losses = [step(*map(backend.from_numpy, (x, visible, hidden))).item() for _ in range(4)]
print(json.dumps([losses, backend.describe()]))
"""


def python(code, **environment):
    """Run code in a fresh interpreter with these environment variables alone; return it finished."""
    kept = {k: v for k, v in os.environ.items() if k in ("PYTHONPATH", "SYSTEMROOT", "TMPDIR", "NUMBA_DISABLE_JIT")}
    return subprocess.run(
        [sys.executable, "-c", code], env={**kept, **environment}, capture_output=True, text=True, timeout=300
    )


def losses_of(done):
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    return losses_of(python(TRAIN, PATH=os.environ["PATH"], HOME=str(home)))


def test_trains_without_any_program_on_the_path(usual, tmp_path):
    losses, described = losses_of(python(TRAIN, PATH="", HOME=str(tmp_path)))
    assert losses == usual[0]
    assert losses[-1] < losses[0]
    assert described["device"] == "CPU" and described["compiler"] == "LlvmliteCompiler" and described["host_kernels"]


def test_trains_without_a_writable_home(usual, tmp_path):
    not_a_folder = tmp_path / "file"
    not_a_folder.write_text("")
    caches = {"HOME": str(not_a_folder), "XDG_CACHE_HOME": str(not_a_folder / "cache")}
    losses, _ = losses_of(python(TRAIN, PATH="", **caches))
    assert losses == usual[0]


def test_respects_a_tinygrad_that_was_loaded_before(usual, tmp_path):
    before = "import tinygrad\n"
    losses, _ = losses_of(python(before + TRAIN, PATH="", HOME=str(tmp_path)))
    assert losses == usual[0]


def test_another_device_runs_the_plain_operations(tmp_path):
    code = """
import numpy as np
from biosig.nets import backend, build_encoder, encoder_config
config = encoder_config("conv", n_channels=1, n_samples=16, sampling_rate=16, widths=[4], depths=[1])
x = np.sin(np.arange(16, dtype=np.float32)).reshape(1, 1, 16)
out = backend.to_numpy(build_encoder(config, 0)(backend.from_numpy(x)))
import json
print(json.dumps([out.tolist(), backend.describe()]))
"""
    here, usual = losses_of(python(code, PATH="", HOME=str(tmp_path)))
    there, described = losses_of(python(code, PATH="", HOME=str(tmp_path), DEV="PYTHON"))  # tinygrad's emulator
    np.testing.assert_allclose(there, here, atol=1e-4)
    assert usual["host_kernels"]
    assert described["device"] == "PYTHON" and not described["host_kernels"]


def test_an_unusable_device_gives_one_error_with_the_remedy(tmp_path):
    done = python("import biosig.nets.backend", PATH="", HOME=str(tmp_path), DEV="CPU:NOSUCH")
    assert done.returncode != 0
    message = done.stderr.strip().splitlines()[-1]
    for part in ("RuntimeError", "CPU", "NOSUCH", "tinygrad 0.", "Unset the environment variable DEV"):
        assert part in message


def test_second_command_queue_is_refused(tmp_path):
    done = python("import biosig.nets.backend", PATH="", HOME=str(tmp_path), HCQ2="1")
    assert done.returncode != 0 and "unset HCQ2" in done.stderr


def test_missing_private_parts_are_all_named(monkeypatch):
    import tinygrad.engine.realize
    import tinygrad.runtime.ops_cpu

    monkeypatch.delattr(tinygrad.engine.realize, "runtime_cache")
    monkeypatch.delattr(tinygrad.runtime.ops_cpu, "do_to_program")
    with pytest.raises(RuntimeError, match=r"runtime_cache.*install") as caught:
        _backend_compiler.require_hooks()
    assert "tinygrad.runtime.ops_cpu.do_to_program" in str(caught.value)


def test_describe_can_be_printed_as_json():
    described = json.loads(json.dumps(backend.describe()))
    assert {"device", "compiler", "tinygrad", "llvmlite", "llvm", "threads", "host_kernels"} == described.keys()
    assert described["threads"] == backend.n_threads() >= 1


def double(out, x):
    out[...] = 2 * x


def double_backward(dx, g):
    dx[...] = 2 * g


def shift(total, x, by):
    total += x.sum() + by


def test_host_call_value_gradient_and_reuse():
    def twice(x):
        def gradient(g, inputs):
            return backend.host_call(double_backward, [(3,)], [g])

        return backend.host_call(double, [(3,)], [x], gradient=gradient)[0]

    x = backend.from_numpy(np.arange(3, dtype=np.float32)).is_param_(True)
    y = twice(twice(x) + 1)
    (y * y).sum().backward()
    np.testing.assert_array_equal(y.numpy(), 4 * np.arange(3) + 2)
    np.testing.assert_array_equal(x.grad.numpy(), 8 * (4 * np.arange(3) + 2))


def test_host_call_overwrites_in_place_inside_jit():
    total = backend.from_numpy(np.zeros(1, np.float32))
    step = TinyJit(lambda x: backend.host_call(shift, [], [x], overwrites=[total], options=(0.5,))[0].realize())
    for i in range(5):
        step(backend.from_numpy(np.full(4, i, np.float32)))
    assert backend.to_numpy(total)[0] == 4 * (0 + 1 + 2 + 3 + 4) + 5 * 0.5


def subtract(weight, gradient):
    weight -= gradient


@pytest.mark.parametrize("shape", [(6,), (6, 5), (2, 3, 4), (1,)])
def test_host_call_overwrites_what_others_read_in_the_same_realisation(shape):
    weight = backend.from_numpy(np.ones(shape, np.float32))
    loss, gradient = (weight * weight).sum(), weight * 2
    (changed,) = backend.host_call(subtract, [], [gradient], overwrites=[weight])
    loss.realize(changed)
    assert loss.item() == np.prod(shape)  # calculated before the overwriting
    np.testing.assert_array_equal(backend.to_numpy(weight), np.full(shape, -1))
    np.testing.assert_array_equal(backend.to_numpy(changed), np.full(shape, -1))


def test_host_call_overwrites_realised_tensors_only():
    x = backend.from_numpy(np.ones((4, 2), np.float32))
    for lazy in (x + 1, x[:2]):
        with pytest.raises(ValueError, match="whole buffer"):
            backend.host_call(subtract, [], [lazy], overwrites=[lazy])


def test_from_numpy_owns_its_values():
    a = np.ones(3, np.float32)
    t = backend.from_numpy(a)
    a[:] = 7
    b = backend.to_numpy(t)
    np.testing.assert_array_equal(b, 1)
    b[:] = 9
    np.testing.assert_array_equal(backend.to_numpy(t), 1)


def test_other_threads_may_use_the_nets_under_the_lock():
    found = []

    def work(i):
        with backend.lock:
            found.append(int((Tensor(np.full(100 + i, i, np.float32)) * 2 + i).sum().item()) == 3 * i * (100 + i))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [True] * 6


def test_blas_setting_of_the_user_comes_back():
    from threadpoolctl import threadpool_info

    before = [i["num_threads"] for i in threadpool_info()]
    backend.host_call(double, [(3,)], [backend.from_numpy(np.ones(3, np.float32))])[0].realize()
    assert [i["num_threads"] for i in threadpool_info()] == before


def test_private_tinygrad_stays_behind_the_door():
    folder = Path(backend.__file__).parents[1]
    private = ("tinygrad.engine", "tinygrad.runtime", "tinygrad.uop", "tinygrad.device", "tinygrad.renderer")
    for path in folder.rglob("*.py"):
        if path.name not in ("backend.py", "_backend_compiler.py"):
            assert not any(name in path.read_text(encoding="utf-8") for name in private), path


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint32, np.float64, np.uint8])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (4, 3, 2)])
def test_arrays_of_any_kind_and_order_become_tensors_of_their_own(dtype, shape):
    x = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    tensor, turned = backend.from_numpy(x), backend.from_numpy(x.T)
    expected = x.copy()
    np.add(x, 1, out=x, casting="unsafe")  # NumPy 1 promotes arrays without dimensions
    np.testing.assert_array_equal(backend.to_numpy(tensor), expected)
    np.testing.assert_array_equal(backend.to_numpy(turned), expected.T)
    assert backend.to_numpy(tensor).dtype == dtype
