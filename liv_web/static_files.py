# SPDX-License-Identifier: Apache-2.0
"""The files of the page, known by name at the start: what is not among them does not exist, whatever a path says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from liv_web.source import UnknownError

FOLDER = Path(__file__).parent / "static"
INDEX = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class _File:
    content: bytes
    changed_ns: int
    tag: str


class StaticFiles:
    """Serves the files of one folder from memory; one that changes on the disk is read again.

    Args:
        folder: of the page.
    """

    def __init__(self, folder: Path = FOLDER):
        found = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in TYPES)
        self._paths = {path.relative_to(folder).as_posix(): path for path in found}
        self._files: dict[str, _File] = {}

    @property
    def names(self) -> list[str]:
        """Of all of them."""
        return list(self._paths)

    def response(self, name: str, request: Request) -> Response:
        """One file; UnknownError if there is none of that name."""
        path = self._paths.get(name)
        if path is None:
            raise UnknownError("file", expected="a file of the page", got=repr(name[:80]))
        file = self._read(name, path)
        headers = {"etag": file.tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == file.tag:
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=TYPES[path.suffix])

    def _read(self, name: str, path: Path) -> _File:
        changed_ns = path.stat().st_mtime_ns
        known = self._files.get(name)
        if known is None or known.changed_ns != changed_ns:
            content = path.read_bytes()
            known = self._files[name] = _File(content, changed_ns, f'"{hashlib.sha256(content).hexdigest()[:20]}"')
        return known
