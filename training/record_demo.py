# SPDX-License-Identifier: Apache-2.0
"""``liv episodes record-demo``: one simulated success as a rosbag2 recording of a robot's camera.

Every control step is a frame, and frames are stamped 1/30 s apart, so the arm is seen at about 0.4 of the speed it was
simulated with. Its own speed is chosen so that the recording lasts as long as asked for.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from liv_model.bag_writer import BagWriter
from liv_model.bags import COMPRESSED_IMAGE, message_types
from liv_model.errors import DataError
from training.attempt import Settings, noisy_policy
from training.scene import STEP_LIMIT, Rollout, Scene, load_simulator, rng_of
from training.tasks import task as find_task
from training.view import DEFAULT_CAMERA, View

TOPIC, FRAME_ID = "/camera/image/compressed", "camera"
RATE_HZ = 30
START_S = 1_700_000_000  # a stamp of zero means "not set" in ROS
SPEEDS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
AFTER_SUCCESS_STEPS = 15

EXAMPLES = """example:
  liv episodes record-demo --task drawer-open --seed 200000 -o recording/drawer_open
"""


def success_lasting(task: str, seed: int, noise: float, frames: tuple[int, int]) -> tuple[Scene, Rollout, float]:
    """The success whose number of frames, one a control step, is within ``frames`` and nearest their middle.

    Returns:
        The scene, the rollout made in it, and the arm's share of full speed.

    Raises:
        DataError: at no speed does the scripted policy succeed in so many steps.
    """
    successes = []
    for speed in SPEEDS:
        scene = Scene(task, seed)
        rng = rng_of(task, seed)
        rollout = scene.roll_out(noisy_policy(task, speed, noise, rng), STEP_LIMIT, AFTER_SUCCESS_STEPS)
        if rollout.success_step is not None:
            successes.append((scene, rollout, speed))
    fitting = [success for success in successes if frames[0] <= success[1].steps + 1 <= frames[1]]
    if not fitting:
        lengths = ", ".join(str(rollout.steps + 1) for _, rollout, _ in successes)
        raise DataError(
            f"{task}, seed {seed}",
            expected=f"a success of {frames[0]} to {frames[1]} frames",
            got=f"successes of {lengths}" if lengths else "no success",
            remedy="take another --seed",
        )
    return min(fitting, key=lambda success: abs(success[1].steps + 1 - sum(frames) / 2))


def compressed_images(frames: Iterable[np.ndarray], quality: int) -> Iterable[tuple[int, bytes]]:
    """Stamp in nanoseconds and serialised sensor_msgs/CompressedImage (JPEG) of each uint8 (H, W, 3) RGB frame."""
    types = message_types()
    image_type, header, time = (
        types.types[name] for name in (COMPRESSED_IMAGE, "std_msgs/msg/Header", "builtin_interfaces/msg/Time")
    )
    for number, frame in enumerate(frames):
        done, jpeg = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            raise DataError("JPEG encoder of OpenCV", expected="a picture", got="none")
        stamp_ns = START_S * 10**9 + number * 10**9 // RATE_HZ
        stamp = time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        message = image_type(header=header(stamp=stamp, frame_id=FRAME_ID), format="jpeg", data=jpeg.ravel())
        yield stamp_ns, bytes(types.serialize_cdr(message, COMPRESSED_IMAGE))


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    arguments = _parser().parse_args(argv)
    load_simulator()
    words = find_task(arguments.task)
    least, most = (round(RATE_HZ * seconds) for seconds in arguments.lasting_s)
    scene, rollout, speed = success_lasting(words.name, arguments.seed, arguments.noise, (least, most))
    view = View.plain(arguments.camera)
    frames = scene.render(rollout, range(rollout.steps + 1), view, arguments.height, arguments.width)
    messages = list(compressed_images(frames, arguments.quality))
    with BagWriter(arguments.output) as bag:
        for stamp_ns, cdr in messages:
            bag.write(TOPIC, COMPRESSED_IMAGE, stamp_ns, cdr)
    summary = {
        "bag": str(arguments.output),
        "topic": TOPIC,
        "text": words.text,
        "frames": len(frames),
        "seconds": round(len(frames) / RATE_HZ, 2),
        "done_at_frame": rollout.success_step,
        "speed": speed,
        "megabytes": round(sum(file.stat().st_size for file in arguments.output.iterdir()) / 1e6, 2),
    }
    if arguments.json:
        print(json.dumps(summary, indent=2))
    else:
        print(f"{summary['bag']}: {words.text}, {len(frames)} frames, {summary['megabytes']} MB")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liv episodes record-demo",
        description="Record one simulated success as a rosbag2 folder (MCAP) of JPEG camera images.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, metavar="BAG", help="folder of the bag; must not be there yet")
    add("--task", default="drawer-open", help="unversioned Meta-World name (default: %(default)s)")
    add("--seed", type=int, default=200_000, help="one that no training has seen (default: %(default)s)")
    add("--camera", default=DEFAULT_CAMERA, help="camera of the scene (default: %(default)s)")
    add("--width", type=int, default=480, help="pixels (default: %(default)s)")
    add("--height", type=int, default=360, help="pixels (default: %(default)s)")
    add("--quality", type=int, default=85, help="of the JPEG, 1 to 100 (default: %(default)s)")
    add("--noise", type=float, default=Settings().noise, help="on the actions, share of full speed (default: 0.2)")
    lasting = {"type": float, "nargs": 2, "default": (4.0, 6.0), "metavar": ("LEAST", "MOST")}
    add("--lasting-s", **lasting, help="how long the recording may be, seconds (default: 4 6)")
    add("--json", action="store_true", help="print the summary as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
