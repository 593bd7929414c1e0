# SPDX-License-Identifier: Apache-2.0
"""What is asked of NVIDIA's driver, of a double of it; and what `auto` makes of the answers."""

import pytest

from liv_model import nvidia as asked
from liv_model.engines import choose
from liv_model.nvidia import Gpu, Nvidia, nvidia


class DriverDouble:
    """libcuda.so.1 as ctypes loads it: fills in what it is given the address of, returns a CUresult."""

    def __init__(self, gpus=(("NVIDIA GeForce RTX 4070", 8, 9, 12 << 30),), version=12080, init=0):
        self._gpus, self._version, self._init = gpus, version, init

    def cuDriverGetVersion(self, version):  # noqa: N802
        version._obj.value = self._version
        return 0

    def cuInit(self, flags):  # noqa: N802
        return self._init

    def cuDeviceGetCount(self, count):  # noqa: N802
        count._obj.value = len(self._gpus)
        return 0

    def cuDeviceGet(self, device, index):  # noqa: N802
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, name, length, device):  # noqa: N802
        name.value = self._gpus[device.value][0].encode()
        return 0

    def cuDeviceTotalMem_v2(self, memory, device):  # noqa: N802
        memory._obj.value = self._gpus[device.value][3]
        return 0

    def cuDeviceGetAttribute(self, value, attribute, device):  # noqa: N802
        value._obj.value = self._gpus[device.value][{75: 1, 76: 2}[attribute]]
        return 0


def test_gpus_are_told_apart():
    gpus = (("Orin", 8, 7, 32 << 30), ("NVIDIA RTX PRO 6000", 12, 0, 96 << 30))
    found = nvidia(lambda name: DriverDouble(gpus))
    assert found.gpus == (Gpu("Orin", "sm87", 32 << 30), Gpu("NVIDIA RTX PRO 6000", "sm120", 96 << 30))
    assert found.driver.endswith("CUDA 12.8") and found.problem == ""


def _no_library(name):
    raise OSError(f"{name}: cannot open shared object file")


@pytest.mark.parametrize(
    ("load", "problem", "driver"),
    [
        (_no_library, "no NVIDIA driver", ""),
        (lambda name: DriverDouble(init=100), "NVIDIA driver, but none that can be used", "CUDA 12.8"),
        (lambda name: DriverDouble(init=803), "NVIDIA driver, but CUDA error 803", "CUDA 12.8"),
        (lambda name: DriverDouble(gpus=(), version=13000), "none that can be used", "CUDA 13.0"),
    ],
)
def test_no_gpu_has_a_reason(load, problem, driver):
    found = nvidia(load)
    assert found.gpus == () and found.problem.endswith(problem)
    assert found.driver.endswith(driver)


def test_the_version_of_the_driver_is_part_of_it(monkeypatch, tmp_path):
    (tmp_path / "version").write_text("570.86.10\n")
    monkeypatch.setattr(asked, "_DRIVER_FILES", ("/none", str(tmp_path / "version")))
    assert nvidia(lambda name: DriverDouble()).driver == "570.86.10, CUDA 12.8"


def test_this_machine_answers():
    found = nvidia()
    assert bool(found.gpus) != bool(found.problem)


GPU = Nvidia((Gpu("Orin", "sm87", 32 << 30),), "540.4, CUDA 12.6")


@pytest.mark.parametrize(
    ("found", "package", "cuda", "backend", "why"),
    [
        (Nvidia(problem="no NVIDIA driver"), "tensorrt", True, "openvino", "no NVIDIA driver"),
        (GPU, None, True, "openvino", "Orin is here, but neither tensorrt nor tensorrt_rtx is installed"),
        (GPU, "tensorrt", False, "openvino", "Orin and tensorrt are here, but cuda-python is not installed"),
        (GPU, "tensorrt_rtx", True, "tensorrt", "Orin with tensorrt_rtx"),
    ],
)
def test_auto_says_why(monkeypatch, found, package, cuda, backend, why):
    monkeypatch.setattr(choose, "tensorrt_package", lambda: package)
    monkeypatch.setattr(choose, "has_cuda_python", lambda: cuda)
    assert choose.choose_backend(found) == (backend, why)
