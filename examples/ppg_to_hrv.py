"""From a photoplethysmogram (PPG) to heart rate variability, step by step, with plots.

Run ``python examples/ppg_to_hrv.py`` for six minutes of a simulated wrist, ``python examples/ppg_to_hrv.py FILE`` for a
recording that `biosig.read` knows. It prints the user guide: ``python examples/ppg_to_hrv.py > docs/ppg_to_hrv.md``
made that page, and its pictures in ``docs/images``.
"""

from __future__ import annotations

import argparse
import inspect
import os
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.signal import lombscargle

import biosig
from biosig import heart

MINUTE = 60.0  # s
SHOWN = (
    *("MeanNN", "SDNN", "RMSSD", "SDSD", "pNN50", "MedianNN", "MadNN", "HTI", "SD1", "SD2", "SD1SD2"),
    *("CSI", "CVI", "SampEn", "LFHF", "LFn", "HFn"),
)
BANDS = {"LF": (0.04, 0.15), "HF": (0.15, 0.4)}  # Hz


def say(text: str) -> None:
    print(inspect.cleandoc(text) + "\n")


def pulse_band(ppg, rate):
    return biosig.bandpass(ppg, rate, low=0.5, high=8.0)


def table(frame: pd.DataFrame) -> str:
    """A DataFrame as Markdown."""
    head = "| " + " | ".join(["", *map(str, frame.columns)]) + " |\n" + "|---" * (frame.shape[1] + 1) + "|\n"
    cell = lambda value: value if isinstance(value, str) else "-" if np.isnan(value) else f"{value:.4g}"
    return head + "\n".join("| " + " | ".join([str(name), *map(cell, row)]) + " |" for name, *row in frame.itertuples())


def save(figure, folder: Path, name: str, text: str) -> None:
    figure.savefig(folder / f"{name}.png", dpi=80)
    plt.close(figure)
    where = Path(os.path.relpath(folder / f"{name}.png", "docs")).as_posix()
    print(f"![{text}]({where})\n")


def way_up(ppg, rate) -> float:
    say("""
        ## 1. Which way up?

        biosig takes *blood volume up = value up*. Many devices write the light that comes back, which falls as the
        vessels fill. Beats are timed by the steep rise, so an inverted signal gives poor intervals, not an error;
        `ppg_targets` turns a wavelength that is clearly inverted, and says so in the column `polarity`.

        ```python
        heart.polarity(ppg, sampling_rate)
        ```
    """)
    rows = {"as it is": heart.polarity(ppg, rate).iloc[0], "turned over": heart.polarity(-ppg, rate).iloc[0]}
    print(table(pd.DataFrame(rows).T) + "\n")
    return float(rows["as it is"]["polarity"]) if np.isfinite(rows["as it is"]["polarity"]) else 1.0


def trust(ppg, rate, folder) -> np.ndarray:
    say("""
        ## 2. Which minutes, which beats can be trusted?

        ```python
        heart.ppg_targets(minutes, sampling_rate)    # minutes: (n_windows, n_samples); NaN with a reason where needed
        heart.pulse_quality(minutes, sampling_rate)  # why
        heart.beat_quality(ppg, sampling_rate)       # likeness of each pulse to the mean pulse
        minutes[heart.ppg_targets(minutes, sampling_rate)["reason"] != ""] = np.nan
        ```

        The last line takes the minutes that do not pass quality control as missing: gaps hold no beats, and no interval
        spans them.
    """)
    minutes = in_minutes(ppg, rate)
    targets, quality = heart.ppg_targets(minutes, rate), heart.pulse_quality(minutes, rate)
    frame = pd.concat(
        [targets.drop(columns=["n_beats", "variability_reason", "polarity"]), quality.drop(columns="reason")], axis=1
    )
    frame["reason"] = frame.pop("reason")
    frame.index = [f"minute {i + 1}" for i in frame.index]
    print(table(frame) + "\n")
    beats = heart.detect_beats(ppg, rate)
    alike = heart.beat_quality(ppg, rate, beats=beats)
    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 3.6), sharex=True, layout="constrained")
    above.plot(np.arange(ppg.size) / rate, pulse_band(ppg, rate), lw=0.4, color="0.3")
    above.set_ylabel("pulse band")
    below.plot(beats, alike, ".", ms=3)
    below.axhline(0.86, lw=0.8, color="C3")
    below.set(xlabel="seconds", ylabel="likeness", ylim=(-0.4, 1.05))
    save(figure, folder, "ppg_quality", "The pulse band, and the likeness of each pulse to the mean pulse")
    trusted = minutes.copy()
    trusted[targets["reason"] != ""] = np.nan
    return trusted.ravel()


def in_minutes(ppg, rate):
    n = round(MINUTE * rate)
    return ppg[: len(ppg) // n * n].reshape(-1, n)


def beat_times(ppg, rate, folder) -> np.ndarray:
    say("""
        ## 3. Beats

        ```python
        beats = heart.detect_beats(ppg, sampling_rate)                    # MSPTDfast, timed by the mean pulse
        heart.detect_beats(ppg, sampling_rate, fiducial="upslope")        # or mid_amplitude, onset, peak
        heart.detect_beats(ppg, sampling_rate, method="neurokit:elgendi") # any detector of NeuroKit2
        ```

        Each time is placed between samples. `template` fits the mean pulse to every pulse, so all its samples have a
        say; `heart.pulse_times` gives the standard error of each time beside. Of single points, crest and foot are
        round, so their times are less certain than those of the rise. How much the intervals of each kind change from
        beat to beat, their noise included:
    """)
    kinds = ("template", "upslope", "mid_amplitude", "onset", "peak")
    found = {kind: heart.detect_beats(ppg, rate, fiducial=kind) for kind in kinds}
    spread = {kind: heart.heart_rate_variability(times)["rmssd"] for kind, times in found.items()}
    print(table(pd.DataFrame({"RMSSD, ms": spread})) + "\n")
    pulse, clock = pulse_band(ppg, rate), np.arange(ppg.size) / rate
    alike = np.nan_to_num(heart.beat_quality(ppg, rate, beats=found["template"]))
    middle = found["template"][int(np.argmax(np.convolve(alike, np.ones(7), "same")))]
    near = lambda times: times[np.abs(times - middle) < 3.0]
    figure, axis = plt.subplots(figsize=(8, 2.6), layout="constrained")
    axis.plot(near(clock), np.interp(near(clock), clock, pulse), color="0.4", lw=1)
    for kind, marker in zip(kinds, "D^so*", strict=True):
        axis.plot(near(found[kind]), np.interp(near(found[kind]), clock, pulse), marker, ms=6, label=kind)
    axis.set(xlabel="seconds", ylabel="pulse band")
    axis.legend(ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8, frameon=False)
    save(figure, folder, "ppg_beats", "Six seconds of pulses, and the times of each kind")
    return found["template"]


def put_right(beats, folder) -> np.ndarray:
    say("""
        ## 4. Wrong and ectopic beats

        One missed beat, or one too many, shows in every measure of spread. `correct_beats` (Lipponen and Tarvainen
        2019) puts missing beats in, takes extra ones out and moves ectopic ones; gaps of more than 3 s stay gaps. To
        show it, two beats are spoiled here by hand: one is taken out, one put in.

        ```python
        corrected = heart.correct_beats(beats)
        corrected.beats, corrected.n_ectopic, corrected.n_missed, corrected.n_extra, corrected.n_long_short
        ```
    """)
    a, b = beats.size // 3, 2 * beats.size // 3
    spoiled = np.sort(np.append(np.delete(beats, a), beats[b] + 0.4 * (beats[b + 1] - beats[b])))
    rows = {}
    for name, times in (("as found", beats), ("spoiled by hand", spoiled)):
        one = heart.correct_beats(times)
        before, after = (heart.hrv(t, cleaning="none")["HRV_RMSSD"].iloc[0] for t in (times, one.beats))
        counts = {kind: getattr(one, f"n_{kind}") for kind in ("ectopic", "missed", "extra", "long_short")}
        rows[name] = counts | {"RMSSD before, ms": before, "RMSSD after, ms": after}
    print(table(pd.DataFrame(rows).T) + "\n")
    mended = heart.correct_beats(spoiled).beats
    figure, axis = plt.subplots(figsize=(8, 2.6), layout="constrained")
    axis.plot(spoiled[1:], 1000 * np.diff(spoiled), "x-", lw=0.5, ms=4, color="C3", label="spoiled")
    axis.plot(mended[1:], 1000 * np.diff(mended), ".-", lw=0.8, ms=4, color="C0", label="corrected")
    axis.set(xlabel="seconds", ylabel="interval, ms")
    axis.legend(fontsize=8)
    save(figure, folder, "ppg_intervals", "Intervals before and after the correction")
    return heart.correct_beats(beats).beats


def variability(beats, corrected, truth, folder) -> None:
    say("""
        ## 5. Heart rate variability

        ```python
        heart.hrv(beats)                      # wrong and ectopic beats and their intervals left out
        heart.hrv(beats, cleaning="correct")  # put right first
        heart.hrv(beats, cleaning="none")     # every interval, as NeuroKit2 counts them
        heart.hrv(intervals=table["rr"], unit="ms")  # a table of intervals; hrv(recording) where it has `ibi`
        ```

        Which cleaning is nearest to the truth: [Cleaning of wrong and ectopic beats](cleaning.md).

        Names and definitions are NeuroKit2's. Its column and *none* are made from the same beats; they differ in the
        spectrum, which is a Lomb-Scargle periodogram of the uneven intervals here and Welch's after interpolation
        there. *Simulated* is the truth, where there is one: what is left beside it is the timing noise of the PPG,
        which harms pNN50 and RMSSD most and SDNN least.
    """)
    columns = {
        "NeuroKit2": neurokit_hrv(beats),
        "none": heart.hrv(beats, cleaning="none").iloc[0],
        "reject": heart.hrv(beats).iloc[0],
        "correct": heart.hrv(beats, cleaning="correct").iloc[0],
    }
    if truth is not None:
        columns["simulated"] = heart.hrv(truth).iloc[0]
    frame = pd.DataFrame({name: [each[f"HRV_{row}"] for row in SHOWN] for name, each in columns.items()}, list(SHOWN))
    print(table(frame.astype(float)) + "\n")
    intervals = 1000 * np.diff(corrected)
    corrected, intervals = corrected[1:][intervals < 3000], intervals[intervals < 3000]
    frequencies = np.arange(0.03, 0.45, 0.001)
    power = lombscargle(corrected, intervals - intervals.mean(), 2 * np.pi * frequencies)
    density = power * 2 * (corrected[-1] - corrected[0]) / intervals.size
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), width_ratios=(3, 2), layout="constrained")
    left.plot(frequencies, density, color="0.3", lw=0.8)
    for colour, (name, (low, high)) in enumerate(BANDS.items()):
        part = (frequencies >= low) & (frequencies <= high)
        left.fill_between(frequencies[part], density[part], alpha=0.4, color=f"C{colour}", label=name)
    left.set(xlabel="Hz", ylabel="ms²/Hz")
    left.legend(fontsize=8)
    right.plot(intervals[:-1], intervals[1:], ".", ms=3)
    right.axline((intervals.mean(), intervals.mean()), slope=1, lw=0.6, color="0.5")
    right.set(xlabel="interval, ms", ylabel="next interval, ms", aspect="equal")
    save(figure, folder, "ppg_hrv", "Spectrum of the corrected intervals with its bands, and their Poincaré plot")


def neurokit_hrv(beats) -> pd.Series:
    import neurokit2

    intervals = {"RRI": 1000 * np.diff(beats), "RRI_Time": beats[1:]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = [f(intervals) for f in (neurokit2.hrv_time, neurokit2.hrv_frequency, neurokit2.hrv_nonlinear)]
    return pd.concat(parts, axis=1).iloc[0]


def breathing(ppg, rate, recording) -> None:
    say("""
        ## 6. Breathing

        ```python
        heart.respiration_rate(minutes, sampling_rate)
        ```
    """)
    found = heart.respiration_rate(in_minutes(ppg, rate), rate)
    found.index = [f"minute {i + 1}" for i in found.index]
    print(table(found))
    if "true_respiratory_rate" in recording.attrs:
        print(f"\nSimulated: {recording.attrs['true_respiratory_rate']:.1f} breaths/min on average.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, help="a recording with PPG; simulated when absent")
    parser.add_argument("--images", type=Path, default=Path("docs/images"), help="folder of the pictures")
    options = parser.parse_args()
    options.images.mkdir(parents=True, exist_ok=True)
    if options.file is None:
        recording, name = biosig.simulate_cohort(1, 365.0, device="watch", random_state=12)[0], "a simulated wrist"
    else:
        recording, name = biosig.read(options.file), options.file.name
    signal = recording["ppg"][:, 0]
    ppg, rate = signal.values, float(signal.attrs["sampling_rate"])
    begin = float(signal[signal.dims[0]].values[0])
    say(f"""
        # From PPG to heart rate variability

        Made by `python examples/ppg_to_hrv.py > docs/ppg_to_hrv.md` on {ppg.size / rate / 60:.1f} minutes of {name} at
        {rate:g} Hz; give it a file for yours. How well all this does on people, beside NeuroKit2:
        [PPG accuracy](ppg_accuracy.md).

        ```python
        import biosig
        from biosig import heart

        recording = biosig.read("session.zip")
        ppg, sampling_rate = recording["ppg"].values[:, 0], recording["ppg"].attrs["sampling_rate"]
        minutes = ppg[: len(ppg) // 3840 * 3840].reshape(-1, 3840)  # at 64 Hz
        ```
    """)
    ppg = way_up(ppg, rate) * ppg
    trusted = trust(ppg, rate, options.images)
    beats = beat_times(trusted, rate, options.images)
    corrected = put_right(beats, options.images)
    truth = None
    if "true_beat" in recording:
        truth = recording["true_beat"].values - begin
        at = np.floor(truth * rate).astype(int)
        inside = (at >= 0) & (at < trusted.size)
        truth = truth[inside][np.isfinite(trusted[at[inside]])]
    variability(beats, corrected, truth, options.images)
    breathing(ppg, rate, recording)


if __name__ == "__main__":
    main()
