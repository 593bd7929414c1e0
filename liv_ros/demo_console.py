# SPDX-License-Identifier: Apache-2.0
"""What the demo shows while it runs: a live panel in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time

import rich.console
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from liv_model.media import Media
from liv_ros.msg import Reward

LINE_EVERY_S = 0.25
_SPARKS = "▁▂▃▄▅▆▇█"
_CURVE_WIDTH = 60


class Console:
    """Shows frame, value, reward and progress on standard error."""

    def __init__(self, goal: str, media: Media):
        self._goal, self._media = goal, media
        self._values: list[float] = []
        self._last_line_s = 0.0
        self._live: Live | None = None
        self._console = rich.console.Console(stderr=True)

    def __enter__(self) -> Console:
        if self._console.is_terminal:
            waiting = Panel("starting the nodes ...", title=Text(self._goal))
            self._live = Live(waiting, console=self._console, refresh_per_second=10)
            self._live.start()
        else:
            print(f"goal: {self._goal}; recording: {self._media.path}; starting the nodes ...", file=sys.stderr)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, count: int, reward: Reward, latency_ms: float) -> None:
        """Show the latest of ``count`` rewards."""
        self._values.append(reward.value)
        if self._live is not None:
            self._live.update(self._panel(count, reward, latency_ms))
        elif time.monotonic() - self._last_line_s >= LINE_EVERY_S:
            self._last_line_s = time.monotonic()
            print(
                f"frame {count:4d}  value {reward.value:+.3f}  reward {reward.reward:+.4f}  "
                f"progress {_percent(reward.progress)}  latency {latency_ms:.1f} ms",
                file=sys.stderr,
            )

    def _panel(self, count: int, reward: Reward, latency_ms: float) -> Panel:
        table = Table.grid(padding=(0, 2))
        table.add_row("frame", f"{count} of {self._media.frame_count or '?'}")
        table.add_row("value", f"{reward.value:+.3f}  {_spark_line(self._values)}")
        table.add_row("reward", f"{reward.reward:+.4f}")
        known = not math.isnan(reward.progress)
        bar = ProgressBar(total=1.0, completed=reward.progress if known else 0.0, width=_CURVE_WIDTH)
        table.add_row("progress", bar if known else "not calibrated for this goal")
        table.add_row("latency", f"{latency_ms:.1f} ms from stamp to reward")
        return Panel(table, title=Text(self._goal), subtitle=Text(reward.model))


def _percent(progress: float) -> str:
    return "  - " if math.isnan(progress) else f"{progress:4.0%}"


def _spark_line(values: list[float]) -> str:
    """The curve so far in one line of block characters."""
    step = max(1, math.ceil(len(values) / _CURVE_WIDTH))
    shown = values[::step]
    low, high = min(values), max(values)
    scale = (len(_SPARKS) - 1) / max(high - low, 1e-6)
    return "".join(_SPARKS[round((value - low) * scale)] for value in shown)
