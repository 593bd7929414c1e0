# SPDX-License-Identifier: Apache-2.0
"""TensorRT, and TensorRT for RTX: the model on the robot's NVIDIA GPU.

What was run on a GPU and what was not is in docs/gpu_check.md; `make gpu-check` runs it all on yours.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from liv_model.backends.tensorrt_library import RuntimeCache, import_library, load_engine
from liv_model.backends.tensorrt_tower import Rows, Tower
from liv_model.bundle import Bundle
from liv_model.cuda import Cuda
from liv_model.encoder import require_squares
from liv_model.engines.engine import Engine
from liv_model.errors import BackendError, EngineError
from liv_model.tokenizer import Tokenizer

if TYPE_CHECKING:
    from liv_model.engines.gate import GateReport


def open_encoder(bundle: Bundle, engine: Engine, *, device: str = "auto", threads: int = 0) -> TensorRtEncoder:
    """Load an engine onto a GPU.

    Args:
        bundle: whose towers the engine holds.
        engine: of backend "tensorrt".
        device: "auto" (the first GPU) or such as "cuda:1".
        threads: not used; the work is the GPU's.

    Raises:
        EngineError: the plans will not load here, or are not this bundle's: they have to be built anew.
        DeviceMemoryError: the GPU has no room; nothing is left on it.
        BackendError: no GPU, no driver, or a package is missing.
    """
    trt = import_library(engine.library)
    return TensorRtEncoder(bundle, engine, cuda=Cuda(device), trt=trt)


class TensorRtEncoder:
    """A bundle's two plans on one GPU; see :class:`liv_model.encoder.Encoder`.

    It may be used from any thread, one call at a time: a second one waits.

    Args:
        bundle: whose towers the engine holds.
        engine: where the plans are.
        cuda: the GPU, or a double.
        trt: the module that made the plans, or a double.

    Attributes:
        precision: of the engine.
        gate: what the gate found; set by whoever judged.
    """

    backend = "tensorrt"

    def __init__(self, bundle: Bundle, engine: Engine, *, cuda: Cuda, trt: Any):
        self.model, self.device, self.precision = bundle.identity, str(cuda.device), engine.spec.precision
        self.gate: GateReport | None = None
        _require_target(engine, cuda)
        self._size = bundle.image.size
        self._tokenizer = Tokenizer.load(bundle.file("tokenizer.json"), bundle.context_length)
        self._cuda = cuda
        self._turn = threading.Lock()
        self._is_open = True
        self._resources = ExitStack()
        vision = Rows("vision", (self._size, self._size, 3), "uint8", bundle.dim)
        text = Rows("text", (bundle.context_length,), "int64", bundle.dim)
        try:
            cuda.use()
            stream = cuda.create_stream()
            self._resources.callback(cuda.destroy_stream, stream)
            compiled = RuntimeCache(engine.runtime_cache)
            self._resources.callback(compiled.close)
            self._vision = self._tower(trt, engine.vision, vision, stream, compiled)
            self._text = self._tower(trt, engine.text, text, stream, compiled)
        except BaseException:
            self._resources.close()
            raise

    @property
    def graphs(self) -> dict[str, dict[int, bool]]:
        """By tower and batch size in use, whether it runs as a CUDA graph."""
        return {"vision": self._vision.graphs, "text": self._text.graphs}

    def encode_images(self, rgb: np.ndarray) -> np.ndarray:
        """Encode uint8 (B, S, S, 3) RGB to float32 (B, D), rows of unit norm."""
        return self._run(self._vision, require_squares(rgb, self._size))

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Encode B texts to float32 (B, D), rows of unit norm; GoalError if one is empty or too long."""
        return self._run(self._text, self._tokenizer.encode(texts))

    def gpu_ms(self, rgb: np.ndarray) -> float:
        """Time on the GPU of one call with at most the largest batch of pictures, for benchmarks: no results."""
        require_squares(rgb, self._size)
        with self._turn_on_gpu():
            return self._vision.gpu_ms(rgb)

    def close(self) -> None:
        """Give the GPU's memory back, once a call that is under way has ended; idempotent."""
        with self._turn:
            if self._is_open:
                self._is_open = False
                with suppress(BackendError):  # after a failure of the GPU every call reports it again
                    self._cuda.use()
                self._resources.close()

    def _tower(self, trt: Any, plan: Path, rows: Rows, stream: int, compiled: RuntimeCache) -> Tower:
        tower = Tower(trt, self._cuda, load_engine(trt, self._cuda, plan), rows, stream, compiled)
        self._resources.callback(tower.close)
        return tower

    def _run(self, tower: Tower, rows: np.ndarray) -> np.ndarray:
        with self._turn_on_gpu():
            return tower.run(rows)

    @contextmanager
    def _turn_on_gpu(self) -> Iterator[None]:
        with self._turn:
            if not self._is_open:
                raise BackendError("TensorRT encoder", expected="an open one", got="a closed one")
            self._cuda.use()
            yield


def _require_target(engine: Engine, cuda: Cuda) -> None:
    targets = engine.spec.targets
    if targets and cuda.device.target not in targets:
        raise EngineError(
            "engine",
            expected=f"one built for {cuda.device.target} ({cuda.device.name})",
            got=f"one for {', '.join(targets)}",
            remedy="build the engine anew",
        )
