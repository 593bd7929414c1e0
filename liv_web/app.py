# SPDX-License-Identifier: Apache-2.0
"""The application: the API, the websockets and the page over one source, behind its guard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from liv_model.errors import LivError
from liv_web import wire
from liv_web.access import Access
from liv_web.api import make_router
from liv_web.event_hub import EventHub
from liv_web.guard import Guard
from liv_web.sockets import Sockets
from liv_web.source import NotOfferedError, Source, UnavailableError, UnknownError
from liv_web.static_files import INDEX, StaticFiles

HEALTH_EVERY_S = 1.0
_log = logging.getLogger(__name__)
_STATUS = {UnknownError: 404, NotOfferedError: 409, UnavailableError: 503}


def make_app(source: Source, access: Access, hub: EventHub | None = None, files: StaticFiles | None = None) -> Guard:
    """The ASGI application of a source.

    Args:
        source: a robot or a recording.
        access: who may ask.
        hub: for its events; None = one is made.
        files: of the page; None = those that ship.
    """
    hub = hub or EventHub()
    source.listen(hub)
    app = FastAPI(
        title="liv_ros teleop page",
        description="Goals in, rewards out: what the page uses, for other clients too. See docs/dashboard.md.",
        version="1",
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        openapi_url="/api/openapi.json",
        lifespan=_lifespan(source, hub),
    )
    app.include_router(make_router(source, hub))
    app.include_router(Sockets(source, hub).router())
    _add_page(app, files or StaticFiles())
    _add_errors(app)
    return Guard(app, access)


def _lifespan(source: Source, hub: EventHub):
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        jobs = [asyncio.create_task(hub.run()), asyncio.create_task(_tell_health(source, hub))]
        yield
        for job in jobs:
            job.cancel()
            with suppress(asyncio.CancelledError):
                await job

    return lifespan


async def _tell_health(source: Source, hub: EventHub) -> None:
    while True:
        await asyncio.sleep(HEALTH_EVERY_S)
        if not hub.viewers:
            continue
        try:
            health = await run_in_threadpool(source.health)
        except Exception:  # the next time it may be well again, and pages that hear nothing think that we are gone
            _log.exception("health")
            health = wire.Health(level="error", hints=["The page's server cannot tell how all is: see its log."])
        hub.tell("health", health=health.model_copy(update={"viewers": hub.viewers}).model_dump(mode="json"))


def _add_page(app: FastAPI, files: StaticFiles) -> None:
    @app.get("/", include_in_schema=False)
    def page(request: Request) -> Response:
        return files.response(INDEX, request)

    @app.get("/static/{name:path}", include_in_schema=False)
    def static(name: str, request: Request) -> Response:
        return files.response(name, request)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(LivError)
    def on_mistake(request: Request, error: LivError) -> Response:
        status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 400)
        got = error.what if error.got is None else f"{error.what}: {error.got}"
        return _problem(status, error.expected or "", got, error.remedy or "")

    @app.exception_handler(RequestValidationError)
    def on_malformed(request: Request, error: RequestValidationError) -> Response:
        told = [f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}" for found in error.errors()[:3]]
        return _problem(422, "; ".join(told), "something else", "see api/openapi.json")

    @app.exception_handler(HTTPException)
    def on_http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        return _problem(error.status_code, str(error.detail), request.url.path[:80], "see api/openapi.json", headers)


def _problem(status: int, expected: str, got: str, remedy: str, headers: dict[str, Any] | None = None) -> Response:
    body = wire.ProblemBody(detail=wire.Problem(expected=_plain(expected), got=_plain(got), remedy=_plain(remedy)))
    return JSONResponse(body.model_dump(), status_code=status, headers=headers)


def _plain(text: str) -> str:
    """Text that UTF-8 can carry."""
    return text.encode("utf-8", "replace").decode()
