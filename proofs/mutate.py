# SPDX-License-Identifier: Apache-2.0
"""Messages of the kinds that the encoder takes, most of them spoilt in a field or two, always the same for a seed."""

from __future__ import annotations

import random
import string
from array import array
from collections.abc import Callable

import cv2
import numpy as np
from liv_ros.msg import Goal
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from liv_model.image_message import ENCODINGS

Message = Image | CompressedImage | Goal | String
KINDS = ("Image", "CompressedImage", "Goal", "String")
_LARGEST = 2**32 - 1
_OTHER_ENCODINGS = (
    "",
    "RGB8",
    "rgb16",
    "16UC1",
    "32FC1",
    "yuv444",
    "8UC2",
    "jpeg",
    "nv24",
    "mono",
    "x" * 300,
    "\u2603",
)
_FORMATS = ("", "jpeg", "png", "jpg", "rgb8; jpeg compressed bgr8", "h264", "JPEG", "tiff", "\u2603", "x" * 300)
_WORDS = ("open", "close", "the", "drawer", "door", "push", "pick", "up", "red", "block")
_ODD_TEXTS = (
    "", " ", "\n\t ", "word " * 500, "\u200b", "\u0000", "\ud7ff\U0010ffff", "{data: open}", "drop table goals; --",
    "open\r\nthe\r\ndrawer", "\u202eopen the drawer", "o" * 20000, "%s%n", "/liv/goal", "\x1b[2J", "\U0001f600" * 40,
)  # fmt: skip


class Mutator:
    """Makes messages.

    Args:
        seed: of its chance.
        largest_side: of its good pictures, pixels.
    """

    def __init__(self, seed: int, largest_side: int = 48):
        self._random = random.Random(seed)
        self._largest_side = largest_side
        self._noise = np.random.default_rng(seed).integers(0, 256, 2**20, np.uint8).tobytes()

    def message(self, kind: str) -> Message:
        """A message of one of ``KINDS``; one in ten is a good one."""
        return {"Image": self.image, "CompressedImage": self.compressed, "Goal": self.goal, "String": self.text}[kind]()

    def image(self) -> Image:
        """An Image of any encoding."""
        message = self._good_image()
        spoil = (self._spoil_size, self._spoil_step, self._spoil_data, self._spoil_encoding, self._spoil_endianness)
        self._spoil(message, spoil)
        return message

    def compressed(self) -> CompressedImage:
        """A CompressedImage: JPEG or PNG, or said to be."""
        form = self._random.choice((".jpg", ".png"))
        pixels = np.frombuffer(self._bytes(self._side() * self._side() * 3), np.uint8)
        side = int((pixels.size // 3) ** 0.5)
        data = cv2.imencode(form, pixels[: side * side * 3].reshape(side, side, 3))[1].tobytes()
        message = CompressedImage(format={".jpg": "jpeg", ".png": "png"}[form], data=array("B", data))
        self._spoil(message, (self._spoil_data, self._spoil_header, self._spoil_format))
        return message

    def goal(self) -> Goal:
        """A Goal of text, image, both or neither."""
        what = self._random.choice(("text", "image", "both", "neither"))
        goal = Goal(id=self._random.choice(("", "goal-1", "x" * 5000, "\n", "\u2603")))
        if what in ("text", "both"):
            goal.text = self._words()
        if what in ("image", "both"):
            goal.image = self.image()
        return goal

    def text(self) -> String:
        """A String."""
        return String(data=self._words())

    def _words(self) -> str:
        chosen = self._random.random()
        if chosen < 0.3:
            return self._random.choice(_ODD_TEXTS).replace("\u0000", "")
        if chosen < 0.5:
            return "".join(self._random.choices(string.printable + "\u00e4\u4e2d\u2603", k=self._random.randrange(200)))
        return " ".join(self._random.choices(_WORDS, k=self._random.randrange(1, 12)))

    def _good_image(self) -> Image:
        encoding = self._random.choice(list(ENCODINGS))
        layout = ENCODINGS[encoding]
        width, height = (self._side() // 2 * 2 + 4 for _ in range(2))
        step = width * layout.pixel_bytes + self._random.choice((0, 0, 1, 7))
        rows = height + layout.half_planes * height // 2
        data = array("B", self._bytes(rows * step))
        return Image(height=height, width=width, encoding=encoding, step=step, data=data)

    def _side(self) -> int:
        return self._random.randrange(2, self._largest_side)

    def _bytes(self, count: int) -> bytes:
        begin = self._random.randrange(len(self._noise) // 2)
        return (self._noise[begin:] * (count // (len(self._noise) // 2) + 1))[:count]

    def _spoil(self, message: Message, ways: tuple[Callable[[Message], None], ...]) -> None:
        if self._random.random() >= 0.1:
            for way in self._random.sample(ways, self._random.choice((1, 1, 2))):
                way(message)

    def _number(self, now: int) -> int:
        near = (now - 1, now + 1, now + 2, now * 2, now // 2)
        return max(0, self._random.choice((0, 1, 2, 3, *near, 4 * now, 65535, 2**31, _LARGEST)))

    def _spoil_size(self, image: Image) -> None:
        side = self._random.choice(("height", "width"))
        setattr(image, side, self._number(getattr(image, side)))

    def _spoil_step(self, image: Image) -> None:
        image.step = self._number(image.step)

    def _spoil_encoding(self, image: Image) -> None:
        image.encoding = self._random.choice((*ENCODINGS, *_OTHER_ENCODINGS))

    def _spoil_endianness(self, image: Image) -> None:
        image.is_bigendian = self._random.randrange(256)

    def _spoil_format(self, image: CompressedImage) -> None:
        image.format = self._random.choice(_FORMATS)

    def _spoil_data(self, image: Image | CompressedImage) -> None:
        data = image.data
        way = self._random.randrange(5)
        if way == 0:
            image.data = array("B")
        elif way == 1:
            image.data = data[: self._random.randrange(len(data) + 1)]
        elif way == 2:
            image.data = data + array("B", self._bytes(self._random.randrange(1, 100)))
        elif way == 3:
            image.data = array("B", self._bytes(len(data)))
        elif data:
            for _ in range(self._random.randrange(1, 10)):
                data[self._random.randrange(len(data))] = self._random.randrange(256)

    def _spoil_header(self, image: CompressedImage) -> None:
        """Bytes where formats tell of sizes, tables and lengths."""
        for _ in range(self._random.randrange(1, 6)):
            if image.data:
                image.data[self._random.randrange(min(len(image.data), 200))] = self._random.choice((0, 255, 127, 1))
