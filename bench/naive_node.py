# SPDX-License-Identifier: Apache-2.0
"""The naive peer: what a user would write from the example of the reference LIV, in one node with one callback.

That example opens a picture with PIL, turns it into a tensor, gives it to the model under ``torch.no_grad()`` and
takes the cosine to the text's embedding. Here this stands in an rclpy callback that publishes value and reward.
It is meant honestly: the same weights and the same preprocessing as ours, the goal encoded once, evaluation mode,
as many threads, and the same QoS (best effort, newest frame only), so that it does not work off a queue of old frames.
"""

from __future__ import annotations

import io
import math
import sys

import numpy as np
import torch
from liv_ros.msg import Reward
from PIL import Image as Picture
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from bench.torch_network import load_network
from liv_model.bundle import Bundle
from liv_model.tokenizer import Tokenizer
from liv_ros.run import run_node

_FILTERS = {
    "area": Picture.Resampling.BOX,
    "bilinear": Picture.Resampling.BILINEAR,
    "bicubic": Picture.Resampling.BICUBIC,
}


class NaiveNode(Node):
    """Scores a camera against a goal."""

    def __init__(self) -> None:
        super().__init__("naive_node")
        bundle = Bundle.load(self.declare_parameter("bundle", "").value)
        goal = self.declare_parameter("goal", "open the door").value
        topic = self.declare_parameter("topic", "/camera/image").value
        transport = self.declare_parameter("transport", "raw").value
        torch.set_num_threads(self.declare_parameter("threads", 1).value)

        self.model = load_network(bundle)
        self.size, self.filter = bundle.image.size, _FILTERS[bundle.image.interpolation]
        tokens = Tokenizer.load(bundle.file("tokenizer.json"), bundle.context_length).encode([goal])
        with torch.no_grad():
            self.goal = self.model.encode_text(torch.from_numpy(tokens))[0]
        self.identity, self.last_value, self.step = bundle.identity, None, 0

        newest = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.publisher = self.create_publisher(Reward, "camera/reward", 10)
        self.create_subscription(Image if transport == "raw" else CompressedImage, topic, self.on_image, newest)

    def on_image(self, message: Image | CompressedImage) -> None:
        """Convert, transform, forward, publish."""
        if isinstance(message, Image):  # rgb8 without padding
            picture = Picture.fromarray(np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3))
        else:
            picture = Picture.open(io.BytesIO(message.data)).convert("RGB")
        image = torch.from_numpy(self.transform(picture))[None]
        with torch.no_grad():
            value = float(self.model.encode_image(image)[0] @ self.goal)
        reward = 0.0 if self.last_value is None else value - self.last_value
        self.publisher.publish(
            Reward(
                header=message.header,
                camera="camera",
                model=self.identity,
                step=self.step,
                is_first=self.step == 0,
                value=value,
                reward=reward,
                progress=math.nan,
            )
        )
        self.last_value = value
        self.step += 1

    def transform(self, picture: Picture.Image) -> np.ndarray:
        """Resize the shorter side and crop the middle, as torchvision's Resize and CenterCrop do it for PIL."""
        width, height = picture.size
        scale = self.size / min(width, height)
        picture = picture.resize((max(self.size, int(width * scale)), max(self.size, int(height * scale))), self.filter)
        left, top = (picture.width - self.size) // 2, (picture.height - self.size) // 2
        return np.array(picture.crop((left, top, left + self.size, top + self.size)))


if __name__ == "__main__":
    sys.exit(run_node(NaiveNode))
