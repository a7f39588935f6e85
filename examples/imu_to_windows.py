"""From raw acceleration to windows, step by step, with plots.

Run ``python examples/imu_to_windows.py`` for half a day of a simulated wrist, add a FILE for a recording of your own
that `biosig.read` knows. It prints the user guide: ``python examples/imu_to_windows.py >
docs/imu_to_windows.md`` made that page, and its pictures in ``docs/images``.
"""

from __future__ import annotations

import argparse
import inspect
import os
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from scipy.signal import welch

import biosig
from biosig import signals
from biosig.heart import ppg_targets
from biosig.recordings import make_recording

TARGET = 64.0  # Hz
HOURS, RATE = 12, 100  # of the simulation


def say(text: str) -> None:
    print(inspect.cleandoc(text) + "\n")


def save(figure, folder: Path, name: str, text: str) -> None:
    figure.tight_layout()
    figure.savefig(folder / f"{name}.png", dpi=70)
    plt.close(figure)
    where = Path(os.path.relpath(folder / f"{name}.png", "docs")).as_posix()
    print(f"![{text}]({where})\n")


def simulate(random_state: int = 0) -> xr.Dataset:
    """Half a day: postures, bouts of movement, vibration at 40 Hz, two hours off the wrist, gaps; not calibrated."""
    rng = np.random.default_rng(random_state)
    n = HOURS * 3600 * RATE
    seconds = np.arange(n) / RATE
    minute = (seconds // 60).astype(int)
    worn = (seconds < 5 * 3600) | (seconds > 7 * 3600)
    up = rng.normal(size=(HOURS * 20, 3))  # another posture every three minutes
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    gravity = np.where(worn, up[minute // 3].T, np.array([[0.0], [0.0], [1.0]]))
    moving = (np.where(rng.random(HOURS * 60) < 0.5, rng.lognormal(-3.0, 1.2, HOURS * 60), 0.0))[minute] * worn
    accel = gravity + rng.normal(0, 0.001, (3, n))
    accel += moving * np.sin(2 * np.pi * 1.7 * seconds + np.array([[0.0], [1.0], [2.0]]))
    accel[2] += 0.01 * np.sin(2 * np.pi * 40 * seconds)
    accel = accel * np.array([[1.03], [0.98], [1.01]]) + np.array([[0.02], [-0.03], [0.01]])
    for start, length in ((3000, 0.3), (9000, 20.0), (33000, 600.0)):  # s
        accel[:, start * RATE : round((start + length) * RATE)] = np.nan
    stamps = 12.0 + (np.arange(n) + rng.uniform(-0.2, 0.2, n)) / RATE
    return xr.Dataset(
        {"accel": (("time_accel", "axis"), accel.T.astype(np.float32), {"units": "g", "sampling_rate": float(RATE)})},
        coords={"time_accel": stamps, "axis": list("xyz")},
        attrs={"participant": "simulated", "session": "day", "device": "simulated wrist"},
    )


def reading(recording: xr.Dataset, source: str) -> None:
    accel = recording["accel"]
    times = accel["time_accel"].values
    missing = float(np.isnan(accel.values).any(axis=1).mean())
    say(f"""
        # From raw acceleration to windows

        Made by `python examples/imu_to_windows.py > docs/imu_to_windows.md` on {source}; give it a file for yours.
        How fast all this is, beside SciPy, soxr and actipy: `python examples/benchmarks/signals.py`.

        ## 1. Read

        ```python
        import biosig
        from biosig import signals

        recording = biosig.read("session.zip")
        accel = recording["accel"]  # (time_accel, axis), g; the device's own clock, NaN where nothing was measured
        ```

        {(times[-1] - times[0]) / 3600:.2f} h, {len(times):,} samples at {accel.attrs["sampling_rate"]:.4g} Hz,
        {missing:.2%} of them missing.
        """)


def calibrating(recording: xr.Dataset) -> xr.Dataset:
    found = signals.calibrate(recording["accel"])
    numbers = lambda values: ", ".join(f"{v:.3f}" for v in values)
    verdict = found.reason or f"scale {numbers(found.scale)}; offset {numbers(found.offset)} g"
    say(f"""
        ## 2. Calibrate

        A sensor that lies still feels 1 g, whichever way it lies. Where it does not, scale and offset of each axis are
        off, and the still stretches of a day tell by how much (van Hees et al. 2014). Short recordings see too few
        orientations: then nothing is changed, and the reason is told.

        ```python
        calibration = biosig.calibrate(accel)
        recording["accel"] = calibration.apply(accel)
        ```

        {found.n_still} still stretches; error {1000 * found.error_before:.1f} mg before,
        {1000 * found.error_after:.1f} mg after: {verdict}.
        """)
    return recording.assign(accel=found.apply(recording["accel"]))


def resampling(recording: xr.Dataset, folder: Path) -> np.ndarray:
    accel = recording["accel"]
    even = biosig.resample(accel, target_rate=TARGET)
    rate = float(accel.attrs["sampling_rate"])
    say("""
        ## 3. Resample

        ```python
        even = biosig.resample(accel, target_rate=64)
        ```

        Any two rates. What lies above the new Nyquist rate is 100 dB down instead of coming back as an alias, as it
        does where one takes the nearest sample. Gaps up to `max_gap` seconds are bridged, longer ones stay NaN. Signals
        that arrive in blocks: `signals.ResampleStream`, with the same result to the last bit.
        """)
    stretch = slice(0, round(600 * rate))
    raw = np.nan_to_num(accel.values[stretch, -1].astype(float), nan=float(np.nanmedian(accel.values[stretch, -1])))
    at = np.minimum(np.round(np.arange(len(raw) * TARGET / rate) * rate / TARGET).astype(int), len(raw) - 1)
    ours = np.nan_to_num(even.values[: len(at), -1].astype(float), nan=float(raw.mean()))
    figure, axes = plt.subplots(figsize=(8, 3))
    for values, hertz, name in ((raw, rate, "as it is"), (raw[at], TARGET, "nearest sample"), (ours, TARGET, "biosig")):
        frequency, power = welch(values - values.mean(), hertz, nperseg=1024)
        axes.semilogy(frequency[4:], 1e6 * power[4:], label=f"{name}, {hertz:.4g} Hz", linewidth=1)
    axes.set(xlabel="Hz", ylabel="mg² / Hz", title="spectrum of the last axis, first ten minutes")
    axes.legend(fontsize=8)
    save(figure, folder, "imu_resampling", "Spectra before and after: the nearest sample folds high frequencies back")
    return even


def gravity(even: xr.DataArray, folder: Path) -> None:
    say("""
        ## 4. Take gravity away

        ```python
        movement = biosig.remove_gravity(even)  # zero phase; NaN stays NaN, each stretch on its own
        tilt = signals.estimate_gravity(even)
        up_and_across = biosig.orientation_free(even, form="vertical_horizontal")
        ```

        The axes depend on how the sensor was put on; its length less 1 g ("magnitude") and the movement along gravity
        and across it do not. In a scikit-learn Pipeline these are `Resampler`, `GravityRemover`, `OrientationFree`.
        """)
    spread = np.nan_to_num(biosig.remove_gravity(even).values.std(axis=1))
    middle = int(np.clip(np.argmax(spread > 0.05), 640, max(even.shape[0] - 640, 640)))
    part = even[middle - 640 : middle + 640]
    seconds = np.arange(part.shape[0]) / TARGET
    figure, axes = plt.subplots(3, 1, figsize=(8, 5), sharex=True)
    shown = (part, biosig.remove_gravity(part), biosig.orientation_free(part, form="vertical_horizontal"))
    for panel, values, title in zip(axes, shown, ("with gravity", "without", "along gravity and across"), strict=True):
        for name, row in zip(values["axis"].values, values.values.T, strict=True):
            panel.plot(seconds, row, linewidth=0.6, label=str(name))
        panel.set(ylabel="g", title=title)
        panel.legend(fontsize=7, ncols=3, loc="upper right")
    axes[-1].set_xlabel("s")
    save(figure, folder, "imu_gravity", "Twenty seconds with gravity, without it, and independent of orientation")


def wear(recording: xr.Dataset) -> None:
    off = signals.non_wear(recording["accel"])
    say(f"""
        ## 5. Was it worn?

        ```python
        off = biosig.non_wear(accel)  # for each quarter of an hour 1 not worn, 0 worn, NaN cannot be told
        ```

        {len(off)} quarters of an hour: {int((off == 1).sum())} not worn, {int((off == 0).sum())} worn,
        {int(np.isnan(off).sum())} unknown (recordings under an hour, and quarters without samples).
        """)


def windows(recording: xr.Dataset, folder: Path) -> None:
    gate = signals.Gate(max_motion=0.05, min_valid=0.95)
    every = biosig.segment(recording, length=60, across_gaps=True)
    kept = biosig.segment(recording, length=60, gate=gate)
    told = ("incomplete", "moving", "not_worn")
    lines = "\n".join(f"| {name} | {kept.attrs[name]:.1%} |" for name in told if name in kept.attrs)
    say("""
        ## 6. Windows, and the ones worth keeping

        ```python
        gate = biosig.Gate(max_motion=0.05, min_valid=0.95)    # g, share of measured samples
        windows = biosig.segment(recording, length=60, gate=gate)  # steps 3 and 4 included
        windows["accel"].values                                # (window, axis, sample), 64 Hz, without gravity
        windows["motion"], windows["valid"], windows["posture"], windows["non_wear"], windows["clipped"]
        ```

        No window crosses a gap unless `across_gaps=True`. What the gate refuses never takes up memory, and how much it
        refused stands in the attributes: report it with every result, for errors on still minutes say nothing about
        the others.
        """)
    print(
        f"{kept.attrs['n_windows']} windows judged ({kept.attrs['n_across_gaps']} more lay across gaps), "
        f"{kept.attrs['n_kept']} kept: coverage {kept.attrs['coverage']:.1%}. Each limit alone would refuse:\n\n"
        f"| limit | refused |\n|---|---|\n{lines}\n"
    )
    hours = every["start"].values / 3600
    good = gate.mask(every)
    figure, axes = plt.subplots(figsize=(8, 3))
    axes.semilogy(hours[~good], 1000 * every["motion"].values[~good], ".", color="0.6", label="refused", markersize=3)
    axes.semilogy(hours[good], 1000 * every["motion"].values[good], ".", color="tab:blue", label="kept", markersize=3)
    axes.axhline(1000 * gate.max_motion, color="tab:red", linewidth=1)
    axes.fill_between(
        hours, 0, 1, every["non_wear"].values > gate.max_non_wear, transform=axes.get_xaxis_transform(), color="0.9"
    )
    axes.set(xlabel="h", ylabel="motion, mg", title="minutes by their motion; grey: not worn")
    axes.legend(fontsize=8)
    save(figure, folder, "imu_windows", "Motion of each minute, the gate, and the time without wear")


def uneven(random_state: int = 0) -> None:
    """Ten minutes of a pulse, logged by a phone in six ways, and what windows make of each."""
    rng = np.random.default_rng(random_state)
    seconds, packet = np.arange(600 * 64) / 64, 18
    beats = np.cumsum(0.86 + 0.02 * rng.normal(size=720))
    phase = np.interp(seconds, beats, np.arange(beats.size))
    pulse = np.exp(2 * np.cos(2 * np.pi * phase)) / 3 + 0.01 * rng.normal(size=seconds.size)
    number = np.arange(seconds.size) // packet
    arrival = (number + 1) * packet / 64  # when a packet is whole
    jitter = lambda sd: np.maximum.accumulate(seconds + rng.normal(0, sd, seconds.size))
    some = rng.random(seconds.size) >= 0.01
    logs = {
        "perfect stamps": (pulse, seconds),
        "jitter of 5 ms": (pulse, jitter(0.005)),
        "jitter of 15 ms": (pulse, jitter(0.015)),
        "packets of 18, 20 µs apart": (pulse, arrival + 2e-5 * (np.arange(seconds.size) % packet)),
        "one stamp a packet": (pulse, arrival),
        "jitter of 4 ms, 1 % lost": (pulse[some], jitter(0.004)[some]),
    }
    say("""
        ## 7. An uneven log, put right

        Sensors sample evenly; phones stamp when a sample arrives. Read at such stamps, every beat is late or early by
        some milliseconds, and the variability of the heart with it: no quality control sees that. So windows, and
        `biosig.resample` of labelled arrays, first put stamps on the device's own clock, by regression on the sample
        count, with packets and lost samples found. Clocks that jump by years cost nothing: windows lie where samples
        are. `evenly=False` leaves stamps alone.

        ```python
        windows = biosig.segment(recording, length=60)       # stamps put right
        windows["ppg"].attrs["jitter_ms"], windows["ppg"].attrs["n_lost"], windows["ppg"].attrs["n_gaps"]
        as_stamped = biosig.segment(recording, length=60, evenly=False)
        even, record = signals.even_clock(stamps)            # the same for an array of times
        ```

        Ten minutes of a simulated pulse, logged in six ways; RMSSD is the mean of the minutes that pass quality
        control:
        """)
    print(
        "| log | rate, Hz | jitter, ms | lost | RMSSD as stamped, ms | RMSSD put right, ms |\n|---|---|---|---|---|---|"
    )
    for name, (samples, stamps) in logs.items():
        recording = make_recording(ppg=samples, time=stamps)
        cells = []
        for evenly in (False, True):
            minutes = biosig.segment(recording, length=60, across_gaps=True, evenly=evenly)
            rmssd = ppg_targets(minutes["ppg"].values, TARGET)["rmssd"]
            good = f"{rmssd.mean():.1f} ({rmssd.notna().sum()} of {len(rmssd)} min)"
            cells.append(good if rmssd.notna().any() else "none passes")
        told = minutes["ppg"].attrs
        print(
            f"| {name} | {recording['ppg'].attrs['sampling_rate']:.2f} | {told.get('jitter_ms', 0.0):.1f} | "
            f"{told.get('n_lost', 0)} | {cells[0]} | {cells[1]} |"
        )
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", help="a recording; half a day is simulated without it")
    parser.add_argument("--images", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    options.images.mkdir(parents=True, exist_ok=True)
    if options.file:
        recording, source = biosig.read(options.file), Path(options.file).name
    else:
        recording, source = simulate(), f"{HOURS} h of a simulated wrist"
    reading(recording, source)
    recording = calibrating(recording)
    even = resampling(recording, options.images)
    gravity(even, options.images)
    wear(recording)
    windows(recording, options.images)
    uneven()


if __name__ == "__main__":
    main()
