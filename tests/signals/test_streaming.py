"""Blocks of a signal against the whole signal at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biosig.signals import ResampleStream, resample
from biosig.signals import _clock as clock

RATES = st.sampled_from([(100.0, 64.0), (32.0, 64.0), (97.3, 64.0), (64.0, 51.723), (64.0, 64.0), (250.0, 16.0)])


def in_blocks(x, rate, target, edges, max_gap=0.5):
    stream = ResampleStream(rate, target, max_gap=max_gap, n_jobs=1)
    parts = [stream.push(x[..., a:b]) for a, b in zip([0, *edges], [*edges, x.shape[-1]], strict=True)]
    parts.append(stream.finish())
    assert stream.n_in == x.shape[-1]
    assert stream.n_out == sum(p.shape[-1] for p in parts)
    return np.concatenate(parts, axis=-1), stream


@given(RATES, st.integers(1, 3000), st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]))
def test_blocks_give_the_same_bits_as_one_pass(rates, n, seed, dtype):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, n)).astype(dtype)
    for row in x:
        for _ in range(int(rng.integers(0, 6))):
            begin = int(rng.integers(0, n))
            row[begin : begin + int(rng.choice([1, 5, 20, 100, 400]))] = np.nan
    edges = sorted(rng.integers(0, n + 1, size=int(rng.integers(0, 8))).tolist())
    max_gap = float(rng.choice([0.0, 0.2, 0.5, 2.0]))
    whole = resample(x, target_rate=rates[1], sampling_rate=rates[0], max_gap=max_gap)
    joined, stream = in_blocks(x, *rates, edges, max_gap)
    assert joined.dtype == dtype
    np.testing.assert_array_equal(joined, whole)
    assert stream.valid == pytest.approx(np.isfinite(x).mean())


def test_infinite_max_gap_waits_for_the_end():
    x = np.sin(np.arange(2000) / 30)
    x[500:1500] = np.nan
    joined, _ = in_blocks(x, 100.0, 64.0, [700, 1600], math.inf)
    np.testing.assert_array_equal(joined, resample(x, target_rate=64, sampling_rate=100, max_gap=math.inf))
    assert np.isfinite(joined).all()


@pytest.mark.parametrize(("rate", "target"), [(100.0, 64.0), (97.31234, 64.0)])
def test_long_rows_are_computed_in_pieces_with_the_same_bits(monkeypatch, rate, target):
    x = np.random.default_rng(0).normal(size=(2, 9000))
    x[0, 2000:2030] = x[0, 4000:4100] = np.nan
    whole = resample(x, target_rate=target, sampling_rate=rate)
    monkeypatch.setattr(clock, "PIECE", 701)
    np.testing.assert_array_equal(resample(x, target_rate=target, sampling_rate=rate), whole)


def test_the_state_stays_small():
    stream = ResampleStream(100, 64)
    for _ in range(50):
        stream.push(np.zeros((3, 1000), np.float32))
    assert stream._kept.shape[1] < 1000
    assert stream.n_out > 64 * 490


def test_bad_input():
    stream = ResampleStream(100, 64)
    with pytest.raises(ValueError, match="received no samples"):
        stream.finish()
    assert math.isnan(stream.valid)
    assert stream.push(np.empty((3, 0))).shape == (3, 0)
    stream.push(np.zeros((3, 10)))
    for block in (np.zeros((2, 10)), np.zeros((3, 10), np.float32), np.zeros(10)):
        with pytest.raises(ValueError, match="the first one had"):
            stream.push(block)
    assert stream.finish().shape == (3, 6)
    assert stream.finish().shape == (3, 0)
    with pytest.raises(ValueError, match="is finished"):
        stream.push(np.zeros((3, 10)))
    with pytest.raises(ValueError, match="target_rate is nan"):
        ResampleStream(100, np.nan)
    with pytest.raises(ValueError, match="max_gap is -1"):
        ResampleStream(100, 64, max_gap=-1)
