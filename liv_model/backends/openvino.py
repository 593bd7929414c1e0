# SPDX-License-Identifier: Apache-2.0
"""OpenVINO: the model on the robot's CPU (or an Intel GPU or NPU)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import openvino

from liv_model.backends.openvino_blobs import Blobs
from liv_model.backends.openvino_core import core
from liv_model.bundle import Bundle
from liv_model.encoder import require_squares
from liv_model.engines.engine import Engine
from liv_model.engines.gate import GateReport
from liv_model.errors import BackendError, EngineError
from liv_model.tokenizer import Tokenizer

_EXACT, _LARGEST = 4, 64  # pictures of a graph: each number of cameras up to 4; more is for recordings


def open_encoder(bundle: Bundle, engine: Engine, *, device: str = "auto", threads: int = 0) -> OpenVinoEncoder:
    """Compile an engine's graphs, or load what was compiled before from its folder.

    Raises:
        EngineError: a graph of the engine's own will not load.
        BackendError: OpenVINO has no such device, or the device does not take the graphs.
    """
    return OpenVinoEncoder(bundle, engine, device=device, threads=threads)


class OpenVinoEncoder:
    """An engine's graphs, compiled by OpenVINO; see :class:`liv_model.encoder.Encoder`.

    Pictures run in graphs whose every shape is fixed, compiled when first needed (0.1 to 0.7 s) and kept: they are as
    fast or faster, and with a batch of any size OpenVINO 2026.4 computes an int8 ResNet wrongly (cosine 0.86 for
    0.995). A batch is cut into such sizes, so that no row is computed for nothing: 7 pictures are 4 and 3.

    Attributes:
        device_name: what the device is called, such as "Intel(R) Core(TM) i7-1260P".
    """

    backend = "openvino"
    gate: GateReport | None = None

    def __init__(self, bundle: Bundle, engine: Engine, *, device: str = "auto", threads: int = 0):
        self.model = bundle.identity
        self.precision = engine.spec.precision
        self._engine = engine
        self._size = bundle.image.size
        self._tokenizer = Tokenizer.load(bundle.file("tokenizer.json"), bundle.context_length)
        self._blobs = Blobs(engine.blobs)
        self.device = find_device(device)
        self.device_name = core().get_property(self.device, "FULL_DEVICE_NAME")
        self._settings = self._configuration(threads)
        self._text = self._compile(engine.text, [-1, bundle.context_length])
        self._images: dict[int, openvino.InferRequest] = {}
        self._images_graph(1)  # one camera's frame is the usual call

    def encode_images(self, rgb: np.ndarray) -> np.ndarray:
        """Encode uint8 (B, S, S, 3) RGB to float32 (B, D), rows of unit norm."""
        require_squares(rgb, self._size)
        parts = []
        while len(rgb):
            size = graph_size(len(rgb))
            parts.append(_run(self._images_graph(size), rgb[:size]))
            rgb = rgb[size:]
        return np.concatenate(parts)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Encode B texts to float32 (B, D), rows of unit norm; GoalError if one is empty or too long."""
        return _run(self._text, self._tokenizer.encode(texts))

    def close(self) -> None:
        """Release the compiled graphs."""
        self._images, self._text = {}, None

    def _configuration(self, threads: int) -> dict[str, str]:
        """One request at a time, as fast as it can be, and computed as precisely as the engine says."""
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": self._arithmetic()}
        if self.device == "CPU":
            settings["INFERENCE_NUM_THREADS"] = str(threads or min(4, os.cpu_count() or 1))
        if self._blobs.usable:  # a folder that cannot be written to costs the compilation, not the robot
            settings["CACHE_DIR"] = str(self._blobs.folder)
        return settings

    def _arithmetic(self) -> str:
        """Said outright: left alone, OpenVINO takes bfloat16 where a CPU has it. What it lacks is no engine."""
        return {"fp16": "f16", "bf16": "bf16"}.get(self.precision, "f32")

    def _images_graph(self, size: int) -> openvino.InferRequest:
        if size not in self._images:
            self._images[size] = self._compile(self._engine.vision, [size, self._size, self._size, 3])
        return self._images[size]

    def _compile(self, file: Path, shape: list[int]) -> openvino.InferRequest:
        model = self._read(file)
        try:
            model.reshape(openvino.PartialShape(shape))
            request = core().compile_model(model, self.device, self._settings).create_infer_request()
        except RuntimeError as error:
            raise self._refusal(f"to compile {file.name}", error) from error
        self._blobs.record()
        return request

    def _read(self, file: Path) -> openvino.Model:
        try:
            return core().read_model(file)
        except RuntimeError as error:
            if file.parent != self._engine.folder:  # the bundle's own, verified when it was loaded
                raise self._refusal(f"to read {file.name}", error) from error
            got = str(error).splitlines()[0]
            raise EngineError(str(file), expected="a graph", got=got, remedy="build the engine anew") from error

    def _refusal(self, expected: str, error: RuntimeError) -> BackendError:
        remedy = "try device 'CPU', or update the package openvino"
        first_line = str(error).splitlines()[0]
        return BackendError(f"OpenVINO on {self.device}", expected=expected, got=first_line, remedy=remedy)


def graph_size(count: int) -> int:
    """Pictures of the largest graph that ``count`` >= 1 of them fill: 1 to 4, then powers of two up to 64."""
    return count if count <= _EXACT else min(1 << (count.bit_length() - 1), _LARGEST)


def find_device(device: str) -> str:
    """OpenVINO's name of a device, "CPU" for "auto"; BackendError if there is none such."""
    if device == "auto":
        return "CPU"
    available = core().available_devices
    if device.split(".")[0].upper() not in {name.split(".")[0] for name in available}:
        raise BackendError("OpenVINO device", expected=" | ".join(["auto", *available]), got=repr(device))
    return device.upper()


def _run(request: openvino.InferRequest, data: np.ndarray) -> np.ndarray:
    request.infer([np.ascontiguousarray(data)], share_inputs=True)
    return request.get_output_tensor(0).data.copy()  # the tensor is the request's own, overwritten next time
