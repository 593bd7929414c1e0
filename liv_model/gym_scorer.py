# SPDX-License-Identifier: Apache-2.0
"""What the pictures of Gymnasium environments earn: goals, reward streams and one batch for all of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from liv_model.errors import ConfigError, GoalError, ImageError
from liv_model.goal import Goal, ResolvedGoal
from liv_model.image import require_rgb, to_square
from liv_model.loaded_model import LoadedModel
from liv_model.reward import NANOSECONDS, RewardSample, RewardStream

GoalLike = str | np.ndarray | Goal


class Scorer:
    """Pictures of N environments to what each earned; one reward stream each, one batch for all.

    Args:
        model: what reads them; from :func:`liv_model.gym.load`.

    Raises:
        ConfigError: ``model`` is no loaded model.
    """

    def __init__(self, model: LoadedModel):
        if not isinstance(model, LoadedModel):
            remedy = "model = liv_model.gym.load(folder): one serves many environments"
            raise ConfigError("model", expected="a loaded model", got=type(model).__name__, remedy=remedy)
        self._model = model
        self._shape: tuple[int, ...] | None = None
        self._steps = 0
        self._goals: list[tuple[ResolvedGoal, Goal]] = []
        self._streams: list[RewardStream] = []

    def set_goals(self, goals: Sequence[GoalLike]) -> None:
        """Resolve the goals, each only once; episodes take them up as they begin. Of refused ones none is taken."""
        known: dict[Any, tuple[ResolvedGoal, Goal]] = {}
        resolved = []
        for given in goals:
            key = given if isinstance(given, str) else id(given)
            if key not in known:
                known[key] = self._resolve(given)
            resolved.append(known[key])
        self._goals = resolved
        if not self._streams:
            self.begin(range(len(goals)))

    def _resolve(self, given: GoalLike) -> tuple[ResolvedGoal, Goal]:
        goal = given
        if isinstance(given, str):
            goal = Goal(text=given)
        elif isinstance(given, np.ndarray):
            goal = Goal(image=require_rgb(given, "goal picture"))
        elif not isinstance(given, Goal):
            raise GoalError("goal", expected="a text, a picture, or a Goal", got=type(given).__name__)
        if self._shape is not None:
            self._require_shape_of_goal(goal)
        resolved = self._model.resolver.resolve(goal)
        if resolved.message:
            warnings.warn(resolved.message, stacklevel=4)  # whoever called the wrapper
        return resolved, goal

    def begin(self, numbers: Any) -> None:
        """Begin an episode in these environments with their next picture."""
        streams = self._streams or [None] * len(self._goals)
        for number in numbers:
            resolved, _ = self._goals[number]
            streams[number] = RewardStream(resolved.embedding, resolved.calibration)
        self._streams = streams

    def score(self, pictures: list[np.ndarray]) -> tuple[list[RewardSample], np.ndarray]:
        """What each picture earned, and their embeddings, float32 (N, D)."""
        size = self._model.bundle.image
        squares = np.stack([to_square(self._same_shape(picture), size) for picture in pictures])  # (N, S, S, 3)
        embeddings = self._model.encoder.encode_images(squares)  # (N, D)
        self._steps += 1
        stamp_ns = self._steps * NANOSECONDS  # a step is a second: only their order counts
        samples = [stream.update(e, stamp_ns) for stream, e in zip(self._streams, embeddings, strict=True)]
        return samples, embeddings

    def _same_shape(self, picture: np.ndarray) -> np.ndarray:
        require_rgb(picture, "what render() returned")
        if self._shape is None:
            self._shape = picture.shape
            for _, goal in self._goals:
                self._require_shape_of_goal(goal)
        if picture.shape != self._shape:
            raise ImageError(
                "what render() returned",
                expected=f"{self._shape[1]}x{self._shape[0]} pixels, as before",
                got=f"{picture.shape[1]}x{picture.shape[0]}",
                remedy="values of two views cannot be compared: render at one size",
            )
        return picture

    def _require_shape_of_goal(self, goal: Goal) -> None:
        """A goal of another shape would show another part of the scene once both are cut to squares."""
        if goal.image is None:
            return
        (height, width), (high, wide) = self._shape[:2], goal.image.shape[:2]
        if abs(height * wide - width * high) > max(height, width):  # a scaled one may be off by a pixel
            raise ImageError(
                "goal picture",
                expected=f"the shape of the environment's pictures, {width}x{height} or as high for its width",
                got=f"{wide}x{high}",
                remedy="take the goal with the same camera: env.render() where the task is done",
            )
