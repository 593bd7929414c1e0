# SPDX-License-Identifier: Apache-2.0
"""The last goal, kept on disk so that it survives the encoder."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from liv_model.errors import ConfigError, LivError
from liv_model.goal import Goal
from liv_model.image import decode_image
from liv_model.whole_file import replace_json


@dataclass(frozen=True)
class StoredGoal:
    """A goal as it was accepted.

    Attributes:
        id: its identity, which it keeps.
        goal: text or image.
        session: the launch it was accepted in, or "".
    """

    id: str
    goal: Goal
    session: str = ""


class GoalStore:
    """One file that holds the last accepted goal."""

    def __init__(self, path: Path):
        self._path = path

    def save(self, stored: StoredGoal) -> None:
        """Replace the file; it is the old goal or the new one, never half of one. OSError if it cannot be written."""
        content = {"id": stored.id, "session": stored.session, "text": stored.goal.text}
        if stored.goal.image is not None:
            content["image_png"] = base64.b64encode(_png(stored.goal.image)).decode()
        replace_json(self._path, content)

    def load(self) -> StoredGoal | None:
        """The stored goal, or None where there is none; ConfigError where the file holds something else."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            png = content.get("image_png")
            image = decode_image(base64.b64decode(png)) if png else None
            return StoredGoal(str(content["id"]), Goal(content["text"], image), content.get("session", ""))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, LivError) as error:
            raise ConfigError(
                str(self._path), expected="a stored goal", got=repr(error), remedy="remove the file"
            ) from error


def _png(rgb) -> bytes:
    import cv2

    _, data = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return data.tobytes()
