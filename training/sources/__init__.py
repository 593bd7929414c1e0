# SPDX-License-Identifier: Apache-2.0
"""Where recordings come from: one file for each layout of somebody else's data."""
