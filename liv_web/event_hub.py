# SPDX-License-Identifier: Apache-2.0
"""From a source's threads to the pages: events are collected, written once for all, and dropped per page.

A page that is slower than the events loses the oldest of its own; nobody waits for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import deque
from typing import Any

from liv_web.sample_history import columns, number
from liv_web.source import Sample

FASTEST_S = 0.05
PER_VIEWER_S = 0.002  # fifty pages are told ten times a second
MOST_WAITING = 40  # messages of a page that does not read
MOST_PENDING = 20_000  # events between two turns
_log = logging.getLogger(__name__)


class Viewer:
    """One page's events. Belongs to the loop.

    Attributes:
        dropped: messages that it was too slow for.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._waiting: deque[str] = deque()
        self._some = asyncio.Event()

    def put(self, text: str) -> None:
        """Add a message; the oldest goes where there are too many."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(text)
        self._some.set()

    async def next(self) -> str:
        """The oldest message that waits."""
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        return self._waiting.popleft()


class EventHub:
    """Tells every page what a source tells it: a :class:`liv_web.source.Listener`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[dict[str, Any]] = []
        self._samples: dict[str, list[Sample]] = {}
        self._scores: dict[str, dict[str, Any]] = {}
        self._viewers: set[Viewer] = set()
        self._is_watched = False  # read on any thread
        self._arrival: asyncio.Event | None = None

    @property
    def viewers(self) -> int:
        """How many pages listen."""
        return len(self._viewers)

    # --- of the source, on any thread ---

    def sample(self, camera: str, sample: Sample) -> None:
        """See Listener."""
        if self._is_watched:
            with self._lock:
                waiting = self._samples.setdefault(camera, [])
                if len(waiting) < MOST_PENDING:
                    waiting.append(sample)

    def scores(self, camera: str, t: float, texts: list[str], values: list[float]) -> None:
        """See Listener."""
        if not self._is_watched:
            return
        with self._lock:
            waiting = self._scores.get(camera)
            if waiting is not None and waiting["texts"] != texts:  # another goal set: one event each
                self._pending.append(self._scores.pop(camera))
                waiting = None
            if waiting is None:
                waiting = {"type": "scores", "camera": camera, "t": [], "texts": texts, "values": []}
                self._scores[camera] = waiting
            if len(waiting["t"]) < MOST_PENDING:
                waiting["t"].append(round(t, 6))
                waiting["values"].append([number(value) for value in values])

    def tell(self, kind: str, **content: Any) -> None:
        """See Listener."""
        if self._is_watched:
            with self._lock:
                self._pending += self._columns()  # what came before is told before
                if len(self._pending) < MOST_PENDING:
                    self._pending.append({"type": kind, **content})

    # --- of the loop ---

    def join(self) -> Viewer:
        """A page comes."""
        viewer = Viewer()
        self._viewers.add(viewer)
        self._is_watched = True
        if self._arrival is not None:
            self._arrival.set()
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """A page goes."""
        self._viewers.discard(viewer)
        self._is_watched = bool(self._viewers)

    async def run(self) -> None:
        """Tell, as long as the server runs; sleeps while nobody looks."""
        self._arrival = asyncio.Event()
        while True:
            if not self._viewers:
                self._take()
                self._arrival.clear()
                await self._arrival.wait()
            await asyncio.sleep(max(FASTEST_S, PER_VIEWER_S * len(self._viewers)))
            self.turn()

    def turn(self) -> None:
        """Tell every page what has come since the last turn."""
        for event in self._take():
            try:
                text = as_text(event)
            except (TypeError, ValueError):  # one that cannot be said must not silence the others
                _log.warning("event of type %r left out: it is no JSON", event.get("type"))
                continue
            for viewer in self._viewers:
                viewer.put(text)

    def _take(self) -> list[dict[str, Any]]:
        with self._lock:
            pending, self._pending = [*self._pending, *self._columns()], []
        return pending

    def _columns(self) -> list[dict[str, Any]]:
        """The samples and scores that wait, as events."""
        samples, self._samples = self._samples, {}
        scores, self._scores = self._scores, {}
        return [*(columns(camera, of) for camera, of in samples.items()), *scores.values()]


def as_text(event: dict[str, Any]) -> str:
    """As it goes over the wire."""
    return json.dumps(event, separators=(",", ":"), allow_nan=False)
