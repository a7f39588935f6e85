"""Heart rate from a night of wrist motion: biosig.wrist_heart_rate against the same estimator in plain SciPy.

Run ``python examples/benchmarks/signals.py --parts wrist_night``. The night is one simulated sleeper, 100 Hz with steps
of 0.5 mg. Two SciPy programs are written here. "Thinned" is the estimator step by step: the length of the vector is
reduced to 12.5 Hz, and the pulse is looked for there. "Plain" skips that step, as one would who wrote it first; it is
another estimator by a little. At 12.5 Hz what the limit of three medians cuts off leaves harmonics that fold back, so
that windows with no clear peak may choose another one (without a limit 99.3 % of the windows of 8 h agree within 0.1
beats/min, with it 93.5 %; "plain" with the median alone taken at 12.5 Hz agrees with itself in 99.8 %). Neither is
nearer to the truth, as the table tells.
"""

from __future__ import annotations

import numpy as np

RATE = 100.0  # Hz
LENGTH, STRIDE = 30.0, 10.0  # s
SLEEPER = 3  # seed


def simulate_night(hours: float, random_state: int = SLEEPER) -> tuple[np.ndarray, np.ndarray]:
    """Acceleration (3, n_samples), float32, g, and the true rate (beats/min) of each window."""
    from biosig.recordings import Device, simulate_cohort, truth_targets

    watch = Device("watch at 100 Hz", RATE, 64.0, 0.0005, 0.001, 8.0, 100.0, 0.04)
    night = simulate_cohort(1, 3600.0 * hours, device=watch, random_state=random_state)[0]
    starts = np.arange(0.0, 3600.0 * hours - LENGTH + 1e-6, STRIDE)
    truth = truth_targets(night, starts, LENGTH)["heart_rate"].to_numpy()
    return np.ascontiguousarray(night["accel"].values.T), truth


def scipy_nightbeat(accel, rate, *, length=LENGTH, stride=STRIDE, thin=False, max_motion=0.05):
    """Rates in beats/min (NaN where the wrist moves), by SciPy's functions and NumPy."""
    from scipy.fft import rfft
    from scipy.signal import butter, resample_poly, sosfiltfilt

    seconds = accel[:, : int(accel.shape[1] // rate * rate)].astype(np.float64).reshape(3, -1, int(rate))
    spread = np.sqrt(seconds.var(axis=2).mean(axis=0))
    beat_band = butter(2, (5.0, min(14.0, 0.45 * rate)), "bandpass", fs=rate, output="sos")
    carrier = np.sqrt((sosfiltfilt(beat_band, accel.astype(np.float64), axis=1) ** 2).sum(axis=0))
    step = int(rate // 12) if thin else 1
    if thin:
        carrier = resample_poly(carrier, 1, step, window=("kaiser", 5.7), padtype="line")
    low_rate = rate / step
    pulse = sosfiltfilt(butter(2, (0.5, 3.5), "bandpass", fs=low_rate, output="sos"), carrier)

    # The same bins as biosig has, so that rates can be compared.
    n = round(length * (rate / int(rate // 12))) if thin else round(length * rate)
    size = 2 * n
    width = low_rate / size
    low, high, near = int(np.ceil(0.66 / width)), int(2.5 / width), round(max(0.1, 2 / length) / width)
    begin, n_bins = int(np.ceil(0.5 / width)), 2 * (high + near) + 1
    taper = np.hanning(n + 2)[1:-1]
    n_windows = int((accel.shape[1] / rate - length) // stride) + 1
    power = np.zeros((n_windows, n_bins))
    usable = np.zeros(n_windows, bool)
    for w in range(n_windows):
        first = round(w * stride * low_rate)
        window = pulse[first : first + n]
        window = window - window.mean()
        bound = 3.0 * np.median(np.abs(window))
        spectrum = rfft(np.clip(window, -bound, bound) * taper, size)[:n_bins]
        power[w] = np.abs(spectrum) ** 2
        power[w] /= power[w].sum()
        begin_second = int(w * stride)
        usable[w] = np.median(spread[begin_second : begin_second + int(length)]) <= max_motion

    def contrast(at):
        lower, upper = max(at - near, begin), min(at + near + 1, n_bins)
        flanks = [*range(max(lower - near, begin), lower), *range(upper, min(upper + near, n_bins))]
        level = power[:, flanks].mean(axis=1) if flanks else 0.0
        return power[:, lower:upper].sum(axis=1) - (upper - lower) * level

    evidence = np.stack([contrast(c) + 0.5 * contrast(2 * c) for c in range(low, high + 1)], axis=1)
    evidence[~usable] = 0.0
    path = _best_path(evidence, max(1, round(stride / 60 / width)), 2000.0 / stride * width**2)

    rates = np.full(n_windows, np.nan)
    for w in np.flatnonzero(usable):
        line = power[w]
        at = low + path[w]
        nearby = range(max(at - near, 1), min(at + near, n_bins - 2) + 1)
        tops = [i for i in nearby if line[i] > line[i - 1] and line[i] >= line[i + 1]]
        at = max(tops, key=lambda i: line[i], default=at)
        offset = 0.0
        if tops:
            a, b, c = np.log(line[at - 1 : at + 2])
            offset = 0.5 * (a - c) / (a - 2 * b + c)
        rates[w] = 60 * (at + offset) * width
    return rates


def _best_path(evidence, widest, cost):
    n_times, n_rates = evidence.shape
    moves = np.arange(-widest, widest + 1)
    tolls = cost * moves[:, np.newaxis] ** 2
    gathered = evidence[0]
    came_from = np.zeros((n_times, n_rates), int)
    for t in range(1, n_times):
        padded = np.pad(gathered, widest, constant_values=-np.inf)
        choices = np.lib.stride_tricks.sliding_window_view(padded, n_rates) - tolls
        best = choices.argmax(axis=0)
        came_from[t] = np.arange(n_rates) + moves[best]
        gathered = choices[best, np.arange(n_rates)] + evidence[t]
    path = np.empty(n_times, int)
    path[-1] = gathered.argmax()
    for t in range(n_times - 1, 0, -1):
        path[t - 1] = came_from[t, path[t]]
    return path


def run(repeats: int, quick: bool, n_threads: int) -> list:
    """Rows of the benchmark table, one for each of the two peers."""
    from parts.rows import Row, ratio, take_turns, told

    from biosig import wrist_heart_rate

    hours = 0.5 if quick else 8.0
    accel, truth = simulate_night(hours)
    found: dict = {}

    def ours() -> None:
        table = wrist_heart_rate(accel, RATE, length=LENGTH, stride=STRIDE, n_jobs=n_threads)
        found["ours"] = table["heart_rate"].to_numpy()

    def plain() -> None:
        found["SciPy, plain"] = scipy_nightbeat(accel, RATE)

    def thinned() -> None:
        found["SciPy, thinned"] = scipy_nightbeat(accel, RATE, thin=True)

    peers = {"SciPy, plain": plain, "SciPy, thinned": thinned}
    seconds = take_turns({"ours": ours, **peers}, min(repeats, 3))
    rates = found["ours"]
    rows = []
    for name in peers:
        both = np.isfinite(rates) & np.isfinite(found[name])
        apart = np.abs(rates - found[name])[both]
        same = float((np.isfinite(rates) == np.isfinite(found[name])).mean())
        rows.append(
            Row(
                f"heart rate of {hours:g} h of wrist motion at {RATE:g} Hz, {rates.size} windows",
                told(seconds["ours"]),
                f"{name}: {told(seconds[name])}",
                ratio(seconds[name], seconds["ours"]),
                f"within 0.1 beats/min: {(apart <= 0.1).mean():.2%} of windows, median apart "
                f"{np.median(apart):.4f}, most {apart.max():.2f}; same windows without a rate: {same:.2%}; mean error "
                f"ours {np.nanmean(np.abs(rates - truth)):.3f}, theirs {np.nanmean(np.abs(found[name] - truth)):.3f}",
            )
        )
    return rows
