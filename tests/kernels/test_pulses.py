"""Elgendi's detector and the likeness of pulses against their slow twins."""

from __future__ import annotations

import numpy as np
import pytest
from biosig_kernels import beats as beat_kernels
from biosig_kernels import peak_choice
from biosig_kernels import pulses as kernel
from hypothesis import given
from hypothesis import strategies as st

from tests.naive import pulses as twin


def pulse_wave(rate, seconds, noise=0.02, seed=3):
    t = np.arange(int(rate * seconds)) / rate
    y = np.sin(2 * np.pi * 1.3 * t) + 0.4 * np.sin(4 * np.pi * 1.3 * t + 1)
    return (y + noise * np.random.default_rng(seed).normal(size=t.size)).astype(np.float32)


def elgendi(y, rate):
    beats, counts = np.empty((1, y.size)), np.empty(1, np.int64)
    kernel.elgendi_rows(y[None], np.zeros((1, y.size), bool), rate, beat_kernels.UPSLOPE, beats, counts, 0, 1)
    assert np.isnan(beats[0, counts[0] :]).all()
    return beats[0, : counts[0]]


@pytest.mark.parametrize(("rate", "seconds"), [(20.0, 9.0), (64.0, 13.0), (125.0, 7.0)])
def test_elgendi(rate, seconds):
    y = pulse_wave(rate, seconds)
    wanted = twin.elgendi(y.astype(float), rate, "upslope", peak_choice.LONGEST_RISE)
    assert wanted.size >= 1.3 * seconds - 2
    np.testing.assert_allclose(elgendi(y, rate), wanted, atol=1e-4)


@given(st.integers(0, 2**32 - 1), st.integers(2, 300))
def test_elgendi_on_noise(seed, n):
    y = np.random.default_rng(seed).normal(size=n).cumsum().astype(np.float32)
    wanted = twin.elgendi(y.astype(float), 20.0, "upslope", peak_choice.LONGEST_RISE)
    np.testing.assert_allclose(elgendi(y, 20.0), wanted, atol=1e-4)


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.floats(0, 1))
def test_likeness(seed, n_beats, noise):
    y = pulse_wave(64.0, 10.0, noise, seed)
    beats = 0.4 + np.arange(n_beats) / 1.3
    found = np.empty((1, n_beats))
    kernel.template_rows(y[None], 64.0, beats[None], found, 0, 1)
    wanted = twin.likeness(y.astype(float), 64.0, beats, kernel.TEMPLATE, kernel.BEFORE)
    np.testing.assert_allclose(found[0], wanted, atol=1e-6)


def test_a_spoiled_pulse_is_unlike_the_others():
    y = pulse_wave(64.0, 20.0)
    beats = 0.4 + np.arange(24) / 1.3
    at = int(64 * beats[10])
    y[at - 10 : at + 25] = np.random.default_rng(0).normal(size=35)
    found = np.empty((1, 24))
    kernel.template_rows(y[None], 64.0, beats[None], found, 0, 1)
    assert int(np.nanargmin(found[0])) in (9, 10, 11)
    assert found[0, 10] < 0.7 < np.nanmedian(found[0])
