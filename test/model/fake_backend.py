# SPDX-License-Identifier: Apache-2.0
"""A double of a backend, its builder and its GPU: says what the network said, bent by a cosine for each precision."""

import shutil

import numpy as np

from liv_model.engines import build as real
from liv_model.engines.engine import Engine
from liv_model.samples import Samples

cosines, failures, opened, built, removed, specs = {}, [], [], [], [], []
real_openvino = False
folder = _samples = None


def reset(tmp_path, bundle):
    """Forget all; engines go below a folder of the test's."""
    global folder, _samples, real_openvino, failures
    folder, _samples, real_openvino, failures = tmp_path / "engines", Samples.load(bundle), False, []
    for kept in (cosines, opened, built, removed, specs):
        kept.clear()


def find(bundle, spec):
    """The engine of an earlier build of this test."""
    if spec.backend == "openvino" and real_openvino:
        return real.find(bundle, spec)
    engine = _engine(spec)
    return engine if engine.folder.is_dir() else None


def build(bundle, spec, *, report=None):
    """Make the folder of an engine."""
    if spec.backend == "openvino" and real_openvino:
        return real.build(bundle, spec, report=report)
    built.append(spec.precision)
    specs.append(spec)
    if report:
        report("building", 0.5)
    engine = _engine(spec)
    engine.folder.mkdir(parents=True)
    return engine


def remove(engine):
    """Take the folder away."""
    removed.append(engine.spec.precision)
    shutil.rmtree(engine.folder)


def _engine(spec):
    place = folder / f"{spec.backend}-{spec.precision}"
    return Engine(place, spec, "double 1.0", "a double", place / "vision.plan", place / "text.plan")


def open_encoder(bundle, engine, *, device="auto", threads=0):
    """The double itself; raises the next of `failures`, if there is one."""
    if failures:
        raise failures.pop(0)
    opened.append(FakeEncoder(engine.spec))
    return opened[-1]


class FakeEncoder:
    """What the network said, turned away from it by the precision's cosine."""

    model, backend, device, gate = "double@0", "tensorrt", "a double", None

    def __init__(self, spec):
        self.precision = spec.precision
        self.is_closed = False
        pairs = [(_samples.images, _samples.image_embeddings), (_samples.clip.images, _samples.clip.embeddings)]
        self._of_image = {image.tobytes(): row for all_, rows in pairs for image, row in zip(all_, rows, strict=True)}
        self._of_text = dict(zip(_samples.texts, _samples.text_embeddings, strict=True))

    def encode_images(self, rgb):
        rows = np.stack([self._of_image[image.tobytes()] for image in rgb])
        other = np.roll(rows, 1, axis=1)
        other -= (other * rows).sum(axis=1, keepdims=True) * rows
        other /= np.linalg.norm(other, axis=1, keepdims=True)
        cosine = cosines.get(self.precision, 1.0)
        return (cosine * rows + np.sqrt(1 - cosine**2) * other).astype(np.float32)

    def encode_texts(self, texts):
        return np.stack([self._of_text[text] for text in texts])

    def close(self):
        self.is_closed = True
