# SPDX-License-Identifier: Apache-2.0
"""LIV on a robot: bundles, encoders, values, rewards and metrics. No ROS, and no torch on the onboard path."""
