# SPDX-License-Identifier: Apache-2.0
"""What goes between the page and its server. Times are seconds; what is not a number goes as null.

Live times are the pictures' stamps (Unix), recorded ones count from the bag's first frame.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

LONGEST_TEXT = 16_384  # characters; models take far fewer, and say so in words
LONGEST_NAME = 200
LONGEST_MESSAGE = 2_000
LARGEST_TIME_S = 1e12


def _finite_or_none(number: Any) -> Any:
    return None if isinstance(number, float) and not math.isfinite(number) else number


def _sendable(text: str) -> str:
    """A text that every message can carry: no half of a surrogate pair, no NUL or other control character."""
    if any(0xD800 <= ord(c) <= 0xDFFF or (ord(c) < 32 and c not in "\t\n\r") or ord(c) == 127 for c in text):
        raise ValueError("text without control characters")
    return text


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 4] + " ..."


Number = Annotated[float | None, BeforeValidator(_finite_or_none)]
Seconds = Annotated[float, Field(ge=-LARGEST_TIME_S, le=LARGEST_TIME_S, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(_sendable)]
Told = Annotated[str, AfterValidator(_shortened)]
VerdictName = Literal["success", "failure", "discard"]


class Asked(BaseModel):
    """What a page asks; a field that nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid", strict=True)


class GoalText(Asked):
    """A goal in words."""

    text: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT), AfterValidator(_sendable)]


class GoalCamera(Asked):
    """What a camera sees is the goal: now, or, in a recording, at a time."""

    camera: Name
    time_s: Seconds | None = None


class AskedVerdict(Asked):
    """What a person says about the episode that runs, or ended last."""

    verdict: VerdictName


class AskedRecording(Asked):
    """Whether to record."""

    on: bool


class AskedModel(Asked):
    """A model of ``GET api/models``, by its name there."""

    name: Name


class Problem(BaseModel):
    """What was wrong: what was expected, what was got, and what to do about it."""

    expected: Told
    got: Told
    remedy: Told = ""


class ProblemBody(BaseModel):
    """The body of every answer that is an error."""

    detail: Problem


class NearGoal(BaseModel):
    """An instruction that the model knows, and the cosine of its text to the goal's."""

    text: Told
    similarity: Number


class Goal(BaseModel):
    """A goal, and what the model makes of it.

    Attributes:
        id: echoed in every reward; "" where it was refused.
        text: "" for a picture.
        image: whether it is a picture.
        familiarity: cosine to the nearest known instruction; null for a picture.
        unfamiliar: whether it is too far from them to have a progress.
        nearest: known instructions, nearest first.
        message: what a person should know: why it was refused, or what to beware of.
        accepted: whether it counts now; if not, the one before goes on.
        set_at: when, Unix seconds.
    """

    id: str
    text: Told
    image: bool
    familiarity: Number = None
    unfamiliar: bool = False
    nearest: list[NearGoal] = []
    message: Told = ""
    accepted: bool = True
    set_at: float


class Camera(BaseModel):
    """A camera by its name, and the topic of its pictures ("" where a recording holds none)."""

    name: str
    topic: str


class Instruction(BaseModel):
    """A known instruction, and the one that undoes it."""

    text: str
    opposite: str | None = None


class Abilities(BaseModel):
    """What this source can do."""

    goal_text: bool = False
    goal_image: bool = False
    goal_camera: bool = False
    verdict: bool = False
    episode: bool = False
    record: bool = False
    models: bool = False


class Recording(BaseModel):
    """Whether a bag is being recorded.

    Attributes:
        on: whether.
        folder: of the bag, or of the last one; "" = none yet.
        free_bytes: of the disk; null where nobody knows.
        message: what a person should know.
    """

    on: bool
    folder: str = ""
    free_bytes: int | None = None
    message: Told = ""


class Status(BaseModel):
    """What the page shows first.

    Attributes:
        kind: ``live`` or ``recorded``.
        title: of the robot or the recording.
        model: ``name@digest``; "" where none is known.
        cameras: all of them.
        instructions: that the model knows.
        goal: that counts; null = none.
        goal_set: instructions that are scored beside it.
        history: goals in words that were set here, newest first.
        can: what this source can do.
        record: whether a bag is being recorded; null where none can be.
        duration_s: of a recording.
    """

    kind: Literal["live", "recorded"]
    title: str
    model: str
    cameras: list[Camera]
    instructions: list[Instruction]
    goal: Goal | None
    goal_set: list[str]
    history: list[str]
    can: Abilities
    record: Recording | None = None
    duration_s: float | None = None


class Episode(BaseModel):
    """An episode.

    Attributes:
        id: counts them.
        goal: in words; "" for a picture.
        begin_s, end_s: its first and last picture; ``end_s`` of one that runs is that of its newest.
        verdict: the last that was given; null = none.
        spark: at most 40 of its values, evenly spread.
        camera: whose they are.
    """

    id: str
    goal: Told
    begin_s: float
    end_s: float
    verdict: VerdictName | None = None
    spark: list[Number] = []
    camera: str


class Model(BaseModel):
    """A bundle that can be taken into use."""

    name: str
    identity: str
    active: bool


class ModelAnswer(BaseModel):
    """What became of a swap, and the model that is in use after it."""

    accepted: bool
    message: Told = ""
    model: str


class ThinLine(BaseModel):
    """The values of another text, beside the goal's."""

    text: str
    value: list[Number]


class Curve(BaseModel):
    """A whole recorded curve under the present goal, columns of one length.

    Attributes:
        camera: whose it is.
        t: seconds since the bag's first frame, rising.
        value, reward, progress: as of a Reward message; progress is null where it is not calibrated.
        is_first: whether an episode begins.
        state: name of the task state, such as ``progressing``.
        others: the goal set, or what undoes the goal, as thin lines.
    """

    camera: str
    t: list[float]
    value: list[Number]
    reward: list[Number]
    progress: list[Number]
    is_first: list[bool]
    state: list[str]
    others: list[ThinLine] = []


class CameraHealth(BaseModel):
    """How one camera does.

    Attributes:
        received_hz, encoded_hz: pictures a second that come, and that are encoded.
        dropped: pictures that newer ones replaced, or that were lost.
        latency_p50_ms, latency_p99_ms: from a picture's stamp to its reward; null where not known.
        state: name of its task state; "" where nobody tells.
    """

    name: str
    received_hz: Number = None
    encoded_hz: Number = None
    dropped: int = 0
    latency_p50_ms: Number = None
    latency_p99_ms: Number = None
    state: str = ""


class Health(BaseModel):
    """How all is.

    Attributes:
        cameras: of each.
        device: what runs the model.
        engine: backend and precision.
        gate: what the gate said of the engine.
        model: ``name@digest``.
        level: the worst there is.
        hints: what is wrong and what to do about it, in plain words.
        viewers: pages that look.
    """

    cameras: list[CameraHealth] = []
    device: str = ""
    engine: str = ""
    gate: str = ""
    model: str = ""
    level: Literal["ok", "warn", "error"] = "ok"
    hints: list[Told] = []
    viewers: int = 0


class Done(BaseModel):
    """It is done."""

    message: Told = ""
