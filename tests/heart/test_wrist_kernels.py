"""The kernels for heart rate from wrist motion against their slow twins."""

from __future__ import annotations

import numpy as np
import pytest
from biosig_kernels import wrist, wrist_rates
from scipy.signal import hilbert

from biosig.heart.wrist_carrier import RECIPES, design, pulse_carrier
from biosig.heart.wrist_rates import find_bins
from tests.naive import wrist as naive

KINDS = {wrist.NORM: "norm", wrist.EACH: "each", wrist.JERK: "jerk"}


def pieces_of(x, d, kind, per_piece):
    n_out = (x.shape[2] - 1) // d.step + 1
    out = np.full((len(x), 3 if kind == wrist.EACH else 1, n_out), np.nan)
    per_piece = min(per_piece, n_out)
    groups = -(-len(x) * -(-n_out // per_piece) // wrist.LANES)
    arguments = (d.margin, d.average, d.sos, d.states, d.hilbert, d.lowpass, d.step, kind, out)
    for group in range(groups):
        wrist.carrier_groups(x, per_piece, *arguments, group, group + 1)
    return out


@pytest.mark.parametrize("method", list(RECIPES))
@pytest.mark.parametrize(("rate", "per_piece"), [(25.0, 7), (50.0, 200), (100.0, 31)])
def test_carrier_is_that_of_its_twin_in_any_pieces(method, rate, per_piece):
    rng = np.random.default_rng(1)
    recipe = RECIPES[method]
    d = design(recipe, rate)
    x = (rng.normal(0, 0.01, (2, 3, 170)) + rng.normal(0, 0.6, (2, 3, 1))).astype(np.float32)
    found = pieces_of(x, d, recipe.kind, per_piece)
    for record, got in zip(x, found, strict=True):
        wanted = naive.carrier(
            record,
            d.margin,
            d.average,
            d.sos.astype(float),
            d.states.astype(float),
            d.hilbert,
            d.lowpass,
            d.step,
            KINDS[recipe.kind],
            got.shape[1],
        )
        # Pieces begin their filters elsewhere, in float32.
        np.testing.assert_allclose(got, wanted, atol=2e-4 * wanted.max())


def test_envelope_is_that_of_the_analytic_signal():
    rate = 64.0
    d = design(RECIPES["pwr"], rate)
    t = np.arange(1280) / rate
    wave = (1 + 0.4 * np.sin(2 * np.pi * t)) * np.sin(2 * np.pi * 8.3 * t)
    work = np.repeat(wave[:, None].astype(np.float32), wrist.LANES, axis=1)
    out = np.empty_like(work)
    wrist._envelope(work, d.hilbert, out)
    wanted = np.abs(hilbert(wave))
    np.testing.assert_allclose(out[200:-200, 3], wanted[200:-200], atol=5e-3)


def test_what_lies_between_the_rates_does_not_fold_into_the_pulse():
    rate = 100.0
    d = design(RECIPES["nightbeat"], rate)
    frequencies = np.linspace(0, 50, 2001)
    k = np.arange(1, d.lowpass.size)
    gain = np.abs(d.lowpass[0] + 2 * np.cos(2 * np.pi * np.outer(frequencies, k) / rate) @ d.lowpass[1:])
    carrier_rate = rate / d.step
    assert 20 * np.log10(gain[frequencies >= carrier_rate - 5.2].max()) < -55
    assert np.abs(gain[frequencies <= 5.0] - 1).max() < 0.01


def test_pieces_and_threads_change_nothing():
    x = np.random.default_rng(2).normal(0, 0.01, (1, 3, 20000)).astype(np.float32)
    one, _, _ = pulse_carrier(x, 50.0, RECIPES["nightbeat"], n_jobs=1)
    three, _, _ = pulse_carrier(x, 50.0, RECIPES["nightbeat"], n_jobs=3)
    np.testing.assert_array_equal(one, three)
    whole = pieces_of(x, design(RECIPES["nightbeat"], 50.0), wrist.NORM, 5000)
    cut = pieces_of(x, design(RECIPES["nightbeat"], 50.0), wrist.NORM, 77)
    np.testing.assert_allclose(whole, cut, rtol=1e-4)


def test_spread_is_that_of_its_twin():
    rng = np.random.default_rng(3)
    x = (rng.normal(0, 0.02, (2, 3, 95)) + 1.0).astype(np.float32)
    x[0, 1, 20:24] = np.nan
    x[1, 2, 40:58] = np.inf
    edges = np.array([0, 20, 40, 60, 95])
    out = np.empty((2, 4, 2))
    wrist.spread_rows(x, edges, out, 0, 8)
    for r in range(2):
        for s in range(4):
            np.testing.assert_allclose(out[r, s], naive.spread(x[r, :, edges[s] : edges[s + 1]]), rtol=1e-4)
    assert np.isnan(out[1, 2, 0])


def test_levels_are_those_of_their_twin():
    spreads = np.random.default_rng(8).uniform(size=(2, 12, 2))
    spreads[0, 3, 0] = spreads[1, 5:9, 0] = np.nan
    records, begins, ends = np.array([0, 0, 1, 1, 1]), np.array([0, 2, 1, 5, 11]), np.array([4, 12, 9, 9, 12])
    out = np.full((6, 2), -1.0)
    for start, stop in ((0, 2), (2, 5)):
        wrist.level_windows(spreads, records, begins, ends, out, start, stop)
    for w in range(5):
        np.testing.assert_allclose(out[w], naive.level(spreads[records[w], begins[w] : ends[w]]), rtol=1e-12)
    assert np.isnan(out[3, 0])
    assert (out[5] == -1.0).all()


@pytest.mark.parametrize("limit", [0.0, 3.0])
def test_tapered_windows_are_those_of_their_twin(limit):
    rng = np.random.default_rng(4)
    carrier = rng.normal(0, 1, (2, 60)) ** 3 + 5
    carrier[1, 30:] = 7.0
    carrier[0, 50] = np.nan
    taper = np.hanning(22)[1:-1].astype(np.float32)
    rows, firsts, scale = np.array([0, 0, 1, 1, 0]), np.array([0, 13, 5, 35, 40]), np.array([8.0, 9.0])
    out = np.empty((3, 20), np.float32)
    for start in (0, 2):
        wrist_rates.taper_windows(carrier, scale, rows, firsts, taper, limit, out, start, start + 3)
        for w in range(start, start + 3):
            window = carrier[rows[w], firsts[w] : firsts[w] + 20]
            np.testing.assert_allclose(out[w - start], naive.tapered(window, scale[rows[w]], taper, limit), atol=1e-6)
    assert not out[1].any()  # flat
    assert not out[2].any()  # a missing sample


def test_powers_are_shares():
    spectrum = np.fft.rfft(np.random.default_rng(5).normal(size=(3, 40))).astype(np.complex64)
    spectrum[1] = 0
    out = np.full((5, 12), np.nan, np.float32)
    wrist_rates.power_rows(spectrum, out, 2)
    wanted = np.abs(spectrum[:, :12]) ** 2
    np.testing.assert_allclose(out[[2, 4]], wanted[[0, 2]] / wanted[[0, 2]].sum(axis=1, keepdims=True), rtol=1e-5)
    assert not out[3].any()


def test_peaks_confidence_and_evidence_are_those_of_their_twins():
    rng = np.random.default_rng(6)
    power = (rng.exponential(size=(40, 50)) * rng.uniform(0, 1, (40, 1))).astype(np.float32)
    power[3] = 0
    power[4] = np.linspace(2, 1, 50)
    begin, low, high, reach = 3, 4, 20, 2
    slowest, fastest = 3.7, 20.2
    inside = lambda line, i: naive.is_peak(line, i) and slowest <= naive.vertex(line, i) <= fastest
    rates, confidence = np.empty(40), np.empty(40)
    wrist_rates.peak_rows(power, begin, slowest, fastest, reach, rates, confidence, 0, 40)
    found = np.empty((40, high - low + 1), np.float32)
    wrist_rates.evidence_rows(power, begin, low, reach, found, 0, 40)
    path = rng.integers(0, high - low + 1, 40)
    on_path, trust = np.empty(40), np.empty(40)
    wrist_rates.path_rows(power, begin, low, slowest, fastest, reach, path, on_path, trust, 0, 40)
    for r, line in enumerate(power):
        tops = [i for i in range(low - 1, high + 2) if inside(line, i)]
        if tops:
            best = max(tops, key=lambda i: line[i])
            assert rates[r] == pytest.approx(naive.vertex(line, best), abs=1e-6)
            assert confidence[r] == pytest.approx(naive.confidence(line, begin, best, reach), abs=1e-6)
        else:
            assert np.isnan(rates[r])
            assert np.isnan(confidence[r])
        wanted = [naive.evidence(line, begin, low + c, reach) for c in range(high - low + 1)]
        np.testing.assert_allclose(found[r], wanted, atol=2e-6)
        at = low + path[r]
        around = [i for i in naive.near(line, 1, at, reach) if i < 49 and inside(line, i)]
        at = max(around, key=lambda i: line[i]) if around else at
        place = naive.vertex(line, at) if around else at
        if line.any():
            assert on_path[r] == pytest.approx(place, abs=1e-6)
            assert trust[r] == pytest.approx(naive.confidence(line, begin, at, reach), abs=1e-6)
    assert np.isnan(rates[[3, 4]]).all()
    assert np.isnan(on_path[3])


@pytest.mark.parametrize(("widest", "cost"), [(1, 0.0), (2, 0.05), (4, 0.3), (2, 100.0)])
def test_path_is_the_best_of_all(widest, cost):
    rng = np.random.default_rng(7)
    for _ in range(5):
        evidence = rng.uniform(size=(6, 5)).astype(np.float32)
        path = np.empty(6, np.int64)
        wrist_rates.trace_path(evidence, widest, cost, path)
        _, most = naive.best_path(evidence, widest, cost)
        gained = evidence[np.arange(6), path].sum() - cost * (np.diff(path) ** 2).sum()
        assert np.abs(np.diff(path)).max() <= widest
        assert gained == pytest.approx(most, abs=1e-5)


def test_bins_stay_inside_the_spectrum():
    for n, rate, rates in [(62, 12.5, (0.66, 2.5)), (375, 12.5, (0.66, 2.0)), (750, 20.0, (0.66, 2.5))]:
        bins = find_bins(n, rate, rates)
        assert 1 <= bins.begin <= bins.low < bins.high <= bins.n_bins - 2
        assert bins.n_bins <= bins.size // 2 + 1
        assert rates[0] <= bins.low * bins.width < bins.high * bins.width <= rates[1]
