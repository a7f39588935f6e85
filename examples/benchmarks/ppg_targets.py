"""Heart rate and variability of one-minute PPG windows: biosig.heart.ppg_targets against NeuroKit2.

Run ``python examples/benchmarks/ppg_targets.py`` (``--windows 100`` for a quick look). Windows are simulated with known
beats. Both programs run in turns in the same process, block by block, so that a busy machine slows both; NeuroKit2 gets
a few windows of each block, and times are compared per window.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np

RATE = 64.0  # Hz
LENGTH = 60.0  # s


def simulate(n_windows: int, random_state: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """PPG windows (n_windows, n_samples) and the times of their beats (steepest upslope, s)."""
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
        # A steep systolic rise whose steepest point is the beat, and a rounder wave reflected after it.
        width, second, delay = rng.uniform(0.09, 0.12), rng.uniform(0.2, 0.5), rng.uniform(0.22, 0.3) * mean**0.5
        for beat in onsets:
            wave += np.exp(-0.5 * ((t - beat - width) / width) ** 2)
            wave += second * np.exp(-0.5 * ((t - beat - width - delay) / (1.6 * width)) ** 2)
        wave += 0.3 * np.sin(2 * np.pi * breath * t + 1) + 0.02 * rng.normal(size=t.size)
        windows.append(wave)
        truth.append(onsets[(onsets >= 0) & (onsets < LENGTH)])
    return np.array(windows, dtype=np.float32), truth


def neurokit_targets(window: np.ndarray) -> tuple[float, np.ndarray]:
    """Heart rate and beat times (s, systolic peaks) by NeuroKit2's defaults, which also compute the variability."""
    import neurokit2 as nk

    cleaned = nk.ppg_clean(window, sampling_rate=int(RATE))
    _, info = nk.ppg_peaks(cleaned, sampling_rate=int(RATE))
    peaks = info["PPG_Peaks"]
    measures = nk.hrv_time(peaks, sampling_rate=int(RATE))
    return 60000 / float(measures["HRV_MeanNN"].iloc[0]), np.asarray(peaks) / RATE


def f1_score(found: np.ndarray, truth: np.ndarray, tolerance: float = 0.15) -> float:
    """F1 of beats within `tolerance` s of the truth, after the constant delay between the two kinds of fiducial."""
    found = found[np.isfinite(found)]
    if not found.size or not truth.size:
        return 0.0
    nearest = truth[np.abs(truth[:, None] - found).argmin(axis=0)]
    found = found - np.median(found - nearest)
    inner = truth[(truth > 0.5) & (truth < LENGTH - 0.5)]  # a pulse that the window cuts need not be found
    found = found[(found > 0.5 - tolerance) & (found < LENGTH - 0.5 + tolerance)]
    hits = (np.abs(inner[:, None] - found).min(axis=1) <= tolerance).sum()
    extra = (np.abs(found[:, None] - truth).min(axis=1) > tolerance).sum()
    return float(2 * hits / (inner.size + hits + extra))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=1000)
    parser.add_argument("--neurokit-windows", type=int, default=5, help="per block, of which there are ten")
    parser.add_argument("--n-jobs", type=int, default=1, help="threads of biosig; NeuroKit2 has one")
    parser.add_argument("--random-state", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")

    from biosig.heart import detect_beats, ppg_targets

    ppg, truth = simulate(options.windows, options.random_state)
    began = time.perf_counter()
    ppg_targets(ppg[:2], RATE, n_jobs=options.n_jobs)
    print(f"first call (imports done, kernels compiled or read from the cache): {time.perf_counter() - began:.2f} s")
    neurokit_targets(ppg[0])

    ours, theirs, differences, scores, their_scores, rates = [], [], [], [], [], []
    for block in np.array_split(np.arange(options.windows), min(10, options.windows)):
        began = time.perf_counter()
        table = ppg_targets(ppg[block], RATE, n_jobs=options.n_jobs)
        ours.append((time.perf_counter() - began) / block.size)
        rates.append(table["heart_rate"].to_numpy())
        some = block[: options.neurokit_windows]
        began = time.perf_counter()
        found = [neurokit_targets(ppg[i]) for i in some]
        theirs.append((time.perf_counter() - began) / some.size)
        differences += [table["heart_rate"].iloc[i - block[0]] - found[k][0] for k, i in enumerate(some)]
        their_scores += [f1_score(found[k][1], truth[i]) for k, i in enumerate(some)]
    beats = detect_beats(ppg, RATE, n_jobs=options.n_jobs)
    scores = [f1_score(row, known) for row, known in zip(beats, truth, strict=True)]
    true_rate = np.array([60 / np.diff(known).mean() for known in truth])
    error = np.abs(np.concatenate(rates) - true_rate)
    ratio = np.array(theirs) / np.array(ours)
    apart = np.abs(differences)
    print(f"{options.windows} windows of {LENGTH:g} s at {RATE:g} Hz, {options.n_jobs} thread(s) for biosig")
    print(f"biosig      {1e3 * np.median(ours):8.3f} ms a window (median of blocks)")
    print(f"NeuroKit2   {1e3 * np.median(theirs):8.3f} ms a window")
    print(f"ratio       {np.median(ratio):8.0f}   (blocks {ratio.min():.0f} to {ratio.max():.0f})")
    print(
        f"heart rate, biosig against NeuroKit2: median {np.nanmedian(apart):.3f}, most {np.nanmax(apart):.3f} beats/min"
    )
    print(
        f"heart rate, biosig against the truth: median {np.nanmedian(error):.3f}, most {np.nanmax(error):.3f} beats/min"
    )
    print(f"windows believed: {np.isfinite(error).mean():.1%}")
    print(f"beats, F1 at 150 ms: biosig {np.mean(scores):.4f}, NeuroKit2 {np.mean(their_scores):.4f}")


if __name__ == "__main__":
    main()
