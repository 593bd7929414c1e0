# SPDX-License-Identifier: Apache-2.0
"""``make faults``: what goes wrong on robots, made to happen to real nodes over real DDS, and the rules still hold."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liv_model.errors import ConfigError, LivError
from liv_model.progress_bar import progress_bar
from proofs import report

if TYPE_CHECKING:
    from proofs.fault import Fault, Site

SECONDS, QUICK_SECONDS = 2.0, 1.0
_EXAMPLES = """examples:
  make faults                                 some minutes, into proofs/results and docs/reliability.md
  make faults QUICK=1                         docs untouched
  make faults ARGS="--only encoder_killed,two_encoders --logs fault_logs"     (as QUICK=1)
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    made = report.parser("faults", "Faults on live nodes, each with the rule it must keep.", _EXAMPLES)
    made.add_argument("--only", metavar="FAULTS", help="their names in proofs/faults_of_*.py, with commas")
    made.add_argument("--seconds", type=float, help=f"of each phase (default: {SECONDS:g}, quick: {QUICK_SECONDS:g})")
    made.add_argument("--inside", metavar="FAULT", help=argparse.SUPPRESS)  # see proofs/apart.py
    arguments = made.parse_args(argv)
    if arguments.only:
        arguments.quick = True  # some of them are not the result of all of them
    if arguments.inside:
        return _inside(arguments)
    return report.run("faults", lambda folder, rows: _prove_all(folder, rows, arguments), arguments)


def chosen(only: str | None) -> list[Fault]:
    """The faults of a list of names; all without one. ConfigError for one that is not known."""
    from proofs import faults_of_input, faults_of_nodes

    known = {fault.prove.__name__: fault for fault in (*faults_of_input.FAULTS, *faults_of_nodes.FAULTS)}
    names = only.split(",") if only else list(known)
    if unknown := [name for name in names if name not in known]:
        raise ConfigError("--only", expected=",".join(known), got=",".join(unknown))
    return [known[name] for name in names]


def prove(fault: Fault, site: Site) -> dict[str, Any]:
    """Make one fault happen in this process, which has to be isolated; returns its row."""
    from proofs.fault import NotHereError
    from proofs.graph import Graph

    graphs: list[Graph] = []

    def make(**options: Any) -> Graph:
        graphs.append(Graph(site.folder / f"graph{len(graphs)}", site.bundle, **options))
        return graphs[-1]

    begin_s = time.monotonic()
    row = fault.row
    try:
        site.folder.mkdir(parents=True, exist_ok=True)
        row["found"] = fault.prove(site, make)
    except NotHereError as error:
        return {**row, "passed": None, "why": str(error)}
    except LivError as error:
        row["crashes"].append(str(error))
    row["crashes"] += _tracebacks(site.folder)
    row["violations"] = [f"rule {found.rule}: {found.what}" for graph in graphs for found in graph.rules.close()]
    row["judged"] = sum(graph.rules.judged for graph in graphs)
    row["unjudged"] = sum(graph.rules.unjudged for graph in graphs)
    row["seconds"] = round(time.monotonic() - begin_s)
    return {**row, "passed": not row["crashes"] and not row["violations"]}


def _tracebacks(folder: Path) -> Iterable[str]:
    for log in sorted(folder.rglob("*.log")):
        text = log.read_text(errors="replace")
        if "Traceback" in text:
            yield f"{log.name}: {text[text.index('Traceback') :].strip().splitlines()[-1]}"


def _prove_all(folder: Path, rows: report.Rows, arguments: argparse.Namespace) -> None:
    from proofs.apart import prove_apart

    faults = chosen(arguments.only)
    with progress_bar("faults", len(faults)) as done:
        for fault in faults:
            rows.append(prove_apart(fault, _site(folder / fault.prove.__name__, arguments)))
            done(1)


def _site(folder: Path, arguments: argparse.Namespace) -> Site:
    from liv_model.bundle import Bundle
    from proofs.fault import Site

    seconds = arguments.seconds or (QUICK_SECONDS if arguments.quick else SECONDS)
    return Site(folder, str(Bundle.load(arguments.bundle).path), seconds)


def _inside(arguments: argparse.Namespace) -> int:
    from liv_ros.demo import isolate
    from proofs.apart import ROW

    isolate()  # before anything reads the environment that this sets
    [fault] = chosen(arguments.inside)
    row = prove(fault, _site(arguments.logs, arguments))
    (arguments.logs / ROW).write_text(json.dumps(row), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
