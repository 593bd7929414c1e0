# SPDX-License-Identifier: Apache-2.0
"""Pictures of the page over a real graph, for the documents: ``make screenshots`` writes docs/dashboard-*.png.

Episodes of the shipped recording are played and judged; each picture is taken late in one more.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from browser.chromium_here import chromium_path
from browser.conftest import CHROMIUM_ARGUMENTS
from browser.live_graph import LiveGraph
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

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
            _take(graph, browser)
        finally:
            browser.close()
            graph.stop()
    return 0


def _take(graph: LiveGraph, browser: Browser) -> None:
    page = browser.new_context(viewport=LAPTOP, device_scale_factor=SCALE).new_page()
    page.set_default_timeout(WITHIN_MS)
    page.goto(graph.address)
    for goal, verdict in EPISODES:
        _play(graph, page, goal, has_come_far=goal == RIGHT)
        page.keyboard.press(verdict)
        graph.end_video()
    for name, theme, size in PICTURES:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size(size)
        _play(graph, page, RIGHT, has_come_far=True)
        stage = page.locator("#stage").bounding_box()
        _write(DOCS / f"dashboard-{name}.png", page.screenshot(), stage)
        page.evaluate("document.querySelector('#v-success').click()")
        graph.end_video()


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


def _write(file: Path, png: bytes, stage: dict[str, float]) -> None:
    """With 256 colours, a third of the size; half of them are the camera's, so that the thin lines keep theirs."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    left, top = round(stage["x"] * SCALE), round(stage["y"] * SCALE)
    box = (left, top, left + round(stage["width"] * SCALE), top + round(stage["height"] * SCALE))
    camera = picture.crop(box)
    page = picture.copy()
    page.paste((255, 255, 255), box)
    colours = [*page.quantize(128).getpalette()[: 3 * 128], *camera.quantize(128).getpalette()[: 3 * 128]]
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours)
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
