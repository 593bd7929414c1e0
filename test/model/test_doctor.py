# SPDX-License-Identifier: Apache-2.0
"""Each of the doctor's checks, given a machine that is well and one that is not."""

import fcntl
import json
import mmap
import os
import subprocess
import sys
from contextlib import suppress
from types import SimpleNamespace

import pytest
from engine_doubles import plant, scale_a_part

from liv_model.doctor import command, devices, folders, model, python, ros
from liv_model.doctor.finding import FAIL, OK, WARN, Finding
from liv_model.encoder import open_encoder
from liv_model.engines.engine import EngineSpec
from liv_model.errors import GateError
from liv_model.fast_dds_memory import SHARED_MEMORY
from liv_model.folders import shipped
from liv_model.nvidia import Gpu, Nvidia

WHOLE = ros.RosProbe(
    {"rclpy": "/opt/ros/x/rclpy/__init__.py", "rmw": "rmw_fastrtps_cpp", "node": "made"}
    | {"messages": "/ws/liv_ros/msg/__init__.py"}
)
NO_ROS = ros.RosProbe({}, "ModuleNotFoundError: No module named 'rclpy'")
NO_MESSAGES = ros.RosProbe({**WHOLE.reached}, "No module named 'liv_ros.msg'")
del NO_MESSAGES.reached["messages"]
NO_RMW = ros.RosProbe({"rclpy": "/r/rclpy/__init__.py"}, "librmw_cyclonedds_cpp.so: cannot open")
CYCLONE = ros.RosProbe({**WHOLE.reached, "rmw": "rmw_cyclonedds_cpp"})
PROFILE = ros.PROFILE_VARIABLES[0]


def expect(finding, status, *words):
    assert finding.status == status, finding
    for word in words:
        assert word in f"{finding.got} -> {finding.remedy}", finding
    assert bool(finding.remedy) == (status != OK), f"what is not right has a remedy, and only that: {finding}"


def test_python():
    expect(python.check_python(), OK, sys.executable)
    expect(python.check_python((3, 8, 10)), FAIL, "3.8.10", "3.10 or newer")


def test_packages(monkeypatch):
    expect(python.check_needed_packages(), OK, "numpy", "tokenizers")
    monkeypatch.setitem(sys.modules, "tokenizers", None)  # as if it were not installed
    expect(python.check_needed_packages(), FAIL, "tokenizers missing", "pip install tokenizers")
    monkeypatch.setitem(sys.modules, "mcap", None)
    expect(python.check_useful_packages(), WARN, "pip install mcap", "recorder_node")


def test_a_package_that_breaks_is_named(monkeypatch, tmp_path):
    (tmp_path / "broken_package.py").write_text("raise OSError('wrong ELF class')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(python, "NEEDED", {"broken_package": ("broken-package",)})
    expect(python.check_needed_packages(), FAIL, "broken (wrong ELF class)")


def test_another_environment_than_the_activated_one():
    assert list(python.check_environment({})) == []
    assert list(python.check_environment({"VIRTUAL_ENV": sys.prefix})) == []
    expect(*python.check_environment({"VIRTUAL_ENV": "/other"}), WARN, "/other is activated")


@pytest.mark.parametrize(
    ("check", "tried", "environ", "status", "words"),
    [
        (ros.check_ros, WHOLE, {"ROS_DISTRO": "jazzy"}, OK, ["jazzy sourced", "/opt/ros/x"]),
        (ros.check_ros, WHOLE, {}, OK, ["no installation sourced"]),
        (ros.check_ros, NO_ROS, {}, FAIL, ["No module named 'rclpy'", "source /opt/ros"]),
        (ros.check_ros, NO_ROS, {"ROS_DISTRO": "jazzy"}, FAIL, ["run with the Python"]),
        (ros.check_middleware, WHOLE, {}, OK, ["rmw_fastrtps_cpp"]),
        (ros.check_middleware, NO_MESSAGES, {}, OK, ["rmw_fastrtps_cpp"]),
        (ros.check_middleware, NO_ROS, {}, FAIL, ["mend ROS 2"]),
        (ros.check_middleware, NO_RMW, {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}, FAIL, ["install rmw-cyclonedds"]),
        (ros.check_profile, CYCLONE, {}, OK, ["not used by rmw_cyclonedds_cpp"]),
        (ros.check_profile, WHOLE, {}, WARN, [f"export {PROFILE}="]),
        (ros.check_profile, WHOLE, {PROFILE: "/none.xml"}, WARN, ["/none.xml"]),
        (ros.check_profile, WHOLE, {"ROS_DISTRO": "kilted"}, WARN, ["export FASTDDS_DEFAULT_PROFILES_FILE="]),
        (ros.check_shared_memory, CYCLONE, {}, OK, ["rmw_cyclonedds_cpp"]),
        (ros.check_shared_memory, WHOLE, {}, None, ["4 processes take 128 MB"]),
    ],
)
def test_ros(check, tried, environ, status, words):
    finding = check(tried, environ)
    expect(finding, status or finding.status, *words)


def test_messages():
    expect(ros.check_messages(WHOLE), OK, "/ws/liv_ros/msg")
    expect(ros.check_messages(NO_ROS), FAIL, "mend ROS 2")
    expect(ros.check_messages(NO_RMW), FAIL, "mend ROS 2 and RMW")
    expect(ros.check_messages(NO_MESSAGES), FAIL, "make build", "No module named 'liv_ros.msg'")


def test_profiles(tmp_path):
    ours = shipped("config/fastdds.xml")
    assert ros.segment_bytes(ours) == ros._SEGMENT
    expect(ros.check_profile(WHOLE, {PROFILE: str(ours)}), OK, "32 MB a process")
    other = tmp_path / "profile.xml"
    for content, words in (("<dds/>", "no segment_size"), ("<dds", "profile.xml"), ("", "profile.xml")):
        other.write_text(content)
        expect(ros.check_profile(WHOLE, {PROFILE: str(other)}), WARN, words)
    big = ours.read_text().replace("33554432", str(256 << 20))
    other.write_text(big)
    assert "4 processes take 1.1 GB" in ros.check_shared_memory(WHOLE, {PROFILE: str(other)}).got


@pytest.mark.parametrize(("free_mb", "status"), [(64, WARN), (127, WARN), (128, OK), (8000, OK)])
def test_shared_memory(monkeypatch, free_mb, status):
    stats = SimpleNamespace(f_bavail=free_mb, f_blocks=10 * free_mb, f_frsize=1 << 20)
    monkeypatch.setattr(os, "statvfs", lambda folder: stats)
    expect(ros.check_shared_memory(WHOLE, {}), status, *(["--shm-size"] if status == WARN else []))


def test_no_shared_memory():
    expect(ros.check_shared_memory(WHOLE, {}, "/none"), WARN, "No such file", "mount a tmpfs")


def test_a_process_that_sends_to_a_dead_one():
    known = {7: {"fastrtps_port7413": False}, os.getpid(): {"fastrtps_port7413": True, "fastrtps_port7411": False}}
    finding = ros.check_senders(WHOLE, known, {})
    expect(finding, WARN, f"process {os.getpid()} (", "python", "into fastrtps_port7413", "start that process anew")
    assert "process 7 " not in finding.got and "7411" not in finding.got
    expect(ros.check_senders(WHOLE, {7: known[7]}, {}), OK, "none of 1 processes")
    expect(ros.check_senders(WHOLE, {2**22 + 1: {"fastdds_port9": True}}, {}), WARN, "has ended since")
    expect(ros.check_senders(CYCLONE, known, {}), OK, "rmw_cyclonedds_cpp")


@pytest.mark.parametrize(
    ("environ", "status", "words"),
    [
        ({}, OK, "ROS_DOMAIN_ID 0, SUBNET"),
        ({"ROS_DOMAIN_ID": "42", "ROS_LOCALHOST_ONLY": "1"}, OK, "other machines see nothing"),
        ({"ROS_DOMAIN_ID": "233"}, FAIL, "0..101"),
        ({"ROS_DOMAIN_ID": "-1"}, FAIL, "0..101"),
        ({"ROS_DOMAIN_ID": "robot"}, FAIL, "0..101"),
        ({"ROS_DOMAIN_ID": "150"}, WARN, "0..101"),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LAN"}, WARN, "one of SUBNET"),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "off"}, WARN, "do not find each other"),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF", "ROS_STATIC_PEERS": "10.0.0.2"}, OK, "OFF"),
    ],
)
def test_discovery(environ, status, words):
    expect(ros.check_discovery(environ), status, words)


@pytest.mark.ros
def test_a_real_ros_is_probed_and_named_as_our_nodes_name_it():
    from liv_ros.fast_dds import PROFILE_VARIABLES

    tried = ros.probe()
    assert tried.error == "" and set(tried.reached) >= {"rclpy", "rmw", "messages", "node"}
    assert ros.PROFILE_VARIABLES == PROFILE_VARIABLES


@pytest.mark.ros
def test_the_probe_leaves_no_lock_of_a_port_behind():
    port = SHARED_MEMORY / f"fastrtps_port{10**6 + os.getpid()}"  # beyond those that there are
    lock = port.with_name(f"{port.name}_el")
    port.write_bytes(bytes(4096))
    with port.open("r+b") as file, mmap.mmap(file.fileno(), 0):
        port.unlink()  # this process now sends to the dead
        assert ros.probe().error == ""
        with suppress(FileNotFoundError), lock.open() as left, pytest.raises(BlockingIOError):
            fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)  # others that start now may hold it


@pytest.mark.parametrize(
    ("script", "error", "stage"),
    [
        ("print('rclpy here', flush=True)\nimport os; os.abort()", "it ended by signal 6", "rclpy"),
        ("print('error ImportError: numpy ABI'); raise SystemExit(1)", "ImportError: numpy ABI", None),
        ("import time; print('rclpy here', flush=True); time.sleep(60)", "no answer within 10 s", "rclpy"),
    ],
)
def test_a_ros_that_crashes_is_a_finding(monkeypatch, script, error, stage):
    monkeypatch.setattr(ros, "_PROBE", script)
    tried = ros.probe(within_s=10.0 if "sleep" in script else 30.0)
    assert tried.error == error
    assert list(tried.reached) == ([stage] if stage else [])


ORIN = Nvidia((Gpu("Orin", "sm87", 32 << 30),), "540.4, CUDA 12.6")


def test_gpu():
    expect(devices.check_gpu(Nvidia(problem="no NVIDIA driver")), OK, "OpenVINO serves")
    expect(devices.check_gpu(Nvidia(driver="570, CUDA 12.8", problem="none")), WARN, "docker run --gpus all")
    expect(devices.check_gpu(ORIN), OK, "Orin sm87, 34 GB", "CUDA 12.6")


def test_tensorrt_and_cuda_python_are_asked_for_where_a_gpu_is(monkeypatch):
    monkeypatch.setattr(devices, "tensorrt_package", lambda: None)
    monkeypatch.setattr(devices, "has_cuda_python", lambda: False)
    for check in (devices.check_tensorrt, devices.check_cuda_python):
        expect(check(Nvidia(problem="no NVIDIA driver")), OK, "installed")
        expect(check(ORIN), WARN, "installed")


def test_a_tensorrt_that_does_not_import_is_said(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "tensorrt_rtx", raising=False)
    (tmp_path / "tensorrt_rtx.py").write_text("raise OSError('libcudart.so.13: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(devices, "tensorrt_package", lambda: "tensorrt_rtx")
    expect(devices.check_tensorrt(ORIN), WARN, "libcudart.so.13")


def test_openvino(monkeypatch):
    none = Nvidia(problem="no NVIDIA driver")
    expect(devices.check_openvino(none), OK, "CPU (")
    monkeypatch.setitem(sys.modules, "openvino", None)
    expect(devices.check_openvino(none), FAIL, "pip install openvino")
    monkeypatch.setattr(devices, "choose_backend", lambda found: ("tensorrt", "a GPU"))
    expect(devices.check_openvino(ORIN), WARN, "pip install openvino")


def test_engine_builders(monkeypatch):
    found = {"onnx", "onnxruntime", "nncf"}
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda name: name if name in found else None)
    expect(devices.check_builders(), OK, "nncf are installed")
    found.remove("nncf")
    expect(devices.check_builders(), OK, "no nncf: int8 engines have to be built elsewhere")
    found.remove("onnx")
    expect(devices.check_builders(), OK, "int8 and TensorRT engines")


def test_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nothing")
    expect(folders.check_state(), WARN, "will not survive", "state_folder")
    assert str(tmp_path / "new") in folders.check_cache().got
    assert not list(tmp_path.iterdir()), "looking leaves nothing behind"
    monkeypatch.setattr(folders, "ROOM", 1 << 60)
    expect(folders.check_cache(), WARN, "make room")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nothing")
    expect(folders.check_cache(), WARN, "XDG_CACHE_HOME")


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_bundle_and_engines(own_cache, bundle, monkeypatch):
    none = Nvidia(problem="no NVIDIA driver")
    whole, service = model.check_bundle_and_engines(str(bundle.path), none)
    expect(whole, OK, bundle.identity, "4 sample images")
    expect(service, OK, "openvino fp32, to be judged")
    encoder = open_encoder(bundle, "openvino", threads=1)
    _, engine, service = model.check_bundle_and_engines(str(bundle.path), none)
    expect(engine, OK, "fp32 for CPU", "passed; image cosine 1.00000", encoder.gate.judged_at, encoder.device_name)
    expect(service, OK, "openvino fp32, passed")
    plant(bundle, monkeypatch, EngineSpec("openvino", "int8"), scale_a_part)
    with pytest.raises(GateError):
        open_encoder(bundle, "openvino", threads=1, precision="int8")
    _, *engines, service = model.check_bundle_and_engines(str(bundle.path), none)
    [refused] = [engine for engine in engines if "int8" in engine.got]
    expect(refused, WARN, "refused: images one by one: cosine", "liv engine remove test-openvino-int8-")
    expect(service, OK, "openvino fp32")
    monkeypatch.setitem(model.LADDER, "openvino", ("int8", "fp32"))
    expect(model.check_service(bundle, "openvino"), WARN, "openvino fp32", "not openvino int8 (refused by the gate)")
    monkeypatch.setitem(model.LADDER, "openvino", ("int8",))
    expect(model.check_service(bundle, "openvino"), FAIL, "nothing: openvino int8 (refused")


def test_a_check_that_breaks_stops_no_other():
    def broken():
        raise RuntimeError("bang")

    [finding] = command._guarded("it", broken)
    expect(finding, FAIL, "bang")


def doctor(*words, **environ):
    return subprocess.run(
        [sys.executable, "-m", "liv_model.cli", "doctor", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **environ},
    )


def test_the_command_line(bundle):
    result = doctor(str(bundle.path), "--json", ROS_DOMAIN_ID="robot")
    assert result.returncode == 1, result.stderr
    printed = json.loads(result.stdout)
    found = {entry["name"]: Finding(**entry) for entry in printed["findings"]}
    assert not printed["serves"]
    expect(found["discovery"], FAIL, "robot")
    expect(found["bundle"], OK, bundle.identity)
    lines = doctor(str(bundle.path), ROS_DOMAIN_ID="robot").stdout.splitlines()
    assert any(line.split()[:2] == ["FAIL", "discovery"] for line in lines)
    assert "cannot be served here. To mend: " in lines[-1] and "discovery" in lines[-1]


@pytest.mark.ros
def test_a_machine_that_serves_is_exit_code_0(bundle):
    result = doctor(str(bundle.path), ROS_DOMAIN_ID="7")
    assert result.returncode == 0, result.stdout
    assert "Live rewards can be served here" in result.stdout


def test_what_is_wrong_with_the_bundle_is_said(tmp_path):
    result = doctor(str(tmp_path))
    assert result.returncode == 1
    assert "liv.yaml" in next(line for line in result.stdout.splitlines() if " bundle " in line)
    assert doctor("--nonsense").returncode == 2
