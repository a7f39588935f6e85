"""What a step changes beside the trained parameters, on both roads, inside a compiled step."""

from __future__ import annotations

import numpy as np
import pytest
from tinygrad import Tensor, TinyJit

from biosig.nets import ops
from biosig.nets.backend import from_numpy, to_numpy, training_mode
from biosig.nets.heads import LearnedTemperature
from biosig.nets.optimiser import AdamW
from biosig.nets.parameters import parameter
from biosig.nets.updates import moving_average, push


def test_averages_and_queue_follow_every_compiled_step(road):
    rng = np.random.default_rng(0)
    weight, bias = parameter(rng.standard_normal((3, 4))), parameter(np.zeros(4))
    slow_weight, slow_bias = from_numpy(weight.numpy()), from_numpy(bias.numpy())
    queue = from_numpy(np.zeros((7, 4), np.float32))
    optimiser = AdamW([weight, bias], weight_decay=0.0)
    rate = from_numpy(np.array([0.05], np.float32))

    @TinyJit
    def step(x: Tensor) -> Tensor:
        optimiser.zero_grad()
        assigned = moving_average([slow_weight, slow_bias], [weight, bias], 0.5)
        key = ops.linear(x, slow_weight, slow_bias).detach()  # a host kernel reads what was just averaged
        assigned.append(push(queue, key))
        candidates = queue.detach()
        loss = (ops.linear(ops.linear(x, weight, bias), candidates.transpose(0, 1)) - 1).square().mean()
        loss.backward()
        return loss.realize(*assigned, *optimiser.schedule_step(rate))

    average, expected, losses = [slow_weight.numpy(), slow_bias.numpy()], np.zeros((7, 4)), []
    for i in range(6):
        x = rng.standard_normal((3, 3)).astype(np.float32)
        now = [to_numpy(weight), to_numpy(bias)]
        average = [0.5 * a + 0.5 * b for a, b in zip(average, now, strict=True)]
        expected = np.concatenate([x @ average[0] + average[1], expected[:4]])
        losses.append(np.mean(((x @ now[0] + now[1]) @ expected.T - 1) ** 2))
        with training_mode():
            loss = step(from_numpy(x)).item()
        assert loss == pytest.approx(losses[-1], rel=1e-4), i
        np.testing.assert_allclose(to_numpy(slow_weight), average[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(to_numpy(slow_bias), average[1], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(to_numpy(queue), expected, rtol=1e-4, atol=1e-5)
        assert not np.allclose(to_numpy(weight), now[0], atol=1e-3)


def test_a_full_batch_fills_the_queue(road):
    queue, rows = from_numpy(np.zeros((2, 3), np.float32)), np.arange(6, dtype=np.float32).reshape(2, 3)
    push(queue, from_numpy(rows)).realize()
    np.testing.assert_array_equal(to_numpy(queue), rows)


def test_learned_temperature_starts_where_told_and_keeps_its_bounds():
    temperature = LearnedTemperature(0.04)
    assert float(to_numpy(temperature())[0]) == pytest.approx(0.04, rel=1e-5)
    for value, bound in ((-60.0, 0.01), (60.0, 1.0)):
        temperature.weight.assign(from_numpy(np.array([value], np.float32))).realize()
        assert float(to_numpy(temperature())[0]) == pytest.approx(bound, rel=1e-4)
    with pytest.raises(ValueError, match=r"0\.005"):
        LearnedTemperature(0.005)
