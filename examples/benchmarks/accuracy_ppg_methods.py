"""What biosig and NeuroKit2 say of windows of PPG, and how far that lies from a reference; for `accuracy_ppg.py`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable

import numpy as np
import pandas as pd
from tqdm import tqdm

from biosig.evaluation.bootstrap import bootstrap_mean
from biosig.heart import correct_beats, detect_beats, heart_rate, heart_rate_variability, ppg_targets, pulse_times
from biosig.heart.timing import timed_variability

MEASURES = ("rate", "sdnn", "rmssd")
OURS = ("biosig", "biosig, upslope", "biosig, corrected", "biosig elgendi")
PEERS = ("NeuroKit2 elgendi", "NeuroKit2 elgendi, corrected", "NeuroKit2 charlton", "NeuroKit2 charlton, corrected")
CONSTANT = "constant"
MISSING = "Not on this machine.\n"
FEWEST = 5  # windows, below which no error is told
SEED = 0


def measure(
    ppg: np.ndarray, sampling_rate: float, peers_sign: float = 1.0
) -> tuple[dict[str, pd.DataFrame], np.ndarray]:
    """Rate (beats/min), SDNN and RMSSD (ms) of windows (n_windows, n_samples) by each method.

    NeuroKit2 is given the windows times `peers_sign`. Returns the tables, one row a window, and which windows
    `ppg_targets` believes.
    """
    times = pulse_times(ppg, sampling_rate)
    tables = {
        "biosig": of_times(times),
        "biosig, upslope": of_beats(detect_beats(ppg, sampling_rate, fiducial="upslope")),
        "biosig, corrected": of_beats(correct_beats(times.beats).beats),
        "biosig elgendi": of_beats(detect_beats(ppg, sampling_rate, method="elgendi")),
    }
    rows: dict[str, list] = {name: [] for name in PEERS}
    for window in ppg:
        for detector in ("elgendi", "charlton"):
            peaks = neurokit_peaks(peers_sign * window, sampling_rate, detector)
            rows[f"NeuroKit2 {detector}"].append(neurokit_measures(peaks, sampling_rate, corrected=False))
            rows[f"NeuroKit2 {detector}, corrected"].append(neurokit_measures(peaks, sampling_rate, corrected=True))
    tables |= {name: pd.DataFrame(each, columns=list(MEASURES), dtype=float) for name, each in rows.items()}
    return tables, np.isfinite(ppg_targets(ppg, sampling_rate)["heart_rate"]).to_numpy()


def of_times(times) -> pd.DataFrame:
    """Rate of the good intervals of `pulse_times`, and variability of the well-timed ones, timing noise taken out."""
    beats, errors = np.atleast_2d(times.beats), np.atleast_2d(times.errors)
    found = timed_variability(beats, errors)
    return pd.DataFrame({"rate": heart_rate(beats), "sdnn": 1000 * found.sdnn, "rmssd": 1000 * found.rmssd})


def of_beats(beats) -> pd.DataFrame:
    """Rate and variability of the good intervals of rows of beats."""
    spread = heart_rate_variability(beats)
    return pd.DataFrame({"rate": heart_rate(beats), "sdnn": spread["sdnn"], "rmssd": spread["rmssd"]})


def neurokit_peaks(window, sampling_rate: float, detector: str, untidied: bool = False) -> np.ndarray:
    """Sample numbers of the peaks that NeuroKit2 finds after its own cleaning; none where it gives up."""
    import neurokit2 as nk

    window = np.nan_to_num(window)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cleaned = nk.ppg_clean(window, sampling_rate=round(sampling_rate))
            _, info = nk.ppg_peaks(cleaned, sampling_rate=round(sampling_rate), method=detector)
        except (ValueError, IndexError, ZeroDivisionError, TypeError):  # what it raises on windows without a pulse
            return np.empty(0, int)
    return np.asarray(info["PPG_Peaks_Unfixed" if untidied else "PPG_Peaks"], dtype=int)


def neurokit_measures(peaks, sampling_rate: float, corrected: bool) -> tuple[float, float, float]:
    """Rate, SDNN and RMSSD by `hrv_time`, of all peaks or of those that `signal_fixpeaks` corrected."""
    import neurokit2 as nk

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if corrected:
                _, peaks = nk.signal_fixpeaks(peaks, sampling_rate=round(sampling_rate), method="Kubios")
            found = nk.hrv_time(peaks, sampling_rate=round(sampling_rate)).iloc[0]
        except (ValueError, IndexError, ZeroDivisionError, TypeError):
            return (np.nan,) * 3
    return 60000 / found["HRV_MeanNN"], found["HRV_SDNN"], found["HRV_RMSSD"]


def with_constant(reference: pd.DataFrame, people: np.ndarray) -> pd.DataFrame:
    """For each window the mean reference of all other people, each of them counting the same."""
    means = reference.groupby(people).mean()
    others = (means.sum() - means) / max(len(means) - 1, 1) if len(means) > 1 else means * np.nan
    return others.loc[people].reset_index(drop=True)


def error_cell(errors, people) -> str:
    """Mean absolute error with its interval over people."""
    kept = np.isfinite(errors)
    if kept.sum() < FEWEST:
        return "-"
    found = bootstrap_mean(np.abs(errors), people, random_state=SEED)
    text = f"{found.estimate:.2f}" if found.estimate < 9.995 else f"{found.estimate:.1f}"
    return f"{text} ({found.low:.2f} to {found.high:.2f})" if np.isfinite(found.low) else text


def limits_cell(errors) -> str:
    """Bias and limits of agreement (Bland and Altman, Lancet 327, 1986): mean, and 1.96 sd to both sides."""
    errors = errors[np.isfinite(errors)]
    if errors.size < FEWEST:
        return "-"
    bias, spread = errors.mean(), 1.96 * errors.std(ddof=1)
    return f"{bias:+.1f} ({bias - spread:+.1f} to {bias + spread:+.1f})"


def print_table(tables, reference: pd.DataFrame, believed, people, measures=MEASURES, within: bool = False) -> dict:
    """Print errors of each method on every window with a reference, and on those of them that biosig believes.

    Returns the mean absolute errors by windows ("every" or "believed"), method and measure.
    """
    errors_of: dict[tuple[str, str, str], float] = {}
    units = {"rate": "beats/min", "sdnn": "ms", "rmssd": "ms"}
    heads = ["windows", "method", "covered", "n", "people"]
    for name in measures:
        heads += [f"{name.upper() if name != 'rate' else 'HR'} MAE, {units[name]}"]
        heads += ["within 5, %"] if name == "rate" and within else []
        heads += [f"{name.upper() if name != 'rate' else 'HR'} bias (limits)"]
    heads += ["with RMSSD"] if "rmssd" in measures else []
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    offered = np.isfinite(reference["rate"]).to_numpy()
    people = np.asarray(people)
    every = tables | {CONSTANT: with_constant(reference, people)}
    for title, kept in (("every", offered), ("believed", offered & believed)):
        for method, table in every.items():
            errors = table[list(measures)].to_numpy(float) - reference[list(measures)].to_numpy(float)
            some = kept & np.isfinite(errors[:, 0])
            share = some.sum() / max(offered.sum(), 1)
            cells = [title, method, f"{share:.1%}", str(some.sum()), str(np.unique(people[some]).size)]
            for column, name in enumerate(measures):
                known = errors[some, column][np.isfinite(errors[some, column])]
                errors_of[title, method, name] = float(np.abs(known).mean()) if known.size else np.nan
                cells.append(error_cell(errors[some, column], people[some]))
                if name == "rate" and within:
                    cells.append(f"{100 * (np.abs(errors[some, column]) <= 5).mean():.0f}" if some.any() else "-")
                cells.append(limits_cell(errors[some, column]))
            if "rmssd" in measures:
                asked = some & np.isfinite(reference["rmssd"]).to_numpy()
                given = asked & np.isfinite(table["rmssd"].to_numpy(float))
                cells.append(f"{given.sum() / max(asked.sum(), 1):.1%}")
            print("| " + " | ".join(cells) + " |")
    print()
    return errors_of


def verdict(value: float, limit: float, at_least: bool) -> str:
    """A figure beside what was asked."""
    reached = value >= limit if at_least else value <= limit
    return f"(asked: {'at least' if at_least else 'at most'} {limit:g}, {'reached' if reached else 'missed'})"


def progress(items: Iterable, name: str) -> Iterable:
    """The items with a progress bar on stderr."""
    return tqdm(items, desc=name, file=sys.stderr)


def concatenate(parts: list[dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """The tables of each method one below the other."""
    return {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}
