"""The signal kernels against their slow twins."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.signal
from biosig_kernels.envelopes import envelope_rows
from biosig_kernels.filtering import LANES, LONG, filter_rows
from biosig_kernels.gaps import bridge_gaps, bridge_rows
from biosig_kernels.resampling import grid_rows, mark_measured, nearest_sample, resample_rows
from biosig_kernels.spectra import pulse_rows, taper_rows
from biosig_kernels.timestamps import is_even, is_sorted, regular_spacing
from hypothesis import given
from hypothesis import strategies as st

from biosig.signals._clock import ATTENUATION, PASS_EDGE, interpolator
from biosig.signals.envelope import _filter_bank
from biosig.signals.filters import _design
from tests.naive import signals as twin

SAMPLES = st.lists(st.one_of(st.just(np.nan), st.just(np.inf), st.floats(-1e6, 1e6, width=32)), min_size=1, max_size=30)


@given(SAMPLES, st.integers(0, 6))
def test_gaps(samples, max_gap):
    row = np.array(samples)
    filled, missing = np.empty_like(row), np.empty(row.size, np.bool_)
    assert bridge_gaps(row, float(max_gap), filled, missing) == np.isfinite(row).sum()
    wanted, lost = twin.bridge_gaps(row, max_gap)
    np.testing.assert_allclose(filled, wanted, rtol=1e-9, atol=1e-6)
    np.testing.assert_array_equal(missing, lost)


def test_gap_levels():
    rows = np.array([[1, np.nan, 3, 4], [5, 5, 5, 5], [np.nan] * 4, [1e6, 1e6 + 0.5, 1e6, 1e6]], np.float32)
    filled, missing, levels = np.empty_like(rows), np.empty(rows.shape, np.bool_), np.empty((4, 2))
    bridge_rows(rows, filled, missing, levels, 0, 4)
    np.testing.assert_allclose(levels, [[0.25, 0], [0, 1], [1, 1], [0, 1]])
    np.testing.assert_allclose(filled[0], [1, 2, 3, 4])


RATIOS = [(32.0, 64.0, 0.0), (100.0, 64.0, 2.0), (100.0, 64.0, 2.37), (51.7321, 64.0, 0.37), (64.0, 64.0, 0.25)]


@pytest.mark.parametrize(("rate", "target", "first"), RATIOS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_resample(rate, target, first, dtype):
    x = np.random.default_rng(0).normal(size=(2, 150)).astype(dtype)
    how = interpolator(rate, target, first, np.dtype(dtype))
    n_out = int(140 * target / rate)
    out = np.empty((2, n_out), dtype)
    resample_rows(x, 0, how.clock, how.table, 0.0, 0, out, 1, 2)
    positions = first + rate / target * np.arange(n_out)
    wanted = twin.resample(x[1].astype(float), positions, target / rate, ATTENUATION, PASS_EDGE)
    np.testing.assert_allclose(out[1], wanted, atol=1e-5)
    nearest = [nearest_sample(how.clock, j) for j in range(n_out)]
    np.testing.assert_array_equal(nearest, np.floor(positions + 0.5))


@pytest.mark.parametrize(("rate", "target"), [(2.0, 4.0), (100.0, 64.0), (51.7321, 64.0)])
def test_resample_parts_rows_at_long_gaps(rate, target):
    x = np.random.default_rng(0).normal(size=300)
    x[:3] = x[40:42] = x[100:160] = x[170:181] = x[296:] = np.nan
    how = interpolator(rate, target, 0.0, np.dtype(np.float64))
    n_out = int(300 * target / rate)
    out = np.empty((1, n_out))
    resample_rows(x[None], 0, how.clock, how.table, 5.0, 0, out, 0, 1)
    positions = rate / target * np.arange(n_out)
    wanted = np.full(n_out, np.nan)
    bridged, _ = twin.bridge_gaps(x, 5)
    for a, b in ((3, 100), (160, 170), (181, 296)):
        here = (np.floor(positions + 0.5) >= a) & (np.floor(positions + 0.5) < b)
        wanted[here] = twin.resample(bridged[a:b], positions[here] - a, target / rate, ATTENUATION, PASS_EDGE)
    np.testing.assert_allclose(out[0], wanted, atol=1e-5)
    measured = np.empty(n_out, np.bool_)
    mark_measured(x[None], 0, how.clock, 0, measured)
    nearest = np.floor(positions + 0.5).astype(int)
    np.testing.assert_array_equal(measured, np.isfinite(np.append(x, np.nan)[np.minimum(nearest, 300)]))


@given(st.lists(st.floats(0, 5), min_size=2, max_size=30))
def test_timestamps(gaps):
    times = np.cumsum(gaps)
    assert is_sorted(times)
    assert is_sorted(times[::-1]) == (times[0] == times[-1])
    spacing = np.diff(times)
    inside = spacing[(spacing > 0.5) & (spacing < 1.5)]
    total, count = regular_spacing(times, 0.5, 1.5)
    assert count == inside.size
    np.testing.assert_allclose(total, inside.sum(), atol=1e-9)
    apart = np.abs(times - times[0] - np.arange(times.size) / 2)
    assert is_even(times, 2.0, 1.0) == (apart < 0.5).all()


@given(st.integers(0, 2**32 - 1))
def test_grid(seed):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.choice([0.01, 0.02, 0.03, 0.2, 1.0], size=25, p=[0.2, 0.5, 0.2, 0.07, 0.03]))
    x = rng.normal(size=(1, 25))
    x[0, rng.random(25) < 0.1] = np.nan
    wanted = times[0] - 0.0537 + 0.02 * np.arange(60)
    out = np.empty((1, 60))
    grid_rows(times, x, wanted[0] - 0.06, 0.02, 0.035, 0.5, 3, out, 0, 1)
    np.testing.assert_allclose(out[0], twin.grid(times, x[0], wanted, 0.02, 0.035, 0.5), atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_filter(dtype):
    sos, states, pad, warm = _design("bandpass", (0.5, 8.0), 3, 64.0)
    x = (np.random.default_rng(0).normal(size=(LANES + 3, 120)) + 4).astype(dtype)
    x[4, 50] = np.nan  # its whole block goes row by row
    x[7] = np.nan
    out = np.empty_like(x)
    filter_rows(x, sos, states, pad, warm, out, 0, len(x))
    for row in (0, 3, LANES + 2):
        wanted = twin.filter_both_ways(x[row].astype(float), sos, pad)
        np.testing.assert_allclose(out[row], wanted, atol=1e-6 if dtype == np.float32 else 1e-11)
    for part in (slice(0, 50), slice(51, 120)):
        wanted = twin.filter_both_ways(x[4, part].astype(float), sos, pad)
        np.testing.assert_allclose(out[4, part], wanted, atol=1e-5)
    assert np.isnan(out[4, 50])
    assert np.isnan(out[7]).all()
    assert np.isfinite(out[[0, 1, 2, 3, 5, 6, 8]]).all()


def test_filter_of_blocks_and_of_single_rows_agree():
    sos, states, pad, warm = _design("highpass", (0.5,), 4, 64.0)
    x = np.random.default_rng(1).normal(size=(2 * LANES, 200))
    together, apart = np.empty_like(x), np.empty_like(x)
    filter_rows(x, sos, states, pad, warm, together, 0, len(x))
    broken = np.concatenate([x, np.full((len(x), 1), np.nan)], axis=1)
    out = np.empty_like(broken)
    filter_rows(broken, sos, states, pad, warm, out, 0, len(x))
    apart[:] = out[:, :-1]
    np.testing.assert_allclose(together, apart, atol=1e-12)
    assert LONG > 64 * 60 * 10  # ten-minute windows still go side by side


@pytest.mark.parametrize("holes", [[], [100], [40_000, 80_000, 80_010]])
def test_filter_of_long_rows_in_pieces(holes):
    sos, states, pad, warm = _design("highpass", (0.5,), 4, 64.0)
    n = 2 * LONG + 321
    x = 1 + np.random.default_rng(2).normal(size=(2, n)).cumsum(axis=1) / 10
    x[0, holes] = np.nan
    out = np.empty_like(x)
    filter_rows(x, sos, states, pad, warm, out, 0, 2)
    edges = [-1, *holes, n]
    for a, b in itertools.pairwise(edges):
        if b - a - 1 > pad:
            # The start of a recursion is forgotten, so a plain one-pass filter of the stretch is the twin.
            wanted = scipy.signal.sosfiltfilt(sos, x[0, a + 1 : b])
            np.testing.assert_allclose(out[0, a + 1 : b], wanted, atol=1e-9)
        else:
            assert np.isnan(out[0, a + 1 : b]).all()
    np.testing.assert_allclose(out[1], scipy.signal.sosfiltfilt(sos, x[1]), atol=1e-9)


def test_filter_short_stretches_are_missing():
    sos, states, pad, warm = _design("highpass", (0.5,), 4, 64.0)
    x = np.ones((1, 60))
    x[0, 30] = x[0, 31 + pad] = np.nan
    out = np.empty_like(x)
    filter_rows(x, sos, states, pad, warm, out, 0, 1)
    assert np.isfinite(out[0, :30]).all()
    assert np.isnan(out[0, 30 : 32 + pad]).all()


def test_envelope():
    bank, lengths = _filter_bank(((1.0, 4.0), (7.0, 11.0)), 64.0)
    x = np.random.default_rng(0).normal(size=(2, 300)).astype(np.float32)
    out = np.empty((2, 2, 75), np.float32)
    envelope_rows(x, bank, lengths, 4.0, 0.01, out, 0, 2)
    for r in range(2):
        for b in range(2):
            part = bank[b, :, : lengths[b]].astype(float)
            wanted = twin.envelope(x[r].astype(float), part[0], part[1], 4.0, 0.01, 75)
            np.testing.assert_allclose(out[r, b], wanted, rtol=1e-4, atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.sampled_from([640, 1280]))
def test_pulse(seed, n):
    rng = np.random.default_rng(seed)
    t = np.arange(n) / 64
    f = rng.uniform(0.6, 3.5)
    row = np.sin(2 * np.pi * f * t) + rng.uniform(0, 1) * np.sin(4 * np.pi * f * t) + rng.normal(size=n) + 0.3 * t
    rows = row[None].astype(np.float32)
    tapered = np.empty_like(rows)
    taper_rows(rows, np.hanning(n).astype(np.float32), tapered, 0, 1)
    concentration, rate = np.empty(1), np.empty(1)
    spectrum = np.fft.rfft(tapered).astype(np.complex64)
    pulse_rows(spectrum, 64 / n, 0.5, 8.0, 0.5, 4.0, 0.2, concentration, rate, 0)
    wanted = twin.pulse(row, 64, (0.5, 8.0), (0.5, 4.0), 0.2)
    np.testing.assert_allclose([concentration[0], rate[0]], wanted, rtol=1e-3)
