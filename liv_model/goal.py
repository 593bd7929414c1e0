# SPDX-License-Identifier: Apache-2.0
"""A goal, in words or as a picture, and what a model makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liv_model.bundle import Bundle, Instruction
from liv_model.calibration import Calibration
from liv_model.encoder import Encoder
from liv_model.errors import GoalError
from liv_model.image import to_square
from liv_model.instruction_scale import instruction_scale
from liv_model.script import scripts
from liv_model.tokenizer import clean_text
from liv_model.value import values

_NEAREST = 3


@dataclass(frozen=True)
class Goal:
    """What a person asked for: exactly one of text and image.

    Attributes:
        text: the instruction, or "".
        image: uint8 (H, W, 3) RGB of the wanted state, or None.
    """

    text: str = ""
    image: np.ndarray | None = None

    def __post_init__(self) -> None:
        has_text = bool(self.text.strip())
        if has_text and self.image is not None:
            raise GoalError("goal", expected="exactly one of text and image", got="both")
        if not has_text and self.image is None:
            raise GoalError("goal", expected="a text such as 'open the drawer', or an image", got="neither")


@dataclass(frozen=True)
class KnownGoal:
    """A known instruction and how near the goal's text is to it: cosine in [-1, 1]."""

    text: str
    familiarity: float


@dataclass(frozen=True)
class ResolvedGoal:
    """A goal as a model understands it.

    Attributes:
        embedding: float32 (D,), unit norm.
        calibration: how values for this goal read as progress.
        nearest: known instructions, nearest first; empty for an image goal, or a text in a script that it never read.
        familiarity: cosine to the nearest one; NaN likewise.
        message: "" when all is well, else what the person should know.
    """

    embedding: np.ndarray
    calibration: Calibration
    nearest: tuple[KnownGoal, ...]
    familiarity: float
    message: str


class GoalResolver:
    """Turns goals into what reward streams need, by one model."""

    def __init__(self, bundle: Bundle, encoder: Encoder):
        self._bundle = bundle
        self._encoder = encoder
        self._phrases = [(text, known) for known in bundle.instructions for text in (known.text, *known.paraphrases)]
        texts = [text for text, _ in self._phrases]
        self._scripts = scripts(texts)
        self._known = encoder.encode_texts(texts) if texts else np.zeros((0, bundle.dim), np.float32)

    def resolve(self, goal: Goal) -> ResolvedGoal:
        """Encode a goal and say how familiar it is; GoalError or ImageError when it cannot be encoded."""
        if goal.image is not None:
            return self._resolve_image(goal.image)
        return self._resolve_text(clean_text(goal.text))

    def _resolve_image(self, image: np.ndarray) -> ResolvedGoal:
        square = to_square(image, self._bundle.image)
        embedding = self._encoder.encode_images(square[None])[0]
        return ResolvedGoal(embedding, Calibration(goal=self._bundle.image_goal), (), float("nan"), "")

    def _resolve_text(self, text: str) -> ResolvedGoal:
        embedding = self._encoder.encode_texts([text])[0]
        if self._phrases and (foreign := scripts([text]) - self._scripts):
            return ResolvedGoal(embedding, Calibration(), (), float("nan"), _unread(text, foreign))
        ranked = self._rank(embedding)
        nearest = tuple(KnownGoal(known.text, cosine) for known, cosine in ranked)
        if nearest and nearest[0].familiarity >= self._bundle.familiarity:
            scale = instruction_scale(ranked[0][0], self._bundle.instructions)
            message = "" if scale.is_known else _unlearned(nearest[0].text)
            return ResolvedGoal(embedding, scale, nearest, nearest[0].familiarity, message)
        familiarity = nearest[0].familiarity if nearest else float("nan")
        return ResolvedGoal(embedding, Calibration(), nearest, familiarity, _unfamiliar(text, nearest))

    def _rank(self, embedding: np.ndarray) -> list[tuple[Instruction, float]]:
        """The known instructions by the cosine of their nearest phrasing, nearest first."""
        cosines = values(self._known, embedding[None])[:, 0]
        best: dict[str, tuple[Instruction, float]] = {}
        for (_, known), cosine in zip(self._phrases, cosines, strict=True):
            if known.text not in best or cosine > best[known.text][1]:
                best[known.text] = (known, float(cosine))
        return sorted(best.values(), key=lambda pair: -pair[1])[:_NEAREST]


def _unread(text: str, foreign: frozenset[str]) -> str:
    names = ", ".join(sorted(name.lower() for name in foreign))
    return f"unfamiliar: {text!r} has signs that this model has never read ({names}): what it makes of them is chance"


def _unlearned(known: str) -> str:
    return f"not calibrated: this model hardly tells the start of {known!r} from its end, so there is no progress"


def _unfamiliar(text: str, nearest: tuple[KnownGoal, ...]) -> str:
    known = ", ".join(f"'{goal.text}' ({goal.familiarity:.2f})" for goal in nearest) or "none"
    return f"unfamiliar: {text!r} is far from every instruction this model knows; nearest: {known}"
