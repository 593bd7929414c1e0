# SPDX-License-Identifier: Apache-2.0
"""A bundle's samples: pictures, texts and a short clip, with the embeddings that its network gives them.

They are what quantisation calibrates on and what every freshly built engine is compared with, on any machine and
without torch: the references were computed once, by the network in PyTorch, when the bundle was exported.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from liv_model.arrays_file import read_arrays
from liv_model.bundle import Bundle
from liv_model.encoder import Encoder
from liv_model.errors import BundleError

FRAMES, CLIP = "samples/frames.npz", "samples/clip.npz"
_REMEDY = "export the bundle anew with this version"


@dataclass(frozen=True)
class Clip:
    """A short recording of a success, its goal in words, and what the network says of both.

    Attributes:
        images: uint8 (T, S, S, 3) RGB.
        time_s: float64 (T,), increasing.
        text: the instruction that is followed.
        embeddings: float32 (T, D) of the images, rows of unit norm.
        goal: float32 (D,) of the text, unit norm.
    """

    images: np.ndarray
    time_s: np.ndarray
    text: str
    embeddings: np.ndarray
    goal: np.ndarray


@dataclass(frozen=True)
class Samples:
    """Pictures and texts with their reference embeddings.

    Attributes:
        images: uint8 (N, S, S, 3) RGB.
        texts: M of them.
        image_embeddings: float32 (N, D), rows of unit norm.
        text_embeddings: float32 (M, D), rows of unit norm.
        clip: None where the bundle was made without episodes.
    """

    images: np.ndarray
    texts: list[str]
    image_embeddings: np.ndarray
    text_embeddings: np.ndarray
    clip: Clip | None = None

    @classmethod
    def load(cls, bundle: Bundle) -> Samples:
        """Read the samples of a bundle.

        Raises:
            BundleError: there are none, they lack the reference embeddings, or shapes or types are not as above.
        """
        names = bundle.manifest.get("samples") or {}
        frames = _read(bundle, names.get("frames", FRAMES), ("images", "texts", "image_embeddings", "text_embeddings"))
        samples = cls(**{**frames, "texts": frames["texts"].tolist()})
        _require_pictures(bundle, FRAMES, samples.images, samples.image_embeddings)
        _require_rows(bundle, FRAMES, "text_embeddings", samples.text_embeddings, len(samples.texts))
        if "clip" not in names:
            return samples
        return cls(samples.images, samples.texts, samples.image_embeddings, samples.text_embeddings, _clip(bundle))

    def write(self, folder: Path) -> dict[str, str]:
        """Write ``samples/`` into a bundle's folder; returns the key ``samples`` of its manifest."""
        (folder / FRAMES).parent.mkdir(exist_ok=True)
        columns = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "clip"}
        np.savez_compressed(folder / FRAMES, **{**columns, "texts": np.array(self.texts, dtype=np.str_)})
        if self.clip is None:
            return {"frames": FRAMES}
        np.savez_compressed(folder / CLIP, **{field.name: getattr(self.clip, field.name) for field in fields(Clip)})
        return {"frames": FRAMES, "clip": CLIP}


def draw_samples(
    encoder: Encoder,
    images: np.ndarray,
    texts: list[str],
    clip: tuple[np.ndarray, np.ndarray, str] | None = None,
) -> Samples:
    """Samples with what an encoder, the network in PyTorch, says of them.

    Args:
        encoder: gives the references.
        images: uint8 (N, S, S, 3).
        texts: M of them.
        clip: images uint8 (T, S, S, 3), time_s (T,) and text.
    """
    recorded = None
    if clip is not None:
        frames, time_s, text = clip
        recorded = Clip(
            frames, np.asarray(time_s, np.float64), text, encoder.encode_images(frames), encoder.encode_texts([text])[0]
        )
    return Samples(images, list(texts), encoder.encode_images(images), encoder.encode_texts(list(texts)), recorded)


def _clip(bundle: Bundle) -> Clip:
    name = bundle.manifest["samples"]["clip"]
    read = _read(bundle, name, tuple(field.name for field in fields(Clip)))
    clip = Clip(**{**read, "text": str(read["text"])})
    _require_pictures(bundle, name, clip.images, clip.embeddings)
    _require_rows(bundle, name, "goal", clip.goal[None], 1)
    return clip


def _read(bundle: Bundle, name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    file = bundle.file(name)
    try:
        arrays = read_arrays(file)
    except (OSError, ValueError) as error:
        raise BundleError(str(file), expected="arrays that `liv export` wrote", got=error, remedy=_REMEDY) from error
    lacking = [key for key in keys if key not in arrays]
    if lacking:
        raise BundleError(str(file), expected=f"the arrays {', '.join(keys)}", got=f"no {lacking[0]}", remedy=_REMEDY)
    return {key: arrays[key] for key in keys}


def _require_pictures(bundle: Bundle, name: str, images: np.ndarray, embeddings: np.ndarray) -> None:
    size = bundle.image.size
    if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3) or not len(images):
        raise BundleError(
            f"{bundle.path}/{name}: images",
            expected=f"uint8 (1 or more, {size}, {size}, 3)",
            got=f"{images.dtype} {images.shape}",
            remedy=_REMEDY,
        )
    _require_rows(bundle, name, "embeddings of the images", embeddings, len(images))


def _require_rows(bundle: Bundle, name: str, what: str, rows: np.ndarray, count: int) -> None:
    if rows.dtype != np.float32 or rows.shape != (count, bundle.dim):
        raise BundleError(
            f"{bundle.path}/{name}: {what}",
            expected=f"float32 ({count}, {bundle.dim})",
            got=f"{rows.dtype} {rows.shape}",
            remedy=_REMEDY,
        )
