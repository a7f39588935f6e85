"""What other devices than a processor's host kernels do, tried on the plain road of a processor."""

from __future__ import annotations

import numpy as np
import pytest
from tinygrad import TinyJit

from biosig.nets import ops
from biosig.nets._backend_random import random_counters, seed_random
from biosig.nets.backend import from_numpy, products_in, spread_over, to_numpy, training_mode
from biosig.nets.parameters import parameter
from biosig.nets.updates import push
from biosig.training import make_config, train_contrastive, train_masked_autoencoder
from biosig.training.loop import TrainingOptions, train

TWO = ("CPU:0", "CPU:1")


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setenv("BIOSIG_HOST_KERNELS", "0")


def values(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def options(**changed):
    return TrainingOptions(**{"steps": 5, "batch_size": 8, "progress": False, "learning_rate": 1e-2} | changed)


def fit(**changed):
    """Train attention and two linear layers to tell the same targets; return the losses and the tensors trained."""
    shapes = [(6, 24), (8, 16), (16,), (16, 3), (3,)]
    with spread_over(changed.get("devices")):
        qkv, *mlp = parameters = [parameter(0.3 * values(*shape, seed=i)) for i, shape in enumerate(shapes)]

    def objective(x, y):
        told = ops.mlp(ops.attention(ops.linear(x, qkv), 2), *mlp)
        return (told.mean(1) - y).square().mean()

    batch = lambda step: (values(8, 4, 6, seed=step), values(8, 3, seed=99))
    history = train(objective, parameters, batch, options(**changed), 8)
    return np.array(history["loss"]), [to_numpy(t) for t in parameters]


def test_factors_are_rounded_and_sums_are_not(plain):
    x, weight = np.full((2, 3001), 1 + 2**-10, np.float32), np.ones((3001, 3), np.float32)
    with products_in("bfloat16"):
        y = ops.linear(from_numpy(x), from_numpy(weight))
    np.testing.assert_array_equal(to_numpy(y), 3001)  # a sum kept in bfloat16 would not pass 256, nor say 3001
    assert (to_numpy(ops.linear(from_numpy(x), from_numpy(weight))) > 3003).all()


def test_losses_in_bfloat16_stay_near_and_weights_stay_float32(plain):
    exact, _ = fit()
    coarse, parameters = fit(precision="bfloat16")
    assert (exact != coarse).any() and np.ptp(exact) > 0.1 * exact[0]
    np.testing.assert_allclose(coarse, exact, rtol=0.01)
    weights = np.concatenate([values.ravel() for values in parameters])
    assert (weights.view(np.uint32) & 0xFFFF).any()  # bits that bfloat16 does not have
    assert weights.dtype == np.float32


def test_precision_belongs_to_a_checkpoint(plain, tmp_path):
    fit(steps=1, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="precision"):
        fit(steps=1, checkpoint=tmp_path, precision="bfloat16")


def test_host_kernels_refuse_bfloat16_and_name_the_way(monkeypatch):
    monkeypatch.setenv("BIOSIG_HOST_KERNELS", "1")
    with pytest.raises(ValueError, match=r"float32 alone.*DEV"):
        fit(steps=1, precision="bfloat16")
    with pytest.raises(ValueError, match="'float32', 'bfloat16'"):
        options(precision="float16")


def test_two_devices_and_one_have_the_same_losses(plain):
    one, weights = fit()
    two, spread = fit(devices=TWO)
    assert np.ptp(one) > 0.1 * one[0]
    np.testing.assert_allclose(two, one, rtol=1e-5)
    for a, b in zip(spread, weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_a_training_goes_on_with_another_number_of_devices(plain, tmp_path):
    fit(devices=TWO, checkpoint=tmp_path, callback=lambda progress: progress.step == 2)
    went_on, weights = fit(checkpoint=tmp_path)
    never_stopped, expected = fit()
    np.testing.assert_allclose(went_on, never_stopped, rtol=1e-5)
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_each_device_drops_out_its_own_and_runs_repeat(plain):
    def run(counters=None):
        with spread_over(TWO), training_mode():
            seed_random(3, counters)
            draw = TinyJit(lambda x: ops.dropout(x, 0.5).realize())
            draws = [to_numpy(draw(from_numpy(np.ones((4, 64), np.float32), split=True))) for _ in range(4)]
            return draws, random_counters()

    first, counters = run()
    again, _ = run()
    later, _ = run(counters)
    np.testing.assert_array_equal(first, again)
    halves = [half.tobytes() for draw in (*first, *later) for half in (draw[:2], draw[2:])]
    assert len(set(halves)) == len(halves) == 16


def test_rows_of_all_devices_enter_the_queue_of_each(plain):
    rows, old = values(4, 3), values(6, 3, seed=1)
    with spread_over(TWO):
        queue = from_numpy(old)
        push(queue, from_numpy(rows, split=True)).realize()
        np.testing.assert_array_equal(to_numpy(queue), np.concatenate([rows, old[:2]]))
        np.testing.assert_array_equal(to_numpy(queue.to(queue.device[1])), np.concatenate([rows, old[:2]]))


def test_batches_that_cannot_be_shared_out_are_refused(plain):
    x = values(12, 1, 256)
    config = make_config(modality="ppg", n_channels=1, n_samples=256, sampling_rate=64.0)
    with pytest.raises(ValueError, match=r"9 windows a step.*2 devices.*multiple of 2"):
        train_masked_autoencoder(x, config, options=options(batch_size=9, devices=TWO))
    with pytest.raises(ValueError, match=r"6 windows a step.*in pairs.*multiple of 4"):
        train_contrastive(x, config, options=options(batch_size=6, devices=TWO), groups=np.arange(12) // 2)


def test_devices_that_cannot_be_used_are_refused(plain, monkeypatch):
    for wrong, message in [
        (("CPU:0",), "two or more"),
        (("CPU:0", "CPU"), "two or more different"),
        (("CUDA:0", "CUDA:1"), "DEV=CUDA"),
    ]:
        with pytest.raises(ValueError, match=message), spread_over(wrong):
            pass
    monkeypatch.setenv("BIOSIG_HOST_KERNELS", "1")
    with pytest.raises(ValueError, match="n_jobs"):
        fit(devices=TWO)
