# SPDX-License-Identifier: Apache-2.0
"""What a model can run on here: NVIDIA GPUs with TensorRT, and what OpenVINO knows."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util

from liv_model.doctor.finding import FAIL, OK, WARN, Finding
from liv_model.engines.choose import choose_backend
from liv_model.nvidia import Nvidia, has_cuda_python, nvidia, tensorrt_package

_OTHER = "OpenVINO serves on the CPU"


def ask_driver() -> Nvidia:
    """The GPUs; a driver that breaks when it is asked is one that has none."""
    try:
        return nvidia()
    except Exception as error:
        return Nvidia(driver="of unknown version", problem=f"the NVIDIA driver does not answer: {error}")


def check_gpu(found: Nvidia) -> Finding:
    """NVIDIA GPUs and their driver."""
    if not found.gpus:
        if found.driver:  # a driver without a GPU is no choice of anyone's
            remedy = "nvidia-smi says why; in a container: docker run --gpus all; CUDA_VISIBLE_DEVICES"
            return Finding("NVIDIA GPU", WARN, f"{found.problem} ({found.driver})", remedy)
        return Finding("NVIDIA GPU", OK, f"{found.problem}; {_OTHER}")
    names = ", ".join(f"{gpu.name} {gpu.capability}, {gpu.memory / 1e9:.0f} GB" for gpu in found.gpus)
    return Finding("NVIDIA GPU", OK, f"{names}; driver {found.driver}")


def check_tensorrt(found: Nvidia) -> Finding:
    """TensorRT or TensorRT for RTX, really imported where there is a GPU for it."""
    package = tensorrt_package()
    if package is None:
        status = WARN if found.gpus else OK
        remedy = f"docs/deploy.md says which TensorRT this GPU takes; until then {_OTHER}" if found.gpus else ""
        return Finding("TensorRT", status, "neither tensorrt nor tensorrt_rtx is installed", remedy)
    try:
        version = importlib.import_module(package).__version__
    except Exception as error:  # ImportError, or whatever a library of another CUDA throws
        return Finding("TensorRT", WARN, f"{package} does not import: {error}", "install the one made for this driver")
    return Finding("TensorRT", OK, f"{package} {version}")


def check_cuda_python(found: Nvidia) -> Finding:
    """cuda-python, through which TensorRT's buffers and streams are made."""
    if not has_cuda_python():
        status, remedy = (WARN, "pip install cuda-python") if found.gpus else (OK, "")
        return Finding("cuda-python", status, "not installed", remedy)
    try:
        importlib.import_module("cuda.bindings.runtime")
        version = importlib.metadata.version("cuda-bindings")
    except Exception as error:
        return Finding("cuda-python", WARN, f"it does not import: {error}", "install the one made for this driver")
    return Finding("cuda-python", OK, version)


def check_builders() -> Finding:
    """What writes a precision into a graph; needed where engines other than OpenVINO's fp32 are built."""
    lacking = [name for name in ("onnx", "onnxruntime", "nncf") if importlib.util.find_spec(name) is None]
    if not lacking:
        return Finding("engine builders", OK, "onnx, onnxruntime and nncf are installed")
    lost = "int8 engines" if "onnx" not in lacking else "int8 and TensorRT engines"
    return Finding("engine builders", OK, f"no {', no '.join(lacking)}: {lost} have to be built elsewhere")


def check_openvino(found: Nvidia) -> Finding:
    """OpenVINO and the devices that it knows; it can be spared where TensorRT serves."""
    lacking = WARN if choose_backend(found)[0] == "tensorrt" else FAIL
    try:
        import openvino

        from liv_model.backends.openvino_core import core

        devices = [f"{name} ({core().get_property(name, 'FULL_DEVICE_NAME')})" for name in core().available_devices]
    except Exception as error:
        return Finding("OpenVINO", lacking, f"it does not import: {error}", "pip install openvino: docs/install.md")
    if not devices:
        return Finding("OpenVINO", lacking, "no devices", "update the package openvino")
    return Finding("OpenVINO", OK, f"{openvino.get_version().split('-')[0]}: {', '.join(devices)}")


def check_backend(found: Nvidia) -> Finding:
    """What `backend: auto` takes here, and why."""
    name, why = choose_backend(found)
    status = WARN if found.gpus and name != "tensorrt" else OK
    return Finding("backend auto", status, f"{name}: {why}", "see the lines above" if status == WARN else "")
