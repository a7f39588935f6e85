"""A week of raw acceleration made into gated windows: biosig.segment against the same steps in SciPy, and actipy.

Run ``python examples/benchmarks/signals.py --parts week`` (``--quick`` takes a day). The recording is 100 Hz, three
axes in float32, with time stamps that jitter, movement for a third of the time, and gaps (NaN) short and long. The
steps: short gaps bridged, 64 Hz, gravity removed, windows of 60 s, share of valid samples, robust standard deviation,
posture, non-wear, clipping, and the gate. actipy has no windows and no gate; its low-pass, non-wear and resampling (the
nearest sample) are what can be compared. Peak memory (Linux) is measured in a child process for each program: what it
adds to the recording while it runs, result included, as a multiple of the recording (samples and time stamps).
"""

from __future__ import annotations

import importlib.util
import math
import multiprocessing
import warnings
from pathlib import Path

import numpy as np

RATE, TARGET, LENGTH = 100, 64.0, 60.0  # Hz, Hz, s
CUTOFF, ORDER, MAX_GAP = 0.5, 4, 0.5  # Hz, -, s
MAX_MOTION, MIN_VALID, MAX_NON_WEAR = 0.05, 0.95, 0.5
SCALE = 8.0  # g
HOUR = 3600 * RATE


def simulate(hours: int, random_state: int = 0):
    """Recording as biosig.read returns it: posture by the quarter of an hour, movement, a few hours off the wrist."""
    import xarray as xr

    rng = np.random.default_rng(random_state)
    accel = np.empty((hours * HOUR, 3), np.float32)
    times = np.empty(len(accel))
    for hour in range(hours):  # piece by piece, so that nothing but the recording takes up memory
        part = slice(hour * HOUR, (hour + 1) * HOUR)
        rng.standard_normal(out=accel[part], dtype=np.float32)
        worn = hour % 24 != 20
        strength = np.where(rng.random(60) < 0.35, 0.15, 0.004) if worn else np.full(60, 0.002)
        accel[part] *= np.repeat(strength, 60 * RATE)[:, None].astype(np.float32)
        up = rng.normal(size=(4, 3))
        up = np.repeat(up / np.linalg.norm(up, axis=1, keepdims=True), HOUR // 4, axis=0)
        accel[part] += (up if worn else up[:1]).astype(np.float32)
        times[part] = (np.arange(part.start, part.stop) + rng.uniform(-0.2, 0.2, HOUR)) / RATE
    n_gaps = 2 * hours
    for start, size in zip(
        rng.integers(0, len(accel), n_gaps), rng.choice([5, 20, 40, 3000], n_gaps, p=[0.4, 0.3, 0.2, 0.1]), strict=True
    ):
        accel[start : start + size] = np.nan
    return xr.Dataset(
        {"accel": (("time_accel", "axis"), accel, {"units": "g", "range": SCALE})},
        coords={"time_accel": times, "axis": list("xyz")},
        attrs={"participant": "p", "session": "s"},
    )


def ours(recording, n_threads: int = 1):
    import biosig
    from biosig.signals import Gate

    gate = Gate(max_motion=MAX_MOTION, min_valid=MIN_VALID, max_non_wear=MAX_NON_WEAR)
    windows = biosig.segment(recording, length=LENGTH, sampling_rate=TARGET, gate=gate, n_jobs=n_threads)
    return windows["accel"].values, windows["start"].values


def scipy_segment(recording, n_threads: int = 1):
    """The same steps as one writes them with NumPy and SciPy, stretch by stretch between the long gaps."""
    from scipy.signal import butter, firwin, kaiserord, resample_poly, sosfiltfilt

    raw = recording["accel"].values
    n_samples = int(LENGTH * TARGET)
    n_grid = int(len(raw) * TARGET / RATE)
    n_taps, beta = kaiserord(110.0, 0.1 / 25)
    taps = firwin(n_taps | 1, 0.95 / 25, window=("kaiser", beta)).astype(np.float32)
    sos = butter(ORDER, CUTOFF, "highpass", fs=TARGET, output="sos")

    finite = np.isfinite(raw).all(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate(([1], finite, [1])).astype(np.int8)))
    lost = [(a, b) for a, b in edges.reshape(-1, 2) if b - a > MAX_GAP * RATE]
    bounds = [0, *np.ravel(lost).astype(int), len(raw)]
    moving = np.full((3, n_grid), np.nan, np.float32)
    level = np.full((3, n_grid), np.nan, np.float32)
    for begin, end in zip(bounds[::2], bounds[1::2], strict=True):
        # A stretch begins anywhere, and 16 outputs come of 25 inputs: begin at the next multiple of 25.
        begin = -(-begin // 25) * 25
        at = begin * 16 // 25
        if end - begin < 100:
            continue
        inside = finite[begin:end]
        stretch = raw[begin:end].T
        if not inside.all():
            stretch = stretch.copy()
            where = np.arange(end - begin)
            for axis in range(3):
                stretch[axis, ~inside] = np.interp(where[~inside], where[inside], stretch[axis, inside])
        low = resample_poly(stretch, 16, 25, axis=-1, window=taps, padtype="line")[:, : n_grid - at]
        level[:, at : at + low.shape[1]] = low
        moving[:, at : at + low.shape[1]] = sosfiltfilt(sos, low, axis=-1)

    n_windows = n_grid // n_samples
    cut = lambda x: x[..., : n_windows * n_samples].reshape(*x.shape[:-1], n_windows, n_samples)
    windows = cut(moving).transpose(1, 0, 2)
    nearest = np.minimum(np.round(np.arange(n_grid) * RATE / TARGET).astype(int), len(raw) - 1)
    valid = cut(finite[nearest]).mean(axis=-1)
    complete = np.isfinite(windows).all(axis=(1, 2))
    centred = np.abs(windows - np.median(windows, axis=-1, keepdims=True))
    motion = 1.4826 * np.median(centred.reshape(n_windows, -1), axis=-1)
    means = np.nanmean(cut(level), axis=-1)
    posture = [np.degrees(np.arctan2(means[i], np.hypot(means[i - 1], means[i - 2]))) for i in range(3)]
    raw_windows = raw[: n_windows * int(LENGTH * RATE)].reshape(n_windows, -1, 3)
    clipped = (np.abs(raw_windows) >= 0.999 * SCALE).mean(axis=1).max(axis=-1)
    quarters = raw[: len(raw) // (900 * RATE) * 900 * RATE].reshape(-1, 900 * RATE, 3)
    low, high = np.nanmin(quarters, axis=1), np.nanmax(quarters, axis=1)
    mean, power = np.nanmean(quarters, axis=1), np.nanmean(np.square(quarters), axis=1)
    unworn = np.zeros(len(quarters), bool)
    for i in range(len(quarters) - 3):
        hour = slice(i, i + 4)
        variance = power[hour].mean(axis=0) - mean[hour].mean(axis=0) ** 2
        still = (variance < 0.013**2) & (high[hour].max(axis=0) - low[hour].min(axis=0) < 0.05)
        unworn[hour] |= still.sum() >= 2
    non_wear = unworn[np.minimum(np.arange(n_windows) * int(LENGTH) // 900, len(unworn) - 1)]
    kept = complete & (valid >= MIN_VALID) & (motion <= MAX_MOTION) & ~non_wear
    return windows[kept], np.flatnonzero(kept) * LENGTH, posture, clipped


def actipy_process(recording, n_threads: int = 1):
    import actipy
    import pandas as pd

    index = pd.to_datetime(recording["time_accel"].values, unit="s")
    frame = pd.DataFrame(recording["accel"].values, columns=list("xyz"), index=index)
    return actipy.process(frame, RATE, lowpass_hz=20, calibrate_gravity=False, resample_hz=TARGET, verbose=False)


PROGRAMS = {"ours": ours, "SciPy": scipy_segment, "actipy": actipy_process}


def _highest() -> int:
    """Greatest memory (bytes) this process has had since the last call; 0 where Linux does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        Path("/proc/self/clear_refs").write_text("5")  # from here on anew
    except OSError:
        return 0
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _peak(name: str, hours: int, n_threads: int, queue) -> None:
    """In a child: peak memory while a program runs, as a multiple of the recording."""
    warnings.simplefilter("ignore")
    PROGRAMS[name](simulate(2), n_threads)  # imports and compiled code
    recording = simulate(hours)
    size = recording["accel"].nbytes + recording["time_accel"].nbytes
    _highest()
    before = _highest()
    result = PROGRAMS[name](recording, n_threads)
    after = _highest()
    del result
    queue.put((size + after - before) / size if before else math.nan)


def peak_memory(name: str, hours: int, n_threads: int) -> float:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_peak, args=(name, hours, n_threads, queue))
    child.start()
    multiple = queue.get(timeout=600)
    child.join()
    return multiple


def _timed(present, hours: int, repeats: int, n_threads: int) -> tuple[dict[str, list[float]], str]:
    """Times of all programs, and how far ours and SciPy's windows agree."""
    from parts.rows import take_turns

    recording = simulate(hours)
    found: dict = {}

    def keep(name: str) -> None:
        found[name] = None  # the last result is given back before the next one comes
        found[name] = present[name](recording, n_threads)

    for program in present.values():
        program(recording.isel(time_accel=slice(2 * HOUR)), n_threads)
    seconds = take_turns({name: lambda name=name: keep(name) for name in present}, min(repeats, 3), warm_up=False)
    (windows, starts), (expected, expected_starts, *_) = found["ours"], found["SciPy"]
    number = np.round(starts / LENGTH)  # ours count from the first time stamp, which jitters
    both, at, also_at = np.intersect1d(number, expected_starts / LENGTH, return_indices=True)
    apart = [float(np.abs(windows[i] - expected[k]).max()) for i, k in zip(at, also_at, strict=True)]
    same = both.size / np.union1d(number, expected_starts / LENGTH).size
    return seconds, (
        f"{len(starts)} windows kept, {same:.2%} of them by both; greatest difference in a window: "
        f"median {np.median(apart):.0e} g, 99th percentile {np.quantile(apart, 0.99):.0e} g"
    )


def run(repeats: int, quick: bool, n_threads: int) -> list:
    """Rows of the benchmark table, one for each peer."""
    from parts.rows import Row, not_installed, ratio, told

    hours = 24 if quick else 168
    work = f"{hours // 24} day(s) of {RATE} Hz, three axes, to gated windows at {TARGET:g} Hz"
    present = {name: each for name, each in PROGRAMS.items() if name != "actipy" or importlib.util.find_spec(name)}
    seconds, agreement = _timed(present, hours, repeats, n_threads)
    quality = {
        "SciPy": agreement,
        "actipy": "no gravity removal, windows or gate; nearest sample instead of a filter against aliases",
    }
    memory = {name: peak_memory(name, hours, n_threads) for name in present}
    rows = []
    for name in ("SciPy", "actipy"):
        if name not in present:
            rows.append(not_installed(work, name))
            continue
        rows.append(
            Row(
                work,
                f"{told(seconds['ours'])}, peak {memory['ours']:.2f} x the recording",
                f"{name}: {told(seconds[name])}, peak {memory[name]:.2f} x",
                ratio(seconds[name], seconds["ours"]),
                quality[name],
            )
        )
    return rows
