"""Heart rate over a recording of a wrist: found, followed, and not found where there is none."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from biosig.heart import BeatTemplates, track_heart_rate
from biosig.heart.rate_evidence import rate_posterior

RATE = 64.0
REAL = Path(__file__).parents[3] / "shared" / "data" / "embraceplus_meditation"


def beat_times(minutes, rate, rng):
    """Beats at `rate` (beats/min, a function of the minute) whose intervals scatter by 3 %."""
    times, now = [], 0.3
    while now < 60 * minutes:
        times.append(now)
        now += 60 / rate(now / 60) * (1 + 0.03 * rng.normal())
    return np.array(times)


def recording(minutes=12.0, rate=lambda minute: 62 + 0.5 * minute, size=0.006, noise=0.004, seed=0, direction=None):
    """Acceleration (3, n) in g of a wrist at rest, and its beats (s): a beat is below the noise of a sample."""
    rng = np.random.default_rng(seed)
    n = round(60 * minutes * RATE)
    x = np.array([0.2, 0.5, 0.84])[:, None] + noise * rng.normal(size=(3, n))
    beats = beat_times(minutes, rate, rng)
    t = np.arange(n) / RATE
    direction = np.array([0.5, 0.7, -0.5]) if direction is None else direction
    for beat in beats:
        some = slice(max(0, round((beat - 0.1) * RATE)), round((beat + 0.5) * RATE))
        after = t[some] - beat
        wave = np.exp(-0.5 * ((after - 0.05) / 0.07) ** 2) * np.sin(2 * np.pi * 6.5 * after)
        x[:, some] += size * direction[:, None] * wave
    return x.astype(np.float32), beats


def true_rate(beats, starts, length=60.0):
    edges = np.searchsorted(beats, np.stack([starts, starts + length]))
    return np.array([60 / np.diff(beats[low:high]).mean() for low, high in edges.T])


@pytest.fixture(scope="module")
def rest():
    x, beats = recording()
    return x, beats, track_heart_rate(x, RATE)


def test_rates_are_found_and_followed(rest):
    _, beats, table = rest
    truth = true_rate(beats, table["start"].to_numpy())
    assert list(table.columns) == ["start", "heart_rate", "low", "high", "confidence", "reason"]
    assert len(table) == 67
    assert table.attrs["coverage"] > 0.9
    assert table.attrs["n_templates"] >= 2
    known = table["heart_rate"].notna()
    error = np.abs(table["heart_rate"] - truth)[known]
    assert error.mean() < 1.5
    assert (error < 5).mean() > 0.95
    assert ((table["low"] <= truth) & (truth <= table["high"]))[known].mean() > 0.85
    assert (table["reason"][known] == "").all()
    assert (table["reason"][~known] != "").all()


@pytest.mark.parametrize("rate", [44.0, 118.0])
def test_slow_and_fast_hearts_are_not_halved_or_doubled(rate):
    x, beats = recording(9.0, lambda minute: rate, size=0.008, seed=3)
    table = track_heart_rate(x, RATE)
    known = table["heart_rate"].notna()
    assert known.mean() > 0.7
    assert np.abs(table["heart_rate"] - true_rate(beats, table["start"].to_numpy()))[known].max() < 5


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_has_no_rate(seed):
    x, _ = recording(9.0, size=0.0, seed=seed)
    table = track_heart_rate(x, RATE)
    assert table.attrs["coverage"] < 0.05
    assert (table["reason"] != "").mean() > 0.95


def test_tremor_and_breathing_are_not_followed():
    rng = np.random.default_rng(5)
    x, _ = recording(9.0, size=0.0, seed=5)
    t = np.arange(x.shape[1]) / RATE
    phase = np.cumsum(5.5 + 0.5 * np.cumsum(rng.normal(size=t.size)) / np.sqrt(np.arange(1, t.size + 1))) / RATE
    x[0] += (0.006 * np.sin(2 * np.pi * phase)).astype(np.float32)
    x[2] += (0.03 * np.sin(2 * np.pi * 0.25 * t)).astype(np.float32)
    assert track_heart_rate(x, RATE).attrs["coverage"] < 0.1


def test_gaps_movement_and_the_clock(rest):
    x, beats, _ = rest
    x = x.copy()
    rng = np.random.default_rng(2)
    n_gap = round(100 * RATE)
    gap = slice(round(200 * RATE), round(200 * RATE) + n_gap)
    moving = slice(round(450 * RATE), round(520 * RATE))
    x[:, moving] += (0.2 * rng.normal(size=(3, moving.stop - moving.start))).astype(np.float32)
    time = 1000.0 + np.arange(x.shape[1]) / RATE
    kept = np.r_[0 : gap.start, gap.stop : x.shape[1]]
    accel = xr.DataArray(
        x[:, kept].T,
        dims=("time_accel", "axis"),
        coords={"time_accel": time[kept]},
        attrs={"sampling_rate": RATE, "units": "g"},
    )
    table = track_heart_rate(accel)
    start = table["start"].to_numpy()
    assert start[0] == 1000.0
    reason = table["reason"].to_numpy()
    assert all(text.startswith("missing samples") for text in reason[(start >= 1200) & (start <= 1240)])
    assert all(text.startswith("moving") for text in reason[(start >= 1450) & (start <= 1460)])
    known = table["heart_rate"].notna()
    assert known.mean() > 0.6
    assert np.abs(table["heart_rate"] - true_rate(beats, start - 1000))[known].mean() < 2.5


def test_windows_in_any_order(rest):
    x, _, whole = rest
    n, step = round(60 * RATE), round(10 * RATE)
    starts = np.arange(0, x.shape[1] - n + 1, step)
    windows = np.stack([x[:, s : s + n] for s in starts])
    order = np.random.default_rng(0).permutation(len(starts))
    accel = xr.DataArray(
        windows[order],
        dims=("window", "axis", "sample"),
        coords={"start": ("window", starts[order] / RATE)},
        attrs={"sampling_rate": RATE},
    )
    table = track_heart_rate(accel)
    np.testing.assert_allclose(table["start"], starts[order] / RATE)
    np.testing.assert_allclose(table["heart_rate"], whole["heart_rate"].to_numpy()[order], atol=0.5)


def test_hopeless_recordings_have_reasons():
    nothing = np.full((3, round(200 * RATE)), np.nan, np.float32)
    assert set(track_heart_rate(nothing, RATE)["reason"]) == {"missing samples: 100%"}
    flat = np.ones((3, round(200 * RATE)), np.float32)
    assert set(track_heart_rate(flat, RATE)["reason"]) == {"flat"}
    wild = np.random.default_rng(0).normal(size=(3, round(200 * RATE))).astype(np.float32)
    table = track_heart_rate(wild, RATE)
    assert table["heart_rate"].isna().all()
    one = track_heart_rate(recording(1.0)[0], RATE)
    assert len(one) == 1
    empty = xr.DataArray(np.zeros((0, 3, 3840)), dims=("window", "axis", "sample"), coords={"start": ("window", [])})
    assert len(track_heart_rate(empty, RATE)) == 0


def test_windows_with_gaps_of_hours(rest):
    x, _, _ = rest
    n = round(60 * RATE)
    windows = np.stack([x[:, :n], x[:, n : 2 * n]])
    accel = xr.DataArray(windows, dims=("window", "axis", "sample"), coords={"start": ("window", [0.0, 5 * 3600.0])})
    assert len(track_heart_rate(accel, RATE)) == 2
    with pytest.raises(ValueError, match="span 1000 h"):
        track_heart_rate(accel.assign_coords(start=("window", [0.0, 3.6e6])), RATE)


@pytest.mark.parametrize(
    ("accel", "options", "message"),
    [
        (np.zeros((100, 3)), {"sampling_rate": 64}, r"write accel\.T"),
        (np.zeros((3, 100)), {"sampling_rate": 64}, "the recording has 1.6 s"),
        (np.zeros((3, 9000)), {}, "sampling rate of accel is not known"),
        (np.zeros((3, 9000)), {"sampling_rate": 10}, "needs at least 20 Hz"),
        (np.zeros((2, 3, 3840)), {"sampling_rate": 64}, "need the coordinate 'start'"),
        (np.zeros((3, 9000)), {"sampling_rate": 64, "min_confidence": 2}, "min_confidence is 2"),
        (np.zeros((3, 9000)), {"sampling_rate": 64, "stride": 0}, "stride is 0"),
        (np.zeros((3, 9000)), {"sampling_rate": 64, "evidence": np.ones((9, 5))}, "evidence is given without rates"),
        (np.zeros((3, 9000)), {"sampling_rate": 64, "rates": [50, 60]}, "rates are given without evidence"),
        (
            np.zeros((3, 9000)),
            {"sampling_rate": 64, "evidence": np.ones((4, 2)), "rates": [50, 60]},
            r"shape \(4, 2\); expected \(9, 2\)",
        ),
    ],
)
def test_wrong_calls_are_refused(accel, options, message):
    with pytest.raises(ValueError, match=message):
        track_heart_rate(accel, **options)


def test_other_evidence(rest):
    x, beats, _ = rest
    rates = np.arange(40.0, 130.0, 2.0)
    starts = np.arange(67) * 10.0
    truth = true_rate(beats, starts)
    rng = np.random.default_rng(0)
    evidence = np.exp(-0.5 * ((rates - truth[:, None]) / 4) ** 2)
    wrong = rng.choice(67, 13, replace=False)
    evidence[wrong] = np.exp(-0.5 * ((rates - rng.uniform(45, 125, (13, 1))) / 4) ** 2)
    evidence[3], evidence[4] = np.nan, 0.0
    table = track_heart_rate(x, RATE, evidence=0.05 + evidence, rates=rates, min_confidence=0.0)
    assert (np.abs(table["heart_rate"] - truth) < 5).mean() > 0.9
    called = track_heart_rate(x, RATE, evidence=lambda w: 0.05 + evidence[: len(w)], rates=rates, min_confidence=0.0)
    np.testing.assert_array_equal(called["heart_rate"], table["heart_rate"])


def test_posterior_is_the_sum_over_all_paths():
    rng = np.random.default_rng(0)
    rates, log_evidence = np.array([50.0, 52.0, 55.0]), rng.normal(size=(4, 3))
    table = np.exp(-0.5 * ((rates[:, None] - rates) / 2.0) ** 2)
    table /= table.sum(axis=1, keepdims=True)
    table = (1 - 1e-4) * table + 1e-4 / 3
    wanted = np.zeros((4, 3))
    for path in np.ndindex(3, 3, 3, 3):
        p = np.prod([np.exp(log_evidence[i, r]) for i, r in enumerate(path)])
        p *= np.prod([table[a, b] for a, b in pairwise(path)])
        for i, r in enumerate(path):
            wanted[i, r] += p
    wanted /= wanted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(rate_posterior(log_evidence, rates, 2.0), wanted, rtol=1e-9)


def test_waveforms_from_known_beats_reach_further_than_blind_ones():
    x, beats = recording(12.0, size=0.0032, seed=8)
    half = x.shape[1] // 2
    blind = track_heart_rate(x, RATE, min_confidence=0.0)
    templates = BeatTemplates().fit(x[:, :half], beats=beats[beats < half / RATE], sampling_rate=RATE)
    assert templates.n_beats_ > 300
    table = track_heart_rate(x, RATE, templates=templates, min_confidence=0.0)
    truth = true_rate(beats, table["start"].to_numpy())
    later = table["start"] > half / RATE
    close = lambda t: (np.abs(t["heart_rate"].fillna(0) - truth) < 5)[later].mean()
    assert close(table) > 0.9
    assert close(table) >= close(blind)


def test_templates_need_beats_that_show():
    x, _ = recording(4.0, size=0.0)
    with pytest.raises(ValueError, match="shows nothing in common"):
        BeatTemplates().fit(x, beats=np.random.default_rng(0).uniform(1, 239, 250), sampling_rate=RATE)
    with pytest.raises(ValueError, match="either ppg or beats"):
        BeatTemplates().fit(x, sampling_rate=RATE)
    with pytest.raises(ValueError, match="no time coordinate"):
        BeatTemplates().fit(x, np.zeros(1000), sampling_rate=RATE)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real recordings are not at hand")
def test_a_real_day():
    pytest.importorskip("fastavro")
    from biosig.recordings import read

    session = read(REAL / "MED1_day")
    table = track_heart_rate(session["accel"])
    peaks = session["systolic_peak"].values
    truth = true_rate(peaks, table["start"].to_numpy())
    known = table["heart_rate"].notna() & np.isfinite(truth)
    assert known.mean() > 0.5
    assert (np.abs(table["heart_rate"] - truth)[known] < 5).mean() > 0.8


def test_another_heart_is_kept_apart_by_known_beats():
    x, beats = recording(12.0, lambda minute: 88.0, size=0.005, seed=4)
    other, _ = recording(12.0, lambda minute: 55.0, size=0.008, noise=0.0, seed=5, direction=np.array([0.9, -0.4, 0.2]))
    x += other - np.array([[0.2], [0.5], [0.84]], np.float32)
    half = x.shape[1] // 2
    templates = BeatTemplates().fit(x[:, :half], beats=beats[beats < half / RATE], sampling_rate=RATE)
    table = track_heart_rate(x, RATE, templates=templates)
    later = (table["start"] > half / RATE) & table["heart_rate"].notna()
    assert later.sum() > 20
    assert (np.abs(table["heart_rate"] - 88) < 5)[later].mean() > 0.9
