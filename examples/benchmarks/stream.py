"""Training on a stream of simulated participants: how fast windows are made, and what that costs a training.

First windows per second of simulating, cutting and gating alone, without and with processes of their own. Then training
steps of a student (distillation, `tiny`) from windows in memory and from a stream that uses each window four times, in
turns, so that both meet the machine in the same state: seconds per step once the buffer is full, their ratio, and the
fraction of the time that steps waited for windows.

    python examples/benchmarks/stream.py          (``--steps 300`` for a quick look)
"""

from __future__ import annotations

import argparse
import itertools
import platform
import time

import numpy as np
from biosig_kernels.threads import n_threads

from biosig.signals.simulated import Windows
from biosig.signals.workers import SimulationPool
from biosig.training import SimulatedStream, TrainingOptions, make_config, random_encoder, train_distilled
from biosig.training.rounds import Rounds


def windows_per_second(stream: SimulatedStream, n_workers: int, n_participants: int) -> float:
    """Speed of making windows alone; the processes have begun and loaded their code before the clock starts."""
    with SimulationPool(stream.recipe(), n_workers=n_workers, ahead=10**9) as pool:
        for _ in itertools.islice(pool.take(range(2 * max(n_workers, 1))), 2 * max(n_workers, 1)):
            pass
        began = time.perf_counter()
        n = sum(len(windows.start) for windows in pool.take(range(n_participants)))
        return n / (time.perf_counter() - began)


def in_memory(stream: SimulatedStream, n_windows: int) -> dict[str, np.ndarray]:
    parts: list[Windows] = []
    with SimulationPool(stream.recipe(), n_workers=n_threads()) as pool:
        source = pool.take(itertools.count())
        while sum(len(part.start) for part in parts) < n_windows:
            parts.append(next(source))
    return {
        "accel": np.concatenate([part.signals["accel"] for part in parts]),
        "ppg": np.concatenate([part.signals["ppg"] for part in parts]),
        "groups": np.repeat([part.participant for part in parts], [len(part.start) for part in parts]),
        "starts": np.concatenate([part.start for part in parts]),
    }


def train(accel, ppg, stream: SimulatedStream, steps: int, first: int, **columns) -> tuple[float, float, float]:
    """Return seconds per step after step `first`, the fraction waited over all steps, and the last loss."""
    configs = {
        name: make_config(
            modality=name,
            n_channels=stream.shape(name)[0],
            n_samples=stream.shape(name)[1],
            sampling_rate=stream.sampling_rate,
            front_end="envelopes" if name == "accel" else "samples",
        )
        for name in ("accel", "ppg")
    }
    times: list[float] = []
    options = TrainingOptions(steps=steps, progress=False, callback=lambda _: times.append(time.perf_counter()))
    teacher = random_encoder(configs["ppg"], 0)
    fitted = train_distilled(accel, ppg, configs["accel"], teacher, options=options, **columns)
    seconds = (times[-1] - times[first]) / (len(times) - 1 - first)
    return seconds, fitted.history["wait_share"], fitted.history["loss"][-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=600, help="training steps each (%(default)s)")
    parser.add_argument("--turns", type=int, default=3, help="times that both are measured (%(default)s)")
    parser.add_argument("--participants", type=int, default=40, help="to time the simulation (%(default)s)")
    parser.add_argument("--minutes", type=float, default=30.0, help="length of each recording (%(default)s)")
    parser.add_argument("--buffer", type=int, default=4096, help="windows (%(default)s)")
    given = parser.parse_args()
    stream = SimulatedStream(minutes=given.minutes, buffer=given.buffer)
    rounds = Rounds.for_buffer(stream.buffer, stream.uses, TrainingOptions().batch_size)
    first = rounds.begin(stream.uses - 1)
    if not first + 10 < given.steps:
        parser.error(f"the buffer is full after {first} steps; give more --steps, or a smaller --buffer")

    print(f"{platform.machine()}, {n_threads()} cores, Python {platform.python_version()}, NumPy {np.__version__}\n")
    print("simulating, cutting and gating alone")
    for n_workers in sorted({0, 1, n_threads()}):
        where = f"{n_workers} process(es)" if n_workers else "within the training"
        print(f"  {where:<20} {windows_per_second(stream, n_workers, given.participants):6.0f} windows/s", flush=True)

    data = in_memory(stream, given.buffer)
    print(f"\ntraining `tiny`, batches of 64, seconds per step after step {first}, when the buffer is full")
    ratios = []
    for turn in range(given.turns):
        memory, _, _ = train(**data, stream=stream, steps=given.steps, first=first)
        streamed, waited, _ = train(stream, None, stream, given.steps, first)
        ratios.append(streamed / memory)
        print(
            f"  turn {turn + 1}: from memory {memory:.4f}, from the stream {streamed:.4f}, ratio {ratios[-1]:.2f}, "
            f"{waited:.1%} of the time waiting",
            flush=True,
        )
    print(f"  median ratio {np.median(ratios):.2f}")


if __name__ == "__main__":
    main()
