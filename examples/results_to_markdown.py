"""Print all of a run as Markdown: ``python examples/results_to_markdown.py biosig-demo/results.json [PART ...]``.

Parts, all of them unless some are named: facts, comparison, families, gates, visible, people, labels, retrieval, back,
still, conformal, confidence, missing, notes. A part that the run does not have is left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

NAMES = {"heart_rate": "Heart rate, beats/min", "sdnn": "SDNN, ms", "rmssd": "RMSSD, ms"}


def number(value, form: str = ".2f") -> str:
    return "-" if value is None else format(value, form)


def percent(share, form: str = ".1f") -> str:
    return "-" if share is None else format(100 * share, form)


def interval(ends, form: str = ".2f") -> str:
    return f"{number(ends[0], form)} to {number(ends[1], form)}"


def against(row: dict | None) -> str:
    """The reference's error relative to a row's."""
    if row is None or row["relative"] is None:
        return "-"
    low, high = (percent(end, "+.0f") for end in row["relative_ci95"])
    return f"{percent(row['relative'], '+.0f')} % ({low} to {high})"


def unique(rows: list[dict], key: str) -> list:
    return list(dict.fromkeys(row[key] for row in rows))


def table(title: str, headers: list[str], rows: list[list[str]]) -> None:
    print(f"\n**{title}**\n")
    for i, row in enumerate([headers, *rows]):
        print("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |")
        if not i:
            print("|---" * len(headers) + "|")


def wide(title: str, rows: list[dict], column: str, names: dict, cell) -> None:
    """One row an encoder, one column a value of `column`."""
    found = {(row["encoder"], row[column]): row for row in rows}
    body = [
        [encoder, *(cell(found[encoder, value]) if (encoder, value) in found else "-" for value in names)]
        for encoder in unique(rows, "encoder")
    ]
    table(title, ["encoder", *names.values()], body)


def by_target(results: dict, part: str, words: str, draw) -> None:
    for target in unique(results[part], "target"):
        rows = [row for row in results[part] if row["target"] == target]
        draw(f"{NAMES.get(target, target)}{words}", rows)


def facts(results: dict) -> None:
    found = results["provenance"]
    seeds = found.get("seeds", [found["seed"]])
    print(
        f"Made by `{found['command']}` on {found['date'][:10]} (seeds {seeds[0]} to {seeds[-1]}, {found['minutes']} min"
    )
    print(f"of training and comparing, {found['n_participants']} people, {found['n_windows']} windows,")
    print(f"{found['n_still']} of them past the gate {json.dumps(found['gate'])},")
    print(f"budget {json.dumps(found['budget'])}),")
    print("printed by `python examples/results_to_markdown.py results.json`.")


def comparison(results: dict) -> None:
    differences = {(row["encoder"], row["target"]): row for row in results["differences"]}
    headers = ["encoder", "MAE", "95 % interval", "sd of seeds", "training MAE", "r", "r within", "windows", "people"]

    def draw(title: str, rows: list[dict]) -> None:
        body = []
        for row in rows:
            cells = [row["encoder"], number(row["mae"]), interval(row["ci95"]), number(row["run_sd"])]
            cells += [number(row["train_mae"]), number(row["r"]), number(row["r_within"]), row["n_windows"]]
            cells += [row["n_participants"], f"{percent(row['coverage'], '.0f')} %"]
            body.append([*cells, against(differences.get((row["encoder"], row["target"])))])
        table(title, [*headers, "covered", "reference's error"], body)

    by_target(results, "comparison", f" (reference: {results.get('reference')})", draw)


def errors_by(results: dict, part: str, words: str, column: str, names: dict) -> None:
    """A table a target: error, its interval and the reference's error against it, a column a value of `column`."""
    cell = lambda row: f"{number(row['mae'])} ({interval(row['ci95'])}); {against(row)}"
    title = f" by {words}: error (interval); the reference's error against it"
    by_target(results, part, title, lambda title, rows: wide(title, rows, column, names, cell))


def families(results: dict) -> None:
    names = {family: family for family in unique(results["families"], "family")}
    errors_by(results, "families", "family, whose own student is the reference", "family", names)


def gates(results: dict) -> None:
    names = {gate: f"{1000 * gate:g} mg" for gate in unique(results["gates"], "gate")}
    errors_by(results, "gates", "motion gate", "gate", names)
    covered = lambda row: f"{percent(row['coverage'], '.0f')} %"
    by_target(
        results,
        "gates",
        ": windows covered by motion gate",
        lambda title, rows: wide(title, rows, "gate", names, covered),
    )


def visible(results: dict) -> None:
    people = sorted(results["visible_beat"], key=lambda row: -row["share"])
    if people:
        rows = []
        for row in people:
            share = f"{percent(row['share'], '.0f')} %"
            rows.append([row["participant"], row["n_minutes"], share, number(row["p_value"], ".3f"), row["group"]])
        title = (
            f"Minutes in which the beat shows in the acceleration ({percent(people[0]['chance'], '.0f')} % by chance)"
        )
        table(title, ["participant", "still minutes", "beat stands out", "p", "counted as"], rows)
    groups = {group: group for group in unique(results["visible_errors"], "group")}
    counts = lambda row: f"{row['n_windows']} of {row['n_participants']}"
    cell = lambda row: f"{number(row['mae'])} ({interval(row['ci95'])}); {against(row)}; {counts(row)}"
    by_target(
        results,
        "visible_errors",
        ": error (interval); the reference's error against it; windows of people",
        lambda title, rows: wide(title, rows, "group", groups, cell),
    )


def people(results: dict) -> None:
    def draw(title: str, rows: list[dict]) -> None:
        body = [[row["encoder"], number(row["value"]), interval(row["ci95"]), row["n_participants"]] for row in rows]
        table(title, ["encoder", "AUC" if rows[0]["measure"] == "auc" else "MAE", "95 % interval", "people"], body)

    by_target(results, "people", " of a person", draw)


def labels(results: dict) -> None:
    counts = {row["share"]: row["n_labelled"] for row in results["label_efficiency"]}
    names = {share: f"{100 * share:.3g} % ({counts[share]})" for share in sorted(counts)}
    errors_by(results, "label_efficiency", "share (number) of labelled people", "share", names)


def _retrieval(part: str, words: str):
    def first(row: dict) -> str:
        low, high = (percent(end) for end in row["ci95"])
        found = f"{percent(row['top1'])} % ({low} to {high})"
        if row.get("gap") is None:
            return found
        low, high = (percent(end, "+.1f") for end in row["gap_ci95"])
        return f"{found}; {percent(row['gap'], '+.1f')} ({low} to {high})"

    def further(row: dict) -> str:
        tops = " / ".join(percent(row[top]) for top in ("top3", "top5"))
        return f"{tops} %, rank {row['mean_rank']:.2f}, median {row['median_rank']:.2f}"

    def draw(results: dict) -> None:
        for scope in unique(results[part], "scope"):
            rows = [row for row in results[part] if row["scope"] == scope]
            pools = {pool: f"pool {pool} (chance {100 / pool:.2g} %)" for pool in unique(rows, "pool")}
            title = f"Retrieval {words}, {scope} people"
            wide(f"{title}: top-1 (interval); less that of the control (interval)", rows, "pool", pools, first)
            wide(f"{title}: top-3 / top-5, mean and median rank", rows, "pool", pools, further)

    return draw


def conformal(results: dict) -> None:
    headers = ["encoder", "inside", "95 % interval", "promised", "worst person", "half width", "people"]

    def draw(title: str, rows: list[dict]) -> None:
        body = []
        for row in rows:
            cells = [row["encoder"], percent(row["coverage"]), " to ".join(percent(end) for end in row["ci95"])]
            cells += [percent(row["level"], ".0f"), percent(row["worst_participant"], ".0f")]
            body.append([*cells, number(row["half_width"]), row["n_participants"]])
        table(title, headers, body)

    by_target(results, "conformal", ": conformal intervals on people not calibrated on, % of windows", draw)


def confidence(results: dict) -> None:
    shares = sorted(set(unique(results["confidence"], "kept")), reverse=True)
    names = {share: f"{100 * share:.0f} %" for share in shares}
    by_target(
        results,
        "confidence",
        ": error on the windows kept, the most certain first",
        lambda title, rows: wide(title, rows, "kept", names, lambda row: number(row["mae"])),
    )


def missing(results: dict) -> None:
    rows = [[row["table"], row["encoder"], row["target"], row["reason"]] for row in results["missing"]]
    if rows:
        table("Missing cells, and remarks on others", ["table", "encoder", "target", "reason"], rows)


def notes(results: dict) -> None:
    for line in [*results["notes"], *(f"Left out: {name}" for name in results["skipped"])]:
        print(f"\n- {line}")


PARTS = {
    "facts": facts,
    "comparison": comparison,
    "families": families,
    "gates": gates,
    "visible": visible,
    "people": people,
    "labels": labels,
    "retrieval": _retrieval("retrieval", "of the simultaneous PPG"),
    "back": _retrieval("retrieval_back", "of the simultaneous acceleration"),
    "still": _retrieval("retrieval_still", "of the simultaneous PPG in the stillest windows"),
    "conformal": conformal,
    "confidence": confidence,
    "missing": missing,
    "notes": notes,
}


def main(path: str, *parts: str) -> None:
    unknown = sorted(set(parts) - PARTS.keys())
    if unknown:
        raise SystemExit(f"unknown part(s) {', '.join(unknown)}; expected some of {', '.join(PARTS)}")
    results = json.loads(Path(path).read_text(encoding="utf-8"))
    for name in parts or PARTS:
        PARTS[name](results)


if __name__ == "__main__":
    main(*sys.argv[1:])
