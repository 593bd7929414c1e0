# SPDX-License-Identifier: Apache-2.0
"""``liv bag recover``: a whole bag from one that was cut short."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from liv_model.bag_writer import BagWriter
from liv_model.bags import message_types
from liv_model.cut_bag import CutBag
from liv_model.errors import MediaError
from liv_model.progress_bar import progress_bar

_EXAMPLES = """examples:
  liv bag recover recording                   into recording_recovered
  liv bag recover recording -o mended --json
What was written until a second before the kill is there; the recording itself is not changed.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    output = arguments.output or arguments.bag.with_name(f"{arguments.bag.stem}_recovered")
    recovered = recover(arguments.bag, output)
    if arguments.json:
        print(json.dumps({"bag": str(output), "messages": recovered}))
    else:
        for topic, count in recovered.items():
            print(f"{count:8d}  {topic}")
        print(f"{sum(recovered.values())} messages in {output}")
    return 0


def recover(bag: Path, output: Path) -> dict[str, int]:
    """Write what is left of MCAP files into a new bag; messages by topic. MediaError if nothing is left."""
    if not bag.exists():
        raise MediaError(str(bag), expected="a rosbag2 folder or .mcap file", got="no such file or folder")
    cut = CutBag.open(bag, message_types())
    if cut is None:
        raise MediaError(str(bag), expected="MCAP with at least one whole message", got="none")
    total = sum(connection.msgcount for connection in cut.connections)
    with BagWriter(output) as whole, progress_bar(f"recovering {bag.name}", total) as done:
        for found in cut.connections:
            whole.add_topic(found.topic, found.msgtype, definition=found.definition, offered_qos=found.offered_qos)
        for found, stamp_ns, cdr in cut.messages():
            whole.write(found.topic, found.msgtype, stamp_ns, cdr)
            done(1)
        return whole.counts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liv bag recover",
        description="Make a whole bag from one that was cut short by a kill or a full disk.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bag", type=Path, help="a rosbag2 folder of MCAP files, or one such file")
    parser.add_argument("-o", "--output", type=Path, help="the new bag (default: beside it, _recovered)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
