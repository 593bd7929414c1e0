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
from liv_model.gym_scorer import GoalLike, Scorer
from liv_model.loaded_model import LoadedModel, warm

try:
    import gymnasium
    from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
    from gymnasium.vector.utils import batch_space
except ImportError as error:
    raise ConfigError(
        "liv_model.gym",
        expected="the Python package gymnasium, 1.1 or newer",
        got=str(error),
        remedy="pip install 'gymnasium>=1.1'",
    ) from error

KEYS = ("liv_value", "liv_reward", "liv_progress", "liv_embedding")


def load(folder: str | Path | None = None, **how: Any) -> LoadedModel:
    """Load a bundle for the wrappers; close it when it is no longer needed.

    Args:
        folder: of the bundle (default: the shipped ``models/metaworld``).
        how: ``backend``, ``device``, ``threads``, ``precision``, ``max_batch``: see
            :func:`liv_model.encoder.open_encoder`.
    """
    bundle = Bundle.load(folder or shipped("models/metaworld"))
    return warm(bundle, open_encoder(bundle, **how), 1)


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
        observe: whether the observation becomes a ``Dict`` of the environment's own, ``observation``, and
            ``liv_embedding``: to learn on the embedding with what reads no ``info``.

    Raises:
        ConfigError: ``env`` does not render pictures, or ``model`` is not loaded.
        GoalError: the goal cannot be encoded.
        ImageError: a picture is not uint8 (H, W, 3), the goal's has another shape than the environment's, or those
            change their size (from ``reset`` and ``step``).
        ActionError: an action holds NaN or infinity (from ``step``).
    """

    def __init__(
        self, env: gymnasium.Env, model: LoadedModel, goal: GoalLike, *, replace: bool = False, observe: bool = False
    ):
        super().__init__(env)
        _require_pictures(env)
        self._scorer = Scorer(model)
        self._scorer.set_goals([goal])
        self._replace, self._observe, self._ended = replace, observe, False
        self._picture: np.ndarray | None = None
        if observe:
            self.observation_space = _with_embedding(env.observation_space, model)

    def set_goal(self, goal: GoalLike) -> None:
        """Pursue another goal from the next ``reset`` on."""
        self._scorer.set_goals([goal])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As of ``env``, with LIV's view of the first picture in ``info``."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._scorer.begin([0])
        self._ended = False
        seen = self._see()
        return _observed(observation, seen, self._observe), {**info, **seen}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """As of ``env``, with LIV's view of what the action led to in ``info``."""
        _require_finite(action)
        observation, reward, terminated, truncated, info = self.env.step(action)
        if self._ended:  # an Autoreset below this began the next one
            self._scorer.begin([0])
        self._ended = terminated or truncated
        seen = self._see()
        reward = seen["liv_reward"] if self._replace else reward
        return _observed(observation, seen, self._observe), reward, terminated, truncated, {**info, **seen}

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
        observe: whether observations become those of :class:`LivReward` with ``observe``, batched.

    Raises:
        ConfigError: it does not render pictures, ``model`` is not loaded, or the next episode begins within the step
            that ends one (``AutoresetMode.SAME_STEP``): the picture of the end cannot be had then.
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
        observe: bool = False,
    ):
        super().__init__(env)
        _require_pictures(env)
        _require_ends(env)
        self._scorer = Scorer(model)
        self._scorer.set_goals(self._one_each(goal))
        self._replace, self._observe = replace, observe
        self._ended = np.zeros(env.num_envs, bool)
        if observe:
            self.single_observation_space = _with_embedding(env.single_observation_space, model)
            self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def set_goal(self, goal: GoalLike | Sequence[GoalLike]) -> None:
        """Pursue other goals, each environment from its next episode on: the value has a new origin then."""
        self._scorer.set_goals(self._one_each(goal))

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As of ``env``, with LIV's view of the first pictures in ``infos``."""
        mask = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs)), bool)
        observations, infos = self.env.reset(seed=seed, options=options)
        self._scorer.begin(np.flatnonzero(mask))
        self._ended &= ~mask
        seen = self._see()
        return _observed(observations, seen, self._observe), {**infos, **seen}

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """As of ``env``, with LIV's view of what the actions led to in ``infos``."""
        _require_finite(actions)
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        self._scorer.begin(np.flatnonzero(self._ended))
        self._ended = np.logical_or(terminations, truncations)
        seen = self._see()
        rewards = seen["liv_reward"].copy() if self._replace else rewards
        return _observed(observations, seen, self._observe), rewards, terminations, truncations, {**infos, **seen}

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


def _require_pictures(env: Any) -> None:
    if getattr(env, "render_mode", None) != "rgb_array":
        raise ConfigError(
            "render_mode of the environment",
            expected="rgb_array",
            got=repr(getattr(env, "render_mode", None)),
            remedy='make it with gymnasium.make(..., render_mode="rgb_array")',
        )


def _require_ends(env: VectorEnv) -> None:
    """Raise ConfigError if pictures of the ends of episodes cannot be had; warn if nothing says whether they can."""
    # Gymnasium 1.1 writes the mode into metadata that environments share: what the object itself says is its own.
    mode = getattr(env.unwrapped, "autoreset_mode", None) or env.metadata.get("autoreset_mode")
    if mode is None:
        warnings.warn("metadata has no autoreset_mode: taken for NEXT_STEP, Gymnasium's default", stacklevel=3)
    if getattr(mode, "name", mode) == AutoresetMode.SAME_STEP.name:
        raise ConfigError(
            "autoreset_mode of the vectorised environment",
            expected="NEXT_STEP or DISABLED",
            got="SAME_STEP, which leaves no picture of an episode's end",
            remedy="make it with autoreset_mode=gymnasium.vector.AutoresetMode.NEXT_STEP",
        )


def _with_embedding(space: gymnasium.Space, model: LoadedModel) -> gymnasium.spaces.Dict:
    embedding = gymnasium.spaces.Box(-1, 1, (model.bundle.dim,), np.float32)
    return gymnasium.spaces.Dict({"observation": space, "liv_embedding": embedding})


def _observed(observation: Any, seen: dict[str, Any], with_embedding: bool) -> Any:
    return {"observation": observation, "liv_embedding": seen["liv_embedding"]} if with_embedding else observation


def _require_finite(action: Any) -> None:
    """Raise ActionError if a number in an action, or in the parts of one, is not finite."""
    if isinstance(action, (dict, tuple)):
        for part in action.values() if isinstance(action, dict) else action:
            _require_finite(part)
        return
    try:
        numbers = np.asarray(action, np.float64)  # None among numbers becomes NaN
    except (TypeError, ValueError):  # parts of several lengths, or what is no number: that is between env and policy
        if isinstance(action, list) or (isinstance(action, np.ndarray) and action.ndim):
            _require_finite(tuple(action))
        return
    if not np.isfinite(numbers).all():
        raise ActionError(
            "action",
            expected="finite numbers",
            got=np.array2string(numbers, threshold=8),
            remedy="the policy that chose it has diverged: look at what it was given",
        )
