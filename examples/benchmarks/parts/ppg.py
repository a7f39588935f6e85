"""Heart rate, variability and quality of one-minute PPG windows: biosig.heart.ppg_targets against NeuroKit2.

Run ``python examples/benchmarks/signals.py --parts ppg``. Windows are simulated with known
beats. NeuroKit2 gets some of them, and times are compared per window. It cleans, finds peaks and computes `hrv_time`;
the quality that biosig also gives is not asked of it.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import NamedTuple

import numpy as np
from parts.rows import Row, ratio, take_turns, told

RATE = 64  # Hz
LENGTH = 60.0  # s
TOLERANCE = 0.15  # s
EDGE = 1.0  # s, at each end of a window
PEERS = ("charlton", "elgendi")


class Found(NamedTuple):
    """What NeuroKit2 says of a window: beats/min, peaks (s), and peaks before it tidies them up (s)."""

    rate: float
    peaks: np.ndarray
    untidied: np.ndarray


class Counts(NamedTuple):
    """Beats that both programs found, or one alone, and how many of those are real."""

    both: int
    ours: int
    theirs: int
    ours_real: int
    theirs_real: int

    @property
    def f1(self) -> float:
        return 2 * self.both / (2 * self.both + self.ours + self.theirs)


def simulate(n_windows: int, random_state: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """PPG windows (n_windows, n_samples), and the times (s) of their systolic peaks, some beyond the ends too."""
    rng = np.random.default_rng(random_state)
    t = np.arange(int(RATE * LENGTH)) / RATE
    windows, truth = [], []
    for _ in range(n_windows):
        mean = 60 / rng.uniform(45, 110)
        breath = rng.uniform(0.15, 0.35)
        beats = [-2.0 + rng.uniform(0, mean)]
        while beats[-1] < LENGTH + 2:
            sinus = 0.04 * np.sin(2 * np.pi * breath * beats[-1])
            beats.append(beats[-1] + mean * (1 + sinus + 0.015 * rng.normal()))
        onsets = np.array(beats)
        wave = np.zeros_like(t)
        # A steep systolic rise, and a rounder wave reflected after it.
        width, second, delay = rng.uniform(0.09, 0.12), rng.uniform(0.2, 0.5), rng.uniform(0.22, 0.3) * mean**0.5
        for beat in onsets:
            wave += np.exp(-0.5 * ((t - beat - width) / width) ** 2)
            wave += second * np.exp(-0.5 * ((t - beat - width - delay) / (1.6 * width)) ** 2)
        wave += 0.3 * np.sin(2 * np.pi * breath * t + 1) + 0.02 * rng.normal(size=t.size)
        windows.append(wave)
        truth.append(onsets + width)
    return np.array(windows, dtype=np.float32), truth


def neurokit(window: np.ndarray, detector: str) -> Found:
    import neurokit2 as nk

    cleaned = nk.ppg_clean(window, sampling_rate=RATE)
    _, info = nk.ppg_peaks(cleaned, sampling_rate=RATE, method=detector)
    peaks = np.asarray(info["PPG_Peaks"])
    measures = nk.hrv_time(peaks, sampling_rate=RATE)
    untidied = np.asarray(info.get("PPG_Peaks_Unfixed", peaks))
    return Found(60000 / float(measures["HRV_MeanNN"].iloc[0]), peaks / RATE, untidied / RATE)


def compare(ours, theirs, truth, edge: float) -> Counts:
    """Beats in one window, found by both or by one, of which none nearer than `edge` to an end is counted."""
    from biosig.heart import match_beats

    pairs = match_beats(theirs, ours, TOLERANCE, lag=0.0).pairs
    inner = lambda beats: beats[(beats >= edge) & (beats <= LENGTH - edge)]
    real = lambda beats: int((np.abs(truth[:, None] - beats).min(axis=0, initial=np.inf) <= TOLERANCE).sum())
    mine, other = inner(np.delete(ours, pairs[:, 1])), inner(np.delete(theirs, pairs[:, 0]))
    return Counts(inner(theirs[pairs[:, 0]]).size, mine.size, other.size, real(mine), real(other))


def rate_between(beats: np.ndarray, low: float, high: float) -> float:
    """Beats/min from the mean of all intervals within a stretch."""
    kept = beats[(beats >= low) & (beats <= high)]
    return 60 / np.diff(kept).mean()


def same_stretch(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Difference of the two rates (beats/min), both the mean interval from the first beat they share to the last."""
    low = max(ours[0], theirs[0]) - TOLERANCE
    high = min(ours[-1], theirs[-1]) + TOLERANCE
    return abs(rate_between(ours, low, high) - rate_between(theirs, low, high))


def agreement(ppg, truth, found: dict[int, Found], rates) -> str:
    """How far the beats and rates of the two programs agree, and who is right where they do not."""
    from biosig.heart import detect_beats

    some = sorted(found)
    rows = [row[np.isfinite(row)] for row in detect_beats(ppg[some], RATE, fiducial="peak")]
    beats = dict(zip(some, rows, strict=True))
    total = {
        (name, edge): Counts(
            *np.sum([compare(beats[i], getattr(found[i], name), truth[i], edge) for i in some], axis=0)
        )
        for name in ("peaks", "untidied")
        for edge in (0.0, EDGE)
    }
    apart = np.abs([rates[i] - found[i].rate for i in some])
    even = np.array([same_stretch(beats[i], found[i].peaks) for i in some])
    raw_even = np.array([same_stretch(beats[i], found[i].untidied) for i in some])
    whole, inside = total["peaks", 0.0], total["peaks", EDGE]
    span = lambda values: (
        f"median {np.median(values):.3f}, most {values.max():.2f}, {(values <= 0.1).mean():.0%} <= 0.1"
    )
    text = (
        f"beats of {len(some)} windows: F1 {whole.f1:.4f} (asked: 0.995), without the first and last {EDGE:g} s "
        f"{inside.f1:.4f}; {whole.ours} only biosig's, {whole.ours_real} of them real, and {whole.theirs} only "
        f"NeuroKit2's, {whole.theirs_real} real. Rates apart, beats/min (asked: 0.1): {span(apart)}; same definition, "
        f"over the stretch that both cover: {span(even)}"
    )
    untidied, untidied_inside = total["untidied", 0.0], total["untidied", EDGE]
    if untidied != whole:
        text += (
            f". Against its peaks before it tidies them (it puts a peak between any two feet): F1 {untidied.f1:.4f}, "
            f"without the ends {untidied_inside.f1:.4f}, same stretch {span(raw_even)}"
        )
    return text


def run(repeats: int, quick: bool, n_threads: int) -> list[Row]:
    """Rows of the benchmark table: one for each detector of NeuroKit2."""
    from biosig.heart import ppg_targets

    n_windows, n_peers = (100, 10) if quick else (1000, 60)
    ppg, truth = simulate(n_windows, random_state=0)
    found: dict[str, dict[int, Found]] = {peer: {} for peer in PEERS}
    result = {}

    def ours() -> None:
        result["rates"] = ppg_targets(ppg, RATE, n_jobs=n_threads)["heart_rate"].to_numpy()

    def theirs(peer: str) -> None:
        found[peer] = {i: neurokit(ppg[i], peer) for i in range(n_peers)}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        programs = {"biosig": ours} | {peer: partial(theirs, peer) for peer in PEERS}
        seconds = {name: np.array(each) for name, each in take_turns(programs, repeats).items()}
    seconds["biosig"] /= n_windows
    rows = []
    for peer in PEERS:
        each = seconds[peer] / n_peers
        rows.append(
            Row(
                work=f"{n_windows} PPG windows of {LENGTH:g} s to rate, SDNN, RMSSD, quality (per window)",
                ours=f"{told(list(seconds['biosig']))}, {n_threads} thread(s)",
                peer=f"NeuroKit2 {peer} and hrv_time, on {n_peers} of the windows: {told(list(each))}, 1 thread",
                ratio=ratio(list(each), list(seconds["biosig"])),
                quality=f"{agreement(ppg, truth, found[peer], result['rates'])}. Against the truth: "
                f"{right(ppg, truth, result['rates'])}",
            )
        )
    return rows


def right(ppg, truth, rates) -> str:
    """Beats and rates of biosig beside those simulated."""
    from biosig.heart import detect_beats, match_beats

    scores, errors = [], []
    for row, known, rate in zip(detect_beats(ppg, RATE, fiducial="peak"), truth, rates, strict=True):
        known = known[(known >= 0) & (known < LENGTH)]
        scores.append(match_beats(known, row, TOLERANCE, lag=0.0).f1)
        errors.append(rate - 60 / np.diff(known).mean())
    errors = np.abs(errors)
    return (
        f"F1 {np.mean(scores):.4f}, rate off by {np.nanmedian(errors):.3f} (median), {np.nanmax(errors):.2f} (most), "
        f"{np.isfinite(errors).mean():.1%} of windows believed"
    )
