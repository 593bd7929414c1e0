# SPDX-License-Identifier: Apache-2.0
"""A run on the disk: what is saved, and that it is never half-saved.

A run folder holds ``config.yaml``, ``tokenizer.json``, ``run.json`` (data, versions), ``metrics.jsonl``,
``last.pt`` (to go on from) and ``best.pt`` (the best on held-out episodes).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from liv_model.errors import DataError

CONFIG, TOKENIZER, RUN, METRICS = "config.yaml", "tokenizer.json", "run.json", "metrics.jsonl"
LAST, BEST = "last.pt", "best.pt"


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint beside ``path``, then put it in its place: a full disk leaves the old one.

    Raises:
        DataError: it could not be written.
    """
    draft = path.with_name(path.name + ".part")
    try:
        with draft.open("wb") as file:
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except (OSError, RuntimeError) as error:
        draft.unlink(missing_ok=True)
        raise DataError(
            str(path), expected="room for a checkpoint", got=error, remedy="free disk space, then --resume"
        ) from error


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint; DataError when there is none or it is not one."""
    if not path.is_file():
        raise DataError(str(path), expected="a checkpoint", got="none", remedy="run `liv train` first")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise DataError(str(path), expected="a checkpoint", got=type(error).__name__) from error


def keep_metrics_until(path: Path, step: int) -> None:
    """Drop the lines of a metrics log after ``step``: they are about to be written again."""
    if not path.is_file():
        return
    lines = [line for line in path.read_text().splitlines() if _step(line) <= step]
    path.write_text("".join(line + "\n" for line in lines))


def _step(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return float("inf")  # torn by a crash
