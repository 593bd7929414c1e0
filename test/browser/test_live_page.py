# SPDX-License-Identifier: Apache-2.0
"""The page over the real graph: nodes in processes of their own, the shipped recording as the camera."""

import re
import shutil

import pytest

pytestmark = [pytest.mark.ros, pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def graph(tmp_path_factory, bundle):
    """The graph with its camera playing; two bundles to choose from."""
    from browser.live_graph import LiveGraph

    from liv_model.folders import shipped

    folder = tmp_path_factory.mktemp("graph")
    shutil.copytree(shipped("models/metaworld"), folder / "bundles" / "metaworld")
    shutil.copytree(bundle.path, folder / "bundles" / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(110 + folder.stat().st_ino % 90))
        graph = LiveGraph(folder, goal="open the door", goal_set=("close the door",), bundles=str(folder / "bundles"))
        graph.play(loop=True)
        yield graph
        assert not (said := graph.stop()), said[0]


@pytest.fixture
def page(graph, open_page, expect):
    """The page, connected and seeing."""
    page = open_page(graph.address)
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("#stage")).to_have_attribute("data-fresh", "yes")
    expect(page.locator("#r-value")).to_have_text(re.compile(r"\d"))
    return page


def values(page):
    """What the page draws: value, and whether an episode began, oldest first."""
    return page.evaluate("() => window.fetch('api/episodes').then((answer) => answer.json())")


def test_a_goal_in_words_starts_the_curve_anew(page, expect, set_goal):
    set_goal(page, "press the button on the front")
    expect(page.locator("#goal-now")).to_have_text("press the button on the front")
    expect(page.locator("#goal-badge")).to_have_text("known 1.00")
    expect(page.locator("#episodes li").first).to_contain_text("press the button on the front")
    expect(page.locator("#legend")).to_contain_text("close the door")
    begun = values(page)[-1]
    assert begun["goal"] == "press the button on the front"
    assert begun["verdict"] is None


def test_a_refused_goal_shows_its_reason_and_the_goal_before_stays(page, expect, set_goal):
    set_goal(page, "open the door")
    expect(page.locator("#goal-now")).to_have_text("open the door")
    set_goal(page, "very " * 2000)
    expect(page.locator("#goal-refused")).to_contain_text("expected at most 32 tokens")
    expect(page.locator("#goal-now")).to_have_text("open the door")


@pytest.mark.parametrize("text", ["<script>window.hacked = 1</script>", "open 🚪 the door 🦾", "افتح الباب"])
def test_hostile_texts_go_through_the_graph_and_stay_texts(page, text, expect, set_goal):
    set_goal(page, text)
    expect(page.locator("#goal-now")).to_have_text(text)
    expect(page.locator("#episodes li").first).to_contain_text(text)
    assert page.evaluate("window.hacked") is None


def test_an_unfamiliar_goal_says_what_is_nearest(page, expect, set_goal):
    set_goal(page, "sing a song of sixpence")
    expect(page.locator("#goal-badge")).to_contain_text("unfamiliar")
    page.locator("#goal-nearest button").first.click()
    expect(page.locator("#goal-badge")).to_contain_text("known")


def test_the_view_becomes_the_goal(page, expect):
    page.locator("#goal-view").click()
    expect(page.locator("#goal-now")).to_have_text("this picture")
    page.wait_for_function("() => document.querySelector('#goal-picture').naturalWidth > 0")
    expect(page.locator("#episodes li").first).to_contain_text("picture")


def test_verdicts_are_seen_in_the_list(page, expect, set_goal):
    newest = page.locator("#episodes button.episode").first
    for key, verdict in (("Space", "success"), ("f", "failure"), ("d", "discarded")):
        before = values(page)[-1]["id"]
        set_goal(page, "open the door")
        expect(page.locator("#goal-text")).to_have_value("")
        expect(newest).not_to_have_attribute("data-id", before)  # that of the goal before ran, too
        expect(newest).to_contain_text("running")
        page.keyboard.press(key)
        expect(newest).to_contain_text(verdict)


def test_a_bag_is_recorded(page, graph, expect):
    page.keyboard.press("r")
    expect(page.locator("#record")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#record")).to_contain_text("free")
    page.keyboard.press("r")
    expect(page.locator("#record")).to_have_attribute("aria-pressed", "false")
    assert list((graph.folder / "bags").rglob("*.mcap"))


def test_a_camera_is_lost_and_comes_back(page, graph, expect):
    graph.end_video()
    expect(page.locator("#stage-note")).to_contain_text("no picture for")
    expect(page.locator("#r-state")).to_have_text("blind")
    expect(page.locator("#hints")).to_contain_text("camera")
    graph.play(loop=True)
    expect(page.locator("#stage")).to_have_attribute("data-fresh", "yes")
    expect(page.locator("#r-state")).not_to_have_text("blind")


def test_the_page_comes_back_with_its_node(page, graph, expect, set_goal):
    graph.kill_page()
    expect(page.locator("#offline")).to_be_visible()
    graph.start_page()
    expect(page.locator("#offline")).to_be_hidden()
    expect(page.locator("#stage")).to_have_attribute("data-fresh", "yes")
    set_goal(page, "close the door")
    expect(page.locator("#goal-now")).to_have_text("close the door")


def test_a_model_is_swapped_and_brought_back(page, expect):
    page.locator("#models").click()
    page.get_by_role("button", name="Use tiny").click()
    expect(page.locator("#models-answer")).to_contain_text("is in use")
    page.locator("#models-back").click()
    expect(page.locator("#models-answer")).to_contain_text(re.compile("^metaworld@.* is in use"))
    expect(page.locator("#model-name")).to_contain_text("metaworld@")
