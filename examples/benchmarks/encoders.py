"""The encoders against the same nets in torch: time of training steps and of inference, first calls, peak memory.

Both start from the same weights, see the same windows and masks, take the same AdamW steps and use the same number of
threads; their turns alternate, so that both meet the machine in the same state. A ratio is our time by torch's in the
same turn: the table has its median and quartiles, and beside it how far the losses (over all turns) or the embeddings
lie apart. Training minimises the squared distance of embeddings to fixed random ones; "masked" is the loss of a masked
autoencoder, where both encode visible tokens only. First calls and memory are measured in processes of their own.

    python -m pip install 'biosig-wear[bench]'
    python examples/benchmarks/encoders.py > docs/encoder_speed.md      (``--seconds 2`` for a quick look)
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_info

N_CHANNELS, N_SAMPLES, SAMPLING_RATE = 4, 3840, 64.0
LEARNING_RATE, DECAY, CLIP, MASK_RATIO = 1e-3, 0.05, 1.0, 0.8
WARM_UP = 3  # a compiled step runs once, is captured once and compiled before it has its true speed


class Row(NamedTuple):
    work: str
    architecture: str
    size: str
    batch: int

    def __str__(self):
        return f"{self.work}, {self.architecture} {self.size}, batch {self.batch}"


MODELS = [
    ("transformer", "tiny", 64),
    ("transformer", "small", 64),
    ("transformer", "paper", 16),
    ("efficientnet", "tiny", 64),
    ("efficientnet", "paper", 16),
    ("conv", "tiny", 64),
]
ROWS = [Row("training", *model) for model in MODELS]
ROWS += [Row("masked", "transformer", "small", 64)]
ROWS += [Row("inference", a, size, batch) for a, size, _ in MODELS for batch in (1, 256)]
MEMORY_ROWS = [row for row in ROWS if row.work != "inference"]


class Task(NamedTuple):
    """What both sides need of a row, as NumPy arrays and plain settings."""

    row: Row
    config: dict
    weights: dict
    patch_length: int
    arrays: tuple

    def save(self, folder):
        np.savez(folder / "weights.npz", **self.weights)
        np.savez(folder / "arrays.npz", *self.arrays)
        (folder / "task.json").write_text(json.dumps([*self.row, self.config, self.patch_length]))

    @classmethod
    def load(cls, folder):
        *row, config, patch_length = json.loads((folder / "task.json").read_text())
        weights, arrays = (dict(np.load(folder / name)) for name in ("weights.npz", "arrays.npz"))
        return cls(Row(*row), config, weights, patch_length, tuple(arrays.values()))


def make_task(row):
    from biosig.nets import MaskedAutoencoderNet, build_encoder, encoder_config, get_weights

    shape = {"n_channels": N_CHANNELS, "n_samples": N_SAMPLES, "sampling_rate": SAMPLING_RATE}
    config = encoder_config(row.architecture, row.size, dropout=0.0, **shape)
    rng = np.random.default_rng(0)
    t = np.arange(N_SAMPLES) / SAMPLING_RATE
    waves = np.sin(
        2 * np.pi * rng.uniform(0.8, 2, (row.batch, 1, 1)) * t + rng.uniform(0, 6, (row.batch, N_CHANNELS, 1))
    )
    x = (waves + 0.1 * rng.standard_normal(waves.shape)).astype(np.float32)
    if row.work == "masked":
        net = MaskedAutoencoderNet(config, 0, MASK_RATIO)
        order = rng.permuted(np.tile(np.arange(net.n_patches, dtype=np.int32), (row.batch, 1)), axis=1)
        arrays = (x, order[:, : net.n_visible].copy(), order[:, net.n_visible :].copy())
        return Task(row, config, get_weights(net), net.patch_length, arrays)
    net = build_encoder(config, 0)
    wanted = rng.standard_normal((row.batch, net.n_features)).astype(np.float32)
    return Task(row, config, get_weights(net), 0, (x,) if row.work == "inference" else (x, wanted))


def our_turn(task):
    """A function that takes one training step (and returns the loss) or embeds the windows of the task."""
    from tinygrad import TinyJit

    from biosig.nets import AdamW, MaskedAutoencoderNet, backend, build_encoder, set_weights
    from biosig.nets.inference import Inference
    from biosig.nets.parameters import named_parameters

    masked = task.row.work == "masked"
    net = MaskedAutoencoderNet(task.config, 0, MASK_RATIO) if masked else build_encoder(task.config, 0)
    set_weights(net, task.weights)
    if task.row.work == "inference":
        forward = Inference(net, task.row.batch)
        return lambda: forward(task.arrays[0])

    def distance(x, wanted):
        error = net(x) - wanted
        return (error * error).mean()

    objective = net.loss if masked else distance
    optimiser = AdamW(list(named_parameters(net).values()), weight_decay=DECAY, clip_norm=CLIP)
    rate = backend.from_numpy(np.array([LEARNING_RATE], np.float32))

    @TinyJit
    def step(*arrays):
        optimiser.zero_grad()
        loss = objective(*arrays)
        loss.backward()
        return loss.realize(*optimiser.schedule_step(rate))

    def turn():
        with backend.training_mode():
            return step(*map(backend.from_numpy, task.arrays)).item()

    return turn


def their_turn(task):
    """The same in torch."""
    import torch
    from torch_twins import TorchEncoder, TorchMaskedAutoencoder, TorchTrainer

    if task.row.work == "inference":
        twin = TorchEncoder(task.config, task.weights)

        def embed():
            with torch.inference_mode():
                return twin.embed(torch.from_numpy(task.arrays[0])).numpy()

        return embed
    if task.row.work == "masked":
        twin = TorchMaskedAutoencoder(task.config, task.weights, task.patch_length)
        loss = twin.loss
    else:
        twin = TorchEncoder(task.config, task.weights)

        def loss(x, wanted):
            return torch.nn.functional.mse_loss(twin.embed(x), wanted)

    trainer = TorchTrainer(twin.weights.values(), loss, LEARNING_RATE, DECAY, CLIP)
    return lambda: trainer.step(*task.arrays)


def compare(row, seconds):
    """One line of the table: milliseconds, ratio with quartiles, greatest difference."""
    task = make_task(row)
    turns = our_turn(task), their_turn(task)
    times, apart, began = [], 0.0, None
    while began is None or len(times) < WARM_UP + 5 or time.perf_counter() - began < seconds:
        results, taken = [], []
        for turn in turns:
            start = time.perf_counter()
            results.append(turn())
            taken.append(time.perf_counter() - start)
        times.append(taken)
        apart = max(apart, float(np.max(np.abs(np.subtract(*results)))))
        if len(times) == WARM_UP:
            began = time.perf_counter()
    ours, theirs = 1e3 * np.array(times[WARM_UP:]).T
    low, middle, high = np.quantile(ours / theirs, [0.25, 0.5, 0.75])
    return [
        f"{np.median(ours):.1f}",
        f"{np.median(theirs):.1f}",
        f"{middle:.2f} ({low:.2f}-{high:.2f})",
        f"{apart:.0e}",
    ]


def in_a_child(*arguments, **environment):
    """Run this script in a new process; return what it prints and how many seconds it took."""
    command = [sys.executable, __file__, *map(str, arguments)]
    start = time.perf_counter()
    done = subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True, text=True)
    return done.stdout.strip(), time.perf_counter() - start


def peak_memory(folder, side, threads):
    """Train for a few steps as one side; print the peak of the process and what the training added, in MiB."""
    task = Task.load(folder)
    if side == "torch":
        import torch

        torch.set_num_threads(threads)
        before, turn = peak(), their_turn(task)
        for _ in range(5):
            turn()
    else:
        from biosig.nets import backend

        with backend.limit_threads(threads):
            before, turn = peak(), our_turn(task)
            for _ in range(5):
                turn()
    print(f"{peak():.0f} {peak() - before:.0f}")


def peak():
    """Greatest resident memory of this process so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux what getrusage tells includes the parent at the time of the fork
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)


def processor():
    """Its name, and whose matrix products NumPy uses on it: the ratios depend on both."""
    about = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", about.read_text()) if about.exists() else None
    blas = {f"{each['internal_api']} {each['architecture']}" for each in threadpool_info() if "architecture" in each}
    return f"{found[1] if found else platform.machine()} ({', '.join(sorted(blas)) or 'BLAS unknown'})"


def first_call(architecture):
    """Embed windows as a new process does: import, build, compile, run."""
    from biosig.training import embed, make_config, random_encoder

    shape = {"n_channels": N_CHANNELS, "n_samples": N_SAMPLES, "sampling_rate": SAMPLING_RATE}
    config = make_config(modality="ppg", architecture=architecture, **shape)
    windows = np.random.default_rng(0).standard_normal((64, N_CHANNELS, N_SAMPLES)).astype(np.float32)
    embed(windows, config, random_encoder(config, 0).weights)


def table(title, heading, lines):
    print(f"\n## {title}\n\n| {' | '.join(heading)} |\n|{'---|' * len(heading)}", flush=True)
    for line in lines:
        print(f"| {' | '.join(map(str, line))} |", flush=True)


def speed_lines(threads, seconds):
    import torch

    from biosig.nets import backend

    torch.set_num_threads(threads)
    with backend.limit_threads(threads):
        for row in ROWS:
            yield row, *compare(row, seconds)
            backend.free_memory()


def memory_lines(threads):
    for row in MEMORY_ROWS:
        with tempfile.TemporaryDirectory() as folder:
            make_task(row).save(Path(folder))
            (ours, ours_more), (theirs, theirs_more) = (
                map(int, in_a_child("--memory", folder, side, "--threads", threads)[0].split())
                for side in ("biosig", "torch")
            )
        yield row, ours, theirs, f"{ours / theirs:.2f}", ours_more, theirs_more, f"{ours_more / theirs_more:.2f}"


def first_call_lines():
    for architecture in ("conv", "efficientnet", "transformer"):
        with tempfile.TemporaryDirectory() as folder:
            caches = {"NUMBA_CACHE_DIR": folder, "XDG_CACHE_HOME": folder, "CACHEDB": str(Path(folder) / "tinygrad.db")}
            cold, warm, again = (in_a_child("--first-call", architecture, **caches)[1] for _ in range(3))
        yield f"{architecture} tiny", f"{cold:.1f}", f"{min(warm, again):.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10, help="of measuring for each row (%(default)s)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--memory", nargs=2, metavar=("FOLDER", "SIDE"), help=argparse.SUPPRESS)
    parser.add_argument("--first-call", metavar="ARCHITECTURE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        return peak_memory(Path(options.memory[0]), options.memory[1], options.threads[0])
    if options.first_call:
        return first_call(options.first_call)
    import torch

    print("# Speed and memory of the encoders against torch\n\nMade by `python examples/benchmarks/encoders.py`.")
    print(
        f"{N_CHANNELS} channels of {N_SAMPLES} samples; Python {platform.python_version()}, torch {torch.__version__}, "
        f"{processor()}."
    )
    for threads in options.threads:
        heading = ["work", "biosig ms", "torch ms", "biosig / torch (quartiles)", "difference"]
        table(f"Time, {threads} threads", heading, speed_lines(threads, options.seconds))
    heading = ["work", "biosig MiB", "torch MiB", "ratio", "biosig: added by training", "torch: added", "ratio"]
    table(f"Peak memory, {options.threads[-1]} threads", heading, memory_lines(options.threads[-1]))
    heading = ["embed 64 windows", "empty caches s", "warm caches s"]
    table("First call in a new process, imports and compilation included", heading, first_call_lines())


if __name__ == "__main__":
    main()
