# SPDX-License-Identifier: Apache-2.0
"""One picture of where searches with LIV ended, each beside a real success: put together from those of ``liv plan``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from liv_model.whole_file import replacing
from training.tasks import task as find_task
from training.uses.pieces import picture_file
from training.uses.plan import LIV, RIGHT, Course, Plan, Row

_COLUMNS = 3
_TITLE, _GAP = 18, 6  # pixels


def write_ends(plan: Plan, folder: Path, path: Path) -> bool:
    """Write the picture, of the first scene of each task; whether there is anything to show."""
    shown = [
        (find_task(task).text, file)
        for course in plan.courses
        for task in course.tasks
        if (file := picture_file(folder, course, shown_row(course), task, scene=0)).is_file()
    ]
    if not shown:
        return False
    with replacing(path) as file:
        # few colours: half the size, and nobody sees it
        _sheet(shown).quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(file, "png", optimize=True)
    return True


def shown_row(course: Course) -> Row:
    """LIV with the right instruction, fine-tuned where the course has that."""
    rows = [row for row in course.rows if row.arm == LIV and row.instruction == RIGHT]
    return max(rows, key=lambda row: row.is_tuned)


def _sheet(shown: Sequence[tuple[str, Path]]) -> Image.Image:
    pictures = [Image.open(file) for _, file in shown]
    width, height = max(p.width for p in pictures) + _GAP, max(p.height for p in pictures) + _TITLE + _GAP
    rows = -(-len(shown) // _COLUMNS)
    sheet = Image.new("RGB", (min(_COLUMNS, len(shown)) * width - _GAP, rows * height - _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for number, ((text, _), picture) in enumerate(zip(shown, pictures, strict=True)):
        x, y = number % _COLUMNS * width, number // _COLUMNS * height
        draw.text((x + 4, y + 3), text, fill="black")
        sheet.paste(picture, (x, y + _TITLE))
    return sheet
