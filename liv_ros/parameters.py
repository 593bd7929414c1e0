# SPDX-License-Identifier: Apache-2.0
"""Parameters that describe themselves and refuse what is out of their range."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from liv_model.errors import ConfigError


def parameter(
    node: Node,
    name: str,
    default: Any,
    description: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    on_change: Callable[[Any], None] | None = None,
) -> Any:
    """Declare a parameter and return its value. It is read-only unless ``on_change`` is given.

    Args:
        node: whose parameter it is.
        name: of the parameter.
        default: used where none is given; its type is the parameter's type.
        description: what it does, with its unit.
        least: smallest value allowed.
        most: largest value allowed; beside ``least`` alone.
        choices: the texts allowed; empty = any.
        on_change: called with each new value that is given while the node runs; those of another type or out of range
            have been refused.

    Raises:
        ConfigError: the value given is of another type or out of range.
    """
    descriptor = ParameterDescriptor(
        description=description + (f" ({' | '.join(choices)})" if choices else ""), read_only=on_change is None
    )
    if least is not None and most is not None:
        if isinstance(default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(least), to_value=int(most))]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(least), to_value=float(most))]
    expected = _expected(default, least, most, choices)
    if choices:
        _check(node, name, expected, lambda value: value in choices)
    elif least is not None and most is None:  # a range of rclpy's has two ends
        _check(node, name, expected, lambda value: value >= least)
    try:
        value = node.declare_parameter(name, default, descriptor).value
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        given = node._parameter_overrides.get(name)
        raise ConfigError(
            f"parameter {name}", expected=expected, got=repr(given.value) if given else error, remedy=description
        ) from error
    if on_change is not None:
        _tell(node, name, on_change)
    return value


def _expected(default: Any, least: float | None, most: float | None, choices: tuple[str, ...]) -> str:
    if choices:
        return " | ".join(choices)
    if least is None:
        return type(default).__name__
    return f"{least} or more" if most is None else f"{least}..{most}"


def _check(node: Node, name: str, expected: str, is_allowed: Callable[[Any], bool]) -> None:
    """Have rclpy refuse other values, of the declaration and while the node runs."""

    def check(parameters: list[Parameter]) -> SetParametersResult:
        for new in parameters:
            if new.name == name and not is_allowed(new.value):
                error = ConfigError(f"parameter {name}", expected=expected, got=repr(new.value))
                return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)


def _tell(node: Node, name: str, on_change: Callable[[Any], None]) -> None:
    def changed(parameters: list[Parameter]) -> None:
        for new in parameters:
            if new.name == name:
                on_change(new.value)

    node.add_post_set_parameters_callback(changed)


def camera_names(node: Node) -> list[str]:
    """Declare and return ``cameras``: names that stand in topics, at least one, none twice."""
    names = parameter(node, "cameras", ["camera"], "names of the cameras; outputs are <name>/embedding, <name>/reward")
    if (
        not names
        or not all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in names)
        or len(set(names)) != len(names)
    ):
        raise ConfigError("parameter cameras", expected="distinct names of letters, digits and _", got=list(names))
    return list(names)
