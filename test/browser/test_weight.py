# SPDX-License-Identifier: Apache-2.0
"""What the page weighs, how soon it is there, and that it stays as it is: no inline code, no growing memory."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

STATIC = Path(__file__).parent.parent.parent / "liv_web" / "static"
MOST_BYTES = 300_000
FIRST_PAINT_WITHIN_MS = 1000
HISTORY_S = 600.0
PLOTTED_MS = 12_000
MAY_GROW_BYTES = 2_000_000


class Index(HTMLParser):
    """Tags with their attributes, and the text within scripts and styles."""

    def __init__(self):
        super().__init__()
        self.tags, self.inline, self._within = [], "", ""
        self.feed((STATIC / "index.html").read_text())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._within = tag

    def handle_endtag(self, tag):
        self._within = ""

    def handle_data(self, data):
        if self._within in ("script", "style"):
            self.inline += data.strip()


def test_the_page_has_no_inline_script_or_style_and_names_nothing_elsewhere():
    index = Index()
    assert index.inline == ""
    for tag, attributes in index.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
        for name in ("src", "href"):
            assert not attributes.get(name, "").startswith(("http", "//", "/", "data:", "javascript:")), attributes


def test_every_module_is_named_in_the_page_so_that_they_load_side_by_side():
    named = {a["href"] for tag, a in Index().tags if tag == "link" and a.get("rel") == "modulepreload"}
    modules = {f"static/js/{file.name}" for file in (STATIC / "js").glob("*.js")}
    assert named == modules - {"static/js/main.js", "static/js/theme_first.js"}


def test_texts_are_never_set_as_markup():
    for file in (STATIC / "js").glob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", file.read_text()), file


def test_all_files_of_the_page_together_are_light():
    sizes = {file.name: file.stat().st_size for file in STATIC.rglob("*") if file.is_file() and file.suffix != ".txt"}
    assert sum(sizes.values()) < MOST_BYTES, sizes


@pytest.mark.browser
@pytest.mark.slow
def test_first_paint_within_a_second(robot, open_page):
    page = open_page(robot.address)
    page.locator("#goal-now").wait_for()
    times = page.evaluate(
        """() => new Promise((resolve) => new PerformanceObserver((list) => resolve(
            list.getEntries().map(({ startTime }) => startTime))).observe({ type: "paint", buffered: true }))"""
    )
    assert min(times) < FIRST_PAINT_WITHIN_MS


@pytest.mark.browser
@pytest.mark.slow
def test_memory_is_flat_over_ten_full_minutes_of_curve(open_page):
    """With the longest stretch filled, what comes and what is forgotten must balance."""
    from browser.conftest import served
    from browser.synthetic_robot import SyntheticRobot

    source = SyntheticRobot(history_s=HISTORY_S + 200).start()
    try:
        with served(source) as server:
            page = open_page(server.address)
            page.locator("#span-600").check()
            devtools = page.context.new_cdp_session(page)

            def used():
                devtools.send("HeapProfiler.collectGarbage")
                return devtools.send("Runtime.getHeapUsage")["usedSize"]

            page.wait_for_timeout(PLOTTED_MS / 3)  # what is made once is made
            before = used()
            page.wait_for_timeout(PLOTTED_MS)  # the time is what is tested
            assert used() - before < MAY_GROW_BYTES
    finally:
        source.stop()
