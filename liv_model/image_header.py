# SPDX-License-Identifier: Apache-2.0
"""What JPEG and PNG data say of themselves, looked at before a decoder believes it and allocates."""

from __future__ import annotations

_PNG = b"\x89PNG\r\n\x1a\n"
_FRAME_MARKERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..SOF15 without DHT, JPG, DAC
_NO_LENGTH = {0x01, *range(0xD0, 0xD9)}


def coded_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None where the data does not tell."""
    if data[:8] == _PNG:
        return _pair(data[16:24], 4) if len(data) >= 24 else None
    return _jpeg_size(data) if data[:2] == b"\xff\xd8" else None


def is_cut_png(data: bytes) -> bool:
    """Whether ``data`` begins as a PNG, and its chunks do not fit into it up to the last one.

    OpenCV allocates as much as a chunk says that it holds: one damaged byte of a length is seconds and gigabytes.
    """
    if data[:8] != _PNG:
        return False
    at = 8
    while at + 12 <= len(data):  # length, type, content, checksum
        if data[at + 4 : at + 8] == b"IEND":
            return False
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return True


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
