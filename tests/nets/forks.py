"""Run as a program by test_forking: children forked while another thread calculates, compiles or trains."""

from __future__ import annotations

import multiprocessing as mp
import sys
import threading
import time
import warnings

import numpy as np

import biosig
from biosig.estimators import MaskedAutoencoder

warnings.simplefilter("ignore")  # Python warns of every fork beside threads
FORK = mp.get_context("fork")


def children_embed(encoder, x, expected, n: int, what: str) -> None:
    """Fork `n` children one after the other; each has to embed windows as its parent does."""

    def child() -> None:
        found = np.asarray(encoder.transform(x))
        sys.exit(0 if np.allclose(found, expected, atol=1e-5) else 7)

    rng = np.random.default_rng(0)
    for number in range(n):
        time.sleep(float(rng.uniform(0, 0.03)))
        process = FORK.Process(target=child)
        process.start()
        process.join(60)
        if process.is_alive():
            process.kill()
            sys.exit(f"{what}: child {number} hangs")
        if process.exitcode:
            sys.exit(f"{what}: child {number} ended with {process.exitcode}")


def beside(work, then) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,))
    thread.start()
    try:
        then()
    finally:
        stop.set()
        thread.join()


def main(n: int) -> None:
    encoder = biosig.load_encoder("ppg-small")
    x = np.random.default_rng(0).normal(size=(12, 1, 3840)).astype(np.float32)
    expected = encoder.transform(x)

    def embedding(stop):
        while not stop.is_set():
            encoder.transform(x)

    def training(stop):
        def ask(progress):
            return stop.is_set()

        settings = {"n_steps": 100_000, "batch_size": 4, "options": {"callback": ask}, "random_state": 0}
        MaskedAutoencoder(size="micro", **settings).fit(x)

    def compiling(stop):
        import numba

        while not stop.is_set():
            numba.njit(lambda a: (a * 2 + 1).sum())(np.arange(3.0))

    beside(embedding, lambda: children_embed(encoder, x, expected, n, "while embedding"))
    beside(compiling, lambda: children_embed(encoder, x, expected, max(1, n // 4), "while compiling"))
    beside(training, lambda: children_embed(encoder, x, expected, n, "while training"))

    def child_trains() -> None:
        twin = MaskedAutoencoder(size="micro", n_steps=2, batch_size=4, random_state=0).fit(x)
        sys.exit(0 if np.isfinite(twin.history_["loss"]).all() else 7)

    def forked_training() -> None:
        process = FORK.Process(target=child_trains)
        process.start()
        process.join(60)
        if process.exitcode != 0:
            process.kill()
            sys.exit(f"a training in a child forked beside a training: {process.exitcode}")

    beside(training, forked_training)
    print("all children embedded")


if __name__ == "__main__":
    main(int(sys.argv[1]))
