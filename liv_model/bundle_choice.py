# SPDX-License-Identifier: Apache-2.0
"""The bundle that was taken into use last, kept on disk: a respawned encoder must not fall back to an older one."""

from __future__ import annotations

import json
from pathlib import Path

from liv_model.whole_file import replace_json


class BundleChoice:
    """One file that says which bundle a launch has come to.

    Args:
        path: the file.
        session: names the launch; "" keeps nothing and finds nothing.
    """

    def __init__(self, path: Path, session: str):
        self._path, self._session = path, session

    def save(self, folder: str) -> None:
        """Replace the file; OSError if it cannot be written."""
        if self._session:
            replace_json(self._path, {"session": self._session, "bundle": folder})

    def load(self) -> str | None:
        """The folder that this launch took into use last; None where there is none, or none that can be read."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            folder = content["bundle"] if self._session and content["session"] == self._session else None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return folder if isinstance(folder, str) else None
