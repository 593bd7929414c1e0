# SPDX-License-Identifier: Apache-2.0
"""``liv export``: from a training run to a bundle that a robot can load.

The bundle is made in a folder beside its destination and put in place whole: there is never half a bundle.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch

from liv_model.backends import openvino
from liv_model.backends.torch import TorchEncoder
from liv_model.bundle import Bundle, seal
from liv_model.calibration import Calibration
from liv_model.encoder import Encoder
from liv_model.engines.engine import Engine, EngineSpec
from liv_model.errors import ConfigError, DataError
from liv_model.samples import Samples
from training import checkpoint, onnx_export
from training.config import plain
from training.episodes import EpisodeStore
from training.evaluation import choose, instructions
from training.export_measure import PROVISIONAL_TASK_STATE, instruction_entries, measured
from training.export_samples import drawn_samples, recorded_samples
from training.export_stores import Stores
from training.sampler import training_texts
from training.trained_run import Run, load_run

CALIBRATION_EPISODES = 20  # of each task
# Of a model without data: no text is familiar to it (a cosine is never above 1), and progress is unknown.
NEVER_FAMILIAR, UNKNOWN = 2.0, float("nan")
IMAGE = {"interpolation": "area", "antialias": True}  # of networks of our own
_VERSIONS = ("torch", "numpy", "onnx", "openvino", "tokenizers", "safetensors")
_VERSIONS_OF_TOWERS = ("open_clip_torch", "timm")
_EPILOG = """examples:
  liv export runs/metaworld -o models/metaworld --data data/train --validation data/validation \\
      --made-by "liv episodes simulate --episodes-per-task 28 -o data/train"
  liv export runs/metaworld -o models/metaworld --data data/train --validation data/validation \\
      --test data/test --made-by "make bundle"
  liv export runs/metaworld -o models/try --data data/train --validation data/validation \\
      --made-by "my own bags" --checkpoint last.pt
  liv export runs/liv -o models/liv                      after `liv import`: no data, so progress is unknown
"""


def export(run: Run, destination: Path, stores: Stores, *, name: str, command: str) -> Bundle:
    """Make the bundle of a run.

    Args:
        run: what to export.
        destination: the bundle's folder; a bundle that is there already is replaced when the new one is whole.
        stores: episodes to calibrate and judge it with. Imported weights can do without: the bundle then knows no
            instruction, claims no familiarity, and its progress is NaN.
        name: of the bundle.
        command: what made the data, for the provenance.

    Raises:
        BundleError: the ONNX graphs do not compute what the network computes.
        ConfigError: the destination is something else than a bundle, or a store is lacking.
        DataError: a store is not of the network's size, or has attempts that another one has.
    """
    stores.require(run)
    if destination.exists() and not (destination / "liv.yaml").is_file() and any(destination.iterdir()):
        raise ConfigError(str(destination), expected="a new folder or a bundle to replace", got="other files")
    destination.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
    try:
        _make(run, draft, stores, name, command)
        draft.chmod(0o755)  # temporary folders and safetensors are for their owner alone
        for file in draft.rglob("*"):
            file.chmod(0o755 if file.is_dir() else 0o644)
        put_in_place(draft, destination)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Bundle.load(destination)


def _make(run: Run, draft: Path, stores: Stores, name: str, command: str) -> None:
    """Fill a folder: graphs and weights, then what has to be measured with the graphs, then the manifest."""
    train = stores.train
    numbers = choose(train, run.tasks, CALIBRATION_EPISODES, ("success",)) if train is not None else []
    texts = instructions(train, numbers) if train is not None else {}
    if train is not None and not texts:
        raise DataError(f"episode store {train.path}", expected="successful episodes of the run's tasks", got="none")
    onnx_export.export(run.network, draft)
    safetensors.torch.save_file(
        {k: v.contiguous() for k, v in run.network.state_dict().items()}, draft / "weights.safetensors"
    )
    shutil.copyfile(run.tokenizer_file, draft / "tokenizer.json")
    samples = _samples(run, stores.validation or train, texts)
    manifest = {**_static_manifest(run, name, texts), "samples": samples.write(draft)}
    with _graphs(seal(draft, manifest)) as encoder:
        least = _check(samples, encoder)
        findings: dict[str, Any] = {"task_state": {"provisional": "no episodes"}, "metrics": {}}
        if train is not None:
            manifest, findings = measured(draft, manifest, encoder, stores, numbers, texts)
    findings["metrics"]["least_onnx_cosine"] = least
    seal(draft, {**manifest, "provenance": {**_provenance(run, stores, command), **findings}})


def _static_manifest(run: Run, name: str, texts: dict[str, str]) -> dict[str, Any]:
    """The keys of ``liv.yaml`` that need no measurement, with stand-ins for those that do."""
    network = run.config.network
    return {
        "name": name,
        "dim": network.dim,
        "image": {"size": network.image_size, **run.about.get("image", IMAGE)},
        "tokenizer": {"file": "tokenizer.json", "context_length": network.text.context_length},
        "precision": "fp32",
        "network": network.to_dict(),
        "instructions": instruction_entries(texts, {task: Calibration(0.0, 1.0) for task in texts}),
        "image_goal": UNKNOWN,
        "familiarity": NEVER_FAMILIAR,
        "task_state": dict(PROVISIONAL_TASK_STATE),
    }


def _samples(run: Run, store: EpisodeStore | None, texts: dict[str, str]) -> Samples:
    oracle = TorchEncoder(run.network, run.tokenizer.encode)
    if store is None:
        return drawn_samples(oracle, run.config.network.image_size)
    return recorded_samples(oracle, store, run.tasks, [training_texts(task, text) for task, text in texts.items()])


@contextmanager
def _graphs(bundle: Bundle) -> Iterator[Encoder]:
    """The graphs as a robot's CPU runs them; no engine of what is but a draft stays in the user's cache."""
    files = bundle.file("vision.onnx"), bundle.file("text.onnx")
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder), EngineSpec("openvino", "fp32"), "openvino", "CPU", *files)
        encoder = openvino.open_encoder(bundle, engine)
        try:
            yield encoder
        finally:
            encoder.close()


def _check(samples: Samples, encoder: Encoder) -> float:
    """The least cosine between graphs and network on the samples; BundleError when it is too low."""
    images, references = samples.images, samples.image_embeddings
    return min(
        onnx_export.require_parity("vision.onnx", references, encoder.encode_images(images)),
        onnx_export.require_parity("vision.onnx at batch 1", references[:1], encoder.encode_images(images[:1])),
        onnx_export.require_parity("text.onnx", samples.text_embeddings, encoder.encode_texts(samples.texts)),
    )


def _provenance(run: Run, stores: Stores, command: str) -> dict[str, Any]:
    return {
        "data": command,
        "seeds": {**stores.seeds(run.tasks), "run": run.config.seed},
        **({"imported": run.about["imported"]} if "imported" in run.about else {}),
        "commit": run.about.get("commit", "unknown"),
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": "liv import; liv export"
        if run.is_imported
        else f"liv train (config and seed below), step {run.step} of {run.config.steps}; liv export",
        "config": plain(asdict(run.config)),
        "versions": {
            "python": platform.python_version(),
            **{package: importlib.metadata.version(package) for package in _packages(run)},
        },
    }


def _packages(run: Run) -> tuple[str, ...]:
    own = run.config.network.vision.kind == "cnn"
    return _VERSIONS if own else (*_VERSIONS, *_VERSIONS_OF_TOWERS)


def put_in_place(draft: Path, destination: Path) -> None:
    """Rename a whole bundle to where it belongs; one that is there already goes when the new one has come."""
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
    parser.add_argument("run", type=Path, help="run folder of `liv train` or `liv import`")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the bundle")
    parser.add_argument(
        "--data", type=Path, help="store the run learned from (calibration); optional after `liv import`"
    )
    parser.add_argument(
        "--validation", type=Path, help="store of other seeds (samples, task-state thresholds); likewise"
    )
    parser.add_argument(
        "--test", type=Path, help="store of yet other seeds, which nothing was chosen by (metrics; else --validation)"
    )
    parser.add_argument("--checkpoint", default=checkpoint.BEST, help="best.safetensors or last.pt")
    parser.add_argument("--name", help="name of the bundle (default: that of its folder)")
    parser.add_argument("--made-by", metavar="COMMAND", help="what made the data, for the provenance; with --data")
    arguments = parser.parse_args(argv)
    if arguments.data and not arguments.made_by:
        raise ConfigError("liv export", expected="--made-by COMMAND with --data", got="none")
    bundle = export(
        load_run(arguments.run, arguments.checkpoint),
        arguments.out,
        Stores(*(EpisodeStore(p) if p else None for p in (arguments.data, arguments.validation, arguments.test))),
        name=arguments.name or arguments.out.resolve().name,
        command=arguments.made_by or "none",
    )
    size = sum(f.stat().st_size for f in bundle.path.rglob("*") if f.is_file())
    print(f"{bundle.path}: {bundle.identity}, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
