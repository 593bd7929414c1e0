# SPDX-License-Identifier: Apache-2.0
"""The HTTP half: each path is one call of the source. Documented by itself at ``api/openapi.json``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import Response

from liv_model.image import decode_image
from liv_web import wire
from liv_web.event_hub import EventHub
from liv_web.source import Source, UnknownError

PICTURE_TYPES = ("image/png", "image/jpeg")
_TOLD = {
    400: "malformed",
    401: "no token, or a wrong one",
    403: "another page asks, or this machine by another name",
    404: "there is none of that name",
    409: "this source cannot do that",
    413: "the body is too large",
    422: "a field is missing, unknown or out of its range",
    429: "too many requests",
    503: "what would have to answer is not there",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": wire.ProblemBody, "description": what} for status, what in _TOLD.items()
}
_PICTURE_BODY = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in PICTURE_TYPES},
    }
}
_JPEG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}, "description": "a JPEG"}
}
CameraName = Annotated[str, Query(min_length=1, max_length=wire.LONGEST_NAME)]


class JpegResponse(Response):
    """A JPEG."""

    media_type = "image/jpeg"


def make_router(source: Source, hub: EventHub) -> APIRouter:
    """The paths below ``api/``.

    Args:
        source: that is asked.
        hub: knows how many pages look.
    """
    api = APIRouter(prefix="/api", responses=RESPONSES)
    _add_goals(api, source)
    _add_episodes(api, source)
    _add_models(api, source)
    _add_recording(api, source)

    @api.get("/status")
    def status() -> wire.Status:
        """What there is, and what it can do."""
        return source.status()

    @api.get("/health")
    def health() -> wire.Health:
        """How all is; pages are told every second."""
        return source.health().model_copy(update={"viewers": hub.viewers})

    return api


def _add_goals(api: APIRouter, source: Source) -> None:
    @api.post("/goal")
    def set_goal(asked: wire.GoalText) -> wire.Goal:
        """Set a goal in words. One that the model does not take is not ``accepted``, and the one before goes on."""
        return source.set_goal_text(asked.text)

    @api.post("/goal/image", openapi_extra=_PICTURE_BODY)
    def set_goal_image(picture: Annotated[bytes, Body(media_type="image/png")]) -> wire.Goal:
        """Set a goal as a picture: PNG or JPEG, at most 8 MiB."""
        return source.set_goal_image(decode_image(picture, "goal picture"))

    @api.post("/goal/camera")
    def set_goal_from_camera(asked: wire.GoalCamera) -> wire.Goal:
        """What a camera sees is the goal: now, or in a recording at a time."""
        return source.set_goal_from_camera(asked.camera, asked.time_s)

    @api.get("/goal/image", response_class=Response, responses=_JPEG)
    def goal_image() -> Response:
        """The goal's picture, small."""
        found = source.goal_image()
        if found is None:
            raise UnknownError("goal picture", expected="a goal that is a picture", got="none")
        return JpegResponse(found)


def _add_episodes(api: APIRouter, source: Source) -> None:
    @api.get("/episodes")
    def episodes() -> list[wire.Episode]:
        """The latest 200, oldest first."""
        return source.episodes()

    @api.post("/episode")
    def begin_episode() -> wire.Done:
        """Begin an episode with the next picture."""
        source.begin_episode()
        return wire.Done()

    @api.post("/verdict")
    def give_verdict(asked: wire.AskedVerdict) -> wire.Done:
        """Judge the episode that runs, or ended last."""
        source.give_verdict(asked.verdict)
        return wire.Done()


def _add_models(api: APIRouter, source: Source) -> None:
    @api.get("/models")
    def models() -> list[wire.Model]:
        """The bundles that can be taken into use."""
        return source.models()

    @api.post("/models")
    def load_model(asked: wire.AskedModel) -> wire.ModelAnswer:
        """Take another model into use; the one before goes on until it is loaded and judged."""
        return source.load_model(asked.name)

    @api.post("/models/rollback")
    def roll_back() -> wire.ModelAnswer:
        """Take the model before into use again."""
        return source.roll_back()


def _add_recording(api: APIRouter, source: Source) -> None:
    @api.post("/record")
    def record(asked: wire.AskedRecording) -> wire.Recording:
        """Begin a new bag, or finish it."""
        return source.record(asked.on)

    @api.get("/curve")
    def curve(camera: CameraName) -> wire.Curve:
        """A recorded camera's curve under the present goal."""
        return source.curve(camera)

    @api.get("/frame", response_class=Response, responses=_JPEG)
    def frame(camera: CameraName, t: Annotated[wire.Seconds, Query()], request: Request) -> Response:
        """A recorded camera's picture at a time, seconds since the bag's first frame."""
        return JpegResponse(source.frame(camera, t), headers={"cache-control": "private, max-age=3600"})
