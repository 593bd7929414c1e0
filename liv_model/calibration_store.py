# SPDX-License-Identifier: Apache-2.0
"""What operators showed as start and goal, kept on disk so that progress means the same after a restart."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from liv_model.calibration import Calibration
from liv_model.errors import ConfigError
from liv_model.whole_file import replace_json


@dataclass(frozen=True)
class CalibrationKey:
    """What a calibration holds for.

    Attributes:
        model: identity of the model, ``name@digest``: values of another model are others.
        goal: text of the goal, or what names its picture.
        camera: name of the camera.
    """

    model: str
    goal: str
    camera: str


class CalibrationStore:
    """One file that holds every calibration an operator has made."""

    def __init__(self, path: Path):
        self._path = path

    def save(self, calibrations: dict[CalibrationKey, Calibration]) -> None:
        """Replace the file; it is the old ones or the new ones, never half. OSError if it cannot be written."""
        content = [
            {**asdict(key), "start": _number(shown.start), "goal_value": _number(shown.goal)}
            for key, shown in calibrations.items()
        ]
        replace_json(self._path, {"calibrations": content})

    def load(self) -> dict[CalibrationKey, Calibration]:
        """The stored calibrations; none where there is no file; ConfigError where the file holds something else."""
        try:
            entries = json.loads(self._path.read_text(encoding="utf-8"))["calibrations"]
            return {
                CalibrationKey(*(_text(entry[name]) for name in ("model", "goal", "camera"))): Calibration(
                    _value(entry["start"]), _value(entry["goal_value"])
                )
                for entry in entries
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                str(self._path), expected="stored calibrations", got=repr(error), remedy="mend or remove the file"
            ) from error


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value  # JSON has no NaN


def _value(number: object) -> float:
    if number is not None and not (isinstance(number, int | float) and -1 <= number <= 1):
        raise ValueError(f"{number!r} is no cosine")
    return math.nan if number is None else float(number)


def _text(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no text")
    return text
