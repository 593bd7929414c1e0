# SPDX-License-Identifier: Apache-2.0
"""The layouts for Foxglove and PlotJuggler name topics, types and fields that there are."""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOXGLOVE = json.loads((ROOT / "layouts" / "foxglove.json").read_text())
PLOTJUGGLER = ElementTree.parse(ROOT / "layouts" / "plotjuggler.xml")
NAMESPACE, CAMERA = "/liv", "camera"
PICTURES = "/camera/image/compressed"  # of the demo: the parameter <camera>.topic


def interface():
    """Topics of docs/interface.md with their types, under the namespace and the camera that the layouts take."""
    topics = {PICTURES: "sensor_msgs/msg/CompressedImage"}
    for line in (ROOT / "docs" / "interface.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:]]
        if len(cells) >= 4 and cells[1] in ("in", "out"):
            name = cells[0].strip("`").replace("<camera>", CAMERA)
            kind = re.sub(r"\[(.+?)\]\(.+?\)", r"\1", cells[2])
            topics[name if name.startswith("/") else f"{NAMESPACE}/{name}"] = kind.replace("/", "/msg/")
    return topics


def fields(message):
    """Fields of one of our messages, with their types."""
    text = (ROOT / "msg" / f"{message}.msg").read_text()
    rows = re.findall(r"^([\w/]+(?:\[\])?) (\w+)$", text, re.MULTILINE)
    return {name: kind for kind, name in rows}


def check_path(topic, path):
    """A path such as goal.text or values[0] leads through the fields of the topic's type."""
    kind = interface()[topic].removeprefix("liv_ros/msg/")
    for part in path:
        name, is_element = re.fullmatch(r"(\w+)(\[\d+\])?", part).groups()
        found = fields(kind)[name]
        assert found.endswith("[]") == bool(is_element), (topic, path)
        kind = found.removesuffix("[]")


def panels(kind):
    return [config for name, config in FOXGLOVE["configById"].items() if name.startswith(f"{kind}!")]


def foxglove_paths():
    for panel in [*panels("Plot"), *panels("StateTransitions")]:
        yield from (path["value"] for path in panel["paths"])
    yield from (panel["topicPath"] for panel in panels("RawMessages"))


def foxglove_topics():
    yield from (path.split(".")[0] for path in foxglove_paths())
    yield from (panel["imageMode"]["imageTopic"] for panel in panels("Image"))
    yield from (panel["topicToRender"] for panel in panels("DiagnosticSummary"))


def test_foxglove_shows_topics_and_fields_that_there_are():
    assert set(foxglove_topics()) <= set(interface())
    for path in foxglove_paths():
        topic, *names = path.split(".")
        check_path(topic, names)


def test_foxglove_publishes_messages_that_we_take():
    for panel in panels("Publish"):
        assert interface()[panel["topicName"]] == panel["datatype"]
        given = json.loads(panel["value"])
        if panel["datatype"].startswith("liv_ros/"):
            assert set(given) <= set(fields(panel["datatype"].rpartition("/")[2]))
        else:
            assert set(given) == {"data"}


def test_every_foxglove_panel_has_its_place():
    def leaves(node):
        return [node] if isinstance(node, str) else [*leaves(node["first"]), *leaves(node["second"])]

    assert sorted(leaves(FOXGLOVE["layout"])) == sorted(FOXGLOVE["configById"])


def plotjuggler_topics():
    return {topic for e in PLOTJUGGLER.iter("selected_topics") for topic in e.get("value").split(";")}


def test_plotjuggler_shows_topics_and_fields_that_there_are():
    assert plotjuggler_topics() <= set(interface())
    for curve in PLOTJUGGLER.iter("curve"):
        topic = next(t for t in plotjuggler_topics() if curve.get("name").startswith(t + "/"))
        check_path(topic, curve.get("name").removeprefix(topic + "/").split("/"))


@pytest.mark.ros
@pytest.mark.slow
def test_the_bag_of_the_demo_has_these_types(bundle, tmp_path):
    """Of the topics that the demo records, which include pictures, goal and reward."""
    import subprocess
    import sys

    from liv_model.bags import open_bag

    command = [sys.executable, "-m", "liv_model.cli", "demo", "--bundle", str(bundle.path), "-o", str(tmp_path / "out")]
    result = subprocess.run([*command, "--json"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    with open_bag(tmp_path / "out" / "bag") as bag:
        types = {connection.topic: connection.msgtype for connection in bag.connections}
    common = types.keys() & {*foxglove_topics(), *plotjuggler_topics()}
    assert {PICTURES, "/liv/active_goal", "/liv/camera/reward"} <= common
    assert {topic: types[topic] for topic in common} == {topic: interface()[topic] for topic in common}
