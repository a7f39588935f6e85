"""How well can acceleration find its PPG on simulated people, and for whom? An encoder beside a plain detector.

Run ``python examples/retrieval_simulated.py > docs/retrieval.md`` (``--quick``: few people, few steps).

The encoder is trained on some people as `biosig demo` trains it, and searched on others; the same, shown nothing above
1 Hz, is the control that knows movement and breath but not the recoil. The detector is not trained:
it compares whole waveforms, the envelope of the acceleration in the band of the heart's recoil against the slope of the
PPG, at the best lag within half a second. It is a plain detector, not a bound.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.signal import butter, sosfiltfilt
from scipy.special import gammaln
from tqdm import tqdm

from biosig.estimators import DistilledEncoder, MaskedAutoencoder
from biosig.evaluation.bootstrap import bootstrap_mean
from biosig.evaluation.cohort import Cohort, collect
from biosig.evaluation.contenders import SLOW_MOVEMENT
from biosig.evaluation.experiment import DEMO_STEPS
from biosig.recordings import simulate_cohort
from biosig.recordings.devices import DEVICES, Device
from biosig.signals import Gate

RATE = 64.0  # Hz
POOLS = (16, 64, 256, 512, 1024, 2048, 4096)
LAGS = np.arange(-8, 9)  # of 1/16 s
TRAINED, TESTED = 0, 77  # seeds
QUIET = Device("a quieter sensor", 100.0, 64.0, 0.000122, 0.0003, 8.0, 100.0, 0.04)
"""Steps of 0.12 mg and 0.3 mg of noise: about what the best parts of today promise."""
SIZES = ((0.0, 2.0), (2.0, 3.0), (3.0, 4.0), (4.0, 6.0))
"""mg of the heart's recoil at the wrist, by which people are told apart."""


def still_windows(n_people: int, device: Device, seed: int) -> tuple[Cohort, np.ndarray, np.ndarray]:
    """Windows of simulated people; the rows that are still and have a heart rate; each one's recoil in mg."""
    recordings = simulate_cohort(n_people, 2400.0, device=device, random_state=seed, progress=True)
    cohort = collect(recordings, gate=Gate(max_motion=0.05))[0]
    use = np.flatnonzero(cohort.still & cohort.table["heart_rate"].notna().to_numpy())
    size = {r.attrs["participant"]: 1000 * r.attrs["true_cardiac_amplitude"] for r in recordings}
    return cohort, use, np.array([size[name] for name in cohort.participants[use]])


def trained(cohort: Cohort, use: np.ndarray, n_steps: int) -> list[DistilledEncoder]:
    """Two students of a masked autoencoder of the PPG: of the acceleration, and of slow movement alone."""
    settings = {"n_steps": n_steps, "random_state": 0, "verbose": 1}
    who, starts = cohort.participants[use], cohort.table["start"].to_numpy()[use]
    teacher = MaskedAutoencoder(modality="ppg", **settings).fit(cohort.ppg[use], groups=who)
    return [
        DistilledEncoder(teacher, front_end=front_end, **settings).fit(
            cohort.accel[use], cohort.ppg[use], groups=who, starts=starts
        )
        for front_end in (None, SLOW_MOVEMENT)
    ]


def carriers(accel: np.ndarray, ppg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spectra of unit length of the acceleration's recoil envelope and of the PPG's slope, at 16 Hz."""
    recoil = butter(2, [5.0, 14.0], "bandpass", fs=RATE, output="sos")
    beats = butter(2, [0.6, 3.5], "bandpass", fs=RATE, output="sos")
    size = np.sqrt(np.square(sosfiltfilt(recoil, np.nan_to_num(accel), axis=-1)).sum(axis=1))
    size = np.minimum(size, 3.0 * np.median(size, axis=1, keepdims=True))  # single movements
    slope = np.gradient(np.nan_to_num(ppg[:, 0]), axis=-1)
    spectra = [np.fft.rfft(sosfiltfilt(beats, x, axis=-1)[:, ::4], n=1024) for x in (size, slope)]
    return tuple(s / np.linalg.norm(s, axis=1, keepdims=True) for s in spectra)


def alike(accel: np.ndarray, ppg: np.ndarray) -> np.ndarray:
    """How well the PPG of each window (columns) fits the acceleration of each (rows), by the detector."""
    seen, heard = carriers(accel, ppg)
    best = np.full((len(seen), len(heard)), -1.0)
    for lag in tqdm(LAGS, desc="comparing", leave=False):
        shift = np.exp(2j * np.pi * np.fft.rfftfreq(1024) * lag)
        np.maximum(best, ((seen * shift) @ heard.conj().T).real, out=best)
    return best


def top1(similarity: np.ndarray, pool: int) -> np.ndarray:
    """Probability that a window's own partner is the nearest of a random pool, for each window (rows)."""
    better, others, drawn = (similarity > np.diag(similarity)[:, np.newaxis]).sum(axis=1), len(similarity) - 1, pool - 1
    log = gammaln(np.maximum(others - better, 0) + 1) - gammaln(np.maximum(others - better - drawn, 0) + 1)
    log -= gammaln(others + 1) - gammaln(others - drawn + 1)
    return np.where(others - better >= drawn, np.exp(log), 0.0)


def row(words: list, similarity: np.ndarray, people: np.ndarray, chosen: np.ndarray) -> None:
    """Print top-1 of the `chosen` windows, sought among all, at each size of the pool that can be filled."""
    cells = []
    for pool in POOLS:
        if pool > len(similarity):
            cells.append("-")
            continue
        found = bootstrap_mean(top1(similarity, pool)[chosen], people[chosen], random_state=TESTED)
        cells.append(f"{100 * found.estimate:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})")
    print(f"| {' | '.join(map(str, (*words, chosen.sum(), len(np.unique(people[chosen])))))} | {' | '.join(cells)} |")


def head(*columns: str) -> None:
    print("\n| " + " | ".join([*columns, "windows", "people", *(f"pool {pool}" for pool in POOLS)]) + " |")
    print("|---" * (len(columns) + 2 + len(POOLS)) + "|")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    n_people, n_steps = (8, 5) if quick else (128, DEMO_STEPS)
    print("# How well can acceleration find its PPG on simulated people, and for whom?\n")
    print(
        "Made by `python examples/retrieval_simulated.py > docs/retrieval.md`. " + " ".join(__doc__.split("\n\n")[2:])
    )
    print("\nTop-1, expected over all pools, with 95 % intervals over people.")
    head("device", "compared by")
    by_size = []
    for device in (DEVICES["e4"], DEVICES["watch"], QUIET):
        cohort, use, _ = still_windows(n_people, device, TRAINED)
        student, slow = trained(cohort, use, n_steps)
        cohort, use, size = still_windows(n_people, device, TESTED)
        accel, ppg, people = cohort.accel[use], cohort.ppg[use], cohort.participants[use]
        everybody = np.ones(len(use), dtype=bool)
        in_time, movement = (
            each.project(accel, in_time=True) @ each.project_ppg(ppg, in_time=True).T for each in (student, slow)
        )
        row([device.name, "encoder, in time"], in_time, people, everybody)
        row([device.name, "encoder of slow movement alone, in time"], movement, people, everybody)
        row([device.name, "encoder, pooled"], student.project(accel) @ student.project_ppg(ppg).T, people, everybody)
        row([device.name, "detector"], alike(accel, ppg), people, everybody)
        by_size += [
            ([device.name, f"{low:g} to {high:g} mg"], in_time, people, (size >= low) & (size < high))
            for low, high in SIZES
        ]
    print("\nThe encoder, in time, by the size of the person's recoil at the wrist:")
    head("device", "recoil")
    for words, in_time, people, chosen in by_size:
        if chosen.any():
            row(words, in_time, people, chosen)


if __name__ == "__main__":
    main()
