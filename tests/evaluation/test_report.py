import base64
import hashlib
import html
import io
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from biosig.evaluation import (
    Prediction,
    Results,
    as_json,
    compare,
    comparison_markdown,
    hash_arrays,
    headline,
    page,
    results_text,
    write_report,
)
from biosig.evaluation.drawing import ACCENT, Key, Panel, Plate, css_variables, panel_svg, plate_files
from biosig.evaluation.formats import as_csv
from tests.evaluation.report_cases import EVIL, hostile_results


@pytest.fixture(scope="module")
def results():
    return hostile_results()


@pytest.fixture(scope="module")
def text(results):
    return page(results)


class Reader(HTMLParser):
    """Every tag with its attributes in order, the text in it, and whether all that was opened is closed."""

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.texts = [], [], {}

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(text)


def read(text):
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


def test_page_is_self_contained_and_escaped(text):
    reader = read(text)
    names = {tag for tag, _ in reader.tags}
    assert not names & {"link", "iframe", "object", "embed", "img", "base", "form"}
    for _, attributes in reader.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href", "action"):
                assert value.startswith(("#", "data:image/png;base64,", "data:text/csv;"))
    style = "".join(reader.texts["style"])
    assert not re.search(r"url\((?!#)|@import", style + text)
    assert "&lt;script src=http://evil.example/x.js&gt;" in text
    assert "prefers-color-scheme:dark" in text and 'name="viewport"' in text
    assert "beats/min" in text and "(ms)" in text


def test_one_script_runs_and_it_is_the_pages_own(text):
    assert text.count("<script") == 1
    script = text.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text and "default-src 'none'" in text
    assert EVIL not in script


def test_page_can_be_read_without_eyes(text):
    reader = read(text)
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    counts = {name: sum(tag == name for tag, _ in reader.tags) for name in ("figure", "figcaption", "table", "caption")}
    assert counts["figure"] == counts["figcaption"] >= 6 and counts["table"] == counts["caption"] >= 6
    assert all(attributes.get("aria-label") for tag, attributes in reader.tags if tag == "svg")
    assert all("scope" in attributes for tag, attributes in reader.tags if tag == "th")
    scrolled = [attributes for _, attributes in reader.tags if attributes.get("class") == "wide"]
    assert all(one["tabindex"] == "0" and one["role"] == "region" and one["aria-label"] for one in scrolled)
    ids = {attributes["id"] for _, attributes in reader.tags if "id" in attributes}
    links = [attributes["href"] for tag, attributes in reader.tags if tag == "a" and attributes["href"][0] == "#"]
    assert links and {link[1:] for link in links} <= ids


def test_every_table_travels_with_its_csv(results, text):
    reader = read(text)
    sheets = [a for tag, a in reader.tags if tag == "a" and a["href"].startswith("data:text/csv")]
    assert len(sheets) == sum(tag == "table" for tag, _ in reader.tags)
    assert len({sheet["download"] for sheet in sheets}) == len(sheets) and all("aria-label" in a for a in sheets)
    head, _, content = sheets[0]["href"].partition(",")
    assert head == "data:text/csv;charset=utf-8"
    table = pd.read_csv(io.StringIO(unquote(content)))
    own = results.comparison.table[results.comparison.table["target"] == "heart_rate"]
    assert list(table["encoder"]) == list(own["encoder"])
    np.testing.assert_allclose(table["mae"], own["mae"], rtol=1e-12)
    np.testing.assert_allclose(
        table["difference"].iloc[1:], results.comparison.differences["difference"][: len(own) - 1]
    )


def test_each_part_of_a_run_has_its_section_and_is_left_out_where_it_is_missing(results, text):
    parts = [
        "errors",
        "families",
        "participants",
        "motion",
        "visible",
        "people",
        "confidence",
        "labels",
        "retrieval",
        "still",
    ]
    parts += ["example", "training"]
    ids = [attributes.get("id") for tag, attributes in read(text).tags if tag == "h2"]
    assert ids == [*parts, "skipped", "provenance"]
    less = page(Results(comparison=results.comparison, people=results.people))
    ids = [attributes.get("id") for tag, attributes in read(less).tags if tag == "h2"]
    assert ids == ["errors", "participants", "motion", "people"]


def test_missing_cells_say_why(results, text):
    reasons = results.comparison.table.loc[results.comparison.table["target"] == "rmssd", "reason"]
    assert len(reasons) and reasons.all()
    assert text.count('class="missing">not available: ') >= len(reasons)
    assert html.escape(reasons.iloc[0]) in text


def test_formulas_and_missing_values_in_csv():
    frame = pd.DataFrame({"=name": ["=1+1", "-x", "a,b", None], "x": [-1.5, np.nan, 1e-9, np.inf]})
    lines = as_csv(frame).splitlines()
    assert lines[:4] == ["'=name,x", "'=1+1,-1.5", "'-x,", '"a,b",1e-09']


def test_figures_follow_light_and_dark_and_names_are_left_alone():
    def draw(ax, alone):
        ax.plot([0, 1], [0, 1], color=ACCENT)
        ax.set_title('#0b5fa5 <b> style="#0b5fa5"')

    panel = Panel(draw, (3.0, 2.0), 'a "panel" <i>')
    inline = panel_svg(panel, "one")
    assert "var(--c0b5fa5)" in inline and "#0b5fa5 &lt;b&gt;" in inline and inline.startswith("<svg role=")
    assert 'aria-label="a &quot;panel&quot; &lt;i&gt;"' in inline
    files = plate_files(Plate("name", "", [panel, panel], [Key("a", ACCENT), Key("b", ACCENT, "hollow")]))
    assert set(files) == {"name.svg", "name.pdf"} and files["name.pdf"].startswith(b"%PDF")
    assert b"var(" not in files["name.svg"] and b"#0b5fa5" in files["name.svg"]
    assert files == plate_files(Plate("name", "", [panel, panel], [Key("a", ACCENT), Key("b", ACCENT, "hollow")]))
    for declared in re.findall(r"var\((--c[0-9a-f]{6})\)", inline):
        assert declared in css_variables(dark=True) and declared in css_variables(dark=False)


def test_page_is_the_same_each_time_and_ids_do_not_clash(results, text):
    assert text == page(results)
    # Glyphs may be defined in several figures, always alike; everything else has an id of its own.
    ids = re.findall(r' id="([^"]+)"', text)
    clips = [name for name in ids if re.fullmatch(r"p[0-9a-f]{10}", name)]
    assert clips and len(clips) == len(set(clips))


def test_results_json_is_strict_and_holds_the_contract(results, tmp_path):
    made = write_report(tmp_path / "new" / "folder", results)
    assert made.name == "report.html"
    names = {path.name for path in made.parent.iterdir()}
    sheets = {"comparison.csv", "differences.csv", "by_motion.csv", "per_participant.csv", "retrieval.csv"}
    assert names >= {"report.html", "results.json", "figures", *sheets} and not any(n.startswith(".") for n in names)
    plates = ["by_motion", "by_participant", "errors", "example_window", "predicted_against_true", "retrieval"]
    plates += ["conformal", "error_against_coverage", "label_efficiency", "people", "retrieval_back"]
    plates += ["retrieval_still", "visible_beat"]
    found = sorted(path.name for path in (made.parent / "figures").iterdir())
    assert found == sorted(f"{name}.{kind}" for name in [*plates, "training"] for kind in ("pdf", "svg"))
    people = pd.read_csv(made.parent / "per_participant.csv")
    assert set(people["encoder"]) > {"distilled"} and {EVIL} <= set(people["participant"])
    assert list(pd.read_csv(made.parent / "retrieval.csv").columns[:3]) == ["encoder", "scope", "pool"]

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
    assert content["gates"][0]["gate"] == 0.01 and len(content["gates"][0]["ci95"]) == 2
    assert len(content["visible_errors"][0]["relative_ci95"]) == 2 and content["retrieval_still"]
    assert {row["group"] for row in content["visible_beat"]} == {"visible beat", "no visible beat"}


def test_nothing_is_written_when_the_page_cannot_be_made(results, tmp_path):
    broken = Results(comparison=results.comparison, example={"time": [0.0]})
    with pytest.raises(KeyError):
        write_report(tmp_path, broken)
    assert list(tmp_path.iterdir()) == []


def test_empty_and_partial_results(results):
    assert "neither" in headline(Results())
    for part in (Results(), Results(retrieval=results.retrieval), Results(comparison=results.comparison)):
        read(page(part))
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
        assert counts == {11}
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
    assert "rather too narrow" in headline(made_up(5.0, 1.0, n_people=6))
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


def test_headline_claims_nothing_from_four_people_and_takes_no_ceiling_for_a_rival():
    few = made_up(5.0, 1.0, n_people=4)
    assert "cannot be said from 4 people" in headline(few) and "% lower" not in headline(few)
    assert "% lower" in headline(made_up(5.0, 1.0, n_people=5))
    groups, y = np.repeat(np.arange(12), 4), np.random.default_rng(0).normal(60, 5, 48)
    entries = {name: Prediction({"heart_rate": y + off}) for name, off in (("own", 2.0), ("PPG", 0.1), ("other", 3.0))}
    split = {"train": groups < 6, "test": groups >= 6, "random_state": 0}
    targets = pd.DataFrame({"heart_rate": y})
    found = compare(entries, targets, groups, ceilings=["PPG"], **split)
    assert found.best_other("heart_rate") == "other"
    assert "best other method (other)" in headline(Results(comparison=found))
    alone = compare({name: entries[name] for name in ("own", "PPG")}, targets, groups, ceilings=["PPG"], **split)
    assert alone.best_other("heart_rate") is None and "best other" not in headline(Results(comparison=alone))


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
