# SPDX-License-Identifier: Apache-2.0
"""Pictures of the page over a real graph, for the documents: ``make screenshots`` writes docs/dashboard-*.png.

Episodes of the shipped recording are played and judged; each picture is taken late in one more. The last one is of the
recording itself, as ``liv view`` shows it.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path

from browser.chromium_here import chromium_path
from browser.conftest import CHROMIUM_ARGUMENTS
from browser.live_graph import LiveGraph
from page_server import served
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from liv_model.folders import shipped
from liv_model.goal import Goal
from liv_web.view_command import open_source

DOCS = Path(__file__).parent.parent.parent / "docs"
LAPTOP, PHONE = {"width": 1366, "height": 768}, {"width": 390, "height": 844}
SCALE = 1.4
PICTURES = (("light", "light", LAPTOP), ("dark", "dark", LAPTOP), ("phone", "light", PHONE))
GOAL_SET = ("open the door", "close the door", "open the drawer", "press the button on the front")
RIGHT = "open the door"
EPISODES = ((RIGHT, "Space"), ("close the door", "f"), (RIGHT, "Space"))
PROGRESS = "parseInt(document.querySelector('#r-progress').textContent)"
TAKEN_AT = 80  # per cent of progress
WITHIN_MS = 30_000


def main() -> int:
    """Take the pictures."""
    if chromium_path() is None:
        print("screenshots: expected Chromium, got none; apt-get install chromium", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        graph = LiveGraph(Path(folder), goal=RIGHT, goal_set=GOAL_SET)
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGUMENTS)
        try:
            _take_live(graph, browser)
        finally:
            graph.stop()
        _take_replay(browser)
        browser.close()
    return 0


def _take_live(graph: LiveGraph, browser: Browser) -> None:
    page = _open(browser, graph.address)
    for goal, verdict in EPISODES:
        _play(graph, page, goal, has_come_far=goal == RIGHT)
        page.keyboard.press(verdict)
        graph.end_video()
    for name, theme, size in PICTURES:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size(size)
        _play(graph, page, RIGHT, has_come_far=True)
        _write(DOCS / f"dashboard-{name}.png", page)
        page.evaluate("document.querySelector('#v-success').click()")
        graph.end_video()


def _take_replay(browser: Browser) -> None:
    source = open_source(shipped("examples/door_open"), goal=Goal(RIGHT), backend="openvino")
    with source as recording, served(recording) as server:
        page = _open(browser, server.address)
        page.locator("#stage-note:empty").wait_for(state="attached")
        for goal in ("open the drawer", RIGHT):
            _set_goal(page, goal)
            page.locator("#legend .line-name:first-child", has_text=goal).wait_for()
        page.locator("#scrub").fill("3.1")
        page.locator("#scrub").blur()
        page.wait_for_load_state("networkidle")
        _write(DOCS / "dashboard-replay.png", page)


def _open(browser: Browser, address: str) -> Page:
    page = browser.new_context(viewport=LAPTOP, device_scale_factor=SCALE).new_page()
    page.set_default_timeout(WITHIN_MS)
    page.goto(address)
    return page


def _play(graph: LiveGraph, page: Page, goal: str, *, has_come_far: bool) -> None:
    """Set a goal and play the recording, until its progress is high, or low after it was high."""
    _set_goal(page, goal)
    graph.play()
    high, low = f"() => {PROGRESS} >= {TAKEN_AT}", f"() => {PROGRESS} < {100 - TAKEN_AT}"
    for condition in (low, high) if has_come_far else (high, low):
        page.wait_for_function(condition)


def _set_goal(page: Page, goal: str) -> None:
    page.locator("#goal-text").fill(goal)
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('#goal-text').value === ''")


def _write(file: Path, page: Page) -> None:
    """With 256 colours, a third of the size: half of them are the camera's, and the page's own are among the others."""
    stage = page.locator("#stage").bounding_box()
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    left, top = round(stage["x"] * SCALE), round(stage["y"] * SCALE)
    box = (left, top, left + round(stage["width"] * SCALE), top + round(stage["height"] * SCALE))
    rest = picture.copy()
    rest.paste((255, 255, 255), box)
    colours = [*_own_colours(page), *_colours_of(picture.crop(box), 128)]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*colours, *_colours_of(rest, 256 - len(colours) // 3)])
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


def _colours_of(picture: Image.Image, count: int) -> list[int]:
    """Red, green and blue of the colours that a picture needs most."""
    return picture.quantize(count).getpalette()[: 3 * count]


def _own_colours(page: Page) -> list[int]:
    """Red, green and blue of the colours of the lines."""
    named = page.evaluate("async () => Object.values((await import('./static/js/colours.js')).colours)")
    opaque = [re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour) for colour in named]
    return [int(part) for colour in opaque if colour for part in colour.groups()]


if __name__ == "__main__":
    sys.exit(main())
