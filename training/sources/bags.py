# SPDX-License-Identifier: Apache-2.0
"""Bags of the robot as a source of episodes: what it was told, what its cameras saw, and what people said of it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from liv_model.errors import DataError, LivError
from liv_model.image_message import message_to_rgb
from training.sources.bags_cut import DISCARD, FAILURE, SUCCESS, Attempt, cut
from training.sources.bags_scan import IMAGES, Look, find_bags, read_pictures, scan
from training.sources.clip import nearest_to_grid
from training.sources.table import Recording, task_of

RATE_HZ = 10.0
STAMP_JITTER_S = 0.5  # as reward_node takes it
_JUMP_S = 1.0
_OUTCOMES = {SUCCESS: "success", FAILURE: "failure"}


@dataclass(frozen=True)
class BagOptions:
    """What to take from bags.

    Attributes:
        name: first part of every ``source``.
        cameras: topics of images; empty for those that were scored, or the only one there is.
        goal_topic: the ActiveGoal topic; None for the only one.
        shortest_s: episodes that last less are left out, seconds.
        unjudged: outcome of episodes without a verdict; None leaves them out.
    """

    name: str = "bags"
    cameras: tuple[str, ...] = ()
    goal_topic: str | None = None
    shortest_s: float = 1.0
    unjudged: str | None = None


@dataclass(frozen=True)
class BagClip:
    """The pictures of one camera in one episode.

    Attributes:
        path: of the bag.
        topic: of the pictures.
        recorded_ns: when each was recorded, int64 (T,): that is how it is found again.
        seconds: when each was taken, float64 (T,), rising.
    """

    path: Path
    topic: str
    recorded_ns: np.ndarray
    seconds: np.ndarray

    def __len__(self) -> int:
        return len(self.recorded_ns)

    @property
    def rate_hz(self) -> float:
        """By the median time between two pictures."""
        return 1.0 / float(np.median(np.diff(self.seconds))) if len(self) > 1 else 1.0

    def keep(self, wanted_hz: float | None) -> np.ndarray:
        """See :class:`training.sources.clip.Clip`; times need not be even."""
        return nearest_to_grid(self.seconds, self.rate_hz, wanted_hz)

    def time_s(self, numbers: np.ndarray) -> np.ndarray:
        """See :class:`training.sources.clip.Clip`."""
        return self.seconds[numbers]

    def frames(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        """See :class:`training.sources.clip.Clip`."""
        for message in read_pictures(self.path, self.topic, [int(self.recorded_ns[n]) for n in numbers]):
            yield message_to_rgb(message)


def list_bags(
    paths: Sequence[Path], options: BagOptions, done: Callable[[int], None] = lambda bags: None
) -> list[Recording]:
    """The episodes of bags, and folders of bags. What cannot be taken says why when it is opened.

    Args:
        paths: bags, and folders with bags below them.
        options: what to take.
        done: told of each bag that was looked through.

    Raises:
        DataError: a path is no bag and has none below it.
    """
    found: list[Recording] = []
    for path in find_bags(list(paths)):
        try:
            found += _recordings(scan(path, options.goal_topic), options)
        except LivError as error:
            found.append(_refused(path, error))
        done(1)
    return found


def _refused(path: Path, error: LivError) -> Recording:
    return Recording(0, str(path), "", "", "failure", partial(_raise, error), place=str(path))


def _raise(error: LivError):
    raise error


def _recordings(look: Look, options: BagOptions) -> list[Recording]:
    cameras = choose_cameras(look, options.cameras)
    attempts = cut(look)
    if not attempts:
        raise DataError(str(look.path), expected="at least one goal", got="a goal topic without one")
    return [
        _recording(look, options, number, attempt, topic, camera)
        for number, attempt in enumerate(attempts, start=1)
        for topic, camera in cameras.items()
    ]


def _recording(look: Look, options: BagOptions, number: int, attempt: Attempt, topic: str, camera: str) -> Recording:
    begun = datetime.datetime.fromtimestamp(attempt.begin_ns / 1e9, datetime.timezone.utc)
    outcome = _OUTCOMES.get(attempt.verdict, options.unjudged or "failure")
    return Recording(
        number,
        f"{options.name}/{attempt.goal_id} {begun:%Y-%m-%dT%H:%M:%S}.{begun.microsecond // 1000:03d}",
        attempt.text,
        task_of(attempt.text) if attempt.text else "",
        outcome,
        partial(_open, look, options, attempt, topic),
        camera=camera,
        place=f"{look.path} episode {number}" + (f", {camera}" if camera else ""),
    )


def _open(look: Look, options: BagOptions, attempt: Attempt, topic: str) -> BagClip:
    """The pictures of an attempt; DataError says why it is not taken."""
    _require_judged(look, options, attempt)
    pictures = look.pictures[topic]
    ends = [attempt.begin_ns, np.iinfo(np.int64).max if attempt.end_ns is None else attempt.end_ns]
    first, stop = np.searchsorted(pictures.recorded_ns, ends, "left")
    recorded_ns, stamps_ns, sizes = (a[first:stop] for a in (pictures.recorded_ns, pictures.stamp_ns, pictures.sizes))
    if not len(recorded_ns):
        raise DataError(f"pictures on {topic}", expected="some while the goal was active", got="none")
    _require_one_size(sizes, recorded_ns)
    places = _forward(recorded_ns, stamps_ns)
    clip = BagClip(look.path, topic, recorded_ns[places], _seconds(recorded_ns[places], stamps_ns[places]))
    lasts_s = float(clip.seconds[-1] - clip.seconds[0])
    if lasts_s < options.shortest_s:
        raise DataError("length", expected=f"at least {options.shortest_s:g} s (--shortest-s)", got=f"{lasts_s:.2f} s")
    return clip


def _require_judged(look: Look, options: BagOptions, attempt: Attempt) -> None:
    if not attempt.text:
        raise DataError("goal", expected="words", got="a picture")
    if attempt.verdict == DISCARD:
        raise DataError("verdict", expected="success or failure", got="discard")
    if not attempt.verdict and options.unjudged is None:
        got = f"none; the bag breaks off in it: {look.broken}" if look.broken and attempt.end_ns is None else "none"
        raise DataError("verdict", expected="success or failure", got=got, remedy="or say --unjudged OUTCOME")
    if not attempt.is_whole:
        raise DataError("episode", expected="one whose beginning was recorded", got="one under way")


def _require_one_size(sizes: np.ndarray, recorded_ns: np.ndarray) -> None:
    known = np.flatnonzero(sizes.all(axis=1))
    other = next((i for i in known if tuple(sizes[i]) != tuple(sizes[known[0]])), None)
    if other is not None:
        (width, height), after_s = sizes[known[0]], (recorded_ns[other] - recorded_ns[0]) / 1e9
        raise DataError(
            "pictures",
            expected=f"all of {width}x{height}",
            got=f"{sizes[other][0]}x{sizes[other][1]} after {after_s:.1f} s",
        )


def _forward(recorded_ns: np.ndarray, stamps_ns: np.ndarray) -> np.ndarray:
    """Places of the pictures whose stamps go forward, as reward_node counts them; DataError where a clock jumps."""
    if not stamps_ns.all():
        return np.flatnonzero(np.diff(recorded_ns, prepend=recorded_ns[0] - 1) > 0)
    kept = [0]
    for i in range(1, len(stamps_ns)):
        step_s = (stamps_ns[i] - stamps_ns[kept[-1]]) / 1e9
        waited_s = (recorded_ns[i] - recorded_ns[kept[-1]]) / 1e9
        if step_s < -STAMP_JITTER_S or step_s - waited_s > _JUMP_S:
            raise DataError(
                "stamps of the pictures",
                expected="a clock that goes on evenly",
                got=f"a jump of {step_s:+.1f} s within {waited_s:.1f} s, "
                f"{(recorded_ns[i] - recorded_ns[0]) / 1e9:.1f} s from its beginning",
            )
        if step_s > 0:
            kept.append(i)
    return np.array(kept)


def _seconds(recorded_ns: np.ndarray, stamps_ns: np.ndarray) -> np.ndarray:
    """When pictures were taken, by their stamps, or where these are not set, by when they were recorded."""
    times_ns = stamps_ns if stamps_ns.all() else recorded_ns
    return (times_ns - times_ns[0]) / 1e9


def choose_cameras(look: Look, wanted: Sequence[str] = ()) -> dict[str, str]:
    """Topics of images to take, each with the name of its camera.

    Args:
        look: the bag.
        wanted: topics. Without any: of each camera that was scored, which is told by the stamps of its rewards, the
            topic that it saw, or the only topic of images.

    Raises:
        DataError: a topic is not there or it is not clear which: those there are are listed with their types.
    """
    scored = _scored(look)
    if wanted:
        names = ["/" + name.strip("/") for name in wanted]
        for name in names:
            if name not in look.pictures:
                raise DataError(
                    f"{look.path}: camera topic {name}", expected=f"one of {look.listed(*IMAGES)}", got="none"
                )
        return {name: scored.get(name, _camera_name(name)) for name in dict.fromkeys(names)}
    chosen: dict[str, str] = {}
    for camera in dict.fromkeys(scored.values()):
        topic = min(t for t, c in scored.items() if c == camera)  # the raw one, where there are both
        chosen[topic] = camera
    filled = [t for t, pictures in look.pictures.items() if len(pictures.stamp_ns) and not _is_drawing(t)]
    if not chosen and len(filled) != 1:
        raise DataError(
            str(look.path),
            expected="one topic of images, or rewards of their stamps",
            got=look.listed(*IMAGES) if filled else f"no pictures; topics: {look.listed()}",
            remedy="name those to take with --camera" if filled else "record the camera too",
        )
    return chosen or {filled[0]: _camera_name(filled[0])}


def _scored(look: Look) -> dict[str, str]:
    """Topic to camera, where most rewards of the camera have the stamp of one of the topic's pictures."""
    stamps: dict[str, set[int]] = {}
    for reward in look.rewards:
        stamps.setdefault(reward.camera, set()).add(reward.stamp_ns)
    found: dict[str, str] = {}
    for topic, pictures in look.pictures.items():
        own = set(pictures.stamp_ns.tolist())
        shares = {camera: len(own & theirs) / len(theirs) for camera, theirs in stamps.items()}
        named = {camera: share + (0.1 if camera in topic else 0.0) for camera, share in shares.items()}  # equal clocks
        best = max(named, key=named.get, default=None)
        if best is not None and shares[best] > 0.5 and not _is_drawing(topic):
            found[topic] = best
    return found


def _is_drawing(topic: str) -> bool:
    """Whether these are pictures that overlay_node has drawn on."""
    return topic.rsplit("/", 1)[-1] == "overlay"


def _camera_name(topic: str) -> str:
    return (
        re.sub(r"/(compressed|image|image_raw|image_rect|image_color)(?=/|$)", "", topic).strip("/").replace("/", "_")
    )
