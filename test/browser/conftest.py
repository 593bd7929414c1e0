# SPDX-License-Identifier: Apache-2.0
"""Tests of the page in a headless Chromium. A page that logs an error, or breaks its own rules of security, fails."""

from types import SimpleNamespace

import pytest
from page_server import served

CHROMIUM_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WITHIN_MS = 20_000
LAPTOP = {"width": 1366, "height": 768}
PHONE = {"width": 390, "height": 844}
# What Chromium itself says of a connection or an answer that a test breaks on purpose.
EXPECTED = ("WebSocket connection to", "Failed to load resource")


@pytest.fixture(scope="module")
def chromium():
    """A browser. By module: where Playwright runs, an event loop runs, and other tests' loops could not."""
    from browser.chromium_here import chromium_path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def expect(chromium):
    """Playwright's: waits until a condition holds."""
    from playwright.sync_api import expect

    expect.set_options(timeout=WITHIN_MS)
    return expect


@pytest.fixture
def set_goal():
    """Type a goal and press Enter: ``set_goal(page, text)``."""

    def set_goal(page, text):
        page.locator("#goal-text").fill(text)
        page.keyboard.press("Enter")

    return set_goal


@pytest.fixture
def open_page(chromium):
    """Open pages: ``open_page(address, viewport=PHONE)``; no error may have been logged in any of them."""
    contexts, wrong = [], []

    def open_page(address, viewport=LAPTOP, **options):
        context = chromium.new_context(viewport=viewport, **options)
        context.set_default_timeout(WITHIN_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: line.type == "error" and wrong.append(line.text))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not [text for text in wrong if not text.startswith(EXPECTED)]


@pytest.fixture
def robot():
    """A made-up robot and its page: ``robot.source``, ``robot.address``, ``robot.port``."""
    from browser.synthetic_robot import SyntheticRobot

    source = SyntheticRobot(history_s=20.0).start()
    with served(source) as server:
        yield SimpleNamespace(source=source, address=server.address, port=server.port, server=server)
    source.stop()


@pytest.fixture(scope="session")
def recording():
    """The shipped recording as a source, scored by the shipped model."""
    from liv_model.folders import shipped
    from liv_model.goal import Goal
    from liv_web.view_command import open_source

    with open_source(shipped("examples/door_open"), goal=Goal("open the door"), backend="openvino") as source:
        yield source


@pytest.fixture
def recorded(recording):
    """The page of the shipped recording, its goal "open the door"."""
    recording.set_goal_text("open the door")
    with served(recording) as server:
        yield SimpleNamespace(source=recording, address=server.address)
