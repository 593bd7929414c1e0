# SPDX-License-Identifier: Apache-2.0
"""Where labels go: a bag of its own, written beside its place and moved there when it is whole."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from liv_model.bag_writer import BagWriter
from liv_model.bags import is_bag
from liv_model.errors import MediaError
from liv_model.label_reading import Recording

SPLIT_BYTES = 1 << 30
KEEP_FREE_BYTES = 100 * 10**6
_EXCHANGE, _HERE = 2, -100  # of renameat2(2)


def require_place(output: Path, inputs: list[Path], *, overwrite: bool) -> None:
    """Raise MediaError unless a bag may be written there: never into, over or around a bag that is read."""
    place = output.resolve()
    for source in inputs:
        read = source.resolve()
        if place == read or read in place.parents or place in read.parents:
            raise MediaError(str(output), expected="a place apart from the bags that are read", got=f"that of {source}")
    if not output.exists():
        return
    if not overwrite:
        raise MediaError(str(output), expected="nothing there", got="an output that exists", remedy="try --overwrite")
    if not is_bag(output) or not output.is_dir():
        raise MediaError(str(output), expected="a bag's folder to replace", got="something else", remedy="remove it")


def draft_of(output: Path) -> Path:
    """The folder beside an output in which it is written."""
    return output.with_name(f".{output.name}.part")


@contextmanager
def bag_in_place_of(output: Path, *, overwrite: bool) -> Iterator[BagWriter]:
    """A writer whose bag stands at ``output`` once the block is through, and otherwise nowhere.

    Args:
        output: folder of the bag.
        overwrite: whether a bag that stands there is replaced, at once and as a whole.
    """
    draft = draft_of(output)
    shutil.rmtree(draft, ignore_errors=True)  # of a run that was killed
    try:
        with BagWriter(draft / output.name, split_bytes=SPLIT_BYTES, keep_free_bytes=KEEP_FREE_BYTES) as bag:
            yield bag
        move(draft / output.name, output, overwrite=overwrite)
    except OSError as error:
        raise MediaError(str(output), expected="a folder that can be written", got=error.strerror or error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def copy_topics(recording: Recording, bag: BagWriter, leave_out: set[str]) -> None:
    """Announce the topics of a recording with their definitions and QoS."""
    for topic in recording.topics.values():
        if topic.name not in leave_out:
            bag.add_topic(topic.name, topic.msgtype, definition=topic.definition, offered_qos=topic.offered_qos)


def move(draft: Path, place: Path, *, overwrite: bool) -> None:
    """Put a draft into its place, replacing what is there only where that is asked for."""
    if place.exists():
        if not overwrite:
            raise MediaError(str(place), expected="nothing there", got="an output that appeared meanwhile")
        if place.is_dir():
            _exchange(draft, place)
            return
    os.replace(draft, place)


def _exchange(draft: Path, place: Path) -> None:
    """Swap two folders in one step; the old one is then in the draft's place, and removed with it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        if not libc.renameat2(_HERE, os.fsencode(draft), _HERE, os.fsencode(place), _EXCHANGE):
            return
        if ctypes.get_errno() not in (errno.ENOSYS, errno.EINVAL):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    old = draft.with_name("old")  # a file system that cannot exchange: the place is empty for a moment
    os.replace(place, old)
    os.replace(draft, place)
