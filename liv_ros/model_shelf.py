# SPDX-License-Identifier: Apache-2.0
"""The bundles that the page offers: the one that the encoder was given, and those of a folder."""

from __future__ import annotations

from pathlib import Path

from liv_model.bundle import MANIFEST, Bundle
from liv_model.errors import LivError
from liv_model.folders import shipped

MOST_MODELS = 100


class ModelShelf:
    """Knows bundles by name; a path never comes from outside.

    Args:
        given: folder of the bundle that the encoder begins with; "" is the one that ships.
        folder: whose subfolders are bundles; "" = none.
    """

    def __init__(self, given: str, folder: str):
        self._given = given
        self._folder = Path(folder).expanduser() if folder else None
        self._known: dict[Path, tuple[int, Bundle]] = {}

    def bundles(self) -> dict[str, Bundle]:
        """By name: that of the folder, numbered where several are called the same. What cannot be read is left out."""
        found: dict[str, Bundle] = {}
        for path in self._paths():
            bundle = self._read(path)
            if bundle is None or any(bundle.identity == known.identity for known in found.values()):
                continue
            name, number = bundle.path.resolve().name, 2
            while name in found:
                name, number = f"{bundle.path.resolve().name} ({number})", number + 1
            found[name] = bundle
        return found

    def of(self, identity: str) -> Bundle | None:
        """The bundle of a model, if it is here."""
        return next((bundle for bundle in self.bundles().values() if bundle.identity == identity), None)

    def _paths(self) -> list[Path]:
        given = [Path(self._given).expanduser() if self._given else shipped("models/metaworld")]
        if self._folder is None or not self._folder.is_dir():
            return given
        inside = sorted(path for path in self._folder.iterdir() if (path / MANIFEST).is_file())
        return [*given, *inside[:MOST_MODELS]]

    def _read(self, path: Path) -> Bundle | None:
        try:
            return self._remembered(path)
        except (LivError, OSError):
            return None

    def _remembered(self, path: Path) -> Bundle:
        changed_ns = (path / MANIFEST).stat().st_mtime_ns
        known = self._known.get(path)
        if known is None or known[0] != changed_ns:
            known = self._known[path] = (changed_ns, Bundle.load(path, verify=False))
        return known[1]
