# SPDX-License-Identifier: Apache-2.0
"""One simulated attempt at a task: how the arm acts for each outcome, and the episode that comes of it."""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass, field

import numpy as np

from liv_model.errors import DataError
from training.episodes import SIMULATED_OUTCOMES, Episode
from training.scene import CONTROL_STEP_S, STEP_LIMIT, Act, Rollout, Scene, rng_of, scripted_policy
from training.tasks import load_tasks
from training.tasks import task as find_task
from training.view import DEFAULT_CAMERA, Jitter, View

EARLIEST_SUCCESS = 10  # control steps; what is done sooner was done when the scene was made


@dataclass(frozen=True)
class Settings:
    """How attempts are simulated and recorded.

    Attributes:
        size: side of the square frames, pixels.
        stride: every n-th control step (0.0125 s) is a frame.
        camera: name of a camera of the scene.
        jitter: how much the views of the episodes differ.
        noise: standard deviation of the noise on the actions, as a share of full speed; half of it for a task that
            is ``precise``.
        slowest: each episode's arm moves at a random share of full speed, from this to 1; always at full speed for a
            task that is ``precise``.
        after_success_s: how much longer the recording goes on once the task is done, seconds.
    """

    size: int = 112
    stride: int = 3
    camera: str = DEFAULT_CAMERA
    jitter: Jitter = field(default_factory=Jitter)
    noise: float = 0.2
    slowest: float = 0.5
    after_success_s: float = 0.2


@dataclass(frozen=True)
class Attempt:
    """What came of one seed.

    Attributes:
        episode: the recording; None when the attempt did not have the outcome that was asked for.
        reason: why there is no episode.
        render_s: time spent on rendering, seconds.
    """

    episode: Episode | None
    reason: str = ""
    render_s: float = 0.0


def attempt(task: str, outcome: str, seed: int, settings: Settings) -> Attempt:
    """Simulate one attempt. The same arguments give the same attempt.

    A failure lasts as long as the success of the same scene, so that length tells nothing:
    ``truncated`` stops at 20-60 % of the way and holds still, ``random`` moves smoothly at random,
    ``wrong_task`` follows the policy of another task, two times in three the opposite one where there is one.
    """
    if outcome not in SIMULATED_OUTCOMES:
        raise DataError("outcome", expected=f"one of {', '.join(SIMULATED_OUTCOMES)}", got=repr(outcome))
    rng = rng_of(task, seed)
    precise = find_task(task).precise
    speed = rng.uniform(1.0 if precise else settings.slowest, 1.0)
    noise = settings.noise / 2 if precise else settings.noise
    after = round(settings.after_success_s / CONTROL_STEP_S)
    scene = Scene(task, seed)
    rollout = scene.roll_out(noisy_policy(task, speed, noise, rng), STEP_LIMIT, after)
    if rollout.success_step is None or rollout.success_step < EARLIEST_SUCCESS:
        return Attempt(None, f"the scripted policy did not succeed within {STEP_LIMIT} steps")
    source = f"metaworld, policy {task}, speed {speed:.2f}"
    if outcome != "success":
        scene = Scene(task, seed)
        act, source = _failure(task, outcome, rollout, speed, noise, rng)
        rollout = scene.roll_out(act, rollout.steps)
        if rollout.success_step is not None:
            return Attempt(None, f"{outcome} succeeded all the same")
    return _record(scene, rollout, source, task, outcome, seed, settings)


def _record(
    scene: Scene, rollout: Rollout, source: str, task: str, outcome: str, seed: int, settings: Settings
) -> Attempt:
    steps = frame_steps(rollout.steps, settings.stride)
    rng = np.random.default_rng([seed, zlib.crc32(f"{task} {outcome} {settings.camera}".encode())])
    view = View.draw(settings.camera, settings.jitter, rng)
    started = time.perf_counter()
    frames = scene.render(rollout, steps, view, settings.size, settings.size)
    render_s = time.perf_counter() - started
    episode = Episode(
        frames=frames,
        time_s=(steps - steps[0]) * CONTROL_STEP_S,
        text=find_task(task).text,
        task=task,
        outcome=outcome,
        seed=seed,
        camera=settings.camera,
        source=source,
    )
    return Attempt(episode, render_s=render_s)


def frame_steps(steps: int, stride: int) -> np.ndarray:
    """Control steps to render, int64: every ``stride``-th, counted so that the last step is one of them."""
    return np.arange(steps % stride, steps + 1, stride)


def noisy_policy(task: str, speed: float, noise: float, rng: np.random.Generator) -> Act:
    """The scripted policy of a task, slowed and disturbed."""
    policy, disturbance = scripted_policy(task), smooth_noise(noise, rng)

    def act(observation: np.ndarray, step: int) -> np.ndarray:
        action = np.clip(policy.get_action(observation), -1, 1)
        action[:3] = speed * (action[:3] + disturbance(3))
        return action

    return act


def _failure(
    task: str, outcome: str, success: Rollout, speed: float, noise: float, rng: np.random.Generator
) -> tuple[Act, str]:
    """How the arm acts when it fails, and a line that says so."""
    if outcome == "truncated":
        share = rng.uniform(0.2, 0.6)
        stop = max(1, int(share * success.success_step))
        act = noisy_policy(task, speed, noise, rng)
        return _stopping(act, stop), f"metaworld, policy {task}, stopped at {share:.2f} of the way"
    if outcome == "random":
        wander = smooth_noise(0.6, rng)
        return (lambda observation, step: wander(4)), "metaworld, smooth random actions"
    other = _other_task(task, rng)
    return noisy_policy(other, speed, noise, rng), f"metaworld, policy {other}, speed {speed:.2f}"


def _stopping(act: Act, stop: int) -> Act:
    """Act until control step ``stop``, then hold still with the gripper as it was."""
    last = np.zeros(4)

    def stopping(observation: np.ndarray, step: int) -> np.ndarray:
        if step < stop:
            last[:] = act(observation, step)
        else:
            last[:3] = 0
        return last

    return stopping


def _other_task(task: str, rng: np.random.Generator) -> str:
    opposite = find_task(task).opposite
    if opposite and rng.uniform() < 2 / 3:
        return opposite
    return str(rng.choice([name for name in load_tasks() if name != task]))


def smooth_noise(deviation: float, rng: np.random.Generator, memory: float = 0.9):
    """First-order autoregressive noise: a function of the number of values to draw, each of this deviation."""
    state = 0.0

    def draw(count: int) -> np.ndarray:
        nonlocal state
        state = memory * state + np.sqrt(1 - memory**2) * rng.normal(0, deviation, count)
        return state

    return draw
