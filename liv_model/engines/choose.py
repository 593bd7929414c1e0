# SPDX-License-Identifier: Apache-2.0
"""What ``auto`` means on this machine."""

from __future__ import annotations

from liv_model.nvidia import Nvidia, has_cuda_python, nvidia, tensorrt_package

# What precision "auto" tries, the fastest first: what is safe without being asked for.
LADDER = {"tensorrt": ("fp16", "fp32"), "openvino": ("fp32",)}


def choose_backend(found: Nvidia | None = None) -> tuple[str, str]:
    """What serves this machine best, and why: ``("openvino", "no NVIDIA driver")``.

    Args:
        found: what :func:`nvidia` tells; asked if not given.
    """
    found = nvidia() if found is None else found
    if not found.gpus:
        return "openvino", found.problem
    name = found.gpus[0].name
    package = tensorrt_package()
    if package is None:
        return "openvino", f"{name} is here, but neither tensorrt nor tensorrt_rtx is installed"
    if not has_cuda_python():
        return "openvino", f"{name} and {package} are here, but cuda-python is not installed"
    return "tensorrt", f"{name} with {package}"
