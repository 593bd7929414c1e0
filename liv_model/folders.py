# SPDX-License-Identifier: Apache-2.0
"""Where things lie: what ships with the package, what may be made again (cache), what must be kept (state)."""

from __future__ import annotations

import os
from pathlib import Path

from liv_model.errors import ConfigError


def cache_folder() -> Path:
    """Folder of compiled models: ``$XDG_CACHE_HOME/liv_ros``, by default ``~/.cache/liv_ros``."""
    return _user_folder("XDG_CACHE_HOME", ".cache")


def state_folder() -> Path:
    """Folder of what must be kept, such as the last goal: ``$XDG_STATE_HOME/liv_ros`` or ``~/.local/state/liv_ros``."""
    return _user_folder("XDG_STATE_HOME", ".local/state")


def shipped(name: str) -> Path:
    """Path of what ships with the package (``msg``, ``config``, ``models/metaworld``): in a checkout or an install.

    Raises:
        ConfigError: it is in neither.
    """
    here = Path(__file__).parent.parent
    prefixes = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    roots = [here, *(prefix / "share" / "liv_ros" for prefix in [*here.parents, *prefixes])]
    for root in roots:
        if (root / name).exists() and (root / "package.xml").is_file():
            return root / name
    raise ConfigError(
        f"shipped file {name}",
        expected="a checkout of liv_ros or a colcon install of it",
        got="neither",
        remedy="source install/setup.bash, or run from the checkout",
    )


def _user_folder(variable: str, default: str) -> Path:
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / default) / "liv_ros"
