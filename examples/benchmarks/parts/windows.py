"""Windows cut, gated and normalised: biosig.signals.cut against NumPy's sliding windows, and against a plain copy.

Run ``python examples/benchmarks/signals.py --parts windows``. Windows of 60 s start every 30 s; seven of ten pass the
gate. The copy is of an array as large as the result: no program can be faster than to write its output once.
"""

from __future__ import annotations

import numpy as np

RATE, LENGTH, STRIDE = 64, 60, 30  # Hz, s, s


def sliding(rows: np.ndarray, keep: np.ndarray, normalise: bool) -> np.ndarray:
    """NumPy, with two passes over the result less than the first idea (in place)."""
    views = np.lib.stride_tricks.sliding_window_view(rows, RATE * LENGTH, axis=1)[:, :: RATE * STRIDE]
    windows = np.ascontiguousarray(views.transpose(1, 0, 2)[keep])
    if normalise:
        windows -= windows.mean(axis=-1, keepdims=True)
        windows /= windows.std(axis=-1, keepdims=True)
    return windows


def run(repeats: int, quick: bool, n_threads: int) -> list:
    """Rows of the benchmark table: cut and gate, then normalised too, each against both peers."""
    from parts.rows import Row, ratio, take_turns, told

    from biosig.signals import cut

    rng = np.random.default_rng(0)
    rows = (rng.normal(0, 0.02, (3, RATE * 3600 * (1 if quick else 12))) + 0.5).astype(np.float32)
    n_windows = (rows.shape[1] - RATE * LENGTH) // (RATE * STRIDE) + 1
    keep = rng.random(n_windows) < 0.7
    table = []
    for normalise in (False, True):
        ours = lambda normalise=normalise: cut(
            rows, RATE, length=LENGTH, stride=STRIDE, keep=keep, normalise=normalise, n_jobs=n_threads
        )
        found, expected = ours(), sliding(rows, keep, normalise)
        programs = {
            "ours": ours,
            "NumPy sliding windows": lambda normalise=normalise: sliding(rows, keep, normalise),
            "copy of the output": expected.copy,
        }
        seconds = take_turns(programs, repeats)
        if normalise:
            exact = sliding(rows.astype(np.float64), keep, True)
            errors = [np.abs(windows - exact).max() for windows in (found, expected)]
            quality = f"greatest error of a z-score: ours {errors[0]:.0e}, NumPy {errors[1]:.0e}"
        else:
            quality = "equal" if np.array_equal(found, expected) else "NOT EQUAL"
        steps = "cut, gate and normalise" if normalise else "cut and gate"
        table += [
            Row(
                f"{steps}: {found.shape} float32 of {n_windows} windows",
                told(seconds["ours"]),
                f"{name}: {told(seconds[name])}",
                ratio(seconds[name], seconds["ours"]),
                quality,
            )
            for name in list(programs)[1:]
        ]
    return table
