# SPDX-License-Identifier: Apache-2.0
"""``liv export``: from a training run to a bundle that a robot can load.

The bundle is made in a folder beside its destination and put in place whole: there is never half a bundle.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import platform
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch

from liv_model.backends.torch import TorchEncoder
from liv_model.bundle import Bundle, seal
from liv_model.calibration import Calibration
from liv_model.encoder import Encoder, open_encoder
from liv_model.errors import ConfigError, DataError
from liv_model.network import LivNetwork
from liv_model.tokenizer import Tokenizer
from training import checkpoint, onnx_export
from training.calibrate import calibrate_tasks, fit_familiarity, image_goal_ceiling
from training.config import TrainConfig, load, plain
from training.episodes import EpisodeStore
from training.evaluate import Evaluation, choose, embed, instructions
from training.sampler import training_texts
from training.tasks import load_tasks

# Provisional until the task-state detector is fitted to data.
TASK_STATE = {"stall_s": 2.0, "hold_s": 0.5, "success_progress": 0.9}
CALIBRATION_EPISODES = 20  # of each task
SAMPLE_FRAMES = 36
CLIP_FRAMES = 48
_VERSIONS = ("torch", "numpy", "onnx", "openvino", "tokenizers", "safetensors")
_EPILOG = """examples:
  liv export runs/metaworld -o models/metaworld --data data/train --validation data/validation \\
      --made-by "liv episodes simulate --episodes-per-task 28 -o data/train"
  liv export runs/metaworld -o models/try --data data/train --validation data/validation \\
      --made-by "my own bags" --checkpoint last.pt
"""


@dataclass(frozen=True)
class Run:
    """A trained network with its tokenizer and settings."""

    network: LivNetwork
    tokenizer: Tokenizer
    tokenizer_file: Path
    config: TrainConfig
    tasks: tuple[str, ...]
    step: int
    about: dict[str, Any]


def load_run(folder: Path, name: str = checkpoint.BEST) -> Run:
    """Read a run folder; DataError or ConfigError when it is none."""
    config = load(folder / checkpoint.CONFIG)
    state = checkpoint.load(folder / name)
    about = json.loads((folder / checkpoint.RUN).read_text())
    network = LivNetwork(config.network)
    try:
        network.load_state_dict(state["network"])
    except RuntimeError as error:
        raise DataError(str(folder / name), expected="weights of the run's network", got=error) from error
    file = folder / checkpoint.TOKENIZER
    tokenizer = Tokenizer.load(file, config.network.text.context_length)
    return Run(network.eval(), tokenizer, file, config, tuple(about["tasks"]), state["step"], about)


def write_samples(folder: Path, store: EpisodeStore, tasks: Sequence[str], texts: Sequence[str]) -> None:
    """Write ``samples/``: a few dozen frames and texts, and one short clip of a success with its text."""
    successes = choose(store, tasks, 1, ("success",))
    per_episode = max(1, SAMPLE_FRAMES // len(successes))
    frames = []
    for number in successes:
        episode = store[number]
        frames.extend(episode.frames[np.linspace(0, len(episode) - 1, per_episode).astype(int)])
    (folder / "samples").mkdir()
    np.savez_compressed(folder / "samples/frames.npz", images=np.stack(frames), texts=np.array(list(texts)))
    clip = store[next((n for n in successes if store.records[n].task == "drawer-open"), successes[0])]
    kept = np.unique(np.linspace(0, len(clip) - 1, min(len(clip), CLIP_FRAMES)).astype(int))
    np.savez_compressed(
        folder / "samples/clip.npz",
        images=clip.frames[kept],
        time_s=clip.time_s[kept],
        text=np.array(clip.text),
    )


def export(
    run: Run, destination: Path, train: EpisodeStore, held_out: EpisodeStore, *, name: str, command: str
) -> Bundle:
    """Make the bundle of a run.

    Args:
        run: what to export.
        destination: the bundle's folder; a bundle that is there already is replaced when the new one is whole.
        train: store the run learned from: calibration.
        held_out: store of other seeds: samples, metrics.
        name: of the bundle.
        command: what made the data, for the provenance.

    Raises:
        BundleError: the ONNX graphs do not compute what the network computes.
        ConfigError: the destination is something else than a bundle.
    """
    if destination.exists() and not (destination / "liv.yaml").is_file() and any(destination.iterdir()):
        raise ConfigError(str(destination), expected="a new folder or a bundle to replace", got="other files")
    destination.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
    try:
        _make(run, draft, train, held_out, name, command)
        draft.chmod(0o755)
        _replace(draft, destination)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Bundle.load(destination)


def _make(run: Run, draft: Path, train: EpisodeStore, held_out: EpisodeStore, name: str, command: str) -> None:
    """Fill a folder: graphs and weights, then what has to be measured with the graphs, then the manifest."""
    numbers = choose(train, run.tasks, CALIBRATION_EPISODES, ("success",))
    texts = instructions(train, numbers)
    spoken = sorted({p for task, text in texts.items() for p in training_texts(task, text)})
    onnx_export.export(run.network, draft)
    safetensors.torch.save_file(
        {k: v.contiguous() for k, v in run.network.state_dict().items()}, draft / "weights.safetensors"
    )
    shutil.copyfile(run.tokenizer_file, draft / "tokenizer.json")
    write_samples(draft, held_out, run.tasks, spoken)

    manifest = _static_manifest(run, name, texts)
    # the graphs are read as a robot reads them: from a sealed bundle, by its default backend
    encoder = open_encoder(seal(draft, manifest), "openvino")
    try:
        least = _check(run, encoder, draft)
        manifest |= _measured(run, encoder, train, held_out, numbers, texts)
        manifest["provenance"] = _provenance(run, train, held_out, command)
        manifest["provenance"]["metrics"] = {**manifest.pop("metrics"), "least_onnx_cosine": least}
    finally:
        encoder.close()
    seal(draft, manifest)


def _static_manifest(run: Run, name: str, texts: dict[str, str]) -> dict[str, Any]:
    """The keys of ``liv.yaml`` that need no measurement, with stand-ins for those that do."""
    network = run.config.network
    return {
        "name": name,
        "dim": network.dim,
        "image": {"size": network.image_size, "interpolation": "area", "antialias": True},
        "tokenizer": {"file": "tokenizer.json", "context_length": network.text.context_length},
        "precision": "fp32",
        "network": network.to_dict(),
        "instructions": _instructions(texts, {task: Calibration(0.0, 1.0) for task in texts}),
        "image_goal": 1.0,
        "familiarity": 1.0,
        "task_state": dict(TASK_STATE),
        "samples": {"frames": "samples/frames.npz", "clip": "samples/clip.npz"},
    }


def _instructions(texts: dict[str, str], ends: dict[str, Calibration]) -> list[dict[str, Any]]:
    entries = []
    for task, text in texts.items():
        words = load_tasks().get(task)
        opposite = words.opposite_text if words is not None and words.text == text else None
        entries.append(
            {
                "text": text,
                "task": task,
                **({"opposite": opposite} if opposite else {}),
                "paraphrases": list(training_texts(task, text)[1:]),
                "start": round(ends[task].start, 4),
                "goal": round(ends[task].goal, 4),
            }
        )
    return entries


def _check(run: Run, encoder: Encoder, draft: Path) -> float:
    """The least cosine between graphs and network on the samples; BundleError when it is too low."""
    samples = np.load(draft / "samples/frames.npz")
    images, texts = samples["images"], samples["texts"].tolist()
    oracle = TorchEncoder(run.network, run.tokenizer.encode)
    batched, one = encoder.encode_images(images), encoder.encode_images(images[:1])
    return min(
        onnx_export.require_parity("vision.onnx", oracle.encode_images(images), batched),
        onnx_export.require_parity("vision.onnx at batch 1", oracle.encode_images(images[:1]), one),
        onnx_export.require_parity("text.onnx", oracle.encode_texts(texts), encoder.encode_texts(texts)),
    )


def _measured(
    run: Run,
    encoder: Encoder,
    train: EpisodeStore,
    held_out: EpisodeStore,
    numbers: Sequence[int],
    texts: dict[str, str],
) -> dict[str, Any]:
    """Calibration from training successes, familiarity from texts, metrics from held-out episodes."""
    episodes = embed(encoder, train, numbers)
    ends = calibrate_tasks(encoder, episodes, texts)
    fit = fit_familiarity(encoder, texts)
    looked_at = choose(held_out, run.tasks)
    report = Evaluation(encoder, embed(encoder, held_out, looked_at), texts).report()
    return {
        "instructions": _instructions(texts, ends),
        "image_goal": round(image_goal_ceiling(episodes), 4),
        "familiarity": round(fit.threshold, 4),
        "metrics": {**report.to_dict(), "familiarity": {k: round(v, 4) for k, v in asdict(fit).items()}},
    }


def _provenance(run: Run, train: EpisodeStore, held_out: EpisodeStore, command: str) -> dict[str, Any]:
    def seeds(store: EpisodeStore) -> dict[str, int]:
        records = [r for r in store.records if r.task in run.tasks]
        used = [r.seed for r in records]
        return {"first": min(used), "last": max(used), "episodes": len(records)}

    return {
        "data": command,
        "seeds": {"train": seeds(train), "validation": seeds(held_out), "run": run.config.seed},
        "commit": run.about.get("commit", "unknown"),
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": f"liv train (config and seed below), step {run.step} of {run.config.steps}; liv export",
        "config": plain(asdict(run.config)),
        "versions": {
            "python": platform.python_version(),
            **{package: importlib.metadata.version(package) for package in _VERSIONS},
        },
    }


def _replace(draft: Path, destination: Path) -> None:
    if destination.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{destination.name}-old-", dir=destination.parent))
        destination.rename(old / "bundle")
        draft.rename(destination)
        shutil.rmtree(old)
    else:
        draft.rename(destination)


def main(argv: list[str] | None = None) -> int:
    """Run ``liv export``."""
    parser = argparse.ArgumentParser(
        prog="liv export",
        description="Turn a training run into a bundle: ONNX graphs, calibration, metrics, checksums.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="run folder of `liv train`")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the bundle")
    parser.add_argument("--data", type=Path, required=True, help="store the run learned from (calibration)")
    parser.add_argument("--validation", type=Path, required=True, help="store of other seeds (metrics, samples)")
    parser.add_argument("--checkpoint", default=checkpoint.BEST, help="best.pt or last.pt")
    parser.add_argument("--name", help="name of the bundle (default: that of its folder)")
    parser.add_argument("--made-by", required=True, metavar="COMMAND", help="what made the data, for the provenance")
    arguments = parser.parse_args(argv)
    bundle = export(
        load_run(arguments.run, arguments.checkpoint),
        arguments.out,
        EpisodeStore(arguments.data),
        EpisodeStore(arguments.validation),
        name=arguments.name or arguments.out.resolve().name,
        command=arguments.made_by,
    )
    size = sum(f.stat().st_size for f in bundle.path.rglob("*") if f.is_file())
    print(f"{bundle.path}: {bundle.identity}, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
