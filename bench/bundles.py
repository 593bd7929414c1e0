# SPDX-License-Identifier: Apache-2.0
"""Bundles of the architectures that people use, with random weights: speed does not depend on what was learned.

They go the way of any weights, ``liv import`` and ``liv export``, and are kept in a folder of the user's, since they
take a gigabyte each. Making one needs open_clip (requirements/clip.txt).
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from liv_model.bundle import Bundle
from liv_model.errors import ConfigError, LivError


@dataclass(frozen=True)
class Architecture:
    """A model of open_clip.

    Attributes:
        name: of the bundle, for people.
        model: in open_clip.
        released: whether its weights are laid out as those of the released LIV, which `liv import` knows by itself.
    """

    name: str
    model: str
    released: bool = False


RN50 = Architecture("rn50_random", "RN50-quickgelu", released=True)  # what the released LIV is
VIT_B_32 = Architecture("vit_b_32_random", "ViT-B-32")
ARCHITECTURES = (RN50, VIT_B_32)


def find_or_make(architecture: Architecture, folder: Path | None) -> Bundle:
    """The bundle in the user's folder, made first if it is not there.

    Raises:
        ConfigError: no folder was given, or open_clip is not installed.
    """
    if folder is None:
        raise ConfigError(architecture.name, expected="a folder to keep it in", got="none", remedy="--bundles FOLDER")
    path = folder.expanduser() / architecture.name
    if not (path / "liv.yaml").is_file():
        _make(architecture, path)
    return Bundle.load(path)


def _make(architecture: Architecture, path: Path) -> None:
    try:
        import open_clip  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            architecture.name, expected="open_clip", got="not installed", remedy="pip install -r requirements/clip.txt"
        ) from error
    from training import export, import_checkpoint

    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".making-", dir=path.parent) as draft,
        contextlib.redirect_stdout(sys.stderr),
    ):
        weights, run = Path(draft) / "random.pt", Path(draft) / "run"
        _write_random_weights(architecture, weights)
        options = [] if architecture.released else ["--model", architecture.model]
        import_checkpoint.main([str(weights), *options, "-o", str(run)])
        export.main([str(run), "-o", str(path), "--name", architecture.name])


def _write_random_weights(architecture: Architecture, file: Path) -> None:
    import open_clip
    import torch

    torch.manual_seed(0)
    model = open_clip.create_model(architecture.model)
    size = model.visual.image_size
    _settle(model.visual, size[0] if isinstance(size, tuple) else size)
    if architecture.released:
        torch.save({"liv": {f"module.model.{name}": tensor for name, tensor in model.state_dict().items()}}, file)
    else:
        torch.save({"state_dict": model.state_dict()}, file)


def _settle(vision, size: int) -> None:
    """Make random weights behave as trained ones do, for what depends on it: whether int8 passes the gate.

    Normalisations get the statistics of pictures, since under fresh ones all pictures have nearly one embedding. The
    last one of a residual block is weak, as training leaves it: where all are as strong as what they are added to,
    every block amplifies any rounding.
    """
    import torch

    for name, norm in vision.named_modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.weight.data.uniform_(0.5, 1.5).mul_(0.25 if name.endswith("bn3") else 1.0)
            norm.bias.data.normal_(0, 0.2)
            norm.momentum = 1.0
    coarse = torch.rand(8, 3, 6, 8) * 4 - 2
    pictures = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic")
    with torch.no_grad():
        vision.train()(pictures)
    vision.eval()


def main() -> int:
    """``python3 -m bench.bundles FOLDER``: make what is not there."""
    if len(sys.argv) != 2:
        print("python3 -m bench.bundles FOLDER", file=sys.stderr)
        return 2
    for architecture in ARCHITECTURES:
        try:
            print(find_or_make(architecture, Path(sys.argv[1])).identity)
        except LivError as error:
            print(error, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
