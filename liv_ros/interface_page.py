# SPDX-License-Identifier: Apache-2.0
"""The page of topics, services and parameters: what is not in the code of the nodes, and how it is laid out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from liv_model.errors import ConfigError
from liv_model.folders import shipped

if TYPE_CHECKING:
    from liv_ros.interface import NodeInfo, ParameterInfo, TopicInfo

INTRODUCTION = """\
# Topics, services and parameters

Made from the nodes by `scripts/run python3 -m liv_ros.interface`; a test fails when it differs, or when
[config/reward.yaml](../config/reward.yaml) does. Names are relative: the launch file puts them under `/liv`. `<camera>`
is each of the names in `cameras`. What the fields hold, with units: [msg/](../msg), [srv/](../srv). What holds between
messages: [semantics.md](semantics.md).

A parameter out of its range or of another type is refused with the reason, at the start (exit code 2) and while the
node runs. Every node also has rclpy's `use_sim_time`.
"""
LIFECYCLE = """\
A lifecycle node: it also has the services `change_state`, `get_state` and their kin, and publishes `transition_event`.
"""
TYPES = {bool: "boolean", int: "integer", float: "number", str: "text"}

# What topics and services are for, where their type is not ours and so does not tell.
ABOUT = {
    "goal/text": "a goal in words",
    "goal/image": "a goal as a picture: any encoding that cameras may have",
    "goal_set": "instructions to score beside the goal; none = no more",
    "active_goal_set": "the goal set that is scored",
    "<camera>.topic": "pictures; the parameter names the topic, `<camera>.transport` says whether they are compressed "
    "(sensor_msgs/CompressedImage), and `qos_overrides.<topic>.subscription.*` changes what is asked for",
    "topic": "the frames; the parameter names the topic, `transport` says whether they are compressed",
    "<camera>/overlay": "picture, goal, value curve, progress and state; drawn only while somebody subscribes",
    "/diagnostics": "the node's line, once a second",
    "reset": "begins an episode on every camera",
    "record": "true begins a new bag in `record_folder`, false finishes the one that is recorded; the message names it",
}


def page(nodes: Iterable[NodeInfo]) -> str:
    """The whole page, Markdown; ConfigError for a topic or service that nothing tells about."""
    return "\n".join([INTRODUCTION, *(_section(node) for node in nodes)])


def _section(node: NodeInfo) -> str:
    topics = [("in", topic) for topic in node.inputs] + [("out", topic) for topic in node.outputs]
    parts = [f"## {node.name}\n{_sentence(node.about)}\n", *([LIFECYCLE] if node.is_managed else [])]
    if topics:
        parts.append(_table(("topic", "", "type", "QoS", ""), [_topic(way, topic) for way, topic in topics]))
    if node.services:
        rows = [
            (_code(name), _linked(kind, "srv"), _escaped(_about(name, kind, "srv"))) for name, kind in node.services
        ]
        parts.append(_table(("service", "type", ""), rows))
    if node.parameters:
        rows = [_parameter(parameter) for parameter in node.parameters]
        parts.append(_table(("parameter", "type", "default", "range", "changes", ""), rows))
    return "\n".join(parts)


def _topic(way: str, topic: TopicInfo) -> tuple[str, ...]:
    about = _escaped(_about(topic.name, topic.type, "msg"))
    return _code(topic.name), way, _linked(topic.type, "msg"), _qos(topic.qos), about


def _parameter(parameter: ParameterInfo) -> tuple[str, ...]:
    default, descriptor = parameter.default, parameter.descriptor
    kind = f"{TYPES[type(default[0])]}s" if isinstance(default, list) else TYPES[type(default)]
    changes = "at the start" if descriptor.read_only else "at any time"
    return (
        _code(parameter.name),
        kind,
        _code(json.dumps(default, ensure_ascii=False)),
        _range(descriptor),
        changes,
        _escaped(descriptor.description),
    )


def _range(descriptor: ParameterDescriptor) -> str:
    ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
    return f"{ranges[0].from_value:g} to {ranges[0].to_value:g}" if ranges else ""


def _qos(qos: QoSProfile) -> str:
    reliability = "best effort" if qos.reliability == ReliabilityPolicy.BEST_EFFORT else "reliable"
    latched = ", latched" if qos.durability == DurabilityPolicy.TRANSIENT_LOCAL else ""
    return f"{reliability}{latched}, last {qos.depth}"


def _about(name: str, kind: str, folder: str) -> str:
    """What a topic or service is for: our words, else the first sentence of its type."""
    if name in ABOUT:
        return ABOUT[name]
    package, _, short = kind.partition("/")
    if package != "liv_ros":
        raise ConfigError(
            name, expected="a word on what it is for", got="none", remedy="add it to ABOUT in interface_page.py"
        )
    lines = shipped(f"{folder}/{short}.{folder}").read_text(encoding="utf-8").splitlines()
    comment = [line.removeprefix("#").strip() for line in lines if line.startswith("#")]
    return re.match(r"(.+?)(?:\.(?:\s|$)|:\s)", " ".join(comment[1:])).group(1)  # the first line is the licence


def _linked(kind: str, folder: str) -> str:
    package, _, short = kind.partition("/")
    return f"[{kind}](../{folder}/{short}.{folder})" if package == "liv_ros" else kind


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _escaped(text: str) -> str:
    """``<name>`` as it stands, which Markdown takes for HTML outside of code."""
    pieces = text.split("`")
    return "`".join(piece if i % 2 else piece.replace("<", "&lt;") for i, piece in enumerate(pieces))


def _code(text: str) -> str:
    return f"`{text}`"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
