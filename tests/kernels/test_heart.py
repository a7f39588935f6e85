"""The beat and interval kernels against their slow twins."""

from __future__ import annotations

import numpy as np
import pytest
from biosig_kernels import beats as kernel
from biosig_kernels import peak_choice
from biosig_kernels.intervals import mark_rows, summary_rows
from hypothesis import given
from hypothesis import strategies as st

from tests.naive import heart as twin

KINDS = {
    "peak": kernel.PEAK,
    "onset": kernel.ONSET,
    "upslope": kernel.UPSLOPE,
    "mid_amplitude": kernel.MIDDLE,
}
PARAMETERS = (kernel.SPAN, kernel.OVERLAP, kernel.SLOWEST, kernel.DETECTION_RATE, peak_choice.LONGEST_RISE)


def found_beats(y, rate, kind, missing=None):
    rows = np.atleast_2d(y)
    beats = np.empty((len(rows), rows.shape[1]))
    counts = np.empty(len(rows), np.int64)
    missing = np.zeros(rows.shape, np.bool_) if missing is None else missing
    kernel.beat_rows(rows, missing, rate, KINDS[kind], beats, counts, 0, len(rows))
    assert np.isnan(beats[0, counts[0] :]).all()
    return beats[0, : counts[0]]


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(("rate", "seconds"), [(20.0, 9.0), (64.0, 13.0), (125.0, 7.0)])
def test_beats(kind, rate, seconds):
    rng = np.random.default_rng(3)
    t = np.arange(int(rate * seconds)) / rate
    y = np.sin(2 * np.pi * 1.3 * t) + 0.4 * np.sin(4 * np.pi * 1.3 * t + 1) + 0.02 * rng.normal(size=t.size)
    y = y.astype(np.float32)
    wanted = twin.beats(y.astype(float), rate, kind, *PARAMETERS)
    assert wanted.size >= 0.8 * 1.3 * seconds
    np.testing.assert_allclose(found_beats(y, rate, kind), wanted, atol=1e-4)


@given(st.integers(0, 2**32 - 1), st.integers(2, 300), st.sampled_from(list(KINDS)))
def test_beats_of_noise(seed, n, kind):
    y = np.random.default_rng(seed).normal(size=n).cumsum().astype(np.float32)
    wanted = twin.beats(y.astype(float), 20.0, kind, *PARAMETERS)
    np.testing.assert_allclose(found_beats(y, 20.0, kind), wanted, atol=1e-4)


def test_no_beat_on_a_missing_sample():
    y = np.sin(2 * np.pi * np.arange(640) / 64).astype(np.float32)
    missing = np.zeros((1, 640), np.bool_)
    missing[0, 64 * 4 + 10 : 64 * 4 + 20] = True
    assert len(found_beats(y, 64.0, "peak", missing)) == len(found_beats(y, 64.0, "peak")) - 1


def test_beats_at_given_peaks():
    y = np.sin(2 * np.pi * np.arange(640) / 64).astype(np.float32)
    peaks = np.array([[16, 80, 144, -1]])
    beats, counts = np.empty((1, 10)), np.empty(1, np.int64)
    missing = np.zeros((1, 640), np.bool_)
    kernel.fiducial_rows(y[None], missing, 64.0, kernel.UPSLOPE, peaks, beats, counts, 0, 1)
    assert counts[0] == 2  # the first rise begins before the signal does
    np.testing.assert_allclose(beats[0, :2], [1.0, 2.0], atol=1e-3)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([20.0, 64.0]),
    st.integers(0, 60),
    st.sampled_from([0.0, 1.0, 1e-20, 1e15]),
)
def test_peaks_that_are_beats(seed, rate, n_pulses, scale):
    rng = np.random.default_rng(seed)
    y = np.repeat(rng.choice([0.1, 0.3, 0.6, 1.0, 3.0], size=n_pulses), rng.integers(3, int(rate), size=n_pulses))
    y = np.append(y * rng.normal(1.0, 0.2, size=y.size), np.zeros(5)) * scale
    y = y.astype(np.float32)
    peaks = [i for i in range(1, y.size - 1) if y[i - 1] < y[i] >= y[i + 1] and rng.random() < 0.7]
    kept, room = np.array([*peaks, 0], np.int64), (np.empty(len(peaks) + 1, np.int64), np.empty(len(peaks) + 1))
    n = peak_choice.choose_peaks(y, rate, kept, len(peaks), *room)
    wanted = twin.choose(y.astype(float), rate, peaks, peak_choice.LONGEST_RISE)
    assert kept[:n].tolist() == wanted
    assert room[0][:n].tolist() == twin.feet(y, rate, wanted, peak_choice.LONGEST_RISE)


def summarised(rows):
    good, found = np.empty((1, rows.shape[1] - 1), np.bool_), np.empty((1, 8))
    mark_rows(rows, good, 0, 1)
    summary_rows(rows, good, found, 0, 1)
    return found[0]


@given(st.lists(st.floats(0.15, 2.6), min_size=0, max_size=40), st.floats(0.4, 1.5), st.integers(0, 2**32 - 1))
def test_intervals(odd, middle, seed):
    rng = np.random.default_rng(seed)
    intervals = np.concatenate([middle * rng.normal(1, 0.05, size=40), odd])
    rng.shuffle(intervals)
    times = np.cumsum(np.abs(intervals) + 0.01)
    rows = np.full((1, times.size + 5), np.nan)
    rows[0, : times.size] = times
    np.testing.assert_allclose(summarised(rows), twin.summary(times), rtol=1e-7)


@pytest.mark.parametrize("n_beats", [0, 1, 2, 3])
def test_few_intervals(n_beats):
    times = 0.8 * np.arange(n_beats, dtype=float)
    rows = np.full((1, 4), np.nan)
    rows[0, :n_beats] = times
    np.testing.assert_allclose(summarised(rows), twin.summary(times), atol=1e-12)
