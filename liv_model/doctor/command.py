# SPDX-License-Identifier: Apache-2.0
"""``liv doctor``: every check, one line each."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict

from liv_model.doctor.finding import FAIL, OK, WARN, Finding

_EXAMPLES = """examples:
  liv doctor
  liv doctor models/mine --json

exit code: 0 when live rewards can be served here, 1 when not
"""
_COLOURS = {OK: "32", WARN: "33", FAIL: "31"}


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="liv doctor",
        description="What this machine can do for live rewards, what is wrong with it, and the remedy.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", nargs="?", help="model bundle (default: the shipped models/metaworld)")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    arguments = parser.parse_args(argv)
    findings = []
    for finding in examine(arguments.bundle):
        findings.append(finding)
        if not arguments.json:
            print(_line(finding), flush=True)
    if arguments.json:
        print(json.dumps({"serves": serves(findings), "findings": [asdict(f) for f in findings]}, indent=2))
    else:
        print(_verdict(findings))
    return 0 if serves(findings) else 1


def serves(findings: Iterable[Finding]) -> bool:
    """Whether live rewards can be served: nothing failed."""
    return all(finding.status != FAIL for finding in findings)


def examine(bundle: str | None = None) -> Iterator[Finding]:
    """All findings, each as soon as it is there."""
    for name, check in _checks(bundle):
        yield from _guarded(name, check)


def _checks(bundle: str | None) -> Iterator[tuple[str, Callable[[], Finding | Iterable[Finding]]]]:
    """The checks in the order of their lines. Imported one side at a time: each may lack what it is about."""
    from liv_model.doctor import python

    yield "Python", python.check_python
    yield "environment", python.check_environment
    yield "packages", python.check_needed_packages
    yield "more packages", python.check_useful_packages

    from liv_model.doctor import ros
    from liv_model.fast_dds_memory import open_ports

    known = open_ports()
    tried = ros.probe()
    yield "ROS 2", lambda: ros.check_ros(tried)
    yield "liv_ros messages", lambda: ros.check_messages(tried)
    yield "RMW", lambda: ros.check_middleware(tried)
    yield "Fast DDS profile", lambda: ros.check_profile(tried)
    yield "/dev/shm", lambda: ros.check_shared_memory(tried)
    yield "senders", lambda: ros.check_senders(tried, known)
    yield "discovery", ros.check_discovery
    yield "cv_bridge", ros.check_cv_bridge
    yield "ros2 launch", ros.check_launch

    from liv_model.doctor import devices

    found = devices.ask_driver()
    yield "NVIDIA GPU", lambda: devices.check_gpu(found)
    yield "TensorRT", lambda: devices.check_tensorrt(found)
    yield "cuda-python", lambda: devices.check_cuda_python(found)
    yield "OpenVINO", lambda: devices.check_openvino(found)
    yield "engine builders", devices.check_builders
    yield "backend auto", lambda: devices.check_backend(found)

    yield "folders", _check_folders
    yield "bundle", lambda: _check_model(bundle, found)


def _check_folders() -> Iterator[Finding]:
    from liv_model.doctor import folders

    yield folders.check_cache()
    yield folders.check_state()


def _check_model(bundle: str | None, found) -> Iterator[Finding]:
    from liv_model.doctor import model

    yield from model.check_bundle_and_engines(bundle, found)


def _guarded(name: str, check: Callable[[], Finding | Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of a check; one that breaks is a finding too, and stops no other."""
    try:
        found = check()
        yield from [found] if isinstance(found, Finding) else found
    except Exception as error:
        yield Finding(name, FAIL, f"it cannot be looked at: {error!r}", "mend what is said above, or report this")


def _line(finding: Finding) -> str:
    mark = f"{finding.status:<5}"
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        mark = f"\033[{_COLOURS[finding.status]}m{mark}\033[0m"
    line = f"{mark} {finding.name:<17} {finding.got}"
    return line + (f"\n{'':<24}-> {finding.remedy}" if finding.remedy else "")


def _verdict(findings: list[Finding]) -> str:
    failed = [finding.name for finding in findings if finding.status == FAIL]
    warned = [finding.name for finding in findings if finding.status == WARN]
    worse = f"; could be better: {', '.join(warned)}" if warned else ""
    if failed:
        return f"\nLive rewards cannot be served here. To mend: {', '.join(failed)}{worse}."
    return f"\nLive rewards can be served here{worse}."
