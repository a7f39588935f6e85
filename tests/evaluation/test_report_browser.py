"""The page in a real browser: phone and desk, light and dark, with a script of the test that looks around in it."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from biosig.evaluation import page
from tests.evaluation.report_cases import hostile_results

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-extensions", "--disable-background-networking", "--virtual-time-budget=4000"]

# Before the page's own script, so that nothing that goes wrong is missed.
LISTEN = """
window.wrong = [];
window.addEventListener("error", (event) => window.wrong.push("error: " + event.message));
document.addEventListener("securitypolicyviolation", (event) => window.wrong.push("blocked: " + event.blockedURI));
"""

LOOK = """
const found = { wrong: window.wrong };
const root = document.documentElement;
found.width = window.innerWidth;
found.dark = matchMedia("(prefers-color-scheme: dark)").matches;
for (const details of document.querySelectorAll("details")) details.open = true;
found.overflow = Math.max(root.scrollWidth, document.body.scrollWidth) - root.clientWidth;
found.outside = [...document.querySelectorAll("body *")].filter((element) =>
  !element.closest(".wide, svg") && element.getBoundingClientRect().right > root.clientWidth + 1).length;

// Words of a figure that leave its frame would be cut off.
found.cut = [];
for (const svg of document.querySelectorAll("svg")) {
  const frame = svg.getBoundingClientRect();
  for (const text of svg.querySelectorAll("text")) {
    const box = text.getBoundingClientRect();
    if (box.left < frame.left - 3 || box.right > frame.right + 3 || box.top < frame.top - 3
        || box.bottom > frame.bottom + 3) found.cut.push(text.textContent);
  }
}
found.figures = [...document.querySelectorAll("svg")].map((svg) => svg.getBoundingClientRect().width);

const light = (colour) => {
  const [r, g, b] = colour.match(/[\\d.]+/g).map((c) => +c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (element) => {
  for (; element; element = element.parentElement) {
    const colour = getComputedStyle(element).backgroundColor;
    if (!/, 0\\)$/.test(colour)) return colour;
  }
  return "rgb(255, 255, 255)";
};
const contrast = (colour, element) => {
  const [low, high] = [light(colour), light(ground(element))].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
found.contrast = {};
for (const name of ["h1", "p", "a", "figcaption", "thead th", "td", "tr.own td", ".missing", "summary", "dt"]) {
  const element = document.querySelector(name);
  if (element) found.contrast[name] = contrast(getComputedStyle(element).color, element);
}
for (const text of document.querySelectorAll("svg text")) {
  const name = "svg " + getComputedStyle(text).fill;
  found.contrast[name] = contrast(getComputedStyle(text).fill, text);
}

// The first table, by its second column: up, down, and by name.
const table = document.querySelector("table");
const column = (j) => [...table.tBodies[0].rows].map((row) => row.cells[j].textContent);
const buttons = [...table.querySelectorAll("thead button")];
found.buttons = buttons.length;
found.columns = table.tHead.rows[0].cells.length;
found.given = column(1);
buttons[1].click();
found.up = column(1);
found.sorted = [...table.tHead.rows[0].cells].map((cell) => cell.getAttribute("aria-sort"));
buttons[1].click();
found.down = column(1);
buttons[0].click();
found.names = column(0);
// A real button that takes the focus answers Enter and Space by itself.
buttons[1].focus();
found.focus = document.activeElement === buttons[1] && buttons[1].tabIndex === 0 && buttons[1].type === "button";

// A table with rows that have nothing: they come last either way.
const broken = [...document.querySelectorAll("table")].find((one) => one.querySelector("tbody th + .missing"));
found.last = [1, 2].map(() => {
  broken.querySelectorAll("thead button")[1].click();
  return [...broken.tBodies[0].rows].map((row) => row.cells[1].className === "missing");
});

const link = document.querySelector("caption a");
found.file = link.download;
parent.postMessage(JSON.stringify(found), "*");
"""

# Browsers refuse windows as narrow as a phone, frames they take; what the page reports ends in the frame's document.
FRAME = """<!DOCTYPE html><meta name="color-scheme" content="light dark"><body style="margin:0">
<script>
addEventListener("message", (event) => {
  const note = document.createElement("pre");
  note.id = "found";
  note.textContent = event.data;
  document.body.append(note);
});
</script>
<iframe src="report.html" style="border:0;width:WIDTHpx;height:900px"></iframe>"""


class Note(HTMLParser):
    """The text of the element that the test's script wrote."""

    def __init__(self):
        super().__init__()
        self.inside, self.text = False, ""

    def handle_starttag(self, tag, attributes):
        self.inside = ("id", "found") in attributes

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        self.text += data if self.inside else ""


def dump(browser, folder, address, *flags):
    command = [browser, *FLAGS, *flags, f"--user-data-dir={folder / 'profile'}", "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium on this machine: pages were not opened in a browser")
    try:
        done = dump(path, tmp_path_factory.mktemp("probe"), "data:text/html,<p>ready</p>")
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{path} does not start here: {error}")
    if "ready" not in done.stdout:
        pytest.skip(f"{path} does not start here: {done.stderr.strip()[-300:]}")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The page with the test's two scripts, which its policy is told of by their hashes; all else stays forbidden."""
    text = page(hostile_results())
    hashes = [base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in (LISTEN, LOOK)]
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    text = text.replace("script-src ", f"script-src {allowed} ", 1)
    text = text.replace("<title>", f"<script>{LISTEN}</script><title>", 1)
    text = text.replace("</body>", f"<script>{LOOK}</script></body>", 1)
    folder = tmp_path_factory.mktemp("page")
    (folder / "report.html").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(
    scope="module",
    params=[(360, False), (360, True), (1280, False), (1280, True)],
    ids=["phone-light", "phone-dark", "desk-light", "desk-dark"],
)
def seen(request, browser, folder):
    width, dark = request.param
    frame = folder / f"{width}.html"
    frame.write_text(FRAME.replace("WIDTH", str(width)), encoding="utf-8")
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    done = dump(browser, folder, frame.as_uri(), "--window-size=1400,900", scheme)
    note = Note()
    note.feed(done.stdout)
    assert note.text, f"the page's scripts did not finish: {done.stderr[-500:]}"
    found = json.loads(note.text)
    assert (found["width"], found["dark"]) == (width, dark)
    return found


def test_nothing_goes_wrong_and_nothing_is_asked_of_the_network(seen):
    assert seen["wrong"] == []


def test_the_page_does_not_scroll_sideways(seen):
    assert seen["overflow"] <= 0 and seen["outside"] == 0
    assert seen["cut"] == []
    assert min(seen["figures"]) > 250


def test_words_stand_out_from_their_ground(seen):
    assert len(seen["contrast"]) >= 10
    assert {name: ratio for name, ratio in seen["contrast"].items() if ratio < 4.5} == {}


def test_tables_are_sorted_by_click_and_keyboard(seen):
    assert seen["buttons"] == seen["columns"] and seen["focus"]
    up = [float(text) for text in seen["up"]]
    assert up == sorted(up) and sorted(seen["given"]) == sorted(seen["up"])
    assert [float(text) for text in seen["down"]] == up[::-1]
    assert seen["sorted"] == [None, "ascending", *[None] * (seen["columns"] - 2)]
    assert seen["names"] == sorted(seen["names"], key=str.casefold)
    for missing in seen["last"]:
        assert any(missing) and missing == sorted(missing)
    assert seen["file"] == "errors_1.csv"
