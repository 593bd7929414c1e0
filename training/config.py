# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run: one tree of typed dataclasses, read from YAML, changed by ``key=value``."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from liv_model.errors import ConfigError
from liv_model.network_config import NetworkConfig, of_kind
from liv_model.objective import ObjectiveConfig
from training.augment import AugmentConfig
from training.sampler import SamplerConfig


@dataclass(frozen=True)
class OptimizerConfig:
    """How weights move; the defaults are the released settings.

    Attributes:
        name: "adam" (weight decay added to the gradient) or "adamw" (decoupled).
        learning_rate: the highest of the schedule.
        betas: decay rates of the moments.
        eps: added to the root of the second moment.
        weight_decay: strength; not applied to vectors (biases, norms) by "adamw".
        schedule: "constant" or "cosine" (to 1 % of the learning rate at the last step).
        warmup_steps: steps of linear rise at the beginning.
        clip_norm: greatest norm of the gradient; 0 does not clip.
    """

    name: str = "adam"
    learning_rate: float = 1e-5
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    weight_decay: float = 1e-3
    schedule: str = "constant"
    warmup_steps: int = 0
    clip_norm: float = 0.0

    def __post_init__(self) -> None:
        """Refuse settings out of their range."""
        if self.name not in ("adam", "adamw"):
            raise ConfigError("optimizer.name", expected='"adam" or "adamw"', got=self.name)
        if self.schedule not in ("constant", "cosine"):
            raise ConfigError("optimizer.schedule", expected='"constant" or "cosine"', got=self.schedule)
        if self.learning_rate <= 0:
            raise ConfigError("optimizer.learning_rate", expected="a number above 0", got=self.learning_rate)


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a run, but for where its data and results lie.

    Attributes:
        tasks: names of the tasks to learn; empty for all of the store.
        steps: optimizer steps.
        batch: videos that the objective compares with each other, five frames each; all processes share them.
        accumulate: batches per optimizer step, whose gradients are averaged. They do not see each other: InfoNCE,
            the negatives and the log-means of VIP are those of one batch.
        seed: of weights, batches and negatives.
        amp: run the towers in bfloat16; the objective is float32 in any case.
        threads: CPU threads; 0 leaves it to torch.
        device: "cpu" or "cuda"; "auto" is what Accelerate finds, the GPU of each process where there is one.
        validate_every: steps between looks at held-out episodes; 0 never looks.
        validate_episodes: successful episodes per task that each look uses.
        checkpoint_minutes: minutes between saves.
        network: the towers.
        objective: weights and settings of the loss.
        sampler: how frames and texts are drawn.
        augmentation: how pictures are changed.
        optimizer: how weights move.
    """

    tasks: tuple[str, ...] = ()
    steps: int = 1000
    batch: int = 64
    accumulate: int = 1
    seed: int = 0
    amp: bool = False
    threads: int = 0
    device: str = "auto"
    validate_every: int = 100
    validate_episodes: int = 3
    checkpoint_minutes: float = 3.0
    network: NetworkConfig = field(default_factory=NetworkConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    augmentation: AugmentConfig = field(default_factory=AugmentConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def __post_init__(self) -> None:
        """Refuse settings out of their range."""
        if self.steps < 1:
            raise ConfigError("steps", expected="1 or more", got=self.steps)
        if self.batch < 2:
            raise ConfigError("batch", expected="2 or more, as InfoNCE needs other videos", got=self.batch)
        if self.accumulate < 1:
            raise ConfigError("accumulate", expected="1 or more", got=self.accumulate)
        if self.device not in ("auto", "cpu", "cuda"):
            raise ConfigError("device", expected='"auto", "cpu" or "cuda"', got=self.device)


def load(path: str | Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """A configuration from a YAML file and ``key=value`` overrides (``objective.gamma=0.96``, values in YAML).

    Raises:
        ConfigError: no such file, a key that is not a setting (the nearest is named), a value of a wrong type.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(str(path), expected="a readable YAML file", got=error.strerror) from error
    except yaml.YAMLError as error:
        raise ConfigError(str(path), expected="YAML", got=error) from error
    for override in overrides:
        _override(values, override)
    return build(TrainConfig, values)


def dump(config: TrainConfig) -> str:
    """The whole configuration as YAML that :func:`load` reads back to an equal one."""
    return yaml.safe_dump(plain(asdict(config)), sort_keys=False)


def plain(value: Any) -> Any:
    """Tuples to lists, all the way down, so that YAML and JSON hold it."""
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, (tuple, list)) else value


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise ConfigError(f"override {override!r}", expected="key=value", got="no '='")
    *parents, name = key.strip().split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ConfigError(f"override {override!r}", expected="a group of settings", got=parent)
    values[name] = yaml.safe_load(text)


def build(cls: type, values: Mapping[str, Any], where: str = "") -> Any:
    """A dataclass from a mapping, every key and type checked; ConfigError names the nearest valid key."""
    if not isinstance(values, Mapping):
        raise ConfigError(where or "configuration", expected="a mapping", got=values)
    hints = typing.get_type_hints(cls)
    known = {f.name for f in fields(cls)}
    built = {}
    for name, value in values.items():
        path = f"{where}.{name}" if where else str(name)
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)
            raise ConfigError(path, expected=f"a setting such as {near[0]!r}", got="no such setting")
        built[name] = _convert(hints[name], value, path)
    return cls(**built)


def _convert(kind: Any, value: Any, path: str) -> Any:
    if isinstance(kind, types.UnionType) and isinstance(value, Mapping):  # towers: their "kind" says which
        kind = of_kind(typing.get_args(kind), value, path)
    if is_dataclass(kind):
        return build(kind, value, path)
    if typing.get_origin(kind) is tuple:
        return _convert_tuple(kind, value, path)
    if kind is float and isinstance(value, str):  # YAML reads 1e-3 as a string
        try:
            return float(value)
        except ValueError:
            pass
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, types.UnionType) or type(value) is not kind:
        raise ConfigError(path, expected=getattr(kind, "__name__", str(kind)), got=repr(value))
    return value


def _convert_tuple(kind: Any, value: Any, path: str) -> tuple:
    parts = typing.get_args(kind)
    if not isinstance(value, (list, tuple)):
        raise ConfigError(path, expected="a list", got=repr(value))
    if parts[-1] is Ellipsis:
        return tuple(_convert(parts[0], v, path) for v in value)
    if len(value) != len(parts):
        raise ConfigError(path, expected=f"{len(parts)} values", got=repr(value))
    return tuple(_convert(p, v, path) for p, v in zip(parts, value, strict=True))
