# SPDX-License-Identifier: Apache-2.0
"""The websocket half: events to every page, and a camera's pictures at the rate that the page asks for them."""

from __future__ import annotations

import asyncio
import struct

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool

from liv_model.errors import LivError
from liv_web.camera_feed import CameraFeed
from liv_web.event_hub import EventHub, Viewer, as_text
from liv_web.limits import MOST_CAMERA_SOCKETS, MOST_EVENT_SOCKETS
from liv_web.source import Source

TRY_AGAIN, NOT_HERE = 1013, 1008  # close codes
FASTEST_PICTURES_S = 1 / 60
_STAMP = struct.Struct("<d")


class Sockets:
    """All open websockets of a source.

    Args:
        source: whose events and pictures they are.
        hub: of its events.
    """

    def __init__(self, source: Source, hub: EventHub):
        self._source, self._hub = source, hub
        self._feeds: dict[str, CameraFeed] = {}
        self._cameras = 0

    def router(self) -> APIRouter:
        """Their paths."""
        router = APIRouter(prefix="/api")
        router.add_api_websocket_route("/events", self.events)
        router.add_api_websocket_route("/camera/{name}", self.camera)
        return router

    async def events(self, socket: WebSocket) -> None:
        """What has been, then what happens."""
        if self._hub.viewers >= MOST_EVENT_SOCKETS:
            await socket.close(TRY_AGAIN)
            return
        await socket.accept()
        viewer = self._hub.join()  # before what has been is read: nothing is missed between the two
        try:
            for event in await run_in_threadpool(self._source.opening):
                await socket.send_text(as_text(event))
            await _until_first(_send(socket, viewer), _listen(socket))
        finally:
            self._hub.leave(viewer)

    async def camera(self, socket: WebSocket, name: str) -> None:
        """Pictures, the newest each time: a stamp (little-endian float64, seconds), then the JPEG."""
        if self._cameras >= MOST_CAMERA_SOCKETS:
            await socket.close(TRY_AGAIN)
            return
        self._cameras += 1
        try:
            await self._show(socket, name)
        finally:
            self._cameras -= 1

    async def _show(self, socket: WebSocket, name: str) -> None:
        feed = self._feeds.get(name) or CameraFeed(self._source, name)
        try:
            await feed.join()
        except LivError:
            await socket.accept()  # else a browser is not told why
            await socket.close(NOT_HERE)
            return
        self._feeds[name] = feed  # of cameras that there are
        try:
            await socket.accept()
            await _until_first(_send_pictures(socket, feed), None)
        finally:
            await feed.leave()


async def _send(socket: WebSocket, viewer: Viewer) -> None:
    while True:
        await socket.send_text(await viewer.next())


async def _listen(socket: WebSocket) -> None:
    """Until the page goes; it has nothing to say here."""
    while True:
        await socket.receive_text()


async def _send_pictures(socket: WebSocket, feed: CameraFeed) -> None:
    last = None
    while True:
        last = await _next_picture(socket, feed, last)
        jpeg = await run_in_threadpool(last.jpeg)
        if not jpeg:  # one that does not decode
            continue
        await socket.send_bytes(_STAMP.pack(last.stamp_s) + jpeg)
        await socket.receive_text()  # the page has shown it
        await asyncio.sleep(FASTEST_PICTURES_S)


async def _next_picture(socket: WebSocket, feed: CameraFeed, last):
    """The next picture; WebSocketDisconnect if the page goes before there is one."""
    coming = asyncio.ensure_future(feed.after(last))
    going = asyncio.ensure_future(socket.receive())
    try:
        while True:
            await asyncio.wait({coming, going}, return_when=asyncio.FIRST_COMPLETED)
            if going.done():
                if going.result()["type"] == "websocket.disconnect":
                    raise WebSocketDisconnect
                going = asyncio.ensure_future(socket.receive())
            if coming.done():
                return coming.result()
    finally:
        coming.cancel()
        going.cancel()


async def _until_first(*jobs) -> None:
    """Run until one ends, as all do when the page goes."""
    tasks = [asyncio.ensure_future(job) for job in jobs if job is not None]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done() and (error := task.exception()) is not None and not _is_gone(error):
                raise error
    finally:
        for task in tasks:
            task.cancel()


def _is_gone(error: BaseException) -> bool:
    """What sending and receiving raise once the other side has gone."""
    return isinstance(error, (WebSocketDisconnect, RuntimeError))
