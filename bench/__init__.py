# SPDX-License-Identifier: Apache-2.0
"""``make bench``: how fast this machine runs a bundle. Medians and percentiles of one run, never a test."""
