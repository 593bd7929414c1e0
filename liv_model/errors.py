# SPDX-License-Identifier: Apache-2.0
"""Every error this project raises on purpose: one tree, one form.

A message says what was expected, what was got, and the remedy. Command lines print it on one line and exit
with code 2; nodes log it (throttled) and go on.
"""

from __future__ import annotations

from collections.abc import Collection

MISTAKE = 2  # exit code of a user's mistake


def first_few(items: Collection[object], most: int) -> str:
    """The first ``most`` of some items, for a message: ``a, b, ...``."""
    return ", ".join(map(str, list(items)[:most])) + (", ..." if len(items) > most else "")


class LivError(Exception):
    """A mistake a person can mend: ``what: expected ..., got ...; remedy``.

    Args:
        what: the thing that is wrong, such as a file, a parameter or a field.
        expected: what would have been right.
        got: what was found instead.
        remedy: what to do about it.
    """

    def __init__(self, what: str, *, expected: str | None = None, got: object = None, remedy: str | None = None):
        self.what, self.expected, self.got, self.remedy = what, expected, got, remedy
        clauses = []
        if expected is not None:
            clauses.append(f"expected {expected}")
        if got is not None:
            clauses.append(f"got {got}")
        message = what + (": " + ", ".join(clauses) if clauses else "") + (f"; {remedy}" if remedy else "")
        super().__init__(" ".join(message.split()))


class BundleError(LivError):
    """A model bundle is missing, altered, or of another format."""


class BackendError(LivError):
    """An inference backend is unknown, not installed, or cannot serve on this machine."""


class EngineError(BackendError):
    """The files of an engine will not load; it has to be built anew."""


class GateError(LivError):
    """What an engine computes differs from its network; it may not serve."""


class DeviceMemoryError(BackendError):
    """The GPU has not enough free memory for what is asked."""

    @classmethod
    def of(cls, what: str, *, needed: int, free: int) -> DeviceMemoryError:
        """Say what the memory was for, how much was needed, and how much was free (bytes)."""
        return cls(
            f"GPU memory for {what}",
            expected=f"{needed / 2**20:.1f} MiB free",
            got=f"{free / 2**20:.1f} MiB free",
            remedy="end other programs on the GPU, or take a smaller max batch or precision fp16",
        )


class ImageError(LivError):
    """A picture or camera message cannot be read as the image it claims to be."""


class GoalError(LivError):
    """A goal is empty, too long, both or neither of text and image."""


class ActionError(LivError):
    """An action for an environment or a robot holds what is no number."""


class MediaError(LivError):
    """A video, a folder of frames or a bag cannot be read or written."""


class DiskFullError(MediaError):
    """A bag cannot go on, for want of room; what was written before is safe."""


class DataError(LivError):
    """Training data is missing, malformed, or not what the configuration asks for."""


class ConfigError(LivError):
    """A setting or parameter is unknown or out of its range."""
