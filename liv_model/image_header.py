# SPDX-License-Identifier: Apache-2.0
"""How large the picture in JPEG or PNG data says it is, before anything is allocated for it."""

from __future__ import annotations

_PNG = b"\x89PNG\r\n\x1a\n"
_FRAME_MARKERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..SOF15 without DHT, JPG, DAC
_NO_LENGTH = {0x01, *range(0xD0, 0xD9)}


def coded_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None where the data does not tell."""
    if data[:8] == _PNG:
        return _pair(data[16:24], 4) if len(data) >= 24 else None
    return _jpeg_size(data) if data[:2] == b"\xff\xd8" else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            at += 1  # decoders skip what stands between segments
            continue
        marker = data[at + 1]
        if marker in _FRAME_MARKERS:
            height, width = _pair(data[at + 5 : at + 9], 2)
            return width, height
        if marker == 0xDA:  # the picture begins, and its size was not told
            return None
        if marker == 0xFF:
            at += 1
        else:
            at += 2 if marker in _NO_LENGTH else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _pair(data: bytes, size: int) -> tuple[int, int]:
    return int.from_bytes(data[:size], "big"), int.from_bytes(data[size : 2 * size], "big")
