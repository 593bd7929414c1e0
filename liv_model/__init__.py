# SPDX-License-Identifier: Apache-2.0
"""LIV on a robot: bundles, encoders, values, rewards, metrics. No ROS, no torch on the onboard path."""
