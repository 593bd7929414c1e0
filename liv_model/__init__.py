# SPDX-License-Identifier: Apache-2.0
"""LIV on a robot: bundles, encoders, values, rewards, metrics. No ROS, no torch on the onboard path."""

from liv_model.no_telemetry import stay_silent

stay_silent()  # before anything of ours imports a library that would speak
