"""How fast encoders train on the device that ``DEV`` names: windows a second, share of its peak, hours for a cohort.

    DEV=CUDA python examples/benchmarks/device.py --precision bfloat16 --peak-tflops 989
    DEV=CUDA python examples/benchmarks/device.py --devices CUDA:0 CUDA:1 --batch 512
    python examples/benchmarks/device.py --quick                     # a minute on a processor: does it run?

Prints one table in Markdown: the sizes named "paper" of the transformer and the EfficientNet, on three channels of
one minute at 64 Hz. A step is what `biosig.training` takes: batch to the device, forward, backward, AdamW with clipping
of the gradient norm. Operations are those that tinygrad counts in the kernels of a step, element-wise ones included;
host kernels are not counted.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time

import numpy as np

N_CHANNELS, N_SAMPLES, SAMPLING_RATE = 3, 3840, 64.0
COHORT = 20_000_000  # windows, the scale of a large study
WARM_UP = 3  # a compiled step runs once, is captured once and compiled before it has its true speed


def training_step(architecture, size, batch):
    """Number of parameters, and a function that takes one training step and returns the loss."""
    from tinygrad import TinyJit

    from biosig.nets import AdamW, backend, build_encoder, encoder_config
    from biosig.nets.parameters import n_parameters, named_parameters

    shape = {"n_channels": N_CHANNELS, "n_samples": N_SAMPLES, "sampling_rate": SAMPLING_RATE}
    net = build_encoder(encoder_config(architecture, size, **shape), 0)
    rng = np.random.default_rng(0)
    windows = rng.standard_normal((batch, N_CHANNELS, N_SAMPLES)).astype(np.float32)
    wanted = rng.standard_normal((batch, net.n_features)).astype(np.float32)
    optimiser = AdamW(list(named_parameters(net).values()), weight_decay=0.05, clip_norm=1.0)
    rate = backend.from_numpy(np.array([1e-3], np.float32))

    @TinyJit
    def step(x, y):
        optimiser.zero_grad()
        loss = (net(x) - y).square().mean()
        loss.backward()
        return loss.realize(*optimiser.schedule_step(rate))

    def turn():
        with backend.training_mode():
            return step(*[backend.from_numpy(array, split=True) for array in (windows, wanted)]).item()

    return n_parameters(net), turn


def measure(architecture, size, batch, seconds, peak):
    """One line of the table."""
    from tinygrad import GlobalCounters

    from biosig.nets import backend

    n, turn = training_step(architecture, size, batch)
    began = time.perf_counter()
    for _ in range(WARM_UP):
        turn()
    compiling = time.perf_counter() - began
    times, began = [], time.perf_counter()
    GlobalCounters.reset()
    while len(times) < 3 or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        loss = turn()
        times.append(time.perf_counter() - start)
    if not np.isfinite(loss):
        raise SystemExit(f"the loss of {architecture} {size} is {loss}: what this device calculates cannot be trusted")
    taken = statistics.median(times)
    rate = 0.0 if backend.uses_host_kernels() else GlobalCounters.global_ops / len(times) / taken / 1e12
    return [
        f"{architecture} {size}, {n:,} parameters",
        batch,
        f"{1e3 * taken:.0f}",
        f"{batch / taken:.0f}",
        f"{rate:.3g}" if rate else "-",
        f"{rate / peak:.1%}" if rate and peak else "-",
        f"{COHORT / (batch / taken) / 3600:.1f}",
        f"{compiling:.0f}",
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[256, 512], help="windows a step (%(default)s)")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--devices", nargs="+", help="two or more, such as CUDA:0 CUDA:1")
    parser.add_argument("--peak-tflops", type=float, help="of all devices together, in this precision, by their maker")
    parser.add_argument("--seconds", type=float, default=20, help="of measuring for each row (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="the tiny sizes, 8 windows, two seconds: a trial")
    options = parser.parse_args()
    if options.quick:
        options.batch, options.seconds = [8], 2
    size = "tiny" if options.quick else "paper"

    from biosig.nets import backend

    with backend.products_in(options.precision), backend.spread_over(options.devices):
        told = backend.describe()
        print(f"# Training encoders on {', '.join(options.devices or [told['device']])}\n")
        road = f"host kernels on {told['threads']} threads" if told["host_kernels"] else "plain tinygrad operations"
        print(
            f"{road}, products in {options.precision}; tinygrad {told['tinygrad']}, Python {platform.python_version()};"
        )
        print(f"{N_CHANNELS} channels of {N_SAMPLES} samples; median step of at least {options.seconds:g} s.\n")
        million = f"hours for {COHORT // 10**6} million windows"
        heading = ["model", "batch", "step ms", "windows/s", "TFLOP/s", "of peak", million, "warm-up s"]
        print(f"| {' | '.join(heading)} |\n|{'---|' * len(heading)}", flush=True)
        for architecture in ("transformer", "efficientnet"):
            for batch in options.batch:
                line = measure(architecture, size, batch, options.seconds, options.peak_tflops)
                print(f"| {' | '.join(map(str, line))} |", flush=True)
                backend.free_memory()


if __name__ == "__main__":
    main()
