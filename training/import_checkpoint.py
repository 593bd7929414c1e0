# SPDX-License-Identifier: Apache-2.0
"""``liv import``: from weights that others trained to a run folder, which ``liv export`` and ``liv train --init`` read.

The folder is that of a run at step 0: its configuration holds the architecture and the released fine-tuning
settings, ``best.safetensors`` the weights, ``run.json`` where they come from and how pictures are resized for them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from liv_model.errors import ConfigError
from liv_model.image import Preprocessing
from liv_model.network import LivNetwork
from liv_model.network_config import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    NetworkConfig,
    OpenClipText,
    OpenClipVision,
    TimmVision,
)
from liv_model.open_clip_towers import model_settings, package
from training import checkpoint, clip_tokenizer, foreign_weights, tokenizer_fit
from training.commit import current_commit
from training.config import TrainConfig, dump, load
from training.import_sources import Source, read_source, read_tag, read_timm

# What a fine-tuning run of the released code does.
FINETUNE = Path(__file__).with_name("configs") / "finetune.yaml"
# A text tower that has learned nothing yet needs all terms: the released pre-training settings.
PRETRAIN = TrainConfig(steps=10_000)
_EPILOG = """examples:
  liv import model.pt -o runs/liv                                 the released LIV, or a snapshot of its fine-tuning
  liv import hf:jasonyma/LIV -o runs/liv                          the same from the hub
  liv import --model ViT-B-32 --pretrained laion2b_s34b_b79k -o runs/b32
  liv import clip.pt --model ViT-B-32-quickgelu -o runs/b32       an open_clip checkpoint
  liv import resnet50.pth --backbone resnet50 -o runs/r50         a bare backbone, with a new text tower
then:
  liv export runs/liv -o models/liv
  liv train --init runs/liv --data data/train -o runs/mine
The weights stay under the licence of whoever published them.
"""


@dataclass(frozen=True)
class Plan:
    """What to build, and how pictures are brought to it.

    Attributes:
        network: the towers.
        image: side, interpolation, antialias.
        new_text: whether the text tower is a new one of ours.
    """

    network: NetworkConfig
    image: Preprocessing
    new_text: bool = False


def plan_clip(
    model: str, *, quick_gelu: bool, image: dict[str, Any], new_text: bool = False, **normalisation: Any
) -> Plan:
    """An open_clip model.

    Args:
        model: name in open_clip.
        quick_gelu: of both towers.
        image: ``interpolation`` and ``antialias``.
        new_text: take its picture tower only.
        normalisation: ``mean`` and ``std``, where they are not CLIP's.

    Raises:
        ConfigError: open_clip is not installed or has no such model.
    """
    settings = model_settings(model)
    size = settings["vision_cfg"]["image_size"]
    network = NetworkConfig(
        dim=settings["embed_dim"],
        image_size=size,
        vision=OpenClipVision(model=model, quick_gelu=quick_gelu, **normalisation),
    )
    if not new_text:
        text = settings["text_cfg"]
        sizes = {"vocabulary": text.get("vocab_size", 49408), "context_length": text.get("context_length", 77)}
        network = replace(network, text=OpenClipText(model=model, quick_gelu=quick_gelu, **sizes))
    return Plan(network, Preprocessing(size, **image), new_text)


def plan_released() -> Plan:
    """The released LIV: OpenAI's RN50, pictures resized bilinearly without antialias."""
    return plan_clip("RN50", quick_gelu=True, image={"interpolation": "bilinear", "antialias": False})


def plan_backbone(model: str, dim: int, image_size: int | None) -> Plan:
    """A timm backbone with a new text tower of ours; ConfigError when timm has no such model."""
    timm = package("timm")
    settings = timm.get_pretrained_cfg(model) if timm.is_model(model) else None
    size = image_size or (settings.input_size[1] if settings else 224)
    interpolation = settings.interpolation if settings and settings.interpolation == "bicubic" else "bilinear"
    vision = TimmVision(
        model=model,
        mean=tuple(settings.mean) if settings else IMAGENET_MEAN,
        std=tuple(settings.std) if settings else IMAGENET_STD,
    )
    return Plan(NetworkConfig(dim=dim, image_size=size, vision=vision), Preprocessing(size, interpolation), True)


def build(plan: Plan, source: Source) -> tuple[LivNetwork, dict[str, Any]]:
    """The network with the source's weights, and what to remember about them.

    Raises:
        DataError: they do not fit: which keys and shapes.
    """
    network = LivNetwork(plan.network)
    origin = dict(source.origin)
    if plan.network.vision.kind == "timm":
        state, left_out = foreign_weights.backbone(source.state, network.vision.trunk, source.name)
        foreign_weights.fill(network, state, source.name, tower="vision.trunk.")
        origin["left_out"] = left_out
    else:
        state = foreign_weights.clip_towers(source.state, source.name)
        if plan.new_text:
            state = {k: v for k, v in state.items() if k.startswith("vision.")}
        foreign_weights.fill(network, state, source.name, tower="vision." if plan.new_text else "")
    return network, {**origin, "tensors": len(state), "new_text": plan.new_text}


def write_run(folder: Path, plan: Plan, network: LivNetwork, origin: dict[str, Any]) -> None:
    """Write the run folder, whole or not at all.

    Raises:
        ConfigError: there is something at ``folder`` already.
        DataError: no room for it.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"run folder {folder}", expected="an empty or new folder", got="other files")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _fill(draft, plan, network, origin)
        draft.chmod(0o755)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _fill(draft: Path, plan: Plan, network: LivNetwork, origin: dict[str, Any]) -> None:
    config = replace(PRETRAIN if plan.new_text else load(FINETUNE), network=plan.network)
    (draft / checkpoint.CONFIG).write_text(dump(config), encoding="utf-8")
    if plan.network.text.kind == "open_clip":
        clip_tokenizer.write(draft / checkpoint.TOKENIZER)
    else:
        tokenizer_fit.write(draft / checkpoint.TOKENIZER, plan.network.text.vocabulary)
    image = {"interpolation": plan.image.interpolation, "antialias": plan.image.antialias}
    about = {"commit": current_commit(), "tasks": [], "image": image, "imported": origin}
    (draft / checkpoint.RUN).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    checkpoint.save_weights(draft / checkpoint.BEST, network.state_dict(), step=0)


def import_model(arguments: argparse.Namespace) -> tuple[Plan, Source]:
    """What the command line asks for; ConfigError when it asks for two things at once, or none."""
    if bool(arguments.source) == bool(arguments.pretrained):
        got = "both" if arguments.source else "neither"
        raise ConfigError("liv import", expected="a checkpoint (file or hf:OWNER/NAME) or --pretrained", got=got)
    if arguments.model and arguments.backbone:
        raise ConfigError("liv import", expected="one of --model and --backbone", got="both")
    if arguments.backbone:
        plan = plan_backbone(arguments.backbone, arguments.dim, arguments.image_size)
        return plan, read_source(arguments.source) if arguments.source else read_timm(arguments.backbone)
    if arguments.dim != NetworkConfig().dim or arguments.image_size:
        raise ConfigError("liv import", expected="--dim and --image-size with --backbone only", got="without it")
    return _import_clip(arguments)


def _import_clip(arguments: argparse.Namespace) -> tuple[Plan, Source]:
    if not arguments.model:
        if arguments.pretrained or arguments.new_text or arguments.quick_gelu is not None:
            raise ConfigError("liv import", expected="--model NAME with these options", got="no --model")
        return plan_released(), read_source(arguments.source)
    source = read_tag(arguments.model, arguments.pretrained) if arguments.pretrained else read_source(arguments.source)
    quick_gelu = arguments.quick_gelu
    if quick_gelu is None:
        quick_gelu = source.quick_gelu
    if quick_gelu is None:
        quick_gelu = bool(model_settings(arguments.model).get("quick_gelu", False))
    plan = plan_clip(
        arguments.model,
        quick_gelu=quick_gelu,
        image=source.image or {"interpolation": "bicubic", "antialias": True},
        new_text=arguments.new_text,
        **source.normalisation,
    )
    return plan, source


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="liv import",
        description="Turn weights that others trained into a run folder: the released LIV (without further options), "
        "any open_clip model, or a bare vision backbone with a new text tower.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", nargs="?", help="checkpoint file, or hf:OWNER/NAME[/FILE] to download it")
    parser.add_argument("-o", "--out", type=Path, required=True, help="run folder")
    parser.add_argument("--model", metavar="NAME", help="architecture in open_clip (default: that of the released LIV)")
    parser.add_argument("--backbone", metavar="NAME", help="architecture in timm; the text tower is a new one")
    parser.add_argument(
        "--pretrained",
        nargs="?",
        const="default",
        metavar="TAG",
        help="download the weights open_clip publishes under this tag; with --backbone (no tag) timm's",
    )
    parser.add_argument(
        "--quick-gelu",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="the activation the weights were trained with (default: as open_clip says for the tag or the model)",
    )
    parser.add_argument("--new-text", action="store_true", help="only the picture tower, with a new text tower")
    parser.add_argument("--dim", type=int, default=NetworkConfig().dim, help="D with --backbone (default: %(default)s)")
    parser.add_argument("--image-size", type=int, help="S with --backbone (default: the backbone's)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run ``liv import``."""
    arguments = _parse(argv)
    plan, source = import_model(arguments)
    network, origin = build(plan, source)
    write_run(arguments.out, plan, network, origin)
    config = plan.network
    print(
        f"{arguments.out}: {config.vision.kind} {config.vision.model}, {origin['tensors']} tensors of {source.name}, "
        f"{config.image_size}x{config.image_size} px ({plan.image.interpolation}) -> {config.dim} numbers"
    )
    if plan.new_text:
        print("the text tower is new and knows nothing: train it before you export (liv train --init)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
