# SPDX-License-Identifier: Apache-2.0
"""One camera for any number of pages: watched while somebody looks, and each gets the newest picture when it asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

from liv_web.source import Picture, Source


class CameraFeed:
    """The newest picture of a camera. Belongs to the loop.

    Args:
        source: asked for pictures with the first page, and let go with the last.
        camera: its name.
    """

    def __init__(self, source: Source, camera: str):
        self._source, self._camera = source, camera
        self._pages = 0
        self._stop: Callable[[], None] | None = None
        self._turn = asyncio.Lock()
        self._newest: Picture | None = None
        self._news = asyncio.Event()

    async def join(self) -> None:
        """A page comes; a LivError says why there are no pictures."""
        async with self._turn:
            if self._stop is None:
                loop = asyncio.get_running_loop()

                def on_picture(picture: Picture) -> None:
                    if not loop.is_closed():
                        loop.call_soon_threadsafe(self._take, picture)

                self._stop = await run_in_threadpool(self._source.watch, self._camera, on_picture)
            self._pages += 1

    async def leave(self) -> None:
        """A page goes."""
        async with self._turn:
            self._pages -= 1
            if not self._pages and self._stop is not None:
                stop, self._stop, self._newest = self._stop, None, None
                await run_in_threadpool(stop)

    async def after(self, last: Picture | None) -> Picture:
        """The newest picture, once it is another than ``last``."""
        while self._newest is None or self._newest is last:
            await self._news.wait()
        return self._newest

    def _take(self, picture: Picture) -> None:
        if not self._pages:
            return  # one that was under way when the last page went
        self._newest = picture
        news, self._news = self._news, asyncio.Event()
        news.set()
