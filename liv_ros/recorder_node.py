# SPDX-License-Identifier: Apache-2.0
"""recorder_node: writes topics into MCAP bags, as the bytes they came in. For where rosbag2 is not installed.

With ``output`` one bag from the start on; with ``record_folder`` a new one whenever the service asks for it.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import SetBool

from liv_model.bag_writer import FLUSH_EVERY_S
from liv_model.errors import ConfigError, LivError, MediaError
from liv_ros.bag_recording import BagRecording
from liv_ros.diagnostics import ERROR, OK, WARN, Diagnostics
from liv_ros.parameters import parameter
from liv_ros.run import run_node

_LOOK_EVERY_S = 0.1
_MB = 10**6
_STEADY = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time that stands still must not hold a bag up


class RecorderNode(Node):
    """Records from the start, or when it is asked to."""

    def __init__(self) -> None:
        super().__init__("recorder_node")
        output = parameter(self, "output", "", "bag folder to make, at once; empty = none before it is asked for")
        topics = parameter(self, "topics", [""], "names of the topics to record")
        self._record_folder = parameter(
            self, "record_folder", "", "folder in which bags that are asked for are made, named by their time"
        )
        if not output and not self._record_folder:
            expected = "a folder for the bag (or record_folder, for bags that are asked for)"
            raise ConfigError("parameter output", expected=expected, got="nothing")
        self._topics = {self.resolve_topic_name(topic) for topic in topics if topic}
        if not self._topics:
            raise ConfigError("parameter topics", expected="at least one topic", got="none")
        split_mb = parameter(
            self, "split_mb", 1024, "size of a file, MB, at which the next begins", least=1, most=10**6
        )
        keep_free_mb = parameter(
            self, "keep_free_mb", 1024, "free disk, MB, that stays: with less the bag is finished", least=0, most=10**7
        )
        self._limits = {"split_bytes": split_mb * _MB, "keep_free_bytes": keep_free_mb * _MB}
        self._recording: BagRecording | None = None
        self._is_on = False
        if output:
            self._begin(Path(output).expanduser())
        self.create_service(SetBool, "record", self._on_record)
        self.create_timer(_LOOK_EVERY_S, self._look, clock=_STEADY)
        self.create_timer(FLUSH_EVERY_S / 2, self._flush, clock=_STEADY)
        self._diagnostics = Diagnostics(self, self._health)

    def _begin(self, folder: Path) -> None:
        self._recording = BagRecording(self, folder, self._topics, **self._limits)
        self._is_on = True

    def _on_record(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Begin a new bag, or finish it; the message names its folder, or says why not."""
        try:
            response.message = str(self._start() if request.data else self._finish())
            response.success = True
        except (LivError, OSError) as error:
            response.message = str(error)
            self.get_logger().error(response.message)
        self._diagnostics.publish()
        return response

    def _start(self) -> Path:
        if self._is_on and not self._recording.problem:
            raise MediaError("record", expected="a recorder that is not recording", got=str(self._recording.folder))
        if not self._record_folder:
            remedy = "start it with record_folder"
            raise ConfigError("record", expected="a folder for new bags", got="none", remedy=remedy)
        self._end()
        folder = _new_folder(Path(self._record_folder).expanduser())
        self._begin(folder)
        self._recording.look()
        self.get_logger().info(f"recording into {folder}")
        return folder

    def _finish(self) -> Path:
        if not self._is_on:
            raise MediaError("record", expected="a recording that can be finished", got="none")
        self._end()
        self.get_logger().info(f"finished {self._recording.folder}")
        return self._recording.folder

    def _end(self) -> None:
        if self._is_on:
            self._is_on = False
            self._recording.finish()

    def _look(self) -> None:
        if self._is_on:
            self._recording.look()

    def _flush(self) -> None:
        if self._is_on:
            self._recording.flush()

    def _health(self) -> tuple[bytes, str, dict[str, object]]:
        recording = self._recording
        place = recording.folder if recording is not None else Path(self._record_folder).expanduser()
        values: dict[str, object] = {"recording": str(self._is_on).lower()}
        if recording is not None:
            values |= {f"messages of {topic}": count for topic, count in recording.counts.items()}
            values["bag"] = recording.folder
        values["free disk (MB)"] = round(_free_bytes(place) / _MB)
        if not self._is_on:
            return OK, "not recording", values
        values["topics that nobody publishes"] = ", ".join(sorted(recording.waiting))
        if recording.problem:
            return ERROR, f"recording has stopped: {recording.problem}", {**values, "recording": "false"}
        return (OK, "recording", values) if recording.counts else (WARN, "nothing to record yet", values)

    def destroy_node(self) -> None:
        """Finish the bag."""
        self._end()
        super().destroy_node()


def _new_folder(parent: Path) -> Path:
    """A name, by the time, that is not taken."""
    name = time.strftime("liv_%Y%m%d_%H%M%S")
    number, folder = 1, parent / name
    while folder.exists():
        number += 1
        folder = parent / f"{name}_{number}"
    return folder


def _free_bytes(place: Path) -> int:
    """Of the disk that a folder is on, or will be."""
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def main(argv: list[str] | None = None) -> int:
    """Run the node."""
    return run_node(RecorderNode, argv)


if __name__ == "__main__":
    sys.exit(main())
