# SPDX-License-Identifier: Apache-2.0
"""docs/interface.md, from the nodes themselves: ``scripts/run python3 -m liv_ros.interface``.

Each node is started in this process, in a graph of its own, and asked what it has declared, offers and listens to.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import inspect
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
import yaml
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.qos import QoSProfile

from liv_model.errors import MISTAKE, ConfigError
from liv_model.folders import shipped
from liv_ros.interface_page import page
from liv_ros.run import init_rclpy

NAMESPACE = "/liv"
CAMERA = "camera"  # what a node that is given nothing calls its camera
PLACEHOLDER = "<camera>"
FIRST = ("encoder_node", "reward_node", "monitor_node", "overlay_node")  # the way of the data; others follow
OF_EVERY_NODE = ("use_sim_time", "start_type_description_service", "qos_overrides.", "diagnostic_updater.")
NOT_OURS = {"rcl_interfaces", "type_description_interfaces", "lifecycle_msgs"}


@dataclass(frozen=True)
class ParameterInfo:
    """A declared parameter: its name with ``<camera>`` for a camera's, its default, and how it describes itself."""

    name: str
    default: Any
    descriptor: ParameterDescriptor


@dataclass(frozen=True)
class TopicInfo:
    """A topic that a node publishes or subscribes: its name as a reader gives it, its type, its QoS."""

    name: str
    type: str
    qos: QoSProfile


@dataclass(frozen=True)
class NodeInfo:
    """What a node is to others.

    Attributes:
        name: of the node.
        about: what it does, in a sentence or two.
        is_managed: whether it is a lifecycle node.
        parameters: in the order in which they are declared.
        inputs: topics it subscribes.
        outputs: topics it publishes.
        services: names and types.
    """

    name: str
    about: str
    is_managed: bool
    parameters: tuple[ParameterInfo, ...]
    inputs: tuple[TopicInfo, ...]
    outputs: tuple[TopicInfo, ...]
    services: tuple[tuple[str, str], ...]


def describe_nodes(bundle: str, scratch: Path) -> list[NodeInfo]:
    """Start every node module of this package once and tell what it is to others.

    Args:
        bundle: a bundle's folder for those that need one; "" = the shipped one.
        scratch: an empty folder for what they write.
    """
    files = sorted(Path(__file__).resolve().parent.glob("*_node.py"))
    names = [file.stem for file in files if "\ndef main(" in file.read_text(encoding="utf-8")]
    ordered = [name for name in FIRST if name in names] + [name for name in names if name not in FIRST]
    given = {
        "encoder_node": {"bundle": bundle},
        "recorder_node": {"output": str(scratch / "bag"), "topics": ["nothing"]},
        "dashboard_node": {"port": 0},
        "video_node": {"video": str(shipped("examples/door_open")), "wait_for_subscribers": 1},
    }
    return [_describe(name, given.get(name, {})) for name in ordered]


def config_differences(nodes: list[NodeInfo], config: str) -> list[str]:
    """Where a parameter file differs from what the nodes declare, names and defaults, in words.

    A node that the file leaves out is left out here.
    """
    declared = {node.name: {p.name.replace(PLACEHOLDER, CAMERA): p.default for p in node.parameters} for node in nodes}
    found = []
    for section, content in yaml.safe_load(config).items():
        name = section.rpartition("/")[2]
        written = dict(_flat(content["ros__parameters"]))
        for parameter in sorted(written.keys() | declared.get(name, {}).keys()):
            pair = [side.get(parameter, "nothing") for side in (declared.get(name, {}), written)]
            if json.dumps(pair[0]) != json.dumps(pair[1]):  # 0 and 0.0 are two types
                found.append(f"{name} {parameter}: declared {pair[0]!r}, in the file {pair[1]!r}")
    return found


def _describe(name: str, given: dict[str, Any]) -> NodeInfo:
    words = [word for key, value in given.items() for word in ("-p", f"{key}:={json.dumps(value)}")]
    init_rclpy([name, "--ros-args", "-r", f"__ns:={NAMESPACE}", "--log-level", "error", *words])
    try:
        module = importlib.import_module(f"liv_ros.{name}")
        with _declared() as defaults:
            node = _node_class(module)()
        try:
            return _info(name, inspect.getdoc(module).partition(": ")[2], node, defaults)
        finally:
            node.destroy_node()
    finally:
        rclpy.try_shutdown()


def _info(name: str, about: str, node: Node, defaults: dict[str, Any]) -> NodeInfo:
    ours = [key for key in defaults if not key.startswith(OF_EVERY_NODE)]
    named = {key: defaults[key] for key in ours if key.endswith("topic") and defaults[key]}
    # a topic that a parameter names is called by the parameter: a user changes it there
    called = {node.resolve_topic_name(topic): key for key, topic in named.items()}

    def topics(endpoints) -> tuple[TopicInfo, ...]:
        found = [
            TopicInfo(_relative(called.get(e.topic_name, e.topic_name)), _type(e.msg_type), e.qos_profile)
            for e in endpoints
            if _package(e.msg_type) not in NOT_OURS
        ]
        return tuple(sorted(found, key=lambda topic: topic.name))

    services = [(_relative(s.service_name), _type(s.srv_type)) for s in node.services]
    return NodeInfo(
        name,
        " ".join(about.split()),
        isinstance(node, LifecycleNode),
        tuple(
            ParameterInfo(_relative(key), defaults[key], descriptor)
            for key, descriptor in zip(ours, node.describe_parameters(ours), strict=True)
        ),
        topics(node.subscriptions),
        topics(node.publishers),
        tuple(sorted((name, kind) for name, kind in services if kind.partition("/")[0] not in NOT_OURS)),
    )


@contextmanager
def _declared() -> Iterator[dict[str, Any]]:
    """Names and defaults of the parameters that nodes declare meanwhile, in order: a node only knows its values."""
    defaults: dict[str, Any] = {}
    declare = Node.declare_parameter

    def declare_and_note(self, name, value=None, *arguments, **options):
        defaults[name] = value
        return declare(self, name, value, *arguments, **options)

    Node.declare_parameter = declare_and_note
    try:
        yield defaults
    finally:
        Node.declare_parameter = declare


def _node_class(module) -> type[Node]:
    classes = [c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__]
    return next(c for c in classes if issubclass(c, Node))


def _relative(name: str) -> str:
    """As a reader gives it: without the namespace, and with ``<camera>`` for the camera's name."""
    name = name.removeprefix(f"{NAMESPACE}/")
    for mark in "/.":
        if name.startswith(CAMERA + mark):
            return PLACEHOLDER + name.removeprefix(CAMERA)
    return name


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def _type(kind: type) -> str:
    return f"{_package(kind)}/{kind.__name__}"


def _flat(tree: dict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


@contextmanager
def _apart() -> Iterator[Path]:
    """No other graph hears these nodes, for one of them sets goals; and nothing of the user's is read or written."""
    with tempfile.TemporaryDirectory() as folder:
        domain = str(1 + os.getpid() % 100)  # the range is unknown to Humble
        os.environ.update(ROS_AUTOMATIC_DISCOVERY_RANGE="OFF", ROS_DOMAIN_ID=domain, XDG_STATE_HOME=folder)
        yield Path(folder)


def main(argv: list[str] | None = None) -> int:
    """Write the page, or say where it and config/reward.yaml differ from the nodes; exit code 1 if they do."""
    parser = argparse.ArgumentParser(prog="liv_ros.interface", description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where something differs")
    parser.add_argument("--bundle", default="", help="a bundle to start encoder_node with (default: the shipped one)")
    arguments = parser.parse_args(argv)
    file = Path(__file__).resolve().parent.parent / "docs" / "interface.md"
    with _apart() as scratch:
        try:
            nodes = describe_nodes(arguments.bundle, scratch)
            wanted = page(nodes)
        except ConfigError as error:
            print(error, file=sys.stderr)
            return MISTAKE
    there = file.read_text(encoding="utf-8") if file.exists() else ""
    found = config_differences(nodes, shipped("config/reward.yaml").read_text(encoding="utf-8"))
    if arguments.check:
        found += difflib.unified_diff(there.splitlines(), wanted.splitlines(), file.name, "the nodes", n=0, lineterm="")
    elif wanted != there:
        file.write_text(wanted, encoding="utf-8")
    print("\n".join(found) or f"{file.name} and reward.yaml are as the nodes are")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
