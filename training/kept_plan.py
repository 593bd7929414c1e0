# SPDX-License-Identifier: Apache-2.0
"""What a folder of work that goes on after a stop is for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from liv_model.errors import ConfigError
from liv_model.whole_file import replace_text

PLAN = "plan.json"


def keep_plan(
    folder: Path, plan: dict[str, Any], what: str, *, expected: str, got: str, remedy: str, file: str = PLAN
) -> None:
    """Write a plan into a folder, making it; an equal plan goes on there.

    Args:
        folder: of the work.
        plan: plain types.
        what: the folder is, for people.
        expected: of what is in it.
        got: what is in it where the plan there is another one.
        remedy: then.
        file: its name in the folder.

    Raises:
        ConfigError: the folder is for another plan, whose work would be mixed in.
    """
    path, text = folder / file, json.dumps(plan, indent=1) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(f"{what} {folder}", expected=expected, got=f"{got} ({path})", remedy=remedy)
    replace_text(path, text)
