# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from liv_model.bundle import Instruction
from training.animation import animate
from training.episodes import Episode
from training.evaluation_page import page
from training.exhibits import Exhibit, TaskExhibits
from training.svg_chart import curve_chart, heat_map, nice_ticks

NASTY = 'open <script>alert("$x$ & y")</script>'
_VOID = {"meta", "img", "br"}


class Balanced(HTMLParser):
    """Fails on a tag that is closed out of turn; collects tags and addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.addresses = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def exhibit(text=NASTY, outcome="success", length=20, opposite="close it"):
    frames = np.random.default_rng(0).integers(0, 255, (length, 40, 48, 3), dtype=np.uint8)
    recording = Episode(frames, np.arange(length) / 8, text, text, outcome, 1, "side", "")
    value = np.linspace(-0.2, 0.9, length)
    known = Instruction(text, text, opposite, (), -0.1, 0.8)
    return Exhibit(recording, text, value, opposite, -value if opposite else np.zeros(0), known)


def estimate(mean=0.5):
    return {"mean": mean, "low": 0.25, "high": 0.75, "n": 4}


@pytest.fixture
def findings():
    return {
        "model": "m<b>@0",
        "backend": "openvino",
        "device": "CPU",
        "precision": "int8",
        "episodes": 8,
        "overall": {"language_voc": estimate(), "top1": estimate(None)},
        "across_tasks": {"language_voc": estimate(), "top1": {**estimate(), "low": None, "high": None}},
        "per_task": {
            NASTY: {"language_voc": estimate(-0.5)},
            "other": {"language_voc": estimate(), "top1": estimate()},
        },
        "per_camera": {"cor<ner": {"language_voc": estimate(0.125)}, "side": {"top1": estimate()}},
        "confusions": [{"task": NASTY, "taken_for": "other", "share": 0.875, "same_scene": True}],
        "familiarity": {"not_fitted": "the bundle knows <nothing>"},
        "task_state": {"not_fitted": "no failures"},
    }


def test_the_page_is_sound_and_needs_nothing_but_itself(findings):
    shown = [
        TaskExhibits(NASTY, exhibit(), exhibit(outcome="wrong_task")),
        TaskExhibits("other", exhibit("other", opposite=""), None),
    ]
    html = page(findings, np.array([[0.9, -0.4], [0.1, 0.7]]), [NASTY, "other"], shown, {NASTY: "animations/0.webp"})
    parsed = Balanced()
    parsed.feed(html)
    assert not parsed.open
    assert "script" not in parsed.tags and "b" in parsed.tags
    outside = [a for a in parsed.addresses if not a.startswith("data:image/jpeg;base64,")]
    assert outside == ["animations/0.webp"]
    assert "http" not in html and "@import" not in html and "url(" not in html
    assert "prefers-color-scheme: dark" in html
    assert html.count("<img") == 3 * 6 and html.count('polyline class="opposite"') == 2
    assert "failure: wrong task, side" in html and "cor&lt;ner" in html and "0.125" in html and "0.88" in html
    assert "knows &lt;nothing&gt;" in html


def test_a_chart_has_its_curves_inside():
    value = np.array([0.0, 0.5, np.nan, 1.0])
    svg = curve_chart(np.arange(4) / 2, [("right", value)], limits=(-0.1, 1.1), levels=[("<done>", 1.0)], title="a & b")
    root = ElementTree.fromstring(svg)
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    points = [tuple(map(float, p.split(","))) for p in root.find("polyline").attrib["points"].split()]
    assert len(points) == 3  # what is not finite is left out
    assert all(0 < x < width and 0 < y < height for x, y in points)
    assert points[0][0] < points[1][0] < points[2][0] and points[0][1] > points[2][1]


def test_a_heat_map_outlines_its_diagonal_and_says_its_numbers():
    root = ElementTree.fromstring(heat_map(np.array([[0.9, -0.45], [-0.001, 0.3]]), ["a", "b"], ["x<", "y"], title="t"))
    cells = [r for r in root.iter("rect") if r.attrib["class"] != "right"]
    assert [c.attrib["class"] for c in cells] == ["high", "low", "low", "high"]
    assert [float(c.attrib["fill-opacity"]) for c in cells] == [1.0, 0.5, 0.0, 0.33]
    texts = [t.text for t in root.iter("text")]
    assert {"0.90", "\N{MINUS SIGN}0.45", "0.00", "x<"} <= set(texts)
    many = heat_map(np.eye(50), [f"t{i}" for i in range(50)], [f"i{i}" for i in range(50)], title="t")
    assert len(re.findall("<text", many)) == 100  # labels, no numbers


@pytest.mark.parametrize(("low", "high"), [(-0.55, 0.93), (0, 1), (0.0, 1e-6), (-1, 130.0)])
def test_ticks_are_round_and_within(low, high):
    ticks = nice_ticks(low, high, 5)
    assert 2 <= len(ticks) <= 6 and low - 1e-9 <= ticks[0] and ticks[-1] <= high + 1e-9


@pytest.mark.parametrize("ending", ["webp", "gif"])
def test_an_animation_plays_as_fast_as_the_recording(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    animate(exhibit(length=60), path)
    with Image.open(path) as picture:
        assert picture.n_frames == 48 and picture.size == (680, 240)
        first = np.asarray(picture.convert("RGB"), np.int16)
        duration_ms = 0
        for frame in range(picture.n_frames):
            picture.seek(frame)
            picture.load()
            duration_ms += picture.info["duration"]
        last = np.asarray(picture.convert("RGB"), np.int16)
    assert duration_ms == pytest.approx(59 / 8 * 1000 + 1500, rel=0.02)
    curve = np.array([11, 122, 117])
    shown = [(np.abs(p[60:, 320:] - curve).max(axis=-1) < 25).sum() for p in (first, last)]
    assert shown[1] > 10 * max(1, shown[0])
