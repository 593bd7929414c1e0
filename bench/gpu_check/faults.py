# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on robots, done on purpose: a damaged plan, no memory left, a model swapped while another serves."""

from __future__ import annotations

import gc
import multiprocessing
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from liv_model.bundle import Bundle
from liv_model.cuda import Cuda
from liv_model.encoder import Encoder
from liv_model.engines.engine import Engine
from liv_model.errors import DeviceMemoryError, EngineError

_SWAPS = 5
_LEAK_MIB = 2.0
_GIL_S = 1.0
_LARGEST_BLOCK, _SMALLEST_BLOCK = 1 << 36, 1 << 20
_DAMAGED = {"cut short": lambda data: data[: len(data) // 2], "garbage": lambda data: bytes(len(data))}

Open = Callable[[], Encoder]


def swap(serving: Encoder, open_another: Open, images: np.ndarray, cuda: Cuda) -> dict[str, Any]:
    """Open and close another encoder beside the one that serves; the memory must come back, the results must stay."""
    before_rows = serving.encode_images(images[:1])
    free = []
    for _ in range(_SWAPS):
        other = open_another()
        other.encode_images(images[:2])
        other.close()
        del other
        gc.collect()
        free.append(cuda.free_bytes() / 2**20)
    lost = round(free[0] - free[-1], 2)  # the first one loads what stays loaded
    same = bool(np.array_equal(before_rows, serving.encode_images(images[:1])))
    return {"passed": lost <= _LEAK_MIB and same, "swaps": _SWAPS, "lost MiB": lost, "the serving one unchanged": same}


def no_memory(serving: Encoder, open_another: Open, images: np.ndarray, cuda: Cuda) -> dict[str, Any]:
    """Take all memory of the GPU: another encoder must be refused with the numbers, and the serving one go on."""
    before_rows = serving.encode_images(images[:1])
    taken = _take_all(cuda)
    try:
        open_another().close()
        said, refused = "it opened", False
    except DeviceMemoryError as error:
        said, refused = str(error), True
    except Exception as error:
        said, refused = repr(error), False
    finally:
        same = bool(np.array_equal(before_rows, serving.encode_images(images[:1])))
        for address in taken:
            cuda.free(address)
    return {"passed": refused and same, "said": said, "the serving one unchanged": same}


def damaged_plans(bundle: Bundle, engine: Engine) -> dict[str, Any]:
    """Load plans that are no longer whole, each in a process of its own: TensorRT may take the process with it."""
    context = multiprocessing.get_context("spawn")
    said = {}
    for name, damage in _DAMAGED.items():
        with tempfile.TemporaryDirectory() as folder:
            broken = _copy(engine, Path(folder))
            broken.vision.write_bytes(damage(broken.vision.read_bytes()))
            answers = context.SimpleQueue()
            process = context.Process(target=_load, args=(bundle.path, broken, answers))
            process.start()
            process.join()
            said[name] = answers.get() if not answers.empty() else f"the process ended with {process.exitcode}"
    return {"passed": all(text.startswith(EngineError.__name__) for text in said.values()), "said": said}


def gil(encoder: Encoder, images: np.ndarray) -> dict[str, Any]:
    """How fast another Python thread counts while this one encodes, beside counting while this one sleeps."""
    alone = _count_while(lambda: time.sleep(_GIL_S))
    beside = _count_while(lambda: _encode_for(encoder, images[:1], _GIL_S))
    return {"another thread's speed while encoding": round(beside / alone, 3)}


def _encode_for(encoder: Encoder, rgb: np.ndarray, seconds: float) -> None:
    end_s = time.perf_counter() + seconds
    while time.perf_counter() < end_s:
        encoder.encode_images(rgb)


def _count_while(work: Callable[[], None]) -> int:
    stop, count = threading.Event(), 0

    def run() -> None:
        nonlocal count
        while not stop.is_set():
            count += 1

    thread = threading.Thread(target=run)
    thread.start()
    work()
    stop.set()
    thread.join()
    return count


def _take_all(cuda: Cuda) -> list[int]:
    """All memory, in ever smaller blocks."""
    taken, size = [], _LARGEST_BLOCK
    while size >= _SMALLEST_BLOCK:
        try:
            taken.append(cuda.allocate(size, "the check that takes all memory"))
        except DeviceMemoryError:
            size >>= 1
    return taken


def _copy(engine: Engine, folder: Path) -> Engine:
    vision, text = (Path(shutil.copy(file, folder)) for file in (engine.vision, engine.text))
    return replace(engine, folder=folder, vision=vision, text=text)


def _load(bundle: Path, engine: Engine, answers: Any) -> None:
    from liv_model.backends.tensorrt import open_encoder

    try:
        open_encoder(Bundle.load(bundle), engine).close()
        answers.put("it loaded")
    except Exception as error:
        answers.put(f"{type(error).__name__}: {error}")
