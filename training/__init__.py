# SPDX-License-Identifier: Apache-2.0
"""Offline half of liv_ros: simulate, train, export and evaluate. Used from a checkout, never put on a robot."""
