# SPDX-License-Identifier: Apache-2.0
"""Parameters refuse what is out of their bounds, at the start and while the node runs."""

import math

import pytest

pytest.importorskip("rclpy")

from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from liv_model.errors import ConfigError
from liv_ros.parameters import parameter

pytestmark = pytest.mark.ros


@pytest.fixture
def node_with():
    """A node in a context of its own that is given parameters."""
    context, made = Context(), []
    context.init()

    def node_with(**given):
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        made.append(Node("parameters", context=context, parameter_overrides=overrides))
        return made[-1]

    yield node_with
    for node in made:
        node.destroy_node()
    context.shutdown()


@pytest.mark.parametrize(
    ("default", "bounds", "expected", "wrong"),
    [
        (200, {"least": 1}, "expected 1 or more", [0, -5]),
        (2.0, {"least": 0.01}, "expected 0.01 or more", [0.0, math.nan]),
        (2.0, {"least": 0.01, "most": 3.0}, r"expected 0.01\.\.3.0", [0.0, 3.5, math.nan]),
        ("raw", {"choices": ("raw", "compressed")}, r"expected raw \| compressed", ["cooked"]),
        (200, {}, "expected int", ["many"]),
    ],
)
def test_a_value_out_of_bounds_is_refused(node_with, default, bounds, expected, wrong):
    for value in wrong:
        with pytest.raises(ConfigError, match=rf"parameter x: {expected}, got {value!r}; what it is for"):
            parameter(node_with(x=value), "x", default, "what it is for", **bounds)
        heard = []
        node = node_with()
        parameter(node, "x", default, "what it is for", on_change=heard.append, **bounds)
        [answer] = node.set_parameters([Parameter("x", value=value)])
        assert not answer.successful and "x" in answer.reason
        assert node.get_parameter("x").value == default and not heard


@pytest.mark.parametrize(
    ("default", "bounds", "right"),
    [(200, {"least": 1}, [1, 10**9]), (2.0, {"least": 0.01}, [0.01, math.inf]), ("a", {"choices": ("a", "b")}, ["b"])],
)
def test_a_value_within_is_taken(node_with, default, bounds, right):
    for value in right:
        assert parameter(node_with(x=value), "x", default, "", **bounds) == value
        heard = []
        node = node_with()
        parameter(node, "x", default, "", on_change=heard.append, **bounds)
        [answer] = node.set_parameters([Parameter("x", value=value)])
        assert answer.successful and heard == [value]


def test_each_parameter_has_bounds_of_its_own(node_with):
    node = node_with()
    parameter(node, "x", 1, "", least=1, on_change=lambda _: None)
    parameter(node, "y", 0, "", least=0, on_change=lambda _: None)
    assert node.set_parameters([Parameter("y", value=0)])[0].successful
