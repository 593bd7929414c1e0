# SPDX-License-Identifier: Apache-2.0
"""OpenVINO: the model on the robot's CPU (or an Intel GPU or NPU)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import openvino

from liv_model.bundle import Bundle
from liv_model.encoder import require_squares
from liv_model.errors import BackendError
from liv_model.folders import cache_folder
from liv_model.tokenizer import Tokenizer


def open_encoder(bundle: Bundle, *, device: str = "auto", threads: int = 0) -> OpenVinoEncoder:
    """Compile the bundle's graphs, or load them from the user's cache."""
    return OpenVinoEncoder(bundle, device=device, threads=threads)


class OpenVinoEncoder:
    """The bundle's graphs, compiled by OpenVINO; see :class:`liv_model.encoder.Encoder`.

    One camera's frame is the usual call, so batch 1 has a graph of its own with every shape fixed;
    other batches share one with a dynamic batch, compiled when first needed.
    """

    backend = "openvino"

    def __init__(self, bundle: Bundle, *, device: str = "auto", threads: int = 0):
        self.model = bundle.identity
        self._size = bundle.image.size
        self._tokenizer = Tokenizer.load(bundle.file("tokenizer.json"), bundle.context_length)
        self._core = openvino.Core()
        self.device = _device(self._core, device)
        self._configure(threads, cache_folder() / "openvino" / bundle.digest)
        self._vision_file, text_file = bundle.file("vision.onnx"), bundle.file("text.onnx")
        self._one_image = self._compile(self._vision_file, [1, self._size, self._size, 3])
        self._text = self._compile(text_file, [-1, bundle.context_length])
        self._many_images: openvino.InferRequest | None = None

    def encode_images(self, rgb: np.ndarray) -> np.ndarray:
        """Encode uint8 (B, S, S, 3) RGB to float32 (B, D), rows of unit norm."""
        require_squares(rgb, self._size)
        if len(rgb) == 1:
            return _run(self._one_image, rgb)
        if self._many_images is None:
            self._many_images = self._compile(self._vision_file, [-1, self._size, self._size, 3])
        return _run(self._many_images, rgb)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Encode B texts to float32 (B, D), rows of unit norm; GoalError if one is empty or too long."""
        return _run(self._text, self._tokenizer.encode(texts))

    def close(self) -> None:
        """Release the compiled graphs."""
        self._one_image = self._many_images = self._text = self._core = None

    def _configure(self, threads: int, cache: Path) -> None:
        """One request at a time, as fast as it can be; float32 also where the CPU would rather take bfloat16."""
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if self.device == "CPU":
            settings["INFERENCE_NUM_THREADS"] = str(threads or min(4, os.cpu_count() or 1))
        if _is_writable(cache):  # a read-only home costs the compilation, not the robot
            settings["CACHE_DIR"] = str(cache)
        try:
            self._core.set_property(self.device, settings)
        except RuntimeError as error:
            raise self._refusal("to take its settings", error) from error

    def _compile(self, file: Path, shape: list[int]) -> openvino.InferRequest:
        try:
            model = self._core.read_model(file)
            model.reshape(openvino.PartialShape(shape))
            return self._core.compile_model(model, self.device).create_infer_request()
        except RuntimeError as error:
            raise self._refusal(f"to compile {file.name}", error) from error

    def _refusal(self, expected: str, error: RuntimeError) -> BackendError:
        remedy = "try device 'CPU', or update the package openvino"
        first_line = str(error).splitlines()[0]
        return BackendError(f"OpenVINO on {self.device}", expected=expected, got=first_line, remedy=remedy)


def _device(core: openvino.Core, device: str) -> str:
    if device == "auto":
        return "CPU"
    available = core.available_devices
    if device.split(".")[0].upper() not in {name.split(".")[0] for name in available}:
        raise BackendError("OpenVINO device", expected=" | ".join(["auto", *available]), got=repr(device))
    return device.upper()


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _run(request: openvino.InferRequest, data: np.ndarray) -> np.ndarray:
    request.infer([np.ascontiguousarray(data)], share_inputs=True)
    return request.get_output_tensor(0).data.copy()  # the tensor is the request's own, overwritten next time
