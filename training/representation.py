# SPDX-License-Identifier: Apache-2.0
"""A frozen encoder of pictures and texts, by the name of what it comes from: a bundle, a run folder, random weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from liv_model.bundle import Bundle
from liv_model.encoder import Encoder, open_encoder
from liv_model.errors import DataError

RANDOM = "random:"


@dataclass(frozen=True)
class Representation:
    """A frozen encoder and the side of the square pictures it reads."""

    encoder: Encoder
    size: int


def open_representation(name: str, *, seed: int = 0) -> Representation:
    """Open a frozen encoder, on the CPU.

    Args:
        name: folder of a bundle; of a run of ``liv train`` or ``liv import`` (any open_clip checkpoint); or ``random:``
            and such a folder of a run: its network with the weights it would begin with.
        seed: of random weights.

    Raises:
        DataError: it is none of these.
    """
    folder = Path(name.removeprefix(RANDOM))
    if (folder / "liv.yaml").is_file() and not name.startswith(RANDOM):
        bundle = Bundle.load(folder)
        return Representation(open_encoder(bundle, "openvino", threads=1), bundle.image.size)
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
    return Representation(TorchEncoder(network, run.tokenizer.encode, model=folder.name), run.config.network.image_size)
