# SPDX-License-Identifier: Apache-2.0
"""Numbers of a command line that have a least value."""

from __future__ import annotations

import argparse

from liv_model.errors import ConfigError


def require_least(arguments: argparse.Namespace, **least: int) -> None:
    """ConfigError, with the option as it is typed, where a number is below its least value."""
    for name, value in least.items():
        if (got := getattr(arguments, name)) < value:
            raise ConfigError("--" + name.replace("_", "-"), expected=f"{value} or more", got=got)
