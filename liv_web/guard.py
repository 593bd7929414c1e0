# SPDX-License-Identifier: Apache-2.0
"""What stands before every request: who may ask, how much, and what a browser may do with the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from liv_web.access import SAFE_METHODS, Access, Refused, Request
from liv_web.limits import (
    BODY_WITHIN_S,
    CHANGES_AT_ONCE,
    CHANGES_PER_S,
    REQUESTS_AT_ONCE,
    REQUESTS_PER_S,
    WRONG_TOKENS_AT_ONCE,
    WRONG_TOKENS_PER_S,
    Budget,
    largest_body,
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
POLICY_VIOLATION = 1008  # of a websocket
YEAR_S = 365 * 24 * 3600


class Guard:
    """Stands before an ASGI application.

    Args:
        app: that is guarded.
        access: who may ask.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], access: Access):
        self._app, self._access = app, access
        self._requests = Budget(REQUESTS_PER_S, REQUESTS_AT_ONCE)
        self._changes = Budget(CHANGES_PER_S, CHANGES_AT_ONCE)
        self._wrong_tokens = Budget(WRONG_TOKENS_PER_S, WRONG_TOKENS_AT_ONCE)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            await self._http(scope, receive, _with_headers(send, scope["path"]))
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        request = _request(scope, scope["method"])
        refused = self._refusal(scope, request)
        if refused is not None:
            await _answer(send, refused)
            return
        if self._access.token and request.given_token is not None and request.method in SAFE_METHODS:
            await self._enter(scope, request, send)
            return
        try:
            body = await asyncio.wait_for(_body(scope, receive), BODY_WITHIN_S)
        except asyncio.TimeoutError:
            await _answer(send, Refused(408, expected=f"the body within {BODY_WITHIN_S:.0f} s", got="not all of it"))
            return
        if body is None:
            most = largest_body(scope["path"])
            got = f"more than {most:,} bytes"
            await _answer(
                send, Refused(413, expected=f"at most {most:,} bytes", got=got, remedy="send a smaller picture")
            )
            return
        await self._app(scope, _replayed(body, receive), send)

    async def _websocket(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if self._refusal(scope, _request(scope, "WEBSOCKET")) is None:
            await self._app(scope, receive, send)
            return
        await receive()  # websocket.connect
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})  # before it is accepted: HTTP 403

    def _refusal(self, scope: MutableMapping[str, Any], request: Request) -> Refused | None:
        client = (scope.get("client") or ("",))[0]
        if self._wrong_tokens.left(client) < 1:
            return Refused(429, expected="fewer wrong tokens", got="too many", remedy="wait a minute")
        refused = self._access.refusal(request)
        if refused is not None:
            if refused.status == 401 and refused.got != "none":
                self._wrong_tokens.take(client)
            return refused
        changes = request.method not in SAFE_METHODS and request.method != "WEBSOCKET"
        enough = self._requests.take(client) and (not changes or self._changes.take(client))
        return None if enough else Refused(429, expected="fewer requests", got="too many", remedy="wait a second")

    async def _enter(self, scope: MutableMapping[str, Any], request: Request, send: Send) -> None:
        """Keep the token in a cookie that no script reads, and take it out of the address.

        The path stays as it was asked, since a proxy may have put the page under another one.
        """
        query = request.query_without_token
        name = quote(scope["path"].rpartition("/")[2])
        place = (f"./{name}" if name else "./") + (f"?{query}" if query else "")
        cookie = f"{self._access.cookie_name}={self._access.cookie_value}; HttpOnly; SameSite=Strict; Path=/"
        headers = [(b"location", place.encode()), (b"set-cookie", f"{cookie}; Max-Age={YEAR_S}".encode())]
        headers.append((b"cache-control", b"no-store"))
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _request(scope: MutableMapping[str, Any], method: str) -> Request:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(method, headers, scope["query_string"].decode("latin-1"))


async def _body(scope: MutableMapping[str, Any], receive: Receive) -> bytes | None:
    """The whole body; None where it is too large."""
    most = largest_body(scope["path"])
    told = dict(scope["headers"]).get(b"content-length", b"0")
    if not told.isdigit() or int(told) > most:
        return None
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""  # gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body that has been read, then what comes."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _with_headers(send: Send, path: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = {name.lower() for name, _ in message.get("headers", [])}
            added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            if b"cache-control" not in headers:
                added.append((b"cache-control", b"no-store" if "/api/" in path else b"no-cache"))
            message["headers"] = [*message.get("headers", []), *added]
        await send(message)

    return sending


async def _answer(send: Send, refused: Refused) -> None:
    detail = {"expected": refused.expected, "got": refused.got, "remedy": refused.remedy}
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refused.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if refused.status == 429:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
