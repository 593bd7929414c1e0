# SPDX-License-Identifier: Apache-2.0
"""What the camera of the benchmark shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stream:
    """A stream of pictures; ``transport`` is raw or compressed (JPEG)."""

    width: int
    height: int
    transport: str
    rate_hz: float

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.transport}, {self.rate_hz:g} Hz"
