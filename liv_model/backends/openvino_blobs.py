# SPDX-License-Identifier: Apache-2.0
"""What OpenVINO compiled, kept for the next start, and believed only as it was written.

OpenVINO has no sums of its own: from a file that a full disk or a worn card has damaged it computes NaN without a
word, long after the gate has looked at the engine. A file that is not as it was written is compiled again.
"""

from __future__ import annotations

import json
import logging
import os
import zlib
from pathlib import Path

from liv_model.whole_file import replace_json

SUMS = "sums.json"
_BLOCK = 1 << 20

_log = logging.getLogger(__name__)


class Blobs:
    """A folder of compiled graphs.

    Two processes may use one at once: what either does not know of is compiled again, at worst.

    Args:
        folder: made if it is not there.

    Attributes:
        usable: whether it can be written to.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.usable = os.access(folder, os.W_OK)
            if self.usable:
                self._drop_what_changed()
        except OSError:
            self.usable = False

    def record(self) -> None:
        """Take note of what has been written here since."""
        if not self.usable:
            return
        try:
            known = self._known()
            new = {name: _sum(path) for name, path in self._files().items() if name not in known}
            if new:
                replace_json(self.folder / SUMS, {**known, **new})
        except OSError as error:
            _log.warning("%s: %s; what was compiled will be compiled again", self.folder, error.strerror)

    def _drop_what_changed(self) -> None:
        known = self._known()
        for name, path in self._files().items():
            if name in known and known[name] != _sum(path):
                _log.warning("%s has changed since it was written; it is compiled again", path)
            elif name in known:
                continue
            path.unlink(missing_ok=True)  # also what a killed process left
        kept = {name: value for name, value in known.items() if (self.folder / name).exists()}
        if kept != known:
            replace_json(self.folder / SUMS, kept)

    def _known(self) -> dict[str, str]:
        try:
            known = json.loads((self.folder / SUMS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _files(self) -> dict[str, Path]:
        return {path.name: path for path in self.folder.iterdir() if path.is_file() and not path.name.startswith(SUMS)}


def _sum(path: Path) -> str:
    """Size and CRC-32 of a file: quick, and enough against damage; "" if it is gone."""
    size = value = 0
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                size, value = size + len(block), zlib.crc32(block, value)
    except OSError:
        return ""
    return f"{size} {value:08x}"
