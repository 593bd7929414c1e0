# SPDX-License-Identifier: Apache-2.0
"""How a proof's findings reach people and files: ``proofs/results/<machine>.json``, and the page made of it."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import results
from liv_model.errors import MISTAKE, ConfigError, LivError

FOLDER = Path(__file__).parent / "results"
INTERRUPTED, FAILED = 130, 1
Rows = list[dict[str, Any]]


def parser(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """The options that all proofs share."""
    made = argparse.ArgumentParser(
        prog=f"make {name}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--bundle", default="", help="model bundle (default: the shipped models/metaworld)")
    made.add_argument("--quick", action="store_true", help="a short one, into build/proofs; docs stay as they are")
    made.add_argument("-o", "--out", type=Path, metavar="FOLDER", help="of MACHINE.json (default: proofs/results)")
    made.add_argument("--logs", type=Path, metavar="FOLDER", help="keep the nodes' logs there")
    made.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return made


def run(name: str, prove: Callable[[Path, Rows], None], arguments: argparse.Namespace) -> int:
    """Isolate, prove, write the section ``name`` and print it; returns the exit code.

    Args:
        name: of the section.
        prove: is given a folder for logs, and the list to add rows to; each row has ``passed``.
        arguments: of the command line.
    """
    machine, about, rows = results.machine(), results.about(quick=arguments.quick), []
    file = (arguments.out or (Path("build/proofs") if arguments.quick else FOLDER)) / results.file_name(machine)
    code = 0
    try:
        with _folder(arguments.logs) as folder:
            prove(folder, rows)
    except LivError as error:
        print(f"make {name}: {error}", file=sys.stderr)
        code = MISTAKE
    except KeyboardInterrupt:
        code = INTERRUPTED
    about["interrupted"] = code == INTERRUPTED or any(row.get("interrupted") for row in rows)
    if rows:
        section = {**about, "load_after": results.load(), "rows": rows, "skipped": []}
        results.write(file, machine, {name: section})
        _tell(name, section, file, arguments.json)
    failed = any(row["passed"] is False and not row.get("is_target") for row in rows)
    return code or (INTERRUPTED if about["interrupted"] else FAILED if failed else 0)


def _tell(name: str, section: dict[str, Any], file: Path, as_json: bool) -> None:
    if as_json:
        print(json.dumps(section, indent=1))
    else:
        from proofs.page import section_text

        print(section_text(name, section))
    print(f"make {name}: {'interrupted; ' * section['interrupted']}results in {file}", file=sys.stderr)


@contextlib.contextmanager
def _folder(logs: Path | None) -> Iterator[Path]:
    if logs is not None:
        logs.mkdir(parents=True, exist_ok=True)
        if any(logs.iterdir()):  # a goal that was kept there would come back
            raise ConfigError("--logs", expected="a new or empty folder", got=logs)
        yield logs
    else:
        with tempfile.TemporaryDirectory(prefix="liv_proofs_") as folder:
            yield Path(folder)


@contextlib.contextmanager
def libraries_into(file: Path) -> Iterator[None]:
    """What C libraries write on stderr goes into a file; ours does not."""
    kept = os.dup(2)
    before, sys.stderr = sys.stderr, os.fdopen(os.dup(2), "w", buffering=1)
    try:
        with file.open("wb") as log:
            os.dup2(log.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        sys.stderr.close()
        sys.stderr = before
