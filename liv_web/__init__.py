# SPDX-License-Identifier: Apache-2.0
"""The page and its server, over a :class:`liv_web.source.Source`: a running robot, or a recorded bag. No ROS."""
