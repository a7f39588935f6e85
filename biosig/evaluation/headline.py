"""The result in a few sentences, computed from the numbers, and honest where an interval includes zero."""

from __future__ import annotations

import numpy as np
import pandas as pd

from biosig.evaluation.compare import OWN_MEDIAN, TRAINING_MEAN, Comparison
from biosig.evaluation.contenders import in_time
from biosig.evaluation.results import Results

_KNOWN = {"heart_rate": ("heart rate", "beats/min"), "sdnn": ("SDNN", "ms"), "rmssd": ("RMSSD", "ms")}
_FEW = 10
_LEAST = 5  # people; with fewer an interval over people means nothing
_POOL = 64


def quantity(target: str, units: dict[str, str] | None = None) -> tuple[str, str]:
    """Readable name and unit of a target; the unit is empty where it is not known."""
    name, unit = _KNOWN.get(target, (target.replace("_", " "), ""))
    return name, (units or {}).get(target, unit)


def titled(target: str, units: dict[str, str], words: str) -> str:
    """Caption of a table on a target: its name, what is told of it, its unit."""
    name, unit = quantity(target, units)
    return f"{name[:1].upper()}{name[1:]}: {words}" + (f" in {unit}" if unit else "")


def significant(value: float) -> str:
    """A number with about three significant digits and no exponent for everyday sizes."""
    if not np.isfinite(value):
        return "-"
    return f"{value:.1f}" if 10 <= abs(value) < 10000 else f"{value:.3g}" if abs(value) >= 10000 else f"{value:.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if abs(share) < 0.0995 else f"{100 * share:.0f} %"


def _against(row: pd.Series, name: str, unit: str) -> str:
    """A sentence on the reference's error against another's, from one row of the differences."""
    low, high = row["difference_low"], row["difference_high"]
    interval = f"difference {significant(row['difference'])} {unit}".rstrip()
    if not np.isfinite(low) or not np.isfinite(high):
        return f"Whether it beats {name} cannot be said from these participants ({interval}, no interval)."
    if row["n_participants"] < _LEAST:
        return f"Whether it beats {name} cannot be said from {row['n_participants']} people ({interval})."
    if low <= 0 <= high:
        return (
            f"There is no evidence that it does better than {name} "
            f"({interval}, 95 % interval {significant(low)} to {significant(high)})."
        )
    word = "lower" if row["difference"] < 0 else "higher"
    ends = sorted([abs(row["relative_low"]), abs(row["relative_high"])])
    if not np.all(np.isfinite(ends)):
        return f"Its error is {word} than that of {name} ({interval})."
    size = _percent(abs(row["relative"]))
    spread = f"{100 * ends[0]:.0f} % to {100 * ends[1]:.0f} %"
    return f"Its error is {size} {word} than that of {name} (95 % interval {spread})."


def _main_target(comparison: Comparison) -> str | None:
    own = comparison.table[(comparison.table["encoder"] == comparison.reference) & comparison.table["mae"].notna()]
    if own.empty:
        return None
    return "heart_rate" if "heart_rate" in set(own["target"]) else str(own["target"].iloc[0])


def _comparison_sentences(comparison: Comparison) -> list[str]:
    target = _main_target(comparison)
    if target is None:
        return [f"No error could be computed for {comparison.reference}: see the reasons in the table."]
    name, unit = quantity(target, comparison.units)
    table = comparison.table[comparison.table["target"] == target].set_index("encoder")
    own = table.loc[comparison.reference]
    people = "person" if own["n_participants"] == 1 else "people"
    interval = ""
    if np.isfinite(own["ci95_low"]):
        interval = f" (95 % interval {significant(own['ci95_low'])} to {significant(own['ci95_high'])})"
    sentences = [
        f"On {own['n_participants']} {people} it had not seen, {comparison.reference} is off by "
        f"{significant(own['mae'])} {unit} in {name} on average{interval}, with {_percent(own['coverage'])} of the "
        f"windows covered."
    ]
    found = comparison.differences[comparison.differences["target"] == target].set_index("encoder")
    if TRAINING_MEAN in found.index:
        sentences.append(_against(found.loc[TRAINING_MEAN], "the training mean", unit))
    known = table["n_windows"] >= max(1, own["n_windows"] / 2)
    if comparison.rivals:
        sentences += [_against(found.loc[name], name, unit) for name in comparison.rivals if known.get(name, False)]
    elif (best := comparison.best_other(target)) is not None:
        sentences.append(_against(found.loc[best], f"the best other method ({best})", unit))
    if OWN_MEDIAN in table.index and np.isfinite(table.loc[OWN_MEDIAN, "mae"]):
        oracle = significant(table.loc[OWN_MEDIAN, "mae"])
        sentences.append(f"Each person's own median, an oracle, is off by {oracle} {unit}.".replace(" .", "."))
    if own["n_participants"] < _LEAST:
        sentences.append(f"With {own['n_participants']} {people} these figures say nothing of others.")
    elif own["n_participants"] < _FEW:
        sentences.append(
            f"With {own['n_participants']} {people} the intervals are rough and rather too narrow than too wide."
        )
    return sentences


def _retrieval_sentence(name: str, table: pd.DataFrame, scope: str, others: dict[str, pd.DataFrame]) -> str | None:
    part = table[table["scope"] == scope]
    if part.empty:
        return None
    # The size that people quote, or the nearest there is: the largest would be another one for each data set.
    row = part.iloc[int(np.argmin(np.abs(np.log2(part["pool"] / _POOL))))]
    whose = "windows of all participants" if scope == "across" else "windows of the same person"
    start = f"Among {row['pool']} {whose}, {name} finds the simultaneous PPG first in {_percent(row['top1'])} of cases"
    spread = f"95 % interval {_percent(row['top1_low'])} to {_percent(row['top1_high'])}"
    chance = f"chance {_percent(row['chance_top1'])}"
    facts = [spread if np.isfinite(row["top1_low"]) else "no interval", chance]
    for other, found in others.items():
        same = found[(found["scope"] == scope) & (found["pool"] == row["pool"])]
        if len(same):
            facts.append(f"{other} {_percent(same['top1'].iloc[0])}")
    sentence = f"{start} ({', '.join(facts)})"
    if not np.isfinite(row["top1_low"]) or row["n_participants"] < _LEAST:
        return sentence + "."
    if row["top1_low"] <= row["chance_top1"] <= row["top1_high"]:
        return sentence + ": no evidence that this is better than chance."
    return sentence + ("." if row["top1"] > row["chance_top1"] else ": worse than chance.")


def headline_paragraphs(results: Results) -> list[str]:
    """The sentences of `headline`, those on errors and those on retrieval apart."""
    paragraphs = []
    if results.comparison is not None:
        paragraphs.append(" ".join(_comparison_sentences(results.comparison)))
    if results.retrieval:
        reference = results.comparison.reference if results.comparison is not None else ""
        name = next(
            (n for n in (in_time(reference), reference) if n in results.retrieval), next(iter(results.retrieval))
        )
        others = {other: table for other, table in results.retrieval.items() if other != name}
        found = [_retrieval_sentence(name, results.retrieval[name], scope, others) for scope in ("across", "within")]
        paragraphs += [" ".join(sentence for sentence in found if sentence)] if any(found) else []
    return paragraphs or ["This run has neither a comparison nor a retrieval."]


def headline(results: Results) -> str:
    """The result in a few sentences.

    Parameters
    ----------
    results : Results

    Returns
    -------
    str
        Error of the reference encoder on the main target (heart rate where there is one), against the training mean,
        its rivals (the best other method where none is named) and the oracle, then retrieval. Where an interval
        includes zero, or chance, the sentence says that there is no evidence; from fewer than five people it claims
        nothing. Ceilings, such as a PPG teacher, and the oracle are never the best other method.
    """
    return " ".join(headline_paragraphs(results))
