"""Gravity taken out of windows with no phase shift: biosig.remove_gravity against SciPy's sosfiltfilt.

Run ``python examples/benchmarks/signals.py --parts gravity``. Both run the same Butterworth filter, order 4 above 0.5
Hz. SciPy computes in float64 whatever it is given; errors are relative to its result for float64. scikit-digital-health
has no function for this: its metrics call sosfiltfilt too.
"""

from __future__ import annotations

import numpy as np

RATE, CUTOFF, ORDER = 64.0, 0.5, 4


def run(repeats: int, quick: bool, n_threads: int) -> list:
    """Rows of the benchmark table, one for each kind of number."""
    from parts.rows import Row, ratio, take_turns, told
    from scipy.signal import butter, sosfiltfilt

    import biosig

    sos = butter(ORDER, CUTOFF, "highpass", fs=RATE, output="sos")
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.02, (100 if quick else 1000, 3, 3840)) + np.array([[0.1], [0.3], [0.95]])
    rows = []
    for kind in (np.float32, np.float64):
        x = noise.astype(kind)
        ours = lambda x=x: biosig.remove_gravity(x, RATE, cutoff=CUTOFF, order=ORDER, n_jobs=n_threads)
        peer = lambda x=x: sosfiltfilt(sos, x, axis=-1)
        seconds = take_turns({"ours": ours, "SciPy": peer}, repeats)
        exact = sosfiltfilt(sos, x.astype(np.float64), axis=-1)
        error = np.abs(ours() - exact).max() / np.abs(exact).max()
        rows.append(
            Row(
                f"gravity removal, zero phase, {x.shape} {x.dtype}",
                told(seconds["ours"]),
                f"SciPy sosfiltfilt: {told(seconds['SciPy'])}",
                ratio(seconds["SciPy"], seconds["ours"]),
                f"greatest difference from SciPy in float64: {error:.1e} of the greatest value",
            )
        )
    return rows
