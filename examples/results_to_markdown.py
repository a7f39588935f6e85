"""Print the tables of a run as Markdown: ``python examples/results_to_markdown.py biosig-demo/results.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

NAMES = {"heart_rate": "Heart rate, beats/min", "sdnn": "SDNN, ms", "rmssd": "RMSSD, ms"}


def number(value, form: str) -> str:
    return "-" if value is None else format(value, form)


def percent(share, form: str = ".1f") -> str:
    return "-" if share is None else format(100 * share, form)


def comparison(results: dict) -> None:
    against = {(row["encoder"], row["target"]): row for row in results["differences"]}
    for target in dict.fromkeys(row["target"] for row in results["comparison"]):
        print(f"\n**{NAMES.get(target, target)}** (reference: {results['reference']})\n")
        print("| encoder | MAE | 95 % interval | r | r within | windows | people | covered | reference's error |")
        print("|---|---|---|---|---|---|---|---|---|")
        for row in (row for row in results["comparison"] if row["target"] == target):
            low, high = row["ci95"]
            cells = [row["encoder"], number(row["mae"], ".2f"), f"{number(low, '.2f')} to {number(high, '.2f')}"]
            cells += [number(row["r"], ".2f"), number(row["r_within"], ".2f"), str(row["n_windows"])]
            cells += [str(row["n_participants"]), f"{100 * row['coverage']:.0f} %"]
            difference = against.get((row["encoder"], target))
            if difference is None:
                cells.append("-")
            else:
                low, high = (percent(end, "+.0f") for end in difference["relative_ci95"])
                cells.append(f"{percent(difference['relative'], '+.0f')} % ({low} to {high})")
            print("| " + " | ".join(cells) + " |")


def retrieval(results: dict) -> None:
    print("\n**Retrieval** of the simultaneous PPG window, top-1 (mean rank)\n")
    rows = {(row["encoder"], row["scope"], row["pool"]): row for row in results["retrieval"]}
    encoders = list(dict.fromkeys(key[0] for key in rows))
    print("| distractors | pool | chance | " + " | ".join(encoders) + " |")
    print("|---" * (3 + len(encoders)) + "|")
    for scope, pool in dict.fromkeys(key[1:] for key in rows):
        cells = [scope, str(pool), f"{100 / pool:.1f} %"]
        for encoder in encoders:
            row = rows[encoder, scope, pool]
            low, high = (percent(end) for end in row["ci95"])
            cells.append(f"{100 * row['top1']:.1f} % ({low} to {high}), rank {row['mean_rank']:.1f}")
        print("| " + " | ".join(cells) + " |")


def main(path: str) -> None:
    results = json.loads(Path(path).read_text(encoding="utf-8"))
    facts = results["provenance"]
    print(f"Made by `{facts['command']}` on {facts['date'][:10]} (seed {facts['seed']}, {facts['minutes']} min of")
    print(f"training and comparing, {facts['n_participants']} people, {facts['n_windows']} windows,")
    print(f"{facts['n_still']} of them past the gate {json.dumps(facts['gate'])},")
    print(f"budget {json.dumps(facts['budget'])}),")
    print("printed by `python examples/results_to_markdown.py results.json`.")
    comparison(results)
    retrieval(results)


if __name__ == "__main__":
    main(sys.argv[1])
