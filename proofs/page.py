# SPDX-License-Identifier: Apache-2.0
"""``python3 -m proofs.page proofs/results/*.json``: docs/reliability.md, made of results and of nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.page import machine_name, table, write

PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"
Row = dict[str, Any]
_HEAD = """# Reliability

Made from `proofs/results/*.json` by `python3 -m proofs.page proofs/results/*.json`; do not edit. `make fuzz`,
`make faults` and `make soak` prove it anew on this machine and make this page again; with `QUICK=1` they take a minute
and change nothing here. `make test` has short versions.

The rules are those of [semantics.md](semantics.md). A consumer node hears embeddings, goals, rewards and task states
over DDS and checks each against them (`proofs/rules.py`): sums, goals, models, activations, sequences, stamps, and that
each value is the cosine of that embedding and that goal. *judged*: rewards that were checked with both at hand."""
_GROUND = {
    "fuzz": (
        "Messages with one or two spoilt fields: sizes, steps, encodings, data, headers, texts; one in ten is good. "
        "*Paths*: serialised, deserialised and through the encoder's own conversions and goals, in one process. *Live "
        "nodes*: published to encoder_node and reward_node; after each twentieth, a goal and a picture must earn a "
        "reward. "
        "*growth*: of memory after the first tenth; more than 16 MiB fails, and so does a message that takes 2 s of "
        "CPU or 1 GiB of memory (*peak*)."
    ),
    "faults": "Each fault on real nodes in processes of their own, over real DDS, with the rule it must keep.",
    "soak": (
        "Two cameras, and goals and bundles that change, with a node that checks the rules all the time. *growth*: of "
        "memory that is the process's own, from the end of the warm-up to the end. *p99*: stamp of the picture to "
        "receipt of its reward, of the first minute after the warm-up and of the last."
    ),
}
_TITLES = {"fuzz": "Fuzz", "faults": "Faults", "soak": "Soak"}


def page(files: list[dict[str, Any]]) -> str:
    """The page of some files of results."""
    parts = [_HEAD]
    for found in files:
        machine = found["machine"]
        parts.append(f"## {machine_name(machine)}")
        parts.append(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}.")
        parts += [section_text(name, found["sections"][name]) for name in _TITLES if name in found["sections"]]
    return "\n\n".join(parts) + "\n"


def section_text(name: str, section: dict[str, Any]) -> str:
    """One section, with its title."""
    return "\n\n".join([f"### {_TITLES[name]}", _about(section), _GROUND[name], _TABLES[name](section["rows"])])


def _about(section: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in section["versions"].items())
    remarks = " **Quick run.**" * section["quick"] + " **Interrupted.**" * section["interrupted"]
    changed = "+" * section["commit"].endswith("+changes")
    return (
        f"{section['when']}, commit {section['commit'][:12]}{changed}, load {section['load_before']} before and "
        f"{section['load_after']} after; {versions}.{remarks}"
    )


def _text(key: str, unit: str = "") -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        value = row.get(key)
        if value is None:
            return ""
        return (f"{value:g}" if isinstance(value, float) else str(value)) + unit

    return cell


def _verdict(row: Row) -> str:
    if row["passed"] is None:
        return f"not run: {row['why']}"
    if row["passed"]:
        return "passed"
    if row.get("is_target"):
        return "missed"
    why = [*row.get("crashes", ()), *row.get("violations", ())][:3] or [row.get("slowest") or "beyond its limits"]
    return "**failed**: " + "; ".join(why)


def _fuzz(rows: list[Row]) -> str:
    columns = {
        "": _text("part"),
        "n": _text("n"),
        "refused": _text("refused"),
        "crashes": lambda row: str(len(row["crashes"])),
        "violations": lambda row: str(len(row["violations"])) if "violations" in row else "",
        "slowest": _text("slowest_ms", " ms"),
        "most CPU": _text("slowest_cpu_ms", " ms"),
        "slowest reward afterwards": _text("reward_after_s", " s"),
        "growth": _text("growth_mib", " MiB"),
        "peak": _text("peak_mib", " MiB"),
        "seed": _text("seed"),
        "verdict": _verdict,
    }
    return table(rows, columns)


def _faults(rows: list[Row]) -> str:
    columns = {
        "fault": _text("fault"),
        "must hold": _text("holds"),
        "found": _text("found"),
        "judged": _text("judged"),
        "s": _text("seconds"),
        "verdict": _verdict,
    }
    return table(rows, columns)


def _soak(rows: list[Row]) -> str:
    columns = {"": _text("what"), "n": _text("n"), "found": _text("found"), "target": _text("target")}
    return table(rows, {**columns, "verdict": _verdict})


_TABLES: dict[str, Callable[[list[Row]], str]] = {"fuzz": _fuzz, "faults": _faults, "soak": _soak}


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return write("proofs.page", page, PAGE, argv)


if __name__ == "__main__":
    sys.exit(main())
