# SPDX-License-Identifier: Apache-2.0
"""Start, middle and end of every episode with its text, on one page that needs no network: to check by eye."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from liv_model.errors import DataError

_SIDE = 128  # pixels of a picture's longer side on the page
_STYLE = (
    "body{font:15px system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
    "main{display:grid;grid-template-columns:repeat(auto-fill,minmax(26rem,1fr));gap:1.2rem}"
    "figure{margin:0;padding:.6rem;border:1px solid #8886;border-radius:.4rem}"
    "figure.success{border-left:.4rem solid #2a9d5c}figure.failure{border-left:.4rem solid #d1495b}"
    "figure img{width:32%;margin-right:1%}figcaption b{display:block}small{opacity:.75;overflow-wrap:anywhere}"
)


class Entry(NamedTuple):
    """An episode to look at.

    Attributes:
        text: the instruction.
        outcome: such as ``success``.
        about: where it is from and how long it lasts, for people.
        pictures: a few of its frames, uint8 (H, W, 3) RGB.
    """

    text: str
    outcome: str
    about: str
    pictures: list[np.ndarray]


def start_middle_end(count: int) -> list[int]:
    """Numbers of the first, the middle and the last of ``count`` >= 1 frames."""
    return sorted({0, count // 2, count - 1})


def contact_sheet(title: str, entries: Iterable[Entry]) -> str:
    """The page as text."""
    figures = [_figure(entry) for entry in entries]
    return "".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1><p>{len(figures)} episodes: start, middle and end of each. "
            "Does the last picture show what the text says? A green edge: success; a red one: not.</p>",
            f"<main>{''.join(figures)}</main></body></html>\n",
        ]
    )


def write_contact_sheet(path: Path, title: str, entries: Iterable[Entry]) -> None:
    """Write the page; DataError if the file cannot be written."""
    page = contact_sheet(title, entries)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise DataError(str(path), expected="a file that can be written", got=error.strerror) from error


def _figure(entry: Entry) -> str:
    kind = "success" if entry.outcome == "success" else "failure"
    return (
        f'<figure class="{kind}">{"".join(map(_picture, entry.pictures))}<figcaption><b>{escape(entry.text)}</b>'
        f"<small>{escape(entry.outcome.replace('_', ' '))} · {escape(entry.about)}</small></figcaption></figure>"
    )


def _picture(rgb: np.ndarray) -> str:
    scale = min(1.0, _SIDE / max(rgb.shape[:2]))
    size = max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
