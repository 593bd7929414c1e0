# SPDX-License-Identifier: Apache-2.0
"""The page in short: a robot that is made up, a recording that is real, a phone. More of it: test_page.py."""

import re

import pytest

pytestmark = pytest.mark.browser


def goal_now(page):
    return page.locator("#goal-now")


def test_a_goal_in_words_its_answer_and_the_keys(robot, open_page, expect):
    page = open_page(robot.address)
    expect(page.locator("#connection")).to_have_text("live")
    expect(goal_now(page)).to_have_text("open the door")
    expect(page.locator("#stage")).to_have_attribute("data-fresh", "yes")
    expect(page.locator("#r-value")).to_have_text(re.compile(r"^−?0\.\d{3}$"))

    page.keyboard.press("g")
    page.keyboard.type("press")
    expect(page.locator("#goal-list")).to_contain_text("press the button")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(goal_now(page)).to_have_text("press the button")
    expect(page.locator("#goal-badge")).to_have_text("known 1.00")
    expect(page.locator("#goal-text")).to_have_value("")  # until then, keys are typed into it

    page.keyboard.press("Space")
    expect(page.locator("#toasts")).to_contain_text("success")
    page.keyboard.press("f")
    expect(page.locator("#toasts")).to_contain_text("failure")
    page.keyboard.press("d")
    expect(page.locator("#toasts")).to_contain_text("discarded")
    assert robot.source.verdicts == ["success", "failure", "discard"]
    page.keyboard.press("n")
    expect(page.locator("#toasts")).to_contain_text("A new episode begins")
    page.keyboard.press("r")
    expect(page.locator("#record")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#record")).to_contain_text("217 GB free")


def test_a_recording_is_played_and_scored_for_another_goal_at_once(recorded, open_page, expect, set_goal):
    page = open_page(recorded.address)
    expect(page.locator("#connection")).to_have_text("recording")
    expect(page.locator("#verdicts")).to_be_hidden()
    expect(page.locator("#scrub-time")).to_have_text("0.0 / 4.6 s")
    page.locator("#scrub").fill(page.locator("#scrub").get_attribute("max"))
    expect(page.locator("#r-progress")).to_have_text(re.compile(r"^(9\d|100) %$"))
    set_goal(page, "close the door")
    expect(goal_now(page)).to_have_text("close the door")
    expect(page.locator("#legend")).to_contain_text("open the door")  # the curve before stays, thin
    expect(page.locator("#r-progress")).to_have_text(re.compile(r"^\d %$|^1\d %$"))
    expect(page.locator("#goal-text")).to_have_value("")
    before = picture(page)
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Pause")
    page.wait_for_function("() => Number(document.querySelector('#scrub').value) > 0.5")
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play")
    page.wait_for_function(f"before => {PICTURE} !== before", arg=before)
    page.keyboard.press("ArrowRight")
    assert not page.locator("#offline").is_visible()


PICTURE = "document.querySelector('#picture').toDataURL()"


def picture(page):
    return page.evaluate(PICTURE)


def test_a_phone_scrolls_down_and_never_sideways(robot, open_page, expect):
    from browser.conftest import PHONE

    page = open_page(robot.address, viewport=PHONE, is_mobile=True, has_touch=True)
    expect(page.locator("#stage")).to_have_attribute("data-fresh", "yes")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    expect(page.locator("#v-success")).to_be_in_viewport()
    page.locator("#v-success").tap()
    expect(page.locator("#toasts")).to_contain_text("success")
