"""How well could any encoder find the simultaneous PPG window on simulated people? A detector that may cheat tells.

Run ``python examples/retrieval_ceiling.py > docs/retrieval_ceiling.md`` (``--quick``: few people).

The detector compares whole waveforms, with no bottleneck between them: the envelope of the acceleration in the band of
the heart's recoil against the slope of the PPG, at the best lag within half a second, for every pair of windows. An
embedding of a few hundred numbers, averaged over time, keeps less. It is a plain detector, not a bound: one that knew
each person's recoil could do better, but where it fails the beat is near the noise.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.signal import butter, sosfiltfilt
from scipy.special import gammaln
from tqdm import tqdm

from biosig.evaluation.bootstrap import bootstrap_mean
from biosig.evaluation.cohort import collect
from biosig.heart import wrist_heart_rate
from biosig.recordings import simulate_cohort
from biosig.recordings.devices import DEVICES, Device
from biosig.signals import Gate

RATE = 64.0  # Hz
POOLS = (16, 64, 256, 512, 1024)
LAGS = np.arange(-8, 9)  # of 1/16 s
SEED = 77
QUIET = Device("a quieter sensor", 100.0, 64.0, 0.000122, 0.0003, 8.0, 100.0, 0.04)
"""Steps of 0.12 mg and 0.3 mg of noise: about what the best parts of today promise."""


def carriers(accel: np.ndarray, ppg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spectra of unit length of the acceleration's recoil envelope and of the PPG's slope, at 16 Hz."""
    recoil = butter(2, [5.0, 14.0], "bandpass", fs=RATE, output="sos")
    beats = butter(2, [0.6, 3.5], "bandpass", fs=RATE, output="sos")
    size = np.sqrt(np.square(sosfiltfilt(recoil, np.nan_to_num(accel), axis=-1)).sum(axis=1))
    size = np.minimum(size, 3.0 * np.median(size, axis=1, keepdims=True))  # single movements
    slope = np.gradient(np.nan_to_num(ppg[:, 0]), axis=-1)
    spectra = [np.fft.rfft(sosfiltfilt(beats, x, axis=-1)[:, ::4], n=1024) for x in (size, slope)]
    return tuple(s / np.linalg.norm(s, axis=1, keepdims=True) for s in spectra)


def ranks(accel: np.ndarray, ppg: np.ndarray) -> np.ndarray:
    """Number of other windows' PPG that fits a window's acceleration better than its own."""
    seen, heard = carriers(accel, ppg)
    best = np.full((len(seen), len(heard)), -1.0)
    for lag in tqdm(LAGS, desc="comparing", leave=False):
        shift = np.exp(2j * np.pi * np.fft.rfftfreq(1024) * lag)
        np.maximum(best, ((seen * shift) @ heard.conj().T).real, out=best)
    return (best > np.diag(best)[:, np.newaxis]).sum(axis=1)


def top1(better: np.ndarray, n: int, pool: int) -> np.ndarray:
    """Probability that none of `better` windows is among `pool` - 1 drawn from n - 1 others, for each query."""
    others, drawn = n - 1, pool - 1
    log = gammaln(np.maximum(others - better, 0) + 1) - gammaln(np.maximum(others - better - drawn, 0) + 1)
    log -= gammaln(others + 1) - gammaln(others - drawn + 1)
    return np.where(others - better >= drawn, np.exp(log), 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    n_people = 8 if parser.parse_args().quick else 40
    print("# How well could retrieval work on simulated people?\n")
    print(
        "Made by `python examples/retrieval_ceiling.py > docs/retrieval_ceiling.md`. "
        + " ".join(__doc__.split("\n\n")[2].split())
    )
    print("\nTop-1, expected over all pools, with 95 % intervals over people. *Rate found*: still minutes in which")
    print('`wrist_heart_rate` ("nightbeat", window by window) lies within 5 beats/min of the PPG.\n')
    print("| device | still windows | people | rate found | " + " | ".join(f"pool {p}" for p in POOLS) + " |")
    print("|---|---|---|---|" + "---|" * len(POOLS))
    for device in (DEVICES["e4"], DEVICES["watch"], QUIET):
        people = simulate_cohort(n_people, 2400.0, device=device, random_state=SEED, progress=True)
        cohort = collect(people, gate=Gate(max_motion=0.05))[0]
        use = cohort.still & np.isfinite(cohort.table["heart_rate"].to_numpy())
        accel, who = cohort.accel[use], cohort.participants[use]
        rate = wrist_heart_rate(accel, RATE)["heart_rate"].to_numpy()
        near = np.abs(rate - cohort.table["heart_rate"].to_numpy()[use]) < 5.0
        better = ranks(accel, cohort.ppg[use])
        cells = []
        for pool in POOLS:
            if pool > len(accel):
                cells.append("-")
                continue
            found = bootstrap_mean(top1(better, len(accel), pool), who, random_state=SEED)
            cells.append(f"{100 * found.estimate:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})")
        print(
            f"| {device.name} | {len(accel)} | {len(np.unique(who))} | {100 * near.mean():.0f} % "
            f"| {' | '.join(cells)} |"
        )


if __name__ == "__main__":
    main()
