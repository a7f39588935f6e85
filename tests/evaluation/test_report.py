import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from biosig.evaluation import (
    Prediction,
    Results,
    as_json,
    collect_provenance,
    compare,
    comparison_markdown,
    hash_arrays,
    headline,
    page,
    results_text,
    retrieval,
    write_report,
)

EVIL = "<script src=http://evil.example/x.js>$\\alpha|é"


@pytest.fixture(scope="module")
def results():
    rng = np.random.default_rng(0)
    groups = np.repeat([EVIL, *(f"p{i}" for i in range(11))], 16)
    n = len(groups)
    rate = 60 + 5 * rng.normal(size=12)[np.repeat(np.arange(12), 16)] + 4 * rng.normal(size=n)
    targets = pd.DataFrame({"heart_rate": rate, "sdnn": 50.0 + rng.normal(size=n), "rmssd": np.nan})
    features = {
        "distilled": np.stack([rate, rng.normal(size=n)], axis=1) + rng.normal(size=(n, 2)),
        EVIL: Prediction({"heart_rate": rate + 6 * rng.normal(size=n)}),
    }
    motion = np.exp(rng.normal(-4.5, 0.7, n))
    gallery = rng.normal(size=(n, 4))
    time = np.arange(0, 30, 1 / 64)
    return Results(
        comparison=compare(features, targets, groups, folds=3, motion=motion, random_state=0, n_boot=200),
        retrieval={
            "distilled": retrieval(gallery + 0.5, gallery, groups=groups, random_state=0),
            EVIL: retrieval(rng.normal(size=(n, 4)), gallery, groups=groups, random_state=0),
        },
        training={EVIL: {"step": np.arange(60), "loss": rng.normal(size=60), "validation_loss": rng.normal(size=60)}},
        example={
            "time": time,
            "ppg": np.where(time < 1, np.nan, np.sin(7 * time)),
            "accel": 1e-3 * rng.normal(size=(3, len(time))),
            "beats": np.arange(0.5, 30, 0.9),
            "sampling_rate": 64.0,
            "title": EVIL,
        },
        provenance=collect_provenance(seed=0, command=EVIL, gate={"max_motion": 0.05, "missing": np.nan}),
        notes=[EVIL],
        skipped=[EVIL],
        title=EVIL,
    )


class Tags(HTMLParser):
    """Every tag with its attributes, and whether all that was opened is closed."""

    def __init__(self):
        super().__init__()
        self.tags, self.open = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parse(text):
    parser = Tags()
    parser.feed(text)
    assert parser.open == []
    return parser.tags


def test_page_is_self_contained_and_escaped(results):
    text = page(results)
    tags = parse(text)
    names = {tag for tag, _ in tags}
    assert "script" not in names and not names & {"link", "iframe", "object", "embed", "img", "base"}
    assert sum(tag == "svg" for tag, _ in tags) == 6
    for _, attributes in tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href", "action"):
                assert value.startswith(("#", "data:image/png;base64,"))
    assert not re.search(r"url\((?!#)|@import", text)
    assert "&lt;script src=http://evil.example/x.js&gt;" in text and "<script" not in text
    assert "prefers-color-scheme:dark" in text and 'name="viewport"' in text
    assert all("aria-label" in attributes for tag, attributes in tags if tag == "svg")
    assert text.count("<caption>") >= 6 and "beats/min" in text and "(ms)" in text


def test_page_is_the_same_each_time_and_ids_do_not_clash(results):
    text = page(results)
    assert text == page(results)
    # Glyphs may be defined in several figures, always alike; everything else has an id of its own.
    ids = re.findall(r' id="([^"]+)"', text)
    clips = [name for name in ids if re.fullmatch(r"p[0-9a-f]{10}", name)]
    assert clips and len(clips) == len(set(clips))


def test_results_json_is_strict_and_holds_the_contract(results, tmp_path):
    made = write_report(tmp_path / "new" / "folder", results)
    assert made.name == "report.html" and sorted(p.name for p in made.parent.iterdir()) == [
        "report.html",
        "results.json",
    ]

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    content = json.loads((made.parent / "results.json").read_text(encoding="utf-8"), parse_constant=refuse)
    first = content["comparison"][0]
    wanted = {"encoder", "target", "mae", "ci95", "n_windows", "n_participants", "coverage", "seed"}
    assert wanted <= set(first) and len(first["ci95"]) == 2
    assert {"encoder", "pool", "scope", "top1", "top3", "top5", "mean_rank", "ci95"} <= set(content["retrieval"][0])
    missing = [row for row in content["comparison"] if row["target"] == "rmssd"]
    assert missing and all(row["mae"] is None and row["ci95"] == [None, None] and row["reason"] for row in missing)
    assert content["provenance"]["gate"]["missing"] is None and content["provenance"]["versions"]["numpy"]
    assert content["differences"][0]["reference"] == "distilled"
    assert content["training"][EVIL]["step"][:2] == [0, 1]
    assert {row["participant"] for row in content["by_participant"]} >= {EVIL}
    assert content["by_motion"][0]["motion_low"] == 0


def test_nothing_is_written_when_the_page_cannot_be_made(results, tmp_path):
    broken = Results(comparison=results.comparison, example={"time": [0.0]})
    with pytest.raises(KeyError):
        write_report(tmp_path, broken)
    assert list(tmp_path.iterdir()) == []


def test_empty_and_partial_results(results):
    assert "neither" in headline(Results())
    for part in (Results(), Results(retrieval=results.retrieval), Results(comparison=results.comparison)):
        parse(page(part))
        json.dumps(as_json(part), allow_nan=False)
        assert results_text(part)


def test_text_is_aligned_ascii(results):
    text = results_text(results)
    assert text.isascii() and max(len(line) for line in text.splitlines()) < 130
    table = text.split("Heart rate: mean absolute error in beats/min")[1].split("\n\n")[0].splitlines()
    ends = [len(line) for line in table[1:]]
    assert len(set(ends)) == 1 and len(table) == 7


def test_markdown_rows_have_as_many_cells_as_headers(results):
    blocks = comparison_markdown(results.comparison).strip().split("\n\n")
    for block in blocks[1::2]:
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert counts == {10}
    assert "**distilled**" in blocks[1] and "\\|é" in blocks[1]


def made_up(difference, spread, reference=5.0, n_people=12):
    """A comparison in which the reference's error is lower than the training mean's by `difference` +- `spread`."""
    groups = np.repeat(np.arange(2 * n_people), 2)
    test = groups >= n_people
    sign = np.where(groups % 2, 1.0, -1.0)
    targets = pd.DataFrame({"heart_rate": np.where(test, 60 + reference + difference + spread * sign, 60.0)})
    off = Prediction({"heart_rate": targets["heart_rate"].to_numpy() + reference})
    return Results(comparison=compare({"student": off}, targets, groups, train=~test, test=test, random_state=0))


def test_headline_claims_only_what_the_interval_allows():
    assert "Its error is 50 % lower than that of the training mean" in headline(made_up(5.0, 1.0))
    assert "no evidence that it does better than the training mean" in headline(made_up(0.2, 3.0))
    assert "Its error is 67 % higher than that of the training mean" in headline(made_up(-2.0, 0.5))
    assert "off by 5.00 beats/min" in headline(made_up(5.0, 1.0))
    assert "rather too narrow" in headline(made_up(5.0, 1.0, n_people=4))
    assert "rather too narrow" not in headline(made_up(5.0, 1.0))


def test_headline_on_retrieval_at_chance(results):
    only = Results(retrieval={"noise": results.retrieval[EVIL]})
    assert "no evidence that this is better than chance" in headline(only)
    found = headline(
        Results(retrieval={"distilled": results.retrieval["distilled"], "control": results.retrieval[EVIL]})
    )
    assert "Among 64 windows of all participants" in found and "no evidence" not in found and "control" in found


def test_a_rival_that_rarely_answers_is_no_rival():
    base = made_up(5.0, 1.0).comparison
    rare = base.table[base.table["encoder"] == "student"].assign(encoder="rare", mae=0.1, n_windows=2)
    from dataclasses import replace

    assert "rare" not in headline(Results(comparison=replace(base, table=pd.concat([base.table, rare]))))


def test_hash_tells_arrays_apart():
    one = np.arange(4.0)
    assert hash_arrays([one]) == hash_arrays([one.copy()])
    others = [one.astype(np.float32), one.reshape(2, 2), one + 1]
    assert len({hash_arrays([x]) for x in [one, *others]}) == 4
    names = np.array(["a", "b"], dtype=object)
    assert hash_arrays([names]) == hash_arrays([np.array(["a", "b"], dtype=object)]) != hash_arrays([names[::-1]])


def test_importing_evaluation_does_not_load_matplotlib():
    import subprocess
    import sys

    code = "import sys, biosig.evaluation; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
