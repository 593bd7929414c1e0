# SPDX-License-Identifier: Apache-2.0
"""The bundle: a folder that holds a trained LIV model and all that is known about it.

Training hands it to the robot. ``liv.yaml`` names every other file with its SHA-256, so the digest of
``liv.yaml`` stands for the whole folder: ``name@digest`` is the identity that every embedding and reward carries.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from liv_model.errors import BundleError, ConfigError
from liv_model.folders import shipped
from liv_model.image import Preprocessing
from liv_model.whole_file import replace_text

FORMAT = 1
MANIFEST = "liv.yaml"
REQUIRED_FILES = ("vision.onnx", "text.onnx", "tokenizer.json")
_COPY_AGAIN = "copy the bundle again or export it anew"


@dataclass(frozen=True)
class Instruction:
    """A task the model was trained on.

    Attributes:
        text: the instruction, such as "open the drawer".
        task: name of the task in the training data.
        opposite: the instruction that undoes it, or None.
        paraphrases: other ways to say it that training used.
        start: median value of first frames over training episodes (progress 0).
        goal: median value of last frames over training episodes (progress 1).
    """

    text: str
    task: str
    opposite: str | None
    paraphrases: tuple[str, ...]
    start: float
    goal: float


@dataclass(frozen=True)
class TaskStateThresholds:
    """When a task counts as stalled or succeeded: seconds, and progress in [0, 1]."""

    stall_s: float
    hold_s: float
    success_progress: float


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk. Build it with :meth:`load`.

    Attributes:
        path: the folder.
        name: given at export.
        digest: first 12 hex digits of the SHA-256 of ``liv.yaml``.
        dim: D, length of an embedding.
        image: how pictures are brought to the model.
        context_length: L, tokens of a text.
        precision: of the ONNX graphs, such as ``fp32``.
        instructions: what the model was trained on.
        image_goal: the value that a reached image goal typically has (progress 1).
        familiarity: text cosine from which on a goal counts as known.
        task_state: thresholds of the task-state detector.
        manifest: all of ``liv.yaml`` (provenance, network, samples).
    """

    path: Path
    name: str
    digest: str
    dim: int
    image: Preprocessing
    context_length: int
    precision: str
    instructions: tuple[Instruction, ...]
    image_goal: float
    familiarity: float
    task_state: TaskStateThresholds
    manifest: dict[str, Any]

    @property
    def identity(self) -> str:
        """``name@digest``, the ``model`` field of every message."""
        return f"{self.name}@{self.digest}"

    @classmethod
    def load(cls, path: str | Path | None = None, *, verify: bool = True) -> Bundle:
        """Read and verify a bundle.

        Args:
            path: the folder; None or "" is the bundle that ships, ``models/metaworld``.
            verify: whether to compare every file with its SHA-256.

        Raises:
            BundleError: a file is missing or altered, or the format is not ours: file, expected, got, remedy.
        """
        folder = Path(path).expanduser() if path else shipped("models/metaworld")
        text = _read_manifest(folder)
        manifest = _parse(folder, text)
        bundle = _from_manifest(folder, manifest, hashlib.sha256(text).hexdigest()[:12])
        _require_files(folder, manifest["files"], verify)
        return bundle

    def file(self, name: str) -> Path:
        """Path of one of the bundle's files; BundleError if ``liv.yaml`` does not list it."""
        if name not in self.manifest["files"]:
            raise BundleError(
                f"{self.path}/{name}", expected="a file listed in liv.yaml", got="none", remedy=_COPY_AGAIN
            )
        return self.path / name


def seal(folder: str | Path, manifest: dict[str, Any]) -> Bundle:
    """Write ``liv.yaml`` for a folder that holds all other files, and load the result.

    Args:
        folder: holds the graphs, the tokenizer, the samples.
        manifest: every key of ``liv.yaml`` but ``format`` and ``files``.
    """
    folder = Path(folder)
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    sealed = {"format": FORMAT, **manifest, "files": {name: sha256(folder / name) for name in names}}
    replace_text(folder / MANIFEST, yaml.safe_dump(sealed, sort_keys=False, allow_unicode=True, width=110))
    return Bundle.load(folder)


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file; BundleError if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise BundleError(str(path), expected="a readable file", got=error.strerror) from error
    return digest.hexdigest()


def _read_manifest(folder: Path) -> bytes:
    if not folder.is_dir():
        raise BundleError(
            str(folder),
            expected="a bundle folder",
            got="no such folder",
            remedy="give a folder with liv.yaml",
        )
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise BundleError(
            f"{folder / MANIFEST}",
            expected="a readable file",
            got=error.strerror,
            remedy="give a folder that `liv export` wrote",
        ) from error


def _parse(folder: Path, text: bytes) -> dict[str, Any]:
    try:
        manifest = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BundleError(f"{folder / MANIFEST}", expected="YAML", got=error, remedy=_COPY_AGAIN) from error
    if not isinstance(manifest, dict):
        raise BundleError(f"{folder / MANIFEST}", expected="a mapping", got=type(manifest).__name__, remedy=_COPY_AGAIN)
    if manifest.get("format") != FORMAT:
        raise BundleError(
            f"{folder / MANIFEST}",
            expected=f"format {FORMAT}",
            got=manifest.get("format", "none"),
            remedy="export the model anew with this version, or update liv_ros",
        )
    return manifest


def _from_manifest(folder: Path, manifest: dict[str, Any], digest: str) -> Bundle:
    try:
        return Bundle(
            path=folder,
            name=str(manifest["name"]),
            digest=digest,
            dim=int(manifest["dim"]),
            image=Preprocessing(**manifest["image"]),
            context_length=int(manifest["tokenizer"]["context_length"]),
            precision=str(manifest["precision"]),
            instructions=tuple(_instruction(entry) for entry in manifest["instructions"]),
            image_goal=float(manifest["image_goal"]),
            familiarity=float(manifest["familiarity"]),
            task_state=TaskStateThresholds(**manifest["task_state"]),
            manifest={**manifest, "files": dict(manifest["files"])},
        )
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        got = f"no key {error}" if isinstance(error, KeyError) else error
        raise BundleError(
            f"{folder / MANIFEST}", expected=f"the keys of format {FORMAT}", got=got, remedy=_COPY_AGAIN
        ) from error


def _instruction(entry: dict[str, Any]) -> Instruction:
    return Instruction(
        text=entry["text"],
        task=entry["task"],
        opposite=entry.get("opposite"),
        paraphrases=tuple(entry["paraphrases"]),
        start=float(entry["start"]),
        goal=float(entry["goal"]),
    )


def _require_files(folder: Path, files: dict[str, str], verify: bool) -> None:
    for name in REQUIRED_FILES:
        if name not in files:
            raise BundleError(
                f"{folder / MANIFEST}", expected=f"{name} among the files", got="none", remedy=_COPY_AGAIN
            )
    for name, expected in files.items():
        path = folder / name
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise BundleError(f"{folder / MANIFEST}", expected="files inside the bundle", got=name, remedy=_COPY_AGAIN)
        if not path.is_file():
            raise BundleError(str(path), expected="a file", got="none", remedy=_COPY_AGAIN)
        if verify and (got := sha256(path)) != str(expected):
            raise BundleError(str(path), expected=f"sha256 {str(expected)[:12]}", got=got[:12], remedy=_COPY_AGAIN)
