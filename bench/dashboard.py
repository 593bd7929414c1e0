# SPDX-License-Identifier: Apache-2.0
"""What pages that look cost the rewards: a graph with its dashboard_node, while nobody looks and while many do."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from bench.graph import Arena, Contender, Turn, ours
from bench.options import Options
from bench.pairs import digits, in_turns, ratios
from bench.results import Section
from bench.stream import Stream
from liv_model.bundle import Bundle
from liv_model.errors import LivError
from liv_model.progress_bar import progress_bar

STREAM = Stream(640, 480, "compressed", 30.0)
NOBODY = "nobody"
PAGES = {NOBODY: (0, 0), "50 pages": (50, 0), "50 pages, 5 with pictures": (50, 5)}
_READY_S = 30.0
_LOOK_EVERY_S = 0.05


def measure(section: Section, bundle: Bundle, options: Options) -> None:
    """A row for each number of pages."""
    contender = with_page(ours(bundle, "fp32", STREAM.transport, options.threads))
    measured: dict[str, list[Turn]] = {name: [] for name in PAGES}
    messages = dict.fromkeys(PAGES, 0)
    with Arena([contender]) as arena:
        port = _port(arena, contender)

        def turn(name: str) -> Turn:
            with pages(port, *PAGES[name]) as count:
                found = arena.turn(contender, STREAM, options.turn_s)
            messages[name] += count()
            return found

        sides = {name: lambda name=name: turn(name) for name in PAGES}
        with progress_bar("dashboard", options.graph_rounds * len(sides), transient=True) as done:
            for whole in in_turns(sides, options.graph_rounds):
                for name, found in whole.items():
                    measured[name].append(found)
                    done(1)
    section.rows += rows(measured, messages, {"model": bundle.identity, **vars(STREAM)})


def rows(measured: dict[str, list[Turn]], messages: dict[str, int], what: dict[str, object]) -> list[dict[str, object]]:
    """A row for each side; ``p99_share`` is pair by pair of that where nobody looks."""
    alone = [turn.p99_ms for turn in measured[NOBODY]]
    found = []
    for name, turns in measured.items():
        latencies = [ms for turn in turns for ms in turn.latency_ms]
        row = {
            **what,
            "side": name,
            "turns": len(turns),
            "n": len(latencies),
            "messages": messages[name],
            **{f"p{p}_ms": digits(float(np.percentile(latencies, p))) for p in (50, 99)},
        }
        if name != NOBODY:
            row["p99_share"] = ratios([turn.p99_ms for turn in turns], alone)
        found.append(row)
    return found


@contextmanager
def pages(port: int, events: int, pictures: int) -> Iterator:
    """So many pages look meanwhile; what it yields tells, after, how many messages they got."""
    if not events + pictures:
        yield lambda: 0
        return
    words = [str(port), "--events", str(events), "--pictures", str(pictures)]
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.pages", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    told: list[int] = []
    try:
        if process.stdout.readline().strip() != "ready":
            raise LivError("bench pages", expected=f"{events + pictures} websockets", got="fewer")
        yield lambda: told[0]
        process.stdin.close()
        answer = process.stdout.readline()
        if not answer.strip().isdigit():
            raise LivError("bench pages", expected="connections that last", got="some that did not")
        told.append(int(answer))
    finally:
        process.kill()
        process.wait()


def with_page(contender: Contender) -> Contender:
    """A side with its monitor and its page."""
    given = contender.nodes[0][2]
    camera = {name: value for name, value in given.items() if name.startswith("camera.")}
    page = {"port": 0, "bundle": given["bundle"], **camera}
    return replace(
        contender, nodes=(*contender.nodes, ("liv_ros", "monitor_node", {}), ("liv_ros", "dashboard_node", page))
    )


def _port(arena: Arena, contender: Contender) -> int:
    """Of the page, as dashboard_node says it."""
    process = arena.process(contender, "dashboard_node")
    end_s = time.monotonic() + _READY_S
    while not (said := re.search(r"the page: http://localhost:(\d+)/", process.output)):
        process.require_running()
        if time.monotonic() > end_s:
            raise LivError("dashboard_node", expected="the address of its page", got=process.last_line)
        time.sleep(_LOOK_EVERY_S)
    return int(said[1])
