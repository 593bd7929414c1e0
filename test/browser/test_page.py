# SPDX-License-Identifier: Apache-2.0
"""The page over a made-up robot: what the person sees and does. The real graph: test_live_page.py"""

import json
import re
import urllib.error
import urllib.request

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def goal_now(page):
    return page.locator("#goal-now")


def test_an_unfamiliar_goal_names_what_is_nearest_and_a_click_sets_it(robot, open_page, expect, set_goal):
    page = open_page(robot.address)
    set_goal(page, "tidy up")
    expect(page.locator("#goal-badge")).to_have_text("unfamiliar 0.41")
    expect(page.locator("#uncalibrated")).to_be_visible()
    page.locator("#goal-nearest button").nth(1).click()
    expect(goal_now(page)).to_have_text("close the door")
    expect(page.locator("#goal-nearest")).to_be_hidden()


HOSTILE = {
    "markup": "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>",
    "emoji": "open 🚪 the 👩🏽‍🔧 door",
    "right to left": "افتح الباب \u202e now",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_texts_stay_texts(robot, open_page, text, expect, set_goal):
    page = open_page(robot.address)
    set_goal(page, text)
    expect(goal_now(page)).to_have_text(text)
    expect(page.locator("#legend")).to_contain_text(text[:12])
    expect(page.locator("#episodes")).to_contain_text(text[:12])
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img[src=x], main script").count() == 0


def test_goals_in_quick_succession_are_taken_one_after_the_other(robot, open_page, expect, set_goal):
    page = open_page(robot.address)
    expect(goal_now(page)).to_have_text("open the door")
    for text in ("close the door", "open the drawer", "press the button"):
        set_goal(page, text)
    expect(goal_now(page)).to_have_text("press the button")
    expect(page.locator("#goal-text")).to_have_value("")
    assert robot.source.goals == ["close the door", "open the drawer", "press the button"]


def test_ten_thousand_characters_are_refused_and_break_nothing(robot, open_page, expect, set_goal):
    page = open_page(robot.address)
    expect(goal_now(page)).to_have_text("open the door")
    set_goal(page, "x" * 10_000)
    expect(page.locator("#goal-refused")).to_contain_text("Refused: goal text: expected at most 32 tokens")
    expect(goal_now(page)).to_have_text("open the door")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_view_and_a_file_become_the_goal(robot, open_page, tmp_path, expect):
    import cv2
    import numpy as np

    page = open_page(robot.address)
    page.locator("#goal-view").click()
    expect(goal_now(page)).to_have_text("this picture")
    expect(page.locator("#goal-picture")).to_be_visible()
    cv2.imwrite(str(tmp_path / "goal.png"), np.zeros((3000, 2000, 3), np.uint8))
    page.locator("#goal-file").set_input_files(tmp_path / "goal.png")
    page.wait_for_function("() => !document.querySelector('#goal-upload').ariaBusy")
    (tmp_path / "no_picture.png").write_text("hello")
    page.locator("#goal-file").set_input_files(tmp_path / "no_picture.png")
    expect(page.locator("#goal-refused").or_(page.locator("#toasts .toast[data-kind=bad]"))).to_be_visible()
    assert robot.source.pictures[-1].shape[:2] in {(3000, 2000), (1280, 853)}


def test_a_dropped_picture_becomes_the_goal(robot, open_page, expect):
    page = open_page(robot.address)
    expect(goal_now(page)).to_have_text("open the door")
    page.evaluate("""async () => {
        const canvas = new OffscreenCanvas(40, 30);
        canvas.getContext("2d").fillRect(0, 0, 9, 9);
        const file = new File([await canvas.convertToBlob()], "goal.png", { type: "image/png" });
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(file);
        for (const kind of ["dragover", "drop"])
          document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
    }""")
    expect(goal_now(page)).to_have_text("this picture")
    assert robot.source.pictures[-1].shape == (30, 40, 3)


def test_a_camera_that_is_lost_and_comes_back(robot, open_page, expect):
    page = open_page(robot.address)
    expect(page.locator("#stage")).to_have_attribute("data-fresh", "yes")
    robot.source.is_blind = True
    robot.source.hints = ["front: no pictures for 3 s; is the camera's driver running?"]
    expect(page.locator("#stage-note")).to_contain_text("no picture for")
    expect(page.locator("#hints")).to_contain_text("no pictures for 3 s")
    robot.source.is_blind, robot.source.hints = False, []
    expect(page.locator("#stage")).to_have_attribute("data-fresh", "yes")
    expect(page.locator("#hints li")).to_have_count(0)


def test_cameras_spans_pause_and_hover(robot, open_page, expect):
    page = open_page(robot.address)
    page.get_by_role("button", name="wrist").click()
    expect(page.locator("#camera-name")).to_have_text("wrist")
    expect(page.locator("#other-cameras button")).to_have_text(["front"])
    expect(page.locator("#picture")).to_have_attribute("aria-label", "Picture of camera wrist")
    expect(page.locator("#stage")).to_have_attribute("data-fresh", "yes")
    page.locator("#span-600").check()
    page.keyboard.press("p")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#r-when")).to_have_text("paused")
    value = page.locator("#r-value").text_content()
    page.locator("#plot-value .u-over").hover(position={"x": 300, "y": 20})
    expect(page.locator("#r-when")).to_have_text(re.compile(r"−\d"))
    page.mouse.move(5, 5)
    expect(page.locator("#r-when")).to_have_text("paused")
    expect(page.locator("#r-value")).to_have_text(value)


def test_models_are_swapped_and_a_refusal_says_why(robot, open_page, expect):
    page = open_page(robot.address)
    page.locator("#models").click()
    page.get_by_role("button", name="Use kitchen").click()
    expect(page.locator("#models-answer")).to_contain_text("kitchen@0a77b1c2d3e4 is in use")
    expect(page.locator("#model-name")).to_have_text("kitchen@0a77b1c2d3e4")
    page.locator("#models-back").click()
    expect(page.locator("#models-answer")).to_contain_text("there is no model before this one")


def test_the_connection_is_made_anew(open_page, expect, set_goal):
    from browser.synthetic_robot import SyntheticRobot
    from page_server import served

    source = SyntheticRobot().start()
    from liv_web.server import WebServer

    with served(source) as server:
        port = server.port
        page = open_page(server.address)
        expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("#offline")).to_be_visible()
    again = WebServer(source, port=port)
    again.start()
    try:
        expect(page.locator("#offline")).to_be_hidden()
        expect(page.locator("#connection")).to_have_text("live")
        expect(page.locator("#stage")).to_have_attribute("data-fresh", "yes")
        set_goal(page, "close the door")
        expect(goal_now(page)).to_have_text("close the door")
    finally:
        again.stop()
        source.stop()


def test_a_token_is_asked_for_and_leaves_the_address(robot, open_page, expect, set_goal):
    from page_server import served

    token = "a-token-of-twenty-four-characters"
    with served(robot.source, host="0.0.0.0", token=token) as server:
        base = f"http://127.0.0.1:{server.port}/"
        for address in (base, base + "?token=wrong"):
            page = open_page(address)
            expect(page.locator("#goal-text")).to_have_count(0)
        page = open_page(base + "?token=" + token)
        expect(goal_now(page)).to_have_text("open the door")
        assert token not in page.url
        set_goal(page, "close the drawer")  # POST and websockets go by the cookie
        expect(goal_now(page)).to_have_text("close the drawer")
        expect(page.locator("#connection")).to_have_text("live")


def test_a_page_with_an_old_token_says_so_and_does_not_go_on_trying(robot, open_page, expect):
    from page_server import served

    with served(robot.source, host="0.0.0.0", token="the-first-token-of-this-test") as server:
        port = server.port
        page = open_page(f"http://127.0.0.1:{port}/?token=the-first-token-of-this-test")
        expect(page.locator("#connection")).to_have_text("live")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    with served(robot.source, host="0.0.0.0", token="another-token-after-a-restart", port=port):
        expect(page.locator("#offline-text")).to_contain_text("token")
        count = len(asked)
        page.wait_for_timeout(3000)  # what must not happen has no event
        assert len(asked) == count


EVIL = "http://evil.example"


def test_a_foreign_page_can_neither_ask_nor_listen(robot):
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    request = urllib.request.Request(
        robot.address + "api/verdict",
        data=json.dumps({"verdict": "success"}).encode(),
        headers={"Origin": EVIL, "Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 403
    assert robot.source.verdicts == []
    for name in ("events", "camera/front"):
        with pytest.raises(InvalidStatus) as shut, connect(f"ws://127.0.0.1:{robot.port}/api/{name}", origin=EVIL):
            pass
        assert shut.value.response.status_code == 403


def test_a_laptop_shows_it_on_one_screen_in_both_themes(robot, open_page, expect):
    page = open_page(robot.address, color_scheme="dark")
    expect(page.locator("#stage")).to_have_attribute("data-fresh", "yes")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.locator("#theme").click()
    assert page.evaluate(ground) != dark
    page.reload()
    assert page.evaluate(ground) != dark  # the choice is kept
