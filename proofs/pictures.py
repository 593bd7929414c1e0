# SPDX-License-Identifier: Apache-2.0
"""The pictures of one camera that were shown, and what was heard of them: rules 3 and 5."""

from __future__ import annotations

from typing import Any

from proofs.episodes import Tell, stamp_ns
from proofs.recent import Recent


class Pictures:
    """Follows the embeddings of the pictures of one camera.

    Args:
        camera: its name.
        tell: called with the rule that is broken, and how.
    """

    def __init__(self, camera: str, tell: Tell):
        self._camera, self._tell = camera, tell
        self._shown: Recent[tuple[int, str, bool]] = Recent(5000)  # number, frame_id, good; by stamp
        self._count = 0
        self._last: dict[str, int] = {}  # number of the last one that was encoded, by activation

    def show(self, header: Any, good: bool) -> None:
        """A picture is about to be shown."""
        self._shown.add(stamp_ns(header), (self._count, header.frame_id, good))
        self._count += 1

    def embedding(self, embedding: Any) -> None:
        """An embedding was heard: it is of a picture that was shown, later than the one before, and not bad."""
        if not self._count:
            return  # nobody tells us of the pictures
        what = f"{self._camera}, embedding {embedding.sequence} of {embedding.activation}"
        shown = self._shown.of(stamp_ns(embedding.header))
        last = self._last.get(embedding.activation, -1)
        fits = [(number, good) for number, frame, good in shown if frame == embedding.header.frame_id and number > last]
        good = [number for number, is_good in fits if is_good]
        if good:
            self._last[embedding.activation] = good[0]
        elif fits:
            self._tell(5, f"{what} is of a bad picture")
        else:
            self._tell(3, f"{what} is of no picture that was shown after the one before")
