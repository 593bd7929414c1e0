# SPDX-License-Identifier: Apache-2.0
"""From what nodes say on /diagnostics to what the page says."""

import pytest

pytestmark = pytest.mark.ros

pytest.importorskip("fastapi", reason="requirements/web.txt is not installed")

ENCODING = {
    "model": "test@0",
    "backend": "openvino",
    "precision": "fp32",
    "device": "CPU",
    "gate": "passed",
    "front: received (Hz)": "30.0",
    "front: encoded (Hz)": "29.8",
    "front: frames replaced": "3",
    "front: frames refused": "1",
    "front: frames lost in transport": "2",
}
SCORING = {"front: latency p50 (ms)": "8.5", "front: latency p99 (ms)": "nan"}


@pytest.fixture
def health():
    from liv_ros.live_health import LiveHealth

    class At:
        now = 100.0

    made = LiveHealth("robot/liv", {"front": "/front/image_raw"}, clock=lambda: At.now)
    made.time = At
    return made


def say(health, name, message="encoding", level=0, prefix="robot/liv/", **values):
    from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    status = DiagnosticStatus(name=f"{prefix}{name}", message=message, level=bytes([level]), values=pairs)
    return health.add(status)


def test_all_is_well(health):
    assert say(health, "encoder_node", **ENCODING) == "encoder_node"
    say(health, "reward_node", "scoring", **SCORING)
    told = health.told({"front": "progressing"})
    assert (told.level, told.hints) == ("ok", [])
    assert (told.device, told.engine, told.gate, told.model) == ("CPU", "openvino fp32", "passed", "test@0")
    [front] = told.cameras
    assert (front.received_hz, front.encoded_hz, front.dropped, front.state) == (30.0, 29.8, 6, "progressing")
    assert (front.latency_p50_ms, front.latency_p99_ms) == (8.5, None)


def test_other_robots_and_other_nodes_are_not_ours(health):
    assert say(health, "encoder_node", prefix="other/liv/", **ENCODING) is None
    assert say(health, "encoder_node", prefix="robot/liv/sub/", **ENCODING) is None
    assert health.told({}).level == "error"


def test_nobody_answers_or_no_longer(health):
    hints = health.told({}).hints
    assert any("encoder does not answer" in hint for hint in hints)
    assert any("reward_node" in hint for hint in hints)
    say(health, "encoder_node", **ENCODING)
    say(health, "reward_node", **SCORING)
    assert health.told({}).level == "ok"
    health.time.now += 6
    assert health.told({}).level == "error"


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("front: no frames on /front/image_raw", "is its driver running, and does it publish on /front/image_raw?"),
        ("front: frames lost on the way here", "lost on the way"),
        ("front: frames refused", "cannot be read"),
        ("not active", "not active"),
    ],
)
def test_what_is_wrong_in_plain_words(health, message, hint):
    say(health, "encoder_node", message, 1, **ENCODING)
    say(health, "reward_node", "scoring", **SCORING)
    told = health.told({})
    assert told.level == "warn"
    assert any(hint in line for line in told.hints), told.hints


def test_a_model_that_is_too_slow_a_goal_that_is_missing_a_disk_that_is_full(health):
    say(health, "encoder_node", **{**ENCODING, "front: encoded (Hz)": "4.0"})
    say(health, "reward_node", "no goal", 1, **SCORING)
    say(health, "recorder_node", "recording has stopped: the disk is full", 2)
    hints = " ".join(health.told({}).hints)
    assert "encodes 4 of 30 pictures a second" in hints
    assert "No goal is set yet" in hints
    assert "Recording has stopped" in hints


def test_an_encoder_that_builds_its_engine_says_how_far_it_is(health):
    say(health, "encoder_node", "building an engine, 40 %", 1)
    say(health, "reward_node", **SCORING)
    assert "building an engine, 40 %" in health.told({}).hints[0]


def test_values_that_are_no_numbers_are_not_told(health):
    say(health, "encoder_node", **{**ENCODING, "front: received (Hz)": "<b>", "front: frames replaced": ""})
    assert health.told({}).cameras[0].received_hz is None
