# SPDX-License-Identifier: Apache-2.0
"""``make soak``: half an hour of two cameras, with goals and bundles that change, and every message checked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from liv_model.errors import ConfigError
from liv_model.progress_bar import progress_bar
from proofs import report

if TYPE_CHECKING:
    from proofs.soak_run import Heard

MINUTES = 30.0
WARM_UP = 0.1  # of the time
GROWTH = 0.01
SLOWER = 1.1
_EXAMPLES = """examples:
  make soak                  half an hour, into proofs/results and docs/reliability.md
  make soak MINUTES=1        docs untouched
Ctrl-C ends it with what was measured so far.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    made = report.parser("soak", "Live nodes for half an hour: memory, latency, and the rules.", _EXAMPLES)
    made.add_argument("--minutes", type=float, help=f"how long (default: {MINUTES:g}); less is as --quick")
    arguments = made.parse_args(argv)
    minutes = arguments.minutes or (1.0 if arguments.quick else MINUTES)
    arguments.quick = minutes < MINUTES
    return report.run("soak", lambda folder, rows: _soak(folder, rows, arguments.bundle, minutes), arguments)


def _soak(folder: Path, rows: report.Rows, bundle: str, minutes: float) -> None:
    if not minutes > 0:
        raise ConfigError("--minutes", expected="more than 0", got=minutes)
    from liv_ros.demo import isolate

    isolate()  # before anything reads the environment that this sets
    from liv_model.bundle import Bundle
    from proofs.soak_run import soak

    with progress_bar("seconds", round(minutes * 60)) as done:
        rows += judge(soak(folder, str(Bundle.load(bundle).path), minutes * 60, done))


def judge(heard: Heard) -> report.Rows:
    """The rows of what was measured."""
    rules = heard.rules
    minutes = f"{heard.seconds / 60:.1f} minutes"
    checked = f"{rules.count} violations; {rules.unjudged} not judged, {rules.gaps} missed"
    told = [f"rule {violation.rule}: {violation.what}" for violation in rules.violations]
    rows = [
        {"what": "rewards checked", "n": rules.judged, "found": checked, "target": "0", "violations": told},
        {
            "what": "changes",
            "n": heard.goals + heard.swaps,
            "found": f"{heard.goals} goals, {heard.swaps} bundles in {minutes}, {len(heard.failures)} failed",
            "target": "none fails",
            "crashes": heard.failures[:3],
        },
    ]
    rows[0]["passed"] = not rules.count and rules.judged > 0
    rows[1]["passed"] = not heard.failures
    rows += [_memory(name, samples, heard.seconds) for name, samples in heard.memory_mib.items()]
    rows += [_rate(heard), _latency(heard)] if heard.latency_ms else []
    return [{**row, "interrupted": heard.interrupted} for row in rows]


def _memory(node: str, samples: list[tuple[float, float]], seconds: float) -> dict[str, Any]:
    """Growth from the first tenth after the warm-up to the last tenth: medians, for swaps come and go."""
    first = _median(samples, WARM_UP * seconds, 2 * WARM_UP * seconds)
    last = _median(samples, (1 - WARM_UP) * seconds, seconds)
    growth = last / first - 1
    found = f"{growth:+.2%} ({first:.1f} to {last:.1f} MiB)"
    row = {"what": f"memory of {node}", "n": len(samples), "found": found, "target": f"less than {GROWTH:.0%}"}
    return {**row, "growth": round(growth, 5), "passed": bool(growth < GROWTH)}


def _median(samples: list[tuple[float, float]], begin_s: float, end_s: float) -> float:
    return float(np.median([value for at_s, value in samples if begin_s <= at_s <= end_s] or [samples[-1][1]]))


def _rate(heard: Heard) -> dict[str, Any]:
    share = len(heard.latency_ms) / max(heard.published, 1)
    found = f"{len(heard.latency_ms) / heard.seconds:.1f} a second, {share:.1%} of the pictures"
    return {"what": "rewards", "n": len(heard.latency_ms), "found": found, "target": "", "passed": True}


def _latency(heard: Heard) -> dict[str, Any]:
    """The first minute after the warm-up beside the last; of a short soak, its quarters."""
    window_s = min(60.0, heard.seconds / 4)
    begin_s = WARM_UP * heard.seconds
    first = [ms for at_s, ms in heard.latency_ms if begin_s <= at_s <= begin_s + window_s]
    last = [ms for at_s, ms in heard.latency_ms if at_s >= heard.seconds - window_s]
    p99 = [float(np.percentile(values, 99)) if values else float("nan") for values in (first, last)]
    return {
        "what": "p99 of the latency",
        "n": len(first) + len(last),
        "found": f"{p99[0]:.1f} ms, then {p99[1]:.1f} ms ({p99[1] / p99[0]:.2f} times)",
        "target": f"at most {SLOWER:g} times",
        "p99_ms": [round(value, 2) for value in p99],
        "is_target": True,  # other programs slow it too: to be looked at, no failure
        "passed": bool(p99[1] <= SLOWER * p99[0]),
    }


if __name__ == "__main__":
    sys.exit(main())
