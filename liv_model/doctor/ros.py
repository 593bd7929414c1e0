# SPDX-License-Identifier: Apache-2.0
"""ROS 2 and what its messages travel by, asked from outside: a process of its own tries rclpy and our messages.

So a ROS that crashes at import, as one made for another Python does, is a finding and not the end of the doctor.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from liv_model.doctor.finding import FAIL, OK, WARN, Finding
from liv_model.fast_dds_memory import PROCESSES
from liv_model.folders import shipped

# As liv_ros.fast_dds has them, which cannot be imported where ROS is missing: Fast DDS 2 (to Jazzy), Fast DDS 3.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
FAST_DDS_3 = ("kilted", "lyrical", "rolling")
PARTICIPANTS = 4  # that take a segment: camera, encoder_node, reward_node, and one that looks on
_SEGMENT = 32 << 20  # of config/fastdds.xml
_LARGEST_DOMAIN, _LAST_SAFE_DOMAIN = 232, 101  # beyond it, ports reach into those that Linux hands out
_RANGES = ("SUBNET", "LOCALHOST", "OFF", "SYSTEM_DEFAULT")

# Each line that comes out says how far it came.
_PROBE = """
def tell(stage, what):
    print(stage, what, flush=True)

held = []
try:
    import rclpy
    tell("rclpy", rclpy.__file__)
    tell("rmw", rclpy.get_rmw_implementation_identifier())
    if "fastrtps" in rclpy.get_rmw_implementation_identifier():
        try:  # so that this short life of a participant leaves the ports of others as they are
            from liv_model.fast_dds_memory import hold_dead_ports
            held = hold_dead_ports()
        except ImportError:
            pass
    rclpy.init(args=[])
    node = rclpy.create_node("liv_doctor")
    tell("node", "made")
    from liv_ros.msg import Reward
    import liv_ros.msg
    node.create_publisher(Reward, "liv_doctor", 1)
    tell("messages", liv_ros.msg.__file__)
    node.destroy_node()
    rclpy.shutdown()
except BaseException as error:
    tell("error", " ".join(f"{type(error).__name__}: {error}".split())[:200])
    raise SystemExit(1)
finally:
    for one in held:
        one.release()
"""


@dataclass(frozen=True)
class RosProbe:
    """What came of trying ROS in a process of its own.

    Attributes:
        reached: by stage ("rclpy", "rmw", "node", "messages"), what was found there.
        error: what went wrong; "" if nothing did.
    """

    reached: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


def probe(within_s: float = 30.0) -> RosProbe:
    """Import rclpy and our messages, and make a node, in another process."""
    try:
        run = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, errors="replace", timeout=within_s
        )
    except subprocess.TimeoutExpired as error:
        return RosProbe(_stages(error.stdout), f"no answer within {within_s:.0f} s")
    reached = _stages(run.stdout)
    error = reached.pop("error", "")
    if run.returncode < 0:
        error = f"it ended by signal {-run.returncode}"
    return RosProbe(reached, error or (f"exit code {run.returncode}" if run.returncode else ""))


def check_ros(tried: RosProbe, environ: Mapping[str, str] = os.environ) -> Finding:
    """Whether rclpy imports, and which ROS is sourced."""
    distro = environ.get("ROS_DISTRO")
    sourced = f"{distro} sourced" if distro else "no installation sourced"
    if where := tried.reached.get("rclpy"):
        return Finding("ROS 2", OK, f"{sourced}, rclpy of {Path(where).parent.parent}")
    if distro:
        remedy = "run with the Python that this ROS was made for: docs/install.md"
    else:
        remedy = "source /opt/ros/<distro>/setup.bash, or `make build` and scripts/run: docs/install.md"
    return Finding("ROS 2", FAIL, f"{sourced}, and rclpy does not import: {tried.error}", remedy)


def check_messages(tried: RosProbe) -> Finding:
    """Whether our messages are built for this ROS and this Python, and found by the loader."""
    if where := tried.reached.get("messages"):
        return Finding("liv_ros messages", OK, str(Path(where).parent))
    if "node" not in tried.reached:
        return Finding("liv_ros messages", FAIL, "not tried without a node", "mend ROS 2 and RMW first")
    remedy = "build liv_ros for this ROS and Python, and source its install/setup.bash (here: make build, scripts/run)"
    return Finding("liv_ros messages", FAIL, tried.error, remedy)


def check_middleware(tried: RosProbe, environ: Mapping[str, str] = os.environ) -> Finding:
    """Whether the RMW implementation loads, so that a node can be made."""
    name = middleware(tried, environ)
    if "node" in tried.reached:
        return Finding("RMW", OK, name)
    if "rclpy" not in tried.reached:
        return Finding("RMW", FAIL, "not tried without ROS 2", "mend ROS 2 first")
    remedy = f"install {name.replace('_', '-')} for this ROS, or unset RMW_IMPLEMENTATION"
    return Finding("RMW", FAIL, f"{name}: {tried.error}", remedy)


def check_profile(tried: RosProbe, environ: Mapping[str, str] = os.environ) -> Finding:
    """Whether Fast DDS has room for images: without a profile it drops best-effort ones in silence."""
    name, variable = "Fast DDS profile", profile_variable(environ)
    if rmw := _without_fast_dds(tried, environ):
        return Finding(name, OK, f"not used by {rmw}")
    file = environ.get(variable)
    if not file:
        ours = "$(ros2 pkg prefix --share liv_ros)/config/fastdds.xml"
        return Finding(
            name,
            WARN,
            f"{variable} is not set; our launch file sets it for our nodes, not for the camera's",
            f"where the camera driver starts: export {variable}={ours}",
        )
    try:
        size = segment_bytes(Path(file))
    except (OSError, ElementTree.ParseError, ValueError) as error:
        return Finding(name, WARN, f"{file}: {error}", f"name a profile that can be read in {variable}")
    if size is None:
        return Finding(name, WARN, f"{file} gives shared memory no segment_size", "see config/fastdds.xml")
    return Finding(name, OK, f"{file}, {_mb(size)} a process")


def check_shared_memory(tried: RosProbe, environ: Mapping[str, str] = os.environ, folder: str = "/dev/shm") -> Finding:
    """Whether /dev/shm holds a segment of each process: a container's default of 64 MB does not."""
    if rmw := _without_fast_dds(tried, environ):
        return Finding(folder, OK, f"not what {rmw} sends images by")
    segment = _profile_segment(environ)
    needed = PARTICIPANTS * segment
    try:
        stats = os.statvfs(folder)
    except OSError as error:
        return Finding(folder, WARN, str(error.strerror), "mount a tmpfs there: images go over the network without it")
    free, size = stats.f_bavail * stats.f_frsize, stats.f_blocks * stats.f_frsize
    got = f"{_mb(free)} of {_mb(size)} free; {PARTICIPANTS} processes take {_mb(needed)}"
    if free >= needed:
        return Finding(folder, OK, got)
    return Finding(
        folder,
        WARN,
        got,
        "docker run --shm-size=1g, or --ipc=host --pid=host; our nodes remove what dead processes left",
    )


def check_senders(
    tried: RosProbe, known: Mapping[int, Mapping[str, bool]], environ: Mapping[str, str] = os.environ
) -> Finding:
    """Whether a process still sends into the shared memory of one that died, whose next self does not hear it.

    Args:
        tried: what came of trying ROS.
        known: ``open_ports()``, from before that.
        environ: of the user.
    """
    name = "senders"
    if rmw := _without_fast_dds(tried, environ):
        return Finding(name, OK, f"{rmw} has no ports of shared memory")
    lost = {pid: gone for pid, ports in known.items() if (gone := [port for port in ports if ports[port]])}
    if not lost:
        return Finding(name, OK, f"none of {len(known)} processes sends into the shared memory of one that died")
    told = "; ".join(f"process {pid} ({_command(pid)}) into {', '.join(lost[pid])}" for pid in sorted(lost))
    remedy = "if it is told again in ten seconds, start that process anew: who was started again does not hear it"
    return Finding(name, WARN, f"shared memory of a process that died is sent into: {told}", remedy)


def _command(pid: int) -> str:
    try:
        words = (PROCESSES / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "has ended since"
    return " ".join(words)[:60].strip()


def check_cv_bridge() -> Finding:
    """Whether pictures are read by cv_bridge; OpenCV does it too."""
    found = importlib.util.find_spec("cv_bridge") is not None
    return Finding("cv_bridge", OK, "installed" if found else "not installed, OpenCV reads the images")


def check_launch() -> Finding:
    """Whether `ros2 launch` can start the nodes."""
    lacking = [name for name in ("launch_ros", "ros2cli") if importlib.util.find_spec(name) is None]
    if not lacking:
        return Finding("ros2 launch", OK, "installed")
    remedy = "from apt: ros-<distro>-ros2launch; without it start encoder_node and reward_node by name"
    return Finding("ros2 launch", WARN, f"no {' and no '.join(lacking)} (no wheels of them exist)", remedy)


def check_discovery(environ: Mapping[str, str] = os.environ) -> Finding:
    """Who can see the nodes: ROS_DOMAIN_ID and how far discovery reaches."""
    name, domain = "discovery", environ.get("ROS_DOMAIN_ID") or "0"
    if not domain.isascii() or not domain.isdigit() or int(domain) > _LARGEST_DOMAIN:
        remedy = f"set it to 0..{_LAST_SAFE_DOMAIN}, alike on all machines"
        return Finding(name, FAIL, f"ROS_DOMAIN_ID={domain}", remedy)
    reach = environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET").upper()
    if environ.get("ROS_LOCALHOST_ONLY") == "1":
        reach = "LOCALHOST"
    got = f"ROS_DOMAIN_ID {domain}, {reach}"
    if reach not in _RANGES:
        return Finding(name, WARN, got, f"set ROS_AUTOMATIC_DISCOVERY_RANGE to one of {', '.join(_RANGES)}")
    if reach == "OFF" and not environ.get("ROS_STATIC_PEERS"):
        return Finding(name, WARN, f"{got}: nodes do not find each other", "unset ROS_AUTOMATIC_DISCOVERY_RANGE")
    if int(domain) > _LAST_SAFE_DOMAIN:
        return Finding(name, WARN, got, f"0..{_LAST_SAFE_DOMAIN} keep clear of the ports that Linux hands out")
    return Finding(name, OK, got + (", other machines see nothing" if reach == "LOCALHOST" else ""))


def profile_variable(environ: Mapping[str, str]) -> str:
    """The variable that the Fast DDS of this ROS reads."""
    return PROFILE_VARIABLES[environ.get("ROS_DISTRO", "") in FAST_DDS_3]


def middleware(tried: RosProbe, environ: Mapping[str, str]) -> str:
    """The RMW implementation that was loaded, or would be."""
    return tried.reached.get("rmw") or environ.get("RMW_IMPLEMENTATION") or "rmw_fastrtps_cpp"


def _without_fast_dds(tried: RosProbe, environ: Mapping[str, str]) -> str:
    """The RMW implementation if it is one without Fast DDS, else ""."""
    name = middleware(tried, environ)
    return "" if "fastrtps" in name else name


def segment_bytes(profile: Path) -> int | None:
    """The largest shared-memory segment that a Fast DDS profile asks for; None if it names none."""
    tree = ElementTree.parse(profile)
    sizes = [int(e.text or "") for e in tree.iter() if e.tag.rpartition("}")[2] == "segment_size"]
    return max(sizes, default=None)


def _profile_segment(environ: Mapping[str, str]) -> int:
    """That of the user's own profile, else of ours, which the launch file sets."""
    try:
        file = environ.get(profile_variable(environ)) or shipped("config/fastdds.xml")
        return segment_bytes(Path(file)) or _SEGMENT
    except Exception:  # said by check_profile
        return _SEGMENT


def _stages(output: str | bytes | None) -> dict[str, str]:
    text = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


def _mb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 10**9 else f"{size >> 20} MB"
