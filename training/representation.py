# SPDX-License-Identifier: Apache-2.0
"""A frozen encoder of pictures and texts, by the name of what it comes from: a bundle, a run folder, random weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from liv_model.bundle import Bundle
from liv_model.encoder import Encoder, open_encoder
from liv_model.errors import DataError

if TYPE_CHECKING:
    from liv_model.network import LivNetwork

RANDOM = "random:"
NOTHING = "nothing"  # the name of none at all
_BATCH = 64  # pictures in one call of the encoder


@dataclass(frozen=True)
class Representation:
    """A frozen encoder and the side of the square pictures it reads."""

    encoder: Encoder
    size: int

    def see(self, pictures: np.ndarray, seen: Callable[[int], None] = lambda count: None) -> np.ndarray:
        """Embeddings float32 (N, D) of pictures uint8 (N, S, S, 3) in batches; ``seen`` is told how many more."""
        embeddings = []
        for i in range(0, len(pictures), _BATCH):
            embeddings.append(self.encoder.encode_images(pictures[i : i + _BATCH]))
            seen(len(embeddings[-1]))
        return np.concatenate(embeddings)


def open_representation(name: str, *, seed: int = 0, threads: int = 1) -> Representation:
    """Open a frozen encoder, on the CPU.

    Args:
        name: folder of a bundle; of a run of ``liv train`` or ``liv import`` (any open_clip checkpoint); or ``random:``
            and such a folder of a run: its network with the weights it would begin with.
        seed: of random weights.
        threads: of a bundle's encoder; 0 leaves it to OpenVINO. A run takes those of torch (OMP_NUM_THREADS).

    Returns:
        Its encoder's ``model`` is another one when the weights are: ``name@digest``.

    Raises:
        DataError: it is none of these.
    """
    folder = Path(name.removeprefix(RANDOM))
    if (folder / "liv.yaml").is_file() and not name.startswith(RANDOM):
        bundle = Bundle.load(folder)
        return Representation(open_encoder(bundle, "openvino", threads=threads), bundle.image.size)
    if not (folder / "config.yaml").is_file():
        raise DataError(
            f"encoder {name}",
            expected="a bundle, a run folder, or random: and a run folder",
            got="no liv.yaml, no config.yaml",
            remedy="liv import makes a run folder of an open_clip checkpoint",
        )
    return _open_run(folder, None if not name.startswith(RANDOM) else seed)


def _open_run(folder: Path, seed: int | None) -> Representation:
    import torch

    from liv_model.backends.torch import TorchEncoder
    from liv_model.network import LivNetwork
    from training.trained_run import load_run

    run = load_run(folder)
    network = run.network
    if seed is not None:
        torch.manual_seed(seed)
        network = LivNetwork(run.config.network).eval()
    model = f"{folder.name}@{_digest(network)}"
    return Representation(TorchEncoder(network, run.tokenizer.encode, model=model), run.config.network.image_size)


def _digest(network: LivNetwork) -> str:
    """First 12 hex digits of the SHA-256 of the weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
