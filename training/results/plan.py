# SPDX-License-Identifier: Apache-2.0
"""What is compared with what: objectives, tasks, seeds, sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.config import TrainConfig, load, plain

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "training" / "configs"


@dataclass(frozen=True)
class Arm:
    """One objective among those that are compared.

    Attributes:
        name: of its runs' folders.
        label: in the document.
        weights: of VIP with image goals, VIP with goals in words, and InfoNCE.
        finetune: the same when fine-tuning; None where that is not part of the comparison.
    """

    name: str
    label: str
    weights: tuple[float, float, float]
    finetune: tuple[float, float, float] | None = None


LIV = Arm("liv", "LIV", (1.0, 1.0, 1.0), (1.0, 0.0, 1.0))
INFONCE = Arm("infonce", "InfoNCE only", (0.0, 0.0, 1.0), (0.0, 0.0, 1.0))
VIP_IMAGE = Arm("vip-image", "VIP-image only", (1.0, 0.0, 0.0))
NO_VIP_LANGUAGE = Arm("no-vip-language", "LIV without VIP-language", (1.0, 0.0, 1.0))
ARMS = (LIV, INFONCE, VIP_IMAGE, NO_VIP_LANGUAGE)
FINETUNED = tuple(arm for arm in ARMS if arm.finetune)


@dataclass(frozen=True)
class Plan:
    """Sizes of the comparison.

    Attributes:
        tasks: for pre-training; pairs of opposites that share a scene.
        new_tasks: kept out of pre-training, for fine-tuning; likewise.
        seeds: of weights, batches and augmentation; each objective is trained with each.
        episodes: successes of each task to pre-train on.
        shots: episodes of each new task to fine-tune on; 0 is the pre-trained network as it is.
        test_successes: unseen successes of each task.
        test_failures: unseen failures of each task and kind.
        size: side of the frames, pixels.
        stride: steps of 12.5 ms per frame.
        settings: changes to ``results.yaml``, ``key=value``.
        finetune_settings: changes to ``results_finetune.yaml``, likewise.
    """

    tasks: tuple[str, ...]
    new_tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    episodes: int
    shots: tuple[int, ...]
    test_successes: int
    test_failures: int
    size: int = 64
    stride: int = 5
    settings: tuple[str, ...] = ()
    finetune_settings: tuple[str, ...] = ()
    pretrain_config: Path = field(default=CONFIGS / "results.yaml")
    finetune_config: Path = field(default=CONFIGS / "results_finetune.yaml")

    @property
    def some_shots(self) -> tuple[int, ...]:
        """Those for which there is something to train."""
        return tuple(shots for shots in self.shots if shots)

    def pretrain(self) -> TrainConfig:
        """The settings that all objectives share in pre-training."""
        return load(self.pretrain_config, self.settings)

    def finetune(self) -> TrainConfig:
        """The settings that both objectives share in fine-tuning, but for the network, which is the pre-trained one."""
        return load(self.finetune_config, self.finetune_settings)

    def to_dict(self) -> dict[str, Any]:
        """Plain types, what the settings files say included: equal plans give equal results."""
        own = {key: value for key, value in asdict(self).items() if not key.endswith("_config")}
        return plain({**own, "pretrain": asdict(self.pretrain()), "finetune": asdict(self.finetune())})


FULL = Plan(
    tasks=(
        "door-open",
        "door-close",
        "drawer-open",
        "drawer-close",
        "window-open",
        "window-close",
        "faucet-open",
        "faucet-close",
        "coffee-push",
        "coffee-pull",
    ),
    new_tasks=("handle-press-side", "handle-pull-side", "door-lock", "door-unlock"),
    seeds=(0, 1, 2),
    episodes=12,
    shots=(0, 10, 20, 50),
    test_successes=6,
    test_failures=1,
)

# Every step of the way in a few minutes; the figures mean nothing.
QUICK = Plan(
    tasks=("window-open", "window-close"),
    new_tasks=("faucet-open", "faucet-close"),
    seeds=(0, 1),
    episodes=2,
    shots=(0, 1, 2),
    test_successes=1,
    test_failures=1,
    size=32,
    stride=10,
    settings=("steps=4", "batch=4", "network.image_size=32"),
    finetune_settings=("steps=2", "batch=4"),
)
