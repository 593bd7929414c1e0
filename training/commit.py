# SPDX-License-Identifier: Apache-2.0
"""Which version of this code made something."""

from __future__ import annotations

import subprocess
from pathlib import Path


def current_commit() -> str:
    """The commit of this code, "+changes" where tracked files differ from it, "unknown" outside a checkout."""
    root = Path(__file__).parents[1]

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True).stdout

    try:
        changes = git("status", "--porcelain", "--untracked-files=no", "training", "liv_model")
        return git("rev-parse", "HEAD").strip() + ("+changes" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
