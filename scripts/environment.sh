# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the other scripts: where the environment is, how to enter it, and how a step is shown.
#
# Without ROS the environment is .venv, with ROS 2 from wheels. Where a ROS 2 installation is sourced it is .venv-ros, on
# top of that installation (--system-site-packages), without the ROS wheels and build tools.

ROOT="$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
INSTALL="$ROOT/install"
LOGS="$ROOT/build/logs"
PYTHON="${PYTHON:-python3}"

# What a ROS prefix path holds besides this checkout (so that a nested call does not take us for a ROS installation).
_without_ours() {
  local entry kept=()
  local -a entries
  IFS=: read -r -a entries <<<"$1"
  for entry in "${entries[@]}"; do
    [[ -z "$entry" || "$entry" == "$ROOT"/* ]] || kept+=("$entry")
  done
  (IFS=:; echo "${kept[*]-}")
}

SOURCED_ROS="$(_without_ours "${AMENT_PREFIX_PATH-}")"
if [[ -n "$SOURCED_ROS" ]]; then VENV="$ROOT/.venv-ros"; else VENV="$ROOT/.venv"; fi

say() { printf '%-8s %s\n' "$1" "$2"; }

die() {
  printf 'error: %s\n' "$1" >&2
  exit 2
}

# step NAME WHAT COMMAND...: one line while it runs, its time after; the output goes to a log, shown only on failure.
step() {
  local name="$1" what="$2" start=$SECONDS log
  shift 2
  mkdir -p "$LOGS"
  log="$LOGS/$name-$(tr -cs 'a-z0-9\n' '-' <<<"${what,,}").log"
  printf '%-8s %s ... ' "$name" "$what"
  if "$@" >"$log" 2>&1 </dev/null; then
    echo "$((SECONDS - start)) s"
  else
    echo "failed"
    tail -n 40 "$log" >&2
    die "$name: $what failed; all of its output is in $log"
  fi
}

# One at a time: two makes in one checkout must not install into the same environment.
lock() {
  mkdir -p "$ROOT/build"
  if command -v flock >/dev/null; then
    exec 9>"$ROOT/build/.lock"
    flock 9
  fi
}

# Puts the environment, and the built package if there is one, on the paths.
enter_environment() {
  [[ -x "$VENV/bin/python3" ]] || die "no environment at $VENV; run 'make build' first"
  export VIRTUAL_ENV="$VENV" PATH="$VENV/bin:$PATH"
  unset PYTHONHOME
  if [[ -z "$SOURCED_ROS" ]]; then
    export AMENT_PREFIX_PATH="$VENV" CMAKE_PREFIX_PATH="$VENV"
    # Set in a Python of another environment, it would keep this one's from finding its libraries.
    unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
  fi
  if [[ -f "$INSTALL/local_setup.bash" ]]; then
    local options=$-
    set +eu
    # shellcheck disable=SC1091
    source "$INSTALL/local_setup.bash"
    [[ "$options" != *e* ]] || set -e
    [[ "$options" != *u* ]] || set -u
  fi
  # The nodes by name, since the wheels have no `ros2 run`.
  export PATH="$PATH:$INSTALL/liv_ros/lib/liv_ros"
  # Last, so that what is installed comes first: training and the tests live in the checkout alone.
  export PYTHONPATH="${PYTHONPATH:+$PYTHONPATH:}$ROOT"
}
