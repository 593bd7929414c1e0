# SPDX-License-Identifier: Apache-2.0
"""LIV's value, reward, progress and embedding for Gymnasium environments that render, single and vectorised.

    import gymnasium
    from liv_model.gym import LivReward, load

    model = load("models/metaworld")
    env = LivReward(gymnasium.make("...", render_mode="rgb_array"), model, "open the drawer")
    observation, info = env.reset(seed=0)
    observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
    info["liv_value"], info["liv_reward"], info["liv_progress"], info["liv_embedding"]

With ``replace=True`` the reward that the environment gives is LIV's. Needs ``gymnasium``, which nothing else here does.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from liv_model.bundle import Bundle
from liv_model.encoder import open_encoder
from liv_model.errors import ActionError, ConfigError, GoalError, ImageError
from liv_model.folders import shipped
from liv_model.goal import Goal, ResolvedGoal
from liv_model.image import require_rgb, to_square
from liv_model.loaded_model import LoadedModel, warm
from liv_model.reward import NANOSECONDS, RewardSample, RewardStream

try:
    import gymnasium
    from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
except ImportError as error:
    raise ConfigError(
        "liv_model.gym",
        expected="the Python package gymnasium, 1.1 or newer",
        got=str(error),
        remedy="pip install 'gymnasium>=1.1'",
    ) from error

GoalLike = str | np.ndarray | Goal
KEYS = ("liv_value", "liv_reward", "liv_progress", "liv_embedding")


def load(folder: str | Path | None = None, *, backend: str = "auto", threads: int = 0) -> LoadedModel:
    """Load a bundle for the wrappers; close it when it is no longer needed.

    Args:
        folder: of the bundle (default: the shipped ``models/metaworld``).
        backend: see :func:`liv_model.encoder.open_encoder`.
        threads: CPU threads; 0 leaves it to the backend.
    """
    bundle = Bundle.load(folder or shipped("models/metaworld"))
    return warm(bundle, open_encoder(bundle, backend, threads=threads), 1)


class LivReward(gymnasium.Wrapper):
    """Adds LIV's view of every step to ``info``, or gives its reward instead of the environment's.

    ``info`` has ``liv_value`` (float, S in [-1, 1]), ``liv_reward`` (float, value minus the value of the step before;
    0 after ``reset``, so rewards sum to the value now minus that at the reset), ``liv_progress`` (float in [0, 1]; NaN
    when the goal is not calibrated) and ``liv_embedding`` (float32 (D,), unit norm). Each step renders once:
    ``render`` gives that same picture again.

    Args:
        env: made with ``render_mode="rgb_array"``.
        model: from :func:`load`; it can serve many environments.
        goal: an instruction, a picture of the wanted state (uint8 (H, W, 3) RGB, of the shape of what ``env`` renders),
            or a :class:`~liv_model.goal.Goal`.
        replace: whether ``step`` returns LIV's reward.

    Raises:
        ConfigError: ``env`` does not render pictures.
        GoalError: the goal cannot be encoded.
        ImageError: a picture is not uint8 (H, W, 3), the goal's has another shape than the environment's, or those
            change their size (from ``reset`` and ``step``).
        ActionError: an action holds NaN or infinity (from ``step``).
    """

    def __init__(self, env: gymnasium.Env, model: LoadedModel, goal: GoalLike, *, replace: bool = False):
        super().__init__(env)
        _require_pictures(env)
        self._scorer = _Scorer(model, [goal])
        self._replace = replace
        self._picture: np.ndarray | None = None

    def set_goal(self, goal: GoalLike) -> None:
        """Pursue another goal from the next ``reset`` on."""
        self._scorer.set_goals([goal])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As of ``env``, with LIV's view of the first picture in ``info``."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._scorer.begin([0])
        return observation, {**info, **self._see()}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """As of ``env``, with LIV's view of what the action led to in ``info``."""
        _require_finite(action)
        observation, reward, terminated, truncated, info = self.env.step(action)
        seen = self._see()
        return observation, seen["liv_reward"] if self._replace else reward, terminated, truncated, {**info, **seen}

    def render(self) -> Any:
        """The picture that was scored last, uint8 (H, W, 3) RGB: a copy."""
        return self.env.render() if self._picture is None else self._picture.copy()

    def _see(self) -> dict[str, Any]:
        self._picture = self.env.render()
        (sample,), embeddings = self._scorer.score([self._picture])
        return dict(zip(KEYS, (sample.value, sample.reward, sample.progress, embeddings[0]), strict=True))


class LivVectorReward(VectorWrapper):
    """:class:`LivReward` for vectorised environments: all their pictures are encoded as one batch.

    ``infos`` has the same keys, arrays of one row per environment, and their masks (``_liv_value`` and so on, True).
    An environment that ended begins its next episode with the step after, as ``AutoresetMode.NEXT_STEP`` does, or when
    ``reset`` is called with its place in ``options={"reset_mask": ...}``.

    Args:
        env: of environments made with ``render_mode="rgb_array"``.
        model: from :func:`load`.
        goal: one for all, or a list or tuple with one for each.
        replace: whether ``step`` returns LIV's rewards.

    Raises:
        ConfigError: it does not render pictures, or begins the next episode within the step that ends one
            (``AutoresetMode.SAME_STEP``): the picture of the end cannot be had then.
        GoalError, ImageError, ActionError: as for :class:`LivReward`; or there are more or fewer goals than
            environments.
    """

    def __init__(
        self,
        env: VectorEnv,
        model: LoadedModel,
        goal: GoalLike | Sequence[GoalLike],
        *,
        replace: bool = False,
    ):
        super().__init__(env)
        _require_pictures(env)
        if env.metadata.get("autoreset_mode") == AutoresetMode.SAME_STEP:
            raise ConfigError(
                "autoreset_mode of the vectorised environment",
                expected="NEXT_STEP or DISABLED",
                got="SAME_STEP, which leaves no picture of an episode's end",
                remedy="make it with autoreset_mode=gymnasium.vector.AutoresetMode.NEXT_STEP",
            )
        self._scorer = _Scorer(model, self._one_each(goal))
        self._replace = replace
        self._ended = np.zeros(env.num_envs, bool)

    def set_goal(self, goal: GoalLike | Sequence[GoalLike]) -> None:
        """Pursue other goals, each environment from its next episode on: the value has a new origin then."""
        self._scorer.set_goals(self._one_each(goal))

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As of ``env``, with LIV's view of the first pictures in ``infos``."""
        mask = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs)), bool)
        observations, infos = self.env.reset(seed=seed, options=options)
        self._scorer.begin(np.flatnonzero(mask))
        self._ended &= ~mask
        return observations, {**infos, **self._see()}

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """As of ``env``, with LIV's view of what the actions led to in ``infos``."""
        _require_finite(actions)
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        self._scorer.begin(np.flatnonzero(self._ended))
        self._ended = np.logical_or(terminations, truncations)
        seen = self._see()
        rewards = seen["liv_reward"].copy() if self._replace else rewards
        return observations, rewards, terminations, truncations, {**infos, **seen}

    def _see(self) -> dict[str, np.ndarray]:
        pictures = self.env.render()
        if pictures is None or len(pictures) != self.num_envs:
            got = "none" if pictures is None else len(pictures)
            raise ImageError("render() of the vectorised environment", expected=f"{self.num_envs} pictures", got=got)
        samples, embeddings = self._scorer.score(list(pictures))
        columns = [np.array([getattr(s, name) for s in samples]) for name in ("value", "reward", "progress")]
        seen = dict(zip(KEYS, (*columns, embeddings), strict=True))
        return {**seen, **{f"_{key}": np.ones(self.num_envs, bool) for key in KEYS}}

    def _one_each(self, goal: GoalLike | Sequence[GoalLike]) -> list[GoalLike]:
        if not isinstance(goal, (list, tuple)):
            return [goal] * self.num_envs
        if len(goal) != self.num_envs:
            raise GoalError("goals", expected=f"one, or one for each of {self.num_envs} environments", got=len(goal))
        return list(goal)


class _Scorer:
    """Pictures of N environments to what each earned; one reward stream each, one batch for all."""

    def __init__(self, model: LoadedModel, goals: Sequence[GoalLike]):
        self._model = model
        self._shape: tuple[int, ...] | None = None
        self._steps = 0
        self._streams: list[RewardStream] = []
        self.set_goals(goals)
        self.begin(range(len(goals)))

    def set_goals(self, goals: Sequence[GoalLike]) -> None:
        """Resolve the goals, each only once; episodes take them up as they begin."""
        known: dict[Any, tuple[ResolvedGoal, Goal]] = {}
        self._goals = []
        for given in goals:
            key = given if isinstance(given, str) else id(given)
            if key not in known:
                known[key] = self._resolve(given)
            self._goals.append(known[key])

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
            warnings.warn(resolved.message, stacklevel=5)
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
        if height * wide != width * high:
            raise ImageError(
                "goal picture",
                expected=f"the shape of the environment's pictures, {width}x{height} or as high for its width",
                got=f"{wide}x{high}",
                remedy="take the goal with the same camera: env.render() where the task is done",
            )


def _require_pictures(env: Any) -> None:
    if getattr(env, "render_mode", None) != "rgb_array":
        raise ConfigError(
            "render_mode of the environment",
            expected="rgb_array",
            got=repr(getattr(env, "render_mode", None)),
            remedy='make it with gymnasium.make(..., render_mode="rgb_array")',
        )


def _require_finite(action: Any) -> None:
    """Raise ActionError if a number in an action, or in the parts of one, is not finite."""
    parts = action.values() if isinstance(action, dict) else action if isinstance(action, tuple) else ()
    for part in parts:
        _require_finite(part)
    numbers = np.asarray(action) if not parts else np.zeros(0)
    if np.issubdtype(numbers.dtype, np.inexact) and not np.isfinite(numbers).all():
        raise ActionError(
            "action",
            expected="finite numbers",
            got=np.array2string(numbers, threshold=8),
            remedy="the policy that chose it has diverged: look at what it was given",
        )
